/* SPDX-License-Identifier: MIT */
/* anzol.json: decode, encode, null, array, object, is_null. */
#include "script/bind_int.h"

#define INDENT_MAX 8

static int l_decode(lua_State *L)
{
    struct slice text;
    text.data = luaL_checklstring(L, 1, &text.len);
    lua_settop(L, 1);
    if (json_push(L, text, NULL))
        return 1;
    lua_pushfstring(L, "no JSON: %s", lua_tostring(L, -1));
    return error_push(L, "json", lua_tostring(L, -1), false);
}

static int l_encode(lua_State *L)
{
    static const char *const names[] = {"indent", "sort", NULL};
    struct json_style style = {0};
    luaL_checkany(L, 1);
    lua_settop(L, 2);
    if (!lua_isnil(L, 2)) {
        const struct options options = {.index = 2, .what = "anzol.json.encode"};
        options_check_names(L, &options, names, NULL);
        style.is_sorted = option_check_bool(L, &options, "sort", false);
        if (lua_getfield(L, 2, "indent") == LUA_TBOOLEAN)
            style.indent = lua_toboolean(L, -1) ? 2 : 0;
        else
            style.indent =
                (int)option_check_integer(L, &options, "indent", (struct range){0, INDENT_MAX}, 0);
    }
    struct buf *body = &script_of(L)->body;
    buf_clear(body);
    json_check_encode(L, 1, &style);
    lua_pushlstring(L, body->data, body->len);
    return 1;
}

static int mark(lua_State *L, enum script_ref ref)
{
    if (lua_isnoneornil(L, 1)) {
        lua_settop(L, 0);
        lua_newtable(L);
    }
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    script_push_ref(L, script_of(L), ref);
    if (lua_getmetatable(L, 1)) {
        script_push_ref(L, script_of(L), REF_ARRAY);
        script_push_ref(L, script_of(L), REF_OBJECT);
        if (!lua_rawequal(L, 3, 4) && !lua_rawequal(L, 3, 5))
            return luaL_error(L, "the table has a metatable of its own");
        lua_settop(L, 2);
    }
    lua_setmetatable(L, 1);
    return 1;
}

static int l_array(lua_State *L)
{
    return mark(L, REF_ARRAY);
}

static int l_object(lua_State *L)
{
    return mark(L, REF_OBJECT);
}

static int l_is_null(lua_State *L)
{
    luaL_checkany(L, 1);
    script_push_ref(L, script_of(L), REF_NULL);
    lua_pushboolean(L, lua_rawequal(L, 1, -1));
    return 1;
}

static int l_null_tostring(lua_State *L)
{
    lua_pushliteral(L, "null");
    return 1;
}

/* Lua then says by itself: attempt to index a JSON null value (field 'customer'). */
static void push_null(lua_State *L)
{
    (void)lua_newuserdatauv(L, 0, 0);
    lua_newtable(L);
    lua_pushliteral(L, "JSON null");
    lua_setfield(L, -2, "__name");
    lua_pushcfunction(L, l_null_tostring);
    lua_setfield(L, -2, "__tostring");
    lua_pushboolean(L, false);
    lua_setfield(L, -2, "__metatable");
    lua_setmetatable(L, -2);
}

static void name_metatable(lua_State *L, enum script_ref ref, const char *name)
{
    script_push_ref(L, script_of(L), ref);
    lua_pushstring(L, name);
    lua_setfield(L, -2, "__name");
    lua_pop(L, 1);
}

static const luaL_Reg functions[] = {
    {"array", l_array},     {"decode", l_decode}, {"encode", l_encode},
    {"is_null", l_is_null}, {"object", l_object}, {NULL, NULL},
};

void open_json(lua_State *L)
{
    name_metatable(L, REF_ARRAY, "JSON array");
    name_metatable(L, REF_OBJECT, "JSON object");
    luaL_newlib(L, functions);
    /* A state of the command line has the module twice; there is one null. */
    if (lua_rawgeti(L, LUA_REGISTRYINDEX, script_of(L)->refs[REF_NULL]) != LUA_TUSERDATA) {
        lua_pop(L, 1);
        push_null(L);
        lua_pushvalue(L, -1);
        lua_rawseti(L, LUA_REGISTRYINDEX, script_of(L)->refs[REF_NULL]);
    }
    lua_setfield(L, -2, "null");
    lua_setfield(L, -2, "json");
}
