/* SPDX-License-Identifier: MIT */
/* What the three registrations have in common. */
#include "script/bind_int.h"

#include "base/text.h"

#include <stdlib.h>

#define HEADERS_MAX 64

/* The sender sets these; they frame the request. */
static const char *const framing_headers[] = {"connection", "content-length", "host",
                                              "transfer-encoding"};

/* Of the script's own call: pcall or the library may stand between. */
static void place_of_call(lua_State *L, char place[PLACE_BYTES])
{
    static const char library[] = "anzol/";
    lua_Debug debug = {0};
    (void)snprintf(place, PLACE_BYTES, "?");
    for (int level = 1; lua_getstack(L, level, &debug); level++)
        if (lua_getinfo(L, "Sl", &debug) && debug.currentline > 0 &&
            strncmp(debug.short_src, library, sizeof library - 1) != 0) {
            (void)snprintf(place, PLACE_BYTES, "%s:%d", debug.short_src, debug.currentline);
            return;
        }
}

struct draft *draft_check(lua_State *L, const char *function)
{
    struct script *script = script_of(L);
    if (!script->draft)
        (void)luaL_error(L,
                         "%s registers while the scripts are loaded, not in '%s': call it in the "
                         "body of a file",
                         function, script->context ? phases[script->context->phase].name : "?");
    struct draft *draft = script->draft;
    if (draft->begun++ == draft->ended)
        place_of_call(L, draft->place);
    return draft;
}

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9') || c == '.' || c == '_' || c == '-';
}

void name_check(lua_State *L, const char *name, const char *function)
{
    const size_t len = strlen(name);
    bool is_good = len > 0 && len <= LIMIT_NAME_BYTES && !strstr(name, "..") && name[0] != '.' &&
                   name[0] != '_' && name[0] != '-';
    for (size_t i = 0; i < len; i++)
        is_good = is_good && is_name_char(name[i]);
    if (!is_good)
        (void)luaL_error(L,
                         "bad name '%s' for %s: at most %d of a-z, 0-9, '.', '_' and '-', "
                         "beginning with a letter or digit, without '..'",
                         name, function, LIMIT_NAME_BYTES);
}

char *place_copy(lua_State *L)
{
    char place[PLACE_BYTES];
    place_of_call(L, place);
    return text_copy(L, place);
}

void header_check(lua_State *L, struct slice name, struct slice value, const char *what)
{
    if (!text_is_token(name) || name.len > LIMIT_TYPE_BYTES)
        (void)luaL_error(L, "bad header name '%s' in %s", name.data, what);
    for (size_t i = 0; i < array_count(framing_headers); i++)
        if (slice_equal_nocase(name, slice_str(framing_headers[i])))
            (void)luaL_error(L, "header '%s' in %s is set by the sender itself", name.data, what);
    if (value.len > LIMIT_REQUEST_LINE_BYTES)
        (void)luaL_error(L, "header '%s' in %s is longer than %d bytes", name.data, what,
                         LIMIT_REQUEST_LINE_BYTES);
    for (size_t i = 0; i < value.len; i++) {
        const unsigned char c = (unsigned char)value.data[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            (void)luaL_error(L, "header '%s' in %s holds a control character", name.data, what);
    }
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void headers_check_add(lua_State *L, int index, const char *what, struct buf *head)
{
    const char *names[HEADERS_MAX];
    size_t count = 0;
    index = lua_absindex(L, index);
    if (lua_isnil(L, index))
        return;
    if (lua_type(L, index) != LUA_TTABLE)
        (void)luaL_error(L, "'headers' of %s must be a table of names and values, got %s", what,
                         luaL_typename(L, index));
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
        if (lua_type(L, -2) != LUA_TSTRING || count >= HEADERS_MAX)
            (void)luaL_error(L, "'headers' of %s takes at most %d names with values", what,
                             HEADERS_MAX);
        names[count++] = lua_tostring(L, -2);
    }
    qsort(names, count, sizeof names[0], compare_names);
    for (size_t i = 0; i < count; i++) {
        struct slice value;
        if (lua_getfield(L, index, names[i]) == LUA_TNUMBER)
            (void)lua_tostring(L, -1);
        if (!secret_test(L, -1, &value))
            (void)luaL_error(L, "header '%s' of %s must be a string or a secret, got %s", names[i],
                             what, luaL_typename(L, -1));
        header_check(L, slice_str(names[i]), value, what);
        if (head_add(head, slice_str(names[i]), value) != OK)
            (void)luaL_error(L, "the headers of %s are too large", what);
        lua_pop(L, 1);
    }
}
