/* SPDX-License-Identifier: MIT */
/* A job: a coroutine with its limits, its ticket and one cancel slot. What waits can always be
 * taken back, and a completion that comes late finds another ticket and does nothing.
 *
 * idle -> running -> (ready: pre-empted | waiting) -> running … -> idle. A coroutine that came to
 * its end is used again; one that failed is closed and replaced. */
#include "script/bind_int.h"

#include <stdlib.h>

static const struct machine_state job_states[JOB_STATE_COUNT] = {
    [JOB_IDLE] = {"idle", MACHINE_BIT(JOB_RUNNING)},
    [JOB_RUNNING] = {"running",
                     MACHINE_BIT(JOB_READY) | MACHINE_BIT(JOB_WAITING) | MACHINE_BIT(JOB_IDLE)},
    [JOB_READY] = {"ready", MACHINE_BIT(JOB_RUNNING) | MACHINE_BIT(JOB_IDLE)},
    [JOB_WAITING] = {"waiting", MACHINE_BIT(JOB_RUNNING) | MACHINE_BIT(JOB_IDLE)},
};

static void resume(struct job *job, int argument_count);

/* ---- Coroutines ---- */

void l_job_prepare(lua_State *L, struct job *job)
{
    if (job->L)
        return;
    script_push_ref(L, job->script, REF_THREADS);
    lua_State *thread = lua_newthread(L);
    job->thread = luaL_ref(L, -2);
    job->L = thread; /* only now: without its reference it could be collected */
    budget_watch(thread);
    lua_pop(L, 1);
}

/* Runs what is to be closed (<close>), under the job's limits, then lets the coroutine go. */
static void drop_thread(struct job *job)
{
    struct script *script = job->script;
    if (!job->L)
        return;
    /* First: the coroutine's stack holds the views, and its reset may run a collection. */
    job_close_views(job);
    struct context *previous = context_enter(script, &job->context);
    (void)lua_resetthread(job->L); /* Lua 5.4.4 has no lua_closethread */
    context_leave(script, previous);
    job->L = NULL;
    /* Neither raises: the slots are there already. */
    check(lua_checkstack(script->L, LUA_MINSTACK));
    script_push_ref(script->L, script, REF_THREADS);
    luaL_unref(script->L, -1, job->thread);
    lua_pop(script->L, 1);
}

void job_close_views(struct job *job)
{
    if (job->view) {
        job->view->event = NULL;
        job->view->head = slice_str("");
    }
    if (job->request) {
        job->request->source = NULL;
        job->request->head = job->request->body = slice_str("");
    }
    job->view = NULL;
    job->request = NULL;
}

/* ---- Life cycle ---- */

struct job *job_take(struct script *script, enum phase_id phase, int64_t wall_ms)
{
    struct node *node = queue_pop(&script->idle);
    struct job *job = node ? container_of(node, struct job, node) : calloc(1, sizeof *job);
    if (!job)
        return NULL;
    job->script = script;
    if (!job->has_timer && script->loop) {
        check(uv_timer_init(script->loop, &job->timer) == 0);
        job->has_timer = true;
        script->open_handles++;
    }
    context_init(&job->context, phase, wall_ms);
    job->context.job = job;
    queue_push(&script->jobs, &job->node);
    machine_move(job_states, &job->state, JOB_RUNNING);
    return job;
}

void job_release(struct job *job)
{
    struct script *script = job->script;
    machine_move(job_states, &job->state, JOB_IDLE);
    job->ticket++;
    job->cancel = NULL;
    job->is_wait_armed = false;
    job->context.job = NULL;
    queue_remove(&script->jobs, &job->node);
    queue_push(&script->idle, &job->node);
}

static void end(struct job *job, enum job_end end, int result_count)
{
    job->ticket++;
    job_close_views(job);
    job->on_end(job, end, result_count);
}

static void fail(struct job *job)
{
    struct script *script = job->script;
    struct context *previous = context_enter(script, &job->context);
    script_describe_error(script, job->L, &job->context);
    context_leave(script, previous);
    drop_thread(job);
    end(job, JOB_END_ERROR, 0);
}

static void fail_with(struct job *job, const char *text)
{
    script_keep_error(job->script, &job->context, text);
    drop_thread(job);
    end(job, JOB_END_ERROR, 0);
}

/* ---- Turns of the pre-empted ---- */

/* Not the job that asked for memory when there was none left, but the one that holds most of it. */
static void evict_largest(struct script *script)
{
    struct job *largest = NULL;
    for (struct node *node = queue_first(&script->jobs); node;
         node = queue_next(&script->jobs, node)) {
        struct job *job = container_of(node, struct job, node);
        if (job->state == JOB_WAITING &&
            (!largest || job->context.bytes_charged > largest->context.bytes_charged))
            largest = job;
    }
    if (largest)
        job_kill(largest, KILL_MEMORY);
}

static void on_turn(uv_idle_t *handle)
{
    struct script *script = container_of(handle, struct script, turns);
    if (script->is_full) {
        script->is_full = false;
        evict_largest(script);
    }
    struct node *node = queue_pop(&script->ready);
    if (!queue_first(&script->ready))
        (void)uv_idle_stop(&script->turns);
    if (node)
        resume(container_of(node, struct job, ready), 0);
}

void jobs_relieve(struct script *script)
{
    if (script->is_full && script->loop)
        check(uv_idle_start(&script->turns, on_turn) == 0);
}

static void wait_for_turn(struct job *job)
{
    struct script *script = job->script;
    machine_move(job_states, &job->state, JOB_READY);
    job->context.is_preempted = false;
    queue_push(&script->ready, &job->ready);
    check(script->loop != NULL);
    check(uv_idle_start(&script->turns, on_turn) == 0);
}

