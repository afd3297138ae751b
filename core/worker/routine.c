/* SPDX-License-Identifier: MIT */
/* The routines of a worker (crons, everys, polls): those whose id falls to it, as events do. When
 * the time of one comes its function runs as a job, and what that asked for commits together with
 * where the routine stands next: a kill leaves both or neither. One that runs is never started
 * again, so it never overlaps itself, whatever is reloaded meanwhile. All on the worker's thread;
 * the rules of time are in model/routine.c. */
#include "worker/worker_int.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "shared/shared.h"
#include "signature/signature.h"

#include <stdio.h>
#include <stdlib.h>

#define RETRY_MS 1000
#define WATCH_MS 1000
#define STEP_MS 500 /* of the wall clock: less is drift */

enum routine_phase {
    PHASE_LOADING, /* its row is being read */
    PHASE_WAITING, /* for its time */
    PHASE_READY,   /* for its turn */
    PHASE_RUNNING, /* a job in Lua */
    PHASE_COMMITTING,
    PHASE_ROUTINE_COUNT
};

static const struct machine_state phases[PHASE_ROUTINE_COUNT] = {
    [PHASE_LOADING] = {"loading", MACHINE_BIT(PHASE_WAITING) | MACHINE_BIT(PHASE_COMMITTING)},
    [PHASE_WAITING] = {"waiting", MACHINE_BIT(PHASE_READY) | MACHINE_BIT(PHASE_COMMITTING)},
    [PHASE_READY] = {"ready", MACHINE_BIT(PHASE_RUNNING) | MACHINE_BIT(PHASE_WAITING)},
    [PHASE_RUNNING] = {"running", MACHINE_BIT(PHASE_COMMITTING) | MACHINE_BIT(PHASE_WAITING)},
    [PHASE_COMMITTING] = {"committing", MACHINE_BIT(PHASE_WAITING) | MACHINE_BIT(PHASE_LOADING)},
};

struct routine {
    struct node node; /* of routines.ready while READY */
    struct timer timer;
    struct worker *worker;
    uint64_t id;
    enum routine_kind kind;
    char name[LIMIT_NAME_BYTES + 1];
    enum routine_phase phase;
    const struct routine_spec *spec; /* of generation; as registered last */
    struct generation *generation;   /* reference that keeps spec */
    bool is_gone;                    /* not registered any more */
    struct routine_row row;          /* as stored */
    struct generation *running;      /* reference: the one that its job is of; NULL: no job */
    struct script *script;           /* and its state */
    struct routine_end end;          /* of the run under way */
    unsigned conflicts;              /* so often others changed what it had read of kv */
    struct routine_row next;         /* what is being committed */
    struct outbox *outbox;
    struct event *event;
    struct store_routine op;
};

static void move(struct routine *it, enum routine_phase phase)
{
    machine_move(phases, &it->phase, phase);
}

static int64_t now_of(const struct routine *it)
{
    return it->kind == ROUTINE_CRON ? clock_now_ms() : clock_due_ms();
}

