/* SPDX-License-Identifier: MIT */
/* Strands: coroutines that the host resumes. What waits can always be taken back, and a completion
 * that comes late finds another ticket and does nothing.
 *
 * idle -> running -> (ready: pre-empted, or new | waiting) -> running … -> idle. */
#include "script/bind_int.h"

#include <stdlib.h>

static const struct machine_state strand_states[STRAND_STATE_COUNT] = {
    [STRAND_IDLE] = {"idle", MACHINE_BIT(STRAND_RUNNING) | MACHINE_BIT(STRAND_READY)},
    [STRAND_RUNNING] = {"running", MACHINE_BIT(STRAND_READY) | MACHINE_BIT(STRAND_WAITING) |
                                       MACHINE_BIT(STRAND_IDLE)},
    [STRAND_READY] = {"ready", MACHINE_BIT(STRAND_RUNNING) | MACHINE_BIT(STRAND_IDLE)},
    [STRAND_WAITING] = {"waiting", MACHINE_BIT(STRAND_RUNNING) | MACHINE_BIT(STRAND_IDLE)},
};

/* ---- Coroutines ---- */

void l_strand_prepare(lua_State *L, struct strand *strand)
{
    if (strand->L)
        return;
    script_push_ref(L, script_of(L), REF_THREADS);
    lua_State *thread = lua_newthread(L);
    strand->thread = luaL_ref(L, -2);
    strand->L = thread; /* only now: without its reference it could be collected */
    budget_watch(thread);
    lua_pop(L, 1);
}

void strand_drop_thread(struct strand *strand)
{
    struct script *script = strand->job->script;
    if (!strand->L)
        return;
    struct context *previous = context_enter(script, &strand->job->context);
    (void)lua_resetthread(strand->L); /* Lua 5.4.4 has no lua_closethread */
    context_leave(script, previous);
    strand->L = NULL;
    /* Neither raises: the slots are there already. */
    check(lua_checkstack(script->L, LUA_MINSTACK));
    script_push_ref(script->L, script, REF_THREADS);
    luaL_unref(script->L, -1, strand->thread);
    lua_pop(script->L, 1);
}

/* ---- Children ---- */

struct strand *strand_take(struct strand *parent,
                           void (*on_end)(struct strand *strand, bool is_ok, int result_count))
{
    struct node *node = queue_pop(&parent->job->script->strands);
    struct strand *strand =
        node ? container_of(node, struct strand, ready) : calloc(1, sizeof *strand);
    if (!strand)
        return NULL;
    strand->job = parent->job;
    strand->parent = parent;
    strand->thread = LUA_NOREF;
    strand->on_end = on_end;
    strand->step = step_around(parent->job, parent->waiter);
    strand->job->child_count++;
    return strand;
}

void strand_put(struct strand *strand)
{
    struct job *job = strand->job;
    if (strand->state != STRAND_IDLE)
        machine_move(strand_states, &strand->state, STRAND_IDLE);
    job->child_count--;
    queue_push(&job->script->strands, &strand->ready);
}

void strand_begin(struct strand *strand)
{
    machine_move(strand_states, &strand->state, STRAND_RUNNING);
}

void strand_take_back(struct strand *strand)
{
    void (*cancel)(struct strand * strand) = strand->cancel;
    strand->cancel = NULL;
    strand->is_armed = false;
    strand->ticket++;
    if (node_is_linked(&strand->ready))
        queue_remove(&strand->job->script->ready, &strand->ready);
    if (cancel)
        cancel(strand);
}

void strand_end(struct strand *strand)
{
    strand_take_back(strand);
    machine_move(strand_states, &strand->state, STRAND_IDLE);
}

/* ---- Running ---- */

void strand_ready(struct strand *strand, int argument_count)
{
    strand->value_count = argument_count;
    machine_move(strand_states, &strand->state, STRAND_READY);
    queue_push(&strand->job->script->ready, &strand->ready);
    jobs_take_turns(strand->job->script);
}

void strand_run(struct strand *strand, int argument_count)
{
    struct job *job = strand->job;
    struct script *script = job->script;
    if (strand->state != STRAND_RUNNING)
        machine_move(strand_states, &strand->state, STRAND_RUNNING);
    struct context *previous = context_enter(script, &job->context);
    int result_count = 0;
    job->running = strand;
    const int outcome = lua_resume(strand->L, script->L, argument_count, &result_count);
    job->running = NULL;
    context_leave(script, previous);
    jobs_relieve(script);
    if (job->context.kill != KILL_NONE) {
        job_fail(job, strand);
    } else if (outcome != LUA_YIELD) {
        strand->on_end(strand, outcome == LUA_OK, result_count);
    } else if (job->context.is_preempted) {
        job->context.is_preempted = false;
        strand_ready(strand, 0);
    } else if (strand->is_armed) {
        machine_move(strand_states, &strand->state, STRAND_WAITING);
        job_watch(job);
    } else {
        job_fail_with(job, "coroutine.yield outside of a coroutine of your own: a handler waits by "
                           "calling a function that waits, anzol.sleep for one");
    }
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

/* Not in this phase, or not any more. */
static void refuse(lua_State *L, const char *function, const struct context *context)
{
    const struct subject *subject = context ? &context->subject : NULL;
    const char *phase = context ? phases[context->phase].name : "load";
    push_waiting_phases(L);
    if (subject && subject->kind && subject->place)
        (void)luaL_error(L, "%s cannot wait in '%s' (%s \"%s\", %s). Waiting works in: %s.",
                         function, phase, subject->kind, subject->name, subject->place,
                         lua_tostring(L, -1));
    (void)luaL_error(L, "%s cannot wait in '%s'. Waiting works in: %s.", function, phase,
                     lua_tostring(L, -1));
}

bool strand_passes_up(const struct strand *strand, lua_State *L)
{
    const struct resumption *resumption = strand->job->script->resumption;
    return lua_isyieldable(L) &&
           (L == strand->L || (resumption && resumption->co == L && resumption->passes_up));
}

struct strand *strand_check_may_wait(lua_State *L, const char *function)
{
    struct script *script = script_of(L);
    const struct context *context = script->context;
    const struct job *job = context ? context->job : NULL;
    struct strand *strand = job ? job->running : NULL;
    if (!job || !script->loop)
        refuse(L, function, context);
    else if (!strand)
        (void)luaL_error(L, "%s cannot wait in a <close> of a job that was stopped", function);
    else if (!strand_passes_up(strand, L))
        (void)luaL_error(L,
                         "%s cannot wait inside a callback (table.sort, string.gsub, __tostring, "
                         "require, coroutine.close)",
                         function);
    strand->waiter = L;
    return strand;
}

uint64_t strand_wait(struct strand *strand, void (*cancel)(struct strand *strand))
{
    strand->cancel = cancel;
    strand->is_armed = true;
    return ++strand->ticket;
}

bool strand_awaits(const struct strand *strand, uint64_t ticket)
{
    return strand->ticket == ticket && strand->state == STRAND_WAITING;
}

void strand_wake(struct strand *strand, uint64_t ticket, int value_count)
{
    if (!strand_awaits(strand, ticket))
        return;
    strand->ticket++;
    strand->cancel = NULL;
    strand->is_armed = false;
    strand->value_count = value_count;
    strand_run(strand, strand->waiter == strand->L ? value_count : 0);
}
