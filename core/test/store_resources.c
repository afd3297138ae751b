/* SPDX-License-Identifier: MIT */
/* Resources of the store, from Lua. */
#include "store_lua.h"

#include <stdio.h>

static const char *const secret_names[] = {"key", "headers", "grant", "hub", NULL};
static const char *const kind_names[] = {"event_type", "application", "endpoint", NULL};

static void fill_resource(lua_State *L, const struct resource *resource)
{
    set_integer(L, "id", (lua_Integer)resource->id);
    set_text(L, "uid", resource->uid);
    set_bool(L, "is_archived", resource->is_archived);
    set_integer(L, "version", (lua_Integer)resource->version);
    set_text(L, "body", resource->body);
    set_integer(L, "created_ms", resource->created_ms);
    set_integer(L, "updated_ms", resource->updated_ms);
}

/* secrets = { { kind, text = nil: none, keep_ms } } */
static void field_secrets(lua_State *L, struct lua_op *it)
{
    struct store_resource *op = &it->u.resource;
    lua_getfield(L, 2, "secrets");
    op->secret_count = lua_istable(L, -1) ? (size_t)luaL_len(L, -1) : 0;
    struct secret_write *writes = arena_take(&it->arena, (op->secret_count + 1) * sizeof *writes);
    for (size_t i = 0; i < op->secret_count; i++) {
        lua_geti(L, -1, (lua_Integer)i + 1);
        const int index = lua_gettop(L);
        writes[i] = (struct secret_write){
            .kind = (enum secret_kind)(1 + field_option(L, index, "kind", secret_names)),
            .text = slice_of(NULL, 0),
            .keep_ms = field_integer(L, index, "keep_ms", 0),
        };
        const char *text = arena_field(L, &it->arena, index, "text");
        if (text)
            writes[i].text = slice_str(text);
        lua_pop(L, 1);
    }
    op->secrets = writes;
    lua_pop(L, 1);
}

/* endpoint = { url, is_disabled, types = { … } } */
static void field_endpoint(lua_State *L, struct lua_op *it)
{
    if (lua_getfield(L, 2, "endpoint") == LUA_TTABLE) {
        const int index = lua_gettop(L);
        struct store_registered *endpoint = &it->registered;
        lua_getfield(L, index, "types");
        const size_t count = lua_istable(L, -1) ? (size_t)luaL_len(L, -1) : 0;
        char **types = arena_take(&it->arena, (count + 1) * sizeof *types);
        for (size_t i = 0; i < count; i++) {
            lua_geti(L, -1, (lua_Integer)i + 1);
            const char *text = luaL_checkstring(L, -1);
            types[i] = arena_take(&it->arena, strlen(text) + 1);
            memcpy(types[i], text, strlen(text) + 1);
            lua_pop(L, 1);
        }
        *endpoint = (struct store_registered){
            .url = arena_field(L, &it->arena, index, "url"),
            .is_disabled = field_boolean(L, index, "is_disabled"),
            .types = (const char *const *)types,
            .type_count = count,
        };
        it->u.resource.endpoint = endpoint;
        lua_settop(L, index);
    }
    lua_pop(L, 1);
}

/* The store thread. The body: the version of the endpoint, 0 if it goes, then its owner and uid. */
static struct event *make_told(const struct resource *endpoint, bool is_removed, void *ctx)
{
    const struct lua_op *it = ctx;
    char body[128];
    const unsigned long long version = is_removed ? 0 : endpoint->version;
    const int len =
        snprintf(body, sizeof body, "%llu %llu %s", version, (unsigned long long)endpoint->owner,
                 endpoint->uid ? endpoint->uid : "-");
    struct content *content = content_create(slice_str(""), (size_t)len);
    check(content && content_append(&content, body, (size_t)len, (size_t)len) == OK);
    struct event *event = event_create(&(struct event_options){
        .source = slice_str("api"),
        .type = slice_str(is_removed ? "removed" : "put"),
        .key = slice_str(""),
        .content = content,
    });
    check(event != NULL);
    event->id = store_next_event_id(it->store->store, 0);
    return event;
}

/* resource{ kind, owner, id, uid, is_archived, version, body, is_removal, now_ms, key = 32 bytes,
 * secrets, endpoint, tells = an application } */
int l_resource(lua_State *L)
{
    struct lua_op *it = op_create(L, STORE_RESOURCE);
    it->resource = (struct resource){
        .kind = (enum resource_kind)field_option(L, 2, "kind", kind_names),
        .owner = (uint64_t)field_integer(L, 2, "owner", 0),
        .id = (uint64_t)field_integer(L, 2, "id", 0),
        .uid = arena_field(L, &it->arena, 2, "uid"),
        .is_archived = field_boolean(L, 2, "is_archived"),
        .body = arena_field(L, &it->arena, 2, "body"),
    };
    struct store_resource *op = &it->u.resource;
    op->resource = &it->resource;
    op->is_new = it->resource.id == 0;
    op->version = (uint64_t)field_integer(L, 2, "version", 0);
    op->is_removal = field_boolean(L, 2, "is_removal");
    op->now_ms = field_integer(L, 2, "now_ms", 0);
    op->answer_key = (const unsigned char *)arena_field(L, &it->arena, 2, "key");
    field_secrets(L, it);
    field_endpoint(L, it);
    it->telling = (struct store_telling){
        .make = make_told, .ctx = it, .application = (uint64_t)field_integer(L, 2, "tells", 0)};
    if (it->telling.application != 0)
        op->telling = &it->telling;
    return op_submit(L, it);
}

