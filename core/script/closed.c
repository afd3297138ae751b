/* SPDX-License-Identifier: MIT */
/* What belongs to Lua and to the server is read-only once the scripts are loaded: one of them can't
 * change print, string.format or anzol.on under the feet of the others. A closed table keeps its
 * identity, but its fields move into a table that nobody else can reach. */
#include "script/bind_int.h"

#define DEPTH_MAX 4 /* of tables in tables: anzol.provider, anzol.json, … */

/* Pushes where the fields of the closed table at index are; pushes nothing if it is not closed. */
static bool push_fields(lua_State *L, int index)
{
    index = lua_absindex(L, index);
    if (lua_type(L, index) != LUA_TTABLE)
        return false;
    script_push_ref(L, script_of(L), REF_CLOSED);
    lua_pushvalue(L, index);
    if (lua_rawget(L, -2) == LUA_TTABLE) {
        lua_remove(L, -2);
        return true;
    }
    lua_pop(L, 2);
    return false;
}

/* ---- The functions that go past metatables ---- */

static int l_rawget(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_checkany(L, 2);
    lua_settop(L, 2);
    if (push_fields(L, 1))
        lua_replace(L, 1);
    (void)lua_rawget(L, 1);
    return 1;
}

static int l_rawset(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_checkany(L, 2);
    luaL_checkany(L, 3);
    lua_settop(L, 3);
    if (push_fields(L, 1))
        return luaL_error(L, "rawset: '%s' is read-only after loading", luaL_tolstring(L, 2, NULL));
    lua_rawset(L, 1);
    return 1;
}

static int l_next(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 2);
    if (push_fields(L, 1))
        lua_replace(L, 1);
    if (lua_next(L, 1))
        return 2;
    lua_pushnil(L);
    return 1;
}

static const luaL_Reg raw_functions[] = {
    {"next", l_next}, {"rawget", l_rawget}, {"rawset", l_rawset}, {NULL, NULL}};

void l_open_closed(lua_State *L)
{
    lua_pushglobaltable(L);
    luaL_setfuncs(L, raw_functions, 0);
    /* What a script can't replace: all that is there before it. */
    script_push_ref(L, script_of(L), REF_BUILTINS);
    for (lua_pushnil(L); lua_next(L, -3); lua_pop(L, 1)) {
        lua_pushvalue(L, -2);
        lua_pushboolean(L, true);
        lua_rawset(L, -5);
    }
    lua_pop(L, 2);
}

/* ---- Closing ---- */

/* Upvalue 1: the fields. */
static int l_pairs(lua_State *L)
{
    lua_pushcfunction(L, l_next);
    lua_pushvalue(L, 1);
    lua_pushnil(L);
    return 3;
}

/* Upvalue 1: what the table is called. */
static int l_refuse(lua_State *L)
{
    return luaL_error(L,
                      "'%s.%s' is read-only after loading; keep what is yours in a local or a "
                      "table of your own",
                      lua_tostring(L, lua_upvalueindex(1)), luaL_tolstring(L, 2, NULL));
}

/* Moves all fields of the table at index into a new one, which is pushed, and says so in
 * REF_CLOSED. */
static void push_moved_fields(lua_State *L, int index)
{
    lua_newtable(L);
    for (lua_pushnil(L); lua_next(L, index);) {
        lua_pushvalue(L, -2);
        lua_insert(L, -2);
        lua_rawset(L, -4);
    }
    for (lua_pushnil(L); lua_next(L, -2);) {
        lua_pop(L, 1);
        lua_pushvalue(L, -1);
        lua_pushnil(L);
        lua_rawset(L, index);
    }
    script_push_ref(L, script_of(L), REF_CLOSED);
    lua_pushvalue(L, index);
    lua_pushvalue(L, -3);
    lua_rawset(L, -3);
    lua_pop(L, 1);
}

/* The fields are on top; newindex refuses or lets through. Pops the fields. */
static void set_closed(lua_State *L, int index, lua_CFunction newindex, const char *name)
{
    lua_newtable(L);
    lua_insert(L, -2);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, l_pairs);
    lua_setfield(L, -2, "__pairs");
    lua_pushstring(L, name);
    lua_pushcclosure(L, newindex, 1);
    lua_setfield(L, -2, "__newindex");
    lua_pushboolean(L, false);
    lua_setfield(L, -2, "__metatable");
    lua_setmetatable(L, index);
}

