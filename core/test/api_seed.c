/* SPDX-License-Identifier: MIT */
/* What the specs of the API put into the store, by its own operations. The spec's thread makes an
 * operation and waits; the rig's loop submits it. */
#include "test/api_rig_int.h"

#include "base/clock.h"
#include "base/limits.h"

#include <lauxlib.h>
#include <stdlib.h>

#define HEAD_BYTES_MAX 65536
#define SUBSCRIPTION "sub"

static const char *const subscriptions[] = {SUBSCRIPTION};

static void on_done(struct store_op *op)
{
    command_done(op->ctx);
}

static void submit(struct rig *rig, struct command *command)
{
    struct store_op *op = command->data;
    op->on_done = on_done;
    op->ctx = command;
    if (store_submit(rig->store, rig->client, op) != OK) {
        op->status = E_BUSY;
        command_done(command);
    }
}

static void commit(lua_State *L, struct store_op *op)
{
    rig_do(rig_check(L), submit, op);
    if (op->status != OK)
        luaL_error(L, "the store says %s", status_name(op->status));
}

static const char *opt_text(lua_State *L, int index, const char *name, const char *otherwise)
{
    lua_getfield(L, index, name);
    const char *text = luaL_optstring(L, -1, otherwise); /* the table keeps it */
    lua_pop(L, 1);
    return text;
}

static struct slice opt_slice(lua_State *L, int index, const char *name, const char *otherwise)
{
    size_t len = 0;
    lua_getfield(L, index, name);
    const char *text = luaL_optlstring(L, -1, otherwise, &len);
    lua_pop(L, 1);
    return slice_of(text, len);
}

static lua_Integer opt_integer(lua_State *L, int index, const char *name, lua_Integer otherwise)
{
    lua_getfield(L, index, name);
    const lua_Integer number = luaL_optinteger(L, -1, otherwise);
    lua_pop(L, 1);
    return number;
}

/* The field `name`, a list of {name, value}, packed. */
static void read_head(lua_State *L, int index, const char *name, struct buf *head)
{
    buf_init(head, HEAD_BYTES_MAX);
    lua_getfield(L, index, name);
    const lua_Integer count = lua_istable(L, -1) ? luaL_len(L, -1) : 0;
    for (lua_Integer i = 1; i <= count; i++) {
        lua_geti(L, -1, i);
        lua_geti(L, -1, 1);
        lua_geti(L, -2, 2);
        check(head_add(head, slice_str(lua_tostring(L, -2)), slice_str(lua_tostring(L, -1))) == OK);
        lua_pop(L, 3);
    }
    lua_pop(L, 1);
}

static struct content *make_content(lua_State *L, int index)
{
    struct buf head;
    read_head(L, index, "head", &head);
    const struct slice body = opt_slice(L, index, "body", "");
    struct content *content = content_create(buf_slice(&head), body.len);
    check(content && content_append(&content, body.data, body.len, LIMIT_BODY_BYTES_HARD) == OK);
    buf_finish(&head);
    return content;
}

static void push_id(lua_State *L, enum id_kind kind, uint64_t id)
{
    char text[ID_TEXT_BYTES];
    id_format(kind, id, text);
    lua_pushstring(L, text);
}

static uint64_t check_id(lua_State *L, int index, enum id_kind kind)
{
    uint64_t id;
    luaL_argcheck(L, id_parse(kind, luaL_checkstring(L, index), &id), index, "not such an id");
    return id;
}

int l_ingest(lua_State *L)
{
    struct rig *rig = rig_check(L);
    luaL_checktype(L, 2, LUA_TTABLE);
    const struct event_options options = {
        .source = opt_slice(L, 2, "source", "github"),
        .type = opt_slice(L, 2, "type", "github.push"),
        .key = opt_slice(L, 2, "key", ""),
        .content = make_content(L, 2),
        .received_ms = opt_integer(L, 2, "received_ms", clock_now_ms()),
    };
    struct event *event = event_create(&options);
    check(event);
    event->id = store_next_event_id(rig->store, 7);
    struct store_ingest ingest = {.op.kind = STORE_INGEST, .event = event};
    commit(L, &ingest.op);
    push_id(L, ID_EVENT, event->id);
    event_unref(event);
    return 1;
}

