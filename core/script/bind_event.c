/* SPDX-License-Identifier: MIT */
/* Event: the fields of what a handler is about, event:get; send and emit are in files of their own.
 * A view of the event in memory; data is decoded when it is first asked for. */
#include "script/bind_int.h"

#include "model/directory.h"
#include "model/published.h"

enum field_id {
    FIELD_APPLICATION = 1,
    FIELD_APPLICATION_UID,
    FIELD_BODY,
    FIELD_CHANNELS,
    FIELD_CONTENT_TYPE,
    FIELD_DATA,
    FIELD_HEADERS,
    FIELD_ID,
    FIELD_LOG,
    FIELD_LOSSY,
    FIELD_PARENT_ID,
    FIELD_QUERY,
    FIELD_RECEIVED_MS,
    FIELD_RUN_NUMBER,
    FIELD_SOURCE,
    FIELD_TRACE,
    FIELD_TYPE,
};

enum uservalue { VALUE_DATA = 1, VALUE_HEADERS, VALUE_QUERY, VALUE_COUNT = VALUE_QUERY };

struct field_name {
    const char *name;
    enum field_id id;
};
static const struct field_name field_names[] = {
    {"application", FIELD_APPLICATION},
    {"application_uid", FIELD_APPLICATION_UID},
    {"body", FIELD_BODY},
    {"channels", FIELD_CHANNELS},
    {"content_type", FIELD_CONTENT_TYPE},
    {"data", FIELD_DATA},
    {"headers", FIELD_HEADERS},
    {"id", FIELD_ID},
    {"log", FIELD_LOG},
    {"lossy", FIELD_LOSSY},
    {"parent_id", FIELD_PARENT_ID},
    {"query", FIELD_QUERY},
    {"received_at_ms", FIELD_RECEIVED_MS},
    {"run_number", FIELD_RUN_NUMBER},
    {"source", FIELD_SOURCE},
    {"trace", FIELD_TRACE},
    {"type", FIELD_TYPE},
};

struct event_view *event_check(lua_State *L)
{
    struct event_view *view = object_check(L, 1, &event_kind);
    if (!view->event)
        (void)luaL_error(L, "this event's handler is over: keep its values, not the event");
    return view;
}

/* ---- Fields ---- */

/* What came in to a source was held to its max_body, and so is what it inflates to. */
static struct coded_body body_of(lua_State *L, const struct event_view *view)
{
    const struct source_spec *source =
        registry_source(script_registry(script_of(L)), view->event->source);
    return (struct coded_body){view->head, content_body(view->event->content),
                               source ? source->body_bytes_max : LIMIT_BODY_BYTES};
}

static int push_data(lua_State *L, struct event_view *view)
{
    if (lua_getiuservalue(L, 1, VALUE_DATA) != LUA_TNIL)
        return 1;
    lua_pop(L, 1);
    const struct coded_body body = body_of(L, view);
    if (body.bytes.len == 0)
        return 0;
    const bool is_form = body_is_form(view->head);
    if (is_form ? !body_push_form(L, &body) : !body_push_json(L, &body, &view->is_lossy))
        return luaL_error(L, "event.data: the body is not %s: %s (event.body has the bytes)",
                          is_form ? "a form that is taken" : "JSON", lua_tostring(L, -1));
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, 1, VALUE_DATA);
    return 1;
}

static int push_headers(lua_State *L, const struct event_view *view)
{
    if (lua_getiuservalue(L, 1, VALUE_HEADERS) != LUA_TNIL)
        return 1;
    headers_push(L, 1, &view->head);
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, 1, VALUE_HEADERS);
    return 1;
}

static int push_query(lua_State *L, const struct event_view *view)
{
    struct slice query;
    if (lua_getiuservalue(L, 1, VALUE_QUERY) != LUA_TNIL)
        return 1;
    form_check_push(L, head_find(view->head, ":query", &query) ? query : slice_str(""));
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, 1, VALUE_QUERY);
    return 1;
}

static void push_id(lua_State *L, enum id_kind kind, uint64_t id)
{
    char text[ID_TEXT_BYTES];
    id_format(kind, id, text);
    lua_pushstring(L, text);
}

static void push_hex(lua_State *L, const uint8_t *bytes, size_t len)
{
    static const char digits[] = "0123456789abcdef";
    char text[2 * TRACE_ID_BYTES];
    for (size_t i = 0; i < len; i++) {
        text[2 * i] = digits[bytes[i] >> 4];
        text[2 * i + 1] = digits[bytes[i] & 15];
    }
    lua_pushlstring(L, text, 2 * len);
}

