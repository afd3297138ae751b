/* SPDX-License-Identifier: MIT */
/* Request: what verify, type and idempotency_key look at. A view of the request in memory. */
#include "script/bind_int.h"

enum field_id {
    FIELD_BODY = 1,
    FIELD_FORM,
    FIELD_HEADERS,
    FIELD_JSON,
    FIELD_METHOD,
    FIELD_PATH,
    FIELD_QUERY,
    FIELD_RECEIVED_MS,
    FIELD_REMOTE_IP,
    FIELD_SOURCE,
};

enum uservalue { VALUE_HEADERS = 1, VALUE_JSON, VALUE_QUERY, VALUE_FORM, VALUE_COUNT = VALUE_FORM };

struct field_name {
    const char *name;
    enum field_id id;
};
static const struct field_name field_names[] = {
    {"body", FIELD_BODY},           {"form", FIELD_FORM},
    {"headers", FIELD_HEADERS},     {"json", FIELD_JSON},
    {"method", FIELD_METHOD},       {"path", FIELD_PATH},
    {"query", FIELD_QUERY},         {"received_at_ms", FIELD_RECEIVED_MS},
    {"remote_ip", FIELD_REMOTE_IP}, {"source", FIELD_SOURCE},
};

static void push_pseudo(lua_State *L, const struct request_view *view, const char *name)
{
    struct slice value;
    if (head_find(view->head, name, &value))
        lua_pushlstring(L, value.data, value.len);
    else
        lua_pushnil(L);
}

static struct coded_body body_of(const struct request_view *view)
{
    return (struct coded_body){view->head, view->body, view->source->body_bytes_max};
}

/* Kept with the object: decoded once. */
static void push_json(lua_State *L, const struct request_view *view)
{
    const struct coded_body body = body_of(view);
    if (!body_push_json(L, &body, NULL))
        (void)luaL_error(L, "the body is not JSON: %s", lua_tostring(L, -1));
}

static void push_form(lua_State *L, const struct request_view *view)
{
    const struct coded_body body = body_of(view);
    if (!body_push_form(L, &body))
        (void)luaL_error(L, "the body is not a form that is taken: %s", lua_tostring(L, -1));
}

static int push_kept(lua_State *L, const struct request_view *view, enum field_id id)
{
    static const int places[] = {[FIELD_HEADERS] = VALUE_HEADERS,
                                 [FIELD_JSON] = VALUE_JSON,
                                 [FIELD_QUERY] = VALUE_QUERY,
                                 [FIELD_FORM] = VALUE_FORM};
    const int place = places[id];
    if (lua_getiuservalue(L, 1, place) != LUA_TNIL)
        return 1;
    lua_pop(L, 1);
    struct slice query = slice_str("");
    if (id == FIELD_HEADERS)
        headers_push(L, 1, &view->head);
    else if (id == FIELD_JSON)
        push_json(L, view);
    else if (id == FIELD_FORM)
        push_form(L, view);
    else
        form_check_push(L, head_find(view->head, ":query", &query) ? query : slice_str(""));
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, 1, place);
    return 1;
}

static int l_index(lua_State *L)
{
    const struct request_view *view = object_check(L, 1, &request_kind);
    if (!view->source)
        return luaL_error(L, "this request is over: keep its values, not the request");
    lua_pushvalue(L, 2);
    if (lua_rawget(L, lua_upvalueindex(1)) == LUA_TNIL)
        return l_name_missed(L, lua_upvalueindex(1), "request");
    const enum field_id id = (enum field_id)lua_tointeger(L, -1);
    lua_pop(L, 1);
    switch (id) {
    case FIELD_BODY:
        lua_pushlstring(L, view->body.data, view->body.len);
        return 1;
    case FIELD_METHOD:
        push_pseudo(L, view, ":method");
        return 1;
    case FIELD_PATH:
        push_pseudo(L, view, ":path");
        return 1;
    case FIELD_REMOTE_IP:
        push_pseudo(L, view, ":remote");
        return 1;
    case FIELD_RECEIVED_MS:
        lua_pushinteger(L, view->received_ms);
        return 1;
    case FIELD_SOURCE:
        lua_pushstring(L, view->source->name);
        return 1;
    case FIELD_FORM:
    case FIELD_HEADERS:
    case FIELD_JSON:
    case FIELD_QUERY:
        return push_kept(L, view, id);
    }
    return 0;
}

static int l_newindex(lua_State *L)
{
    return luaL_error(L, "a request is read-only");
}

struct request_view *request_push(lua_State *L, const struct admit_request *request)
{
    struct request_view *view = object_push(L, &request_kind, sizeof *view, VALUE_COUNT);
    view->source = request->source;
    view->head = request->head;
    view->body = request->body;
    view->received_ms = request->received_ms;
    return view;
}

static const luaL_Reg meta[] = {{"__newindex", l_newindex}, {NULL, NULL}};

const struct object_kind request_kind = {"request", meta, NULL};

void open_request(lua_State *L)
{
    object_open(L, &headers_kind);
    object_open(L, &request_kind);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &request_kind);
    lua_createtable(L, 0, (int)array_count(field_names));
    for (size_t i = 0; i < array_count(field_names); i++) {
        lua_pushinteger(L, field_names[i].id);
        lua_setfield(L, -2, field_names[i].name);
    }
    lua_pushcclosure(L, l_index, 1);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
}
