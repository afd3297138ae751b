/* SPDX-License-Identifier: MIT */
/* Reads of kv in the store, from Lua. */
#include "store_lua.h"

static void set_listed_kv(lua_State *L, const struct store_list_kv *list)
{
    lua_newtable(L);
    for (size_t i = 0; i < list->row_count; i++) {
        lua_newtable(L);
        set_text(L, "key", list->rows[i].key);
        set_text(L, "value", list->rows[i].value);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_setfield(L, -2, "rows");
    set_integer(L, "version", (lua_Integer)list->version);
    set_bool(L, "is_cut", list->is_cut);
}

static void set_kv(lua_State *L, const struct store_get_kv *get)
{
    set_text(L, "value", get->value);
    set_integer(L, "version", (lua_Integer)get->version);
}

void set_kv_read(lua_State *L, const struct lua_read *it)
{
    if (it->u.read.kind == STORE_GET_KV)
        set_kv(L, &it->u.get_kv);
    else
        set_listed_kv(L, &it->u.list_kv);
}

int l_get_kv(lua_State *L)
{
    struct lua_read *it = read_create(L, STORE_GET_KV);
    it->u.get_kv.ns = arena_field(L, &it->arena, 2, "ns");
    it->u.get_kv.key = arena_field(L, &it->arena, 2, "key");
    it->u.get_kv.now_ms = field_integer(L, 2, "now_ms", 0);
    return read_start(L, it);
}

int l_list_kv(lua_State *L)
{
    struct lua_read *it = read_create(L, STORE_LIST_KV);
    struct store_list_kv *list = &it->u.list_kv;
    list->ns = arena_field(L, &it->arena, 2, "ns");
    list->prefix = arena_field(L, &it->arena, 2, "prefix");
    list->after = arena_field(L, &it->arena, 2, "after");
    list->limit = (size_t)field_integer(L, 2, "limit", 100);
    list->bytes_max = (size_t)field_integer(L, 2, "bytes_max", 1 << 20);
    list->now_ms = field_integer(L, 2, "now_ms", 0);
    return read_start(L, it);
}
