/* SPDX-License-Identifier: MIT */
/* The endpoint's own hooks: order_by of a message, transform before an attempt, success and retry
 * behind it. None waits. */
#include "script/bind_int.h"
#include "script/fields.h"

#include <math.h>
#include <stdlib.h>

#define DELAY_S_MAX (366.0 * 86400)

static struct subject subject_of(const struct endpoint_spec *endpoint)
{
    return (struct subject){.kind = "endpoint", .name = endpoint->name, .place = endpoint->script};
}

static void push_function(lua_State *L, int number)
{
    script_push_ref(L, script_of(L), REF_FUNCTIONS);
    lua_rawgeti(L, -1, number);
    lua_remove(L, -2);
}

/* ---- transform ---- */

struct transform {
    int function;
    const struct message *message;
    struct outgoing_parts *parts;
};

static int l_transform(lua_State *L)
{
    struct transform *transform = lua_touserdata(L, 1);
    struct outgoing_parts *parts = transform->parts;
    message_push(L, transform->message); /* 2: what the script gets */
    message_push(L, transform->message); /* 3: to compare with */
    push_function(L, transform->function);
    lua_pushvalue(L, 2);
    lua_call(L, 1, 1);
    const struct verdict *verdict = object_test(L, 4, &verdict_kind);
    if (verdict && verdict->kind == VERDICT_SKIP) {
        parts->is_skipped = true;
        (void)snprintf(parts->reason, sizeof parts->reason, "%s", verdict->reason);
        return 0;
    }
    if (lua_isnil(L, 4)) /* changed in place, or not at all */
        lua_copy(L, 2, 4);
    struct message_text text;
    message_check_changes(L, 4, 3, &text);
    if (!text.is_new)
        return 0;
    parts->content = message_content(&text);
    if (!parts->content)
        return luaL_error(L, "out of memory");
    return 0;
}

/* The one that the endpoint's metadata names. */
static enum status find_named(struct script *script, const struct endpoint_spec *endpoint,
                              int *function, struct subject *subject, struct err *err)
{
    const char *name = endpoint->membership->transform;
    const struct transform_spec *spec = registry_transform(script_registry(script), name);
    if (!spec)
        return err_set(err, E_NOTFOUND,
                       "the metadata of the endpoint says transform \"%.128s\", which no script "
                       "registers: anzol.transform(name, fn)",
                       name);
    *function = spec->function;
    subject->place = spec->script;
    return OK;
}

enum status script_transform(struct script *script, const struct endpoint_spec *endpoint,
                             const struct message *message, struct outgoing_parts *parts,
                             struct err *err)
{
    struct subject subject = subject_of(endpoint);
    struct transform transform = {
        .function = endpoint->transform_function, .message = message, .parts = parts};
    struct context context;
    *parts = (struct outgoing_parts){0};
    if (endpoint->membership && endpoint->membership->transform) {
        const enum status found = find_named(script, endpoint, &transform.function, &subject, err);
        if (found != OK)
            return found;
    }
    if (transform.function == 0)
        return OK;
    context_init(&context, PHASE_TRANSFORM, 0);
    context.subject = subject;
    const enum status status = script_call(script, &context, l_transform, &transform, 0);
    if (status == OK)
        return OK;
    content_unref(parts->content);
    parts->content = NULL;
    return err_set(err, status, "%.*s", (int)script->text.len,
                   script->text.len ? script->text.data : "");
}

/* ---- order_by of an endpoint ---- */

struct order {
    const struct endpoint_spec *endpoint;
    const struct message *message;
    struct order_key *key;
};

static int l_order(lua_State *L)
{
    const struct order *order = lua_touserdata(L, 1);
    push_function(L, order->endpoint->order_function);
    message_push(L, order->message);
    lua_call(L, 1, 1);
    order_key_check(L, "order_by", order->key);
    return 0;
}

enum status script_order(struct script *script, const struct endpoint_spec *endpoint,
                         const struct message *message, struct order_key *key, struct err *err)
{
    key->is_set = false;
    if (endpoint->order_function == 0)
        return OK;
    struct order order = {.endpoint = endpoint, .message = message, .key = key};
    struct context context;
    context_init(&context, PHASE_ORDER, 0);
    context.subject = subject_of(endpoint);
    const enum status status = script_call(script, &context, l_order, &order, 0);
    return status == OK ? OK
                        : err_set(err, status, "%.*s", (int)script->text.len,
                                  script->text.len ? script->text.data : "");
}

/* ---- success ---- */

struct success {
    const struct endpoint_spec *endpoint;
    int status;
    bool is_success;
};

static int l_success(lua_State *L)
{
    struct success *success = lua_touserdata(L, 1);
    push_function(L, success->endpoint->success_function);
    lua_pushinteger(L, success->status);
    lua_call(L, 1, 1);
    if (!lua_isboolean(L, -1))
        return luaL_error(L, "success must return true or false, got %s", luaL_typename(L, -1));
    success->is_success = lua_toboolean(L, -1);
    return 0;
}

