/* SPDX-License-Identifier: MIT */
#include "worker/worker_int.h"

#include "base/clock.h"
#include "base/crash.h"
#include "base/limits.h"
#include "base/log.h"

#include <stdlib.h>

#define TICK_MS 20
#define STACK_BYTES (8u * 1024 * 1024)

void worker_post(struct worker *worker, const struct worker_letter *letter)
{
    struct worker_letter *copy = must_alloc(sizeof *copy);
    *copy = *letter;
    inbox_post(&worker->inbox, &copy->letter);
}

unsigned worker_of_shard(const struct worker *worker, uint8_t shard)
{
    return shard % worker->options.count;
}

/* ---- Generations --------------------------------------------------------------------------------
 */

static void drain_script(struct worker *worker, struct script *script)
{
    /* At most two generations live: an older one's jobs run again on the newest. */
    for (struct node *node = queue_first(&worker->draining); node;
         node = queue_next(&worker->draining, node))
        script_cancel_all(container_of(node, struct draining, node)->script);
    struct draining *draining = must_alloc(sizeof *draining);
    draining->script = script;
    draining->deadline_ms = clock_mono_ms() + worker->options.drain_ms;
    queue_push(&worker->draining, &draining->node);
    worker_tick(worker);
}

static void sweep_draining(struct worker *worker)
{
    const int64_t now_ms = clock_mono_ms();
    for (size_t rest = worker->draining.count; rest > 0; rest--) {
        struct draining *draining =
            container_of(queue_pop(&worker->draining), struct draining, node);
        if (now_ms >= draining->deadline_ms || worker->state == WORKER_ENDED)
            script_cancel_all(draining->script);
        if (script_job_count(draining->script) > 0) {
            queue_push(&worker->draining, &draining->node);
            continue;
        }
        script_destroy(draining->script);
        free(draining);
    }
}

static void on_init(const char *problem, void *ctx)
{
    struct worker *worker = ctx;
    const struct registry *registry = script_registry(worker->prepared);
    worker->options.hooks->on_prepared(worker, registry->generation, problem, worker->options.ctx);
}

/* Takes the reference over: the state keeps one of its own. */
static void prepare(struct worker *worker, struct generation *generation)
{
    const struct script_hooks hooks = host_hooks(worker);
    check(!worker->prepared);
    worker->prepared = generation_attach(generation, worker->options.index, &worker->loop, &hooks);
    generation_unref(generation);
    if (worker->state == WORKER_RUNNING)
        script_init(worker->prepared, on_init, worker);
    else
        on_init("the server is stopping", worker);
}

static void abandon(struct worker *worker)
{
    script_cancel_all(worker->prepared);
    script_destroy(worker->prepared);
    worker->prepared = NULL;
}

/* Takes the standings over. */
static void adopt(struct worker *worker, struct endpoint_standing *standings)
{
    struct script *old = worker->script;
    struct generation *old_generation = worker->generation;
    crash_point("reload_adopt");
    worker->script = worker->prepared;
    worker->prepared = NULL;
    worker->generation = generation_ref(script_generation(worker->script));
    worker->registry = generation_registry(worker->generation);
    sender_set_registry(worker->sender, worker->registry, standings);
    free(standings);
    work_adopt(worker);
    routines_adopt(worker);
    if (old)
        drain_script(worker, old);
    if (old_generation)
        generation_unref(old_generation);
    worker->options.hooks->on_adopted(worker, worker->registry->generation, worker->options.ctx);
}

static void start_work(struct worker *worker)
{
    worker->options.hooks->on_start(worker, worker->options.ctx);
    sender_start(worker->sender);
    backlog_hint(worker);
    routines_open(worker);
}

static struct endpoint_standing *copy_standings(struct generation *generation,
                                                const struct endpoint_standing *standings)
{
    const size_t count = generation_registry(generation)->endpoint_count;
    struct endpoint_standing *copy = must_alloc((count + 1) * sizeof *copy);
    if (count > 0)
        memcpy(copy, standings, count * sizeof *copy);
    return copy;
}

