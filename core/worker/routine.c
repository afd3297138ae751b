/* SPDX-License-Identifier: MIT */
/* The routines of a worker (crons, everys, polls, streams): those whose id falls to it, as events
 * do. When the time of one comes its function runs as a job, and what that asked for commits
 * together with where the routine stands next: a kill leaves both or neither. One that runs is
 * never started again, so it never overlaps itself, whatever is reloaded meanwhile. All on the
 * worker's thread; the rules of time are in model/routine.c. */
#include "worker/routine_int.h"

#include "worker/black_box.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>

static const struct machine_state phases[PHASE_ROUTINE_COUNT] = {
    [PHASE_LOADING] = {"loading", MACHINE_BIT(PHASE_WAITING) | MACHINE_BIT(PHASE_COMMITTING)},
    [PHASE_WAITING] = {"waiting", MACHINE_BIT(PHASE_READY) | MACHINE_BIT(PHASE_COMMITTING)},
    [PHASE_READY] = {"ready", MACHINE_BIT(PHASE_RUNNING) | MACHINE_BIT(PHASE_WAITING)},
    [PHASE_RUNNING] = {"running", MACHINE_BIT(PHASE_COMMITTING) | MACHINE_BIT(PHASE_WAITING)},
    [PHASE_COMMITTING] = {"committing", MACHINE_BIT(PHASE_WAITING) | MACHINE_BIT(PHASE_LOADING)},
};

void routine_move(struct routine *it, enum routine_phase phase)
{
    machine_move(phases, &it->phase, phase);
}

int64_t routine_now(const struct routine *it)
{
    return it->kind == ROUTINE_CRON ? clock_now_ms() : clock_due_ms();
}

/* ---- Memory ---------------------------------------------------------------------------------- */

static void set_spec(struct routine *it, const struct routine_spec *spec)
{
    struct generation *old = it->generation;
    it->spec = spec;
    it->generation = generation_ref(it->worker->generation);
    if (old)
        generation_unref(old);
}

static void destroy(struct routine *it)
{
    struct worker *worker = it->worker;
    (void)map_remove(&worker->routines.all, it->id);
    timers_stop(&worker->timers, &it->timer);
    if (node_is_linked(&it->node))
        queue_remove(&worker->routines.ready, &it->node);
    stream_destroy(it->stream);
    routine_row_finish(&it->row);
    generation_unref(it->generation);
    free(it);
}

static bool is_idle(const struct routine *it)
{
    return it->phase != PHASE_RUNNING && it->phase != PHASE_COMMITTING;
}

/* All of them, so that the map may change while they are visited. */
static struct routine **list_all(struct worker *worker, size_t *count)
{
    struct routine **list = must_alloc((worker->routines.all.count + 1) * sizeof *list);
    size_t place = 0;
    uint64_t id;
    void *value;
    *count = 0;
    while (map_next(&worker->routines.all, &place, &id, &value))
        list[(*count)++] = value;
    return list;
}

/* ---- Time ------------------------------------------------------------------------------------ */

void routine_wait(struct routine *it, int64_t delay_ms)
{
    struct worker *worker = it->worker;
    timers_stop(&worker->timers, &it->timer);
    if (worker->state == WORKER_RUNNING)
        timers_start(&worker->timers, &it->timer, delay_ms > 0 ? delay_ms : 0);
}

/* True: the process ended in it too often, so it rests until the scripts are loaded anew. */
static bool rests(struct routine *it)
{
    if (!black_box_is_poison(it->worker->options.box, black_box_routine(it->id)))
        return false;
    timers_stop(&it->worker->timers, &it->timer);
    if (it->row.why != WHY_CRASH)
        routine_stop(it);
    return true;
}

/* It is WAITING: until it is due. */
static void arm(struct routine *it)
{
    if (!rests(it))
        routine_wait(it, it->row.due_ms - routine_now(it));
}

static void enqueue(struct routine *it)
{
    routine_move(it, PHASE_READY);
    queue_push(&it->worker->routines.ready, &it->node);
    routines_pump(it->worker);
}

/* ---- Streams --------------------------------------------------------------------------------- */

static void on_stream(void *ctx)
{
    struct routine *it = ctx;
    if (it->phase == PHASE_WAITING)
        arm(it);
}

