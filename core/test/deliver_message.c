/* SPDX-License-Identifier: MIT */
/* Messages: committed as a worker does it, changed by hand as the API does it. */
#include "deliver_int.h"

#include "base/clock.h"

#include <stdlib.h>

#define BODY_BYTES_MAX (1u << 20)

/* ---- Messages ----------------------------------------------------------------------------------
 */

/* An event and its run with one message, on their way into the store. */
struct commit {
    struct rig *rig;
    struct event *event; /* owned reference */
    struct registry *registry;
    struct store_ingest ingest;
    struct store_handled handled;
    struct outbox outbox;
    int64_t delay_ms;
    int on_done; /* reference */
};

static const char *const subscription = "spec";

static void end_commit(struct commit *commit, uint64_t delivery)
{
    lua_State *L = commit->rig->L;
    lua_rawgeti(L, LUA_REGISTRYINDEX, commit->on_done);
    luaL_unref(L, LUA_REGISTRYINDEX, commit->on_done);
    if (delivery)
        lua_pushinteger(L, (lua_Integer)delivery);
    else
        lua_pushnil(L);
    rig_call(L, 1);
    outbox_finish(&commit->outbox);
    event_unref(commit->event);
    registry_unref(commit->registry);
    free(commit);
}

/* To the owner, as a worker does it. */
static void on_handled(struct store_op *op)
{
    struct commit *commit = op->ctx;
    struct sender *sender = commit->rig->sender;
    struct outbox_delivery *entry = &commit->outbox.deliveries[0];
    struct delivery *delivery = entry->delivery;
    const bool has_room = delivery->due_ms == 0;
    const uint64_t id = op->status == OK ? delivery->id : 0;
    if (op->status != OK || entry->is_held) {
        if (has_room)
            gate_put(entry->endpoint->gate);
    } else if (has_room) {
        entry->delivery = NULL;
        sender_take(sender, delivery);
    } else {
        sender_hint(sender, delivery->endpoint, delivery->priority);
    }
    end_commit(commit, id);
}

static void on_ingested(struct store_op *op)
{
    struct commit *commit = op->ctx;
    struct rig *rig = commit->rig;
    if (op->status != OK) {
        end_commit(commit, 0);
        return;
    }
    struct outbox_delivery *entry = &commit->outbox.deliveries[0];
    const int64_t now_ms = clock_due_ms();
    const bool has_room = commit->delay_ms <= 0 && gate_take(entry->endpoint->gate);
    entry->delivery->created_ms = now_ms;
    entry->delivery->due_ms = has_room ? 0 : now_ms + commit->delay_ms;
    commit->handled = (struct store_handled){
        .op = {.kind = STORE_HANDLED, .on_done = on_handled, .ctx = commit},
        .run = {.event = commit->event->id,
                .subscriptions = &subscription,
                .subscription_count = 1,
                .members = &commit->event->id,
                .member_count = 1},
        .number = 1,
        .outbox = &commit->outbox,
    };
    check(store_submit(rig->store, rig->client, &commit->handled.op) == OK);
}

static struct slice check_slice(lua_State *L, const char *name)
{
    struct slice slice = slice_of(NULL, 0);
    lua_getfield(L, 3, name);
    slice.data = lua_tolstring(L, -1, &slice.len);
    lua_pop(L, 1); /* the table still holds it */
    return slice;
}

static void fill_outbox(lua_State *L, struct commit *commit, const struct endpoint_spec *spec)
{
    const struct slice key = check_slice(L, "key");
    struct message *message = message_create(commit->event->id | 1, slice_str("spec.message"),
                                             content_ref(commit->event->content), true);
    message->expires_ms = get_integer(L, 3, "expires_ms", 0);
    struct delivery *delivery = delivery_create(spec->id, message_ref(message));
    check(delivery != NULL);
    delivery->priority = (int)get_integer(L, 3, "priority", 0);
    delivery->is_ordered = key.data != NULL;
    const struct outbox_delivery entry = {
        .endpoint = spec,
        .delivery = delivery,
        .order_key = key.data ? slice_of(must_copy(key.data, key.len), key.len) : key,
    };
    check(outbox_add_message(&commit->outbox, message) == OK);
    check(outbox_add_delivery(&commit->outbox, &entry) == OK);
}

