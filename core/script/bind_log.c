/* SPDX-License-Identifier: MIT */
/* anzol.log.*, event.log.* and print: lines of scripts in the server's log, with the place in the
 * script and the event that the job is about. */
#include "script/bind_int.h"

#define LINES_PER_ENTRY 1000
#define MESSAGE_BYTES_MAX 2048
#define FIELDS_MAX 32
#define NAME_BYTES_MAX 64

static void add_value(lua_State *L, int index, struct buf *line)
{
    size_t len;
    const char *text = luaL_tolstring(L, index, &len);
    (void)!buf_add_json_string(line, slice_of(text, len < 512 ? len : 512));
    lua_pop(L, 1);
}

/* Names may be a payload's: nothing in them ends the name or begins another field. */
static void add_name(struct slice name, struct buf *line)
{
    char safe[NAME_BYTES_MAX];
    const size_t len = name.len < sizeof safe ? name.len : sizeof safe;
    for (size_t i = 0; i < len; i++) {
        const char c = name.data[i];
        const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                              (c >= '0' && c <= '9') || c == '_' || c == '-' || c == '.';
        safe[i] = is_plain ? c : '_';
    }
    (void)!buf_printf(line, " %.*s=", len > 0 ? (int)len : 1, len > 0 ? safe : "_");
}

static void add_fields(lua_State *L, int fields, struct buf *line)
{
    size_t count = 0;
    for (lua_pushnil(L); lua_next(L, fields) && count < FIELDS_MAX; lua_pop(L, 1), count++) {
        if (lua_type(L, -2) != LUA_TSTRING)
            continue;
        struct slice name;
        name.data = lua_tolstring(L, -2, &name.len);
        add_name(name, line);
        add_value(L, lua_gettop(L), line);
    }
}

/* file:line of the script's call: the first level that is a file's. */
static void add_place(lua_State *L, struct buf *line)
{
    lua_Debug debug = {0};
    for (int level = 1; lua_getstack(L, level, &debug); level++) {
        lua_getinfo(L, "Sl", &debug);
        if (debug.currentline > 0) {
            char place[sizeof debug.short_src + 16];
            const int len =
                snprintf(place, sizeof place, "%s:%d", debug.short_src, debug.currentline);
            const struct slice text = slice_of(place, (size_t)len);
            (void)!buf_add_str(line, " script=");
            (void)!(log_is_word(text) ? buf_add_slice(line, text)
                                      : buf_add_json_string(line, text));
            return;
        }
    }
}

void script_log(lua_State *L, enum log_level level, struct slice message, int fields)
{
    struct script *script = script_of(L);
    struct context *context = script->context;
    if (!log_enabled(level))
        return;
    if (context && ++context->log_lines > LINES_PER_ENTRY) {
        if (context->log_lines > LINES_PER_ENTRY + 1)
            return;
        level = LOG_WARN;
        message = slice_str("a thousand lines: those that follow are left out");
        fields = 0;
    }
    /* The error text's buffer is free while a script runs: a raise in a field's __tostring leaves
     * nothing behind. */
    struct buf *line = &script->text;
    buf_clear(line);
    if (message.len > MESSAGE_BYTES_MAX)
        message.len = MESSAGE_BYTES_MAX;
    (void)!buf_add_str(line, "message=");
    (void)!buf_add_json_string(line, message);
    add_place(L, line);
    if (context && context->job && context->job->view) {
        char id[ID_TEXT_BYTES];
        id_format(ID_EVENT, context->job->run.own.event->id, id);
        (void)!buf_printf(line, " event=%s", id);
    }
    if (fields != 0)
        add_fields(L, fields, line);
    log_write(level, "script", "%.*s", (int)line->len, line->data);
    buf_clear(line);
}

static int log_at(lua_State *L, enum log_level level)
{
    struct slice message;
    message.data = luaL_tolstring(L, 1, &message.len);
    lua_replace(L, 1);
    lua_settop(L, 2);
    if (!lua_isnil(L, 2))
        luaL_checktype(L, 2, LUA_TTABLE);
    script_log(L, level, message, lua_isnil(L, 2) ? 0 : 2);
    return 0;
}

static int l_debug(lua_State *L)
{
    return log_at(L, LOG_DEBUG);
}

static int l_info(lua_State *L)
{
    return log_at(L, LOG_INFO);
}

static int l_warn(lua_State *L)
{
    return log_at(L, LOG_WARN);
}

static int l_error(lua_State *L)
{
    return log_at(L, LOG_ERROR);
}

static const luaL_Reg functions[] = {
    {"debug", l_debug}, {"error", l_error}, {"info", l_info}, {"warn", l_warn}, {NULL, NULL},
};

void open_log(lua_State *L)
{
    luaL_newlib(L, functions);
    lua_pushvalue(L, -1);
    lua_rawseti(L, LUA_REGISTRYINDEX, script_of(L)->refs[REF_LOG]);
    lua_setfield(L, -2, "log");
}
