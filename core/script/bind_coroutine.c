/* SPDX-License-Identifier: MIT */
/* The script's own coroutines. What yields inside of one may be the script (coroutine.yield: the
 * values are for its resumer) or the host (a binding waits, the hook pre-empts, a limit was
 * passed): then the resumer yields too, and so on up to the strand, whose resumer is the host; on
 * the way back each resumes its coroutine again. */
#include "script/bind_int.h"

/* Values go to the resumer: by coroutine.yield. */
static int l_yield(lua_State *L)
{
    const struct context *context = script_of(L)->context;
    const struct strand *strand = context && context->job ? context->job->running : NULL;
    if (strand && strand->L == L)
        return luaL_error(L, "coroutine.yield outside of a coroutine of your own: a handler waits "
                             "by calling a function that waits, anzol.sleep for one");
    return lua_yield(L, lua_gettop(L));
}

/* Yielded to the host, not by coroutine.yield: nobody else may touch it. */
static bool is_with_host(lua_State *co)
{
    lua_Debug debug = {0};
    if (lua_status(co) != LUA_YIELD || !lua_getstack(co, 0, &debug) || !lua_checkstack(co, 1))
        return false;
    (void)lua_getinfo(co, "f", &debug);
    const bool is_own = lua_tocfunction(co, -1) == l_yield;
    lua_pop(co, 1);
    return !is_own;
}

static lua_State *check_coroutine(lua_State *L)
{
    lua_State *co = lua_tothread(L, 1);
    luaL_argexpected(L, co, 1, "coroutine");
    return co;
}

/* ---- Resuming ---- */

enum outcome { CAME_BACK, FAILED, WITH_HOST };

/* The results, or the error, are on L. */
static enum outcome receive(lua_State *L, lua_State *co, bool is_ok, int count)
{
    if (is_ok && !lua_checkstack(L, count + 1)) {
        lua_pop(co, count);
        lua_pushliteral(L, "too many results to resume");
        return FAILED;
    }
    lua_xmove(co, L, is_ok ? count : 1);
    return is_ok ? CAME_BACK : FAILED;
}

static enum outcome run(lua_State *L, lua_State *co, int argument_count)
{
    struct script *script = script_of(L);
    const struct context *context = script->context;
    const struct strand *strand = context && context->job ? context->job->running : NULL;
    struct resumption resumption = {.previous = script->resumption,
                                    .co = co,
                                    .passes_up = strand && strand_passes_up(strand, L)};
    int count = 0;
    script->resumption = &resumption;
    const int status = lua_resume(co, L, argument_count, &count);
    script->resumption = resumption.previous;
    if (context && context->kill != KILL_NONE)
        (void)budget_leave(L);
    if (status == LUA_YIELD && strand && (strand->is_armed || context->is_preempted))
        return WITH_HOST;
    return receive(L, co, status == LUA_OK || status == LUA_YIELD, count);
}

/* The arguments are on top of L. */
static enum outcome start(lua_State *L, lua_State *co, int argument_count)
{
    const char *problem = NULL;
    if (is_with_host(co))
        problem = "cannot resume a coroutine that waits (or whose job ended while it waited)";
    else if (!lua_checkstack(co, argument_count))
        problem = "too many arguments to resume";
    if (problem) {
        lua_pushstring(L, problem);
        return FAILED;
    }
    lua_xmove(L, co, argument_count);
    return run(L, co, argument_count);
}

/* What the host gave is for the coroutine that waited, wherever below it is. */
static enum outcome go_on(lua_State *L, lua_State *co)
{
    struct strand *strand = script_of(L)->context->job->running;
    int count = 0;
    if (strand->waiter == co) {
        count = strand->value_count;
        strand->value_count = 0;
    }
    return run(L, co, count);
}

/* ---- resume ---- */

static int l_resume_goes_on(lua_State *L, int status, lua_KContext base);

