/* SPDX-License-Identifier: MIT */
/* anzol_test.base.is_json, json_look, json_items: JSON as it lies in memory. Test thread only. */
#include "base_int.h"

#include "base/json.h"

#include <lauxlib.h>

static struct slice check_slice(lua_State *L, int index)
{
    struct slice slice;
    slice.data = luaL_checklstring(L, index, &slice.len);
    return slice;
}

int l_is_json(lua_State *L)
{
    lua_pushboolean(L, json_is_valid(check_slice(L, 1)));
    return 1;
}

/* json_look(object, name) -> the member's value, compact, and what it says if it is a string */
int l_json_look(lua_State *L)
{
    struct slice value;
    struct buf text;
    const struct slice object = check_slice(L, 1);
    if (!json_find(object, luaL_checkstring(L, 2), &value))
        return 0;
    buf_init(&text, object.len);
    const bool is_kept = json_add_compact(value, &text) == OK;
    lua_pushlstring(L, is_kept ? text.data : "", text.len);
    buf_clear(&text);
    if (json_kind_of(value) == JSON_STRING && json_add_text(value, &text) == OK)
        lua_pushlstring(L, buf_slice(&text).data, text.len);
    else
        lua_pushnil(L);
    buf_finish(&text);
    return 2;
}

/* json_items(array) -> { compact, … } */
int l_json_items(lua_State *L)
{
    const struct slice array = check_slice(L, 1);
    struct slice value;
    lua_newtable(L);
    for (size_t offset = 0; json_next_item(array, &offset, &value);) {
        lua_pushlstring(L, value.data, value.len);
        lua_seti(L, -2, luaL_len(L, -2) + 1);
    }
    return 1;
}
