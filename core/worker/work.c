/* SPDX-License-Identifier: MIT */
/* Events in memory and their runs: which subscriptions, in which lane, when to start. */
#include "worker/worker_int.h"

#include "worker/black_box.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/memory.h"

#include <stdio.h>
#include <stdlib.h>

#define POISON "crash: the process ended three times in a script that this event was given to"

static const struct machine_state phases[RUN_PHASE_COUNT] = {
    [RUN_QUEUED] = {"queued", MACHINE_BIT(RUN_RUNNING) | MACHINE_BIT(RUN_COMMITTING)},
    [RUN_RUNNING] = {"running", MACHINE_BIT(RUN_COMMITTING) | MACHINE_BIT(RUN_QUEUED) |
                                    MACHINE_BIT(RUN_WAITING) | MACHINE_BIT(RUN_LATER) |
                                    MACHINE_BIT(RUN_ENDED)},
    [RUN_WAITING] = {"waiting", MACHINE_BIT(RUN_QUEUED)},
    [RUN_COMMITTING] = {"committing", MACHINE_BIT(RUN_ENDED) | MACHINE_BIT(RUN_LATER) |
                                          MACHINE_BIT(RUN_QUEUED) | MACHINE_BIT(RUN_WAITING)},
    [RUN_ENDED] = {"ended",
                   MACHINE_BIT(RUN_QUEUED) | MACHINE_BIT(RUN_LATER)}, /* opened again by hand */
    [RUN_LATER] = {"later", MACHINE_BIT(RUN_QUEUED)},
};

void run_move(struct run *run, enum run_phase phase)
{
    machine_move(phases, &run->phase, phase);
}

/* ---- Memory ------------------------------------------------------------------------------------
 */

/* Takes the event's reference over. NULL: no memory. */
static struct work *create(struct worker *worker, struct event *event, size_t run_count)
{
    struct work *work = memory_calloc(1, sizeof *work + run_count * sizeof *work->runs);
    const char **list = memory_calloc(run_count, sizeof *list);
    if (!work || !list || map_put(&worker->works, event->id, work) != OK) {
        free(work);
        free(list);
        return NULL;
    }
    work->worker = worker;
    work->event = event;
    work->list = list;
    work->run_count = run_count;
    work->is_poison = black_box_is_poison(worker->options.box, event->id);
    if (work->is_poison)
        black_box_clear(worker->options.box, event->id);
    for (size_t i = 0; i < run_count; i++) {
        const size_t share = LIMIT_MESSAGES_PER_EVENT / run_count;
        work->runs[i].work = work;
        work->runs[i].first_ordinal = (uint8_t)(1 + i * share);
        work->runs[i].ordinal_count = (uint8_t)share;
    }
    atomic_fetch_add(&worker->held_count, 1);
    atomic_fetch_add(&worker->held_bytes, event_bytes(event));
    return work;
}

static void destroy(struct work *work)
{
    struct worker *worker = work->worker;
    (void)map_remove(&worker->works, work->event->id);
    black_box_clear(worker->options.box, work->event->id);
    for (size_t i = 0; i < work->run_count; i++) {
        turn_put(&work->runs[i]);
        batch_finish(&work->runs[i]);
        if (work->runs[i].generation)
            generation_unref(work->runs[i].generation);
        if (work->names)
            free(work->names[i]);
    }
    free(work->names);
    free(work->list);
    atomic_fetch_sub(&worker->held_count, 1);
    atomic_fetch_sub(&worker->held_bytes, event_bytes(work->event));
    event_unref(work->event);
    free(work);
    gate_put(&worker->gate);
}

/* ---- Lanes --------------------------------------------------------------------------------------
 */

static struct lane *lane_of(const struct run *run)
{
    const struct worker *worker = run->work->worker;
    if (!run->spec || run->generation != worker->generation)
        return NULL;
    return &worker->lanes[run->spec - worker->registry->subscriptions];
}

