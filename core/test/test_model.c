/* SPDX-License-Identifier: MIT */
/* anzol_test.model: backoff, schedules, event types, contents, the registry and the outbox. Test
 * thread only.
 */
#include "test/model_int.h"

#include "model/backoff.h"
#include "model/content.h"
#include "model/cron.h"
#include "model/delivery.h"
#include "model/event.h"
#include "model/outbox.h"
#include "model/ownership.h"
#include "model/registry.h"

#include <lauxlib.h>
#include <lua.h>
#include <stdlib.h>

#define LIST_MAX 64

static struct slice check_slice(lua_State *L, int index)
{
    size_t len;
    const char *data = luaL_checklstring(L, index, &len);
    return slice_of(data, len);
}

static int push_slice(lua_State *L, struct slice slice)
{
    lua_pushlstring(L, slice.data, slice.len);
    return 1;
}

/* ---- Backoff ----------------------------------------------------------------------------------
 */

static lua_Integer integer_field(lua_State *L, const char *name)
{
    lua_getfield(L, 1, name);
    const lua_Integer value = luaL_optinteger(L, -1, 0);
    lua_pop(L, 1);
    return value;
}

static int choice_field(lua_State *L, const char *name, const char *const *choices)
{
    lua_getfield(L, 1, name);
    const int choice = luaL_checkoption(L, -1, choices[0], choices);
    lua_pop(L, 1);
    return choice;
}

static struct backoff check_backoff(lua_State *L)
{
    static const char *const kinds[] = {"exponential", "linear", "constant", "schedule", NULL};
    static const char *const jitters[] = {"none", "full", "equal", "spread", NULL};
    if (lua_type(L, 1) == LUA_TSTRING)
        return strcmp(lua_tostring(L, 1), "default") == 0 ? backoff_default : backoff_handler;
    luaL_checktype(L, 1, LUA_TTABLE);
    struct backoff backoff = {.kind = (enum backoff_kind)choice_field(L, "kind", kinds),
                              .jitter = (enum backoff_jitter)choice_field(L, "jitter", jitters),
                              .base_ms = integer_field(L, "base"),
                              .max_ms = integer_field(L, "max"),
                              .max_age_ms = integer_field(L, "max_age"),
                              .attempts_max = (uint32_t)integer_field(L, "attempts")};
    lua_getfield(L, 1, "factor");
    backoff.factor = luaL_optnumber(L, -1, 2);
    lua_getfield(L, 1, "steps");
    for (; lua_istable(L, -1) && backoff.step_count < BACKOFF_STEPS_MAX; backoff.step_count++) {
        const bool is_end = lua_rawgeti(L, -1, (lua_Integer)backoff.step_count + 1) == LUA_TNIL;
        backoff.steps_ms[backoff.step_count] = lua_tointeger(L, -1);
        lua_pop(L, 1);
        if (is_end)
            break;
    }
    lua_pop(L, 2);
    return backoff;
}

/* backoff(policy | "default" | "handler", number, age_ms, random) -> delay | nil */
static int l_backoff(lua_State *L)
{
    const struct backoff backoff = check_backoff(L);
    int64_t delay_ms;
    if (!backoff_next(&backoff, (uint32_t)luaL_checkinteger(L, 2), luaL_optinteger(L, 3, 0),
                      luaL_optnumber(L, 4, 0), &delay_ms))
        return 0;
    lua_pushinteger(L, delay_ms);
    return 1;
}

/* ---- Schedules --------------------------------------------------------------------------------
 */

static int push_err(lua_State *L, const struct err *err)
{
    lua_pushnil(L);
    lua_pushstring(L, err->text);
    lua_pushstring(L, status_name(err->status));
    return 3;
}

/* cron_next(schedule, zone, after_ms, count = 1) -> { ms, … } | nil, err, status name */
static int l_cron_next(lua_State *L)
{
    struct cron cron;
    struct zone *zone;
    struct err err;
    if (cron_parse(check_slice(L, 1), &cron, &err) != OK ||
        zone_load(check_slice(L, 2), &zone, &err) != OK)
        return push_err(L, &err);
    int64_t ms = luaL_checkinteger(L, 3);
    const lua_Integer count = luaL_optinteger(L, 4, 1);
    lua_newtable(L);
    for (lua_Integer i = 1; i <= count && cron_next(&cron, zone, ms, &ms); i++) {
        lua_pushinteger(L, ms);
        lua_rawseti(L, -2, i);
    }
    zone_free(zone);
    return 1;
}

