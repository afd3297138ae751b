/* SPDX-License-Identifier: MIT */
/* The pure checks of http/check.c. A refusal is nil, status, code. */
#include "test/http_int.h"

#include "http/check_int.h"

#include <stdlib.h>

#define OUT_BYTES_MAX 65536

static int push_fault(lua_State *L, const struct http_fault *fault)
{
    lua_pushnil(L);
    lua_pushinteger(L, fault->status);
    lua_pushstring(L, fault->code);
    return 3;
}

static struct slice check_slice(lua_State *L, int index)
{
    size_t len;
    const char *data = luaL_checklstring(L, index, &len);
    return slice_of(data, len);
}

/* check_target(raw) -> path, query */
static int l_target(lua_State *L)
{
    const struct slice raw = check_slice(L, 1);
    char *decoded = lua_newuserdatauv(L, raw.len + 1, 0);
    struct slice path;
    struct slice query;
    const struct http_fault *fault = check_target(raw, decoded, &path, &query);
    if (fault)
        return push_fault(L, fault);
    lua_pushlstring(L, path.data, path.len);
    lua_pushlstring(L, query.data, query.len);
    return 2;
}

/* check_field(name, value) -> true */
static int l_field(lua_State *L)
{
    const struct http_fault *fault = check_field(check_slice(L, 1), check_slice(L, 2));
    if (fault)
        return push_fault(L, fault);
    lua_pushboolean(L, true);
    return 1;
}

/* check_method(name) -> true */
static int l_method(lua_State *L)
{
    const struct http_fault *fault = check_method(check_slice(L, 1));
    if (fault)
        return push_fault(L, fault);
    lua_pushboolean(L, true);
    return 1;
}

/* parameter(query, name, [bytes_max]) -> value */
static int l_parameter(lua_State *L)
{
    struct buf out;
    const struct slice query = check_slice(L, 1);
    const struct slice name = check_slice(L, 2);
    buf_init(&out, (size_t)luaL_optinteger(L, 3, OUT_BYTES_MAX));
    const bool found = query_find(query, name, &out);
    if (found)
        lua_pushlstring(L, buf_slice(&out).data, out.len);
    buf_finish(&out);
    return found ? 1 : 0;
}

static const luaL_Reg functions[] = {
    {"check_field", l_field},
    {"check_method", l_method},
    {"check_target", l_target},
    {"parameter", l_parameter},
    {NULL, NULL},
};

void test_add_checks(lua_State *L)
{
    luaL_setfuncs(L, functions, 0);
}
