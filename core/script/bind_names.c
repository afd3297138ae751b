/* SPDX-License-Identifier: MIT */
/* Names that are nowhere, and which were meant. Reading one gives nil, as ordinary Lua does, so
 * that a script may ask whether a function is there; what was missed last is kept, and the error of
 * the call that follows names it. Costs nothing where the name is there. */
#include "script/bind_int.h"

#include "base/text.h"

#define NAMES_COMPARED_MAX 256

/* Registry keys: the table in which a name was missed last; what marks our metatables. */
static const char missed_key, watched_key;

/* ---- Words ---- */

int names_push_unknown(lua_State *L, int index, const char *owner, const char *name)
{
    const char *known[NAMES_COMPARED_MAX];
    size_t count = 0;
    index = lua_absindex(L, index);
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1))
        if (lua_type(L, -2) == LUA_TSTRING && count < NAMES_COMPARED_MAX)
            known[count++] = lua_tostring(L, -2); /* alive as long as the table's field is */
    const char *nearest = text_nearest(slice_str(name), known, count);
    lua_pushfstring(
        L, nearest ? "there is no '%s' in %s; did you mean '%s'?" : "there is no '%s' in %s", name,
        owner, nearest);
    return 1;
}

/* ---- Noting ---- */

int l_name_missed(lua_State *L, int index, const char *owner)
{
    struct missed *missed = &script_of(L)->missed;
    index = lua_absindex(L, index);
    if (lua_type(L, 2) == LUA_TSTRING) {
        (void)snprintf(missed->owner, sizeof missed->owner, "%s", owner);
        (void)snprintf(missed->name, sizeof missed->name, "%s", lua_tostring(L, 2));
        luaL_where(L, 1);
        (void)snprintf(missed->place, sizeof missed->place, "%s", lua_tostring(L, -1));
        lua_pushvalue(L, index);
        lua_rawsetp(L, LUA_REGISTRYINDEX, &missed_key);
    }
    lua_pushnil(L);
    return 1;
}

/* __index. Upvalue 1: what the table is called. */
static int l_index(lua_State *L)
{
    return l_name_missed(L, 1, lua_tostring(L, lua_upvalueindex(1)));
}

void names_watch(lua_State *L, int index, const char *owner)
{
    index = lua_absindex(L, index);
    lua_createtable(L, 0, 2);
    lua_pushstring(L, owner);
    lua_pushcclosure(L, l_index, 1);
    lua_setfield(L, -2, "__index");
    lua_pushboolean(L, true);
    lua_rawsetp(L, -2, &watched_key);
    lua_setmetatable(L, index);
}

bool names_are_watched(lua_State *L, int index)
{
    if (!lua_getmetatable(L, index))
        return false;
    const bool is_ours = lua_rawgetp(L, -1, &watched_key) == LUA_TBOOLEAN;
    lua_pop(L, 2);
    return is_ours;
}

/* ---- Explaining ---- */

/* "PLACE: attempt to … a nil value (field 'NAME')" of what was missed last. */
static bool is_of_missed(const char *text, const struct missed *missed)
{
    char end[sizeof missed->name + 16];
    const size_t place_len = strlen(missed->place);
    const char *kind = strstr(text, " a nil value (");
    if (place_len == 0 || strncmp(text, missed->place, place_len) != 0 || !kind)
        return false;
    (void)snprintf(end, sizeof end, " '%s')", missed->name);
    const size_t len = strlen(text), end_len = strlen(end);
    return len > end_len && strcmp(text + len - end_len, end) == 0;
}

void names_explain(lua_State *L)
{
    const struct missed *missed = &script_of(L)->missed;
    if (!is_of_missed(lua_tostring(L, -1), missed))
        return;
    lua_pushstring(L, missed->place);
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, &missed_key) == LUA_TTABLE) {
        (void)names_push_unknown(L, -1, missed->owner, missed->name);
        lua_remove(L, -2);
        lua_concat(L, 2);
        lua_replace(L, -2);
        return;
    }
    lua_pop(L, 2);
}

/* ---- For Lua of our own ---- */

int l_nearest(lua_State *L)
{
    const char *known[NAMES_COMPARED_MAX];
    struct slice name;
    size_t count = 0;
    name.data = luaL_checklstring(L, 1, &name.len);
    luaL_checktype(L, 2, LUA_TTABLE);
    for (lua_Integer i = 1; count < NAMES_COMPARED_MAX && lua_rawgeti(L, 2, i) == LUA_TSTRING;
         i++) {
        known[count++] = lua_tostring(L, -1); /* the list holds it */
        lua_pop(L, 1);
    }
    lua_pushstring(L, text_nearest(name, known, count));
    return 1;
}

static int l_open_nearest(lua_State *L)
{
    lua_pushcfunction(L, l_nearest);
    return 1;
}

void open_nearest(lua_State *L)
{
    luaL_requiref(L, "anzol.nearest", l_open_nearest, 0);
    lua_pop(L, 1);
}