/* It is due: a message that is there runs; else the stream is looked after. */
static void listen_on(struct routine *it)
{
    struct stream_problem problem = {0};
    struct err err = {0};
    if (it->stream && !stream_is_of(it->stream, it->spec)) {
        stream_destroy(it->stream);
        it->stream = NULL;
    }
    if (!it->stream)
        it->stream = stream_create(it->worker, it->spec, on_stream, it);
    if (stream_first(it->stream)) {
        routine_heard(&it->row);
        enqueue(it);
    } else if (stream_is_connected(it->stream)) {
        if (it->row.failures > 0 && stream_is_open(it->stream))
            routine_note(it, NULL);
    } else if (stream_take_problem(it->stream, &problem)) {
        routine_note(it, &problem);
    } else if (stream_rest_ms(it->stream) > 0) {
        routine_wait(it, stream_rest_ms(it->stream));
    } else if (stream_connect(it->stream, it->row.place, &err) != OK) {
        (void)snprintf(problem.text, sizeof problem.text, "%s", err.text);
        routine_note(it, &problem);
    }
}

static void on_time(struct timer *timer)
{
    struct routine *it = container_of(timer, struct routine, timer);
    if (rests(it))
        return;
    switch (routine_take(it->spec, &it->row, routine_now(it))) {
    case ROUTINE_EARLY:
        arm(it);
        return;
    case ROUTINE_RUN:
        if (it->kind == ROUTINE_SSE)
            listen_on(it);
        else
            enqueue(it);
        return;
    case ROUTINE_SKIPPED:
        log_info("missed ticks let go", "cron=%s", it->name);
        routine_commit_row(it);
        return;
    }
}

/* The row is known, and not under way: planned by what is registered now. */
static void plan(struct routine *it)
{
    if (routine_plan(it->spec, &it->row, routine_now(it))) {
        timers_stop(&it->worker->timers, &it->timer);
        routine_commit_row(it);
        return;
    }
    if (it->phase == PHASE_LOADING)
        routine_move(it, PHASE_WAITING);
    arm(it);
}

void routines_wake(struct worker *worker)
{
    size_t count;
    struct routine **list = list_all(worker, &count);
    for (size_t i = 0; i < count; i++)
        if (list[i]->phase == PHASE_WAITING)
            arm(list[i]);
    free(list);
}

void routines_run(struct worker *worker, uint64_t id)
{
    struct routine *it = map_get(&worker->routines.all, id);
    if (!it || it->is_gone || it->phase != PHASE_WAITING || worker->state != WORKER_RUNNING)
        return;
    black_box_clear(worker->options.box, black_box_routine(id)); /* a fresh chance */
    routine_hasten(it->spec, &it->row, routine_now(it));
    arm(it);
}

bool routines_plan_crons(struct worker *worker, bool is_asked)
{
    size_t count;
    struct routine **list = list_all(worker, &count);
    bool has_crons = false;
    for (size_t i = 0; i < count; i++) {
        const bool is_cron = list[i]->kind == ROUTINE_CRON;
        has_crons = has_crons || is_cron;
        if (is_asked && is_cron && list[i]->phase == PHASE_WAITING)
            plan(list[i]);
    }
    free(list);
    return has_crons;
}

/* ---- Rows ------------------------------------------------------------------------------------ */

static void take_row(struct worker *worker, struct stored_routine *stored)
{
    struct routine *it = map_get(&worker->routines.all, routine_id(stored->kind, stored->name));
    if (!it || it->phase != PHASE_LOADING)
        return;
    routine_row_finish(&it->row);
    it->row = stored->row;
    stored->row = (struct routine_row){0};
}

static void on_loaded(struct store_read *read)
{
    struct worker *worker = read->ctx;
    struct routines *routines = &worker->routines;
    routines->is_loading = false;
    worker->active--;
    if (read->status == OK)
        for (size_t i = 0; i < routines->list.row_count; i++)
            take_row(worker, &routines->list.rows[i]);
    else
        log_error("routines not read", "status=%s error=\"%s\"", status_name(read->status),
                  read->err.text);
    const bool is_again = read->status != OK || routines->wants_load;
    store_read_finish(read);
    if (worker->state != WORKER_RUNNING)
        return;
    if (is_again) {
        routines_load(worker);
        return;
    }
    size_t count;
    struct routine **list = list_all(worker, &count);
    for (size_t i = 0; i < count; i++)
        if (list[i]->phase == PHASE_LOADING)
            plan(list[i]);
    free(list);
}