static int push_trace(lua_State *L, const struct event *event)
{
    if (trace_is_none(&event->trace))
        return 0;
    lua_createtable(L, 0, 2);
    push_hex(L, event->trace.id, TRACE_ID_BYTES);
    lua_setfield(L, -2, "trace_id");
    push_hex(L, event->trace.span, SPAN_ID_BYTES);
    lua_setfield(L, -2, "span_id");
    return 1;
}

static int push_scalar(lua_State *L, const struct event_view *view, enum field_id id)
{
    const struct event *event = view->event;
    struct slice text = slice_str("");
    if (id == FIELD_BODY)
        text = content_body(event->content);
    else if (id == FIELD_SOURCE)
        text = event->source;
    else if (id == FIELD_TYPE)
        text = event->type;
    else if (!head_find(view->head, "content-type", &text))
        return 0;
    lua_pushlstring(L, text.data, text.len);
    return 1;
}

/* What only those have that were published over the API. */
static int push_published(lua_State *L, const struct event_view *view, enum field_id id)
{
    struct slice value;
    bool is_lossy = false;
    if (!event_is_published(view->event))
        return 0;
    if (id == FIELD_APPLICATION && head_find(view->head, PUBLISHED_APPLICATION, &value))
        lua_pushlstring(L, value.data, value.len);
    else if (head_find(view->head, PUBLISHED_CHANNELS, &value))
        (void)json_push(L, value, &is_lossy);
    else
        lua_newtable(L);
    return 1;
}

/* What its application is called now; nothing: it has no name of its own, or is gone. */
static int push_application_uid(lua_State *L, const struct event_view *view)
{
    struct directory *directory = script_of(L)->hooks.directory;
    char text[ID_TEXT_BYTES] = "";
    char uid[LIMIT_UID_BYTES + 1];
    struct slice value;
    uint64_t application;
    if (!directory || !event_is_published(view->event) ||
        !head_find(view->head, PUBLISHED_APPLICATION, &value) || value.len >= sizeof text)
        return 0;
    memcpy(text, value.data, value.len);
    if (!id_parse(ID_APPLICATION, text, &application) ||
        !directory_application_uid(directory, application, uid))
        return 0;
    lua_pushstring(L, uid);
    return 1;
}

static int push_field(lua_State *L, struct event_view *view, enum field_id id)
{
    const struct event *event = view->event;
    switch (id) {
    case FIELD_BODY:
    case FIELD_CONTENT_TYPE:
    case FIELD_SOURCE:
    case FIELD_TYPE:
        return push_scalar(L, view, id);
    case FIELD_APPLICATION_UID:
        return push_application_uid(L, view);
    case FIELD_APPLICATION:
    case FIELD_CHANNELS:
        return push_published(L, view, id);
    case FIELD_DATA:
        return push_data(L, view);
    case FIELD_HEADERS:
        return push_headers(L, view);
    case FIELD_ID:
        push_id(L, ID_EVENT, event->id);
        return 1;
    case FIELD_LOG:
        script_push_ref(L, script_of(L), REF_LOG);
        return 1;
    case FIELD_LOSSY:
        (void)push_data(L, view);
        lua_pushboolean(L, view->is_lossy);
        return 1;
    case FIELD_PARENT_ID:
        if (event->parent == 0)
            return 0;
        push_id(L, ID_EVENT, event->parent);
        return 1;
    case FIELD_QUERY:
        return push_query(L, view);
    case FIELD_RECEIVED_MS:
        lua_pushinteger(L, event->received_ms);
        return 1;
    case FIELD_RUN_NUMBER:
        lua_pushinteger(L, view->run_number);
        return 1;
    case FIELD_TRACE:
        return push_trace(L, event);
    }
    return 0;
}

static int l_index(lua_State *L)
{
    struct event_view *view = event_check(L);
    lua_pushvalue(L, 2);
    const int type = lua_rawget(L, lua_upvalueindex(1));
    if (type == LUA_TNIL)
        return l_name_missed(L, lua_upvalueindex(1), "event");
    if (type != LUA_TNUMBER)
        return 1; /* a method */
    const enum field_id id = (enum field_id)lua_tointeger(L, -1);
    lua_pop(L, 1);
    return push_field(L, view, id);
}

