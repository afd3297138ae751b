/* SPDX-License-Identifier: MIT */
/* Routines of the store, from Lua. */
#include "store_lua.h"

static const char *const kind_names[] = {"cron", "every", "poll", "sse", NULL};

/* routine{ kind, name, version, rule, due_ms, tick_ms, error, items, event = { … }?, messages,
 * emits, writes, reads } */
int l_routine(lua_State *L)
{
    struct lua_op *it = op_create(L, STORE_ROUTINE);
    struct store_routine *routine = &it->u.routine;
    routine->kind = (enum routine_kind)field_option(L, 2, "kind", kind_names);
    routine->name = arena_field(L, &it->arena, 2, "name");
    it->row = (struct routine_row){
        .version = (uint64_t)field_integer(L, 2, "version", 0),
        .rule = arena_field(L, &it->arena, 2, "rule"),
        .due_ms = field_integer(L, 2, "due_ms", 0),
        .tick_ms = field_integer(L, 2, "tick_ms", 0),
        .error = arena_field(L, &it->arena, 2, "error"),
        .place = arena_field(L, &it->arena, 2, "place"),
        .items = (uint64_t)field_integer(L, 2, "items", 0),
    };
    routine->row = &it->row;
    routine->outbox = &it->outbox;
    lua_getfield(L, 2, "event");
    if (lua_istable(L, -1)) {
        it->event = field_event(L, it->store, lua_gettop(L));
        routine->event = it->event;
    }
    lua_pop(L, 1);
    field_outbox(L, it, it->event ? it->event->id : 0);
    return op_submit(L, it);
}

/* { { kind, name, version, rule, due_ms, tick_ms, error, items }, … } */
void set_routines(lua_State *L, const struct store_list_routines *list)
{
    lua_newtable(L);
    for (size_t i = 0; i < list->row_count; i++) {
        const struct stored_routine *stored = &list->rows[i];
        lua_newtable(L);
        set_text(L, "kind", routine_kind_name(stored->kind));
        set_text(L, "name", stored->name);
        set_integer(L, "version", (lua_Integer)stored->row.version);
        set_text(L, "rule", stored->row.rule);
        set_integer(L, "due_ms", stored->row.due_ms);
        set_integer(L, "tick_ms", stored->row.tick_ms);
        set_text(L, "error", stored->row.error);
        set_text(L, "place", stored->row.place);
        set_integer(L, "items", (lua_Integer)stored->row.items);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_setfield(L, -2, "routines");
}

/* list_routines{} */
int l_list_routines(lua_State *L)
{
    return read_start(L, read_create(L, STORE_LIST_ROUTINES));
}