/* ---- Running ---- */

static void resume(struct job *job, int argument_count)
{
    struct script *script = job->script;
    if (job->state != JOB_RUNNING)
        machine_move(job_states, &job->state, JOB_RUNNING);
    struct context *previous = context_enter(script, &job->context);
    int result_count = 0;
    const int outcome = lua_resume(job->L, script->L, argument_count, &result_count);
    context_leave(script, previous);
    jobs_relieve(script);
    if (outcome == LUA_YIELD && job->context.kill == KILL_NONE) {
        if (job->context.is_preempted) {
            wait_for_turn(job);
        } else if (job->is_wait_armed) {
            machine_move(job_states, &job->state, JOB_WAITING);
        } else {
            fail_with(job, "coroutine.yield outside of a coroutine of your own: a handler waits by "
                           "calling a function that waits, anzol.sleep for one");
        }
        return;
    }
    if (outcome == LUA_OK && job->context.kill == KILL_NONE)
        end(job, JOB_END_OK, result_count - 1); /* the view at the bottom counts too */
    else
        fail(job);
}

void job_start(struct job *job, int argument_count, job_end_cb on_end)
{
    job->on_end = on_end;
    resume(job, argument_count);
}

/* ---- Waiting ---- */

static void push_waiting_phases(lua_State *L)
{
    lua_pushliteral(L, "");
    for (int i = 0; i < PHASE_COUNT; i++)
        if (phases[i].may_wait) {
            lua_pushfstring(L, "%s%s%s", lua_tostring(L, -1), lua_rawlen(L, -1) > 0 ? ", " : "",
                            phases[i].name);
            lua_remove(L, -2);
        }
}

struct job *job_check_may_wait(lua_State *L, const char *function)
{
    struct script *script = script_of(L);
    const struct context *context = script->context;
    struct job *job = context ? context->job : NULL;
    const char *why = NULL;
    if (job && job->L == L && lua_isyieldable(L) && script->loop)
        return job;
    if (job && job->L != L)
        why = "inside a coroutine of your own";
    else if (job && script->loop)
        why = "inside a callback (table.sort, string.gsub, __tostring, require)";
    if (why)
        (void)luaL_error(L, "%s cannot wait %s", function, why);
    push_waiting_phases(L);
    const struct subject *subject = context ? &context->subject : NULL;
    const char *phase = context ? phases[context->phase].name : "load";
    if (subject && subject->kind && subject->place)
        (void)luaL_error(L, "%s cannot wait in '%s' (%s \"%s\", %s). Waiting works in: %s",
                         function, phase, subject->kind, subject->name, subject->place,
                         lua_tostring(L, -1));
    (void)luaL_error(L, "%s cannot wait in '%s'. Waiting works in: %s", function, phase,
                     lua_tostring(L, -1));
    return NULL;
}

uint64_t job_wait(struct job *job, void (*cancel)(struct job *job))
{
    job->cancel = cancel;
    job->is_wait_armed = true;
    return ++job->ticket;
}

void job_wake(struct job *job, uint64_t ticket, int value_count)
{
    if (job->ticket != ticket || job->state != JOB_WAITING)
        return;
    job->ticket++;
    job->cancel = NULL;
    job->is_wait_armed = false;
    resume(job, value_count);
}

static void take_back(struct job *job)
{
    if (job->cancel)
        job->cancel(job);
    job->cancel = NULL;
    job->is_wait_armed = false;
    if (node_is_linked(&job->ready))
        queue_remove(&job->script->ready, &job->ready);
}

void job_kill(struct job *job, enum kill kill)
{
    take_back(job);
    job->context.kill = kill;
    machine_move(job_states, &job->state, JOB_RUNNING);
    fail_with(job, "");
}

/* ---- Of the script ---- */

size_t script_job_count(const struct script *script)
{
    return script->jobs.count;
}

void script_cancel_all(struct script *script)
{
    struct node *node;
    while ((node = queue_first(&script->jobs))) {
        struct job *job = container_of(node, struct job, node);
        check(job->state != JOB_RUNNING);
        take_back(job);
        drop_thread(job);
        end(job, JOB_END_CANCEL, 0);
    }
    if (script->loop)
        (void)uv_idle_stop(&script->turns);
}

static void free_all(struct script *script)
{
    struct node *next;
    for (struct node *node = queue_first(&script->idle); node; node = next) {
        next = queue_next(&script->idle, node);
        free(container_of(node, struct job, node));
    }
    free(script);
}

static void on_handle_closed(struct script *script)
{
    if (--script->open_handles == 0)
        free_all(script);
}

static void on_timer_closed(uv_handle_t *handle)
{
    on_handle_closed(container_of((uv_timer_t *)(void *)handle, struct job, timer)->script);
}

static void on_turns_closed(uv_handle_t *handle)
{
    on_handle_closed(container_of((uv_idle_t *)(void *)handle, struct script, turns));
}

void jobs_attach(struct script *script, uv_loop_t *loop)
{
    script->loop = loop;
    check(uv_idle_init(loop, &script->turns) == 0);
    script->open_handles++;
}

void jobs_close(struct script *script)
{
    check(script->jobs.count == 0);
    if (!script->loop) {
        free_all(script);
        return;
    }
    for (struct node *node = queue_first(&script->idle); node;
         node = queue_next(&script->idle, node)) {
        struct job *job = container_of(node, struct job, node);
        if (job->has_timer)
            uv_close((uv_handle_t *)&job->timer, on_timer_closed);
    }
    uv_close((uv_handle_t *)&script->turns, on_turns_closed);
}
