/* SPDX-License-Identifier: MIT */
/* The only synchronous entry into Lua, and the words of its errors. */
#include "script/script_int.h"

#include "shared/shared.h"

#include <stdlib.h>

#define LIBRARY "anzol/"
#define LEVELS_OF_HANDLER 2 /* l_describe and l_on_error, above what failed */

struct entry {
    lua_CFunction l_entry;
    void *data;
};

/* An error that our own Lua files raise is told at the script's line that called them. */
static void push_at_script(lua_State *L, lua_State *from, int index)
{
    lua_Debug debug = {0};
    const char *text = lua_tostring(L, index);
    const char *message = strncmp(text, LIBRARY, strlen(LIBRARY)) == 0 ? strstr(text, ": ") : NULL;
    for (int level = 0; message && lua_getstack(from, level, &debug); level++) {
        lua_getinfo(from, "Sl", &debug);
        if (debug.currentline <= 0 || debug.source[0] != '@' ||
            strncmp(debug.source + 1, LIBRARY, strlen(LIBRARY)) == 0)
            continue;
        lua_pushfstring(L, "%s:%d%s", debug.short_src, debug.currentline, message);
        return;
    }
    lua_pushvalue(L, index);
}

/* The error object as text, on top. A table or userdata of the script's own may have a __tostring
 * that does anything: it runs under the budget and protected. */
static int l_error_text(lua_State *L)
{
    luaL_tolstring(L, 1, NULL);
    return 1;
}

static void push_error_text(lua_State *L, lua_State *from, int index, const struct context *context)
{
    index = lua_absindex(L, index);
    if (lua_type(L, index) == LUA_TSTRING) {
        push_at_script(L, from, index);
        names_explain(L);
        return;
    }
    const bool has_text = luaL_getmetafield(L, index, "__tostring") != LUA_TNIL;
    if (has_text)
        lua_pop(L, 1);
    if (context->kill == KILL_NONE && (has_text || lua_type(L, index) == LUA_TNUMBER)) {
        lua_pushcfunction(L, l_error_text);
        lua_pushvalue(L, index);
        if (lua_pcall(L, 1, 1, 0) == LUA_OK)
            return;
        lua_pop(L, 1);
    }
    lua_pushfstring(L, "(error object is a %s value)", luaL_typename(L, index));
}

/* "scripts/a.lua:3: why" is kept; a kill is told in its own words, whatever a pcall made of it. */
static void push_message(lua_State *L, lua_State *from, int index, const struct context *context)
{
    if (context->kill == KILL_NONE)
        push_error_text(L, from, index, context);
    if (context->kill == KILL_NONE) /* or its __tostring went over */
        return;
    char text[PLACE_BYTES];
    budget_describe(context, text, sizeof text);
    if (context->killed_at[0] != '\0')
        lua_pushfstring(L, "%s: %s", context->killed_at, text);
    else
        lua_pushstring(L, text);
}

static void push_subject(lua_State *L, const struct context *context)
{
    const struct subject *subject = &context->subject;
    const char *phase = phases[context->phase].name;
    if (!subject->kind)
        lua_pushfstring(L, "\n\tin '%s'", phase);
    else if (!subject->place)
        lua_pushfstring(L, "\n\tin '%s' of %s \"%s\"", phase, subject->kind, subject->name);
    else
        lua_pushfstring(L, "\n\tin '%s' of %s \"%s\" (%s)", phase, subject->kind, subject->name,
                        subject->place);
}

struct describe {
    lua_State *from;
    const struct context *context;
};

/* Upon (error object): the whole description as text. */
static int l_describe(lua_State *L)
{
    const struct describe *describe = lua_touserdata(L, 2);
    luaL_checkstack(L, 8, NULL);
    push_message(L, describe->from, 1, describe->context);
    if (describe->context->phase != PHASE_LOAD && describe->context->phase != PHASE_SETTINGS)
        push_subject(L, describe->context);
    else
        lua_pushliteral(L, "");
    lua_concat(L, 2);
    l_push_traceback(L, describe->from, lua_tostring(L, -1),
                     L == describe->from ? LEVELS_OF_HANDLER : 0);
    return 1;
}

