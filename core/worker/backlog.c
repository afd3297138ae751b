/* SPDX-License-Identifier: MIT */
/* Events that lie in the store and not in memory. While some do (is_behind) the gate is closed: new
 * ones go to the store only, and are claimed in turn. When a claim comes to the end the gate opens,
 * and one more claim looks for what was committed in between. Those with a due time of their own
 * are claimed by that time, with the gate as it is. */
#include "worker/worker_int.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"

#include <stdlib.h>

#define CLAIM_EVENTS_MAX 512
#define BUSY_RETRY_MS 20
#define TIMER_MS_MAX 3600000

static void claim(struct worker *worker);
static bool claim_timed(struct worker *worker, const struct store_claim_events *before);

static void on_timer(uv_timer_t *timer)
{
    struct worker *worker = container_of(timer, struct worker, backlog.timer);
    struct backlog *backlog = &worker->backlog;
    backlog->next_due_ms = 0;
    if (backlog->is_behind || backlog->wants_pass) {
        backlog->wants_pass = false;
        backlog_hint(worker);
    } else if (backlog->is_timed_underway) {
        backlog_due(worker, clock_due_ms() + BUSY_RETRY_MS);
    } else if (!claim_timed(worker, NULL)) {
        backlog_hint(worker);
    }
}

void backlog_init(struct worker *worker)
{
    check(uv_timer_init(&worker->loop, &worker->backlog.timer) == 0);
}

void backlog_due(struct worker *worker, int64_t due_ms)
{
    struct backlog *backlog = &worker->backlog;
    if (worker->state != WORKER_RUNNING ||
        (backlog->next_due_ms != 0 && backlog->next_due_ms <= due_ms))
        return;
    backlog->next_due_ms = due_ms;
    int64_t delay_ms = due_ms - clock_due_ms();
    if (delay_ms < 0)
        delay_ms = 0;
    if (delay_ms > TIMER_MS_MAX)
        delay_ms = TIMER_MS_MAX;
    uv_update_time(&worker->loop);
    check(uv_timer_start(&backlog->timer, on_timer, (uint64_t)delay_ms, 0) == 0);
}

void backlog_look(struct worker *worker, int64_t due_ms)
{
    worker->backlog.wants_pass = true;
    backlog_due(worker, due_ms);
}

void backlog_wake(struct worker *worker)
{
    const int64_t due_ms = worker->backlog.next_due_ms;
    worker->backlog.next_due_ms = 0;
    if (due_ms != 0)
        backlog_due(worker, due_ms);
}

static void note_nothing_under_way(struct backlog *backlog)
{
    if (!backlog->is_underway && backlog->ones == 0)
        map_clear(&backlog->finished_meanwhile);
}

static void on_one(struct store_read *read)
{
    struct worker *worker = read->ctx;
    struct store_claim_events *one = container_of(read, struct store_claim_events, read);
    uint64_t *again = NULL;
    size_t again_count = 0;
    worker->backlog.ones--;
    if (one->is_timed)
        worker->backlog.is_timed_underway = false;
    if (read->status != OK) {
        log_error("event not claimed", "status=%s error=\"%s\"", status_name(read->status),
                  read->err.text);
        backlog_look(worker, clock_due_ms() + 1000);
    } else if (worker->state == WORKER_RUNNING) {
        again = must_alloc((one->event_count + 1) * sizeof *again);
        for (size_t i = 0; i < one->event_count; i++) {
            if (!work_refresh(worker, &one->events[i]))
                again[again_count++] = one->events[i].event->id;
            work_take_claimed(worker, &one->events[i]);
        }
        if (one->next_due_ms > 0)
            backlog_due(worker, one->next_due_ms);
        if (one->is_timed && !one->is_end && !claim_timed(worker, one))
            backlog_hint(worker);
    }
    store_read_finish(read);
    free(one);
    note_nothing_under_way(&worker->backlog);
    for (size_t i = 0; i < again_count; i++)
        backlog_claim_one(worker, again[i]);
    free(again);
}

static bool has_room(const struct worker *worker)
{
    return atomic_load(&worker->held_count) <= LIMIT_EVENTS_PER_WORKER / 2 &&
           atomic_load(&worker->held_bytes) <= LIMIT_EVENT_BYTES_PER_WORKER / 2;
}