static const char *kind_of(const struct routine *it)
{
    return routine_kind_name(it->kind);
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

static void commit(struct routine *it);

static void wait_ms(struct routine *it, int64_t delay_ms)
{
    struct worker *worker = it->worker;
    timers_stop(&worker->timers, &it->timer);
    if (worker->state == WORKER_RUNNING)
        timers_start(&worker->timers, &it->timer, delay_ms > 0 ? delay_ms : 0);
}

/* It is WAITING: until it is due. */
static void arm(struct routine *it)
{
    wait_ms(it, it->row.due_ms - now_of(it));
}

static void enqueue(struct routine *it)
{
    move(it, PHASE_READY);
    queue_push(&it->worker->routines.ready, &it->node);
    routines_pump(it->worker);
}

/* The row goes on by itself: without a run. */
static void commit_row(struct routine *it)
{
    it->worker->active++;
    routine_row_copy(&it->next, &it->row);
    commit(it);
}

static void on_time(struct timer *timer)
{
    struct routine *it = container_of(timer, struct routine, timer);
    switch (routine_take(it->spec, &it->row, now_of(it))) {
    case ROUTINE_EARLY:
        arm(it);
        return;
    case ROUTINE_RUN:
        enqueue(it);
        return;
    case ROUTINE_SKIPPED:
        log_info("missed ticks let go", "cron=%s", it->name);
        commit_row(it);
        return;
    }
}

/* The row is known, and not under way: planned by what is registered now. */
static void plan(struct routine *it)
{
    if (routine_plan(it->spec, &it->row, now_of(it))) {
        timers_stop(&it->worker->timers, &it->timer);
        commit_row(it);
        return;
    }
    if (it->phase == PHASE_LOADING)
        move(it, PHASE_WAITING);
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

static bool plan_crons(struct worker *worker, bool is_asked)
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

/* A cron goes by the wall clock, its timer by one that does not step. */
static void on_watch(struct timer *timer)
{
    struct worker *worker = container_of(timer, struct worker, routines.watch);
    struct routines *routines = &worker->routines;
    const int64_t wall_ms = clock_now_ms() - clock_mono_ms();
    const int64_t step_ms = wall_ms - routines->wall_ms;
    const bool has_stepped = step_ms > STEP_MS || step_ms < -STEP_MS;
    if (has_stepped)
        routines->wall_ms = wall_ms;
    if (plan_crons(worker, has_stepped))
        timers_start(&worker->timers, &routines->watch, WATCH_MS);
}

static void watch(struct worker *worker)
{
    struct routines *routines = &worker->routines;
    if (routines->watch.is_started || !plan_crons(worker, false))
        return;
    routines->wall_ms = clock_now_ms() - clock_mono_ms();
    timers_start(&worker->timers, &routines->watch, WATCH_MS);
}

/* ---- Rows ------------------------------------------------------------------------------------ */

static void load(struct worker *worker);

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
        load(worker);
        return;
    }
    size_t count;
    struct routine **list = list_all(worker, &count);
    for (size_t i = 0; i < count; i++)
        if (list[i]->phase == PHASE_LOADING)
            plan(list[i]);
    free(list);
}

static void load(struct worker *worker)
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

/* ---- Runs ------------------------------------------------------------------------------------ */

static void free_outbox(struct routine *it)
{
    if (it->outbox)
        outbox_finish(it->outbox);
    free(it->outbox);
    event_unref(it->event);
    it->outbox = NULL;
    it->event = NULL;
}

/* ---- Metrics --------------------------------------------------------------------------------- */

static void update(struct shared *shared, enum metric_kind kind, const char *name,
                   const char *labels, double value)
{
    const struct metric_options options = {.name = slice_str(name), .kind = kind};
    if (metric_open(shared, METRIC_OF_CORE, &options) != OK ||
        metric_update(shared, METRIC_OF_CORE, options.name, slice_str(labels), value,
                      kind == METRIC_GAUGE) != OK)
        log_debug("metric not counted", "name=%s", name);
}

/* A run ended, and that is committed. */
static void count(const struct routine *it)
{
    struct shared *shared = it->worker->options.shared;
    const char *outcome = it->row.error ? "failed" : "ok";
    char name[METRIC_NAME_BYTES];
    char labels[LIMIT_NAME_BYTES + 64];
    const bool is_poll = it->kind == ROUTINE_POLL;
    (void)snprintf(name, sizeof name, "%ss_total", kind_of(it));
    if (is_poll) /* labels are in the order of their names */
        (void)snprintf(labels, sizeof labels, "outcome=\"%s\",poll=\"%s\"", outcome, it->name);
    else
        (void)snprintf(labels, sizeof labels, "%s=\"%s\",outcome=\"%s\"", kind_of(it), it->name,
                       outcome);
    update(shared, METRIC_COUNTER, name, labels, 1);
    if (!is_poll)
        return;
    (void)snprintf(labels, sizeof labels, "poll=\"%s\"", it->name);
    update(shared, METRIC_GAUGE, "poll_interval_seconds", labels, (double)it->row.wait_ms / 1000);
    update(shared, METRIC_COUNTER, "poll_items_total", labels, (double)it->row.last_items);
}

/* ---- The end of a run ------------------------------------------------------------------------ */

/* It is WAITING again, or gone. */
static void settle(struct routine *it)
{
    it->worker->active--;
    if (it->is_gone)
        destroy(it);
    else if (it->worker->state == WORKER_RUNNING)
        plan(it);
}

static void fail(struct routine *it, const char *error);

