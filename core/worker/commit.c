/* SPDX-License-Identifier: MIT */
/* From a job's result to the store and back: what a handler asked for commits with its end, then
 * goes to its owners. */
#include "worker/worker_int.h"

#include "base/clock.h"
#include "base/crash.h"
#include "base/limits.h"
#include "base/log.h"

#include <stdlib.h>

static struct store_run_ref ref_of(const struct run *run)
{
    const struct work *work = run->work;
    const bool is_alone = run->member_count == 0;
    return (struct store_run_ref){
        .event = work->event->id,
        .subscriptions = work->list,
        .subscription_count = work->run_count,
        .index = (size_t)(run - work->runs),
        .is_ordered = run->is_ordered,
        .has_steps = run->has_steps,
        .batch = run->batch,
        .members = is_alone ? &work->event->id : run->member_ids,
        .member_count = is_alone ? 1 : run->member_count,
        .is_stored = work->names != NULL,
    };
}

static char *copy_text(const char *text)
{
    return must_copy(text ? text : "", text ? strnlen(text, LIMIT_TRACEBACK_BYTES) : 0);
}

/* ---- To the owners
 * --------------------------------------------------------------------------------- */

static void route_delivery(struct worker *worker, struct outbox_delivery *entry)
{
    struct delivery *delivery = entry->delivery;
    const uint64_t endpoint = entry->endpoint->id;
    const unsigned owner = worker_of_shard(worker, id_shard_of_number(endpoint));
    struct worker *peer = worker->options.peers[owner];
    if (entry->is_held || entry->is_dropped) { /* whoever goes before it lets it go */
        if (delivery->due_ms == 0)
            gate_put(entry->endpoint->gate);
    } else if (delivery->due_ms == 0) {
        entry->delivery = NULL;
        if (peer == worker)
            sender_take(worker->sender, delivery);
        else
            worker_post(peer,
                        &(struct worker_letter){.kind = LETTER_DELIVERY, .of.delivery = delivery});
    } else if (peer == worker) {
        sender_hint(worker->sender, endpoint, delivery->priority);
    } else {
        worker_post(peer, &(struct worker_letter){.kind = LETTER_DELIVERY_HINT,
                                                  .of.hint = {endpoint, delivery->priority}});
    }
}

/* What became due is taken up by its owner. */
static void route_changes(struct worker *worker, const struct outbox *outbox)
{
    for (size_t i = 0; i < outbox->change_count; i++) {
        const struct change *what = &outbox->changes[i].what;
        const bool is_due = what->verb != CHANGE_DROP || what->has_released;
        if (what->status != OK || !is_due)
            continue;
        if (what->kind == ID_EVENT)
            worker_event_due(worker, what->id, 0);
        else
            worker_endpoint_due(worker, what->endpoint);
    }
}

void commit_route_outbox(struct worker *worker, struct outbox *outbox)
{
    route_changes(worker, outbox);
    if (outbox->task_count > 0)
        worker->options.hooks->on_tasks(worker->options.ctx);
    for (size_t i = 0; i < outbox->delivery_count; i++)
        route_delivery(worker, &outbox->deliveries[i]);
    for (size_t i = 0; i < outbox->emit_count; i++) {
        struct event *event = outbox->emits[i];
        if (outbox->emit_is_duplicate[i])
            continue;
        outbox->emits[i] = NULL;
        const bool has_room = !event->plan && event->due_ms == 0 && gate_take(&worker->gate);
        worker_placed(worker, (struct placement){id_shard(event->id), has_room}, event, true);
    }
}

void commit_give_back(struct outbox *outbox)
{
    for (size_t i = 0; i < outbox->delivery_count; i++)
        if (outbox->deliveries[i].delivery->due_ms == 0)
            gate_put(outbox->deliveries[i].endpoint->gate);
}

void commit_prepare(struct worker *worker, struct outbox *outbox)
{
    const int64_t now_ms = clock_due_ms();
    for (size_t i = 0; i < outbox->delivery_count; i++) {
        struct outbox_delivery *entry = &outbox->deliveries[i];
        entry->delivery->created_ms = now_ms;
        const bool is_now = entry->delay_ms <= 0;
        entry->delivery->due_ms =
            is_now && gate_take(entry->endpoint->gate) ? 0 : now_ms + entry->delay_ms;
    }
    for (size_t i = 0; i < outbox->emit_count; i++)
        script_plan(worker->script, outbox->emits[i]);
}