static int l_newindex(lua_State *L)
{
    return luaL_error(L,
                      "an event is read-only: '%s' cannot be set (event.data is a copy of yours "
                      "to edit)",
                      luaL_tolstring(L, 2, NULL));
}

/* ---- event:get(path, default) ---- */

/* The element of the table on top; replaces it. */
static void step(lua_State *L, struct slice segment)
{
    lua_pushlstring(L, segment.data, segment.len);
    if (lua_rawget(L, -2) == LUA_TNIL) {
        lua_pop(L, 1);
        lua_pushlstring(L, segment.data, segment.len);
        int is_number;
        const lua_Integer position = lua_tointegerx(L, -1, &is_number);
        lua_pop(L, 1);
        if (is_number)
            lua_rawgeti(L, -1, position);
        else
            lua_pushnil(L);
    }
    lua_remove(L, -2);
}

static int l_get(lua_State *L)
{
    struct event_view *view = event_check(L);
    const char *path = luaL_checkstring(L, 2);
    lua_settop(L, 3);
    if (push_data(L, view) == 0)
        lua_pushnil(L);
    for (;;) {
        const char *dot = strchr(path, '.');
        if (lua_type(L, -1) != LUA_TTABLE) {
            lua_pushnil(L);
            break;
        }
        step(L, slice_of(path, dot ? (size_t)(dot - path) : strlen(path)));
        if (!dot)
            break;
        path = dot + 1;
    }
    script_push_ref(L, script_of(L), REF_NULL);
    if (lua_isnil(L, -2) || lua_rawequal(L, -1, -2))
        lua_pushvalue(L, 3);
    else
        lua_pushvalue(L, -2);
    return 1;
}

/* ---- Making one ---- */

struct event_view *event_push(lua_State *L, struct job *job, const struct run_member *member)
{
    struct event_view *view = object_push(L, &event_kind, sizeof *view, VALUE_COUNT);
    view->noun = "event";
    view->job = job;
    view->event = member->event;
    view->run_number = job->run.run_number;
    view->first_ordinal = member->first_ordinal;
    view->ordinal_count = member->ordinal_count;
    view->head = content_head(member->event->content);
    view->next = job->view;
    job->view = view;
    return view;
}

struct event_view *event_push_alone(lua_State *L, struct event *event)
{
    struct event_view *view = object_push(L, &event_kind, sizeof *view, VALUE_COUNT);
    view->noun = "event";
    view->event = event;
    view->run_number = 1;
    view->head = content_head(event->content);
    return view;
}

static const luaL_Reg meta[] = {{"__newindex", l_newindex}, {NULL, NULL}};

const struct object_kind event_kind = {"event", meta, NULL};

static const luaL_Reg methods[] = {
    {"emit", l_event_emit}, {"get", l_get},         {"publish", l_event_publish},
    {"send", l_event_send}, {"step", l_event_step}, {NULL, NULL},
};

/* ---- A list of events: what the handler of a batch gets ---- */

/* A position that is not there, or what only its events have. */
static int l_list_index(lua_State *L)
{
    const char *name = lua_type(L, 2) == LUA_TSTRING ? lua_tostring(L, 2) : NULL;
    lua_rawgetp(L, LUA_REGISTRYINDEX, &event_kind);
    (void)lua_getfield(L, -1, "__index");
    (void)lua_getupvalue(L, -1, 1);
    lua_pushstring(L, name);
    if (name && lua_rawget(L, -2) != LUA_TNIL)
        return luaL_error(L,
                          "this handler has a batch and gets a list of events, which has no '%s'; "
                          "its first event is events[1]",
                          name);
    lua_pushnil(L);
    return 1;
}

static const luaL_Reg list_meta[] = {{"__index", l_list_index}, {NULL, NULL}};
static const struct object_kind list_kind = {"events", list_meta, NULL};

void event_push_list(lua_State *L, int count)
{
    lua_createtable(L, count, 0);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &list_kind);
    lua_setmetatable(L, -2);
}

void open_event(lua_State *L)
{
    object_open(L, &list_kind);
    object_open(L, &event_kind);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &event_kind);
    luaL_newlib(L, methods);
    for (size_t i = 0; i < array_count(field_names); i++) {
        lua_pushinteger(L, field_names[i].id);
        lua_setfield(L, -2, field_names[i].name);
    }
    lua_pushcclosure(L, l_index, 1);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
}
