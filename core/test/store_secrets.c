/* SPDX-License-Identifier: MIT */
/* Keys of secrets, from Lua. */
#include "store_lua.h"

static const char *text_field(lua_State *L, int index, const char *name)
{
    lua_getfield(L, index, name);
    const char *text = luaL_optstring(L, -1, "");
    lua_pop(L, 1); /* the table still holds it */
    return text;
}

/* reseal{ count_max, behind = { what, id, kind, version, ns, key } } */
int l_reseal(lua_State *L)
{
    struct lua_op *it = op_create(L, STORE_RESEAL);
    it->u.reseal.count_max = (size_t)field_integer(L, 2, "count_max", 100);
    lua_getfield(L, 2, "behind");
    if (lua_istable(L, -1)) {
        const int index = lua_gettop(L);
        struct sealed_place *behind = &it->u.reseal.behind;
        behind->what = (enum sealed_what)field_integer(L, index, "what", 0);
        behind->id = (uint64_t)field_integer(L, index, "id", 0);
        behind->kind = (enum secret_kind)field_integer(L, index, "kind", 0);
        behind->version = (uint32_t)field_integer(L, index, "version", 0);
        (void)snprintf(behind->ns, sizeof behind->ns, "%s", text_field(L, index, "ns"));
        (void)snprintf(behind->key, sizeof behind->key, "%s", text_field(L, index, "key"));
    }
    lua_pop(L, 1);
    return op_submit(L, it);
}

void set_reseal(lua_State *L, const struct store_reseal *op)
{
    lua_newtable(L);
    set_integer(L, "what", op->last.what);
    set_integer(L, "id", (lua_Integer)op->last.id);
    set_integer(L, "kind", op->last.kind);
    set_integer(L, "version", op->last.version);
    set_text(L, "ns", op->last.ns);
    set_text(L, "key", op->last.key);
    lua_setfield(L, -2, "last");
    set_integer(L, "looked_at", (lua_Integer)op->looked_at_count);
    set_integer(L, "sealed", (lua_Integer)op->sealed_count);
    set_integer(L, "failed", (lua_Integer)op->failed_count);
    set_bool(L, "is_end", op->is_end);
}

/* count_secrets{} -> counts = { [key id] = number } */
int l_count_secrets(lua_State *L)
{
    return read_start(L, read_create(L, STORE_COUNT_SECRETS));
}

void set_secret_counts(lua_State *L, const struct store_count_secrets *list)
{
    lua_newtable(L);
    for (size_t i = 0; i < list->row_count; i++)
        set_integer(L, list->rows[i].key, (lua_Integer)list->rows[i].count);
    lua_setfield(L, -2, "counts");
}

/* store:add_keys(text): the first of them seals from now on */
int l_add_keys(lua_State *L)
{
    size_t len;
    struct err err = {0};
    const char *text = luaL_checklstring(L, 2, &len);
    if (seal_ring_add(check_store(L)->ring, slice_of(text, len), &err) != OK)
        return luaL_error(L, "%s", err.text);
    return 0;
}