/* ---- Stop
 * ---------------------------------------------------------------------------------------- */

static void on_sender_idle(void *ctx)
{
    struct worker *worker = ctx;
    worker->is_sender_idle = true;
}

static void stop(struct worker *worker, int64_t deadline_ms)
{
    if (worker->state != WORKER_RUNNING)
        return;
    worker->state = WORKER_STOPPING;
    worker->stop_deadline_ms = clock_mono_ms() + deadline_ms;
    worker->options.hooks->on_quiesce(worker, worker->options.ctx);
    if (worker->prepared)
        script_cancel_all(worker->prepared);
    work_forget_idle(worker);
    routines_stop(worker);
    sender_stop(worker->sender, deadline_ms, on_sender_idle, worker);
    worker_tick(worker);
}

static void sweep_stopping(struct worker *worker)
{
    if (clock_mono_ms() >= worker->stop_deadline_ms)
        script_cancel_all(worker->script);
    work_forget_idle(worker);
    if (worker->active == 0 && worker->is_sender_idle && !worker->backlog.is_underway &&
        worker->backlog.ones == 0 && worker->errands == 0 && store_client_is_idle(worker->client) &&
        script_job_count(worker->script) == 0 && queue_first(&worker->draining) == NULL &&
        worker->options.hooks->is_quiet(worker, worker->options.ctx)) {
        worker->state = WORKER_QUIET;
        worker->options.hooks->on_quiet(worker, worker->options.ctx);
    }
}

static void finish(struct worker *worker)
{
    worker->state = WORKER_ENDED;
    worker->options.hooks->on_end(worker, worker->options.ctx);
    sweep_draining(worker);
    script_cancel_all(worker->script);
    script_destroy(worker->script);
    sender_destroy(worker->sender);
    work_finish(worker);
    backlog_close(worker);
    routines_finish(worker);
    generation_unref(worker->generation);
    store_client_destroy(worker->client);
    (void)uv_timer_stop(&worker->tick);
    uv_close((uv_handle_t *)&worker->tick, NULL);
    timers_close(&worker->timers, NULL);
    exchanges_destroy(worker->exchanges);
    inbox_close(&worker->inbox);
}

static void on_tick(uv_timer_t *timer)
{
    struct worker *worker = container_of(timer, struct worker, tick);
    sweep_draining(worker);
    if (worker->state == WORKER_STOPPING)
        sweep_stopping(worker);
    if (worker->is_starved) {
        work_pump(worker);
        routines_pump(worker);
    }
    if (queue_first(&worker->draining) == NULL && worker->state == WORKER_RUNNING &&
        !worker->is_starved) {
        (void)uv_timer_stop(timer);
        worker->is_ticking = false;
    }
}

void worker_tick(struct worker *worker)
{
    if (worker->is_ticking)
        return;
    worker->is_ticking = true;
    check(uv_timer_start(&worker->tick, on_tick, TICK_MS, TICK_MS) == 0);
}

/* ---- Letters
 * -------------------------------------------------------------------------------------- */

static void take_due(struct worker *worker, uint64_t event, int64_t due_ms)
{
    if (due_ms > clock_due_ms())
        backlog_due(worker, due_ms);
    else
        backlog_claim_one(worker, event);
}

void worker_tell_due(struct worker *worker, uint64_t event, int64_t due_ms)
{
    if (worker->options.peers[worker_of_shard(worker, id_shard(event))] == worker)
        take_due(worker, event, due_ms);
    else
        worker_event_due(worker, event, due_ms);
}

static void answer_ping(struct worker *worker)
{
    atomic_store(&worker->alive_ms, clock_mono_ms());
    if (worker->script)
        atomic_store(&worker->lua_bytes, script_bytes(worker->script));
    atomic_store(&worker->is_pinged, false);
}

static void wake(struct worker *worker)
{
    backlog_wake(worker);
    routines_wake(worker);
    sender_wake(worker->sender);
}

static void take_home(struct worker *worker, struct lease_errand *errand)
{
    worker->errands--;
    errand->on_done(errand);
}

