/* SPDX-License-Identifier: MIT */
/* Options: the table of named arguments that a call takes. Everything wrong with one raises, with
 * the call, the option, what is allowed and what came. */
#include "script/bind_int.h"

#include "base/text.h"

#include <math.h>
#include <stdlib.h>
#include <strings.h>

#define NAMES_MAX 48
#define DURATION_S_MAX (36500 * 86400.0) /* a hundred years */
#define DURATION_MS_MAX (36500 * INT64_C(86400000))

static bool is_in(const char *name, const char *const *names)
{
    for (; *names; names++)
        if (strcmp(name, *names) == 0)
            return true;
    return false;
}

static size_t count_of(const char *const *names)
{
    size_t count = 0;
    while (names[count])
        count++;
    return count;
}

void options_check_names(lua_State *L, const struct options *options, const char *const *names,
                         const struct options_elsewhere *elsewhere)
{
    if (lua_type(L, options->index) != LUA_TTABLE)
        (void)luaL_error(L, "%s takes a table of options, got %s", options->what,
                         luaL_typename(L, options->index));
    lua_pushnil(L);
    while (lua_next(L, options->index)) {
        lua_pop(L, 1);
        if (lua_type(L, -1) != LUA_TSTRING)
            (void)luaL_error(L, "options of %s have names, found the key %s", options->what,
                             luaL_tolstring(L, -1, NULL));
        const char *name = lua_tostring(L, -1);
        if (is_in(name, names))
            continue;
        if (elsewhere && is_in(name, elsewhere->names))
            (void)luaL_error(L, "option '%s' of %s %s", name, options->what, elsewhere->why);
        const char *nearest = text_nearest(slice_str(name), names, count_of(names));
        (void)luaL_error(L,
                         nearest ? "unknown option '%s' for %s; did you mean '%s'?"
                                 : "unknown option '%s' for %s",
                         name, options->what, nearest);
    }
}

/* What an error says of a wrong value. Leaves one on the stack, at most. */
static const char *shown(lua_State *L, int index)
{
    const int type = lua_type(L, index);
    return type == LUA_TSTRING || type == LUA_TNUMBER
               ? lua_pushfstring(L, "'%s'", lua_tostring(L, index))
               : luaL_typename(L, index);
}

int option_error(lua_State *L, const struct options *options, const char *name,
                 const char *expected)
{
    /* The value may lie below what was pushed to say what is expected. */
    (void)lua_getfield(L, options->index, name);
    return luaL_error(L, "option '%s' of %s must be %s, got %s", name, options->what, expected,
                      shown(L, -1));
}

/* The value as a Duration, that may be more than DURATION_MS_MAX; negative: it is none. */
static int64_t duration_of(lua_State *L, int index)
{
    int64_t ms;
    struct slice text;
    if (lua_type(L, index) == LUA_TNUMBER) {
        const double seconds = lua_tonumber(L, index);
        if (!(seconds >= 0))
            return -1;
        return seconds > DURATION_S_MAX ? DURATION_MS_MAX + 1 : (int64_t)llround(seconds * 1000);
    }
    if (lua_type(L, index) != LUA_TSTRING)
        return -1;
    text.data = lua_tolstring(L, index, &text.len);
    return text_parse_duration_ms(text, &ms) ? ms : -1;
}

const char *value_typename(lua_State *L, int index)
{
    const int type = luaL_getmetafield(L, index, "__name");
    const char *name = type == LUA_TSTRING ? lua_tostring(L, -1) : NULL;
    if (type != LUA_TNIL)
        lua_pop(L, 1);
    return name ? name : luaL_typename(L, index);
}

/* "from 0ms to 366d", left on the stack. */
static const char *range_text(lua_State *L, struct range range_ms)
{
    char least[TEXT_DURATION_BYTES];
    char most[TEXT_DURATION_BYTES];
    text_format_duration(range_ms.least, least);
    text_format_duration(range_ms.most, most);
    return lua_pushfstring(L, "from %s to %s", least, most);
}

int64_t duration_check(lua_State *L, int index, const char *what)
{
    const int64_t ms = duration_of(L, index);
    if (ms < 0)
        (void)luaL_error(L, "%s must be a duration (" TEXT_DURATION_FORMS "), got %s", what,
                         shown(L, index));
    if (ms > DURATION_MS_MAX)
        (void)luaL_error(L, "%s must be a duration %s, got %s", what,
                         range_text(L, (struct range){0, DURATION_MS_MAX}), shown(L, index));
    return ms;
}

static void check_range(lua_State *L, const struct options *options, const char *name,
                        struct range range_ms, int64_t ms)
{
    if (ms < range_ms.least || ms > range_ms.most)
        (void)option_error(L, options, name,
                           lua_pushfstring(L, "a duration %s", range_text(L, range_ms)));
}

/* May be more than DURATION_MS_MAX. */
static int64_t read_duration(lua_State *L, const struct options *options, const char *name,
                             int64_t fallback_ms)
{
    int64_t ms = fallback_ms;
    if (lua_getfield(L, options->index, name) != LUA_TNIL) {
        ms = duration_of(L, -1);
        if (ms < 0)
            (void)option_error(L, options, name, "a duration (" TEXT_DURATION_FORMS ")");
    }
    lua_pop(L, 1);
    return ms;
}

