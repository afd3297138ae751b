/* SPDX-License-Identifier: MIT */
/* What a handler may return: anzol.skip(reason), anzol.retry_later(delay). */
#include "script/bind_int.h"

#define DELAY_MS_MAX (INT64_C(30) * 86400000)

static int l_skip(lua_State *L)
{
    const char *reason = luaL_optstring(L, 1, "");
    struct verdict *verdict = object_push(L, &verdict_kind, sizeof *verdict, 0);
    verdict->kind = VERDICT_SKIP;
    (void)snprintf(verdict->reason, sizeof verdict->reason, "%s", reason);
    return 1;
}

static int l_retry_later(lua_State *L)
{
    luaL_checkany(L, 1);
    const int64_t delay_ms = duration_check(L, 1, "the delay of anzol.retry_later");
    if (delay_ms > DELAY_MS_MAX)
        return luaL_error(L, "the delay of anzol.retry_later is at most 30d");
    struct verdict *verdict = object_push(L, &verdict_kind, sizeof *verdict, 0);
    verdict->kind = VERDICT_RETRY_LATER;
    verdict->delay_ms = delay_ms;
    return 1;
}

const struct object_kind verdict_kind = {"verdict", NULL, NULL};

void open_verdict(lua_State *L)
{
    object_open(L, &verdict_kind);
    lua_pushcfunction(L, l_skip);
    lua_setfield(L, -2, "skip");
    lua_pushcfunction(L, l_retry_later);
    lua_setfield(L, -2, "retry_later");
}