/* ---- Completions
 * -------------------------------------------------------------------------------------- */

static void free_outbox(struct run *run)
{
    if (run->outbox)
        outbox_finish(run->outbox);
    free(run->outbox);
    run->outbox = NULL;
}

static void put_credit(struct run *run)
{
    struct worker *worker = run->work->worker;
    if (run->has_credit)
        store_credit_put(worker->options.store);
    run->has_credit = false;
    worker->active--;
    if (worker->is_starved)
        worker_tick(worker);
}

static void fail(struct run *run, const char *error, bool is_hopeless);

/* The store could not take the outcome: the event stays there as it was and is claimed again. */
static void lose(struct run *run, const struct store_op *op)
{
    struct worker *worker = run->work->worker;
    log_error("outcome of a run not stored", "event=%llu status=%s",
              (unsigned long long)run->work->event->id, status_name(op->status));
    run->due_ms = clock_due_ms() + 1000;
    run_move(run, RUN_LATER);
    backlog_look(worker, run->due_ms);
}

/* The next one of the same order key may go. */
static void release_next(struct worker *worker, const struct store_op *op,
                         const struct store_run_ref *ref)
{
    if (op->status == OK && ref->released != 0)
        worker_tell_due(worker, ref->released, 0);
}

static void on_handled(struct store_op *op)
{
    struct run *run = op->ctx;
    struct work *work = run->work;
    const struct store_handled *handled = container_of(op, struct store_handled, op);
    put_credit(run);
    batch_finish(run);
    release_next(work->worker, op, &handled->run);
    if (run->outbox && op->status == OK)
        commit_route_outbox(work->worker, run->outbox);
    else if (run->outbox)
        commit_give_back(run->outbox);
    const bool is_kv_conflict = run->outbox && op->status == E_CONFLICT && handled->is_kv_conflict;
    const bool is_at_once =
        is_kv_conflict && turn_after_conflict(run, &run->outbox->kv_reads[handled->kv_conflict]);
    free_outbox(run);
    free(run->text);
    run->text = NULL;
    if (is_kv_conflict) {
        if (is_at_once)
            work_requeue(run);
        else
            run_move(run, RUN_WAITING);
        return;
    }
    turn_put(run);
    if (op->status == E_INVALID) {
        run_move(run, RUN_QUEUED);
        work->worker->active++;
        fail(run, "anzol.kv:incr: the value is no number, or the sum is out of range", false);
        return;
    }
    if (op->status == OK || op->status == E_CONFLICT)
        run_move(run, RUN_ENDED);
    else
        lose(run, op);
    work_settle(work);
}

static void on_failed(struct store_op *op)
{
    struct run *run = op->ctx;
    struct work *work = run->work;
    put_credit(run);
    batch_finish(run);
    release_next(work->worker, op, &run->outcome.failed.run);
    turn_put(run);
    free(run->text);
    run->text = NULL;
    if (op->status != OK && op->status != E_CONFLICT) {
        lose(run, op);
    } else if (op->status == OK && run->outcome.failed.due_ms > 0) {
        run->due_ms = run->outcome.failed.due_ms;
        run_move(run, RUN_LATER);
    } else {
        run_move(run, RUN_ENDED);
    }
    work_settle(work);
}

/* ---- Operations
 * ----------------------------------------------------------------------------------------- */

static void submit(struct run *run)
{
    struct worker *worker = run->work->worker;
    run->work->is_fixed = true;
    run_move(run, RUN_COMMITTING);
    crash_point("outbox_commit");
    /* Holds a credit: always taken. */
    check(store_submit(worker->options.store, worker->client, &run->outcome.op) == OK);
}

/* What a run without effects commits; never written to. */
static struct outbox nothing;

