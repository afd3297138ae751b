/* SPDX-License-Identifier: MIT */
/* What a script finds in its globals: ordinary Lua without files, processes, the debugger's hooks
 * and bytecode. A name that was taken out is a function that says why when it is called, so that a
 * module which only looks whether it is there goes on. */
#include "script/script_int.h"

#include "base/log.h"
#include "base/text.h"
#include "script/bind_int.h"

#define PRINT_BYTES_MAX 4096

struct removed {
    const char *table; /* NULL: a global */
    const char *name;
    const char *mend;
};

static const struct removed removed[] = {
    {NULL, "dofile", "use require"},
    {NULL, "loadfile", "use require"},
    {"debug", "debug", NULL},
    {"debug", "gethook", NULL},
    {"debug", "getlocal", NULL},
    {"debug", "getregistry", NULL},
    {"debug", "getupvalue", NULL},
    {"debug", "getuservalue", NULL},
    {"debug", "setcstacklimit", NULL},
    {"debug", "sethook", NULL},
    {"debug", "setlocal", NULL},
    {"debug", "setmetatable", "use setmetatable"},
    {"debug", "setupvalue", NULL},
    {"debug", "setuservalue", NULL},
    {"debug", "upvalueid", NULL},
    {"debug", "upvaluejoin", NULL},
    {"io", "close", NULL},
    {"io", "input", NULL},
    {"io", "lines", NULL},
    {"io", "open", NULL},
    {"io", "output", NULL},
    {"io", "popen", NULL},
    {"io", "read", NULL},
    {"io", "tmpfile", NULL},
    {"os", "execute", NULL},
    {"os", "exit", "return from the function, or call error"},
    {"os", "getenv", "use anzol.env(name, default), or anzol.secret(name)"},
    {"os", "remove", NULL},
    {"os", "rename", NULL},
    {"os", "setlocale", NULL},
    {"os", "tmpname", NULL},
    {"package", "loadlib", NULL},
    {"package", "searchpath", NULL},
    {"string", "dump", NULL},
};

/* Globals of other Lua versions and hosts that portable modules look for. */
static const char *const looked_for[] = {"_PROMPT", "bit",     "bit32",  "getfenv",
                                         "jit",     "love",    "module", "loadstring",
                                         "ngx",     "setfenv", "unpack"};

static int l_removed(lua_State *L)
{
    const char *name = lua_tostring(L, lua_upvalueindex(1));
    const char *mend = lua_tostring(L, lua_upvalueindex(2));
    if (!script_of(L)->generation)
        return luaL_error(L, "%s is not available in anzol.lua", name);
    return luaL_error(L,
                      "%s is not available in scripts: %s%strust = \"full\" in anzol.lua gives it "
                      "back",
                      name, mend ? mend : "", mend ? "; or " : "");
}

bool sandbox_is_removed(lua_State *L, int index)
{
    return lua_tocfunction(L, index) == l_removed;
}

static void remove_names(lua_State *L)
{
    for (size_t i = 0; i < array_count(removed); i++) {
        const struct removed *it = &removed[i];
        if (it->table)
            lua_getglobal(L, it->table);
        else
            lua_pushglobaltable(L);
        lua_pushfstring(L, "%s%s%s", it->table ? it->table : "", it->table ? "." : "", it->name);
        lua_pushstring(L, it->mend);
        lua_pushcclosure(L, l_removed, 2);
        lua_setfield(L, -2, it->name);
        lua_pop(L, 1);
    }
}

/* The debugger's one looks behind __metatable; libraries ask it for what this one says too. */
static void tame_debugger(lua_State *L)
{
    lua_getglobal(L, "debug");
    lua_getglobal(L, "getmetatable");
    lua_setfield(L, -2, "getmetatable");
    lua_pop(L, 1);
}

/* ---- print and io.write go to the log ---- */

static void log_arguments(lua_State *L, int first, const char *separator)
{
    luaL_Buffer buffer;
    const int count = lua_gettop(L);
    luaL_buffinit(L, &buffer);
    for (int i = first; i <= count; i++) {
        if (i > first)
            luaL_addstring(&buffer, separator);
        (void)luaL_tolstring(L, i, NULL);
        luaL_addvalue(&buffer);
    }
    luaL_pushresult(&buffer);
    size_t len;
    const char *text = lua_tolstring(L, -1, &len);
    while (len > 0 && text[len - 1] == '\n')
        len--;
    script_log(L, LOG_INFO, slice_of(text, len), 0);
}

static int l_print(lua_State *L)
{
    log_arguments(L, 1, "\t");
    return 0;
}

/* Lua's own warn would be a log without limits. */
static int l_warn(lua_State *L)
{
    (void)luaL_checkstring(L, 1);
    for (int i = 2; i <= lua_gettop(L); i++)
        (void)luaL_checkstring(L, i);
    lua_concat(L, lua_gettop(L));
    size_t len;
    const char *text = lua_tolstring(L, 1, &len);
    if (text[0] != '@') /* a control message */
        script_log(L, LOG_WARN, slice_of(text, len), 0);
    return 0;
}