void routines_load(struct worker *worker)
{
    struct routines *routines = &worker->routines;
    routines->wants_load = routines->is_loading;
    if (routines->is_loading || !routines->is_open || worker->state != WORKER_RUNNING)
        return;
    routines->list = (struct store_list_routines){
        .read = {.kind = STORE_LIST_ROUTINES, .on_done = on_loaded, .ctx = worker}};
    routines->is_loading = true;
    worker->active++;
    if (store_read(worker->options.store, worker->client, &routines->list.read) == OK)
        return;
    routines->is_loading = false;
    routines->wants_load = true;
    worker->active--;
    worker_tick(worker);
}

void routine_settle(struct routine *it)
{
    it->worker->active--;
    if (it->is_gone)
        destroy(it);
    else if (it->worker->state == WORKER_RUNNING)
        plan(it);
}

void routines_pump(struct worker *worker)
{
    struct routines *routines = &worker->routines;
    if (routines->wants_load)
        routines_load(worker);
    while (worker->state == WORKER_RUNNING && routines->running < LIMIT_ROUTINES_RUNNING &&
           queue_first(&routines->ready)) {
        if (store_credit_take(worker->options.store) != OK) {
            worker->is_starved = true;
            worker_tick(worker);
            return;
        }
        routine_start(container_of(queue_pop(&routines->ready), struct routine, node));
    }
}

/* ---- Life cycle ------------------------------------------------------------------------------ */

static bool is_own(const struct worker *worker, uint64_t id)
{
    return worker_of_shard(worker, (uint8_t)id) == worker->options.index;
}

static void adopt(struct worker *worker, uint64_t id, const struct routine_spec *spec)
{
    struct routine *it = map_get(&worker->routines.all, id);
    const bool is_new = !it;
    if (is_new) {
        it = must_alloc(sizeof *it);
        it->worker = worker;
        it->id = id;
        it->kind = spec->kind;
        (void)snprintf(it->name, sizeof it->name, "%s", spec->name);
        it->timer.on_time = on_time;
        check(map_put(&worker->routines.all, id, it) == OK);
    }
    if (worker->routines.is_open) /* not the first scripts of this process: a fresh chance too */
        black_box_clear(worker->options.box, black_box_routine(id));
    const bool was_long = !is_new && it->spec->is_long;
    set_spec(it, spec);
    it->is_gone = false;
    if (was_long)
        routine_cancel_long(it);
    if (!is_new && it->phase == PHASE_WAITING)
        plan(it);
}

void routines_adopt(struct worker *worker)
{
    const struct registry *registry = worker->registry;
    size_t count;
    struct routine **before = list_all(worker, &count);
    for (size_t i = 0; i < count; i++)
        before[i]->is_gone = true;
    for (size_t i = 0; i < registry->routine_count; i++) {
        const struct routine_spec *spec = &registry->routines[i];
        const uint64_t id = routine_id(spec->kind, spec->name);
        if (is_own(worker, id))
            adopt(worker, id, spec);
    }
    for (size_t i = 0; i < count; i++) {
        if (!before[i]->is_gone)
            continue;
        if (is_idle(before[i]))
            destroy(before[i]);
        else if (before[i]->spec->is_long)
            routine_cancel_long(before[i]);
    }
    free(before);
    if (worker->routines.is_open) {
        routines_load(worker);
        routines_watch(worker);
    }
}

void routines_init(struct worker *worker)
{
    const struct worker_options *options = &worker->options;
    worker->streams = exchanges_create(&worker->loop, options->user_agent, options->guard);
    queue_init(&worker->routines.ready);
}

void routines_open(struct worker *worker)
{
    worker->routines.is_open = true;
    routines_load(worker);
    routines_watch(worker);
}

void routines_stop(struct worker *worker)
{
    size_t count;
    struct routine **list = list_all(worker, &count);
    timers_stop(&worker->timers, &worker->routines.watch);
    for (size_t i = 0; i < count; i++)
        timers_stop(&worker->timers, &list[i]->timer);
    for (size_t i = 0; i < count; i++) {
        if (list[i]->spec->is_long)
            routine_cancel_long(list[i]);
        if (list[i]->phase != PHASE_COMMITTING) {
            stream_destroy(list[i]->stream);
            list[i]->stream = NULL;
        }
    }
    free(list);
}

void routines_finish(struct worker *worker)
{
    size_t count;
    struct routine **list = list_all(worker, &count);
    for (size_t i = 0; i < count; i++)
        destroy(list[i]);
    free(list);
    map_finish(&worker->routines.all);
    exchanges_destroy(worker->streams);
}
