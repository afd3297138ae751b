/* SPDX-License-Identifier: MIT */
/* require "anzol.core" in an outer state: what lua/anzol/testing.lua is made of. */
#include "testing/testing.h"

#include "base/clock.h"
#include "testing/testing_int.h"

/* settings(dir) -> { [name] = text }, lists joined by "\n" | nil, why */
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
    for (size_t i = 0; i < settings.count; i++)
        set_text(L, settings.rows[i].name, settings.rows[i].value);
    settings_finish(&settings);
    return 1;
}

/* parse_time(RFC 3339) -> Unix ms | nil */
static int l_parse_time(lua_State *L)
{
    int64_t ms;
    if (!clock_parse_iso(luaL_checkstring(L, 1), &ms))
        return 0;
    lua_pushinteger(L, ms);
    return 1;
}

static const luaL_Reg functions[] = {
    {"load", l_project_load}, {"nearest", l_nearest}, {"parse_time", l_parse_time},
    {"settings", l_settings}, {NULL, NULL},
};

int luaopen_anzol_core(lua_State *L)
{
    coverage_open(L);
    project_open(L);
    event_handle_open(L);
    delivery_handle_open(L);
    luaL_newlib(L, functions);
    (void)bridge_push_marks(L);
    lua_setfield(L, -2, "json");
    return 1;
}
