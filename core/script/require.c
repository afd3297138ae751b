/* SPDX-License-Identifier: MIT */
/* require: the embedded library first, then the project's lua/ and scripts/ out of the snapshot,
 * then the pure Lua modules of the system. C modules only where anzol.lua names them, or trusts. */
#include "script/script_int.h"

#include "script/bind_int.h"

#define PATH_BYTES 512

/* ? is the module's name with its dots as slashes. */
static const char *const places[] = {
    "lua/?.lua",
    "lua/?/init.lua",
    "scripts/?.lua",
    "/usr/local/share/lua/5.4/?.lua",
    "/usr/local/share/lua/5.4/?/init.lua",
    "/usr/share/lua/5.4/?.lua",
    "/usr/share/lua/5.4/?/init.lua",
};

const struct embedded_file *embedded_find(struct slice module)
{
    for (size_t i = 0; i < embedded_file_count; i++)
        if (slice_is(module, embedded_files[i].module))
            return &embedded_files[i];
    return NULL;
}

/* Pushes the chunk, or raises its syntax error. */
static void push_chunk(lua_State *L, const char *path, const char *data, size_t len)
{
    lua_pushfstring(L, "@%s", path);
    /* A first line for the shell is none of Lua's. */
    if (len > 0 && data[0] == '#') {
        const char *end = memchr(data, '\n', len);
        const size_t skipped = end ? (size_t)(end - data) : len;
        data += skipped;
        len -= skipped;
    }
    if (luaL_loadbufferx(L, data, len, lua_tostring(L, -1), "t") != LUA_OK)
        lua_error(L);
    lua_remove(L, -2);
}

/* Its body runs now, and required what brought us here. */
static bool is_running(lua_State *L, const char *path)
{
    lua_Debug frame;
    for (int level = 0; lua_getstack(L, level, &frame); level++) {
        (void)lua_getinfo(L, "S", &frame);
        if (strcmp(frame.what, "main") == 0 && frame.source[0] == '@' &&
            strcmp(frame.source + 1, path) == 0)
            return true;
    }
    return false;
}

/* Level 0 is the loader, 1 is require, 2 is who called it. */
static int refuse_circle(lua_State *L, const char *path)
{
    luaL_where(L, 2);
    lua_pushfstring(L,
                    "%s requires itself, maybe by way of others; move what they share to a file "
                    "that requires none of them",
                    path);
    lua_concat(L, 2);
    return lua_error(L);
}

void l_run_file(lua_State *L, const char *path)
{
    struct script *script = script_of(L);
    script_push_ref(L, script, REF_FILES);
    if (lua_getfield(L, -1, path) != LUA_TNIL) {
        lua_remove(L, -2);
        return;
    }
    lua_pop(L, 1);
    const struct snapshot_file *file = snapshot_get(&script->generation->snapshot, path);
    if (!file)
        (void)luaL_error(L, "%s: the file is gone", path);
    if (is_running(L, path))
        (void)refuse_circle(L, path);
    push_chunk(L, path, file->data, file->len);
    lua_call(L, 0, 1);
    if (lua_isnil(L, -1)) {
        lua_pop(L, 1);
        lua_pushboolean(L, true);
    }
    lua_pushvalue(L, -1);
    lua_setfield(L, -3, path);
    lua_remove(L, -2);
}

static int l_load_file(lua_State *L)
{
    const char *path = luaL_checkstring(L, 2);
    l_run_file(L, path);
    return 1;
}

