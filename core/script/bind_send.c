/* SPDX-License-Identifier: MIT */
/* event:send(endpoint | endpoints, message?, options?): a message for one or several endpoints, put
 * into the run's outbox. Its id follows from its position (or key), so a run that is repeated makes
 * the same one. */
#include "script/bind_int.h"

#include "base/clock.h"
#include "base/text.h"

#include <stdlib.h>

#define NAMES_COMPARED_MAX 1000
#define DELAY_MS_MAX (INT64_C(366) * 86400000)

static const char *const option_names[] = {"delay", "expires", "idempotency_key", "priority", NULL};

struct send {
    const char *what; /* "event:send" */
    struct job *job;
    struct event_view *view;
    const struct endpoint_spec *targets[LIMIT_DELIVERIES_PER_RUN];
    size_t target_count;
    int64_t delay_ms;
    int64_t expires_ms;
    int priority;
    struct slice key;
};

struct event_view *event_check_run(lua_State *L, const char *method)
{
    struct event_view *tick = tick_test(L);
    struct event_view *view = tick ? tick : event_check(L);
    const struct context *context = script_of(L)->context;
    if (!context || !phase_commits(context->phase) || context->job != view->job)
        (void)luaL_error(L, "%s:%s works in %s of this %s only, not in '%s'", view->noun, method,
                         tick ? "the run" : "the handler", view->noun,
                         context ? phases[context->phase].name : "load");
    return view;
}

struct outbox *job_outbox(lua_State *L, struct job *job)
{
    if (!job->outbox)
        job->outbox = calloc(1, sizeof *job->outbox);
    if (!job->outbox)
        (void)luaL_error(L, "out of memory");
    return job->outbox;
}

/* ---- Arguments ---- */

static int unknown_endpoint(lua_State *L, const char *name)
{
    const struct registry *registry = script_of(L)->generation->registry;
    const char *known[NAMES_COMPARED_MAX];
    size_t count = 0;
    for (size_t i = 0; i < registry->endpoint_count && count < NAMES_COMPARED_MAX; i++)
        known[count++] = registry->endpoints[i].name;
    const char *nearest = text_nearest(slice_str(name), known, count);
    return luaL_error(L,
                      nearest ? "unknown endpoint '%s'; did you mean '%s'?"
                              : "unknown endpoint '%s': register it with anzol.endpoint",
                      name, nearest);
}

/* The name on top. */
static void add_target(lua_State *L, struct send *send)
{
    if (lua_type(L, -1) != LUA_TSTRING)
        (void)luaL_error(L, "%s takes the name of an endpoint or a list of names, got %s",
                         send->what, luaL_typename(L, -1));
    const char *name = lua_tostring(L, -1);
    script_push_ref(L, script_of(L), REF_ENDPOINTS);
    lua_pushvalue(L, -2);
    lua_rawget(L, -2);
    const struct endpoint_spec *endpoint = lua_touserdata(L, -1);
    if (!endpoint)
        (void)unknown_endpoint(L, name);
    lua_pop(L, 2);
    for (size_t i = 0; i < send->target_count; i++)
        if (send->targets[i] == endpoint)
            return;
    if (send->target_count >= LIMIT_DELIVERIES_PER_RUN)
        (void)luaL_error(L, "a run may make at most %d deliveries", LIMIT_DELIVERIES_PER_RUN);
    send->targets[send->target_count++] = endpoint;
}

static void read_targets(lua_State *L, struct send *send)
{
    if (lua_type(L, 2) != LUA_TTABLE) {
        lua_pushvalue(L, 2);
        add_target(L, send);
        lua_pop(L, 1);
        return;
    }
    const size_t count = lua_rawlen(L, 2);
    if (count == 0)
        (void)luaL_error(L, "%s got an empty list of endpoints", send->what);
    for (size_t i = 1; i <= count; i++) {
        lua_rawgeti(L, 2, (lua_Integer)i);
        add_target(L, send);
        lua_pop(L, 1);
    }
}

