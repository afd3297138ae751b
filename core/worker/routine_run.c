/* SPDX-License-Identifier: MIT */
/* Runs of routines: a job from its start to the commit of what it asked for together with where the
 * routine stands next, and what scripts are told of those that fail. On the worker's thread. */
#include "worker/routine_int.h"

#include "worker/black_box.h"

#include "base/clock.h"
#include "base/log.h"
#include "model/meta.h"
#include "signature/signature.h"

#include <stdio.h>
#include <stdlib.h>

#define RETRY_MS 1000
#define CRASH                                                                                      \
    "crash: the process ended three times in this script; it is not run any more until the "       \
    "scripts are loaded anew (anzol reload) or it is run by hand (anzol crons|polls run NAME)"

static const char *kind_of(const struct routine *it)
{
    return routine_kind_name(it->kind);
}

static void free_outbox(struct routine *it)
{
    if (it->outbox)
        outbox_finish(it->outbox);
    free(it->outbox);
    event_unref(it->event);
    it->outbox = NULL;
    it->event = NULL;
}

/* ---- Commits --------------------------------------------------------------------------------- */

static void fail(struct routine *it, const char *error);

/* The row is as it->next says. */
static void take_next(struct routine *it)
{
    struct worker *worker = it->worker;
    routine_row_finish(&it->row);
    it->row = it->next;
    it->row.version++;
    it->next = (struct routine_row){0};
    it->conflicts = 0;
    if (it->end.place && it->row.failures == 0)
        stream_drop_first(it->stream);
    if (it->end.ended_ms > 0) {
        routine_count(worker->options.shared, it->kind, it->name, &it->row);
        black_box_clear(worker->options.box, black_box_routine(it->id));
    }
    it->end = (struct routine_end){0};
    routine_move(it, PHASE_WAITING);
    routine_settle(it);
}

static void on_kv_conflict(struct routine *it)
{
    if (++it->conflicts >= LIMIT_KV_CONFLICTS) {
        fail(it, "the keys of anzol.kv that it had read were changed by others meanwhile, each "
                 "time that it ran");
        return;
    }
    routine_move(it, PHASE_WAITING);
    routine_settle(it); /* due still: it runs again at once */
}

/* Nothing of it was stored: somebody else moved it on, or the store failed. */
static void try_later(struct routine *it, enum status status)
{
    const bool is_behind = status == E_CONFLICT;
    if (!is_behind)
        log_error("run of a routine not stored", "%s=%s status=%s", kind_of(it), it->name,
                  status_name(status));
    routine_move(it, is_behind ? PHASE_LOADING : PHASE_WAITING);
    if (it->is_gone) {
        routine_settle(it);
        return;
    }
    it->worker->active--;
    if (is_behind)
        routines_load(it->worker);
    else
        routine_wait(it, RETRY_MS);
}

static void on_committed(struct store_op *op)
{
    struct routine *it = op->ctx;
    if (it->outbox && op->status == OK)
        commit_route_outbox(it->worker, it->outbox);
    else if (it->outbox)
        commit_give_back(it->outbox);
    free_outbox(it);
    if (op->status == OK) {
        take_next(it);
        return;
    }
    routine_row_finish(&it->next);
    if (op->status == E_INVALID)
        fail(it, "anzol.kv:incr: the value is no number, or the sum is out of range");
    else if (op->status == E_CONFLICT && it->op.is_kv_conflict)
        on_kv_conflict(it);
    else
        try_later(it, op->status);
}

/* it->next, and what is in the outbox. */
static void commit(struct routine *it)
{
    struct worker *worker = it->worker;
    if (it->phase != PHASE_COMMITTING)
        routine_move(it, PHASE_COMMITTING);
    if (it->outbox)
        commit_prepare(worker, it->outbox);
    it->op = (struct store_routine){
        .op = {.kind = STORE_ROUTINE, .on_done = on_committed, .ctx = it},
        .kind = it->kind,
        .name = it->name,
        .row = &it->next,
        .event = it->event,
        .outbox = it->outbox,
    };
    check(store_submit(worker->options.store, worker->client, &it->op.op) == OK);
}

void routine_commit_row(struct routine *it)
{
    it->worker->active++;
    routine_row_copy(&it->next, &it->row);
    commit(it);
}