static void on_committed(struct store_op *op)
{
    struct routine *it = op->ctx;
    struct worker *worker = it->worker;
    const struct store_routine *done = &it->op;
    if (it->outbox && op->status == OK)
        commit_route_outbox(worker, it->outbox);
    else if (it->outbox)
        commit_give_back(it->outbox);
    free_outbox(it);
    if (op->status == OK) {
        routine_row_finish(&it->row);
        it->row = it->next;
        it->row.version++;
        it->next = (struct routine_row){0};
        it->conflicts = 0;
        if (it->end.ended_ms > 0)
            count(it);
        it->end = (struct routine_end){0};
        move(it, PHASE_WAITING);
        settle(it);
        return;
    }
    routine_row_finish(&it->next);
    if (op->status == E_INVALID) {
        fail(it, "anzol.kv:incr: the value is no number, or the sum is out of range");
    } else if (op->status == E_CONFLICT && done->is_kv_conflict) {
        if (++it->conflicts >= LIMIT_KV_CONFLICTS) {
            fail(it, "the keys of anzol.kv that it had read were changed by others meanwhile, "
                     "each time that it ran");
            return;
        }
        move(it, PHASE_WAITING);
        settle(it); /* due still: it runs again at once */
    } else if (op->status == E_CONFLICT) {
        move(it, PHASE_LOADING); /* somebody else moved it on */
        worker->active--;
        load(worker);
    } else {
        log_error("run of a routine not stored", "%s=%s status=%s", kind_of(it), it->name,
                  status_name(op->status));
        move(it, PHASE_WAITING);
        worker->active--;
        wait_ms(it, RETRY_MS);
    }
}

/* it->next, and what is in the outbox. */
static void commit(struct routine *it)
{
    struct worker *worker = it->worker;
    if (it->phase != PHASE_COMMITTING)
        move(it, PHASE_COMMITTING);
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
    commit(it);
}

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
        move(it, PHASE_WAITING);
        settle(it);
    } else {
        it->outbox = result->outbox;
        it->event = result->event;
        it->end.ended_ms = now_of(it);
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

static void start(struct routine *it)
{
    struct worker *worker = it->worker;
    move(it, PHASE_RUNNING);
    worker->active++;
    worker->routines.running++;
    it->running = generation_ref(it->generation);
    it->script = worker->script;
    it->end = (struct routine_end){.started_ms = now_of(it)};
    const struct tick_options options = {
        .routine = it->spec,
        .scheduled_ms = it->row.tick_ms,
        .previous_ms = it->row.previous_ms,
        .number = it->row.failures + 1,
    };
    script_run_routine(worker->script, &options, on_done, it);
}

void routines_pump(struct worker *worker)
{
    struct routines *routines = &worker->routines;
    if (routines->wants_load)
        load(worker);
    while (worker->state == WORKER_RUNNING && routines->running < LIMIT_ROUTINES_RUNNING &&
           queue_first(&routines->ready)) {
        if (store_credit_take(worker->options.store) != OK) {
            worker->is_starved = true;
            worker_tick(worker);
            return;
        }
        start(container_of(queue_pop(&routines->ready), struct routine, node));
    }
}

/* A long poll waits for what may never come: nobody waits for it in turn. It committed nothing, so
 * it begins again, on what serves then. */
static void cancel_long(struct routine *it)
{
    if (it->phase == PHASE_RUNNING)
        script_cancel_routine(it->script, it);
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
    const bool was_long = !is_new && it->spec->is_long;
    set_spec(it, spec);
    it->is_gone = false;
    if (was_long)
        cancel_long(it);
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
            cancel_long(before[i]);
    }
    free(before);
    if (worker->routines.is_open) {
        load(worker);
        watch(worker);
    }
}

void routines_init(struct worker *worker)
{
    queue_init(&worker->routines.ready);
    worker->routines.watch.on_time = on_watch;
}

void routines_open(struct worker *worker)
{
    worker->routines.is_open = true;
    load(worker);
    watch(worker);
}

void routines_stop(struct worker *worker)
{
    size_t count;
    struct routine **list = list_all(worker, &count);
    timers_stop(&worker->timers, &worker->routines.watch);
    for (size_t i = 0; i < count; i++)
        timers_stop(&worker->timers, &list[i]->timer);
    for (size_t i = 0; i < count; i++)
        if (list[i]->spec->is_long)
            cancel_long(list[i]);
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
}
