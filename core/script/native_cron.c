/* SPDX-License-Identifier: MIT */
/* What `anzol cron` needs of C; documented in cli.c. */
#include "script/bind_int.h"
#include "script/fields.h"

#include "base/clock.h"
#include "base/zone.h"
#include "model/cron.h"

static struct slice check_slice(lua_State *L, int index)
{
    struct slice slice;
    slice.data = luaL_checklstring(L, index, &slice.len);
    return slice;
}

static enum status read_from(lua_State *L, int index, int64_t *ms, struct err *err)
{
    if (lua_isinteger(L, index)) {
        *ms = lua_tointeger(L, index);
        return OK;
    }
    const char *text = luaL_checkstring(L, index);
    return clock_parse_iso(text, ms)
               ? OK
               : err_set(err, E_INVALID,
                         "\"%s\" is no instant: write date, time and offset, such as "
                         "2026-03-02T08:00:00Z or 2026-03-02T09:00:00+01:00",
                         text);
}

/* May raise for want of memory: then the command is over, and the zone with it. */
static void push_times(lua_State *L, const struct cron *cron, const struct zone *zone, int64_t ms,
                       lua_Integer count)
{
    lua_newtable(L);
    for (lua_Integer i = 1; i <= count && cron_next(cron, zone, ms, &ms); i++) {
        char local[ZONE_ISO_BYTES];
        char utc[CLOCK_ISO_BYTES];
        zone_iso(zone, ms, local);
        clock_iso(ms, utc);
        lua_createtable(L, 0, 3);
        set_integer(L, "at_ms", ms);
        set_text(L, "local", local);
        set_text(L, "utc", utc);
        lua_rawseti(L, -2, i);
    }
}

int l_cron_next(lua_State *L)
{
    struct cron cron;
    struct zone *zone;
    struct err err;
    int64_t ms;
    const struct slice name = check_slice(L, 2);
    const lua_Integer count = luaL_checkinteger(L, 4);
    if (cron_parse(check_slice(L, 1), &cron, &err) != OK || read_from(L, 3, &ms, &err) != OK ||
        zone_load(name, &zone, &err) != OK) {
        lua_pushnil(L);
        lua_pushstring(L, err.text);
        return 2;
    }
    push_times(L, &cron, zone, ms, count);
    zone_free(zone);
    return 1;
}
