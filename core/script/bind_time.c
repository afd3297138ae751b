/* SPDX-License-Identifier: MIT */
/* anzol.time: instants are integers, Unix milliseconds. anzol.random. */
#include "script/bind_int.h"

#include "base/clock.h"

#include <stdlib.h>

static int l_now(lua_State *L)
{
    lua_pushinteger(L, clock_now_ms());
    return 1;
}

/* Year 0 to 9999. */
#define MS_LEAST INT64_C(-62167219200000)
#define MS_MOST INT64_C(253402300799999)

static int l_iso(lua_State *L)
{
    const lua_Integer ms = luaL_optinteger(L, 1, clock_now_ms());
    luaL_argcheck(L, ms >= MS_LEAST && ms <= MS_MOST, 1, "Unix milliseconds expected");
    char text[CLOCK_ISO_BYTES];
    clock_iso(ms, text);
    lua_pushstring(L, text);
    return 1;
}

static int l_parse(lua_State *L)
{
    const char *text = luaL_checkstring(L, 1);
    int64_t ms;
    if (clock_parse_iso(text, &ms) || clock_parse_http_date(text, &ms)) {
        lua_pushinteger(L, ms);
        return 1;
    }
    return error_push(L, "time", "neither RFC 3339 (2026-03-02T08:00:00Z) nor an HTTP date", false);
}

static int l_parse_duration(lua_State *L)
{
    luaL_checkany(L, 1);
    lua_pushinteger(L, duration_check(L, 1, "the argument of anzol.time.parse_duration"));
    return 1;
}

/* A whole number from least to most, each as likely: what is over a multiple of the span is thrown
 * away. */
static lua_Integer random_between(lua_Integer least, lua_Integer most)
{
    const uint64_t span = (uint64_t)most - (uint64_t)least + 1;
    uint64_t bits;
    do
        random_bytes(&bits, sizeof bits);
    while (span != 0 && bits >= UINT64_MAX - UINT64_MAX % span);
    const uint64_t number = (uint64_t)least + (span == 0 ? bits : bits % span);
    return (lua_Integer)number;
}

/* As math.random: () uniform in [0, 1), (m) a whole number from 1 to m, (m, n) from m to n. */
static int l_random(lua_State *L)
{
    if (lua_gettop(L) == 0) {
        uint64_t bits;
        random_bytes(&bits, sizeof bits);
        lua_pushnumber(L, (lua_Number)(bits >> 11) * 0x1p-53);
        return 1;
    }
    const bool has_least = lua_gettop(L) > 1;
    const lua_Integer least = has_least ? luaL_checkinteger(L, 1) : 1;
    const lua_Integer most = luaL_checkinteger(L, has_least ? 2 : 1);
    luaL_argcheck(L, least <= most, has_least ? 2 : 1, "interval is empty");
    lua_pushinteger(L, random_between(least, most));
    return 1;
}

static const luaL_Reg functions[] = {
    {"iso", l_iso}, {"now", l_now}, {"parse", l_parse}, {"parse_duration", l_parse_duration},
    {NULL, NULL},
};

void open_time(lua_State *L)
{
    luaL_newlib(L, functions);
    lua_setfield(L, -2, "time");
    lua_pushcfunction(L, l_random);
    lua_setfield(L, -2, "random");
}