static void on_job_done(const struct job_result *result, void *ctx)
{
    commit_result(ctx, result);
}

void run_start_job(struct run *run)
{
    struct work *work = run->work;
    atomic_fetch_add_explicit(&work->worker->runs, 1, memory_order_relaxed);
    const struct run_options options = {
        .subscription = run->spec,
        .own = {work->event, run->first_ordinal, run->ordinal_count},
        .members = run->members,
        .member_count = run->member_count,
        .run_number = run->number + 1,
        .is_ordered = run->is_ordered,
    };
    script_run(work->worker->script, &options, on_job_done, run);
}

static void start(struct run *run)
{
    run_move(run, RUN_RUNNING);
    run->work->worker->active++;
    if (run->batch != 0 && run->spec->batch.count_max > 0)
        batch_start(run);
    else
        run_start_job(run);
}

static void pump(struct worker *worker, struct lane *lane, uint32_t concurrency)
{
    if (lane->is_pumping || worker->state != WORKER_RUNNING)
        return;
    lane->is_pumping = true;
    while (lane->running < concurrency && queue_first(&lane->ready)) {
        if (store_credit_take(worker->options.store) != OK) {
            worker->is_starved = true;
            worker_tick(worker);
            break;
        }
        struct run *run = container_of(queue_pop(&lane->ready), struct run, node);
        run->has_credit = true;
        lane->running++;
        start(run);
    }
    lane->is_pumping = false;
}

void work_pump(struct worker *worker)
{
    worker->is_starved = false;
    for (size_t i = 0; i < worker->lane_count; i++)
        pump(worker, &worker->lanes[i], worker->registry->subscriptions[i].concurrency);
}

void run_lane_leave(struct run *run)
{
    struct lane *lane = lane_of(run);
    if (!lane)
        return;
    lane->running--;
    pump(run->work->worker, lane, run->spec->concurrency);
}

void run_resolve(struct run *run, const struct subscription_spec *spec)
{
    run->spec = spec;
    if (!spec)
        return; /* vanished: the old generation, if any, still holds the name */
    struct generation *old = run->generation;
    run->generation = generation_ref(run->work->worker->generation);
    if (!run->work->names)
        run->work->list[run - run->work->runs] = spec->name;
    if (old)
        generation_unref(old);
}

static void enqueue(struct run *run)
{
    struct worker *worker = run->work->worker;
    const char *name = run->work->list[run - run->work->runs];
    if (!run->spec && strcmp(name, EVENT_UNTYPED_RUN) == 0 &&
        slice_is(run->work->event->type, EVENT_UNTYPED)) {
        retype_run(run);
        return;
    }
    if (!run->spec) {
        char why[LIMIT_SUBSCRIPTION_BYTES + 64];
        (void)snprintf(why, sizeof why, "subscription \"%s\" is no longer in the scripts", name);
        commit_dead(run, why);
        return;
    }
    if (run->work->is_erased || run->work->is_poison) {
        commit_dead(run, run->work->is_erased ? STORE_ERASED : POISON);
        return;
    }
    struct lane *lane = lane_of(run);
    queue_push(&lane->ready, &run->node);
    pump(worker, lane, run->spec->concurrency);
}

void work_requeue(struct run *run)
{
    struct worker *worker = run->work->worker;
    run_move(run, RUN_QUEUED);
    if (run->generation != worker->generation)
        run_resolve(run, registry_subscription(worker->registry,
                                               slice_str(run->work->list[run - run->work->runs])));
    enqueue(run);
}

void work_take_turn(struct worker *worker, uint64_t event, size_t index)
{
    struct work *work = map_get(&worker->works, event);
    struct run *run = work && index < work->run_count ? &work->runs[index] : NULL;
    if (run && run->phase == RUN_WAITING && turn_has_come(run))
        work_requeue(run);
}

/* ---- Taking events
 * -------------------------------------------------------------------------------- */

