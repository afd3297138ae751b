/* SPDX-License-Identifier: MIT */
/* From a script's message table to bytes, for event:send and for transform. */
#include "model/hops.h"
#include "script/bind_int.h"
#include "script/fields.h"

#include <stdio.h>
#include <stdlib.h>

#define TYPE_JSON "application/json"
#define TYPE_FORM "application/x-www-form-urlencoded"
#define TYPE_BYTES "application/octet-stream"
#define WHAT "the message"

static const char *const names[] = {"body", "form",  "headers", "json", "method",
                                    "path", "query", "type",    NULL};
static const struct options message_options = {.what = "a message"};

static void add(lua_State *L, struct buf *head, const char *name, struct slice value)
{
    if (head_add(head, slice_str(name), value) != OK)
        (void)luaL_error(L, "the headers of " WHAT " are too large");
}

/* ---- Method, path, query: the pseudo fields ---- */

static void add_method(lua_State *L, int index, struct buf *head)
{
    const struct options options = {.index = index, .what = message_options.what};
    const char *method = option_check_method(L, &options, NULL);
    if (method)
        add(L, head, ":method", slice_str(method));
}

static void check_plain(lua_State *L, struct slice text, const char *name)
{
    for (size_t i = 0; i < text.len; i++)
        if ((unsigned char)text.data[i] <= 0x20 || text.data[i] == 0x7f || text.data[i] == '#')
            (void)luaL_error(L, "'%s' of a message holds a space, a control character or '#'",
                             name);
    if (text.len > LIMIT_URL_BYTES)
        (void)luaL_error(L, "'%s' of a message is longer than %d bytes", name, LIMIT_URL_BYTES);
}

static void add_path(lua_State *L, int index, struct buf *head)
{
    const struct options options = {.index = index, .what = message_options.what};
    const char *path = option_check_text(L, &options, "path", NULL);
    if (!path)
        return;
    check_plain(L, slice_str(path), "path");
    if (path[0] != '/' || strchr(path, '?'))
        (void)luaL_error(L, "'path' of a message begins with '/' and holds no '?', got '%s'", path);
    add(L, head, ":path", slice_str(path));
}

static void add_query(lua_State *L, int index, struct buf *head)
{
    const int type = lua_getfield(L, index, "query");
    struct slice query;
    if (type == LUA_TTABLE) {
        struct buf *text = &script_of(L)->text;
        buf_clear(text);
        form_check_encode(L, -1, text);
        add(L, head, ":query", buf_slice(text));
        buf_clear(text);
    } else if (type == LUA_TSTRING) {
        query.data = lua_tolstring(L, -1, &query.len);
        check_plain(L, query, "query");
        add(L, head, ":query", query);
    } else if (type != LUA_TNIL) {
        (void)luaL_error(L, "'query' of a message must be a table or a string, got %s",
                         luaL_typename(L, -1));
    }
    lua_pop(L, 1);
}

/* ---- Headers ---- */

static void add_from(lua_State *L, struct buf *head, struct slice original, const char *name)
{
    struct slice value;
    if (head_count(buf_slice(head), name) == 0 && head_find(original, name, &value))
        add(L, head, name, value);
}

void message_add_trace_state(lua_State *L, struct buf *head, struct slice original)
{
    struct trace trace;
    struct slice parent;
    struct field field;
    const bool came = head_find(original, "traceparent", &parent) && trace_parse(parent, &trace);
    for (size_t offset = 0; head_next(original, &offset, &field);)
        if ((came && slice_equal_nocase(field.name, slice_str("tracestate"))) ||
            slice_is(field.name, TRACE_STATE_FIELD))
            add(L, head, TRACE_STATE_FIELD, field.value);
}

void message_add_hops(lua_State *L, struct buf *head, struct slice original)
{
    const unsigned hops = hops_of_head(original);
    char text[16];
    if (hops == 0)
        return;
    (void)snprintf(text, sizeof text, "%u", hops);
    add(L, head, HOPS_FIELD, slice_str(text));
}