static int l_io_write(lua_State *L)
{
    log_arguments(L, 1, "");
    lua_getglobal(L, "io");
    lua_getfield(L, -1, "stdout");
    return 1;
}

static int l_file_write(lua_State *L)
{
    log_arguments(L, 2, "");
    lua_settop(L, 1);
    return 1;
}

static int l_file_nothing(lua_State *L)
{
    lua_settop(L, 1);
    return 1;
}

static void redirect_print(lua_State *L)
{
    lua_pushcfunction(L, l_print);
    lua_setglobal(L, "print");
    lua_pushcfunction(L, l_warn);
    lua_setglobal(L, "warn");
}

static void redirect_output(lua_State *L)
{
    static const luaL_Reg methods[] = {
        {"flush", l_file_nothing},
        {"setvbuf", l_file_nothing},
        {"write", l_file_write},
        {NULL, NULL},
    };
    lua_getglobal(L, "io");
    lua_pushcfunction(L, l_io_write);
    lua_setfield(L, -2, "write");
    lua_pushcfunction(L, l_file_nothing);
    lua_setfield(L, -2, "flush");
    lua_newtable(L);
    luaL_setfuncs(L, methods, 0);
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, "stdout");
    lua_setfield(L, -2, "stderr");
    lua_pushnil(L);
    lua_setfield(L, -2, "stdin");
    lua_pop(L, 1);
}

/* ---- Globals ---- */

static bool is_looked_for(const char *name)
{
    for (size_t i = 0; i < array_count(looked_for); i++)
        if (strcmp(name, looked_for[i]) == 0)
            return true;
    return false;
}

bool is_system_code(lua_State *L)
{
    lua_Debug debug = {0};
    if (!lua_getstack(L, 1, &debug))
        return false;
    lua_getinfo(L, "S", &debug);
    const struct generation *generation = script_of(L)->generation;
    const bool may_be_c_module = generation && generation->c_modules && debug.what[0] == 'C';
    return may_be_c_module || strncmp(debug.source, "@/", 2) == 0;
}

#define GLOBALS_COMPARED_MAX 128

/* Pushes the name of the global that was probably meant; NULL if none is near. The globals are in
 * the table at index 1, from the time they are closed on not _G. */
static const char *push_nearest_global(lua_State *L, const char *name)
{
    const char *names[GLOBALS_COMPARED_MAX];
    size_t count = 0;
    lua_pushvalue(L, 1);
    lua_pushnil(L);
    while (lua_next(L, -2)) {
        lua_pop(L, 1);
        if (lua_type(L, -1) == LUA_TSTRING && count < GLOBALS_COMPARED_MAX)
            names[count++] = lua_tostring(L, -1); /* alive as long as the global is */
    }
    const char *nearest = text_nearest(slice_str(name), names, count);
    lua_pop(L, 1);
    return nearest ? lua_pushstring(L, nearest) : NULL;
}

static int l_global_index(lua_State *L)
{
    if (lua_type(L, 2) != LUA_TSTRING)
        return 0;
    const char *name = lua_tostring(L, 2);
    if (is_looked_for(name) || is_system_code(L))
        return 0;
    if (strcmp(name, "anzol") == 0)
        return luaL_error(L, "undefined global 'anzol'; begin the file with: "
                             "local anzol = require \"anzol\"");
    const char *nearest = push_nearest_global(L, name);
    if (nearest)
        return luaL_error(L, "undefined global '%s'; did you mean '%s'?", name, nearest);
    return luaL_error(L, "undefined global '%s'", name);
}

static void guard_globals(lua_State *L)
{
    lua_pushglobaltable(L);
    lua_newtable(L);
    lua_pushcfunction(L, l_global_index);
    lua_setfield(L, -2, "__index");
    lua_pushboolean(L, false);
    lua_setfield(L, -2, "__metatable");
    lua_setmetatable(L, -2);
    lua_pop(L, 1);
}

/* With everything of Lua: only what would go past the host stays guarded. */
static void open_trusted(lua_State *L)
{
    redirect_print(L);
    l_open_coroutines(L);
    l_open_patterns(L);
    l_open_closed(L);
}

void l_open_sandbox(lua_State *L, enum state_kind kind)
{
    if (kind == STATE_TRUSTED) {
        open_trusted(L);
    } else {
        remove_names(L);
        tame_debugger(L);
        redirect_print(L);
        redirect_output(L);
        l_open_guards(L);
        l_open_closed(L);
    }
    l_open_require(L, kind);
    if (kind != STATE_SETTINGS)
        luaL_requiref(L, "anzol.core", l_open_anzol, 0);
    guard_globals(L);
    lua_settop(L, 0);
}