/* The fallback may say by its own value, below 0, that there is none. */
int64_t option_check_duration(lua_State *L, const struct options *options, const char *name,
                              int64_t fallback_ms)
{
    const int64_t ms = read_duration(L, options, name, fallback_ms);
    if (ms != fallback_ms)
        check_range(L, options, name, (struct range){0, DURATION_MS_MAX}, ms);
    return ms;
}

int64_t option_check_time(lua_State *L, const struct options *options, const char *name,
                          struct range range_ms, int64_t fallback_ms)
{
    const int64_t ms = read_duration(L, options, name, fallback_ms);
    check_range(L, options, name, range_ms, ms);
    return ms;
}

size_t option_check_size(lua_State *L, const struct options *options, const char *name,
                         size_t fallback)
{
    size_t bytes = fallback;
    const int type = lua_getfield(L, options->index, name);
    struct slice text;
    if (type == LUA_TNUMBER && lua_isinteger(L, -1) && lua_tointeger(L, -1) >= 0)
        bytes = (size_t)lua_tointeger(L, -1);
    else if (type != LUA_TSTRING || !(text.data = lua_tolstring(L, -1, &text.len)) ||
             !text_parse_size(text, &bytes)) {
        if (type != LUA_TNIL)
            (void)option_error(L, options, name, "a size (" TEXT_SIZE_FORMS ")");
    }
    lua_pop(L, 1);
    return bytes;
}

lua_Integer option_check_integer(lua_State *L, const struct options *options, const char *name,
                                 struct range range, lua_Integer fallback)
{
    lua_Integer value = fallback;
    const int type = lua_getfield(L, options->index, name);
    if (type != LUA_TNIL) {
        int is_integer = 0;
        value = type == LUA_TNUMBER ? lua_tointegerx(L, -1, &is_integer) : 0;
        if (!is_integer || value < range.least || value > range.most)
            (void)option_error(L, options, name,
                               lua_pushfstring(L, "an integer from %I to %I",
                                               (LUAI_UACINT)range.least, (LUAI_UACINT)range.most));
    }
    lua_pop(L, 1);
    return value;
}

double option_check_number(lua_State *L, const struct options *options, const char *name,
                           double fallback)
{
    double value = fallback;
    const int type = lua_getfield(L, options->index, name);
    if (type == LUA_TNUMBER && isfinite(lua_tonumber(L, -1)))
        value = lua_tonumber(L, -1);
    else if (type != LUA_TNIL)
        (void)option_error(L, options, name, "a number");
    lua_pop(L, 1);
    return value;
}

bool option_check_bool(lua_State *L, const struct options *options, const char *name, bool fallback)
{
    bool value = fallback;
    const int type = lua_getfield(L, options->index, name);
    if (type == LUA_TBOOLEAN)
        value = lua_toboolean(L, -1);
    else if (type != LUA_TNIL)
        (void)option_error(L, options, name, "true or false");
    lua_pop(L, 1);
    return value;
}

const char *option_check_text(lua_State *L, const struct options *options, const char *name,
                              const char *fallback)
{
    const char *value = fallback;
    const int type = lua_getfield(L, options->index, name);
    if (type == LUA_TSTRING)
        value = lua_tostring(L, -1);
    else if (type != LUA_TNIL)
        (void)option_error(L, options, name, "a string");
    lua_pop(L, 1);
    return value;
}

const char *option_check_pattern(lua_State *L, const struct options *options, const char *name)
{
    const char *pattern = option_check_text(L, options, name, NULL);
    if (pattern && !event_pattern_is_valid(slice_str(pattern)))
        (void)option_error(L, options, name, EVENT_PATTERN_FORMS);
    return pattern;
}

const char *option_check_method(lua_State *L, const struct options *options, const char *fallback)
{
    static const char *const known[] = {"DELETE", "GET", "HEAD", "OPTIONS", "PATCH", "POST", "PUT"};
    const char *method = option_check_text(L, options, "method", fallback);
    if (!method)
        return NULL;
    if (!text_is_token(slice_str(method)) || strlen(method) > LIMIT_METHOD_BYTES)
        (void)option_error(L, options, "method",
                           lua_pushfstring(L, "a method as \"POST\", a token of at most %d bytes",
                                           LIMIT_METHOD_BYTES));
    for (size_t i = 0; i < array_count(known); i++)
        if (strcasecmp(method, known[i]) == 0 && strcmp(method, known[i]) != 0)
            (void)option_error(L, options, "method",
                               lua_pushfstring(L, "in upper case, \"%s\"", known[i]));
    if (strcmp(method, "CONNECT") == 0 || strcmp(method, "TRACE") == 0)
        (void)option_error(L, options, "method",
                           "one that carries a message: CONNECT asks for a tunnel, and TRACE has "
                           "no body");
    return method;
}

int option_check_function(lua_State *L, const struct options *options, const char *name)
{
    const int type = lua_getfield(L, options->index, name);
    if (type == LUA_TFUNCTION)
        return function_keep(L);
    if (type != LUA_TNIL)
        (void)option_error(L, options, name, "a function");
    lua_pop(L, 1);
    return 0;
}

char *text_copy(lua_State *L, const char *text)
{
    char *copy = strdup(text);
    if (!copy)
        (void)luaL_error(L, "out of memory");
    return copy;
}

int function_keep(lua_State *L)
{
    struct script *script = script_of(L);
    script_push_ref(L, script, REF_FUNCTIONS);
    lua_insert(L, -2);
    lua_rawseti(L, -2, ++script->function_count);
    lua_pop(L, 1);
    return script->function_count;
}
