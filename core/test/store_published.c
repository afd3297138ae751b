/* SPDX-License-Identifier: MIT */
/* What is published over the API, in the store, from Lua. */
#include "store_lua.h"

#define TYPES_MAX 8

/* Of an ingest: published = { application, uid, channels, tags, payload_until_ms }, answer_key = 32
 * bytes. */
void field_published(lua_State *L, struct lua_op *it)
{
    it->u.ingest.answer_key = (const unsigned char *)arena_field(L, &it->arena, 2, "answer_key");
    if (lua_getfield(L, 2, "published") == LUA_TTABLE) {
        const int index = lua_gettop(L);
        it->published = (struct published){
            .application = (uint64_t)field_integer(L, index, "application", 1),
            .uid = arena_field(L, &it->arena, index, "uid"),
            .channels = arena_field(L, &it->arena, index, "channels"),
            .tags = arena_field(L, &it->arena, index, "tags"),
            .payload_until_ms = field_integer(L, index, "payload_until_ms", INT64_MAX),
        };
        it->u.ingest.published = &it->published;
    }
    lua_pop(L, 1);
}

void set_published(lua_State *L, const struct store_list_published *list)
{
    lua_newtable(L);
    for (size_t i = 0; i < list->row_count; i++) {
        const struct published_row *row = &list->rows[i];
        lua_newtable(L);
        set_integer(L, "id", (lua_Integer)row->id);
        set_integer(L, "application", (lua_Integer)row->what.application);
        set_text(L, "uid", row->what.uid);
        set_text(L, "channels", row->what.channels);
        set_text(L, "tags", row->what.tags);
        set_text(L, "type", row->type);
        set_text(L, "payload", row->payload);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_setfield(L, -2, "published");
    set_integer(L, "last", (lua_Integer)list->last);
    set_bool(L, "is_end", list->is_end);
}

/* types = "a,b" */
static void field_types(lua_State *L, struct lua_read *it)
{
    struct store_list_published *list = &it->u.list_published;
    const char *text = arena_field(L, &it->arena, 2, "types");
    struct slice *types = arena_take(&it->arena, TYPES_MAX * sizeof *types);
    list->types = types;
    while (text && *text && list->type_count < TYPES_MAX) {
        const size_t len = strcspn(text, ",");
        types[list->type_count++] = slice_of(text, len);
        text += len + (text[len] == ',');
    }
}

/* list_published{ application, only, only_uid, limit, before, after, is_backward, channel, types,
 * with_payload } */
int l_list_published(lua_State *L)
{
    struct lua_read *it = read_create(L, STORE_LIST_PUBLISHED);
    struct store_list_published *list = &it->u.list_published;
    list->application = (uint64_t)field_integer(L, 2, "application", 1);
    list->only = (uint64_t)field_integer(L, 2, "only", 0);
    list->only_uid = arena_field(L, &it->arena, 2, "only_uid");
    list->query.limit = (size_t)field_integer(L, 2, "limit", 100);
    list->query.before = (uint64_t)field_integer(L, 2, "before", 0);
    list->query.after = (uint64_t)field_integer(L, 2, "after", 0);
    list->query.is_backward = field_boolean(L, 2, "is_backward");
    list->channel = arena_field(L, &it->arena, 2, "channel");
    list->with_payload = field_boolean(L, 2, "with_payload");
    field_types(L, it);
    return read_start(L, it);
}