static void commit_handled(struct run *run, const char *skip_reason)
{
    if (!turn_may_commit(run)) {
        put_credit(run);
        free_outbox(run);
        run_move(run, RUN_WAITING);
        return;
    }
    if (run->outbox)
        commit_prepare(run->work->worker, run->outbox);
    run->text = skip_reason ? copy_text(skip_reason) : NULL;
    run->outcome.handled = (struct store_handled){
        .op = {.kind = STORE_HANDLED, .on_done = on_handled, .ctx = run},
        .run = ref_of(run),
        .skip_reason = run->text,
        .number = run->number + 1,
        .outbox = run->outbox ? run->outbox : &nothing,
    };
    submit(run);
}

static void commit_failed(struct run *run, uint32_t number, int64_t due_ms, const char *error)
{
    run->text = copy_text(error);
    run->outcome.failed = (struct store_run){
        .op = {.kind = STORE_RUN, .on_done = on_failed, .ctx = run},
        .run = ref_of(run),
        .number = number,
        .due_ms = due_ms,
        .error = run->text,
    };
    submit(run);
}

static void fail(struct run *run, const char *error, bool is_hopeless)
{
    const struct event *event = run->work->event;
    const uint32_t number = run->number + 1;
    int64_t delay_ms = 0;
    const bool again = !is_hopeless && backoff_next(&backoff_handler, number, 0, 0, &delay_ms);
    char id[ID_TEXT_BYTES];
    id_format(ID_EVENT, event->id, id);
    atomic_fetch_add(&run->work->worker->runs_failed, 1);
    log_warn(again ? "handler failed" : "handler gave up",
             "event=%s subscription=%s run=%u error=\"%.400s\"", id, run->spec->name, number,
             error);
    commit_failed(run, number, again ? clock_due_ms() + delay_ms : 0, error);
}

void commit_result(struct run *run, const struct job_result *result)
{
    struct worker *worker = run->work->worker;
    const bool is_cancelled = result->outcome == JOB_CANCELLED;
    if (is_cancelled)
        batch_finish(run);
    run->outbox = result->outcome == JOB_HANDLED ? result->outbox : NULL;
    run->has_steps = result->has_steps;
    switch (result->outcome) {
    case JOB_HANDLED:
        commit_handled(run, NULL);
        break;
    case JOB_SKIPPED:
        commit_handled(run, result->text ? result->text : "");
        break;
    case JOB_RETRY_LATER:
        /* Not a failure: only the first one counts as a run, since it makes the run's row. */
        commit_failed(run, run->number > 0 ? run->number : 1, clock_due_ms() + result->delay_ms,
                      "retry_later");
        break;
    case JOB_FAILED:
        fail(run, result->text, result->is_hopeless);
        break;
    case JOB_CANCELLED:
        put_credit(run);
        break;
    }
    run_lane_leave(run);
    if (is_cancelled && worker->state == WORKER_RUNNING)
        work_requeue(run);
    else if (is_cancelled)
        run_move(run, RUN_QUEUED);
}

void commit_nothing(struct run *run, enum run_phase phase)
{
    struct work *work = run->work;
    put_credit(run);
    run_lane_leave(run);
    run_move(run, phase);
    if (phase == RUN_LATER)
        backlog_look(work->worker, run->due_ms); /* a batch that is full is due at once */
    work_settle(work);
}

void commit_dead(struct run *run, const char *why)
{
    char id[ID_TEXT_BYTES];
    id_format(ID_EVENT, run->work->event->id, id);
    log_warn("handler gave up", "event=%s subscription=%s run=%u error=\"%.400s\"", id,
             run->work->list[run - run->work->runs], run->number + 1, why);
    run->work->worker->active++;
    commit_failed(run, run->number + 1, 0, why);
}

void commit_outbox(struct run *run, struct outbox *outbox)
{
    run->work->worker->active++;
    run->outbox = outbox;
    commit_handled(run, NULL);
}

void commit_unmatched(struct run *run, struct outbox *outbox)
{
    run->work->worker->active++;
    run->outbox = outbox;
    if (outbox)
        commit_prepare(run->work->worker, outbox);
    run->outcome.handled = (struct store_handled){
        .op = {.kind = STORE_HANDLED, .on_done = on_handled, .ctx = run},
        .run = {.event = run->work->event->id},
        .outbox = outbox ? outbox : &nothing,
    };
    submit(run);
}
