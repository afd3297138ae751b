/* SPDX-License-Identifier: MIT */
/* application/x-www-form-urlencoded, of queries and forms. */
#include "script/bind_int.h"

#include <stdlib.h>

static void push_decoded(lua_State *L, struct slice text)
{
    luaL_Buffer buffer;
    char *out = luaL_buffinitsize(L, &buffer, text.len);
    size_t len = 0;
    for (size_t i = 0; i < text.len;)
        out[len++] = form_byte(text, &i);
    luaL_pushresultsize(&buffer, len);
}

void form_push_limits(lua_State *L)
{
    lua_pushfstring(L, "a form of more than %d fields, or with a name of more than %d bytes",
                    LIMIT_FORM_FIELDS, LIMIT_FORM_NAME_BYTES);
}

/* A name that comes again: the last one wins. */
bool form_push(lua_State *L, struct slice text)
{
    budget_check_work(L, text.len);
    lua_newtable(L);
    size_t count = 0;
    while (text.len > 0) {
        const char *ampersand = memchr(text.data, '&', text.len);
        const size_t len = ampersand ? (size_t)(ampersand - text.data) : text.len;
        const char *equals = memchr(text.data, '=', len);
        const size_t name_len = equals ? (size_t)(equals - text.data) : len;
        if (len > 0) {
            if (++count > LIMIT_FORM_FIELDS || name_len > LIMIT_FORM_NAME_BYTES) {
                lua_pop(L, 1);
                form_push_limits(L);
                return false;
            }
            push_decoded(L, slice_of(text.data, name_len));
            push_decoded(L, equals ? slice_of(equals + 1, len - name_len - 1) : slice_str(""));
            lua_rawset(L, -3);
        }
        const size_t used = ampersand ? len + 1 : len;
        text = slice_of(text.data + used, text.len - used);
    }
    return true;
}

void form_check_push(lua_State *L, struct slice text)
{
    if (!form_push(L, text))
        (void)luaL_error(L, "%s", lua_tostring(L, -1));
}

void form_check_escape(lua_State *L, struct slice text, struct buf *out)
{
    static const char hex[] = "0123456789ABCDEF";
    enum status status = OK;
    for (size_t i = 0; i < text.len && status == OK; i++) {
        const unsigned char c = (unsigned char)text.data[i];
        const bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                              (c >= '0' && c <= '9') || (c != 0 && strchr("-._~", c));
        const char escaped[3] = {'%', hex[c >> 4], hex[c & 15]};
        status = is_plain ? buf_add_byte(out, (char)c) : buf_add(out, escaped, sizeof escaped);
    }
    if (status != OK)
        (void)luaL_error(L, "the form is too large");
}

static int compare_names(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

void form_check_encode(lua_State *L, int index, struct buf *out)
{
    index = lua_absindex(L, index);
    const char *names[LIMIT_FORM_FIELDS];
    size_t count = 0;
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
        if (lua_type(L, -2) != LUA_TSTRING || count >= LIMIT_FORM_FIELDS)
            (void)luaL_error(L, "a form is a table of at most %d names and values",
                             LIMIT_FORM_FIELDS);
        names[count++] = lua_tostring(L, -2);
    }
    qsort(names, count, sizeof names[0], compare_names);
    for (size_t i = 0; i < count; i++) {
        lua_getfield(L, index, names[i]);
        struct slice value;
        if (lua_type(L, -1) != LUA_TSTRING && lua_type(L, -1) != LUA_TNUMBER &&
            lua_type(L, -1) != LUA_TBOOLEAN)
            (void)luaL_error(L, "field '%s' of a form is a %s", names[i], luaL_typename(L, -1));
        value.data = luaL_tolstring(L, -1, &value.len);
        if (i > 0 && buf_add_byte(out, '&') != OK)
            (void)luaL_error(L, "the form is too large");
        form_check_escape(L, slice_str(names[i]), out);
        if (buf_add_byte(out, '=') != OK)
            (void)luaL_error(L, "the form is too large");
        form_check_escape(L, value, out);
        lua_pop(L, 2);
    }
}
