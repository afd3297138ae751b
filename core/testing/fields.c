/* SPDX-License-Identifier: MIT */
/* Fields of tables. */
#include "testing/testing_int.h"

void set_head(lua_State *L, const char *name, struct slice head)
{
    struct field field;
    lua_Integer count = 0;
    lua_newtable(L);
    for (size_t offset = 0; head_next(head, &offset, &field);) {
        if (field.name.len == 0 || field.name.data[0] == ':')
            continue;
        lua_createtable(L, 2, 0);
        lua_pushlstring(L, field.name.data, field.name.len);
        lua_rawseti(L, -2, 1);
        lua_pushlstring(L, field.value.data, field.value.len);
        lua_rawseti(L, -2, 2);
        lua_rawseti(L, -2, ++count);
    }
    lua_setfield(L, -2, name);
}

struct slice field_text(lua_State *L, int index, const char *name)
{
    struct slice text;
    lua_getfield(L, index, name);
    text.data = luaL_optlstring(L, -1, "", &text.len);
    lua_pop(L, 1); /* the table holds it */
    return text;
}

lua_Integer field_integer(lua_State *L, int index, const char *name, lua_Integer fallback)
{
    lua_getfield(L, index, name);
    const lua_Integer value = luaL_optinteger(L, -1, fallback);
    lua_pop(L, 1);
    return value;
}

bool field_head(lua_State *L, int index, struct buf *head)
{
    bool has_room = true;
    if (lua_getfield(L, index, "headers") == LUA_TTABLE) {
        const size_t count = lua_rawlen(L, -1);
        for (size_t i = 1; i <= count && has_room; i++) {
            struct field field;
            lua_rawgeti(L, -1, (lua_Integer)i);
            lua_rawgeti(L, -1, 1);
            lua_rawgeti(L, -2, 2);
            field.name.data = lua_tolstring(L, -2, &field.name.len);
            field.value.data = lua_tolstring(L, -1, &field.value.len);
            has_room = field.name.data && field.value.data &&
                       head_add(head, field.name, field.value) == OK;
            lua_pop(L, 3);
        }
    }
    lua_pop(L, 1);
    return has_room;
}