/* content_type NULL: as the original has it, with its encoding. */
static void build_head(lua_State *L, int index, const char *content_type, struct slice original)
{
    struct buf *head = &script_of(L)->head;
    buf_clear(head);
    add_method(L, index, head);
    add_path(L, index, head);
    add_query(L, index, head);
    message_add_trace_state(L, head, original);
    message_add_hops(L, head, original);
    lua_getfield(L, index, "headers");
    headers_check_add(L, -1, WHAT, head);
    lua_pop(L, 1);
    if (!content_type) {
        add_from(L, head, original, "content-type");
        add_from(L, head, original, "content-encoding");
    } else if (head_count(buf_slice(head), "content-type") == 0) {
        add(L, head, "content-type", slice_str(content_type));
    }
}

/* ---- Body ---- */

const char *body_check(lua_State *L, const struct options *options, struct slice *body)
{
    struct buf *encoded = &script_of(L)->body;
    const bool has_json = lua_getfield(L, options->index, "json") != LUA_TNIL;
    const bool has_body = lua_getfield(L, options->index, "body") != LUA_TNIL;
    const bool has_form = lua_getfield(L, options->index, "form") != LUA_TNIL;
    if (has_json + has_body + has_form > 1)
        (void)luaL_error(L, "%s has one of 'json', 'body' and 'form', not several", options->what);
    buf_clear(encoded);
    if (has_json) {
        json_check_encode(L, -3, NULL);
    } else if (has_form) {
        if (lua_type(L, -1) != LUA_TTABLE)
            (void)luaL_error(L, "'form' of %s must be a table, got %s", options->what,
                             luaL_typename(L, -1));
        form_check_encode(L, -1, encoded);
    } else if (has_body) {
        if (lua_type(L, -2) != LUA_TSTRING)
            (void)luaL_error(L,
                             "'body' of %s must be a string, got %s; for a table use "
                             "'json'",
                             options->what, luaL_typename(L, -2));
        body->data = lua_tolstring(L, -2, &body->len); /* the table holds it */
        if (body->len > LIMIT_MESSAGE_BODY_BYTES)
            (void)luaL_error(L, "'body' of %s is longer than %d MiB", options->what,
                             LIMIT_MESSAGE_BODY_BYTES >> 20);
    }
    lua_pop(L, 3);
    if (has_json || has_form)
        *body = buf_slice(encoded);
    return has_json ? TYPE_JSON : has_form ? TYPE_FORM : has_body ? TYPE_BYTES : NULL;
}

static struct slice read_type(lua_State *L, int index)
{
    const struct options options = {.index = index, .what = message_options.what};
    const struct slice type = slice_str(option_check_text(L, &options, "type", ""));
    if (type.len > 0 && !event_type_is_valid(type))
        (void)luaL_error(L, "'type' of a message has at most %d of A-Z a-z 0-9 _ . -, got '%s'",
                         LIMIT_TYPE_BYTES, type.data);
    return type;
}

static bool has_any(lua_State *L, int index, const char *const *wanted)
{
    bool found = false;
    for (; *wanted && !found; wanted++) {
        found = lua_getfield(L, index, *wanted) != LUA_TNIL;
        lua_pop(L, 1);
    }
    return found;
}

void message_check(lua_State *L, int index, const struct content *original,
                   struct message_text *text)
{
    static const char *const head_names[] = {"headers", "method", "path", "query", NULL};
    *text = (struct message_text){0};
    index = lua_absindex(L, index);
    if (lua_isnil(L, index))
        return;
    const struct options options = {.index = index, .what = message_options.what};
    options_check_names(L, &options, names, NULL);
    text->type = read_type(L, index);
    text->body = content_body(original);
    const char *content_type = body_check(L, &options, &text->body);
    if (!content_type && !has_any(L, index, head_names))
        return;
    build_head(L, index, content_type, content_head(original));
    text->head = buf_slice(&script_of(L)->head);
    text->is_new = true;
}

