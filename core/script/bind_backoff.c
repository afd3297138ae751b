/* SPDX-License-Identifier: MIT */
/* anzol.backoff.*: retry policies that C follows without entering Lua. */
#include "script/bind_int.h"

#define BASE_MS 5000
#define FACTOR_MAX 1000.0

static const char *const exponential_names[] = {"attempts", "base",    "factor", "jitter",
                                                "max",      "max_age", NULL};
static const char *const linear_names[] = {"attempts", "base", "jitter", "max", "max_age", NULL};
static const char *const constant_names[] = {"attempts", "base", "jitter", "max_age", NULL};
static const char *const schedule_names[] = {"jitter", "max_age", NULL};

struct jitter_name {
    const char *name;
    enum backoff_jitter jitter;
};
static const struct jitter_name jitter_names[] = {
    {"equal", JITTER_EQUAL},
    {"full", JITTER_FULL},
    {"none", JITTER_NONE},
    {"spread", JITTER_SPREAD},
};

static void read_common(lua_State *L, const struct options *options, struct backoff *backoff)
{
    const char *jitter = option_check_text(L, options, "jitter", "spread");
    bool is_known = false;
    for (size_t i = 0; i < array_count(jitter_names); i++)
        if (strcmp(jitter, jitter_names[i].name) == 0) {
            backoff->jitter = jitter_names[i].jitter;
            is_known = true;
        }
    if (!is_known) {
        lua_getfield(L, options->index, "jitter");
        (void)option_error(L, options, "jitter", "\"full\", \"equal\", \"spread\" or \"none\"");
    }
    backoff->max_age_ms = option_check_duration(L, options, "max_age", 0);
}

static struct backoff *read_backoff(lua_State *L, enum backoff_kind kind, const char *const *names,
                                    const char *what)
{
    if (lua_isnoneornil(L, 1)) {
        lua_settop(L, 0);
        lua_newtable(L);
    }
    const struct options options = {.index = 1, .what = what};
    options_check_names(L, &options, names, NULL);
    struct backoff *backoff = object_push(L, &backoff_kind, sizeof *backoff, 0);
    backoff->kind = kind;
    read_common(L, &options, backoff);
    backoff->base_ms = option_check_duration(L, &options, "base", BASE_MS);
    if (backoff->base_ms < 1)
        (void)luaL_error(L, "option 'base' of %s is at least 1ms", what);
    backoff->max_ms = kind == BACKOFF_CONSTANT ? 0 : option_check_duration(L, &options, "max", 0);
    backoff->attempts_max =
        (uint32_t)option_check_integer(L, &options, "attempts", (struct range){1, 1000000}, 0);
    backoff->factor =
        kind == BACKOFF_EXPONENTIAL ? option_check_number(L, &options, "factor", 2) : 1;
    if (!(backoff->factor >= 1) || backoff->factor > FACTOR_MAX)
        (void)luaL_error(L, "option 'factor' of %s is at least 1 and at most 1000", what);
    return backoff;
}

static int l_exponential(lua_State *L)
{
    (void)read_backoff(L, BACKOFF_EXPONENTIAL, exponential_names, "anzol.backoff.exponential");
    return 1;
}

static int l_linear(lua_State *L)
{
    (void)read_backoff(L, BACKOFF_LINEAR, linear_names, "anzol.backoff.linear");
    return 1;
}

static int l_constant(lua_State *L)
{
    (void)read_backoff(L, BACKOFF_CONSTANT, constant_names, "anzol.backoff.constant");
    return 1;
}

/* The positions are the delays: take them out of the table's names. */
static void push_named_part(lua_State *L)
{
    lua_newtable(L);
    lua_pushnil(L);
    while (lua_next(L, 1)) {
        if (lua_type(L, -2) == LUA_TSTRING) {
            lua_pushvalue(L, -2);
            lua_insert(L, -2);
            lua_rawset(L, -4);
        } else {
            lua_pop(L, 1);
        }
    }
}

static int l_schedule(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    push_named_part(L);
    const struct options options = {.index = 2, .what = "anzol.backoff.schedule"};
    options_check_names(L, &options, schedule_names, NULL);
    struct backoff *backoff = object_push(L, &backoff_kind, sizeof *backoff, 0);
    backoff->kind = BACKOFF_SCHEDULE;
    read_common(L, &options, backoff);
    const size_t count = lua_rawlen(L, 1);
    if (count == 0 || count > BACKOFF_STEPS_MAX)
        return luaL_error(L, "anzol.backoff.schedule takes 1 to %d delays, as { \"5s\", \"5m\" }",
                          BACKOFF_STEPS_MAX);
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, 1, (lua_Integer)i + 1);
        backoff->steps_ms[i] = duration_check(L, -1, "a delay of anzol.backoff.schedule");
        lua_pop(L, 1);
    }
    backoff->step_count = (uint32_t)count;
    return 1;
}

const struct object_kind backoff_kind = {"backoff", NULL, NULL};

static const luaL_Reg functions[] = {
    {"constant", l_constant},
    {"exponential", l_exponential},
    {"linear", l_linear},
    {"schedule", l_schedule},
    {NULL, NULL},
};

void open_backoff(lua_State *L)
{
    object_open(L, &backoff_kind);
    luaL_newlib(L, functions);
    lua_setfield(L, -2, "backoff");
}