static void give_up(struct worker *worker, struct event *event)
{
    log_error("event left to the store", "reason=\"no memory\" held=%zu",
              atomic_load(&worker->held_count));
    event_unref(event);
    gate_put(&worker->gate);
    backlog_look(worker, clock_due_ms() + 1000);
}

/* Takes the reference over. */
static void start_fresh(struct worker *worker, struct event *event)
{
    const struct subscription_spec *matches[LIMIT_SUBSCRIPTIONS_PER_EVENT];
    size_t count = registry_match(worker->registry, event->source, event->type, matches,
                                  LIMIT_SUBSCRIPTIONS_PER_EVENT);
    if (count > LIMIT_SUBSCRIPTIONS_PER_EVENT) {
        log_error("too many subscriptions match", "type=%s count=%zu most=%d", event->type.data,
                  count, LIMIT_SUBSCRIPTIONS_PER_EVENT);
        count = LIMIT_SUBSCRIPTIONS_PER_EVENT;
    }
    const bool fans_out = count == 0 && event_is_published(event);
    struct outbox *outbox = fans_out ? publish_fan_out(worker, event) : NULL;
    struct work *work = fans_out && !outbox ? NULL : create(worker, event, count == 0 ? 1 : count);
    if (!work) {
        if (outbox)
            outbox_finish(outbox);
        free(outbox);
        give_up(worker, event);
        return;
    }
    if (count == 0) {
        commit_unmatched(&work->runs[0], outbox);
        return;
    }
    for (size_t i = 0; i < count; i++)
        run_resolve(&work->runs[i], matches[i]);
    for (size_t i = 0; i < count; i++)
        enqueue(&work->runs[i]);
}

void work_take(struct worker *worker, struct event *event)
{
    if (worker->state != WORKER_RUNNING || map_get(&worker->works, event->id)) {
        event_unref(event);
        gate_put(&worker->gate);
        return;
    }
    start_fresh(worker, event);
}

static bool is_over(enum run_state state)
{
    return state == RUN_HANDLED || state == RUN_SKIPPED || state == RUN_DEAD;
}

/* A run's message ids go up to those of the next. */
static uint8_t ordinals_of(const struct claimed_event *claimed, size_t index)
{
    const unsigned end = index + 1 < claimed->run_count ? claimed->runs[index + 1].first_ordinal
                                                        : LIMIT_MESSAGES_PER_EVENT + 1;
    return (uint8_t)(end - claimed->runs[index].first_ordinal);
}

/* The runs of an event whose list is in the store. */
static void start_stored(struct worker *worker, struct claimed_event *claimed)
{
    const int64_t now_ms = clock_due_ms();
    struct work *work = create(worker, claimed->event, claimed->run_count);
    char **names = memory_calloc(claimed->run_count, sizeof *names);
    if (!work || !names) {
        free(names);
        if (work) {
            (void)event_ref(claimed->event);
            destroy(work);
        }
        give_up(worker, claimed->event);
        return;
    }
    work->is_fixed = true;
    work->names = names;
    for (size_t i = 0; i < claimed->run_count; i++) {
        struct claimed_run *stored = &claimed->runs[i];
        struct run *run = &work->runs[i];
        names[i] = stored->subscription;
        stored->subscription = NULL;
        work->list[i] = names[i];
        run->number = stored->number;
        run->first_ordinal = stored->first_ordinal;
        run->ordinal_count = ordinals_of(claimed, i);
        run->is_ordered = stored->is_ordered;
        run->batch = stored->batch;
        run->due_ms = stored->due_ms;
        run->phase = is_over(stored->state)    ? RUN_ENDED
                     : stored->due_ms > now_ms ? RUN_LATER
                                               : RUN_QUEUED;
        if (run->phase == RUN_QUEUED)
            run_resolve(run, registry_subscription(worker->registry, slice_str(names[i])));
    }
    for (size_t i = 0; i < work->run_count; i++) {
        const struct run *run = &work->runs[i];
        if (run->phase == RUN_LATER && run->batch != 0 && run->due_ms < STORE_HELD_MS)
            backlog_look(worker, run->due_ms); /* by its time it is due for another run too */
    }
    for (size_t i = 0; i < work->run_count; i++)
        if (work->runs[i].phase == RUN_QUEUED)
            enqueue(&work->runs[i]);
    work_settle(work);
}

