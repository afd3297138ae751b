/* SPDX-License-Identifier: MIT */
/* anzol.core: the part of the module that is C. lua/anzol/init.lua adds the rest. */
#include "script/bind_int.h"

int l_open_anzol(lua_State *L)
{
    const struct script *script = script_of(L);
    lua_newtable(L);
    open_backoff(L);
    open_breaker(L);
    open_cache(L);
    open_change(L);
    open_task(L);
    open_crypto(L);
    open_encoding(L);
    open_endpoint(L);
    open_event(L);
    open_fault(L);
    open_http(L);
    open_all(L);
    open_init(L);
    open_json(L);
    open_kv(L);
    open_limiter(L);
    open_list(L);
    open_log(L);
    open_metric_module(L);
    open_nearest(L);
    open_read(L);
    open_re(L);
    open_request(L);
    open_routine(L);
    open_secret(L);
    open_signature(L);
    open_sleep(L);
    open_source(L);
    open_step(L);
    open_subscription(L);
    open_tick(L);
    open_time(L);
    open_transform(L);
    open_verdict(L);
    lua_pushliteral(L, ANZOL_VERSION);
    lua_setfield(L, -2, "version");
    lua_pushinteger(L, script->generation ? (lua_Integer)script->generation->number : 0);
    lua_setfield(L, -2, "generation");
    /* Those of which Lua makes more give them a metatable of their own (init.lua). */
    names_watch(L, -1, "anzol");
    for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1))
        if (lua_type(L, -1) == LUA_TTABLE && lua_type(L, -2) == LUA_TSTRING) {
            const char *owner = lua_pushfstring(L, "anzol.%s", lua_tostring(L, -2));
            names_watch(L, -2, owner);
            lua_pop(L, 1);
        }
    return 1;
}