static void set_standing(lua_State *L, const struct endpoint_standing *standing)
{
    set_text(L, "state", endpoint_state_names[standing->state]);
    set_integer(L, "failing_since_ms", standing->failing_since_ms);
}

void set_resource(lua_State *L, const struct store_resource *op)
{
    if (op->endpoint) {
        set_standing(L, &op->endpoint->standing);
        set_integer(L, "missing_type", (lua_Integer)op->endpoint->missing_type);
    }
    set_integer(L, "told_count", op->telling ? (lua_Integer)op->telling->event_count : 0);
    set_bool(L, "is_taken", op->is_taken);
    set_bool(L, "is_repeat", op->is_repeat);
    set_bool(L, "is_crowded", op->is_crowded);
    fill_resource(L, op->is_repeat ? &op->first : op->resource);
}

static void set_secrets(lua_State *L, const struct resource *resource)
{
    lua_newtable(L);
    for (size_t i = 0; i < resource->secret_count; i++) {
        const struct secret *secret = &resource->secrets[i];
        lua_newtable(L);
        set_text(L, "kind", secret_names[secret->kind - 1]);
        set_integer(L, "version", secret->version);
        set_integer(L, "created_ms", secret->created_ms);
        set_integer(L, "expires_ms", secret->expires_ms);
        set_text(L, "text", secret->text);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_setfield(L, -2, "secrets");
}

void set_resources(lua_State *L, const struct store_list_resources *list)
{
    lua_newtable(L);
    for (size_t i = 0; i < list->row_count; i++) {
        lua_newtable(L);
        fill_resource(L, &list->rows[i]);
        if (list->secrets_ms != 0)
            set_secrets(L, &list->rows[i]);
        if (list->is_everyones) {
            set_integer(L, "owner", (lua_Integer)list->rows[i].owner);
            set_standing(L, &list->standings[i]);
        }
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_setfield(L, -2, "resources");
    set_bool(L, "is_end", list->is_end);
}

/* list_resources{ kind, owner, only, only_uid, is_by_uid, is_down, with_archived, limit, behind,
 * behind_uid, secrets_ms, is_everyones, answer_key, answered_ms } */
int l_list_resources(lua_State *L)
{
    struct lua_read *it = read_create(L, STORE_LIST_RESOURCES);
    struct store_list_resources *list = &it->u.list_resources;
    list->kind = (enum resource_kind)field_option(L, 2, "kind", kind_names);
    list->owner = (uint64_t)field_integer(L, 2, "owner", 0);
    list->only = (uint64_t)field_integer(L, 2, "only", 0);
    list->only_uid = arena_field(L, &it->arena, 2, "only_uid");
    list->answer_key = (const unsigned char *)arena_field(L, &it->arena, 2, "answer_key");
    list->answered_ms = field_integer(L, 2, "answered_ms", 0);
    list->is_by_uid = field_boolean(L, 2, "is_by_uid");
    list->is_down = field_boolean(L, 2, "is_down");
    list->with_archived = field_boolean(L, 2, "with_archived");
    list->is_everyones = field_boolean(L, 2, "is_everyones");
    list->secrets_ms = field_integer(L, 2, "secrets_ms", 0);
    list->limit = (size_t)field_integer(L, 2, "limit", 100);
    list->behind = (uint64_t)field_integer(L, 2, "behind", 0);
    list->behind_uid = arena_field(L, &it->arena, 2, "behind_uid");
    return read_start(L, it);
}

/* clear{ endpoint, count_max } */
int l_clear(lua_State *L)
{
    struct lua_op *it = op_create(L, STORE_CLEAR);
    it->u.clear.endpoint = (uint64_t)field_integer(L, 2, "endpoint", 0);
    it->u.clear.count_max = (size_t)field_integer(L, 2, "count_max", 100);
    return op_submit(L, it);
}

void set_endpoint(lua_State *L, const struct store_endpoint *endpoint)
{
    set_integer(L, "id", (lua_Integer)endpoint->id);
    set_text(L, "state", endpoint_state_names[endpoint->state]);
    set_bool(L, "is_made", endpoint->news.is_made);
    set_integer(L, "released_count", (lua_Integer)endpoint->released_count);
    set_integer(L, "failing_since_ms", endpoint->failing_since_ms);
}
