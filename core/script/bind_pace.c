/* SPDX-License-Identifier: MIT */
/* The options of anzol.endpoint that say how attempts are paced: how long one may take, how many go
 * at a time, and how often. */
#include "script/bind_int.h"

#include "base/text.h"

#define TIMEOUT_MS 15000
#define TIMEOUT_MS_MAX 600000
#define CONCURRENCY 20
#define CONCURRENCY_MAX 1000

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
        *timeouts = timeouts_of(check_part(L, options, "timeout", TIMEOUT_MS));
        lua_pop(L, 1);
        return;
    }
    const struct options parts = {.index = lua_gettop(L),
                                  .what = lua_pushfstring(L, "'timeout' of %s", options->what)};
    options_check_names(L, &parts, names, NULL);
    timeouts->whole_ms = check_part(L, &parts, "whole", TIMEOUT_MS);
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
}

void pace_check_read(lua_State *L, const struct options *options, struct endpoint_spec *endpoint)
{
    read_timeouts(L, options, &endpoint->timeouts);
    read_rate(L, options, endpoint);
    endpoint->concurrency = (uint32_t)option_check_integer(
        L, options, "concurrency", (struct range){1, CONCURRENCY_MAX}, CONCURRENCY);
}
