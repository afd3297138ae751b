/* SPDX-License-Identifier: MIT */
/* anzol.cron, anzol.every, anzol.poll, anzol.sse: registering what runs by itself. */
#include "script/bind_int.h"

#include "base/text.h"
#include "send/send.h"

#include <stdlib.h>

#define SHRINK 4.0
#define GROW 1.5
#define JITTER 0.1
#define FACTOR_MAX 1000.0
#define JITTER_MAX 0.5
#define LONG_DEADLINE_MS 660000 /* more than the longest timeout of a call */

/* ---- In common ---- */

/* Crons and everys are one list, as polls and streams are, and are shown, run and counted by name.
 */
static const struct {
    const char *what;
    enum routine_kind other;
} neighbours[] = {
    [ROUTINE_CRON] = {"anzol.cron", ROUTINE_EVERY},
    [ROUTINE_EVERY] = {"anzol.every", ROUTINE_CRON},
    [ROUTINE_POLL] = {"anzol.poll", ROUTINE_SSE},
    [ROUTINE_SSE] = {"anzol.sse", ROUTINE_POLL},
};

static void check_neighbour(lua_State *L, const struct registry *registry, enum routine_kind kind,
                            const char *name)
{
    const enum routine_kind kind_of_other = neighbours[kind].other;
    const struct routine_spec *other = registry_routine(registry, kind_of_other, slice_str(name));
    if (other)
        (void)luaL_error(
            L, "%s '%s' has the name of an %s at %s, and both are called by their names",
            neighbours[kind].what, name, neighbours[kind_of_other].what, other->script);
}

/* name, …, function: the routine with all that is common. */
static struct routine_spec *add_routine(lua_State *L, enum routine_kind kind, const char *what,
                                        int argument_count)
{
    struct draft *draft = draft_check(L, what);
    const char *name = luaL_checkstring(L, 1);
    name_check(L, name, what);
    if (lua_type(L, argument_count) != LUA_TFUNCTION)
        (void)luaL_error(L, "%s '%s': argument %d is the function, got %s", what, name,
                         argument_count, luaL_typename(L, argument_count));
    const struct routine_spec *other = registry_routine(draft->registry, kind, slice_str(name));
    if (other)
        (void)luaL_error(L, "%s '%s' is registered twice, first at %s", what, name, other->script);
    check_neighbour(L, draft->registry, kind, name);
    lua_settop(L, argument_count);
    struct routine_spec *routine = draft_add_routine(draft);
    if (!routine)
        (void)luaL_error(L, "out of memory");
    routine->kind = kind;
    routine->on_error = backoff_handler;
    routine->name = text_copy(L, name);
    if (registry_index_routine(draft->registry) != OK)
        (void)luaL_error(L, "out of memory");
    routine->script = place_copy(L);
    lua_pushvalue(L, argument_count);
    handler_note_parameter(L, draft);
    routine->function = function_keep(L);
    return routine;
}

static const struct range interval_range = {LIMIT_INTERVAL_MS_MIN, LIMIT_INTERVAL_MS_MAX};

/* ---- anzol.cron ---- */

static const char *const cron_names[] = {"missed", "schedule", "timezone", NULL};

static void read_missed(lua_State *L, const struct options *options, struct routine_spec *routine)
{
    static const char *const words[] = {
        [MISSED_LATEST] = "latest", [MISSED_ALL] = "all", [MISSED_NONE] = "none"};
    const char *missed = option_check_text(L, options, "missed", "latest");
    for (size_t i = 0; i < array_count(words); i++)
        if (strcmp(missed, words[i]) == 0) {
            routine->missed = (enum missed_ticks)i;
            return;
        }
    (void)option_error(L, options, "missed", "\"latest\", \"all\" or \"none\"");
}

static int l_cron(lua_State *L)
{
    struct routine_spec *routine = add_routine(L, ROUTINE_CRON, "anzol.cron", 3);
    const struct options options = {.index = 2,
                                    .what = lua_pushfstring(L, "anzol.cron '%s'", routine->name)};
    struct err err;
    options_check_names(L, &options, cron_names, NULL);
    const char *schedule = option_check_text(L, &options, "schedule", NULL);
    const char *zone = option_check_text(L, &options, "timezone", "UTC");
    if (!schedule)
        return luaL_error(L, "%s needs 'schedule', as \"0 9 * * MON-FRI\"", options.what);
    if (cron_parse(slice_str(schedule), &routine->cron, &err) != OK)
        return luaL_error(L, "option 'schedule' of %s: %s", options.what, err.text);
    if (zone_load(slice_str(zone), &routine->zone, &err) != OK)
        return luaL_error(L, "option 'timezone' of %s: %s", options.what, err.text);
    read_missed(L, &options, routine);
    routine->rule = text_copy(L, lua_pushfstring(L, "%s, %s", schedule, zone));
    script_of(L)->draft->ended++;
    return 0;
}