static bool is_module_name(struct slice name)
{
    if (name.len == 0 || name.len > LIMIT_TYPE_BYTES)
        return false;
    for (size_t i = 0; i < name.len; i++) {
        const char c = name.data[i];
        const bool is_word =
            (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        if (!is_word && (i == 0 || (c != '.' && c != '-')))
            return false;
    }
    return true;
}

static void fill_path(const char *place, struct slice name, char path[PATH_BYTES])
{
    size_t len = 0;
    for (; *place; place++) {
        if (*place != '?') {
            path[len++] = *place;
            continue;
        }
        for (size_t i = 0; i < name.len; i++)
            path[len++] = name.data[i] == '.' ? '/' : name.data[i];
    }
    path[len] = '\0';
}

static int l_search_project(lua_State *L)
{
    struct script *script = script_of(L);
    struct slice name;
    name.data = luaL_checklstring(L, 1, &name.len);
    if (!is_module_name(name))
        return luaL_error(L, "bad module name '%s': letters, digits, _, - and dots", name.data);
    if (!script->generation) {
        lua_pushliteral(L, "no modules in anzol.lua");
        return 1;
    }
    luaL_Buffer tried;
    luaL_buffinit(L, &tried);
    for (size_t i = 0; i < array_count(places); i++) {
        char path[PATH_BYTES];
        fill_path(places[i], name, path);
        if (snapshot_get(&script->generation->snapshot, path)) {
            lua_settop(L, 0);
            lua_pushcfunction(L, l_load_file);
            lua_pushstring(L, path);
            return 2;
        }
        luaL_addstring(&tried, i > 0 ? "\n\tno file '" : "no file '");
        luaL_addstring(&tried, path);
        luaL_addstring(&tried, "'");
    }
    if (script->generation->snapshot.is_frozen)
        luaL_addstring(&tried, "\n\t(files are read when the scripts are loaded: a module of the "
                               "system has to be required in the body of a file)");
    luaL_pushresult(&tried);
    return 1;
}

static int l_search_embedded(lua_State *L)
{
    struct slice name;
    name.data = luaL_checklstring(L, 1, &name.len);
    const struct embedded_file *file = embedded_find(name);
    /* The command line's own files are no library of scripts. */
    if (!file || strncmp(file->path, "anzol/cli", 9) == 0 || strncmp(file->path, "anzol", 5) != 0) {
        lua_pushliteral(L, "not in the embedded library");
        return 1;
    }
    push_chunk(L, file->path, (const char *)file->data, file->len);
    lua_pushstring(L, file->path);
    return 2;
}

/* ---- C modules ---- */

/* Upvalues: the stock searcher, its path, { [name] = true }. What a script makes of package.cpath
 * has no say. */
static int l_search_c(lua_State *L)
{
    const char *name = luaL_checkstring(L, 1);
    (void)lua_pushlstring(L, name, strcspn(name, "."));
    if (lua_rawget(L, lua_upvalueindex(3)) == LUA_TNIL) {
        lua_pushliteral(L, "no C module: c_modules in anzol.lua names those that may be loaded");
        return 1;
    }
    lua_settop(L, 1);
    lua_getfield(L, LUA_REGISTRYINDEX, LUA_LOADED_TABLE);
    lua_getfield(L, -1, "package");
    lua_pushvalue(L, lua_upvalueindex(2));
    lua_setfield(L, -2, "cpath");
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_pushvalue(L, 1);
    lua_call(L, 1, 2);
    return 2;
}

/* The stock searcher of C modules is on top: it is replaced by ours. */
static void wrap_c_searcher(lua_State *L)
{
    const struct generation *generation = script_of(L)->generation;
    lua_getglobal(L, "package");
    lua_getfield(L, -1, "cpath");
    lua_remove(L, -2);
    lua_newtable(L);
    for (const char *at = generation ? generation->c_modules : NULL; at && *at;) {
        const size_t len = strcspn(at, "\n");
        (void)lua_pushlstring(L, at, len);
        lua_pushboolean(L, true);
        lua_rawset(L, -3);
        at += len + (at[len] == '\n' ? 1 : 0);
    }
    lua_pushcclosure(L, l_search_c, 3);
}

/* package.path tells where modules are looked for; what a script makes of it has no say. */
static void push_path(lua_State *L)
{
    luaL_Buffer path;
    luaL_buffinit(L, &path);
    for (size_t i = 0; i < array_count(places); i++) {
        luaL_addstring(&path, i > 0 ? ";" : "");
        luaL_addstring(&path, places[i]);
    }
    luaL_pushresult(&path);
}

void l_open_require(lua_State *L, enum state_kind kind)
{
    lua_getglobal(L, "package");
    lua_getfield(L, -1, "searchers");
    if (kind == STATE_TRUSTED) { /* ours after preload, then all the stock ones */
        for (lua_Integer i = 4; i >= 2; i--) {
            lua_geti(L, -1, i);
            lua_seti(L, -2, i + 2);
        }
    } else {
        lua_geti(L, -1, 3);
        wrap_c_searcher(L);
        lua_seti(L, -2, 4);
    }
    lua_pushcfunction(L, l_search_embedded);
    lua_seti(L, -2, 2);
    lua_pushcfunction(L, l_search_project);
    lua_seti(L, -2, 3);
    lua_pop(L, 1);
    if (kind != STATE_TRUSTED) {
        push_path(L);
        lua_setfield(L, -2, "path");
        lua_pushliteral(L, "");
        lua_setfield(L, -2, "cpath");
    }
    lua_pop(L, 1);
}
