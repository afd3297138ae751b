/* SPDX-License-Identifier: MIT */
/* What a handler may return: anzol.skip(reason), anzol.retry_later(delay); and a poll:
 * anzol.after(delay). */
#include "script/bind_int.h"

static int l_skip(lua_State *L)
{
    const char *reason = luaL_optstring(L, 1, "");
    struct verdict *verdict = object_push(L, &verdict_kind, sizeof *verdict, 0);
    verdict->kind = VERDICT_SKIP;
    (void)snprintf(verdict->reason, sizeof verdict->reason, "%s", reason);
    return 1;
}

/* Upvalues: the kind, what it is called, how many days are the most. */
static int l_delayed(lua_State *L)
{
    luaL_checkany(L, 1);
    const char *name = lua_tostring(L, lua_upvalueindex(2));
    const lua_Integer days = lua_tointeger(L, lua_upvalueindex(3));
    const int64_t delay_ms = duration_check(L, 1, lua_pushfstring(L, "the delay of %s", name));
    if (delay_ms > days * 86400000)
        return luaL_error(L, "the delay of %s is at most %dd", name, (int)days);
    struct verdict *verdict = object_push(L, &verdict_kind, sizeof *verdict, 0);
    verdict->kind = (enum verdict_kind_id)lua_tointeger(L, lua_upvalueindex(1));
    verdict->delay_ms = delay_ms;
    return 1;
}

const struct object_kind verdict_kind = {"verdict", NULL, NULL};

static void add_delayed(lua_State *L, const char *field, enum verdict_kind_id kind, int days_max)
{
    lua_pushinteger(L, kind);
    lua_pushfstring(L, "anzol.%s", field);
    lua_pushinteger(L, days_max);
    lua_pushcclosure(L, l_delayed, 3);
    lua_setfield(L, -2, field);
}

void open_verdict(lua_State *L)
{
    object_open(L, &verdict_kind);
    lua_pushcfunction(L, l_skip);
    lua_setfield(L, -2, "skip");
    add_delayed(L, "retry_later", VERDICT_RETRY_LATER, 30);
    add_delayed(L, "after", VERDICT_AFTER, 366);
}
