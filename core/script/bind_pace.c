/* SPDX-License-Identifier: MIT */
/* The options of anzol.endpoint that say how attempts are paced: how long one may take, how many go
 * at a time, how often, and when they pause. */
#include "script/bind_int.h"

#include "base/text.h"

#define TIMEOUT_MS_MAX 600000
#define CONCURRENCY_MAX 1000
#define BURST_MAX 1e6
#define DISABLE_AFTER_MS_MAX (INT64_C(366) * 86400 * 1000)
#define BREAKER_FAILURES_MAX 100000
#define BREAKER_MS_MAX 3600000

static int64_t check_part(lua_State *L, const struct options *options, const char *name,
                          int64_t fallback_ms)
{
    const int64_t ms = option_check_duration(L, options, name, fallback_ms);
    if (ms < 1 || ms > TIMEOUT_MS_MAX)
        (void)luaL_error(L, "option '%s' of %s is at least 1ms and at most 10m", name,
                         options->what);
    return ms;
}

/* timeout = Duration, of the whole, or { connect =, first_byte =, whole = }. */
static void read_timeouts(lua_State *L, const struct options *options, struct timeouts *timeouts)
{
    static const char *const names[] = {"connect", "first_byte", "whole", NULL};
    if (lua_getfield(L, options->index, "timeout") != LUA_TTABLE) {
        *timeouts = timeouts_of(check_part(L, options, "timeout", ENDPOINT_TIMEOUT_MS));
        lua_pop(L, 1);
        return;
    }
    const struct options parts = {.index = lua_gettop(L),
                                  .what = lua_pushfstring(L, "'timeout' of %s", options->what)};
    options_check_names(L, &parts, names, NULL);
    timeouts->whole_ms = check_part(L, &parts, "whole", ENDPOINT_TIMEOUT_MS);
    timeouts->first_byte_ms = check_part(L, &parts, "first_byte", timeouts->whole_ms);
    timeouts->connect_ms =
        check_part(L, &parts, "connect", timeouts_of(timeouts->first_byte_ms).connect_ms);
    if (timeouts->connect_ms > timeouts->first_byte_ms ||
        timeouts->first_byte_ms > timeouts->whole_ms)
        (void)luaL_error(L,
                         "%s: each part counts from the start of the attempt, so connect is at "
                         "most first_byte, and first_byte at most whole (default 15s)",
                         parts.what);
    lua_pop(L, 2);
}

static void read_rate(lua_State *L, const struct options *options, struct endpoint_spec *endpoint)
{
    const char *text = option_check_text(L, options, "rate_limit", NULL);
    if (text && !text_parse_rate(slice_str(text), &endpoint->rate_per_s))
        (void)option_error(L, options, "rate_limit", TEXT_RATE_FORMS);
    const double second = endpoint->rate_per_s > 1 ? endpoint->rate_per_s : 1;
    endpoint->burst = option_check_number(L, options, "burst", second);
    if (!(endpoint->burst >= 1) || endpoint->burst > BURST_MAX)
        (void)luaL_error(L, "option 'burst' of %s is at least 1 and at most 1000000",
                         options->what);
    if (lua_getfield(L, options->index, "burst") != LUA_TNIL && !text)
        (void)luaL_error(L, "option 'burst' of %s needs 'rate_limit'", options->what);
    lua_pop(L, 1);
}

static int64_t check_time(lua_State *L, const struct options *options, const char *name,
                          int64_t fallback_ms)
{
    const int64_t ms = option_check_duration(L, options, name, fallback_ms);
    if (ms < 1 || ms > BREAKER_MS_MAX)
        (void)luaL_error(L, "option '%s' of %s is at least 1ms and at most 1h", name,
                         options->what);
    return ms;
}

/* breaker = { failures =, rate =, window =, cooldown = } or false. */
static void read_breaker(lua_State *L, const struct options *options, struct circuit_spec *circuit)
{
    static const char *const names[] = {"cooldown", "failures", "rate", "window", NULL};
    const int type = lua_getfield(L, options->index, "breaker");
    if (type == LUA_TBOOLEAN && !lua_toboolean(L, -1)) {
        lua_pop(L, 1);
        return;
    }
    if (type == LUA_TNIL)
        lua_newtable(L);
    else if (type != LUA_TTABLE)
        (void)option_error(L, options, "breaker",
                           "{ failures =, rate =, window =, cooldown = } or false");
    const struct options parts = {.index = lua_gettop(L),
                                  .what = lua_pushfstring(L, "'breaker' of %s", options->what)};
    options_check_names(L, &parts, names, NULL);
    *circuit = (struct circuit_spec){
        .failures = (uint32_t)option_check_integer(L, &parts, "failures",
                                                   (struct range){1, BREAKER_FAILURES_MAX},
                                                   ENDPOINT_BREAKER_FAILURES),
        .rate = option_check_number(L, &parts, "rate", ENDPOINT_BREAKER_RATE),
        .window_ms = check_time(L, &parts, "window", ENDPOINT_BREAKER_WINDOW_MS),
        .cooldown_ms = check_time(L, &parts, "cooldown", ENDPOINT_BREAKER_COOLDOWN_MS),
    };
    if (!(circuit->rate > 0) || circuit->rate > 1)
        (void)luaL_error(L,
                         "option 'rate' of %s is more than 0 and at most 1: the share of attempts "
                         "that failed",
                         parts.what);
    lua_settop(L, parts.index - (type == LUA_TNIL ? 2 : 1));
}

/* disable_after = Duration or false. */
static void read_disable_after(lua_State *L, const struct options *options,
                               struct endpoint_spec *endpoint)
{
    const bool is_off =
        lua_getfield(L, options->index, "disable_after") == LUA_TBOOLEAN && !lua_toboolean(L, -1);
    lua_pop(L, 1);
    if (is_off)
        return;
    endpoint->disable_after_ms =
        option_check_duration(L, options, "disable_after", ENDPOINT_DISABLE_AFTER_MS);
    if (endpoint->disable_after_ms < 1 || endpoint->disable_after_ms > DISABLE_AFTER_MS_MAX)
        (void)luaL_error(L,
                         "option 'disable_after' of %s is at least 1ms and at most 366d, or false",
                         options->what);
}

void pace_check_read(lua_State *L, const struct options *options, struct endpoint_spec *endpoint)
{
    read_timeouts(L, options, &endpoint->timeouts);
    read_rate(L, options, endpoint);
    read_breaker(L, options, &endpoint->circuit);
    read_disable_after(L, options, endpoint);
    endpoint->slows_down = option_check_bool(L, options, "slow_down", true);
    endpoint->concurrency = (uint32_t)option_check_integer(
        L, options, "concurrency", (struct range){1, CONCURRENCY_MAX}, ENDPOINT_CONCURRENCY);
}
