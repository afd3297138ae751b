/* SPDX-License-Identifier: MIT */
/* A delivery: what an attempt of it would send, and what its answer means. */
#include "testing/testing_int.h"

#include "base/clock.h"
#include "base/limits.h"

#include <stdlib.h>

#define DELIVERY "anzol.testing.delivery"
#define TOKEN "test-token" /* what any endpoint with OAuth 2 gets */
#define NS_PER_MS INT64_C(1000000)

struct held_delivery {
    struct project *project; /* alive: the object's user value holds it */
    const struct endpoint_spec *endpoint;
    struct registry *registered; /* owned reference, with the endpoint; NULL: the scripts have it */
    struct delivery *delivery;   /* owned */
    struct pace_mark mark;       /* of the attempt under way */
};

static struct pace *pace_of(struct project *project, const struct endpoint_spec *endpoint)
{
    return endpoint->membership
               ? registered_pace_of(project, endpoint->id)
               : &project->paces[endpoint - script_registry(project->script)->endpoints];
}

void delivery_handle_push(lua_State *L, struct project *project,
                          const struct endpoint_spec *endpoint, struct registry *registered,
                          struct delivery *delivery)
{
    struct held_delivery *held = lua_newuserdatauv(L, sizeof *held, 1);
    *held = (struct held_delivery){
        .project = project, .endpoint = endpoint, .registered = registered, .delivery = delivery};
    luaL_setmetatable(L, DELIVERY);
    project_push(L, project);
    lua_setiuservalue(L, -2, 1);
}

static struct held_delivery *check_held(lua_State *L)
{
    struct held_delivery *held = luaL_checkudata(L, 1, DELIVERY);
    project_enter(L, held->project);
    return held;
}

const struct delivery *delivery_handle_check(lua_State *L, int index,
                                             const struct endpoint_spec **endpoint)
{
    const struct held_delivery *held = luaL_checkudata(L, index, DELIVERY);
    *endpoint = held->endpoint;
    return held->delivery;
}

static int tell(lua_State *L, const char *what, const char *why)
{
    lua_pushstring(L, what);
    lua_pushstring(L, why);
    return 2;
}

/* fields() -> { id, message_id, event_id, endpoint, type, priority } */
static int l_fields(lua_State *L)
{
    const struct held_delivery *held = check_held(L);
    const struct message *message = held->delivery->message;
    lua_createtable(L, 0, 8);
    set_id(L, "id", ID_DELIVERY, held->delivery->id);
    set_id(L, "message_id", ID_MESSAGE, message->id);
    set_id(L, "event_id", ID_EVENT, id_event_of(message->id));
    set_text(L, "endpoint", held->endpoint->name);
    set_slice(L, "type", message->type);
    set_integer(L, "priority", held->delivery->priority);
    if (message->expires_ms > 0)
        set_integer(L, "expires_ms", message->expires_ms);
    return 1;
}

/* ---- Before an attempt ---- */

/* An endpoint of an application may have been changed since. */
static void renew(struct held_delivery *held)
{
    struct registry *newest =
        held->registered ? directory_get(held->project->directory, held->endpoint->id) : NULL;
    if (!newest)
        return;
    registry_unref(held->registered);
    held->registered = newest;
    held->endpoint = &newest->endpoints[0];
}

static enum status transform(const struct held_delivery *held, struct outgoing *outgoing,
                             struct err *err)
{
    struct outgoing_parts parts = {0};
    const enum status status = script_transform(held->project->script, held->endpoint,
                                                held->delivery->message, &parts, err);
    if (status != OK)
        return status;
    outgoing->is_skipped = parts.is_skipped;
    (void)snprintf(outgoing->reason, sizeof outgoing->reason, "%s", parts.reason);
    if (parts.content) {
        outgoing->replaced = parts.content;
        outgoing->head = content_head(parts.content);
        outgoing->body = content_body(parts.content);
    }
    return OK;
}

static enum status push_request(lua_State *L, const struct held_delivery *held,
                                const struct outgoing *outgoing, struct err *err)
{
    const struct message *message = held->delivery->message;
    struct buf *url = &held->project->text;
    struct outgoing_request request;
    buf_clear(url);
    enum status status = outgoing_make(held->endpoint, message, outgoing, &request, err);
    if (status == OK)
        status = outgoing_add_url(held->endpoint, message, outgoing, url, err);
    if (status == OK) {
        lua_createtable(L, 0, 5);
        set_slice(L, "url", buf_slice(url));
        set_slice(L, "method", request.method);
        set_head(L, "headers", buf_slice(&request.head));
        set_slice(L, "body", request.plain_body);
        if (request.compressed.len > 0)
            set_slice(L, "raw_body", request.body);
    }
    outgoing_request_finish(&request);
    return status;
}

