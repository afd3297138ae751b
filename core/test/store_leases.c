/* SPDX-License-Identifier: MIT */
/* Leases from Lua: the operation, and what a claim says of them. */
#include "store_lua.h"

/* lease{ verb, endpoint, now_ms, due_ms, { delivery, number }, … } */
int l_lease(lua_State *L)
{
    struct lua_op *it = op_create(L, STORE_LEASE);
    struct store_lease *lease = &it->u.lease;
    lease->verb = (enum lease_verb)field_option(L, 2, "verb", lease_verb_names);
    lease->endpoint = (uint64_t)field_integer(L, 2, "endpoint", 0);
    lease->now_ms = field_integer(L, 2, "now_ms", 0);
    lease->due_ms = field_integer(L, 2, "due_ms", 0);
    lease->row_count = (size_t)luaL_len(L, 2);
    lease->rows = arena_take(&it->arena, (lease->row_count + 1) * sizeof *lease->rows);
    for (size_t i = 0; i < lease->row_count; i++) {
        lua_geti(L, 2, (lua_Integer)i + 1);
        const int index = lua_gettop(L);
        lease->rows[i] = (struct store_lease_row){
            .delivery = (uint64_t)field_integer(L, index, "delivery", 0),
            .number = (uint32_t)field_integer(L, index, "number", 1),
        };
        lua_pop(L, 1);
    }
    return op_submit(L, it);
}

void field_leased(lua_State *L, struct arena *arena, struct store_claim_deliveries *claim)
{
    claim->is_ended = field_boolean(L, 2, "is_ended");
    lua_getfield(L, 2, "ids");
    if (lua_istable(L, -1)) {
        claim->id_count = (size_t)luaL_len(L, -1);
        uint64_t *ids = arena_take(arena, (claim->id_count + 1) * sizeof *ids);
        for (size_t i = 0; i < claim->id_count; i++) {
            lua_geti(L, -1, (lua_Integer)i + 1);
            ids[i] = (uint64_t)lua_tointeger(L, -1);
            lua_pop(L, 1);
        }
        claim->ids = ids;
    }
    lua_pop(L, 1);
}
