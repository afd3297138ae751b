/* SPDX-License-Identifier: MIT */
/* Events in the hands of the outer state. */
#include "testing/testing_int.h"

#include "base/limits.h"
#include "model/meta.h"
#include "model/published.h"

#define EVENT "anzol.testing.event"

struct held_event {
    struct event *event; /* owned reference */
};

void event_handle_push(lua_State *L, struct event *event)
{
    struct held_event *held = lua_newuserdatauv(L, sizeof *held, 0);
    held->event = event;
    luaL_setmetatable(L, EVENT);
}

struct event *event_handle_check(lua_State *L, int index)
{
    return ((struct held_event *)luaL_checkudata(L, index, EVENT))->event;
}

/* fields() -> { id, type, source, key, body, headers, received_at_ms, depth, due_ms,
 * parent_id? } */
static int l_fields(lua_State *L)
{
    const struct event *event = event_handle_check(L, 1);
    lua_createtable(L, 0, 11);
    set_id(L, "id", ID_EVENT, event->id);
    set_slice(L, "type", event->type);
    set_slice(L, "source", event->source);
    set_slice(L, "key", event->key);
    set_slice(L, "body", content_body(event->content));
    set_head(L, "headers", content_head(event->content));
    set_integer(L, "received_at_ms", event->received_ms);
    set_integer(L, "depth", event->depth);
    set_integer(L, "due_ms", event->due_ms);
    if (event->parent != 0)
        set_id(L, "parent_id", ID_EVENT, event->parent);
    return 1;
}

static int l_gc(lua_State *L)
{
    struct held_event *held = luaL_checkudata(L, 1, EVENT);
    event_unref(held->event);
    held->event = NULL;
    return 0;
}

static const luaL_Reg methods[] = {{"fields", l_fields}, {NULL, NULL}};

void event_handle_open(lua_State *L)
{
    luaL_newmetatable(L, EVENT);
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, l_gc);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
}

int project_push_meta(lua_State *L, struct project *project, struct event *event, uint32_t depth)
{
    if (!event)
        return 0;
    event->id = id_next_event(&project->ids, 0);
    event->depth = depth;
    event_handle_push(L, event);
    return 1;
}

/* unverified(source, reason, remote_ip, count) -> the event that scripts are told with | nil */
int l_project_unverified(lua_State *L)
{
    struct project *project = project_check(L);
    struct event *event =
        meta_create_unverified(script_registry(project->script),
                               &(struct meta_unverified){.source = luaL_checkstring(L, 2),
                                                         .reason = luaL_checkstring(L, 3),
                                                         .remote_ip = luaL_checkstring(L, 4),
                                                         .count = luaL_checkinteger(L, 5)});
    return project_push_meta(L, project, event, 0);
}

/* publish(type, payload, channels, number of an application, its uid) -> event, as the API makes
 * it; channels: a JSON array or nil; uid: nil if it has none */
int l_project_publish(lua_State *L)
{
    struct project *project = project_check(L);
    const char *type = lua_pushfstring(L, PUBLISHED_TYPE_PREFIX "%s", luaL_checkstring(L, 2));
    struct slice payload;
    payload.data = luaL_checklstring(L, 3, &payload.len);
    const struct slice channels = slice_str(luaL_optstring(L, 4, ""));
    char application[ID_TEXT_BYTES];
    struct buf head;
    buf_init(&head, LIMIT_HEADERS_BYTES);
    id_format(ID_APPLICATION, (uint64_t)luaL_checkinteger(L, 5), application);
    directory_name_application(project->directory, (uint64_t)luaL_checkinteger(L, 5),
                               luaL_optstring(L, 6, NULL));
    check(head_add(&head, slice_str(PUBLISHED_APPLICATION), slice_str(application)) == OK &&
          head_add(&head, slice_str("content-type"), slice_str("application/json")) == OK);
    if (channels.len > 0)
        check(head_add(&head, slice_str(PUBLISHED_CHANNELS), channels) == OK);
    struct content *content = content_create(buf_slice(&head), payload.len);
    buf_finish(&head);
    check(content && content_append(&content, payload.data, payload.len, payload.len) == OK);
    struct event *event = event_create(&(struct event_options){
        .source = slice_str(PUBLISHED_SOURCE),
        .type = slice_str(type),
        .key = slice_str(""),
        .content = content,
        .received_ms = project->now_ms,
    });
    check(event != NULL);
    return project_push_meta(L, project, event, 0);
}

/* retype(event) -> the event that its source makes of the same request now | nil, why */
int l_project_retype(lua_State *L)
{
    struct project *project = project_check(L);
    struct err err = {0};
    struct event *event = script_retype(project->script, event_handle_check(L, 2), &err);
    if (!event) {
        lua_pushnil(L);
        lua_pushstring(L, err.text);
        return 2;
    }
    event->id = id_next_event(&project->ids, 0);
    event_handle_push(L, event);
    return 1;
}

/* { key, max, wait_ms, quiet_ms, keeps_last } of a run's batch. */
static void push_batch(lua_State *L, const struct planned_run *run)
{
    lua_createtable(L, 0, 5);
    set_slice(L, "key", run->batch_key);
    set_integer(L, "max", run->batch.count_max);
    set_integer(L, "wait_ms", run->batch.wait_ms);
    set_integer(L, "quiet_ms", run->batch.quiet_ms);
    set_bool(L, "keeps_last", run->batch.keeps_last);
}

/* match(event) -> { number of subscription, … } in order of registration, { [position] = order key
 * }, { [position] = batch }
 */
int l_project_match(lua_State *L)
{
    struct script *script = project_check(L)->script;
    const struct registry *registry = script_registry(script);
    struct event *event = event_handle_check(L, 2);
    const struct subscription_spec *matches[LIMIT_SUBSCRIPTIONS_PER_EVENT];
    size_t count = registry_match(registry, event->source, event->type, matches,
                                  LIMIT_SUBSCRIPTIONS_PER_EVENT);
    if (count > LIMIT_SUBSCRIPTIONS_PER_EVENT)
        count = LIMIT_SUBSCRIPTIONS_PER_EVENT;
    lua_newtable(L);
    for (size_t i = 0; i < count; i++) {
        lua_pushinteger(L, matches[i] - registry->subscriptions + 1);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    script_plan(script, event);
    lua_newtable(L);
    lua_newtable(L);
    for (size_t i = 0; event->plan && i < event->plan->count; i++) {
        const struct planned_run *run = &event->plan->runs[i];
        if (run->order_key.data) {
            lua_pushlstring(L, run->order_key.data, run->order_key.len);
            lua_rawseti(L, -3, (lua_Integer)i + 1);
        }
        if (run->batch_key.data) {
            push_batch(L, run);
            lua_rawseti(L, -2, (lua_Integer)i + 1);
        }
    }
    return 3;
}
