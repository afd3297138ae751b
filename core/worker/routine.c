/* SPDX-License-Identifier: MIT */
/* The routines of a worker (crons, everys, polls, streams): those whose id falls to it, as events
 * do. When the time of one comes its function runs as a job, and what that asked for commits
 * together with where the routine stands next: a kill leaves both or neither. One that runs is
 * never started again, so it never overlaps itself, whatever is reloaded meanwhile. All on the
 * worker's thread; the rules of time are in model/routine.c. */
#include "worker/worker_int.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "signature/signature.h"

#include <stdio.h>
#include <stdlib.h>

#define RETRY_MS 1000

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
    struct stream *stream;           /* of anzol.sse; NULL: not opened yet */
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

/* ---- Streams --------------------------------------------------------------------------------- */

static void fail(struct routine *it, const char *error);
static void go_on(struct routine *it);

static void on_stream(void *ctx)
{
    struct routine *it = ctx;
    if (it->phase == PHASE_WAITING)
        arm(it);
}

/* No run ended, but the stream did, or it stands again. */
static void note(struct routine *it, const char *error)
{
    it->worker->active++;
    it->end =
        (struct routine_end){.started_ms = now_of(it), .ended_ms = now_of(it), .error = error};
    go_on(it);
}

/* It is due: a message that is there runs; else the stream is looked after. */
static void listen_on(struct routine *it)
{
    char problem[ERR_TEXT_BYTES_MAX];
    struct err err = {0};
    if (it->stream && !stream_is_of(it->stream, it->spec)) {
        stream_destroy(it->stream);
        it->stream = NULL;
    }
    if (!it->stream)
        it->stream = stream_create(it->worker, it->spec, on_stream, it);
    if (stream_first(it->stream)) {
        enqueue(it);
    } else if (stream_is_connected(it->stream)) {
        if (it->row.failures > 0 && stream_is_open(it->stream))
            note(it, NULL);
    } else if (stream_take_problem(it->stream, problem, sizeof problem)) {
        note(it, problem);
    } else if (stream_rest_ms(it->stream) > 0) {
        wait_ms(it, stream_rest_ms(it->stream));
    } else if (stream_connect(it->stream, it->row.place, &err) != OK) {
        note(it, err.text);
    }
}

static void on_time(struct timer *timer)
{
    struct routine *it = container_of(timer, struct routine, timer);
    switch (routine_take(it->spec, &it->row, now_of(it))) {
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
        if (it->end.place && it->row.failures == 0)
            stream_drop_first(it->stream);
        if (it->end.ended_ms > 0)
            routine_count(worker->options.shared, it->kind, it->name, &it->row);
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
    const struct sse_message *message = it->stream ? stream_first(it->stream) : NULL;
    if (message)
        it->end.place = message->id.data;
    const struct tick_options options = {
        .message = message,
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
    load(worker);
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
            cancel_long(list[i]);
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
