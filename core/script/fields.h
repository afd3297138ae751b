/* SPDX-License-Identifier: MIT */
/* Setting a field of the Lua table on top of the stack. Each may raise for want of memory. */
#ifndef SCRIPT_FIELDS_H
#define SCRIPT_FIELDS_H

#include "base/id.h"

#include <lua.h>
#include <stdlib.h>
#include <string.h>

/* value may be NULL: no field. */
static inline void set_text(lua_State *L, const char *name, const char *value)
{
    lua_pushstring(L, value);
    lua_setfield(L, -2, name);
}

static inline void set_slice(lua_State *L, const char *name, struct slice value)
{
    lua_pushlstring(L, value.data, value.len);
    lua_setfield(L, -2, name);
}

static inline void set_integer(lua_State *L, const char *name, lua_Integer value)
{
    lua_pushinteger(L, value);
    lua_setfield(L, -2, name);
}

static inline void set_bool(lua_State *L, const char *name, bool value)
{
    lua_pushboolean(L, value);
    lua_setfield(L, -2, name);
}

/* "scripts/crm.lua:31" as file and line (0: none). */
static inline void set_place(lua_State *L, const char *place)
{
    const char *colon = strrchr(place, ':');
    set_slice(L, "file", slice_of(place, colon ? (size_t)(colon - place) : strlen(place)));
    set_integer(L, "line", colon ? strtol(colon + 1, NULL, 10) : 0);
}

/* As scripts and people see it: "evt_…". */
static inline void set_id(lua_State *L, const char *name, enum id_kind kind, uint64_t id)
{
    char text[ID_TEXT_BYTES];
    id_format(kind, id, text);
    set_text(L, name, text);
}

#endif