/* ---- anzol.every ---- */

static int l_every(lua_State *L)
{
    struct routine_spec *routine = add_routine(L, ROUTINE_EVERY, "anzol.every", 3);
    const char *what = lua_pushfstring(L, "the interval of anzol.every '%s'", routine->name);
    const int64_t ms = duration_check(L, 2, what);
    if (ms < LIMIT_INTERVAL_MS_MIN || ms > LIMIT_INTERVAL_MS_MAX)
        return luaL_error(L, "%s must be a duration from 100ms to 366d, got '%s'", what,
                          luaL_tolstring(L, 2, NULL));
    routine->interval = (struct interval){.min_ms = ms, .max_ms = ms, .shrink = 1, .grow = 1};
    char rule[TEXT_DURATION_BYTES];
    text_format_duration(ms, rule);
    routine->rule = text_copy(L, rule);
    script_of(L)->draft->ended++;
    return 0;
}

/* ---- anzol.poll ---- */

static const char *const poll_names[] = {"interval", "long", "on_error", "version", NULL};
static const char *const interval_names[] = {"grow", "jitter", "max", "min", "shrink", NULL};

static double check_factor(lua_State *L, const struct options *options, const char *name,
                           double fallback)
{
    const double factor = option_check_number(L, options, name, fallback);
    if (!(factor >= 1) || factor > FACTOR_MAX)
        (void)luaL_error(L, "option '%s' of %s is at least 1 and at most 1000", name,
                         options->what);
    return factor;
}

static int64_t check_bound(lua_State *L, const struct options *options, const char *name)
{
    if (lua_getfield(L, options->index, name) == LUA_TNIL)
        (void)luaL_error(L, "%s needs '%s', as { min = \"5s\", max = \"10m\" }", options->what,
                         name);
    lua_pop(L, 1);
    return option_check_time(L, options, name, interval_range, 0);
}

/* The table is on top. */
static void read_adaptive(lua_State *L, const struct options *of, struct interval *interval)
{
    const struct options options = {.index = lua_gettop(L),
                                    .what = lua_pushfstring(L, "interval of %s", of->what)};
    options_check_names(L, &options, interval_names, NULL);
    interval->min_ms = check_bound(L, &options, "min");
    interval->max_ms = check_bound(L, &options, "max");
    if (interval->max_ms <= interval->min_ms) {
        char min[TEXT_DURATION_BYTES];
        char max[TEXT_DURATION_BYTES];
        text_format_duration(interval->min_ms, min);
        text_format_duration(interval->max_ms, max);
        (void)luaL_error(L,
                         "option 'max' (%s) of %s must be longer than 'min' (%s); for a regular "
                         "interval write interval = \"%s\"",
                         max, options.what, min, min);
    }
    interval->shrink = check_factor(L, &options, "shrink", SHRINK);
    interval->grow = check_factor(L, &options, "grow", GROW);
    interval->jitter = option_check_number(L, &options, "jitter", JITTER);
    if (!(interval->jitter >= 0) || interval->jitter > JITTER_MAX)
        (void)luaL_error(L, "option 'jitter' of %s is from 0 to 0.5", options.what);
}

static void read_interval(lua_State *L, const struct options *options, struct routine_spec *routine)
{
    struct interval *interval = &routine->interval;
    const int top = lua_gettop(L);
    const int type = lua_getfield(L, options->index, "interval");
    char min[TEXT_DURATION_BYTES];
    char max[TEXT_DURATION_BYTES];
    *interval = (struct interval){.shrink = 1, .grow = 1};
    if (type != LUA_TNIL && routine->is_long)
        (void)luaL_error(L,
                         "%s has both 'interval' and 'long': a long poll asks again as soon as it "
                         "was answered; leave one of them out",
                         options->what);
    if (type == LUA_TTABLE) {
        read_adaptive(L, options, interval);
    } else if (type == LUA_TNIL && !routine->is_long) {
        (void)luaL_error(L, "%s needs 'interval', as \"30s\" or { min = \"5s\", max = \"10m\" }",
                         options->what);
    } else if (type != LUA_TNIL) {
        interval->min_ms = option_check_time(L, options, "interval", interval_range, 0);
        interval->max_ms = interval->min_ms;
    }
    lua_settop(L, top);
    text_format_duration(interval->min_ms, min);
    text_format_duration(interval->max_ms, max);
    const char *rule = routine->is_long ? "long"
                       : interval->max_ms == interval->min_ms
                           ? min
                           : lua_pushfstring(L, "%s to %s", min, max);
    routine->rule = text_copy(L, rule);
}