int l_endpoint(lua_State *L)
{
    struct store_endpoint endpoint = {
        .op.kind = STORE_ENDPOINT,
        .name = luaL_checkstring(L, 2),
        .url = luaL_checkstring(L, 3),
        .keep_state = true,
    };
    commit(L, &endpoint.op);
    lua_pushinteger(L, (lua_Integer)endpoint.id);
    return 1;
}

static struct store_run_ref run_of(uint64_t event)
{
    return (struct store_run_ref){
        .event = event, .subscriptions = subscriptions, .subscription_count = 1};
}

/* A message with one delivery to the endpoint of that number. */
static void add_delivery(lua_State *L, struct outbox *outbox, uint64_t event, uint64_t endpoint)
{
    struct message *message =
        message_create(event | 1, opt_slice(L, 3, "type", "made.type"), make_content(L, 3), false);
    check(message && outbox_add_message(outbox, message) == OK);
    struct delivery *delivery = delivery_create(endpoint, message_ref(message));
    const struct outbox_delivery row = {.delivery = delivery};
    check(delivery && outbox_add_delivery(outbox, &row) == OK);
}

/* handle(event, {endpoint = number?, skip = reason?, type?, body?}) -> delivery id? */
int l_handle(lua_State *L)
{
    const uint64_t event = check_id(L, 2, ID_EVENT);
    luaL_checktype(L, 3, LUA_TTABLE);
    struct outbox outbox = {0};
    const lua_Integer endpoint = opt_integer(L, 3, "endpoint", 0);
    if (endpoint > 0)
        add_delivery(L, &outbox, event, (uint64_t)endpoint);
    struct store_handled handled = {
        .op.kind = STORE_HANDLED,
        .run = run_of(event),
        .number = 1,
        .skip_reason = opt_text(L, 3, "skip", NULL),
        .outbox = &outbox,
    };
    commit(L, &handled.op);
    lua_pushnil(L);
    if (endpoint > 0)
        push_id(L, ID_DELIVERY, outbox.deliveries[0].delivery->id);
    outbox_finish(&outbox);
    return 1;
}

/* fail(event, {due_ms = 0, number = 1, error = ""}): due_ms 0 is dead */
int l_fail(lua_State *L)
{
    luaL_checktype(L, 3, LUA_TTABLE);
    struct store_run run = {
        .op.kind = STORE_RUN,
        .run = run_of(check_id(L, 2, ID_EVENT)),
        .number = (uint32_t)opt_integer(L, 3, "number", 1),
        .due_ms = opt_integer(L, 3, "due_ms", 0),
        .error = opt_text(L, 3, "error", ""),
    };
    commit(L, &run.op);
    return 0;
}

/* settle(delivery, {state, due_ms?, reason?, number?, status?, error?, head?, body?, is_cut?}) */
int l_settle(lua_State *L)
{
    luaL_checktype(L, 3, LUA_TTABLE);
    struct buf head;
    enum delivery_state state;
    const uint64_t delivery = check_id(L, 2, ID_DELIVERY);
    luaL_argcheck(L, delivery_state_parse(opt_text(L, 3, "state", ""), &state), 3, "no state");
    read_head(L, 3, "head", &head);
    struct attempt attempt = {
        .number = (uint32_t)opt_integer(L, 3, "number", 1),
        .started_ms = opt_integer(L, 3, "started_ms", clock_now_ms()),
        .duration_ms = 12,
        .status = (int)opt_integer(L, 3, "status", 0),
        .error = (enum attempt_error)opt_integer(L, 3, "error", ATTEMPT_OK),
        .retry_after_ms = -1,
        .head = buf_slice(&head),
        .body = opt_slice(L, 3, "body", ""),
        .detail = opt_text(L, 3, "detail", ""),
    };
    struct store_settle settle = {
        .op.kind = STORE_SETTLE,
        .delivery = delivery,
        .state = state,
        .due_ms = opt_integer(L, 3, "due_ms", 0),
        .reason = opt_text(L, 3, "reason", NULL),
        .attempt = &attempt,
    };
    commit(L, &settle.op);
    buf_finish(&head);
    return 0;
}