/* What the receiver of a queue is told. */
static int push_message(lua_State *L, const struct message *message)
{
    lua_pushliteral(L, "message");
    lua_createtable(L, 0, 2);
    set_head(L, "headers", content_head(message->content));
    set_slice(L, "body", content_body(message->content));
    return 2;
}

/* prepare() -> "request", { url, method, headers, body, raw_body? } | "failed", why (an attempt
 * without an exchange) | "cancelled", why | "expired", why | "message", { headers, body }: to be
 * taken from a queue */
static int l_prepare(lua_State *L)
{
    struct held_delivery *held = check_held(L);
    renew(held);
    struct delivery *delivery = held->delivery;
    const struct message *message = delivery->message;
    struct outgoing outgoing = {.head = content_head(message->content),
                                .body = content_body(message->content)};
    if (held->endpoint->oauth)
        outgoing.token = slice_str(TOKEN);
    struct err err = {0};
    if (message_is_expired(message, clock_due_ms())) {
        machine_move(delivery_states, &delivery->state, DELIVERY_DEAD);
        return tell(L, "expired", EXPIRED_REASON);
    }
    machine_move(delivery_states, &delivery->state, DELIVERY_IN_FLIGHT);
    if (held->endpoint->queue)
        return push_message(L, message);
    enum status status = transform(held, &outgoing, &err);
    if (status == OK && outgoing.is_skipped) {
        machine_move(delivery_states, &delivery->state, DELIVERY_PENDING);
        machine_move(delivery_states, &delivery->state, DELIVERY_CANCELLED);
        return tell(L, "cancelled", outgoing.reason);
    }
    lua_pushliteral(L, "request");
    if (status == OK)
        status = push_request(L, held, &outgoing, &err);
    content_unref(outgoing.replaced);
    held->mark = status == OK ? pace_start(pace_of(held->project, held->endpoint), clock_mono_ms())
                              : (struct pace_mark){0};
    return status == OK ? 2 : tell(L, "failed", err.text);
}

/* ---- After it ---- */

enum attempt_error attempt_error_check(lua_State *L, struct slice name)
{
    if (name.len == 0)
        return ATTEMPT_OK;
    for (unsigned i = 1; i < ATTEMPT_ERROR_COUNT; i++)
        if (slice_is(name, attempt_error_name((enum attempt_error)i)))
            return (enum attempt_error)i;
    (void)luaL_error(L, "no such error of an attempt: '%s'", name.data);
    return ATTEMPT_OK;
}

static bool is_success(const struct held_delivery *held, const struct attempt *attempt)
{
    if (attempt->error != ATTEMPT_OK || held->endpoint->queue)
        return attempt->error == ATTEMPT_OK;
    return script_success(held->project->script, held->endpoint, attempt->status);
}

static struct retry_decision ask_policy(const struct held_delivery *held,
                                        const struct attempt *attempt, bool succeeded)
{
    const int64_t age_ms = clock_due_ms() - held->delivery->created_ms;
    struct retry_answer answer = {.is_default = true};
    if (decision_asks_policy(attempt, succeeded))
        script_retry(held->project->script, held->endpoint, attempt, held->delivery, age_ms,
                     &answer);
    struct retry_decision retry = {.verdict = answer.is_default ? RETRY_DEFAULT
                                              : answer.is_stop  ? RETRY_STOP
                                                                : RETRY_AFTER,
                                   .delay_ms = answer.delay_ms};
    (void)snprintf(retry.reason, sizeof retry.reason, "%s", answer.reason);
    return retry;
}

