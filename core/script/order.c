/* SPDX-License-Identifier: MIT */
/* order_by of subscriptions: which runs of a new event go in order, asked before it is stored. */
#include "script/bind_int.h"

#include <stdlib.h>

struct order {
    const struct subscription_spec *subscription;
    struct event *event;
    struct order_key *key;
};

void order_key_check(lua_State *L, struct order_key *key)
{
    key->len = 0;
    if (lua_isnil(L, -1))
        return;
    if (lua_type(L, -1) != LUA_TSTRING && lua_type(L, -1) != LUA_TNUMBER)
        (void)luaL_error(L, "order_by must return a string or nil, got %s", luaL_typename(L, -1));
    size_t len;
    const char *text = lua_tolstring(L, -1, &len);
    if (len > sizeof key->data)
        (void)luaL_error(L, "order_by returned %d bytes, at most %d are taken", (int)len,
                         LIMIT_KEY_BYTES);
    memcpy(key->data, text, len);
    key->len = len;
}

static int l_order(lua_State *L)
{
    const struct order *order = lua_touserdata(L, 1);
    script_push_ref(L, script_of(L), REF_FUNCTIONS);
    lua_rawgeti(L, -1, order->subscription->order_function);
    (void)event_push_alone(L, order->event);
    lua_pushvalue(L, -1);
    lua_rawseti(L, LUA_REGISTRYINDEX, script_of(L)->refs[REF_VIEW]);
    lua_call(L, 1, 1);
    order_key_check(L, order->key);
    return 0;
}

/* A script that kept the event sees that it is over. */
static void close_view(struct script *script)
{
    lua_State *L = script->L;
    if (lua_rawgeti(L, LUA_REGISTRYINDEX, script->refs[REF_VIEW]) == LUA_TUSERDATA)
        ((struct event_view *)lua_touserdata(L, -1))->event = NULL;
    lua_pop(L, 1);
    lua_pushnil(L);
    lua_rawseti(L, LUA_REGISTRYINDEX, script->refs[REF_VIEW]);
}

enum status script_order_event(struct script *script, const struct subscription_spec *subscription,
                               struct event *event, struct order_key *key)
{
    struct order order = {subscription, event, key};
    struct context context;
    key->len = 0;
    context_init(&context, PHASE_ORDER, 0);
    context.subject = (struct subject){
        .kind = "subscription", .name = subscription->name, .place = subscription->script};
    const enum status status = script_call(script, &context, l_order, &order, 0);
    close_view(script);
    return status;
}

static struct run_plan *make_plan(struct script *script, struct event *event,
                                  const struct subscription_spec *const *matches, size_t count)
{
    struct order_key keys[LIMIT_SUBSCRIPTIONS_PER_EVENT];
    struct planned_run runs[LIMIT_SUBSCRIPTIONS_PER_EVENT];
    bool has_order = false;
    for (size_t i = 0; i < count; i++) {
        runs[i] = (struct planned_run){.subscription = matches[i]->name};
        if (matches[i]->order_function == 0 ||
            script_order_event(script, matches[i], event, &keys[i]) != OK || keys[i].len == 0)
            continue; /* what raises fails its run, which asks again */
        runs[i].order_key = slice_of(keys[i].data, keys[i].len);
        has_order = true;
    }
    return has_order ? run_plan_create(runs, count) : NULL;
}

void script_plan(struct script *script, struct event *event)
{
    const struct registry *registry = script_registry(script);
    const struct subscription_spec *matches[LIMIT_SUBSCRIPTIONS_PER_EVENT];
    if (!registry->has_order)
        return;
    size_t count = registry_match(registry, event->source, event->type, matches,
                                  LIMIT_SUBSCRIPTIONS_PER_EVENT);
    if (count > LIMIT_SUBSCRIPTIONS_PER_EVENT)
        count = LIMIT_SUBSCRIPTIONS_PER_EVENT;
    event->plan = make_plan(script, event, matches, count);
}
