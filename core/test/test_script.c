/* SPDX-License-Identifier: MIT */
/* anzol_test.script: projects loaded as the server loads them, their hooks run one by one, for
 * spec/core/script*_spec.lua. The specs' own Lua and the project's states share nothing. */
#include "script_project_int.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdlib.h>

int luaopen_anzol_test_script(lua_State *L);

/* setenv(name, value | nil) */
static int l_setenv(lua_State *L)
{
    const char *name = luaL_checkstring(L, 1);
    const char *value = luaL_optstring(L, 2, NULL);
    if (value)
        (void)setenv(name, value, 1);
    else
        (void)unsetenv(name);
    return 0;
}

/* settings(dir) -> rows | nil, text */
static int l_settings(lua_State *L)
{
    struct settings settings;
    struct err err;
    if (settings_load(luaL_checkstring(L, 1), &settings, &err) != OK) {
        lua_pushnil(L);
        lua_pushstring(L, err.text);
        return 2;
    }
    lua_newtable(L);
    for (size_t i = 0; i < settings.count; i++) {
        lua_newtable(L);
        set_text(L, "name", settings.rows[i].name);
        set_text(L, "value", settings.rows[i].value);
        set_integer(L, "line", settings.rows[i].line);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    settings_finish(&settings);
    return 1;
}

static int l_now_ns(lua_State *L)
{
    lua_pushinteger(L, clock_mono_ns());
    return 1;
}

static int l_cpu_ns(lua_State *L)
{
    lua_pushinteger(L, clock_thread_cpu_ns());
    return 1;
}

/* clock(ms): the wall clock stands still there; clock(): it goes on. */
static int l_clock(lua_State *L)
{
    if (lua_isnoneornil(L, 1))
        clock_real();
    else
        clock_fake(luaL_checkinteger(L, 1), clock_mono_ms());
    return 0;
}

/* advance(ms): moves clocks that stand still. */
static int l_advance(lua_State *L)
{
    clock_advance(luaL_checkinteger(L, 1));
    return 0;
}

/* quiet(true): only errors are logged. */
static int l_quiet(lua_State *L)
{
    log_setup(lua_toboolean(L, 1) ? LOG_ERROR : LOG_INFO, LOG_TEXT);
    return 0;
}

static int l_is_slow(lua_State *L)
{
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    lua_pushboolean(L, 1);
#else
    lua_pushboolean(L, 0);
#endif
    return 1;
}

static const luaL_Reg functions[] = {
    {"advance", l_advance},
    {"clock", l_clock},
    {"cpu_ns", l_cpu_ns},
    {"is_slow", l_is_slow},
    {"load", l_project_load},
    {"now_ns", l_now_ns},
    {"quiet", l_quiet},
    {"pattern_time", l_pattern_time},
    {"patterns", l_patterns},
    {"phases", l_phases},
    {"setenv", l_setenv},
    {"settings", l_settings},
    {NULL, NULL},
};

int luaopen_anzol_test_script(lua_State *L)
{
    project_open(L);
    luaL_newlib(L, functions);
    return 1;
}
