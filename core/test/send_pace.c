/* SPDX-License-Identifier: MIT */
/* pace{rate=, burst=, failures=, …} -> an endpoint's pace under the spec's own clock. */
#include "send_rig_int.h"

#include <stdlib.h>

#define PACE_METATABLE "anzol_test.send.pace"
#define NS_PER_MS 1e6

struct test_pace {
    struct endpoint_spec spec;
    struct pace pace;
};

static struct test_pace *check_pace(lua_State *L)
{
    return luaL_checkudata(L, 1, PACE_METATABLE);
}

/* take(now_ms) -> true | false, ms to wait. Fractions count. */
static int l_take(lua_State *L)
{
    struct test_pace *it = check_pace(L);
    int64_t wait_ms = 0;
    lua_pushboolean(L, pace_take(&it->pace, &it->spec,
                                 (int64_t)(luaL_checknumber(L, 2) * NS_PER_MS), &wait_ms));
    lua_pushinteger(L, wait_ms);
    return 2;
}

/* take_many(now_ms, most) -> how many; put_back(count) */
static int l_take_many(lua_State *L)
{
    struct test_pace *it = check_pace(L);
    const size_t count =
        rate_take_many(&it->pace.rate, it->spec.rate_per_s, (size_t)luaL_checkinteger(L, 3),
                       (int64_t)(luaL_checknumber(L, 2) * NS_PER_MS));
    lua_pushinteger(L, (lua_Integer)count);
    return 1;
}

static int l_put_back(lua_State *L)
{
    rate_put_back(&check_pace(L)->pace.rate, (size_t)luaL_checkinteger(L, 2));
    return 0;
}

/* let_go(): who was told to wait does not come */
static int l_let_go(lua_State *L)
{
    rate_let_go(&check_pace(L)->pace.rate);
    return 0;
}

/* start(now_ms) -> the mark of an attempt */
static int l_start(lua_State *L)
{
    struct test_pace *it = check_pace(L);
    const struct pace_mark mark = pace_start(&it->pace, luaL_checkinteger(L, 2));
    lua_pushlstring(L, (const char *)&mark, sizeof mark);
    return 1;
}

/* finish(mark, now_ms, { status =, error = number, retry_after_ms =, is_success = }) -> whether the
 * circuit's state has changed */
static int l_finish(lua_State *L)
{
    struct test_pace *it = check_pace(L);
    struct pace_mark mark;
    memcpy(&mark, luaL_checkstring(L, 2), sizeof mark);
    const struct attempt attempt = {
        .status = (int)get_integer(L, 4, "status", 0),
        .error = (enum attempt_error)get_integer(L, 4, "error", 0),
        .retry_after_ms = get_integer(L, 4, "retry_after_ms", -1),
    };
    lua_pushboolean(L, pace_end(&it->pace, &it->spec, &mark, &attempt,
                                get_boolean(L, 4, "is_success"), luaL_checkinteger(L, 3)));
    return 1;
}

/* show(now_ms) -> { circuit, per_s, paused_until_ms, slowed_left_ms } */
static int l_show(lua_State *L)
{
    struct test_pace *it = check_pace(L);
    const double per_s =
        slowdown_per_s(&it->pace.slowdown, it->spec.rate_per_s, luaL_checkinteger(L, 2));
    lua_newtable(L);
    set_text(L, "circuit", circuit_state_name(it->pace.circuit.state));
    lua_pushnumber(L, per_s);
    lua_setfield(L, -2, "per_s");
    set_integer(L, "paused_until_ms", it->pace.slowdown.paused_until_ms);
    set_integer(L, "slowed_left_ms", slowdown_left_ms(&it->pace.slowdown, luaL_checkinteger(L, 2)));
    return 1;
}

static int l_gc(lua_State *L)
{
    struct test_pace *it = check_pace(L);
    free(it->spec.name);
    free(it->spec.url);
    free(it->spec.method);
    free(it->spec.script);
    it->spec = (struct endpoint_spec){0};
    return 0;
}

/* has_slot(own, all, is answering, the application's = 0) -> boolean */
int l_has_slot(lua_State *L)
{
    lua_pushboolean(L,
                    pace_has_slot((size_t)luaL_checkinteger(L, 1), (size_t)luaL_optinteger(L, 4, 0),
                                  (size_t)luaL_checkinteger(L, 2), lua_toboolean(L, 3)));
    return 1;
}

int l_pace(lua_State *L)
{
    static const luaL_Reg methods[] = {{"finish", l_finish},       {"let_go", l_let_go},
                                       {"show", l_show},           {"put_back", l_put_back},
                                       {"start", l_start},         {"take", l_take},
                                       {"take_many", l_take_many}, {NULL, NULL}};
    luaL_checktype(L, 1, LUA_TTABLE);
    struct test_pace *it = lua_newuserdatauv(L, sizeof *it, 0);
    *it = (struct test_pace){0};
    if (luaL_newmetatable(L, PACE_METATABLE)) {
        luaL_newlib(L, methods);
        lua_setfield(L, -2, "__index");
        lua_pushcfunction(L, l_gc);
        lua_setfield(L, -2, "__gc");
    }
    lua_setmetatable(L, -2);
    read_endpoint(L, 1, &it->spec);
    return 1;
}
