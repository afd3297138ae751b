/* SPDX-License-Identifier: MIT */
/* anzol.lua: run in a bare state, its table flattened to rows of text. At start, one thread. */
#include "script/bind_int.h"

#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#define FILE_NAME "anzol.lua"
#define ROWS_MAX 1000
#define NAME_BYTES 128
#define DEPTH_MAX 3

struct reading {
    struct settings *settings;
    const char *text; /* of the file, terminated */
    const char *path;
    struct buf list; /* of the list under way */
};

/* The line where a key is set: the first "key =" of the text. 0: not found. */
static int line_of(const char *text, const char *key)
{
    const size_t len = strlen(key);
    int line = 1;
    for (const char *at = text; *at; at++) {
        line += *at == '\n';
        const bool is_start = at == text || strchr(" \t\n{,;", at[-1]) != NULL;
        if (!is_start || strncmp(at, key, len) != 0)
            continue;
        const char *behind = at + len + strspn(at + len, " \t");
        if (*behind == '=' && behind[1] != '=')
            return line;
    }
    return 0;
}

static void add_row(lua_State *L, struct reading *reading, const char *name, const char *value)
{
    struct settings *settings = reading->settings;
    const char *dot = strrchr(name, '.');
    struct setting *rows =
        settings->count < ROWS_MAX
            ? realloc(settings->rows, (settings->count + 1) * sizeof *settings->rows)
            : NULL;
    if (!rows)
        (void)luaL_error(L, "too many settings");
    settings->rows = rows;
    rows[settings->count++] = (struct setting){
        .name = strdup(name),
        .value = strdup(value),
        .line = line_of(reading->text, dot ? dot + 1 : name),
    };
}

/* The text of a scalar on top, in place. NULL: it is none. */
static const char *scalar(lua_State *L)
{
    if (lua_type(L, -1) == LUA_TBOOLEAN)
        return lua_toboolean(L, -1) ? "true" : "false";
    if (lua_type(L, -1) == LUA_TSTRING || lua_type(L, -1) == LUA_TNUMBER)
        return luaL_tolstring(L, -1, NULL);
    return NULL;
}

static void read_list(lua_State *L, struct reading *reading, const char *name)
{
    const int index = lua_gettop(L);
    buf_clear(&reading->list);
    for (size_t i = 1; i <= lua_rawlen(L, index); i++) {
        lua_rawgeti(L, index, (lua_Integer)i);
        const char *text = scalar(L);
        if (!text)
            (void)luaL_error(L, "%s:%d: '%s' must be a list of texts", reading->path,
                             line_of(reading->text, name), name);
        if ((i > 1 && buf_add_byte(&reading->list, '\n') != OK) ||
            buf_add_str(&reading->list, text) != OK)
            (void)luaL_error(L, "%s: '%s' is too long", reading->path, name);
        lua_settop(L, index);
    }
    add_row(L, reading, name, reading->list.len > 0 ? reading->list.data : "");
}

/* The table on top. */
static void read_table(lua_State *L, struct reading *reading, const char *prefix, unsigned depth)
{
    const int index = lua_gettop(L);
    luaL_checkstack(L, LUA_MINSTACK, NULL);
    lua_pushnil(L);
    while (lua_next(L, index)) {
        if (lua_type(L, -2) != LUA_TSTRING)
            (void)luaL_error(L, "%s: settings have names, found the key %s", reading->path,
                             luaL_tolstring(L, -2, NULL));
        char name[NAME_BYTES];
        (void)snprintf(name, sizeof name, "%s%s%s", prefix, prefix[0] ? "." : "",
                       lua_tostring(L, -2));
        if (lua_type(L, -1) == LUA_TTABLE && lua_rawlen(L, -1) > 0) {
            read_list(L, reading, name);
        } else if (lua_type(L, -1) == LUA_TTABLE && depth < DEPTH_MAX) {
            read_table(L, reading, name, depth + 1);
        } else {
            const char *text = scalar(L);
            if (!text)
                (void)luaL_error(L, "%s:%d: '%s' must be a text, a number, true, false or a list",
                                 reading->path, line_of(reading->text, lua_tostring(L, index + 1)),
                                 name);
            add_row(L, reading, name, text);
        }
        lua_settop(L, index + 1);
    }
}