/* A part of its rule: another version is another rule, whose place in time begins anew. */
static void read_version(lua_State *L, const struct options *options, struct routine_spec *routine)
{
    const char *version = option_check_text(L, options, "version", NULL);
    if (!version)
        return;
    if (strlen(version) > LIMIT_POLL_VERSION_BYTES)
        (void)luaL_error(L, "option 'version' of %s has at most %d bytes", options->what,
                         LIMIT_POLL_VERSION_BYTES);
    char *rule = text_copy(L, lua_pushfstring(L, "%s, %s", routine->rule, version));
    free(routine->rule);
    routine->rule = rule;
}

/* Unless the script says otherwise: doubled with each failure. */
static void read_on_error(lua_State *L, const struct options *options, struct routine_spec *routine,
                          int64_t base_ms, int64_t max_ms)
{
    routine->on_error = (struct backoff){
        .kind = BACKOFF_EXPONENTIAL,
        .jitter = JITTER_SPREAD,
        .factor = 2,
        .base_ms = base_ms,
        .max_ms = max_ms,
    };
    if (lua_getfield(L, options->index, "on_error") != LUA_TNIL) {
        const struct backoff *backoff = object_test(L, -1, &backoff_kind);
        if (backoff)
            routine->on_error = *backoff;
        else
            (void)option_error(L, options, "on_error", "one of anzol.backoff");
    }
    lua_pop(L, 1);
}

static int l_poll(lua_State *L)
{
    struct routine_spec *routine = add_routine(L, ROUTINE_POLL, "anzol.poll", 3);
    const struct options options = {.index = 2,
                                    .what = lua_pushfstring(L, "anzol.poll '%s'", routine->name)};
    options_check_names(L, &options, poll_names, NULL);
    routine->is_long = option_check_bool(L, &options, "long", false);
    routine->deadline_ms = routine->is_long ? LONG_DEADLINE_MS : 0;
    read_interval(L, &options, routine);
    read_version(L, &options, routine);
    read_on_error(L, &options, routine, 10000, 900000);
    script_of(L)->draft->ended++;
    return 0;
}

/* ---- anzol.sse ---- */

#define SILENCE_MS 300000
#define SILENCE_MS_MAX 86400000

static const char *const sse_names[] = {"allow_private", "auth", "headers", "on_error",
                                        "timeout",       "url",  NULL};

static void read_source(lua_State *L, const struct options *options, struct routine_spec *routine)
{
    struct buf *head = &script_of(L)->head;
    struct err err = {0};
    lua_getfield(L, options->index, "url");
    const struct slice url = auth_check_secret(L, -1, options, "url");
    const bool is_secret = lua_type(L, -1) != LUA_TSTRING;
    routine->url = must_copy(url.data, url.len);
    if (!secret_is_missing(L, -1) && guard_check_url(routine->url, &err) != OK)
        (void)luaL_error(L, "option 'url' of %s: %s", options->what,
                         is_secret ? "the secret is no valid http or https URL" : err.text);
    lua_pop(L, 1);
    buf_clear(head);
    lua_getfield(L, options->index, "headers");
    headers_check_add(L, -1, options->what, head);
    lua_pop(L, 1);
    auth_check_add(L, options, NULL);
    if (head->len > 0)
        routine->head = slice_of(must_copy(head->data, head->len), head->len);
    routine->allow_private = option_check_bool(L, options, "allow_private", false);
    routine->silence_ms =
        option_check_time(L, options, "timeout", (struct range){1000, SILENCE_MS_MAX}, SILENCE_MS);
}

static int l_sse(lua_State *L)
{
    struct routine_spec *routine = add_routine(L, ROUTINE_SSE, "anzol.sse", 3);
    const struct options options = {.index = 2,
                                    .what = lua_pushfstring(L, "anzol.sse '%s'", routine->name)};
    options_check_names(L, &options, sse_names, NULL);
    routine->is_long = true;
    routine->rule = text_copy(L, "stream");
    read_source(L, &options, routine);
    read_on_error(L, &options, routine, 1000, 60000);
    routine->interval.max_ms = routine->on_error.max_ms > 0 ? routine->on_error.max_ms : 60000;
    script_of(L)->draft->ended++;
    return 0;
}

void open_routine(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"cron", l_cron}, {"every", l_every}, {"poll", l_poll}, {"sse", l_sse}, {NULL, NULL}};
    luaL_setfuncs(L, functions, 0);
}