static void keep_text(struct script *script, const char *data, size_t len)
{
    buf_clear(&script->text);
    if (len > LIMIT_TRACEBACK_BYTES)
        len = LIMIT_TRACEBACK_BYTES;
    if (buf_add(&script->text, data, len) != OK)
        buf_clear(&script->text);
}

void script_keep_error(struct script *script, const struct context *context, const char *text)
{
    char limit[PLACE_BYTES];
    const struct subject *subject = &context->subject;
    if (context->kill != KILL_NONE) {
        budget_describe(context, limit, sizeof limit);
        text = limit;
    }
    buf_clear(&script->text);
    if (buf_printf(&script->text, "%s%s%s\n\tin '%s'", context->killed_at,
                   context->killed_at[0] ? ": " : "", text, phases[context->phase].name) == OK &&
        subject->kind)
        (void)!buf_printf(&script->text, " of %s \"%s\"", subject->kind, subject->name);
}

void script_describe_error(struct script *script, lua_State *L, const struct context *context)
{
    lua_State *main = script->L;
    const int top = lua_gettop(main);
    struct describe describe = {.from = L, .context = context};
    /* Room for the description itself, which may be owed to a lack of it. */
    const size_t bytes_max = script->bytes_max;
    struct context *current = script->context;
    script->context = NULL;
    script->bytes_max = bytes_max + LIMIT_JOB_BYTES;
    if (context->kill == KILL_NONE)
        script->context = current;
    bool is_told = false;
    if (lua_checkstack(L, LUA_MINSTACK) && lua_checkstack(main, LUA_MINSTACK)) {
        if (context->kill != KILL_NONE) {
            lua_pushnil(main); /* a kill has its own words; it may have left no error object */
        } else {
            lua_pushvalue(L, -1);
            if (L != main)
                lua_xmove(L, main, 1);
        }
        lua_pushcfunction(main, l_describe);
        lua_insert(main, -2);
        lua_pushlightuserdata(main, &describe);
        is_told = lua_pcall(main, 2, 1, 0) == LUA_OK && lua_type(main, -1) == LUA_TSTRING;
    }
    if (is_told) {
        size_t len;
        const char *text = lua_tolstring(main, -1, &len);
        keep_text(script, text, len);
    } else {
        script_keep_error(script, context, "not enough memory or stack to say what failed");
    }
    lua_settop(main, top);
    script->context = current;
    script->bytes_max = bytes_max;
}

/* The message handler: the stack that failed is still there. */
static int l_on_error(lua_State *L)
{
    struct script *script = script_of(L);
    lua_settop(L, 1);
    script_describe_error(script, L, script->context);
    lua_pushnil(L);
    return 1;
}

static int l_enter(lua_State *L)
{
    const struct entry *entry = lua_touserdata(L, 1);
    lua_settop(L, 0);
    lua_pushlightuserdata(L, entry->data);
    return entry->l_entry(L);
}

void script_count_error(const struct script *script, enum phase_id phase)
{
    if (script->hooks.shared)
        metric_count(script->hooks.shared, "script_errors_total", "phase", phases[phase].name);
}

enum status script_call(struct script *script, struct context *context, lua_CFunction l_entry,
                        void *data, int result_count)
{
    lua_State *L = script->L;
    const int base = lua_gettop(L);
    struct entry entry = {.l_entry = l_entry, .data = data};
    check(lua_checkstack(L, LUA_MINSTACK));
    buf_clear(&script->text);
    struct context *previous = context_enter(script, context);
    lua_pushcfunction(L, l_on_error);
    lua_pushcfunction(L, l_enter);
    lua_pushlightuserdata(L, &entry);
    const int outcome = lua_pcall(L, 1, result_count, base + 1);
    if (outcome != LUA_OK && script->text.len == 0)
        script_describe_error(script, L, context); /* no room for the handler, or it failed too */
    const bool is_killed = context->kill != KILL_NONE;
    if (outcome == LUA_OK && is_killed)
        script_keep_error(script, context, ""); /* it came to its end with the flag up */
    context_leave(script, previous);
    jobs_relieve(script);
    if (is_killed)
        budget_watch(L);
    if (outcome == LUA_OK && !is_killed) {
        lua_remove(L, base + 1);
        return OK;
    }
    lua_settop(L, base);
    script_count_error(script, context->phase);
    return is_killed ? E_LIMIT : E_INVALID;
}