static void decide(const struct held_delivery *held, const struct attempt *attempt,
                   struct decision *decision)
{
    const int64_t age_ms = delivery_age_ms(held->delivery, clock_due_ms());
    const int64_t expires_ms = held->delivery->message->expires_ms;
    const bool succeeded = is_success(held, attempt);
    const struct retry_decision retry = ask_policy(held, attempt, succeeded);
    decision_make(
        &(struct decision_input){.endpoint = held->endpoint,
                                 .attempt = attempt,
                                 .is_success = succeeded,
                                 .retry = &retry,
                                 .age_ms = age_ms,
                                 .fresh_attempts = held->delivery->fresh_attempts,
                                 .expires_in_ms = expires_ms ? expires_ms - clock_due_ms() : 0,
                                 .random = random_unit()},
        decision);
    machine_move(delivery_states, &held->delivery->state, decision->state);
    held->delivery->previous_delay_ms = decision->delay_ms;
}

/* conclude { status? | error?, headers, body, detail, duration_ms } -> { state, delay_ms, reason,
 * is_disabling, number, retry_after_ms? } */
static int l_conclude(lua_State *L)
{
    struct held_delivery *held = check_held(L);
    luaL_checktype(L, 2, LUA_TTABLE);
    luaL_argcheck(L, held->delivery->state == DELIVERY_IN_FLIGHT, 1, "no attempt is under way");
    const struct slice error = field_text(L, 2, "error");
    struct attempt attempt = {
        .number = held->delivery->attempts + 1,
        .duration_ms = field_integer(L, 2, "duration_ms", 0),
        .started_ms = clock_now_ms(),
        .status = (int)field_integer(L, 2, "status", 0),
        .error = attempt_error_check(L, error),
        .body = field_text(L, 2, "body"),
        .detail = field_text(L, 2, "detail").data,
    };
    struct buf head;
    buf_init(&head, LIMIT_ANSWER_HEADERS_BYTES);
    const bool has_room = field_head(L, 2, &head);
    attempt.head = buf_slice(&head);
    attempt.retry_after_ms = answer_retry_after_ms(attempt.head);
    struct decision decision;
    held->delivery->attempts++;
    decide(held, &attempt, &decision);
    (void)pace_end(pace_of(held->project, held->endpoint), held->endpoint, &held->mark, &attempt,
                   decision.state == DELIVERY_SUCCEEDED, clock_mono_ms());
    buf_finish(&head);
    luaL_argcheck(L, has_room, 2, "the answer's headers are too large");
    lua_createtable(L, 0, 6);
    set_text(L, "state", delivery_state_name(decision.state));
    set_integer(L, "delay_ms", decision.delay_ms);
    set_bool(L, "is_disabling", decision.is_disabling);
    set_integer(L, "number", attempt.number);
    if (decision.reason[0])
        set_text(L, "reason", decision.reason);
    if (attempt.retry_after_ms >= 0)
        set_integer(L, "retry_after_ms", attempt.retry_after_ms);
    return 1;
}

/* news(kind "dead" | "succeeded" | "disabled", depth of its event, reason, { status?, error?,
 * headers?, body? } | nil: there was no attempt) -> the event that scripts are told with | nil:
 * none asks, or the chain is too deep */
static int l_news(lua_State *L)
{
    static const char *const kinds[] = {
        [SENDER_DELIVERY_DEAD] = "dead",
        [SENDER_DELIVERY_SUCCEEDED] = "succeeded",
        [SENDER_ENDPOINT_DISABLED] = "disabled",
        NULL,
    };
    const struct held_delivery *held = check_held(L);
    const lua_Integer depth = luaL_checkinteger(L, 3);
    struct attempt attempt = {.head = slice_str(""), .body = slice_str("")};
    struct buf head;
    buf_init(&head, LIMIT_ANSWER_HEADERS_BYTES);
    const bool has_attempt = lua_istable(L, 5);
    if (has_attempt) {
        const struct slice error = field_text(L, 5, "error");
        attempt.status = (int)field_integer(L, 5, "status", 0);
        attempt.error = attempt_error_check(L, error);
        attempt.body = field_text(L, 5, "body");
        (void)field_head(L, 5, &head);
        attempt.head = buf_slice(&head);
    }
    const struct sender_news news = {
        .kind = (enum sender_news_kind)luaL_checkoption(L, 2, NULL, kinds),
        .endpoint = held->endpoint,
        .delivery = held->delivery,
        .attempt = has_attempt ? &attempt : NULL,
        .reason = luaL_checkstring(L, 4),
    };
    struct event *event = depth < LIMIT_CHAIN_DEPTH
                              ? sender_news_event(script_registry(held->project->script), &news)
                              : NULL;
    buf_finish(&head);
    return event ? project_push_meta(L, held->project, event, (uint32_t)depth + 1) : 0;
}