static int l_getenv(lua_State *L)
{
    lua_pushstring(L, getenv(luaL_checkstring(L, 1)));
    return 1;
}

static int l_settings(lua_State *L)
{
    struct reading *reading = lua_touserdata(L, 1);
    lua_getglobal(L, "os");
    lua_pushcfunction(L, l_getenv);
    lua_setfield(L, -2, "getenv");
    lua_pushliteral(L, "@" FILE_NAME);
    if (luaL_loadbufferx(L, reading->text, strlen(reading->text), lua_tostring(L, -1), "t") !=
        LUA_OK)
        return lua_error(L);
    lua_call(L, 0, 1);
    if (lua_type(L, -1) != LUA_TTABLE)
        return luaL_error(L, FILE_NAME ":1: the file must return a table of settings, as "
                                       "return { listen = \"127.0.0.1:8080\" }");
    read_table(L, reading, "", 1);
    return 0;
}

/* NULL with *status OK: there is none. */
static char *read_file(const char *path, enum status *status, struct err *err)
{
    struct stat stat_of;
    *status = OK;
    FILE *file = fopen(path, "re");
    if (!file) {
        if (errno != ENOENT)
            *status = err_set(err, E_IO, "%s: cannot be read: %s", path, strerror(errno));
        return NULL;
    }
    char *text = NULL;
    if (fstat(fileno(file), &stat_of) != 0 || !S_ISREG(stat_of.st_mode) ||
        stat_of.st_size > LIMIT_SCRIPT_BYTES || !(text = calloc(1, (size_t)stat_of.st_size + 1)))
        *status = err_set(err, E_IO, "%s: is no regular file of at most %d MiB", path,
                          LIMIT_SCRIPT_BYTES >> 20);
    else if (fread(text, 1, (size_t)stat_of.st_size, file) != (size_t)stat_of.st_size)
        *status = err_set(err, E_IO, "%s: cannot be read", path);
    (void)fclose(file);
    if (*status == OK)
        return text;
    free(text);
    return NULL;
}

enum status settings_load(const char *dir, struct settings *settings, struct err *err)
{
    *settings = (struct settings){0};
    char path[4096];
    if (snprintf(path, sizeof path, "%s/" FILE_NAME, dir) >= (int)sizeof path)
        return err_set(err, E_LIMIT, "%s: the path is too long", dir);
    enum status status;
    char *text = read_file(path, &status, err);
    if (!text)
        return status;
    struct script *script = script_create(NULL, 0, STATE_SETTINGS);
    struct reading reading = {.settings = settings, .text = text, .path = FILE_NAME};
    buf_init(&reading.list, LIMIT_REQUEST_LINE_BYTES);
    if (!script) {
        status = err_set(err, E_NOMEM, "out of memory");
    } else {
        struct context context;
        context_init(&context, PHASE_SETTINGS, 0);
        status = script_call(script, &context, l_settings, &reading, 0);
        if (status != OK) {
            const size_t len = script->text.len ? strcspn(script->text.data, "\n") : 0;
            (void)err_set(err, status, "%.*s", (int)len, len ? script->text.data : "");
        }
    }
    buf_finish(&reading.list);
    script_free(script);
    free(text);
    if (status != OK)
        settings_finish(settings);
    return status;
}

void settings_finish(struct settings *settings)
{
    for (size_t i = 0; i < settings->count; i++) {
        free(settings->rows[i].name);
        free(settings->rows[i].value);
    }
    free(settings->rows);
    *settings = (struct settings){0};
}
