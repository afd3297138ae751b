/* SPDX-License-Identifier: MIT */
/* os.date and os.time in UTC, whatever the machine's zone is, by the clock that a spec may hold. */
#include "base/clock.h"
#include "script/bind_int.h"

#include <limits.h>
#include <time.h>

#define YEAR_BASE 1900
#define DATE_BYTES_MAX 4096
#define MS_PER_S 1000

static lua_Integer now_s(void)
{
    return clock_now_ms() / MS_PER_S;
}

/* Upvalue: the stock function, which takes "!" as UTC. */
static int l_date(lua_State *L)
{
    size_t len;
    const char *format = luaL_optlstring(L, 1, "%c", &len);
    luaL_argcheck(L, len <= DATE_BYTES_MAX, 1, "too long");
    const bool has_time = !lua_isnoneornil(L, 2);
    lua_settop(L, 2);
    if (format[0] != '!') {
        lua_pushfstring(L, "!%s", format);
        lua_replace(L, 1);
    }
    if (!has_time) {
        lua_pushinteger(L, now_s());
        lua_replace(L, 2);
    }
    return lua_tocfunction(L, lua_upvalueindex(1))(L);
}

static int check_field(lua_State *L, const char *name, int fallback, int base)
{
    int is_integer = 0;
    const int type = lua_getfield(L, 1, name);
    const lua_Integer value = lua_tointegerx(L, -1, &is_integer);
    lua_pop(L, 1);
    if (type == LUA_TNIL && fallback >= 0)
        return fallback;
    if (type == LUA_TNIL)
        return luaL_error(L, "field '%s' missing in date table", name);
    if (!is_integer)
        return luaL_error(L, "field '%s' is not an integer", name);
    if (value < (lua_Integer)INT_MIN + base || value > (lua_Integer)INT_MAX)
        return luaL_error(L, "field '%s' is out-of-bound", name);
    return (int)(value - base);
}

static void set_field(lua_State *L, const char *name, int value)
{
    lua_pushinteger(L, value);
    lua_setfield(L, 1, name);
}

/* As the stock one: the table's fields are put into their ranges. */
static int l_time(lua_State *L)
{
    if (lua_isnoneornil(L, 1)) {
        lua_pushinteger(L, now_s());
        return 1;
    }
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    struct tm tm = {
        .tm_year = check_field(L, "year", -1, YEAR_BASE),
        .tm_mon = check_field(L, "month", -1, 1),
        .tm_mday = check_field(L, "day", -1, 0),
        .tm_hour = check_field(L, "hour", 12, 0),
        .tm_min = check_field(L, "min", 0, 0),
        .tm_sec = check_field(L, "sec", 0, 0),
    };
    const time_t seconds = timegm(&tm);
    set_field(L, "year", tm.tm_year + YEAR_BASE);
    set_field(L, "month", tm.tm_mon + 1);
    set_field(L, "day", tm.tm_mday);
    set_field(L, "hour", tm.tm_hour);
    set_field(L, "min", tm.tm_min);
    set_field(L, "sec", tm.tm_sec);
    set_field(L, "yday", tm.tm_yday + 1);
    set_field(L, "wday", tm.tm_wday + 1);
    lua_pushboolean(L, false);
    lua_setfield(L, 1, "isdst");
    lua_pushinteger(L, (lua_Integer)seconds);
    return 1;
}

void l_open_os(lua_State *L)
{
    lua_getglobal(L, "os");
    lua_getfield(L, -1, "date");
    lua_pushcclosure(L, l_date, 1);
    lua_setfield(L, -2, "date");
    lua_pushcfunction(L, l_time);
    lua_setfield(L, -2, "time");
    lua_pop(L, 1);
}
