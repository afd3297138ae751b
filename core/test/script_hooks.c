/* SPDX-License-Identifier: MIT */
/* The hooks of a project, each driven as the server drives it. */
#include "script_project_int.h"

#include "base/limits.h"

#include <stdlib.h>

/* ---- Results into Lua ---- */

static void push_id(lua_State *L, enum id_kind kind, uint64_t id)
{
    char text[ID_TEXT_BYTES];
    id_format(kind, id, text);
    lua_pushstring(L, text);
}

static void push_message(lua_State *L, const struct message *message)
{
    lua_newtable(L);
    push_id(L, ID_MESSAGE, message->id);
    lua_setfield(L, -2, "id");
    set_integer(L, "ordinal", id_ordinal(message->id));
    set_slice(L, "type", message->type);
    set_slice(L, "body", content_body(message->content));
    push_head(L, content_head(message->content));
    lua_setfield(L, -2, "head");
    set_bool(L, "is_forwarded", message->is_forwarded);
    set_integer(L, "expires_ms", message->expires_ms);
}

static void push_deliveries(lua_State *L, const struct outbox *outbox)
{
    lua_newtable(L);
    for (size_t i = 0; i < outbox->delivery_count; i++) {
        const struct outbox_delivery *entry = &outbox->deliveries[i];
        lua_newtable(L);
        set_text(L, "endpoint", entry->endpoint->name);
        set_integer(L, "delay_ms", entry->delay_ms);
        push_id(L, ID_MESSAGE, entry->delivery->message->id);
        lua_setfield(L, -2, "message");
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
}

static void push_emits(lua_State *L, const struct outbox *outbox)
{
    lua_newtable(L);
    for (size_t i = 0; i < outbox->emit_count; i++) {
        const struct event *event = outbox->emits[i];
        lua_newtable(L);
        push_id(L, ID_EVENT, event->id);
        lua_setfield(L, -2, "id");
        set_slice(L, "type", event->type);
        set_slice(L, "source", event->source);
        set_slice(L, "key", event->key);
        set_integer(L, "depth", event->depth);
        set_slice(L, "body", content_body(event->content));
        push_id(L, ID_EVENT, event->parent);
        lua_setfield(L, -2, "parent");
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
}

static void set_outbox(lua_State *L, const struct outbox *outbox)
{
    lua_newtable(L);
    for (size_t i = 0; i < outbox->message_count; i++) {
        push_message(L, outbox->messages[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_setfield(L, -2, "messages");
    push_deliveries(L, outbox);
    lua_setfield(L, -2, "deliveries");
    push_emits(L, outbox);
    lua_setfield(L, -2, "emits");
}

/* ---- Runs ---- */

struct waiting_run {
    lua_State *L;
    struct project *project;
    struct event *event;
    int result; /* reference of the table to fill */
};

static void on_done(const struct job_result *result, void *ctx)
{
    static const char *const names[] = {"handled", "skipped", "retry_later", "failed", "cancelled"};
    static const struct outbox nothing;
    struct waiting_run *waiting = ctx;
    lua_State *L = waiting->L;
    lua_rawgeti(L, LUA_REGISTRYINDEX, waiting->result);
    set_text(L, "outcome", names[result->outcome]);
    set_text(L, "text", result->text);
    set_integer(L, "delay_ms", result->delay_ms);
    set_bool(L, "has_delay", result->has_delay);
    set_bool(L, "is_timeout", result->is_timeout);
    set_integer(L, "items", result->items);
    set_integer(L, "retry_after_ms", result->load.retry_after_ms);
    set_integer(L, "max_age_ms", result->load.max_age_ms);
    set_integer(L, "rate_ms", result->load.rate_ms);
    set_bool(L, "is_busy", result->load.is_busy);
    set_integer(L, "cpu_ns", result->cpu_ns);
    set_outbox(L, result->outbox ? result->outbox : &nothing);
    lua_pop(L, 1);
    if (result->outbox)
        outbox_finish(result->outbox);
    free(result->outbox);
    event_unref(result->event);
    event_unref(waiting->event);
    luaL_unref(L, LUA_REGISTRYINDEX, waiting->result);
    waiting->project->open_count--;
    free(waiting);
}

static struct slice field_slice(lua_State *L, int index, const char *name, const char *fallback)
{
    struct slice text;
    lua_getfield(L, index, name);
    text.data = luaL_optlstring(L, -1, fallback, &text.len);
    lua_pop(L, 1); /* the table holds it */
    return text;
}

static lua_Integer field_integer(lua_State *L, int index, const char *name, lua_Integer fallback)
{
    lua_getfield(L, index, name);
    const lua_Integer value = luaL_optinteger(L, -1, fallback);
    lua_pop(L, 1);
    return value;
}

struct event *read_event(lua_State *L, int index)
{
    struct buf head;
    lua_getfield(L, index, "headers");
    read_head(L, -1, &head);
    lua_pop(L, 1);
    const struct slice body = field_slice(L, index, "body", "{}");
    struct content *content = content_create(buf_slice(&head), body.len);
    buf_finish(&head);
    check(content && content_append(&content, body.data, body.len, body.len) == OK);
    struct event *event = event_create(&(struct event_options){
        .source = field_slice(L, index, "source", "src"),
        .type = field_slice(L, index, "type", "test.event"),
        .key = field_slice(L, index, "key", ""),
        .content = content,
        .parent = (uint64_t)field_integer(L, index, "parent", 0),
        .depth = (uint32_t)field_integer(L, index, "depth", 0),
        .received_ms = field_integer(L, index, "received_ms", 1767225600000),
    });
    check(event != NULL);
    event->id = (uint64_t)field_integer(L, index, "id", INT64_C(1) << 32);
    return event;
}

/* start(subscription, event, { first?, count? }) -> result, filled when the run ends */
int l_project_start(lua_State *L)
{
    struct project *project = project_check(L);
    const struct slice name = slice_str(luaL_checkstring(L, 2));
    luaL_checktype(L, 3, LUA_TTABLE);
    lua_settop(L, 4);
    if (lua_isnil(L, 4)) {
        lua_newtable(L);
        lua_replace(L, 4);
    }
    const struct subscription_spec *subscription =
        registry_subscription(script_registry(project->script), name);
    luaL_argcheck(L, subscription, 2, "no such subscription");
    struct waiting_run *waiting = calloc(1, sizeof *waiting);
    check(waiting != NULL);
    lua_newtable(L);
    lua_pushvalue(L, -1);
    *waiting = (struct waiting_run){.L = L,
                                    .project = project,
                                    .event = read_event(L, 3),
                                    .result = luaL_ref(L, LUA_REGISTRYINDEX)};
    project->open_count++;
    const struct run_options options = {
        .subscription = subscription,
        .own = {waiting->event, (uint8_t)field_integer(L, 4, "first", 1),
                (uint8_t)field_integer(L, 4, "count", 254)},
        .run_number = (uint32_t)field_integer(L, 4, "number", 1),
    };
    script_run(project->script, &options, on_done, waiting);
    return 1;
}

/* run(…): start and wait for the end. */
int l_project_run(lua_State *L)
{
    struct project *project = project_check(L);
    (void)l_project_start(L);
    while (project->open_count > 0)
        (void)uv_run(&project->loop, UV_RUN_ONCE);
    return 1;
}

/* tick(kind, name, { scheduled_ms?, previous_ms?, number?, id?, type?, data? }) -> result of the
 * run of a routine, as of run, with items */
int l_project_tick(lua_State *L)
{
    static const char *const kinds[] = {"cron", "every", "poll", "sse", NULL};
    struct project *project = project_check(L);
    const enum routine_kind kind = (enum routine_kind)luaL_checkoption(L, 2, NULL, kinds);
    const struct routine_spec *routine =
        registry_routine(script_registry(project->script), kind, slice_str(luaL_checkstring(L, 3)));
    luaL_argcheck(L, routine, 3, "no such routine");
    lua_settop(L, 4);
    if (lua_isnil(L, 4)) {
        lua_newtable(L);
        lua_replace(L, 4);
    }
    struct waiting_run *waiting = calloc(1, sizeof *waiting);
    check(waiting != NULL);
    lua_newtable(L);
    lua_pushvalue(L, -1);
    *waiting =
        (struct waiting_run){.L = L, .project = project, .result = luaL_ref(L, LUA_REGISTRYINDEX)};
    project->open_count++;
    const struct sse_message message = {
        .id = field_slice(L, 4, "id", ""),
        .type = field_slice(L, 4, "type", "message"),
        .data = field_slice(L, 4, "data", ""),
    };
    const struct tick_options options = {
        .routine = routine,
        .scheduled_ms = field_integer(L, 4, "scheduled_ms", 1767225600000),
        .previous_ms = field_integer(L, 4, "previous_ms", 0),
        .number = (uint32_t)field_integer(L, 4, "number", 1),
        .message = &message,
    };
    script_run_routine(project->script, &options, on_done, waiting);
    while (project->open_count > 0)
        (void)uv_run(&project->loop, UV_RUN_ONCE);
    return 1;
}

/* ---- Admission ---- */

struct waiting_admission {
    lua_State *L;
    struct project *project;
};

static void on_admitted(const struct admission *admission, void *ctx)
{
    static const char *const names[] = {
        [ADMIT_OK] = "ok",
        [ADMIT_UNVERIFIED] = "unverified",
        [ADMIT_MALFORMED] = "malformed",
        [ADMIT_TOO_LARGE] = "too_large",
        [ADMIT_ERROR] = "error",
        [ADMIT_UNTYPED] = "untyped",
        [ADMIT_ANSWERED] = "answered",
        [ADMIT_METHOD] = "method",
    };
    struct waiting_admission *waiting = ctx;
    lua_State *L = waiting->L;
    lua_newtable(L);
    set_text(L, "outcome", names[admission->outcome]);
    set_slice(L, "type", admission->type);
    set_slice(L, "key", admission->key);
    set_text(L, "reason", admission->reason);
    if (admission->answer) {
        lua_newtable(L);
        set_integer(L, "status", admission->answer->status);
        set_bool(L, "is_stored", admission->answer->is_stored);
        set_slice(L, "body", buf_slice(&admission->answer->body));
        push_head(L, buf_slice(&admission->answer->head));
        lua_setfield(L, -2, "head");
        lua_setfield(L, -2, "answer");
        admit_answer_free(admission->answer);
    }
    waiting->project->open_count--;
}

/* admit(source, { headers, body, received_ms? }) -> { outcome, type, key, reason } */
int l_project_admit(lua_State *L)
{
    struct project *project = project_check(L);
    const struct slice name = slice_str(luaL_checkstring(L, 2));
    luaL_checktype(L, 3, LUA_TTABLE);
    lua_settop(L, 3);
    struct buf head;
    lua_getfield(L, 3, "headers");
    read_head(L, -1, &head);
    const struct admit_request request = {
        .source = registry_source(script_registry(project->script), name),
        .head = buf_slice(&head),
        .body = field_slice(L, 3, "body", ""),
        .received_ms = field_integer(L, 3, "received_ms", 1767225600000),
        .is_method_listed = field_integer(L, 3, "unlisted", 0) == 0,
    };
    luaL_argcheck(L, request.source, 2, "no such source");
    struct waiting_admission waiting = {L, project};
    project->open_count++;
    script_admit(project->script, &request, on_admitted, &waiting);
    while (project->open_count > 0)
        (void)uv_run(&project->loop, UV_RUN_ONCE);
    buf_finish(&head);
    return 1;
}

/* ---- anzol.init ---- */

struct waiting_init {
    lua_State *L;
    struct project *project;
    int result;
};

static void on_init(const char *problem, void *ctx)
{
    struct waiting_init *waiting = ctx;
    lua_State *L = waiting->L;
    lua_rawgeti(L, LUA_REGISTRYINDEX, waiting->result);
    set_bool(L, "is_done", true);
    set_text(L, "problem", problem);
    lua_pop(L, 1);
    luaL_unref(L, LUA_REGISTRYINDEX, waiting->result);
    waiting->project->open_count--;
    free(waiting);
}

/* init() -> result, filled when all of anzol.init ran: is_done, problem (nil: none) */
int l_project_init(lua_State *L)
{
    struct project *project = project_check(L);
    struct waiting_init *waiting = calloc(1, sizeof *waiting);
    check(waiting != NULL);
    lua_newtable(L);
    lua_pushvalue(L, -1);
    *waiting = (struct waiting_init){L, project, luaL_ref(L, LUA_REGISTRYINDEX)};
    project->open_count++;
    script_init(project->script, on_init, waiting);
    return 1;
}

/* ---- Endpoints ---- */

static const struct endpoint_spec *check_endpoint(lua_State *L, struct project *project)
{
    const struct endpoint_spec *endpoint =
        registry_endpoint(script_registry(project->script), slice_str(luaL_checkstring(L, 2)));
    luaL_argcheck(L, endpoint, 2, "no such endpoint");
    return endpoint;
}

struct message *read_message(lua_State *L, int index)
{
    struct event *event = read_event(L, index);
    struct message *message =
        message_create(event->id + 1, event->type, content_ref(event->content),
                       field_integer(L, index, "is_forwarded", 0) != 0);
    check(message != NULL);
    event_unref(event);
    return message;
}

/* transform(endpoint, { headers, body, type, is_forwarded = 1? }) -> { status, … } */
int l_project_transform(lua_State *L)
{
    struct project *project = project_check(L);
    const struct endpoint_spec *endpoint = check_endpoint(L, project);
    lua_settop(L, 3);
    struct message *message = read_message(L, 3);
    struct outgoing_parts parts;
    struct err err = {0};
    const enum status status = script_transform(project->script, endpoint, message, &parts, &err);
    lua_newtable(L);
    set_text(L, "status", status_name(status));
    set_text(L, "err", err.text);
    set_bool(L, "is_skipped", parts.is_skipped);
    set_text(L, "reason", parts.reason);
    if (parts.content) {
        set_slice(L, "body", content_body(parts.content));
        push_head(L, content_head(parts.content));
        lua_setfield(L, -2, "head");
    }
    content_unref(parts.content);
    message_unref(message);
    return 1;
}

/* success(endpoint, status) -> boolean */
int l_project_success(lua_State *L)
{
    struct project *project = project_check(L);
    const struct endpoint_spec *endpoint = check_endpoint(L, project);
    lua_pushboolean(L, script_success(project->script, endpoint, (int)luaL_checkinteger(L, 3)));
    return 1;
}

/* retry(endpoint, { number, status, error, retry_after_ms, body }, age_ms) -> answer */
int l_project_retry(lua_State *L)
{
    struct project *project = project_check(L);
    const struct endpoint_spec *endpoint = check_endpoint(L, project);
    luaL_checktype(L, 3, LUA_TTABLE);
    lua_settop(L, 4);
    lua_newtable(L);
    struct message *message = read_message(L, 5);
    struct delivery *delivery = delivery_create(1, message);
    check(delivery != NULL);
    delivery->id = 99;
    delivery->state = DELIVERY_IN_FLIGHT;
    delivery->previous_delay_ms = field_integer(L, 3, "previous_delay_ms", 0);
    struct buf head;
    lua_getfield(L, 3, "headers");
    read_head(L, -1, &head);
    const struct attempt attempt = {
        .number = (uint32_t)field_integer(L, 3, "number", 1),
        .duration_ms = 12,
        .status = (int)field_integer(L, 3, "status", 0),
        .error = (enum attempt_error)field_integer(L, 3, "error", 0),
        .retry_after_ms = field_integer(L, 3, "retry_after_ms", -1),
        .head = buf_slice(&head),
        .body = field_slice(L, 3, "body", ""),
        .detail = "",
    };
    struct retry_answer answer;
    script_retry(project->script, endpoint, &attempt, delivery, luaL_optinteger(L, 4, 0), &answer);
    lua_newtable(L);
    set_bool(L, "is_default", answer.is_default);
    set_bool(L, "is_stop", answer.is_stop);
    set_integer(L, "delay_ms", answer.delay_ms);
    set_text(L, "reason", answer.reason);
    buf_finish(&head);
    delivery_destroy(delivery);
    return 1;
}