/* ---- Event types ------------------------------------------------------------------------------
 */

static int l_pattern_matches(lua_State *L)
{
    lua_pushboolean(L, event_pattern_matches(check_slice(L, 1), check_slice(L, 2)));
    return 1;
}

static int l_pattern_is_valid(lua_State *L)
{
    lua_pushboolean(L, event_pattern_is_valid(check_slice(L, 1)));
    return 1;
}

static int l_type_is_valid(lua_State *L)
{
    lua_pushboolean(L, event_type_is_valid(check_slice(L, 1)));
    return 1;
}

/* ---- Content ----------------------------------------------------------------------------------
 */

/* content_fill(head, capacity, bytes_max, pieces) -> status name, head, body */
static int l_content_fill(lua_State *L)
{
    struct content *content = content_create(check_slice(L, 1), (size_t)luaL_checkinteger(L, 2));
    check(content != NULL);
    const size_t bytes_max = (size_t)luaL_checkinteger(L, 3);
    enum status status = OK;
    for (lua_Integer i = 1; status == OK && lua_rawgeti(L, 4, i) == LUA_TSTRING; i++) {
        const struct slice piece = check_slice(L, -1);
        status = content_append(&content, piece.data, piece.len, bytes_max);
        lua_pop(L, 1);
    }
    lua_pushstring(L, status_name(status));
    (void)push_slice(L, content_head(content));
    (void)push_slice(L, content_body(content));
    content_unref(content);
    return 3;
}

/* A list of terminated names, borrowed from the Lua table at index. */
static size_t read_names(lua_State *L, int index, char *names[LIST_MAX])
{
    size_t count = 0;
    for (; count < LIST_MAX && lua_rawgeti(L, index, (lua_Integer)count + 1) == LUA_TSTRING;
         count++) {
        names[count] = (char *)(uintptr_t)lua_tostring(L, -1);
        lua_pop(L, 1);
    }
    lua_settop(L, index);
    return count;
}

/* content_hide(head, body, names) -> head, body, what lies between them */
static int l_content_hide(lua_State *L)
{
    const struct slice body = check_slice(L, 2);
    char *names[LIST_MAX];
    const size_t count = read_names(L, 3, names);
    struct content *content = content_create(check_slice(L, 1), body.len);
    check(content && content_append(&content, body.data, body.len, body.len) == OK);
    content_hide(content, names, count);
    (void)push_slice(L, content_head(content));
    (void)push_slice(L, content_body(content));
    (void)push_slice(
        L, slice_of(content->bytes + content->head_len, content->body_offset - content->head_len));
    content_unref(content);
    return 3;
}

/* ---- Registry ---------------------------------------------------------------------------------
 */

static char *field_copy(lua_State *L, const char *name)
{
    lua_getfield(L, -1, name);
    char *copy = lua_isstring(L, -1) ? strdup(lua_tostring(L, -1)) : NULL;
    lua_pop(L, 1);
    return copy;
}