void work_take_claimed(struct worker *worker, struct claimed_event *claimed)
{
    if (map_get(&worker->works, claimed->event->id) ||
        map_get(&worker->backlog.finished_meanwhile, claimed->event->id))
        return; /* the read frees it */
    struct event *event = claimed->event;
    atomic_fetch_sub(&worker->gate.room, 1);
    if (claimed->run_count == 0)
        start_fresh(worker, event);
    else
        start_stored(worker, claimed);
    claimed->event = NULL;
}

/* It died here, and was given a fresh chance by hand. */
static bool is_reopened(const struct run *run, const struct claimed_run *stored)
{
    return run->phase == RUN_ENDED && stored->state == RUN_PENDING && stored->number == 0;
}

static void refresh(struct run *run, const struct claimed_run *stored)
{
    const bool may_move = run->due_ms >= STORE_HELD_MS || run->batch != 0;
    const bool is_released = run->phase == RUN_LATER && may_move && stored->due_ms < STORE_HELD_MS;
    if (!is_released && !is_reopened(run, stored))
        return;
    run->number = stored->number;
    run->due_ms = stored->due_ms;
    if (run->phase == RUN_ENDED && run->due_ms > clock_due_ms())
        run_move(run, RUN_LATER);
    else if (run->due_ms <= clock_due_ms())
        work_requeue(run);
}

bool work_refresh(struct worker *worker, const struct claimed_event *claimed)
{
    struct work *work = map_get(&worker->works, claimed->event->id);
    if (!work)
        return map_get(&worker->backlog.finished_meanwhile, claimed->event->id) == NULL;
    for (size_t i = 0; i < work->run_count; i++) {
        if (work->runs[i].phase == RUN_COMMITTING)
            work->is_stale = true;
        for (size_t j = 0; j < claimed->run_count; j++)
            if (strcmp(claimed->runs[j].subscription, work->list[i]) == 0)
                refresh(&work->runs[i], &claimed->runs[j]);
    }
    return true;
}

/* ---- Leaving
 * ---------------------------------------------------------------------------------------- */

static void note_finished(struct worker *worker, uint64_t event)
{
    if ((worker->backlog.is_underway || worker->backlog.ones > 0) &&
        map_put(&worker->backlog.finished_meanwhile, event, worker) != OK)
        log_debug("finished event not noted", "reason=%s", "nomem");
}

void work_settle(struct work *work)
{
    struct worker *worker = work->worker;
    int64_t due_ms = 0;
    for (size_t i = 0; i < work->run_count; i++) {
        const struct run *run = &work->runs[i];
        if (run->phase != RUN_ENDED && run->phase != RUN_LATER)
            return;
        if (run->phase == RUN_LATER && (due_ms == 0 || run->due_ms < due_ms))
            due_ms = run->due_ms;
    }
    if (due_ms == 0)
        note_finished(worker, work->event->id);
    const uint64_t event = work->event->id;
    const bool is_stale = work->is_stale;
    destroy(work);
    if (is_stale)
        backlog_claim_one(worker, event);
    if (due_ms > 0 && due_ms < STORE_HELD_MS)
        backlog_due(worker, due_ms);
    backlog_go_on(worker);
}

/* In whatever generation it goes on. */
static void cancel(struct worker *worker, struct run *run)
{
    script_cancel(worker->script, run);
    for (struct node *node = queue_first(&worker->draining); node && run->phase == RUN_RUNNING;
         node = queue_next(&worker->draining, node))
        script_cancel(container_of(node, struct draining, node)->script, run);
}

