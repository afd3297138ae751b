/* SPDX-License-Identifier: MIT */
/* event:emit(type, data, options?): a new event that commits with the run. */
#include "script/bind_int.h"

#include "base/clock.h"

#define DELAY_MS_MAX (INT64_C(366) * 86400000)

static const char *const option_names[] = {"delay", "idempotency_key", NULL};

static struct slice check_type(lua_State *L)
{
    struct slice type;
    type.data = luaL_checklstring(L, 2, &type.len);
    if (!event_type_is_valid(type))
        (void)luaL_error(L, "bad event type '%s': at most %d of A-Z a-z 0-9 _ . -", type.data,
                         LIMIT_TYPE_BYTES);
    if (event_type_is_reserved(type))
        (void)luaL_error(L, "bad event type '%s': " TYPE_RESERVED, type.data);
    return type;
}

/* The data as JSON, with its type. */
static struct content *check_content(lua_State *L, const struct event *parent)
{
    struct script *script = script_of(L);
    buf_clear(&script->body);
    if (lua_isnil(L, 3))
        (void)!buf_add_str(&script->body, "{}");
    else
        json_check_encode(L, 3, NULL);
    buf_clear(&script->head);
    if (head_add(&script->head, slice_str("content-type"), slice_str("application/json")) != OK)
        (void)luaL_error(L, "out of memory");
    message_add_trace_state(L, &script->head, content_head(parent->content));
    message_add_hops(L, &script->head, content_head(parent->content));
    const struct message_text text = {.head = buf_slice(&script->head),
                                      .body = buf_slice(&script->body)};
    return message_content(&text);
}

static struct event *make_event(const struct event_view *view, struct slice type, struct slice key,
                                struct content *content)
{
    const struct event *parent = view->event;
    const bool is_child = !view->job->tick.routine; /* a poll's items come from outside */
    struct trace trace = parent->trace;
    trace_continue(&trace);
    const struct event_options options = {
        .source = parent->source,
        .type = type,
        .key = key,
        .content = content,
        .parent = is_child ? parent->id : 0,
        .depth = is_child ? parent->depth + 1 : 0,
        .trace = trace,
        .received_ms = clock_now_ms(),
    };
    return event_create(&options);
}

int l_event_emit(lua_State *L)
{
    const struct event_view *view = event_check_run(L, "emit");
    struct job *job = view->job;
    lua_settop(L, 4);
    const char *what = lua_pushfstring(L, "%s:emit", view->noun);
    step_check_outside(L, what);
    const struct slice type = check_type(L);
    struct slice key = slice_str("");
    int64_t delay_ms = 0;
    if (!lua_isnil(L, 4)) {
        const struct options options = {.index = 4, .what = what};
        options_check_names(L, &options, option_names, NULL);
        key = option_check_key(L, &options);
        delay_ms = option_check_time(L, &options, "delay", (struct range){0, DELAY_MS_MAX}, 0);
    }
    if (view->event->depth + 1 > LIMIT_CHAIN_DEPTH) {
        job->is_hopeless = true;
        return luaL_error(L,
                          "event:emit: a chain of events is at most %d deep (does this handler "
                          "answer its own event?)",
                          LIMIT_CHAIN_DEPTH);
    }
    struct outbox *outbox = job_outbox(L, job);
    if (outbox->emit_count >= LIMIT_EMITS_PER_RUN)
        return luaL_error(L, "a run may emit at most %d events", LIMIT_EMITS_PER_RUN);
    struct script *script = script_of(L);
    struct content *content = check_content(L, view->event);
    struct event *event = content ? make_event(view, type, key, content) : NULL;
    if (!event)
        content_unref(content);
    if (!event || outbox_add_emit(outbox, event) != OK) {
        event_unref(event);
        return luaL_error(L, "out of memory");
    }
    event->id = script->hooks.next_event_id(script->hooks.ctx);
    if (delay_ms > 0)
        event->due_ms = clock_due_ms() + delay_ms;
    char id[ID_TEXT_BYTES];
    id_format(ID_EVENT, event->id, id);
    lua_pushstring(L, id);
    return 1;
}
