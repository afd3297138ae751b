/* SPDX-License-Identifier: MIT */
/* anzol.base64, anzol.hex, anzol.url. */
#include "script/bind_int.h"

#include <stdlib.h>

static struct slice check_bytes(lua_State *L)
{
    struct slice bytes;
    bytes.data = luaL_checklstring(L, 1, &bytes.len);
    budget_check_work(L, bytes.len);
    return bytes;
}

/* What was made lies in the script's buffer, which a raise need not free. */
static int push_made(lua_State *L, enum status status, const char *complaint)
{
    const struct buf *out = &script_of(L)->body;
    if (status == E_INVALID)
        return error_push(L, "encoding", complaint, false);
    if (status != OK)
        return luaL_error(L, "the text is too large");
    lua_pushlstring(L, out->data ? out->data : "", out->len);
    return 1;
}

static struct buf *clear_buffer(lua_State *L)
{
    struct buf *out = &script_of(L)->body;
    buf_clear(out);
    return out;
}

static int l_base64_encode(lua_State *L)
{
    const struct slice bytes = check_bytes(L);
    return push_made(L, base64_encode(bytes, clear_buffer(L)), "");
}

static int l_base64_encode_url(lua_State *L)
{
    const struct slice bytes = check_bytes(L);
    return push_made(L, base64url_encode(bytes, clear_buffer(L)), "");
}

static int l_base64_decode(lua_State *L)
{
    const struct slice text = check_bytes(L);
    return push_made(L, base64_decode(text, false, clear_buffer(L)), "no canonical base64");
}

/* Either alphabet, with or without padding. */
static int l_base64_decode_url(lua_State *L)
{
    const struct slice text = check_bytes(L);
    return push_made(L, base64_decode(text, true, clear_buffer(L)), "no base64");
}

static int l_hex_encode(lua_State *L)
{
    const struct slice bytes = check_bytes(L);
    return push_made(L, hex_encode(bytes, clear_buffer(L)), "");
}

static int l_hex_decode(lua_State *L)
{
    const struct slice text = check_bytes(L);
    return push_made(L, hex_decode(text, clear_buffer(L)), "no hex, or of mixed case");
}

/* ---- URLs ---- */

static void set_slice(lua_State *L, const char *name, const char *from, const char *to)
{
    lua_pushlstring(L, from, (size_t)(to - from));
    lua_setfield(L, -2, name);
}

static const char *find(const char *from, const char *to, const char *marks)
{
    while (from < to && !(*from != '\0' && strchr(marks, *from)))
        from++;
    return from;
}

/* "[user@]host[:port]", an IPv6 address in brackets. False: the port is no number. */
static bool set_authority(lua_State *L, const char *from, const char *to)
{
    const char *at = to;
    while (at > from && at[-1] != '@')
        at--;
    if (at > from)
        set_slice(L, "userinfo", from, at - 1);
    const char *end = *at == '[' ? find(at, to, "]") : find(at, to, ":");
    if (*at == '[' && end < to)
        end++;
    set_slice(L, "host", at, end);
    if (end == to)
        return true;
    long port = 0;
    for (const char *digit = end + 1; digit < to; digit++) {
        if (*digit < '0' || *digit > '9' || port > 65535)
            return false;
        port = port * 10 + (*digit - '0');
    }
    lua_pushinteger(L, port);
    lua_setfield(L, -2, "port");
    return *end == ':' && end + 1 < to && port <= 65535;
}

static bool is_scheme(const char *from, const char *to)
{
    for (const char *c = from; c < to; c++)
        if (!((*c >= 'a' && *c <= 'z') || (*c >= 'A' && *c <= 'Z') ||
              (c > from && ((*c >= '0' && *c <= '9') || strchr("+-.", *c)))))
            return false;
    return from < to;
}

/* parse(text) -> { scheme, userinfo?, host, port?, path, query?, fragment? } | nil, Error */
static int l_url_parse(lua_State *L)
{
    const struct slice text = check_bytes(L);
    const char *end = text.data + text.len;
    for (const char *c = text.data; c < end; c++)
        if ((unsigned char)*c <= ' ' || *c == 0x7f)
            return error_push(L, "url", "a space or control character in the URL", false);
    const char *colon = find(text.data, end, ":/?#");
    if (end - colon < 3 || memcmp(colon, "://", 3) != 0 || !is_scheme(text.data, colon))
        return error_push(L, "url", "no absolute URL, as https://host/path", false);
    lua_createtable(L, 0, 7);
    set_slice(L, "scheme", text.data, colon);
    const char *path = find(colon + 3, end, "/?#");
    if (path == colon + 3 || !set_authority(L, colon + 3, path))
        return error_push(L, "url", "no host, or no such port, in the URL", false);
    const char *query = find(path, end, "?#");
    const char *fragment = find(query, end, "#");
    set_slice(L, "path", path, query);
    if (query < fragment)
        set_slice(L, "query", query + 1, fragment);
    if (fragment < end)
        set_slice(L, "fragment", fragment + 1, end);
    return 1;
}

/* encode_query({ name = value }) -> "name=value&…", sorted by name */
static int l_url_encode_query(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    struct buf *out = clear_buffer(L);
    form_check_encode(L, 1, out);
    return push_made(L, OK, "");
}

/* decode_query(text) -> { name = value } */
static int l_url_decode_query(lua_State *L)
{
    const struct slice text = check_bytes(L);
    form_check_push(L, text);
    return 1;
}

/* escape(text): everything but letters, digits and - . _ ~ as %XX */
static int l_url_escape(lua_State *L)
{
    const struct slice text = check_bytes(L);
    struct buf *out = clear_buffer(L);
    form_check_escape(L, text, out);
    return push_made(L, OK, "");
}

static const luaL_Reg base64_functions[] = {
    {"decode", l_base64_decode},
    {"decode_url", l_base64_decode_url},
    {"encode", l_base64_encode},
    {"encode_url", l_base64_encode_url},
    {NULL, NULL},
};
static const luaL_Reg hex_functions[] = {
    {"decode", l_hex_decode},
    {"encode", l_hex_encode},
    {NULL, NULL},
};
static const luaL_Reg url_functions[] = {
    {"decode_query", l_url_decode_query},
    {"encode_query", l_url_encode_query},
    {"escape", l_url_escape},
    {"parse", l_url_parse},
    {NULL, NULL},
};

void open_encoding(lua_State *L)
{
    luaL_newlib(L, base64_functions);
    lua_setfield(L, -2, "base64");
    luaL_newlib(L, hex_functions);
    lua_setfield(L, -2, "hex");
    luaL_newlib(L, url_functions);
    lua_setfield(L, -2, "url");
}
