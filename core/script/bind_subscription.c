/* SPDX-License-Identifier: MIT */
/* anzol.on(pattern | patterns, options?, handler): who decides about which events. */
#include "script/bind_int.h"

#include <stdlib.h>

#define DEADLINE_MS_MAX 600000
#define CONCURRENCY 50
#define CONCURRENCY_MAX 10000
#define PATTERNS_MAX 64
#define BATCH_EVENTS 100

static const char *const option_names[] = {
    "batch", "concurrency", "deadline", "filter", "name", "order_by", "source", NULL,
};

static void add_pattern(lua_State *L, int index, struct subscription_spec *subscription)
{
    size_t len;
    if (lua_type(L, index) != LUA_TSTRING)
        (void)luaL_error(L, "a pattern of anzol.on is a string, got %s", luaL_typename(L, index));
    const char *pattern = lua_tolstring(L, index, &len);
    if (!event_pattern_is_valid(slice_of(pattern, len)))
        (void)luaL_error(L,
                         "bad pattern '%s' of anzol.on: segments of A-Z a-z 0-9 _ - between dots; "
                         "'*' is one segment, '**' one or more, last only",
                         pattern);
    subscription->patterns[subscription->pattern_count] = text_copy(L, pattern);
    subscription->pattern_count++;
}

static void read_patterns(lua_State *L, struct subscription_spec *subscription)
{
    const bool is_list = lua_type(L, 1) == LUA_TTABLE;
    const size_t count = is_list ? lua_rawlen(L, 1) : 1;
    if (count == 0 || count > PATTERNS_MAX)
        (void)luaL_error(L, "anzol.on takes a pattern or a list of 1 to %d patterns", PATTERNS_MAX);
    subscription->patterns = calloc(count, sizeof *subscription->patterns);
    if (!subscription->patterns)
        (void)luaL_error(L, "out of memory");
    for (size_t i = 0; i < count; i++) {
        if (is_list)
            lua_rawgeti(L, 1, (lua_Integer)i + 1);
        else
            lua_pushvalue(L, 1);
        add_pattern(L, -1, subscription);
        lua_pop(L, 1);
    }
}

/* The script's base name, ":" and the patterns joined by ",". */
static void name_by_default(lua_State *L, struct subscription_spec *subscription)
{
    const char *place = subscription->script;
    const char *slash = strrchr(place, '/');
    const char *base = slash ? slash + 1 : place;
    const char *dot = strrchr(base, '.');
    luaL_Buffer name;
    luaL_buffinit(L, &name);
    luaL_addlstring(&name, base, dot ? (size_t)(dot - base) : strcspn(base, ":"));
    for (size_t i = 0; i < subscription->pattern_count; i++) {
        luaL_addchar(&name, i == 0 ? ':' : ',');
        luaL_addstring(&name, subscription->patterns[i]);
    }
    luaL_pushresult(&name);
    subscription->name = text_copy(L, lua_tostring(L, -1));
    lua_pop(L, 1);
}

static void read_name(lua_State *L, const struct options *options,
                      struct subscription_spec *subscription)
{
    const char *name = options ? option_check_text(L, options, "name", NULL) : NULL;
    if (name)
        subscription->name = text_copy(L, name);
    else
        name_by_default(L, subscription);
    const size_t len = strlen(subscription->name);
    if (len == 0 || len > LIMIT_SUBSCRIPTION_BYTES)
        (void)luaL_error(L, "the name of a subscription has 1 to %d bytes; give option 'name'",
                         LIMIT_SUBSCRIPTION_BYTES);
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)subscription->name[i] < 0x20)
            (void)luaL_error(L, "option 'name' of anzol.on holds a control character");
}

static void check_unique(lua_State *L, const struct registry *registry,
                         const struct subscription_spec *subscription)
{
    for (size_t i = 0; i < registry->subscription_count; i++) {
        const struct subscription_spec *other = &registry->subscriptions[i];
        if (other != subscription && other->name && other->script &&
            strcmp(other->name, subscription->name) == 0)
            (void)luaL_error(L,
                             "two subscriptions are called '%s' (the other one: %s); give one of "
                             "them the option 'name'",
                             subscription->name, other->script);
    }
}

static const char *const batch_names[] = {"by", "keep", "max", "quiet", "wait", NULL};

static bool check_keep(lua_State *L, const struct options *options)
{
    const char *keep = option_check_text(L, options, "keep", "all");
    if (strcmp(keep, "all") != 0 && strcmp(keep, "last") != 0)
        (void)option_error(L, options, "keep", "\"all\" or \"last\"");
    return strcmp(keep, "last") == 0;
}