/* rig:commit(endpoint name, {body=, key=, priority=, delay_ms=, expires_ms=}, on_done(id | nil)) */
static int l_commit(lua_State *L)
{
    struct rig *rig = rig_check(L);
    const struct endpoint_spec *spec =
        registry_endpoint(rig->registry, slice_str(luaL_checkstring(L, 2)));
    luaL_argcheck(L, spec != NULL, 2, "no such endpoint");
    const struct slice body = check_slice(L, "body");
    struct content *content = content_create(slice_of("", 0), body.len);
    check(content && content_append(&content, body.data, body.len, BODY_BYTES_MAX) == OK);
    struct commit *commit = must_alloc(sizeof *commit);
    *commit = (struct commit){
        .rig = rig,
        .registry = registry_ref(rig->registry),
        .event = event_create(&(struct event_options){.source = slice_str("spec"),
                                                      .type = slice_str("spec.event"),
                                                      .content = content,
                                                      .received_ms = clock_now_ms()}),
        .delay_ms = get_integer(L, 3, "delay_ms", 0),
    };
    commit->event->id = store_next_event_id(rig->store, 0);
    fill_outbox(L, commit, spec);
    lua_settop(L, 4);
    commit->on_done = luaL_ref(L, LUA_REGISTRYINDEX);
    commit->ingest = (struct store_ingest){
        .op = {.kind = STORE_INGEST, .on_done = on_ingested, .ctx = commit},
        .event = commit->event,
    };
    check(store_submit(rig->store, rig->client, &commit->ingest.op) == OK);
    return 0;
}

/* ---- By hand -----------------------------------------------------------------------------------
 */

static void tell(struct rig *rig, int on_done, enum status status)
{
    lua_rawgeti(rig->L, LUA_REGISTRYINDEX, on_done);
    luaL_unref(rig->L, LUA_REGISTRYINDEX, on_done);
    lua_pushstring(rig->L, status_name(status));
    rig_call(rig->L, 1);
}

struct by_hand {
    struct rig *rig;
    struct store_change op;
    struct change change;
    struct sender_cancel cancel;
    int on_done; /* reference */
};

static struct by_hand *by_hand_create(lua_State *L)
{
    struct by_hand *it = must_alloc(sizeof *it);
    luaL_checktype(L, 4, LUA_TFUNCTION);
    lua_settop(L, 4);
    *it = (struct by_hand){.rig = rig_check(L), .on_done = luaL_ref(L, LUA_REGISTRYINDEX)};
    return it;
}

/* The owner looks for what may go now, as the server tells it. */
static void on_changed(struct store_op *op)
{
    struct by_hand *it = op->ctx;
    const struct change *change = &it->change;
    const enum status status = op->status == OK ? change->status : op->status;
    tell(it->rig, it->on_done, status);
    if (status == OK && (change->verb == CHANGE_RETRY || change->has_released))
        sender_hint(it->rig->sender, change->endpoint, LIMIT_PRIORITY);
    free(it);
}

/* rig:change("retry" | "drop", delivery, on_done(status)) */
static int l_change(lua_State *L)
{
    static const char *const verbs[] = {"retry", "drop", NULL};
    const int verb = luaL_checkoption(L, 2, NULL, verbs);
    struct by_hand *it = by_hand_create(L);
    it->change = (struct change){.verb = verb == 0 ? CHANGE_RETRY : CHANGE_DROP,
                                 .kind = ID_DELIVERY,
                                 .id = (uint64_t)luaL_checkinteger(L, 3)};
    it->op = (struct store_change){
        .op = {.kind = STORE_CHANGE, .on_done = on_changed, .ctx = it},
        .now_ms = clock_due_ms(),
        .reason = "by hand",
        .changes = &it->change,
        .change_count = 1,
    };
    check(store_submit(it->rig->store, it->rig->client, &it->op.op) == OK);
    return 0;
}

static void on_cancelled(struct sender_cancel *cancel)
{
    struct by_hand *it = cancel->ctx;
    tell(it->rig, it->on_done, cancel->status);
    free(it);
}

/* rig:cancel(endpoint name, delivery, on_done(status)) */
static int l_cancel(lua_State *L)
{
    const struct rig *rig = rig_check(L);
    const struct endpoint_spec *spec =
        registry_endpoint(rig->registry, slice_str(luaL_checkstring(L, 2)));
    luaL_argcheck(L, spec != NULL, 2, "no such endpoint");
    struct by_hand *it = by_hand_create(L);
    it->cancel = (struct sender_cancel){.delivery = (uint64_t)luaL_checkinteger(L, 3),
                                        .endpoint = spec->id,
                                        .reason = "by hand",
                                        .on_done = on_cancelled,
                                        .ctx = it};
    sender_cancel(rig->sender, &it->cancel);
    return 0;
}

const luaL_Reg deliver_message_methods[] = {
    {"cancel", l_cancel},
    {"change", l_change},
    {"commit", l_commit},
    {NULL, NULL},
};