bool script_success(struct script *script, const struct endpoint_spec *endpoint, int status)
{
    struct success success = {.endpoint = endpoint, .status = status};
    struct context context;
    if (endpoint->success_function == 0)
        return status_is_success(status);
    context_init(&context, PHASE_SUCCESS, 0);
    context.subject = subject_of(endpoint);
    if (script_call(script, &context, l_success, &success, 0) == OK)
        return success.is_success;
    log_warn("success function failed, 2xx decides", "endpoint=%s error=\"%.*s\"", endpoint->name,
             (int)script->text.len, script->text.len ? script->text.data : "");
    return status_is_success(status);
}

/* ---- retry ---- */

struct retry {
    const struct endpoint_spec *endpoint;
    const struct attempt *attempt;
    const struct delivery *delivery;
    int64_t age_ms;
    struct retry_answer *answer;
};

static void set_seconds(lua_State *L, const char *name, int64_t ms)
{
    lua_pushnumber(L, (lua_Number)ms / 1000);
    lua_setfield(L, -2, name);
}

/* Header names in lower case; a name that comes again is joined. */
static void push_headers(lua_State *L, struct slice head)
{
    lua_newtable(L);
    struct field field;
    for (size_t offset = 0; head_next(head, &offset, &field);) {
        luaL_Buffer name;
        luaL_buffinitsize(L, &name, field.name.len);
        for (size_t i = 0; i < field.name.len; i++) {
            const char c = field.name.data[i];
            luaL_addchar(&name, c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c);
        }
        luaL_pushresult(&name);
        lua_pushvalue(L, -1);
        if (lua_rawget(L, -3) == LUA_TSTRING) {
            lua_pushliteral(L, ", ");
            lua_pushlstring(L, field.value.data, field.value.len);
            lua_concat(L, 3);
        } else {
            lua_pop(L, 1);
            lua_pushlstring(L, field.value.data, field.value.len);
        }
        lua_rawset(L, -3);
    }
}

static void push_attempt(lua_State *L, const struct attempt *attempt,
                         const struct delivery *delivery)
{
    lua_createtable(L, 0, 8);
    set_integer(L, "number", attempt->number);
    set_integer(L, "duration_ms", attempt->duration_ms);
    if (attempt->status > 0)
        set_integer(L, "status", attempt->status);
    if (attempt->error != ATTEMPT_OK)
        set_text(L, "error", attempt_error_name(attempt->error));
    if (attempt->retry_after_ms >= 0)
        set_seconds(L, "retry_after", attempt->retry_after_ms);
    if (delivery->previous_delay_ms > 0)
        set_seconds(L, "previous_delay", delivery->previous_delay_ms);
    push_headers(L, attempt->head);
    lua_setfield(L, -2, "headers");
    lua_pushlstring(L, attempt->body.data ? attempt->body.data : "", attempt->body.len);
    lua_setfield(L, -2, "body");
}

static void push_delivery(lua_State *L, const struct retry *retry)
{
    const struct delivery *delivery = retry->delivery;
    lua_createtable(L, 0, 7);
    set_id(L, "id", ID_DELIVERY, delivery->id);
    set_id(L, "message_id", ID_MESSAGE, delivery->message->id);
    set_id(L, "event_id", ID_EVENT, id_event_of(delivery->message->id));
    set_text(L, "endpoint", retry->endpoint->name);
    set_seconds(L, "age", retry->age_ms);
    set_integer(L, "attempts", retry->attempt->number);
    set_text(L, "state", delivery_state_name(delivery->state));
}

/* nil: the default; false, reason: stop; else a Duration. */
static int l_retry(lua_State *L)
{
    struct retry *retry = lua_touserdata(L, 1);
    struct retry_answer *answer = retry->answer;
    push_function(L, retry->endpoint->retry_function);
    push_attempt(L, retry->attempt, retry->delivery);
    push_delivery(L, retry);
    lua_call(L, 2, 2);
    const int type = lua_type(L, 2);
    if (type == LUA_TNIL)
        return 0;
    if (type == LUA_TBOOLEAN && !lua_toboolean(L, 2)) {
        (void)snprintf(answer->reason, sizeof answer->reason, "%s",
                       lua_type(L, 3) == LUA_TSTRING ? lua_tostring(L, 3) : "retry said stop");
        answer->is_stop = true;
    } else {
        answer->delay_ms = duration_check(L, 2, "what retry returns");
        if ((double)answer->delay_ms > DELAY_S_MAX * 1000)
            return luaL_error(L, "what retry returns is at most 366d");
    }
    answer->is_default = false;
    return 0;
}

void script_retry(struct script *script, const struct endpoint_spec *endpoint,
                  const struct attempt *attempt, const struct delivery *delivery, int64_t age_ms,
                  struct retry_answer *answer)
{
    *answer = (struct retry_answer){.is_default = true};
    if (endpoint->retry_function == 0)
        return;
    struct retry retry = {.endpoint = endpoint,
                          .attempt = attempt,
                          .delivery = delivery,
                          .age_ms = age_ms,
                          .answer = answer};
    struct context context;
    context_init(&context, PHASE_RETRY, 0);
    context.subject = subject_of(endpoint);
    if (script_call(script, &context, l_retry, &retry, 0) == OK)
        return;
    *answer = (struct retry_answer){.is_default = true};
    log_warn("retry function failed, the default policy is used", "endpoint=%s error=\"%.*s\"",
             endpoint->name, (int)script->text.len, script->text.len ? script->text.data : "");
}
