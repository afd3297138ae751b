/* SPDX-License-Identifier: MIT */
/* Userdata with an identity: the address of the kind is the key of its metatable, so nothing that
 * a script does can pass one thing for another. */
#include "script/bind_int.h"

void object_open(lua_State *L, const struct object_kind *kind)
{
    lua_newtable(L);
    if (kind->meta)
        luaL_setfuncs(L, kind->meta, 0);
    lua_pushstring(L, kind->name);
    lua_setfield(L, -2, "__name");
    lua_pushboolean(L, false);
    lua_setfield(L, -2, "__metatable");
    if (kind->methods) {
        lua_newtable(L);
        luaL_setfuncs(L, kind->methods, 0);
        names_watch(L, -1, kind->name);
        lua_setfield(L, -2, "__index");
    }
    lua_rawsetp(L, LUA_REGISTRYINDEX, kind);
}

void *object_push(lua_State *L, const struct object_kind *kind, size_t size, int uservalues)
{
    void *object = lua_newuserdatauv(L, size, uservalues);
    memset(object, 0, size);
    lua_rawgetp(L, LUA_REGISTRYINDEX, kind);
    lua_setmetatable(L, -2);
    return object;
}

void *object_test(lua_State *L, int index, const struct object_kind *kind)
{
    void *object = lua_touserdata(L, index);
    if (!object || !lua_getmetatable(L, index))
        return NULL;
    lua_rawgetp(L, LUA_REGISTRYINDEX, kind);
    const bool is_kind = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return is_kind ? object : NULL;
}

void *object_check(lua_State *L, int index, const struct object_kind *kind)
{
    void *object = object_test(L, index, kind);
    if (!object)
        (void)luaL_typeerror(L, index, kind->name);
    return object;
}