/* The table is on top; pops it. */
static void read_batch(lua_State *L, struct subscription_spec *subscription)
{
    const struct options options = {.index = lua_gettop(L), .what = "batch of anzol.on"};
    struct batch_spec *batch = &subscription->batch;
    options_check_names(L, &options, batch_names, NULL);
    subscription->batch_function = option_check_function(L, &options, "by");
    batch->count_max = (uint32_t)option_check_integer(
        L, &options, "max", (struct range){1, LIMIT_BATCH_EVENTS}, BATCH_EVENTS);
    batch->wait_ms = option_check_duration(L, &options, "wait", 0);
    batch->quiet_ms = option_check_duration(L, &options, "quiet", 0);
    batch->keeps_last = check_keep(L, &options);
    if (batch->wait_ms == 0 && batch->quiet_ms == 0)
        (void)luaL_error(L, "batch of anzol.on needs 'wait' (how long after its first event it "
                            "closes), or 'quiet' (how long after its last)");
    if (batch->wait_ms == 0)
        batch->wait_ms = LIMIT_BATCH_WAIT_MS;
    if (batch->wait_ms < 1 || batch->wait_ms > LIMIT_BATCH_WAIT_MS || batch->quiet_ms < 0 ||
        batch->quiet_ms > LIMIT_BATCH_WAIT_MS)
        (void)luaL_error(L, "options 'wait' and 'quiet' of batch of anzol.on are 1ms to 7d");
    if (subscription->order_function != 0)
        (void)luaL_error(L, "anzol.on takes 'order_by' or 'batch': the batches of a key go one "
                            "after another by themselves");
    lua_pop(L, 1);
}

static void read_options(lua_State *L, const struct options *options, unsigned worker_count,
                         struct subscription_spec *subscription)
{
    options_check_names(L, options, option_names, NULL);
    const char *source = option_check_text(L, options, "source", NULL);
    if (source)
        subscription->source = text_copy(L, source);
    subscription->filter_function = option_check_function(L, options, "filter");
    subscription->order_function = option_check_function(L, options, "order_by");
    if (lua_getfield(L, options->index, "batch") == LUA_TTABLE)
        read_batch(L, subscription);
    else if (!lua_isnil(L, -1))
        (void)option_error(L, options, "batch", "a table { wait = … }");
    else
        lua_pop(L, 1);
    subscription->deadline_ms =
        option_check_duration(L, options, "deadline", subscription->deadline_ms);
    if (subscription->deadline_ms < 1 || subscription->deadline_ms > DEADLINE_MS_MAX)
        (void)luaL_error(L, "option 'deadline' of anzol.on is at least 1ms and at most 10m");
    const uint32_t concurrency = (uint32_t)option_check_integer(
        L, options, "concurrency", (struct range){1, CONCURRENCY_MAX}, CONCURRENCY);
    subscription->concurrency =
        concurrency > worker_count ? concurrency / (worker_count ? worker_count : 1) : 1;
}

void handler_note_parameter(lua_State *L, struct draft *draft)
{
    lua_Debug debug;
    const char *parameter = lua_getlocal(L, NULL, 1);
    lua_pushvalue(L, -1);
    if (!draft->findings || !lua_getinfo(L, ">S", &debug) || debug.source[0] != '@' || !parameter)
        return;
    struct handler_name *handler = draft_add_handler(draft);
    if (!handler)
        (void)luaL_error(L, "out of memory");
    handler->file = text_copy(L, debug.source + 1);
    handler->parameter = text_copy(L, parameter);
}

static int l_on(lua_State *L)
{
    struct draft *draft = draft_check(L, "anzol.on");
    const bool has_options = lua_gettop(L) > 2;
    const int function = has_options ? 3 : 2;
    if (lua_type(L, function) != LUA_TFUNCTION)
        return luaL_error(L,
                          "anzol.on(pattern, options, function(event) … end): the function is "
                          "missing, got %s",
                          luaL_typename(L, function));
    struct subscription_spec *subscription = draft_add_subscription(draft);
    if (!subscription)
        return luaL_error(L, "out of memory");
    read_patterns(L, subscription);
    subscription->deadline_ms = phases[PHASE_HANDLER].wall_ms;
    subscription->concurrency = CONCURRENCY > draft->worker_count
                                    ? CONCURRENCY / (draft->worker_count ? draft->worker_count : 1)
                                    : 1;
    const struct options options = {.index = 2, .what = "anzol.on"};
    if (has_options && !lua_isnil(L, 2))
        read_options(L, &options, draft->worker_count, subscription);
    char *place = place_copy(L);
    subscription->script = place;
    read_name(L, has_options && !lua_isnil(L, 2) ? &options : NULL, subscription);
    check_unique(L, draft->registry, subscription);
    lua_pushvalue(L, function);
    handler_note_parameter(L, draft);
    subscription->handler_function = function_keep(L);
    if (subscription->order_function != 0 || subscription->batch.count_max > 0)
        draft->registry->has_plans = true;
    draft->ended++;
    return 0;
}

void open_subscription(lua_State *L)
{
    lua_pushcfunction(L, l_on);
    lua_setfield(L, -2, "on");
}