/* base: the top below the results. */
static int finish_resume(lua_State *L, enum outcome outcome, int base)
{
    if (outcome == WITH_HOST)
        return lua_yieldk(L, 0, base, l_resume_goes_on);
    lua_pushboolean(L, outcome == CAME_BACK);
    lua_insert(L, base + 1);
    return lua_gettop(L) - base;
}

static int l_resume_goes_on(lua_State *L, int status, lua_KContext base)
{
    (void)status;
    return finish_resume(L, go_on(L, lua_tothread(L, 1)), (int)base);
}

static int l_resume(lua_State *L)
{
    lua_State *co = check_coroutine(L);
    return finish_resume(L, start(L, co, lua_gettop(L) - 1), 1);
}

/* ---- wrap ---- */

static int l_wrapped_goes_on(lua_State *L, int status, lua_KContext ctx);

static int pass_error(lua_State *L, lua_State *co)
{
    const int status = lua_status(co);
    if (status != LUA_OK && status != LUA_YIELD) {
        lua_settop(L, 0);
        (void)lua_resetthread(co); /* runs its <close> */
        lua_xmove(co, L, 1);
    }
    if (status != LUA_ERRMEM && lua_type(L, -1) == LUA_TSTRING) {
        luaL_where(L, 1);
        lua_insert(L, -2);
        lua_concat(L, 2);
    }
    return lua_error(L);
}

static int finish_wrapped(lua_State *L, enum outcome outcome)
{
    if (outcome == WITH_HOST)
        return lua_yieldk(L, 0, 0, l_wrapped_goes_on);
    if (outcome == FAILED)
        return pass_error(L, lua_tothread(L, lua_upvalueindex(1)));
    return lua_gettop(L);
}

static int l_wrapped_goes_on(lua_State *L, int status, lua_KContext ctx)
{
    (void)status;
    (void)ctx;
    return finish_wrapped(L, go_on(L, lua_tothread(L, lua_upvalueindex(1))));
}

static int l_wrapped(lua_State *L)
{
    return finish_wrapped(L, start(L, lua_tothread(L, lua_upvalueindex(1)), lua_gettop(L)));
}

/* ---- The others ---- */

static int l_create(lua_State *L)
{
    struct context *context = script_of(L)->context;
    luaL_checktype(L, 1, LUA_TFUNCTION);
    if (context && ++context->coroutine_count > LIMIT_COROUTINES_PER_JOB)
        return luaL_error(L, "more than %d coroutines in one '%s'", LIMIT_COROUTINES_PER_JOB,
                          phases[context->phase].name);
    lua_State *co = lua_newthread(L);
    lua_pushvalue(L, 1);
    lua_xmove(L, co, 1);
    return 1;
}

static int l_wrap(lua_State *L)
{
    (void)l_create(L);
    lua_pushcclosure(L, l_wrapped, 1);
    return 1;
}

/* Upvalue: the stock function, which knows the other states. */
static int l_status(lua_State *L)
{
    if (!is_with_host(check_coroutine(L)))
        return lua_tocfunction(L, lua_upvalueindex(1))(L);
    lua_pushliteral(L, "normal");
    return 1;
}

static int l_close(lua_State *L)
{
    const struct context *context = script_of(L)->context;
    if (is_with_host(check_coroutine(L)))
        return luaL_error(L, "cannot close a coroutine that waits (or whose job ended while it "
                             "waited)");
    const int count = lua_tocfunction(L, lua_upvalueindex(1))(L);
    return context && context->kill != KILL_NONE ? budget_leave(L) : count;
}

static const luaL_Reg functions[] = {
    {"close", l_close}, {"create", l_create}, {"resume", l_resume}, {"status", l_status},
    {"wrap", l_wrap},   {"yield", l_yield},   {NULL, NULL},
};

void l_open_coroutines(lua_State *L)
{
    lua_getglobal(L, "coroutine");
    for (const luaL_Reg *it = functions; it->name; it++) {
        lua_getfield(L, -1, it->name);
        lua_pushcclosure(L, it->func, 1);
        lua_setfield(L, -2, it->name);
    }
    lua_pop(L, 1);
}
