/* SPDX-License-Identifier: MIT */
/* os.date and os.time in UTC, or in the zone that the setting `timezone` names, whatever the
 * machine's is, by the clock that a spec may hold. */
#include "base/clock.h"
#include "base/zone.h"
#include "script/bind_int.h"

#include <limits.h>
#include <stdlib.h>
#include <time.h>

#define YEAR_BASE 1900
#define DATE_BYTES_MAX 4096
#define MS_PER_S 1000
#define S_PER_MINUTE 60

static lua_Integer now_s(void)
{
    return clock_now_ms() / MS_PER_S;
}

/* NULL: UTC. */
static const struct zone *zone_of(lua_State *L)
{
    const struct generation *generation = script_of(L)->generation;
    return generation ? generation->zone : NULL;
}

/* Pushes "!" and the format, with the offset for %z and %Z: the stock function knows UTC only. */
static void push_format(lua_State *L, struct slice format, int32_t offset_s)
{
    luaL_Buffer buffer;
    luaL_buffinit(L, &buffer);
    luaL_addchar(&buffer, '!');
    for (size_t i = 0; i < format.len; i++) {
        const char next = format.data[i] == '%' && i + 1 < format.len ? format.data[i + 1] : '\0';
        if (next == 'z' || next == 'Z') {
            char text[16];
            const int minutes = abs(offset_s) / S_PER_MINUTE;
            (void)snprintf(text, sizeof text, "%c%02d%02d", offset_s < 0 ? '-' : '+', minutes / 60,
                           minutes % 60);
            luaL_addstring(&buffer, text);
        } else {
            luaL_addchar(&buffer, format.data[i]);
            if (next)
                luaL_addchar(&buffer, next);
        }
        i += next != '\0';
    }
    luaL_pushresult(&buffer);
}

/* Puts what the clocks of the zone show at the time (2) in place of it, for the stock function. */
static void make_local(lua_State *L, const struct zone *zone, struct slice format)
{
    const lua_Integer utc_s = luaL_checkinteger(L, 2);
    const int32_t offset_s = zone_span_at(zone, utc_s).offset_s;
    lua_pushinteger(L, (lua_Integer)((lua_Unsigned)utc_s + (lua_Unsigned)(lua_Integer)offset_s));
    lua_replace(L, 2);
    push_format(L, format, offset_s);
    lua_replace(L, 1);
}

/* Upvalue: the stock function, which takes "!" as UTC. Of a zone's time the field isdst is absent,
 * as the manual allows: zones are known by their offsets. */
static int l_date(lua_State *L)
{
    size_t len;
    const char *format = luaL_optlstring(L, 1, "%c", &len);
    luaL_argcheck(L, len <= DATE_BYTES_MAX, 1, "too long");
    const bool has_time = !lua_isnoneornil(L, 2);
    lua_settop(L, 2);
    if (!has_time) {
        lua_pushinteger(L, now_s());
        lua_replace(L, 2);
    }
    const struct zone *zone = format[0] == '!' ? NULL : zone_of(L);
    const bool is_local_table = zone && strcmp(format, "*t") == 0;
    if (zone) {
        make_local(L, zone, slice_of(format, len));
    } else if (format[0] != '!') {
        lua_pushfstring(L, "!%s", format);
        lua_replace(L, 1);
    }
    const int count = lua_tocfunction(L, lua_upvalueindex(1))(L);
    if (is_local_table) {
        lua_pushnil(L);
        lua_setfield(L, -2, "isdst");
    }
    return count;
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

/* Of a time that the clocks of the zone show twice the first, of one that they skip the end of the
 * gap. tm: what they show then. */
static time_t zone_seconds(const struct zone *zone, struct tm *tm)
{
    const time_t utc_s = (time_t)zone_first_reached(zone, timegm(tm));
    const time_t local_s = utc_s + (time_t)zone_span_at(zone, utc_s).offset_s;
    (void)gmtime_r(&local_s, tm);
    return utc_s;
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
    const struct zone *zone = zone_of(L);
    const time_t seconds = zone ? zone_seconds(zone, &tm) : timegm(&tm);
    set_field(L, "year", tm.tm_year + YEAR_BASE);
    set_field(L, "month", tm.tm_mon + 1);
    set_field(L, "day", tm.tm_mday);
    set_field(L, "hour", tm.tm_hour);
    set_field(L, "min", tm.tm_min);
    set_field(L, "sec", tm.tm_sec);
    set_field(L, "yday", tm.tm_yday + 1);
    set_field(L, "wday", tm.tm_wday + 1);
    if (zone)
        lua_pushnil(L);
    else
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