/* ---- Failures -------------------------------------------------------------------------------- */

/* Scripts that ask for it are told, in the commit that ends the run. */
static void tell(struct routine *it, enum routine_news news, unsigned failures)
{
    struct worker *worker = it->worker;
    const struct meta_routine meta = {.kind = kind_of(it),
                                      .name = it->name,
                                      .state = routine_news_name(news),
                                      .failures = failures,
                                      .error = it->next.error};
    struct event *event = meta_create_routine(worker->registry, &meta);
    if (!event)
        return;
    event->id = worker_next_event_id(worker);
    it->outbox = must_alloc(sizeof *it->outbox);
    if (outbox_add_emit(it->outbox, event) != OK)
        event_unref(event);
}

static void log_failure(const struct routine *it, bool goes_on)
{
    log_warn(goes_on ? "routine failed" : "routine gave up", "%s=%s failures=%u error=\"%.400s\"",
             kind_of(it), it->name, it->row.failures + 1, it->end.error);
}

/* it->end says how the run ended. */
static void go_on(struct routine *it)
{
    routine_row_copy(&it->next, &it->row);
    const bool goes_on = routine_go_on(it->spec, &it->next, &it->end);
    if (it->next.error)
        log_failure(it, goes_on);
    const enum routine_news news = routine_take_news(it->spec, &it->next, &it->end, goes_on);
    if (news != ROUTINE_NO_NEWS)
        tell(it, news, it->row.failures + 1);
    commit(it);
}

void routine_note(struct routine *it, const struct stream_problem *problem)
{
    it->worker->active++;
    it->end = (struct routine_end){
        .started_ms = routine_now(it), .ended_ms = routine_now(it), .random = random_unit()};
    if (problem) {
        it->end.error = problem->text;
        it->end.load.retry_after_ms = problem->retry_after_ms;
    }
    go_on(it);
}

void routine_stop(struct routine *it)
{
    it->worker->active++;
    routine_row_copy(&it->next, &it->row);
    routine_park(&it->next, CRASH);
    log_error("routine stopped", "%s=%s reason=\"%s\"", kind_of(it), it->name, CRASH);
    tell(it, ROUTINE_STOPPED, BLACK_BOX_CRASHES);
    commit(it);
}

/* ---- Runs ------------------------------------------------------------------------------------ */

static void fail(struct routine *it, const char *error)
{
    it->end.error = error;
    it->end.items = 0;
    it->conflicts = 0;
    go_on(it);
}

static void on_done(const struct job_result *result, void *ctx)
{
    struct routine *it = ctx;
    struct worker *worker = it->worker;
    generation_unref(it->running);
    it->running = NULL;
    worker->routines.running--;
    store_credit_put(worker->options.store);
    if (result->outcome == JOB_CANCELLED) {
        routine_move(it, PHASE_WAITING);
        routine_settle(it);
    } else {
        it->outbox = result->outbox;
        it->event = result->event;
        it->end.ended_ms = routine_now(it);
        it->end.error = result->outcome == JOB_FAILED ? result->text : NULL;
        it->end.is_timeout = result->is_timeout;
        it->end.has_delay = result->has_delay;
        it->end.delay_ms = result->delay_ms;
        it->end.items = result->items;
        it->end.load = result->load;
        it->end.random = random_unit();
        go_on(it);
    }
    routines_pump(worker);
}

void routine_start(struct routine *it)
{
    struct worker *worker = it->worker;
    routine_move(it, PHASE_RUNNING);
    worker->active++;
    worker->routines.running++;
    it->running = generation_ref(it->generation);
    it->script = worker->script;
    it->end = (struct routine_end){.started_ms = routine_now(it)};
    const struct sse_message *message = it->stream ? stream_first(it->stream) : NULL;
    if (message)
        it->end.place = message->id.data;
    const struct tick_options options = {
        .message = message,
        .routine = it->spec,
        .scheduled_ms = it->row.tick_ms,
        .previous_ms = it->row.previous_ms,
        .number = it->row.failures + 1,
        .mark = black_box_routine(it->id),
    };
    script_run_routine(worker->script, &options, on_done, it);
}

void routine_cancel_long(struct routine *it)
{
    if (it->phase == PHASE_RUNNING)
        script_cancel(it->script, it);
}