struct slice option_check_key(lua_State *L, const struct options *options)
{
    const struct slice key = slice_str(option_check_text(L, options, "idempotency_key", ""));
    if (key.len > LIMIT_KEY_BYTES)
        (void)luaL_error(L, "option 'idempotency_key' of %s is longer than %d bytes", options->what,
                         LIMIT_KEY_BYTES);
    return key;
}

static void read_options(lua_State *L, struct send *send)
{
    if (lua_isnil(L, 4))
        return;
    const struct options options = {.index = 4, .what = send->what};
    options_check_names(L, &options, option_names, NULL);
    const struct range range_ms = {0, DELAY_MS_MAX};
    send->delay_ms = option_check_time(L, &options, "delay", range_ms, 0);
    const int64_t expires_ms = option_check_time(L, &options, "expires", range_ms, 0);
    if (expires_ms > 0 && expires_ms <= send->delay_ms)
        (void)luaL_error(L,
                         "option 'expires' of %s is over before its 'delay': give it more time, "
                         "both count from now",
                         send->what);
    send->priority = (int)option_check_integer(L, &options, "priority",
                                               (struct range){-LIMIT_PRIORITY, LIMIT_PRIORITY}, 0);
    if (expires_ms > 0)
        send->expires_ms = clock_due_ms() + expires_ms;
    send->key = option_check_key(L, &options);
}

/* ---- Effects ---- */

static struct message *find_keyed(const struct job *job, struct slice key)
{
    for (size_t i = 0; i < job->keyed_count; i++)
        if (slice_equal(slice_of(job->keyed[i].key, job->keyed[i].len), key))
            return job->keyed[i].message;
    return NULL;
}

static bool keep_key(struct job *job, struct slice key, struct message *message)
{
    struct keyed_message *keyed = realloc(job->keyed, (job->keyed_count + 1) * sizeof *job->keyed);
    if (!keyed)
        return false;
    job->keyed = keyed;
    char *copy = strndup(key.data, key.len);
    if (!copy)
        return false;
    keyed[job->keyed_count++] =
        (struct keyed_message){.key = copy, .len = key.len, .message = message};
    return true;
}

static struct message *make_message(lua_State *L, const struct send *send,
                                    const struct message_text *text)
{
    struct job *job = send->job;
    struct outbox *outbox = job->outbox;
    struct event_view *view = send->view;
    const struct event *event = view->event;
    if (view->message_count >= view->ordinal_count)
        (void)luaL_error(L,
                         "this run may make at most %d messages (%d for each event, shared by its "
                         "subscriptions); send one message to several endpoints, or emit events",
                         (int)view->ordinal_count, LIMIT_MESSAGES_PER_EVENT);
    struct content *content = text->is_new ? message_content(text) : content_ref(event->content);
    const uint64_t id = event->id | (uint64_t)(view->first_ordinal + view->message_count);
    struct message *message =
        content ? message_create(id, text->type.len > 0 ? text->type : event->type, content,
                                 !text->is_new)
                : NULL;
    if (!message)
        content_unref(content);
    const bool is_kept = message && outbox_add_message(outbox, message) == OK;
    if (message && !is_kept)
        message_unref(message);
    if (!is_kept)
        (void)luaL_error(L, "out of memory");
    view->message_count++;
    message->expires_ms = send->expires_ms;
    message->trace = event->trace;
    return message;
}

static bool has_delivery(const struct outbox *outbox, const struct message *message,
                         const struct endpoint_spec *endpoint)
{
    for (size_t i = 0; i < outbox->delivery_count; i++)
        if (outbox->deliveries[i].endpoint == endpoint &&
            outbox->deliveries[i].delivery->message == message)
            return true;
    return false;
}

/* What the outbox held before this call: all that is left of it when the call fails. */
struct mark {
    struct event_view *view;
    struct outbox *outbox;
    size_t message_count;
    size_t delivery_count;
};

