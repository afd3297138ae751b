/* SPDX-License-Identifier: MIT */
/* The host of this worker's scripts: what their jobs wait for, on its loop. */
#include "worker/worker_int.h"

#include "worker/black_box.h"

uint64_t worker_next_event_id(struct worker *worker)
{
    const unsigned turns = ID_SHARD_COUNT / worker->options.count;
    const unsigned shard =
        worker->options.index + worker->options.count * (worker->shard_turn++ % turns);
    return store_next_event_id(worker->options.store, (uint8_t)shard);
}

static uint64_t next_event_id(void *ctx)
{
    return worker_next_event_id(ctx);
}

static void start_timer(void *ctx, struct timer *timer, int64_t delay_ms)
{
    struct worker *worker = ctx;
    timers_start(&worker->timers, timer, delay_ms);
}

static void stop_timer(void *ctx, struct timer *timer)
{
    struct worker *worker = ctx;
    timers_stop(&worker->timers, timer);
}

static enum status start_exchange(void *ctx, const struct exchange_request *request,
                                  exchange_cb on_done, void *done_ctx, struct exchange **exchange,
                                  struct err *err)
{
    struct worker *worker = ctx;
    return exchanges_start(worker->exchanges, request, on_done, done_ctx, exchange, err);
}

static void cancel_exchange(void *ctx, struct exchange *exchange)
{
    struct worker *worker = ctx;
    exchanges_cancel(worker->exchanges, exchange);
}

static enum status start_read(void *ctx, struct store_read *read)
{
    struct worker *worker = ctx;
    return store_read(worker->options.store, worker->client, read);
}

static enum status submit(void *ctx, struct store_op *op)
{
    struct worker *worker = ctx;
    return store_submit(worker->options.store, worker->client, op);
}

struct script_hooks host_hooks(struct worker *worker)
{
    return (struct script_hooks){
        .next_event_id = next_event_id,
        .start_timer = start_timer,
        .stop_timer = stop_timer,
        .start_exchange = start_exchange,
        .cancel_exchange = cancel_exchange,
        .read = start_read,
        .submit = submit,
        .shared = worker->options.shared,
        .directory = worker->options.directory,
        .running = worker->options.box
                       ? black_box_running(worker->options.box, worker->options.index)
                       : NULL,
        .ctx = worker,
    };
}