/* The subscription at the top of the stack. */
static void read_subscription(lua_State *L, struct subscription_spec *subscription)
{
    *subscription = (struct subscription_spec){.name = field_copy(L, "name"),
                                               .source = field_copy(L, "source")};
    lua_getfield(L, -1, "patterns");
    subscription->pattern_count = lua_rawlen(L, -1);
    subscription->patterns = must_alloc((subscription->pattern_count + 1) * sizeof(char *));
    for (size_t i = 0; i < subscription->pattern_count; i++) {
        lua_rawgeti(L, -1, (lua_Integer)i + 1);
        subscription->patterns[i] = strdup(lua_tostring(L, -1));
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

/* match({{name=, source=, patterns=}…}, source, type, [max]) -> count, names */
static int l_match(lua_State *L)
{
    const struct subscription_spec *matches[LIST_MAX];
    struct registry *registry = registry_create(1);
    registry->subscription_count = lua_rawlen(L, 1);
    registry->subscriptions =
        must_alloc((registry->subscription_count + 1) * sizeof *registry->subscriptions);
    for (size_t i = 0; i < registry->subscription_count; i++) {
        lua_rawgeti(L, 1, (lua_Integer)i + 1);
        read_subscription(L, &registry->subscriptions[i]);
        lua_pop(L, 1);
    }
    const size_t max = (size_t)luaL_optinteger(L, 4, LIST_MAX);
    const size_t count =
        registry_match(registry, check_slice(L, 2), check_slice(L, 3), matches, max);
    lua_pushinteger(L, (lua_Integer)count);
    lua_newtable(L);
    for (size_t i = 0; i < count && i < max; i++) {
        lua_pushstring(L, matches[i]->name);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    registry_unref(registry);
    return 2;
}

/* gate(room, takes) -> how many were let in, the room left */
static int l_gate(lua_State *L)
{
    struct gate gate;
    atomic_init(&gate.room, (int)luaL_checkinteger(L, 1));
    lua_Integer taken = 0;
    for (lua_Integer i = luaL_checkinteger(L, 2); i > 0; i--)
        taken += gate_take(&gate);
    lua_pushinteger(L, taken);
    lua_pushinteger(L, atomic_load(&gate.room));
    return 2;
}

/* ---- Outbox -----------------------------------------------------------------------------------
 */

/* outbox(count): fills an outbox with so many of each and lets it go -> messages, deliveries,
 * emits that were in it */
static int l_outbox(lua_State *L)
{
    struct outbox outbox = {0};
    const uint64_t count = (uint64_t)luaL_checkinteger(L, 1);
    for (uint64_t i = 1; i <= count; i++) {
        struct content *content = content_create(slice_of("", 0), 8);
        struct message *message = message_create(i, slice_str("a.b"), content, false);
        struct delivery *delivery = delivery_create(1, message_ref(message));
        struct event *event = event_create(&(struct event_options){
            .source = slice_str("s"), .type = slice_str("t"), .content = content_ref(content)});
        check(outbox_add_message(&outbox, message) == OK);
        check(outbox_add_delivery(&outbox, &(struct outbox_delivery){.delivery = delivery}) == OK);
        check(outbox_add_emit(&outbox, event) == OK);
    }
    lua_pushinteger(L, (lua_Integer)outbox.message_count);
    lua_pushinteger(L, (lua_Integer)outbox.delivery_count);
    lua_pushinteger(L, (lua_Integer)outbox.emit_count);
    outbox_finish(&outbox);
    return 3;
}

static int l_delivery_state(lua_State *L)
{
    enum delivery_state state;
    if (!delivery_state_parse(luaL_checkstring(L, 1), &state))
        return 0;
    lua_pushstring(L, delivery_state_name(state));
    return 1;
}

static void push_hex(lua_State *L, const uint8_t *bytes, size_t len)
{
    char text[2 * TRACE_ID_BYTES + 1];
    for (size_t i = 0; i < len; i++)
        (void)snprintf(text + 2 * i, 3, "%02x", bytes[i]);
    lua_pushlstring(L, text, 2 * len);
}

/* trace(header?) -> trace id, span as parsed (nil: not valid), trace id, span and header of what
 * goes on */
static int l_trace(lua_State *L)
{
    struct trace trace = {0};
    struct slice header;
    header.data = luaL_optlstring(L, 1, "", &header.len);
    const bool is_valid = trace_parse(header, &trace);
    lua_settop(L, 0);
    if (is_valid) {
        push_hex(L, trace.id, sizeof trace.id);
        push_hex(L, trace.span, sizeof trace.span);
    } else {
        lua_settop(L, 2);
    }
    trace_continue(&trace);
    push_hex(L, trace.id, sizeof trace.id);
    push_hex(L, trace.span, sizeof trace.span);
    char text[TRACE_TEXT_BYTES];
    trace_format(&trace, text);
    lua_pushstring(L, text);
    return 5;
}

/* ownership_is_proof(body, token) */
static int l_ownership_is_proof(lua_State *L)
{
    size_t len;
    const char *body = luaL_checklstring(L, 1, &len);
    lua_pushboolean(L, ownership_is_proof(slice_of(body, len), luaL_checkstring(L, 2)));
    return 1;
}

static const luaL_Reg functions[] = {
    {"backoff", l_backoff},
    {"content_fill", l_content_fill},
    {"content_hide", l_content_hide},
    {"cron_next", l_cron_next},
    {"delivery_state", l_delivery_state},
    {"gate", l_gate},
    {"match", l_match},
    {"outbox", l_outbox},
    {"ownership_is_proof", l_ownership_is_proof},
    {"pattern_is_valid", l_pattern_is_valid},
    {"pattern_matches", l_pattern_matches},
    {"trace", l_trace},
    {"type_is_valid", l_type_is_valid},
    {NULL, NULL},
};

int luaopen_anzol_test_model(lua_State *L);
int luaopen_anzol_test_model(lua_State *L)
{
    luaL_newlib(L, functions);
    open_routines(L);
    return 1;
}
