/* SPDX-License-Identifier: MIT */
/* Error: what a call returns beside nil when the world failed. code, message, retryable; tostring
 * gives "code: message", so it works with assert. */
#include "script/bind_int.h"

static int l_tostring(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_getfield(L, 1, "code");
    lua_getfield(L, 1, "message");
    lua_pushfstring(L, "%s: %s", luaL_tolstring(L, 2, NULL), luaL_tolstring(L, 3, NULL));
    return 1;
}

static const luaL_Reg meta[] = {{"__tostring", l_tostring}, {NULL, NULL}};

const struct object_kind error_kind = {"Error", meta, NULL};

int error_push(lua_State *L, const char *code, const char *message, bool is_retryable)
{
    lua_pushnil(L);
    lua_createtable(L, 0, 3);
    lua_pushstring(L, code);
    lua_setfield(L, -2, "code");
    lua_pushstring(L, message);
    lua_setfield(L, -2, "message");
    lua_pushboolean(L, is_retryable);
    lua_setfield(L, -2, "retryable");
    lua_rawgetp(L, LUA_REGISTRYINDEX, &error_kind);
    lua_setmetatable(L, -2);
    return 2;
}
