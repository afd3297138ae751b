/* SPDX-License-Identifier: MIT */
/* order_by and batch of subscriptions: which runs of a new event go in order or together, asked
 * before it is stored. */
#include "script/bind_int.h"

#include <stdlib.h>

/* One function of a subscription, asked about an event. */
struct order {
    struct event *event;
    int function;
    struct order_key *key; /* NULL: it says yes or no */
    bool is_yes;
};

void order_key_check(lua_State *L, const char *what, struct order_key *key)
{
    key->is_set = false;
    if (lua_isnil(L, -1))
        return;
    if (lua_type(L, -1) != LUA_TSTRING && lua_type(L, -1) != LUA_TNUMBER)
        (void)luaL_error(L, "%s must return a string or nil, got %s", what, value_typename(L, -1));
    size_t len;
    const char *text = lua_tolstring(L, -1, &len);
    if (len > sizeof key->data)
        (void)luaL_error(L, "%s returned %d bytes, at most %d are taken", what, (int)len,
                         LIMIT_KEY_BYTES);
    memcpy(key->data, text, len);
    key->len = len;
    key->is_set = true;
}

static int l_order(lua_State *L)
{
    struct order *order = lua_touserdata(L, 1);
    script_push_ref(L, script_of(L), REF_FUNCTIONS);
    lua_rawgeti(L, -1, order->function);
    (void)event_push_alone(L, order->event);
    lua_pushvalue(L, -1);
    lua_rawseti(L, LUA_REGISTRYINDEX, script_of(L)->refs[REF_VIEW]);
    lua_call(L, 1, 1);
    if (order->key)
        order_key_check(L, "order_by", order->key);
    else
        order->is_yes = lua_toboolean(L, -1) && !object_test(L, -1, &verdict_kind);
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

static enum status ask(struct script *script, const struct subscription_spec *subscription,
                       enum phase_id phase, struct order *order)
{
    struct context context;
    context_init(&context, phase, 0);
    context.subject = (struct subject){
        .kind = "subscription", .name = subscription->name, .place = subscription->script};
    const enum status status = script_call(script, &context, l_order, order, 0);
    close_view(script);
    return status;
}

enum status script_order_event(struct script *script, const struct subscription_spec *subscription,
                               struct event *event, struct order_key *key)
{
    struct order order = {.event = event, .function = subscription->order_function, .key = key};
    key->is_set = false;
    return ask(script, subscription, PHASE_ORDER, &order);
}

/* What raises, or is filtered out, runs alone, which asks again. */
static bool finds_batch(struct script *script, const struct subscription_spec *subscription,
                        struct event *event, struct order_key *key)
{
    struct order filter = {.event = event, .function = subscription->filter_function};
    struct order by = {.event = event, .function = subscription->batch_function, .key = key};
    if (event->due_ms > 0 ||
        (filter.function != 0 &&
         (ask(script, subscription, PHASE_FILTER, &filter) != OK || !filter.is_yes)))
        return false;
    key->is_set = by.function == 0;
    key->len = 0;
    return (key->is_set || ask(script, subscription, PHASE_ORDER, &by) == OK) && key->is_set;
}

static struct run_plan *make_plan(struct script *script, struct event *event,
                                  const struct subscription_spec *const *matches, size_t count)
{
    struct order_key keys[LIMIT_SUBSCRIPTIONS_PER_EVENT];
    struct planned_run runs[LIMIT_SUBSCRIPTIONS_PER_EVENT];
    bool has_key = false;
    for (size_t i = 0; i < count; i++) {
        struct planned_run *run = &runs[i];
        const struct slice key = slice_of(keys[i].data, 0);
        *run = (struct planned_run){.subscription = matches[i]->name};
        if (matches[i]->batch.count_max > 0 && finds_batch(script, matches[i], event, &keys[i])) {
            run->batch_key = slice_of(key.data, keys[i].len);
            run->batch = matches[i]->batch;
        }
        /* What raises fails its run, which asks again. */
        if (matches[i]->order_function != 0 &&
            script_order_event(script, matches[i], event, &keys[i]) == OK && keys[i].is_set)
            run->order_key = slice_of(key.data, keys[i].len);
        has_key = has_key || run->batch_key.data || run->order_key.data;
    }
    return has_key ? run_plan_create(runs, count) : NULL;
}

void script_plan(struct script *script, struct event *event)
{
    const struct registry *registry = script_registry(script);
    const struct subscription_spec *matches[LIMIT_SUBSCRIPTIONS_PER_EVENT];
    if (!registry->has_plans)
        return;
    size_t count = registry_match(registry, event->source, event->type, matches,
                                  LIMIT_SUBSCRIPTIONS_PER_EVENT);
    if (count > LIMIT_SUBSCRIPTIONS_PER_EVENT)
        count = LIMIT_SUBSCRIPTIONS_PER_EVENT;
    event->plan = make_plan(script, event, matches, count);
}