static void set_endpoint(struct worker *worker, struct worker_endpoint *change)
{
    if (change->is_removed)
        sender_remove_endpoint(worker->sender, change->endpoint);
    else if (change->one)
        sender_set_endpoint(worker->sender, change->one, &change->standing);
    else
        sender_set_state(worker->sender, change->endpoint, &change->standing);
    change->on_done(change);
}

/* Letters that say all by their kind. */
static void (*const bare[LETTER_KIND_COUNT])(struct worker *worker) = {
    [LETTER_EVENTS_HINT] = backlog_hint, [LETTER_ABANDON] = abandon, [LETTER_OPEN] = start_work,
    [LETTER_PING] = answer_ping,         [LETTER_WAKE] = wake,       [LETTER_FINISH] = finish,
};

static void on_letter(struct letter *base, void *ctx)
{
    struct worker *worker = ctx;
    struct worker_letter *letter = container_of(base, struct worker_letter, letter);
    switch (letter->kind) {
    case LETTER_EVENT:
        work_take(worker, letter->of.event);
        break;
    case LETTER_EVENT_DUE:
        take_due(worker, letter->of.due.event, letter->of.due.due_ms);
        break;
    case LETTER_DELIVERY:
        sender_take(worker->sender, letter->of.delivery);
        break;
    case LETTER_DELIVERY_HINT:
        sender_hint(worker->sender, letter->of.hint.endpoint, letter->of.hint.priority);
        break;
    case LETTER_CANCEL:
        sender_cancel(worker->sender, letter->of.cancel);
        break;
    case LETTER_FORGET:
        work_forget(worker, letter->of.forget->event);
        letter->of.forget->on_done(letter->of.forget);
        break;
    case LETTER_READDRESS:
        sender_readdress(worker->sender, letter->of.readdress);
        break;
    case LETTER_ERRAND:
        letter->of.errand->run(worker->sender, letter->of.errand);
        break;
    case LETTER_HOME:
        take_home(worker, letter->of.errand);
        break;
    case LETTER_PUBLISH:
        publish_take(worker, letter->of.publishing);
        break;
    case LETTER_TURN:
        work_take_turn(worker, letter->of.turn.event, letter->of.turn.index);
        break;
    case LETTER_PREPARE:
        prepare(worker, letter->of.generation);
        break;
    case LETTER_ADOPT:
        adopt(worker, letter->of.standings);
        break;
    case LETTER_ENDPOINT:
        set_endpoint(worker, letter->of.change);
        break;
    case LETTER_ROUTINE:
        routines_run(worker, letter->of.routine);
        break;
    case LETTER_STOP:
        stop(worker, letter->of.deadline_ms);
        break;
    case LETTER_EVENTS_HINT:
    case LETTER_ABANDON:
    case LETTER_OPEN:
    case LETTER_PING:
    case LETTER_WAKE:
    case LETTER_FINISH:
        bare[letter->kind](worker);
        break;
    case LETTER_KIND_COUNT:
        check(false);
    }
    free(letter);
}

void worker_prepare(struct worker *worker, struct generation *generation)
{
    worker_post(worker, &(struct worker_letter){.kind = LETTER_PREPARE,
                                                .of.generation = generation_ref(generation)});
}

void worker_adopt(struct worker *worker, struct generation *generation,
                  const struct endpoint_standing *standings)
{
    worker_post(worker,
                &(struct worker_letter){.kind = LETTER_ADOPT,
                                        .of.standings = copy_standings(generation, standings)});
}

void worker_abandon(struct worker *worker)
{
    worker_post(worker, &(struct worker_letter){.kind = LETTER_ABANDON});
}

void worker_open(struct worker *worker)
{
    worker_post(worker, &(struct worker_letter){.kind = LETTER_OPEN});
}

void worker_stop(struct worker *worker, int64_t deadline_ms)
{
    worker_post(worker,
                &(struct worker_letter){.kind = LETTER_STOP, .of.deadline_ms = deadline_ms});
}

