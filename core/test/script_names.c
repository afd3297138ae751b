/* SPDX-License-Identifier: MIT */
/* Which names the objects have that scripts get: a sandbox hides them, the registry does not. */
#include "script_project_int.h"

#include "script/script_int.h"

/* The names of the table on top of from, pushed to L as a list. */
static void push_keys(lua_State *L, lua_State *from)
{
    lua_newtable(L);
    lua_Integer count = 0;
    for (lua_pushnil(from); lua_next(from, -2); lua_pop(from, 1))
        if (lua_type(from, -2) == LUA_TSTRING) {
            lua_pushstring(L, lua_tostring(from, -2));
            lua_rawseti(L, -2, ++count);
        }
}

/* Pushes the table by which the metatable on top is indexed; false: it has none. */
static bool push_index(lua_State *from)
{
    lua_pushliteral(from, "__index");
    if (lua_rawget(from, -2) == LUA_TTABLE)
        return true;
    if (lua_iscfunction(from, -1) && lua_getupvalue(from, -1, 1)) {
        lua_remove(from, -2);
        return lua_type(from, -1) == LUA_TTABLE;
    }
    return false;
}

/* objects() -> { [kind] = { name, … } } */
int l_project_objects(lua_State *L)
{
    lua_State *from = project_check(L)->script->L;
    const int top = lua_gettop(from);
    lua_newtable(L);
    for (lua_pushnil(from); lua_next(from, LUA_REGISTRYINDEX); lua_settop(from, top + 1)) {
        if (lua_type(from, -2) != LUA_TLIGHTUSERDATA || lua_type(from, -1) != LUA_TTABLE)
            continue;
        lua_pushliteral(from, "__name");
        if (lua_rawget(from, -2) != LUA_TSTRING)
            continue;
        const char *kind = lua_tostring(from, -1);
        lua_pushvalue(from, -2);
        if (push_index(from))
            push_keys(L, from);
        else
            lua_newtable(L);
        lua_setfield(L, -2, kind);
    }
    lua_settop(from, top);
    return 1;
}
