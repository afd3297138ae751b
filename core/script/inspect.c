/* SPDX-License-Identifier: MIT */
/* What the command line's checks ask of a project without running it: its files, and which names a
 * script of it would find. The command line's one thread. */
#include "script/bind_int.h"

/* A file of the library itself, as it lies in the tree that this program is made from. */
static bool is_embedded(const char *path)
{
    for (size_t i = 0; i < embedded_file_count; i++)
        if (strncmp(path, "lua/", 4) == 0 && strcmp(path + 4, embedded_files[i].path) == 0)
            return true;
    return false;
}

/* files(dir, globs | NULL) -> { { path, text } } of scripts and everything below lua/ | nil, err */
int inspect_push_files(lua_State *L, const char *dir, const char *const *globs)
{
    struct snapshot snapshot = {0};
    struct err err;
    if (snapshot_read(&snapshot, dir, globs, &err) != OK) {
        snapshot_finish(&snapshot);
        lua_pushnil(L);
        lua_pushstring(L, err.text);
        return 2;
    }
    lua_newtable(L);
    lua_Integer count = 0;
    for (size_t i = 0; i < snapshot.count; i++) {
        const struct snapshot_file *file = &snapshot.files[i];
        if (!file->data || is_embedded(file->path))
            continue;
        lua_createtable(L, 0, 2);
        lua_pushstring(L, file->path);
        lua_setfield(L, -2, "path");
        lua_pushlstring(L, file->data, file->len);
        lua_setfield(L, -2, "text");
        lua_rawseti(L, -2, ++count);
    }
    snapshot_finish(&snapshot);
    return 1;
}

/* ---- Names ---- */

struct look_up {
    const char *name;
    bool is_removed;
};

/* "string.format" -> nothing if it is there; raises as a script would that uses it, or in its
 * stead. */
static int l_look_up(lua_State *L)
{
    struct look_up *look_up = lua_touserdata(L, 1);
    const char *name = look_up->name;
    const char *segment = name;
    lua_pushglobaltable(L); /* 2: where the next segment is looked for */
    while (lua_type(L, 2) == LUA_TTABLE) {
        const size_t len = strcspn(segment, ".");
        const char *field = lua_pushlstring(L, segment, len);
        if (segment == name && strcmp(field, "anzol") == 0) {
            lua_getglobal(L, "require");
            lua_pushvalue(L, -2);
            lua_call(L, 1, 1);
        } else if (lua_getfield(L, 2, field) == LUA_TNIL && segment != name) {
            const char *owner = lua_pushlstring(L, name, (size_t)(segment - name) - 1);
            (void)names_push_unknown(L, 2, owner, field);
            return luaL_error(L, "%s", lua_tostring(L, -1));
        }
        look_up->is_removed = sandbox_is_removed(L, -1);
        if (look_up->is_removed)
            lua_call(L, 0, 0); /* raises */
        if (segment[len] == '\0')
            return 0;
        segment += len + 1;
        lua_replace(L, 2);
        lua_settop(L, 2);
    }
    return 0;
}

/* The tables of unknown and of removed names are on top. */
static void look_up_name(lua_State *L, struct script *script, const char *name)
{
    struct look_up look_up = {.name = name};
    struct context context;
    context_init(&context, PHASE_LOAD, 0);
    if (script_call(script, &context, l_look_up, &look_up, 0) == OK)
        return;
    const char *text = script->text.len ? script->text.data : "";
    lua_pushlstring(L, text, strcspn(text, "\n"));
    lua_setfield(L, look_up.is_removed ? -2 : -3, name);
}

int inspect_push_unknown(lua_State *L, const char *dir, int index)
{
    static const char *const no_scripts[] = {NULL};
    struct generation generation = {.number = 1, .worker_count = 1};
    struct err err;
    struct script *script = NULL;
    if (snapshot_read(&generation.snapshot, dir, no_scripts, &err) == OK)
        script = script_create(&generation, 0, STATE_SCRIPTS);
    lua_newtable(L);
    lua_newtable(L);
    for (lua_Integer i = 1; script && lua_rawgeti(L, index, i) == LUA_TSTRING; i++) {
        const char *name = lua_tostring(L, -1);
        lua_pop(L, 1); /* the list holds it */
        look_up_name(L, script, name);
    }
    if (script)
        lua_pop(L, 1);
    script_free(script);
    snapshot_finish(&generation.snapshot);
    return 2;
}

/* ---- Regular expressions ---- */

struct regex {
    const char *pattern;
    size_t len;
    const char *flags; /* NULL: none */
};

/* anzol.re.compile(pattern, flags) */
static int l_compile(lua_State *L)
{
    const struct regex *regex = lua_touserdata(L, 1);
    lua_getglobal(L, "require");
    lua_pushliteral(L, "anzol");
    lua_call(L, 1, 1);
    lua_getfield(L, -1, "re");
    lua_getfield(L, -1, "compile");
    lua_pushlstring(L, regex->pattern, regex->len);
    lua_pushstring(L, regex->flags);
    lua_call(L, 2, 0);
    return 0;
}

int inspect_push_bad_regexes(lua_State *L, int index)
{
    struct script *script = script_create(NULL, 0, STATE_SCRIPTS);
    lua_newtable(L);
    for (lua_Integer i = 1; script && lua_rawgeti(L, index, i) == LUA_TTABLE; i++) {
        struct regex regex;
        struct context context;
        lua_getfield(L, -1, "pattern");
        lua_getfield(L, -2, "flags");
        regex.pattern = luaL_tolstring(L, -2, &regex.len);
        regex.flags = lua_tostring(L, -2);
        context_init(&context, PHASE_LOAD, 0);
        const enum status status = script_call(script, &context, l_compile, &regex, 0);
        lua_pop(L, 4);
        if (status == OK)
            continue;
        const char *text = script->text.len ? script->text.data : "";
        lua_pushlstring(L, text, strcspn(text, "\n"));
        lua_rawseti(L, -2, i);
    }
    if (script)
        lua_pop(L, 1);
    script_free(script);
    return 1;
}
