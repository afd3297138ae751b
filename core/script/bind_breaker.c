/* SPDX-License-Identifier: MIT */
/* anzol.breaker(name, options):call(fn, …): calls that fail too often are not made for a while. All
 * scripts of the process share its state by its name. */
#include "script/bind_int.h"

#include "shared/shared.h"

#define FAILURES 5
#define WINDOW_MS 30000
#define COOLDOWN_MS 60000
#define HALF_OPEN 1
#define HALF_OPEN_MAX 1000
#define STATUS_FAILED 500

struct breaker_object {
    struct breaker_policy policy;
    char name[LIMIT_NAME_BYTES + 1];
};

/* What the call returned stands from index 2 on. A failure: nil or false with an Error that a new
 * try could mend (or another value), or an answer of 500 and more. */
static bool is_failure(lua_State *L)
{
    if (lua_gettop(L) < 2)
        return false;
    if (!lua_toboolean(L, 2)) {
        if (lua_gettop(L) < 3 || lua_isnil(L, 3))
            return false;
        if (lua_type(L, 3) != LUA_TTABLE)
            return true;
        lua_pushliteral(L, "retryable");
        const bool is_hopeless = lua_rawget(L, 3) == LUA_TBOOLEAN && !lua_toboolean(L, -1);
        lua_pop(L, 1);
        return !is_hopeless;
    }
    if (lua_type(L, 2) != LUA_TTABLE && lua_type(L, 2) != LUA_TUSERDATA)
        return false;
    lua_pushvalue(L, 2);
    const bool has_fields = lua_type(L, -1) == LUA_TTABLE || luaL_getmetafield(L, -1, "__index");
    bool is_bad = false;
    if (has_fields) {
        lua_getfield(L, 2, "status");
        is_bad = lua_isinteger(L, -1) && lua_tointeger(L, -1) >= STATUS_FAILED;
    }
    return is_bad;
}

/* Behind the call, at once or after it waited. */
static int finish(lua_State *L, int status, lua_KContext ctx)
{
    (void)ctx;
    const struct breaker_object *breaker = object_check(L, 1, &breaker_kind);
    const bool has_raised = status != LUA_OK && status != LUA_YIELD;
    const int top = lua_gettop(L);
    const bool has_failed = has_raised || is_failure(L);
    lua_settop(L, top);
    const bool opens = breaker_leave(shared_check(L, "breaker:call"), slice_str(breaker->name),
                                     &breaker->policy, has_failed);
    if (opens)
        log_warn("breaker opened", "breaker=%s cooldown_ms=%lld", breaker->name,
                 (long long)breaker->policy.cooldown_ms);
    if (has_raised)
        return lua_error(L);
    return top - 1;
}

static int l_call(lua_State *L)
{
    const struct breaker_object *breaker = object_check(L, 1, &breaker_kind);
    luaL_checkany(L, 2);
    int64_t wait_ms;
    if (breaker_enter(shared_check(L, "breaker:call"), slice_str(breaker->name), &breaker->policy,
                      &wait_ms))
        return finish(L, lua_pcallk(L, lua_gettop(L) - 2, LUA_MULTRET, 0, 0, finish), 0);
    lua_pushfstring(L, "breaker '%s' is open: calls failed too often", breaker->name);
    (void)error_push(L, "circuit_open", lua_tostring(L, -1), true);
    lua_pushnumber(L, (lua_Number)wait_ms / 1000);
    lua_setfield(L, -2, "retry_after");
    return 2;
}

static int l_breaker(lua_State *L)
{
    static const char *const names[] = {"cooldown", "failures", "half_open", "window", NULL};
    const char *name = luaL_checkstring(L, 1);
    name_check(L, name, "anzol.breaker");
    lua_settop(L, 2);
    if (lua_isnil(L, 2)) {
        lua_newtable(L);
        lua_replace(L, 2);
    }
    const struct options options = {.index = 2,
                                    .what = lua_pushfstring(L, "anzol.breaker '%s'", name)};
    options_check_names(L, &options, names, NULL);
    struct breaker_object *breaker = object_push(L, &breaker_kind, sizeof *breaker, 0);
    (void)snprintf(breaker->name, sizeof breaker->name, "%s", name);
    breaker->policy = (struct breaker_policy){
        .failures = (uint32_t)option_check_integer(
            L, &options, "failures", (struct range){1, BREAKER_FAILURES_MAX}, FAILURES),
        .window_ms = option_check_duration(L, &options, "window", WINDOW_MS),
        .cooldown_ms = option_check_duration(L, &options, "cooldown", COOLDOWN_MS),
        .half_open = (uint32_t)option_check_integer(L, &options, "half_open",
                                                    (struct range){1, HALF_OPEN_MAX}, HALF_OPEN),
    };
    if (breaker->policy.window_ms < 1 || breaker->policy.cooldown_ms < 1)
        return luaL_error(L, "options 'window' and 'cooldown' of %s are at least 1ms",
                          options.what);
    return 1;
}

static const luaL_Reg methods[] = {{"call", l_call}, {NULL, NULL}};

const struct object_kind breaker_kind = {"breaker", NULL, methods};

void open_breaker(lua_State *L)
{
    object_open(L, &breaker_kind);
    lua_pushcfunction(L, l_breaker);
    lua_setfield(L, -2, "breaker");
}