/* False: not now. */
static bool start_one(struct worker *worker, const struct store_claim_events *wanted)
{
    struct store_claim_events *one = has_room(worker) ? calloc(1, sizeof *one) : NULL;
    if (!one)
        return false;
    *one = *wanted;
    one->read = (struct store_read){.kind = STORE_CLAIM_EVENTS, .on_done = on_one, .ctx = worker};
    one->now_ms = clock_due_ms();
    if (store_read(worker->options.store, worker->client, &one->read) == OK) {
        worker->backlog.ones++;
        return true;
    }
    free(one);
    return false;
}

/* Those that are due at a time; before: goes on behind that one. False: not now. */
static bool claim_timed(struct worker *worker, const struct store_claim_events *before)
{
    struct backlog *backlog = &worker->backlog;
    const struct store_claim_events wanted = {
        .is_timed = true,
        .after = before ? before->last : 0,
        .after_due_ms = before ? before->last_due_ms : 0,
        .modulus = worker->options.count,
        .remainder = worker->options.index,
        .count_max = CLAIM_EVENTS_MAX,
        .bytes_max = LIMIT_EVENT_BYTES_PER_WORKER / 2,
    };
    backlog->is_timed_underway = start_one(worker, &wanted);
    return backlog->is_timed_underway;
}

void backlog_claim_one(struct worker *worker, uint64_t event)
{
    if (worker->state == WORKER_RUNNING &&
        !start_one(worker, &(struct store_claim_events){.only = event}))
        backlog_hint(worker);
}

void backlog_hint(struct worker *worker)
{
    struct backlog *backlog = &worker->backlog;
    if (worker->state != WORKER_RUNNING)
        return;
    if (backlog->is_behind && !backlog->is_last_look) {
        backlog->is_rescan = true;
        claim(worker);
        return;
    }
    gate_close(&worker->gate);
    backlog->is_rescan = backlog->is_underway;
    backlog->is_behind = true;
    backlog->is_last_look = false;
    backlog->after = 0;
    claim(worker);
}

void backlog_go_on(struct worker *worker)
{
    if (worker->backlog.is_behind)
        claim(worker);
}

/* The pass came to its end. */
static void end_pass(struct worker *worker)
{
    struct backlog *backlog = &worker->backlog;
    backlog->after = 0;
    if (backlog->is_rescan) {
        backlog->is_rescan = false;
    } else if (backlog->is_last_look) {
        backlog->is_last_look = false;
        backlog->is_behind = false;
    } else {
        gate_open(&worker->gate);
        backlog->is_last_look = true;
    }
}

static void on_claimed(struct store_read *read)
{
    struct worker *worker = read->ctx;
    struct backlog *backlog = &worker->backlog;
    struct store_claim_events *result = &backlog->claim;
    backlog->is_underway = false;
    if (read->status != OK) {
        log_error("events not claimed", "status=%s error=\"%s\"", status_name(read->status),
                  read->err.text);
        backlog_look(worker, clock_due_ms() + 1000);
    } else if (worker->state == WORKER_RUNNING) {
        for (size_t i = 0; i < result->event_count; i++) {
            work_refresh(worker, &result->events[i]);
            work_take_claimed(worker, &result->events[i]);
        }
        backlog->after = result->last;
        if (result->next_due_ms > 0)
            backlog_due(worker, result->next_due_ms);
        if (result->is_end)
            end_pass(worker);
    }
    store_read_finish(read);
    note_nothing_under_way(backlog);
    if (read->status == OK && backlog->is_behind)
        claim(worker);
}

static void claim(struct worker *worker)
{
    struct backlog *backlog = &worker->backlog;
    if (backlog->is_underway || worker->state != WORKER_RUNNING || !has_room(worker))
        return;
    backlog->claim = (struct store_claim_events){
        .read = {.kind = STORE_CLAIM_EVENTS, .on_done = on_claimed, .ctx = worker},
        .after = backlog->after,
        .modulus = worker->options.count,
        .remainder = worker->options.index,
        .now_ms = clock_due_ms(),
        .count_max = CLAIM_EVENTS_MAX,
        .bytes_max = LIMIT_EVENT_BYTES_PER_WORKER / 2,
    };
    backlog->is_underway = true;
    if (store_read(worker->options.store, worker->client, &backlog->claim.read) != OK) {
        backlog->is_underway = false;
        backlog->next_due_ms = 0;
        backlog_look(worker, clock_due_ms() + BUSY_RETRY_MS);
    }
}

void backlog_close(struct worker *worker)
{
    (void)uv_timer_stop(&worker->backlog.timer);
    uv_close((uv_handle_t *)&worker->backlog.timer, NULL);
    map_finish(&worker->backlog.finished_meanwhile);
}