void work_forget(struct worker *worker, uint64_t event)
{
    struct work *work = map_get(&worker->works, event);
    if (!work) {
        note_finished(worker, event); /* a claim under way may have it from before */
        return;
    }
    work->is_erased = true;
    for (size_t i = 0; i < work->run_count; i++) {
        struct run *run = &work->runs[i];
        if (run->phase == RUN_QUEUED && node_is_linked(&run->node)) {
            queue_remove(&lane_of(run)->ready, &run->node);
            enqueue(run);
        } else if (run->phase == RUN_RUNNING) {
            cancel(worker, run);
        }
    }
}

static bool is_idle(const struct work *work)
{
    for (size_t i = 0; i < work->run_count; i++)
        if (work->runs[i].phase == RUN_RUNNING || work->runs[i].phase == RUN_COMMITTING)
            return false;
    return true;
}

static void unlink_queued(struct worker *worker, struct work *work)
{
    for (size_t i = 0; i < work->run_count; i++) {
        struct run *run = &work->runs[i];
        if (node_is_linked(&run->node))
            queue_remove(&worker->lanes[run->spec - worker->registry->subscriptions].ready,
                         &run->node);
    }
}

/* All held works, so that the map may change while they are visited. */
static struct work **list_works(struct worker *worker, size_t *count)
{
    struct work **works = must_alloc((worker->works.count + 1) * sizeof *works);
    size_t place = 0;
    uint64_t id;
    void *value;
    *count = 0;
    while (map_next(&worker->works, &place, &id, &value))
        works[(*count)++] = value;
    return works;
}

void work_forget_idle(struct worker *worker)
{
    size_t count;
    struct work **works = list_works(worker, &count);
    for (size_t i = 0; i < count; i++) {
        if (!is_idle(works[i]))
            continue;
        unlink_queued(worker, works[i]);
        destroy(works[i]);
    }
    free(works);
}

/* ---- A new generation
 * --------------------------------------------------------------------------------- */

static bool is_untouched(const struct work *work)
{
    if (work->is_fixed)
        return false;
    for (size_t i = 0; i < work->run_count; i++)
        if (work->runs[i].phase != RUN_QUEUED)
            return false;
    return true;
}

static void reresolve(struct worker *worker, struct work *work)
{
    for (size_t i = 0; i < work->run_count; i++) {
        struct run *run = &work->runs[i];
        if (run->phase == RUN_QUEUED)
            run_resolve(run, registry_subscription(worker->registry, slice_str(work->list[i])));
    }
    for (size_t i = 0; i < work->run_count; i++)
        if (work->runs[i].phase == RUN_QUEUED && !node_is_linked(&work->runs[i].node))
            enqueue(&work->runs[i]);
}

static void make_lanes(struct worker *worker)
{
    for (size_t i = 0; i < worker->lane_count; i++)
        while (queue_pop(&worker->lanes[i].ready))
            continue;
    free(worker->lanes);
    worker->lane_count = worker->registry->subscription_count;
    worker->lanes = must_alloc((worker->lane_count + 1) * sizeof *worker->lanes);
    for (size_t i = 0; i < worker->lane_count; i++)
        queue_init(&worker->lanes[i].ready);
}

void work_adopt(struct worker *worker)
{
    make_lanes(worker);
    size_t count;
    struct work **works = list_works(worker, &count);
    for (size_t i = 0; i < count; i++) {
        if (is_untouched(works[i])) {
            struct event *event = event_ref(works[i]->event);
            destroy(works[i]);
            atomic_fetch_sub(&worker->gate.room, 1);
            start_fresh(worker, event);
        } else {
            reresolve(worker, works[i]);
        }
    }
    free(works);
}

void work_finish(struct worker *worker)
{
    work_forget_idle(worker);
    check(worker->works.count == 0);
    map_finish(&worker->works);
    free(worker->lanes);
}
