/* SPDX-License-Identifier: MIT */
/* anzol.all(fn, …) and anzol.http.all({ request, … }): several waits at once. The caller waits for
 * a group of strands, its children; they run in turns, each may wait, and all are charged to the
 * job.
 *
 * A child ends outside of Lua, where nothing may need memory: so the results' tables are made with
 * their full size before, and a child whose work is done takes up the next with the coroutine that
 * it has. */
#include "script/bind_int.h"

#define CONCURRENCY 8

/* The caller's stack while it waits. */
enum slot { SLOT_WORK = 1, SLOT_OPTIONS, SLOT_RESULTS, SLOT_THREADS, SLOT_GROUP, SLOT_FUNCTION };

enum outcome { ALL_ENDED, ONE_FAILED /* its Error is on top */, ONE_RAISED /* its error is */ };

struct group {
    struct strand *caller;
    uint64_t ticket;
    bool is_of_requests; /* results are { response, error }; an Error ends nothing */
    size_t count;        /* pieces of work */
    size_t begun;
    enum outcome outcome;
    size_t failed; /* piece of work */
    size_t child_count;
    struct child {
        struct strand *strand; /* NULL: gone */
        size_t work;           /* 1, 2, … */
    } children[];
};

static struct group *group_of(struct strand *caller)
{
    return (struct group *)(uintptr_t)caller->waiting[0];
}

/* ---- Children ---- */

static void leave(struct child *child)
{
    struct strand *strand = child->strand;
    child->strand = NULL;
    strand_take_back(strand);
    strand_drop_thread(strand);
    strand_put(strand);
}

static void leave_all(struct group *group)
{
    for (size_t i = 0; i < group->child_count; i++)
        if (group->children[i].strand)
            leave(&group->children[i]);
}

static void cancel(struct strand *caller)
{
    leave_all(group_of(caller));
}

/* The next piece of work onto the child's empty stack; false: there is none. */
static bool begin_next(struct group *group, struct child *child)
{
    lua_State *L = group->caller->waiter;
    lua_State *to = child->strand->L;
    if (group->begun == group->count)
        return false;
    child->work = ++group->begun;
    if (group->is_of_requests)
        lua_pushvalue(L, SLOT_FUNCTION);
    lua_rawgeti(L, SLOT_WORK, (lua_Integer)child->work);
    lua_xmove(L, to, group->is_of_requests ? 2 : 1);
    strand_ready(child->strand, group->is_of_requests);
    return true;
}

/* The first two results are on top of `from`. */
static void keep_result(const struct group *group, lua_State *from, size_t work)
{
    lua_State *L = group->caller->waiter;
    lua_xmove(from, L, 2);
    if (!group->is_of_requests) {
        lua_pop(L, 1);
        lua_rawseti(L, SLOT_RESULTS, (lua_Integer)work);
        return;
    }
    lua_rawgeti(L, SLOT_RESULTS, (lua_Integer)work);
    lua_insert(L, -3);
    lua_rawseti(L, -3, 2);
    lua_rawseti(L, -2, 1);
    lua_pop(L, 1);
}

/* What a function returned: nil and something is what the world failed with. */
static bool is_failure(lua_State *L)
{
    return lua_isnil(L, -2) && !lua_isnil(L, -1);
}

static void wake(struct group *group, enum outcome outcome)
{
    struct strand *caller = group->caller;
    group->outcome = outcome;
    leave_all(group);
    strand_wake(caller, group->ticket, 0);
}

static void on_end(struct strand *strand, bool is_ok, int result_count)
{
    struct group *group = group_of(strand->parent);
    lua_State *L = strand->L;
    struct child *child = group->children;
    while (child->strand != strand)
        child++;
    if (is_ok) /* two of them, however many there are */
        lua_settop(L, lua_gettop(L) - result_count + 2);
    if (!is_ok || (!group->is_of_requests && is_failure(L))) {
        lua_xmove(L, group->caller->waiter, 1);
        group->failed = child->work;
        wake(group, is_ok ? ONE_FAILED : ONE_RAISED);
        return;
    }
    keep_result(group, L, child->work);
    lua_settop(L, 0);
    if (begin_next(group, child))
        return;
    leave(child);
    for (size_t i = 0; i < group->child_count; i++)
        if (group->children[i].strand)
            return;
    wake(group, ALL_ENDED);
}

/* ---- The caller ---- */

static int l_goes_on(lua_State *L, int status, lua_KContext ctx)
{
    const struct group *group = lua_touserdata(L, SLOT_GROUP);
    (void)status;
    (void)ctx;
    if (group->outcome == ONE_RAISED && group->is_of_requests && lua_type(L, -1) == LUA_TSTRING)
        return luaL_error(L, "request %d of anzol.http.all: %s", (int)group->failed,
                          lua_tostring(L, -1));
    if (group->outcome == ONE_RAISED)
        return lua_error(L);
    if (group->outcome == ONE_FAILED) {
        lua_pushnil(L);
        lua_insert(L, -2);
        return 2;
    }
    lua_settop(L, SLOT_RESULTS);
    return 1;
}