void worker_finish(struct worker *worker)
{
    worker_post(worker, &(struct worker_letter){.kind = LETTER_FINISH});
}

void worker_hint(struct worker *worker)
{
    worker_post(worker, &(struct worker_letter){.kind = LETTER_EVENTS_HINT});
}

void worker_wake(struct worker *worker)
{
    worker_post(worker, &(struct worker_letter){.kind = LETTER_WAKE});
}

bool worker_is_alive(struct worker *worker, int64_t within_ms)
{
    if (!atomic_exchange(&worker->is_pinged, true))
        worker_post(worker, &(struct worker_letter){.kind = LETTER_PING});
    return clock_mono_ms() - atomic_load(&worker->alive_ms) <= within_ms;
}

void worker_counts(struct worker *worker, struct worker_counts *counts)
{
    *counts = (struct worker_counts){
        .runs = atomic_load(&worker->runs),
        .runs_failed = atomic_load(&worker->runs_failed),
        .attempts = atomic_load(&worker->attempts),
        .events_held = atomic_load(&worker->held_count),
        .deliveries_held = atomic_load(&worker->deliveries_held),
        .in_flight = atomic_load(&worker->in_flight),
        .lua_bytes = atomic_load(&worker->lua_bytes),
    };
}

/* ---- Life cycle
 * --------------------------------------------------------------------------------------- */

enum status worker_create(const struct worker_options *options, struct worker **worker,
                          struct err *err)
{
    struct worker *it = must_alloc(sizeof *it);
    it->options = *options;
    queue_init(&it->draining);
    atomic_init(&it->gate.room, LIMIT_EVENTS_PER_WORKER);
    atomic_init(&it->alive_ms, clock_mono_ms());
    const int result = uv_loop_init(&it->loop);
    if (result != 0) {
        free(it);
        return err_set(err, E_IO, "cannot make an event loop: %s", uv_strerror(result));
    }
    inbox_open(&it->inbox, &it->loop, on_letter, it);
    check(uv_timer_init(&it->loop, &it->tick) == 0);
    timers_open(&it->timers, &it->loop);
    it->exchanges = exchanges_create(&it->loop, options->user_agent, options->guard);
    queue_init(&it->publications);
    backlog_init(it);
    routines_init(it);
    it->client = store_client_create(options->store, &it->loop);
    const struct sender_options sender_options = {
        .loop = &it->loop,
        .store = options->store,
        .client = it->client,
        .worker_count = options->count,
        .worker_index = options->index,
        .hooks = &sending_hooks,
        .ctx = it,
        .user_agent = options->user_agent,
        .guard = options->guard,
    };
    const enum status status = sender_create(&sender_options, &it->sender, err);
    check(status == OK || err);
    *worker = it;
    return status;
}

static void *run_thread(void *ctx)
{
    struct worker *worker = ctx;
    check(uv_run(&worker->loop, UV_RUN_DEFAULT) == 0);
    return NULL;
}

enum status worker_start(struct worker *worker, struct err *err)
{
    pthread_attr_t attributes;
    check(pthread_attr_init(&attributes) == 0);
    check(pthread_attr_setstacksize(&attributes, STACK_BYTES) == 0);
    const int result = pthread_create(&worker->thread, &attributes, run_thread, worker);
    check(pthread_attr_destroy(&attributes) == 0);
    if (result != 0)
        return err_set(err, E_IO, "cannot start worker thread %u: %s", worker->options.index,
                       strerror(result));
    return OK;
}

void worker_destroy(struct worker *worker)
{
    check(pthread_join(worker->thread, NULL) == 0);
    check(uv_loop_close(&worker->loop) == 0);
    free(worker);
}

uv_loop_t *worker_loop(struct worker *worker)
{
    return &worker->loop;
}

void *worker_ctx(const struct worker *worker)
{
    return worker->options.ctx;
}

struct store_client *worker_client(struct worker *worker)
{
    return worker->client;
}

unsigned worker_index(const struct worker *worker)
{
    return worker->options.index;
}

struct script *worker_script(struct worker *worker)
{
    return worker->script;
}