struct content *message_content(const struct message_text *text)
{
    struct content *content = content_create(text->head, text->body.len);
    if (content &&
        content_append(&content, text->body.data, text->body.len, LIMIT_MESSAGE_BODY_BYTES) != OK) {
        content_unref(content);
        content = NULL;
    }
    return content;
}

/* ---- For transform ---- */

/* Where the text of message.json as it was decoded is kept, to see whether it was changed. */
static const char decoded_key;

/* Of the body as it is at the moment, with the encoding that the headers say. */
static bool push_json(lua_State *L)
{
    struct buf *head = &script_of(L)->head;
    struct coded_body body = {.bytes_max = LIMIT_MESSAGE_BODY_BYTES};
    buf_clear(head);
    lua_pushliteral(L, "headers");
    if (lua_rawget(L, 1) == LUA_TTABLE)
        headers_check_add(L, -1, WHAT, head);
    body.head = buf_slice(head);
    lua_pushliteral(L, "body");
    lua_rawget(L, 1);
    body.bytes.data = luaL_checklstring(L, -1, &body.bytes.len);
    return body_push_json(L, &body, NULL);
}

/* message.json: decoded when it is first read. */
static int l_message_index(lua_State *L)
{
    if (lua_type(L, 2) != LUA_TSTRING || strcmp(lua_tostring(L, 2), "json") != 0)
        return 0;
    if (!push_json(L))
        return luaL_error(L, "message.json: the body is not JSON: %s", lua_tostring(L, -1));
    struct buf *encoded = &script_of(L)->body;
    buf_clear(encoded);
    json_check_encode(L, -1, NULL);
    lua_pushlstring(L, encoded->data, encoded->len);
    lua_rawsetp(L, 1, &decoded_key);
    lua_pushliteral(L, "json");
    lua_pushvalue(L, -2);
    lua_rawset(L, 1);
    return 1;
}

/* A forwarded body goes out with its type and encoding only. */
static bool is_sent(const struct message *message, struct slice name)
{
    return name.len > 0 && name.data[0] != ':' &&
           (!message->is_forwarded || slice_equal_nocase(name, slice_str("content-type")) ||
            slice_equal_nocase(name, slice_str("content-encoding")));
}

void message_push(lua_State *L, const struct message *message)
{
    static const char *const pseudo[] = {":method", ":path", ":query"};
    const struct slice head = content_head(message->content);
    struct slice value;
    lua_createtable(L, 0, 8);
    set_id(L, "id", ID_MESSAGE, message->id);
    set_id(L, "event_id", ID_EVENT, id_event_of(message->id));
    set_slice(L, "type", message->type);
    set_slice(L, "body", content_body(message->content));
    for (size_t i = 0; i < array_count(pseudo) && !message->is_forwarded; i++)
        if (head_find(head, pseudo[i], &value))
            set_slice(L, pseudo[i] + 1, value);
    lua_newtable(L);
    struct field field;
    for (size_t offset = 0; head_next(head, &offset, &field);)
        if (is_sent(message, field.name)) {
            lua_pushlstring(L, field.name.data, field.name.len);
            lua_pushlstring(L, field.value.data, field.value.len);
            lua_rawset(L, -3);
        }
    lua_setfield(L, -2, "headers");
    lua_newtable(L);
    lua_pushcfunction(L, l_message_index);
    lua_setfield(L, -2, "__index");
    lua_setmetatable(L, -2);
}

