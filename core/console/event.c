/* SPDX-License-Identifier: MIT */
/* The event that a run is about, and what it would have committed. */
#include "console/console_int.h"

#include "base/clock.h"
#include "base/head.h"
#include "base/limits.h"
#include "model/outbox.h"
#include "script/fields.h"

#define HEAD_BYTES_MAX (LIMIT_HEADERS_BYTES + LIMIT_REQUEST_LINE_BYTES)

static struct slice field_slice(lua_State *L, int index, const char *name)
{
    struct slice text = slice_str("");
    if (lua_getfield(L, index, name) == LUA_TSTRING)
        text.data = lua_tolstring(L, -1, &text.len); /* the table holds it */
    lua_pop(L, 1);
    return text;
}

/* Our own Lua gives them: names with values, all strings. */
static enum status add_headers(lua_State *L, int index, struct buf *head)
{
    enum status status = OK;
    static const struct {
        const char *field, *pseudo;
    } parts[] = {
        {"method", ":method"}, {"path", ":path"}, {"query", ":query"}, {"remote_ip", ":remote"}};
    const int top = lua_gettop(L);
    for (size_t i = 0; status == OK && i < array_count(parts); i++) {
        const struct slice value = field_slice(L, index, parts[i].field);
        if (value.len > 0)
            status = head_add(head, slice_str(parts[i].pseudo), value);
    }
    if (lua_getfield(L, index, "headers") == LUA_TTABLE)
        for (lua_Integer i = 1; status == OK && lua_rawgeti(L, -1, i) == LUA_TTABLE; i++) {
            struct slice name;
            struct slice value;
            lua_rawgeti(L, -1, 1);
            lua_rawgeti(L, -2, 2);
            name.data = lua_tolstring(L, -2, &name.len);
            value.data = lua_tolstring(L, -1, &value.len);
            status = head_add(head, name, value);
            lua_pop(L, 3);
        }
    lua_settop(L, top);
    return status;
}

struct content *content_read(lua_State *L, int index)
{
    const struct slice body = field_slice(L, index, "body");
    struct buf head;
    buf_init(&head, HEAD_BYTES_MAX);
    struct content *content = NULL;
    if (add_headers(L, index, &head) == OK)
        content = content_create(buf_slice(&head), body.len);
    buf_finish(&head);
    if (content && content_append(&content, body.data, body.len, LIMIT_BODY_BYTES_HARD) != OK) {
        content_unref(content);
        content = NULL;
    }
    return content;
}

struct event *event_read(lua_State *L, int index)
{
    const struct slice type = field_slice(L, index, "type");
    luaL_argcheck(L, event_type_is_valid(type), index, "the event has no type");
    struct content *content = content_read(L, index);
    struct event *event =
        content ? event_create(&(struct event_options){.source = field_slice(L, index, "source"),
                                                       .type = type,
                                                       .content = content,
                                                       .received_ms = clock_now_ms()})
                : NULL;
    if (!event)
        content_unref(content);
    return event;
}

/* ---- Effects ---- */

static void open_effect(lua_State *L, const char *kind, struct slice type,
                        const struct content *content)
{
    lua_createtable(L, 0, 5);
    set_slice(L, "kind", slice_str(kind));
    set_slice(L, "type", type);
    set_slice(L, "body", content_body(content));
}

static void push_write(lua_State *L, const struct kv_write *write)
{
    lua_createtable(L, 0, 5);
    set_slice(L, "kind", slice_str("kv"));
    set_slice(L, "ns", slice_str(write->ns));
    set_slice(L, "key", slice_str(write->key));
    if (write->is_delta) {
        lua_pushinteger(L, write->delta);
        lua_setfield(L, -2, "delta");
    } else if (write->value) {
        set_slice(L, "body", slice_str(write->is_sealed ? "\"" HEAD_MASKED "\"" : write->value));
    }
}

static void push_change(lua_State *L, const struct outbox_change *change)
{
    lua_createtable(L, 0, 4);
    set_text(L, "kind", "change");
    set_text(L, "verb", change_verb_name(change->what.verb));
    set_id(L, "id", change->what.kind, change->what.id);
    set_text(L, "reason", change->reason);
}

static void push_task(lua_State *L, const struct task *task)
{
    const bool is_event = task->kind == ID_EVENT;
    const char *state = task->wanted < 0 ? NULL
                        : is_event       ? run_state_name((enum run_state)task->wanted)
                                         : delivery_state_name((enum delivery_state)task->wanted);
    lua_createtable(L, 0, 8);
    set_text(L, "kind", "task");
    set_text(L, "verb", change_verb_name(task->verb));
    set_text(L, "of", is_event ? "event" : "delivery");
    set_text(L, "source", task->source);
    set_text(L, "type", task->type);
    set_text(L, "endpoint", task->endpoint);
    set_text(L, "state", state);
    set_text(L, "contains", task->contains);
}

void effects_push(lua_State *L, const struct outbox *outbox)
{
    lua_newtable(L);
    lua_Integer count = 0;
    for (size_t i = 0; outbox && i < outbox->delivery_count; i++) {
        const struct outbox_delivery *entry = &outbox->deliveries[i];
        const struct message *message = entry->delivery->message;
        open_effect(L, "send", message->type, message->content);
        set_slice(L, "endpoint", slice_str(entry->endpoint->name));
        lua_pushinteger(L, entry->delay_ms);
        lua_setfield(L, -2, "delay_ms");
        lua_rawseti(L, -2, ++count);
    }
    for (size_t i = 0; outbox && i < outbox->emit_count; i++) {
        open_effect(L, "emit", outbox->emits[i]->type, outbox->emits[i]->content);
        lua_rawseti(L, -2, ++count);
    }
    for (size_t i = 0; outbox && i < outbox->kv_write_count; i++) {
        push_write(L, &outbox->kv_writes[i]);
        lua_rawseti(L, -2, ++count);
    }
    for (size_t i = 0; outbox && i < outbox->change_count; i++) {
        push_change(L, &outbox->changes[i]);
        lua_rawseti(L, -2, ++count);
    }
    for (size_t i = 0; outbox && i < outbox->task_count; i++) {
        push_task(L, &outbox->tasks[i]);
        lua_rawseti(L, -2, ++count);
    }
}