/* Nothing may raise from the first strand on. */
static bool take_strands(lua_State *L, struct group *group, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct strand *strand = strand_take(group->caller, on_end);
        if (!strand)
            return false;
        lua_rawgeti(L, SLOT_THREADS, (lua_Integer)i + 1);
        strand->L = lua_tothread(L, -1);
        lua_pop(L, 1);
        group->children[i].strand = strand;
        group->child_count++;
    }
    return true;
}

/* The work is in SLOT_WORK; for requests, what makes one is in SLOT_FUNCTION. */
static int wait_for_all(lua_State *L, struct strand *caller, size_t count, size_t at_once,
                        bool is_of_requests)
{
    const size_t child_count = count < at_once ? count : at_once;
    struct job *job = caller->job;
    if (job->child_count + child_count > LIMIT_CHILDREN_PER_JOB)
        return luaL_error(L, "more than %d at once in one '%s', by anzol.all and anzol.http.all",
                          LIMIT_CHILDREN_PER_JOB, phases[job->context.phase].name);
    for (size_t i = 0; i < child_count; i++) {
        (void)lua_newthread(L);
        lua_rawseti(L, SLOT_THREADS, (lua_Integer)i + 1);
    }
    struct group *group =
        lua_newuserdatauv(L, sizeof *group + child_count * sizeof(struct child), 0);
    memset(group, 0, sizeof *group + child_count * sizeof(struct child));
    lua_replace(L, SLOT_GROUP);
    group->caller = caller;
    group->count = count;
    group->is_of_requests = is_of_requests;
    caller->waiting[0] = (uint64_t)(uintptr_t)group;
    if (!take_strands(L, group, child_count)) {
        leave_all(group);
        return luaL_error(L, "out of memory");
    }
    group->ticket = strand_wait(caller, cancel);
    for (size_t i = 0; i < child_count; i++)
        check(begin_next(group, &group->children[i]));
    return lua_yieldk(L, 0, 0, l_goes_on);
}

static int l_all(lua_State *L)
{
    const int count = lua_gettop(L);
    for (int i = 1; i <= count; i++)
        luaL_checktype(L, i, LUA_TFUNCTION);
    struct strand *caller = strand_check_may_wait(L, "anzol.all");
    lua_createtable(L, count, 0);
    lua_insert(L, 1);
    for (int i = count; i >= 1; i--)
        lua_rawseti(L, SLOT_WORK, i);
    lua_settop(L, SLOT_OPTIONS);
    lua_createtable(L, count, 1); /* results */
    lua_pushinteger(L, count);
    lua_setfield(L, SLOT_RESULTS, "n");
    if (count == 0)
        return 1;
    lua_createtable(L, count, 0);
    lua_settop(L, SLOT_FUNCTION);
    return wait_for_all(L, caller, (size_t)count, (size_t)count, false);
}

static int l_http_all(lua_State *L)
{
    static const char *const names[] = {"concurrency", NULL};
    const struct options options = {.index = SLOT_OPTIONS, .what = "anzol.http.all"};
    const struct range range = {1, LIMIT_CHILDREN_PER_JOB};
    lua_Integer at_once = CONCURRENCY;
    luaL_checktype(L, SLOT_WORK, LUA_TTABLE);
    lua_settop(L, SLOT_OPTIONS);
    if (!lua_isnil(L, SLOT_OPTIONS)) {
        options_check_names(L, &options, names, NULL);
        at_once = option_check_integer(L, &options, "concurrency", range, CONCURRENCY);
    }
    struct strand *caller = strand_check_may_wait(L, "anzol.http.all");
    const lua_Integer count = (lua_Integer)lua_rawlen(L, SLOT_WORK);
    lua_createtable(L, (int)count, 0); /* the list may change while the caller waits */
    lua_createtable(L, (int)count, 0);
    for (lua_Integer i = 1; i <= count; i++) {
        if (lua_rawgeti(L, SLOT_WORK, i) != LUA_TTABLE)
            return luaL_error(L, "request %d of anzol.http.all must be a table, got %s", (int)i,
                              luaL_typename(L, -1));
        lua_rawseti(L, SLOT_THREADS, i);
        lua_createtable(L, 2, 0);
        lua_rawseti(L, SLOT_RESULTS, i);
    }
    lua_replace(L, SLOT_WORK);
    if (count == 0)
        return 1;
    lua_createtable(L, (int)at_once, 0);
    lua_settop(L, SLOT_GROUP);
    lua_pushcfunction(L, l_http_request);
    return wait_for_all(L, caller, (size_t)count, (size_t)at_once, true);
}

void open_all(lua_State *L)
{
    lua_pushcfunction(L, l_all);
    lua_setfield(L, -2, "all");
    lua_getfield(L, -1, "http");
    lua_pushcfunction(L, l_http_all);
    lua_setfield(L, -2, "all");
    lua_pop(L, 1);
}
