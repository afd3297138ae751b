/* SPDX-License-Identifier: MIT */
/* What runs may ask for: ids, timers, exchanges with others, reads of kv, steps. */
#include "console/console_int.h"

static uint64_t next_event_id(void *ctx)
{
    struct console *console = ctx;
    return id_next_event(&console->ids, 0);
}

static void start_timer(void *ctx, struct timer *timer, int64_t delay_ms)
{
    timers_start(&((struct console *)ctx)->timers, timer, delay_ms);
}

static void stop_timer(void *ctx, struct timer *timer)
{
    timers_stop(&((struct console *)ctx)->timers, timer);
}

static enum status start_exchange(void *ctx, const struct exchange_request *request,
                                  exchange_cb on_done, void *done_ctx, struct exchange **exchange,
                                  struct err *err)
{
    const struct console *console = ctx;
    return exchanges_start(console->exchanges, request, on_done, done_ctx, exchange, err);
}

static void cancel_exchange(void *ctx, struct exchange *exchange)
{
    exchanges_cancel(((struct console *)ctx)->exchanges, exchange);
}

/* A run in a terminal has one try: its steps need not be kept. */
static void end_steps(struct console *console)
{
    timers_stop(&console->timers, &console->steps_due);
    struct letter *letter = console->steps;
    console->steps = NULL;
    while (letter) {
        struct store_op *op = container_of(letter, struct store_op, letter);
        letter = letter->next;
        op->status = OK;
        op->on_done(op);
    }
}

static void on_steps_due(struct timer *timer)
{
    end_steps(container_of(timer, struct console, steps_due));
}

static enum status submit(void *ctx, struct store_op *op)
{
    struct console *console = ctx;
    op->letter.next = console->steps;
    console->steps = &op->letter;
    console->steps_due.on_time = on_steps_due;
    timers_stop(&console->timers, &console->steps_due);
    timers_start(&console->timers, &console->steps_due, 0);
    return OK;
}

void console_answer_reads(struct console *console)
{
    end_steps(console);
    timers_stop(&console->timers, &console->reads_due);
    struct letter *letter = console->reads;
    console->reads = NULL;
    while (letter) {
        struct store_read *read = container_of(letter, struct store_read, letter);
        letter = letter->next;
        values_read(&console->values, read);
        read->on_done(read);
    }
}

static void on_reads_due(struct timer *timer)
{
    console_answer_reads(container_of(timer, struct console, reads_due));
}

static enum status start_read(void *ctx, struct store_read *read)
{
    struct console *console = ctx;
    read->letter.next = console->reads;
    console->reads = &read->letter;
    console->reads_due.on_time = on_reads_due;
    timers_stop(&console->timers, &console->reads_due);
    timers_start(&console->timers, &console->reads_due, 0);
    return OK;
}

struct script_hooks console_hooks(struct console *console)
{
    return (struct script_hooks){
        .next_event_id = next_event_id,
        .start_timer = start_timer,
        .stop_timer = stop_timer,
        .start_exchange = start_exchange,
        .cancel_exchange = cancel_exchange,
        .read = start_read,
        .submit = submit,
        .shared = console->shared,
        .ctx = console,
    };
}
