/* SPDX-License-Identifier: MIT */
/* anzol_test.base.zone: time zones by name and from bytes. Test thread only. */
#include "base_int.h"

#include "base/zone.h"

#include <lauxlib.h>

static struct slice check_slice(lua_State *L, int index)
{
    struct slice slice;
    slice.data = luaL_checklstring(L, index, &slice.len);
    return slice;
}

/* zone(name, at_s, [bytes of a file instead of the name's]) -> { from, until, offset, iso: at that
 * instant; reached: of that local time; shown: by that instant } | nil, err, status name */
int l_zone(lua_State *L)
{
    const int64_t at_s = luaL_checkinteger(L, 2);
    struct zone *zone;
    struct err err;
    const enum status status = lua_isnoneornil(L, 3) ? zone_load(check_slice(L, 1), &zone, &err)
                                                     : zone_parse(check_slice(L, 3), &zone, &err);
    if (status != OK) {
        lua_pushnil(L);
        lua_pushstring(L, err.text);
        lua_pushstring(L, status_name(status));
        return 3;
    }
    const struct zone_span span = zone_span_at(zone, at_s);
    char text[ZONE_ISO_BYTES];
    zone_iso(zone, at_s * 1000, text);
    const struct {
        const char *name;
        int64_t value;
    } fields[] = {{"from", span.from_s},
                  {"until", span.until_s},
                  {"offset", span.offset_s},
                  {"reached", zone_first_reached(zone, at_s)},
                  {"shown", zone_latest_shown(zone, at_s)}};
    zone_free(zone);
    lua_newtable(L);
    for (size_t i = 0; i < array_count(fields); i++) {
        lua_pushinteger(L, fields[i].value);
        lua_setfield(L, -2, fields[i].name);
    }
    lua_pushstring(L, text);
    lua_setfield(L, -2, "iso");
    return 1;
}
