/* SPDX-License-Identifier: MIT */
/* Erasing, from Lua. */
#include "store_lua.h"

/* erase{ id | source, key | application, uid, now_ms } */
int l_erase(lua_State *L)
{
    struct lua_op *it = op_create(L, STORE_ERASE);
    const char *key = arena_field(L, &it->arena, 2, "key");
    it->u.erase.id = (uint64_t)field_integer(L, 2, "id", 0);
    it->u.erase.source = arena_field(L, &it->arena, 2, "source");
    it->u.erase.key = slice_str(key ? key : "");
    it->u.erase.application = (uint64_t)field_integer(L, 2, "application", 0);
    it->u.erase.uid = arena_field(L, &it->arena, 2, "uid");
    it->u.erase.now_ms = field_integer(L, 2, "now_ms", 1);
    return op_submit(L, it);
}

/* scrub{}: one step; is_end */
int l_scrub(lua_State *L)
{
    return op_submit(L, op_create(L, STORE_SCRUB));
}

static void set_ids(lua_State *L, const char *name, const uint64_t *ids, size_t count)
{
    lua_newtable(L);
    for (size_t i = 0; i < count; i++) {
        lua_pushinteger(L, (lua_Integer)ids[i]);
        lua_seti(L, -2, (lua_Integer)i + 1);
    }
    lua_setfield(L, -2, name);
}

void set_erase(lua_State *L, struct store_erase *op)
{
    set_integer(L, "event", (lua_Integer)op->event);
    set_bool(L, "was_erased", op->was_erased);
    set_ids(L, "children", op->children, op->child_count);
    set_ids(L, "released", op->released, op->released_count);
    lua_newtable(L);
    for (size_t i = 0; i < op->delivery_count; i++) {
        lua_pushinteger(L, (lua_Integer)op->deliveries[i].id);
        lua_seti(L, -2, (lua_Integer)i + 1);
    }
    lua_setfield(L, -2, "open");
    store_erase_finish(op);
}