static int l_gc(lua_State *L)
{
    struct held_delivery *held = luaL_checkudata(L, 1, DELIVERY);
    delivery_destroy(held->delivery);
    registry_unref(held->registered);
    held->registered = NULL;
    held->delivery = NULL;
    return 0;
}

/* give_back() -> the state it waits in: a lease that was returned as if it had not been given. */
static int l_give_back(lua_State *L)
{
    struct held_delivery *held = check_held(L);
    struct delivery *delivery = held->delivery;
    luaL_argcheck(L, held->endpoint->queue && delivery->state == DELIVERY_IN_FLIGHT, 1,
                  "no lease is open");
    machine_move(delivery_states, &delivery->state,
                 delivery->attempts > 0 ? DELIVERY_RETRYING : DELIVERY_PENDING);
    lua_pushstring(L, delivery_state_name(delivery->state));
    return 1;
}

/* again(): a fresh chance. */
static int l_again(lua_State *L)
{
    struct delivery *delivery = check_held(L)->delivery;
    delivery->state = DELIVERY_PENDING; /* as the store does: no machine knows that way */
    delivery->fresh_ms = clock_due_ms();
    delivery->fresh_attempts = delivery->attempts;
    return 0;
}

/* The same content under another id. */
static struct message *copy_message(const struct message *message, uint64_t id)
{
    struct message *copy =
        message_create(id, message->type, content_ref(message->content), message->is_forwarded);
    check(copy != NULL);
    copy->trace = message->trace;
    return copy;
}

/* copy(ordinal?) -> one more delivery of the same message, or with an ordinal of a message that is
 * like it and has that place among those of its event. */
static int l_copy(lua_State *L)
{
    const struct held_delivery *held = check_held(L);
    struct message *message = held->delivery->message;
    const lua_Integer ordinal = luaL_optinteger(L, 2, 0);
    struct delivery *copy = delivery_create(
        held->delivery->endpoint,
        ordinal > 0 ? copy_message(message, id_event_of(message->id) | (uint64_t)ordinal)
                    : message_ref(message));
    check(copy != NULL);
    copy->id = id_next_row(&held->project->last_row);
    copy->created_ms = held->project->now_ms;
    copy->priority = held->delivery->priority;
    delivery_handle_push(L, held->project, held->endpoint,
                         held->registered ? registry_ref(held->registered) : NULL, copy);
    return 1;
}

static const luaL_Reg methods[] = {{"again", l_again},         {"conclude", l_conclude},
                                   {"copy", l_copy},           {"fields", l_fields},
                                   {"give_back", l_give_back}, {"news", l_news},
                                   {"prepare", l_prepare},     {NULL, NULL}};

void delivery_handle_open(lua_State *L)
{
    luaL_newmetatable(L, DELIVERY);
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, l_gc);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
}

/* ---- By the name of its endpoint --------------------------------------------------------------
 */

/* The endpoint at index 2; *registered: a reference to what it is of, or NULL. */
static const struct endpoint_spec *check_endpoint(lua_State *L, const struct project *project,
                                                  struct registry **registered)
{
    const char *name = luaL_checkstring(L, 2);
    *registered = registered_find(project, name);
    const struct endpoint_spec *endpoint =
        *registered ? &(*registered)->endpoints[0]
                    : registry_endpoint(script_registry(project->script), slice_str(name));
    luaL_argcheck(L, endpoint, 2, "no such endpoint");
    return endpoint;
}

/* forgive(endpoint): it was enabled anew, what it did before counts no more. */
int l_project_forgive(lua_State *L)
{
    struct project *project = project_check(L);
    struct registry *registered;
    pace_forgive(pace_of(project, check_endpoint(L, project, &registered)));
    registry_unref(registered);
    return 0;
}

/* pace_wait(endpoint) -> nil: an attempt may start now (its token was taken) | ms to wait | -1: one
 * that is under way has to end first */
int l_project_pace_wait(lua_State *L)
{
    struct project *project = project_check(L);
    struct registry *registered;
    const struct endpoint_spec *endpoint = check_endpoint(L, project, &registered);
    int64_t wait_ms;
    const bool may_start =
        pace_take(pace_of(project, endpoint), endpoint, clock_mono_ms() * NS_PER_MS, &wait_ms);
    registry_unref(registered);
    if (may_start)
        return 0;
    lua_pushinteger(L, wait_ms);
    return 1;
}