/* The table on top and those in it; those with a metatable look after themselves. */
static void close_table(lua_State *L, const char *name, int depth)
{
    const int index = lua_gettop(L);
    luaL_checkstack(L, LUA_MINSTACK, NULL);
    lua_pushglobaltable(L);
    const bool is_globals = lua_rawequal(L, -1, index);
    lua_settop(L, index);
    const bool has_own = !names_are_watched(L, index) && lua_getmetatable(L, index);
    if (is_globals || depth > DEPTH_MAX || has_own) {
        lua_settop(L, index);
        return;
    }
    for (lua_pushnil(L); lua_next(L, index); lua_settop(L, index + 1)) {
        if (lua_type(L, -1) != LUA_TTABLE || lua_type(L, -2) != LUA_TSTRING)
            continue;
        const char *inner = lua_pushfstring(L, "%s.%s", name, lua_tostring(L, -2));
        lua_insert(L, -2);
        close_table(L, inner, depth + 1);
    }
    push_moved_fields(L, index);
    names_watch(L, -1, name);
    set_closed(L, index, l_refuse, name);
}

static int l_assign_global(lua_State *L)
{
    script_push_ref(L, script_of(L), REF_BUILTINS);
    lua_pushvalue(L, 2);
    if (lua_rawget(L, -2) != LUA_TNIL)
        return luaL_error(L,
                          "'%s' is read-only after loading; keep what is yours in a local or a "
                          "table of your own",
                          luaL_tolstring(L, 2, NULL));
    (void)push_fields(L, 1);
    const int fields = lua_gettop(L);
    lua_pushvalue(L, 2);
    if (lua_rawget(L, fields) == LUA_TNIL && !is_system_code(L))
        return luaL_error(L, "assignment to undeclared global '%s'; did you forget 'local'?",
                          luaL_tolstring(L, 2, NULL));
    lua_settop(L, fields);
    lua_pushvalue(L, 2);
    lua_pushvalue(L, 3);
    lua_rawset(L, fields);
    return 0;
}

/* The libraries that are global. package stays open: modules may come later, and what a searcher
 * may give is Lua that is under the same guard. */
static void close_libraries(lua_State *L)
{
    static const char *const names[] = {"coroutine", "debug",  "io",    "math",
                                        "os",        "string", "table", "utf8"};
    for (size_t i = 0; i < array_count(names); i++) {
        lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
        if (lua_getfield(L, -1, names[i]) == LUA_TTABLE)
            close_table(L, names[i], 1);
        lua_pop(L, 2);
    }
}

static void close_modules(lua_State *L)
{
    lua_getglobal(L, "require"); /* whole before it is closed, whoever asks for it first */
    lua_pushliteral(L, "anzol");
    lua_call(L, 1, 0);
    lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    const int loaded = lua_gettop(L);
    for (lua_pushnil(L); lua_next(L, loaded); lua_settop(L, loaded + 1)) {
        const char *name = lua_type(L, -2) == LUA_TSTRING ? lua_tostring(L, -2) : "";
        const bool is_ours = strcmp(name, "anzol") == 0 || strncmp(name, "anzol.", 6) == 0;
        if (is_ours && lua_type(L, -1) == LUA_TTABLE)
            close_table(L, strcmp(name, "anzol.core") == 0 ? "anzol" : name, 1);
    }
    lua_pop(L, 1);
}

/* Methods of strings: the library as it was, and no way to it. */
static void close_strings(lua_State *L)
{
    lua_pushliteral(L, "");
    if (!lua_getmetatable(L, -1)) {
        lua_pop(L, 1);
        return;
    }
    lua_getglobal(L, "string");
    if (push_fields(L, -1))
        lua_setfield(L, -3, "__index"); /* one look less for each method */
    lua_pop(L, 1);
    lua_pushboolean(L, false);
    lua_setfield(L, -2, "__metatable");
    lua_pop(L, 2);
}

void l_close_globals(lua_State *L)
{
    lua_settop(L, 0);
    close_libraries(L);
    close_modules(L);
    close_strings(L);
    lua_pushglobaltable(L);
    (void)lua_getmetatable(L, 1);
    push_moved_fields(L, 1);
    lua_pushvalue(L, 2); /* names that are not there: as before */
    lua_setmetatable(L, 3);
    set_closed(L, 1, l_assign_global, "_G");
    lua_settop(L, 0);
}