static void take_back(const struct mark *mark)
{
    if (mark->outbox->message_count > mark->message_count)
        mark->view->message_count--;
    outbox_cut(mark->outbox, mark->message_count, mark->delivery_count);
}

static int give_up(lua_State *L, const struct mark *mark, const char *why)
{
    take_back(mark);
    return luaL_error(L, "%s", why);
}

/* Asks the endpoint for the key of the message. */
static void read_order_key(lua_State *L, const struct mark *mark,
                           const struct endpoint_spec *endpoint, struct outbox_delivery *entry)
{
    struct order_key key;
    struct err err;
    if (script_order(script_of(L), endpoint, entry->delivery->message, &key, &err) != OK) {
        delivery_destroy(entry->delivery);
        take_back(mark);
        lua_pushlstring(L, err.text, strcspn(err.text, "\n"));
        (void)luaL_error(L, "order_by of endpoint '%s' failed: %s", endpoint->name,
                         lua_tostring(L, -1));
    }
    if (!key.is_set)
        return;
    entry->order_key = slice_of(must_copy(key.data, key.len), key.len);
    entry->delivery->is_ordered = true;
}

static void add_deliveries(lua_State *L, const struct send *send, struct message *message,
                           const struct mark *mark)
{
    struct outbox *outbox = mark->outbox;
    const bool is_repeat = outbox->message_count == mark->message_count;
    const size_t own_count = outbox->delivery_count - send->job->published_count;
    if (own_count + send->target_count > LIMIT_DELIVERIES_PER_RUN)
        (void)luaL_error(L, "a run may make at most %d deliveries", LIMIT_DELIVERIES_PER_RUN);
    for (size_t i = 0; i < send->target_count; i++) {
        const struct endpoint_spec *endpoint = send->targets[i];
        if (is_repeat && has_delivery(outbox, message, endpoint))
            continue;
        struct outbox_delivery entry = {
            .endpoint = endpoint,
            .delivery = delivery_create(endpoint->id, message_ref(message)),
            .delay_ms = send->delay_ms,
        };
        if (!entry.delivery) {
            message_unref(message);
            (void)give_up(L, mark, "out of memory");
        }
        entry.delivery->priority = send->priority;
        read_order_key(L, mark, endpoint, &entry);
        if (outbox_add_delivery(outbox, &entry) != OK) {
            delivery_destroy(entry.delivery);
            free((char *)(uintptr_t)entry.order_key.data);
            (void)give_up(L, mark, "out of memory");
        }
    }
}

int l_event_send(lua_State *L)
{
    struct send send = {.view = event_check_run(L, "send")};
    send.job = send.view->job;
    lua_settop(L, 4);
    send.what = lua_pushfstring(L, "%s:send", send.view->noun);
    step_check_outside(L, send.what);
    read_targets(L, &send);
    read_options(L, &send);
    struct outbox *outbox = job_outbox(L, send.job);
    const struct mark mark = {send.view, outbox, outbox->message_count, outbox->delivery_count};
    struct message *message = send.key.len > 0 ? find_keyed(send.job, send.key) : NULL;
    if (!message) {
        struct message_text text;
        if (lua_type(L, 3) != LUA_TNIL && lua_type(L, 3) != LUA_TTABLE)
            return luaL_error(L,
                              "the message of %s is a table { json = … }, or nil for the received "
                              "bytes, got %s",
                              send.what, luaL_typename(L, 3));
        message_check(L, 3, send.view->event->content, &text);
        message = make_message(L, &send, &text);
    }
    add_deliveries(L, &send, message, &mark);
    if (send.key.len > 0 && outbox->message_count > mark.message_count &&
        !keep_key(send.job, send.key, message))
        return give_up(L, &mark, "out of memory");
    char id[ID_TEXT_BYTES];
    id_format(ID_MESSAGE, message->id, id);
    lua_pushstring(L, id);
    return 1;
}