/* Pushes the header's value, or nil; takes it away if it is to. */
static void push_header(lua_State *L, int index, const char *name, bool is_taken)
{
    lua_pushnil(L);
    if (lua_getfield(L, index, "headers") == LUA_TTABLE)
        for (lua_pushnil(L); lua_next(L, -2); lua_pop(L, 1))
            if (lua_type(L, -2) == LUA_TSTRING &&
                slice_equal_nocase(slice_str(lua_tostring(L, -2)), slice_str(name))) {
                lua_pushvalue(L, -1);
                lua_replace(L, -5);
                lua_pushvalue(L, -2);
                lua_pushnil(L);
                if (is_taken)
                    lua_rawset(L, -5);
                else
                    lua_pop(L, 2);
            }
    lua_pop(L, 1);
}

static void drop_header(lua_State *L, int index, const char *name)
{
    push_header(L, index, name, true);
    lua_pop(L, 1);
}

/* Pushes message.form, or nil. Its type is that of a form, if the script gave it no other. */
static bool push_form(lua_State *L, int index, int pristine)
{
    lua_pushliteral(L, "form");
    const int type = lua_rawget(L, index);
    if (type == LUA_TNIL)
        return false;
    if (type != LUA_TTABLE)
        (void)luaL_error(L, "message.form must be a table, got %s", lua_typename(L, type));
    push_header(L, index, "content-type", false);
    push_header(L, pristine, "content-type", false);
    if (lua_rawequal(L, -1, -2))
        drop_header(L, index, "content-type");
    lua_pop(L, 2);
    return true;
}

/* Pushes what came of message.json: nil if it was not touched. */
static void push_changed_json(lua_State *L, int index)
{
    lua_pushliteral(L, "json");
    if (lua_rawget(L, index) == LUA_TNIL)
        return;
    struct buf *encoded = &script_of(L)->body;
    buf_clear(encoded);
    json_check_encode(L, -1, NULL);
    lua_pushlstring(L, encoded->data, encoded->len);
    lua_rawgetp(L, index, &decoded_key);
    const bool is_same = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    if (is_same) {
        lua_pop(L, 1);
        lua_pushnil(L);
    }
}

void message_check_changes(lua_State *L, int index, int pristine, struct message_text *text)
{
    if (lua_type(L, index) != LUA_TTABLE)
        (void)luaL_error(L, "transform must return the message or anzol.skip(reason), got %s",
                         luaL_typename(L, index));
    /* What would go out if nothing was changed, to compare with. */
    build_head(L, pristine, NULL, slice_str(""));
    lua_pushlstring(L, script_of(L)->head.data, script_of(L)->head.len);
    const int old_head = lua_gettop(L);
    push_changed_json(L, index);
    const bool has_json = !lua_isnil(L, -1);
    const bool has_form = push_form(L, index, pristine);
    const int form = lua_gettop(L);
    lua_pushliteral(L, "body");
    const int body_type = lua_rawget(L, index);
    lua_getfield(L, pristine, "body");
    const bool has_body = body_type != LUA_TNIL && !lua_rawequal(L, -1, -2);
    if (has_body && body_type != LUA_TSTRING)
        (void)luaL_error(L, "message.body must be a string, got %s; for a table set message.json",
                         lua_typename(L, body_type));
    if (has_json + has_form + has_body > 1)
        (void)luaL_error(L, "transform changed several of message.json, message.form and "
                            "message.body: set one");
    text->type = slice_str("");
    text->body.data = lua_tolstring(L, has_body ? -2 : -1, &text->body.len);
    if (has_form) {
        buf_clear(&script_of(L)->body);
        form_check_encode(L, form, &script_of(L)->body);
    }
    if (has_json || has_form) {
        drop_header(L, index, "content-encoding"); /* what is written anew is not compressed */
        text->body = buf_slice(&script_of(L)->body);
    }
    build_head(L, index,
               has_json   ? TYPE_JSON
               : has_form ? TYPE_FORM
               : has_body ? TYPE_BYTES
                          : NULL,
               slice_str(""));
    text->head = buf_slice(&script_of(L)->head);
    struct slice before;
    before.data = lua_tolstring(L, old_head, &before.len);
    text->is_new = has_json || has_form || has_body || !slice_equal(before, text->head);
}
