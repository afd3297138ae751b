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

static void set_published(lua_State *L, const struct store_list_published *list)
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
static void field_types(lua_State *L, struct lua_read *it, struct published_filter *filter)
{
    const char *text = arena_field(L, &it->arena, 2, "types");
    struct slice *types = arena_take(&it->arena, TYPES_MAX * sizeof *types);
    filter->types = types;
    while (text && *text && filter->type_count < TYPES_MAX) {
        const size_t len = strcspn(text, ",");
        types[filter->type_count++] = slice_of(text, len);
        text += len + (text[len] == ',');
    }
}

static void field_filter(lua_State *L, struct lua_read *it, struct published_filter *filter)
{
    filter->application = (uint64_t)field_integer(L, 2, "application", 1);
    filter->channel = arena_field(L, &it->arena, 2, "channel");
    filter->tag = arena_field(L, &it->arena, 2, "tag");
    filter->with_payload = field_boolean(L, 2, "with_payload");
    field_types(L, it, filter);
}

static struct store_list_query field_page(lua_State *L)
{
    return (struct store_list_query){
        .limit = (size_t)field_integer(L, 2, "limit", 100),
        .before = (uint64_t)field_integer(L, 2, "before", 0),
        .after = (uint64_t)field_integer(L, 2, "after", 0),
        .is_backward = field_boolean(L, 2, "is_backward"),
        .state = (int)field_integer(L, 2, "state", -1),
    };
}

/* list_published{ application, only, only_uid, limit, before, after, is_backward, channel, types,
 * with_payload } */
int l_list_published(lua_State *L)
{
    struct lua_read *it = read_create(L, STORE_LIST_PUBLISHED);
    struct store_list_published *list = &it->u.list_published;
    list->only = (uint64_t)field_integer(L, 2, "only", 0);
    list->only_uid = arena_field(L, &it->arena, 2, "only_uid");
    list->query = field_page(L);
    field_filter(L, it, &list->filter);
    return read_start(L, it);
}

/* list_destinations{ application, event, endpoint, limit, before, after, is_backward } */
int l_list_destinations(lua_State *L)
{
    struct lua_read *it = read_create(L, STORE_LIST_DESTINATIONS);
    struct store_list_destinations *list = &it->u.list_destinations;
    list->application = (uint64_t)field_integer(L, 2, "application", 1);
    list->event = (uint64_t)field_integer(L, 2, "event", 0);
    list->query = field_page(L);
    return read_start(L, it);
}

/* list_sent{ endpoint } and what list_published takes; state */
int l_list_sent(lua_State *L)
{
    struct lua_read *it = read_create(L, STORE_LIST_SENT);
    struct store_list_sent *list = &it->u.list_sent;
    list->endpoint = (uint64_t)field_integer(L, 2, "endpoint", 0);
    list->query = field_page(L);
    field_filter(L, it, &list->filter);
    return read_start(L, it);
}

/* count_sent{ endpoint, before, after, look_max, next } */
int l_count_sent(lua_State *L)
{
    struct lua_read *it = read_create(L, STORE_COUNT_SENT);
    it->u.count_sent.endpoint = (uint64_t)field_integer(L, 2, "endpoint", 0);
    it->u.count_sent.before = (uint64_t)field_integer(L, 2, "before", 0);
    it->u.count_sent.after = (uint64_t)field_integer(L, 2, "after", 0);
    it->u.count_sent.look_max = (size_t)field_integer(L, 2, "look_max", 1000);
    it->u.count_sent.next = (uint64_t)field_integer(L, 2, "next", 0);
    return read_start(L, it);
}

/* list_tried{ endpoint, event, only, class_from, class_to, from_ms, before_ms } and what
 * list_published takes; state */
int l_list_tried(lua_State *L)
{
    struct lua_read *it = read_create(L, STORE_LIST_TRIED);
    struct store_list_tried *list = &it->u.list_tried;
    list->from_ms = field_integer(L, 2, "from_ms", 0);
    list->before_ms = field_integer(L, 2, "before_ms", 0);
    list->endpoint = (uint64_t)field_integer(L, 2, "endpoint", 0);
    list->event = (uint64_t)field_integer(L, 2, "event", 0);
    list->only = (uint64_t)field_integer(L, 2, "only", 0);
    list->class_from = (int)field_integer(L, 2, "class_from", 0);
    list->class_to = (int)field_integer(L, 2, "class_to", 0);
    list->query = field_page(L);
    field_filter(L, it, &list->filter);
    return read_start(L, it);
}

/* ---- What they found --------------------------------------------------------------------------
 */

static void begin_row(lua_State *L, uint64_t id)
{
    lua_newtable(L);
    set_integer(L, "id", (lua_Integer)id);
}

static void set_destinations(lua_State *L, const struct store_list_destinations *list)
{
    lua_newtable(L);
    for (size_t i = 0; i < list->row_count; i++) {
        const struct destination_row *row = &list->rows[i];
        begin_row(L, row->endpoint);
        set_text(L, "body", row->resource.body);
        set_text(L, "url", row->url);
        set_integer(L, "state", (lua_Integer)row->state);
        set_integer(L, "next_ms", row->next_ms);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_setfield(L, -2, "rows");
    set_bool(L, "is_end", list->is_end);
}

static void set_sent(lua_State *L, const struct store_list_sent *list)
{
    lua_newtable(L);
    for (size_t i = 0; i < list->row_count; i++) {
        begin_row(L, list->rows[i].published.id);
        set_text(L, "payload", list->rows[i].published.payload);
        set_integer(L, "state", (lua_Integer)list->rows[i].state);
        set_integer(L, "next_ms", list->rows[i].next_ms);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_setfield(L, -2, "rows");
    set_bool(L, "is_end", list->is_end);
}

static void set_tried(lua_State *L, const struct store_list_tried *list)
{
    lua_newtable(L);
    for (size_t i = 0; i < list->row_count; i++) {
        const struct tried_row *row = &list->rows[i];
        begin_row(L, row->id);
        set_integer(L, "event", (lua_Integer)row->event);
        set_integer(L, "endpoint", (lua_Integer)row->endpoint);
        set_integer(L, "answer", row->status);
        set_text(L, "body", row->body);
        set_bool(L, "is_manual", row->is_manual);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_setfield(L, -2, "rows");
    set_bool(L, "is_end", list->is_end);
}

static void set_count(lua_State *L, const struct store_count_sent *count)
{
    lua_newtable(L);
    for (lua_Integer i = 0; i < SENT_STATE_COUNT; i++) {
        lua_pushinteger(L, (lua_Integer)count->counts[i]);
        lua_rawseti(L, -2, i);
    }
    lua_setfield(L, -2, "counts");
    set_integer(L, "cancelled", (lua_Integer)count->cancelled);
    set_integer(L, "next", (lua_Integer)count->next);
    set_bool(L, "is_end", count->is_end);
}

void set_published_read(lua_State *L, const struct lua_read *it)
{
    if (it->u.read.kind == STORE_LIST_PUBLISHED)
        set_published(L, &it->u.list_published);
    else if (it->u.read.kind == STORE_LIST_DESTINATIONS)
        set_destinations(L, &it->u.list_destinations);
    else if (it->u.read.kind == STORE_LIST_SENT)
        set_sent(L, &it->u.list_sent);
    else if (it->u.read.kind == STORE_COUNT_SENT)
        set_count(L, &it->u.count_sent);
    else
        set_tried(L, &it->u.list_tried);
}
