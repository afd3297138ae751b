/* SPDX-License-Identifier: MIT */
/* A request in the hands of a Lua callback. Using it after "over" is an error, not a crash. */
#include "test/http_int.h"

#include "base/head.h"

#define CLASS "anzol_test.request"
#define QUERY_BYTES_MAX 4096
#define HEADERS_MAX 8

void test_class(lua_State *L, const char *name, const luaL_Reg *functions)
{
    luaL_newmetatable(L, name);
    luaL_setfuncs(L, functions, 0);
    lua_pushvalue(L, -1);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
}

/* registry[request pointer] = its userdata */
void test_push_request(lua_State *L, struct http_request *request)
{
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, request) != LUA_TNIL)
        return;
    lua_pop(L, 1);
    struct http_request **place = lua_newuserdatauv(L, sizeof(struct http_request *), 0);
    *place = request;
    luaL_setmetatable(L, CLASS);
    lua_pushvalue(L, -1);
    lua_rawsetp(L, LUA_REGISTRYINDEX, request);
}

void test_forget_request(lua_State *L, struct http_request *request)
{
    if (lua_rawgetp(L, LUA_REGISTRYINDEX, request) != LUA_TNIL)
        *(struct http_request **)lua_touserdata(L, -1) = NULL;
    lua_pop(L, 1);
    lua_pushnil(L);
    lua_rawsetp(L, LUA_REGISTRYINDEX, request);
}

static struct http_request *check_request(lua_State *L)
{
    struct http_request **place = luaL_checkudata(L, 1, CLASS);
    if (!*place)
        luaL_error(L, "the exchange is over");
    return *place;
}

static int push_slice(lua_State *L, struct slice slice)
{
    lua_pushlstring(L, slice.data, slice.len);
    return 1;
}

static int l_method(lua_State *L)
{
    return push_slice(L, http_method(check_request(L)));
}

static int l_path(lua_State *L)
{
    return push_slice(L, http_path(check_request(L)));
}

static int l_query(lua_State *L)
{
    return push_slice(L, http_query(check_request(L)));
}

static int l_remote(lua_State *L)
{
    return push_slice(L, http_remote(check_request(L)));
}

static int l_body(lua_State *L)
{
    return push_slice(L, http_body(check_request(L)));
}

static int l_received_ms(lua_State *L)
{
    lua_pushinteger(L, http_received_ms(check_request(L)));
    return 1;
}

static int l_header(lua_State *L)
{
    struct slice value;
    const char *name = luaL_checkstring(L, 2);
    return http_header(check_request(L), name, &value) ? push_slice(L, value) : 0;
}

static int l_parameter(lua_State *L)
{
    struct buf out;
    buf_init(&out, QUERY_BYTES_MAX);
    const struct http_request *request = check_request(L);
    const bool found = http_query_get(http_query(request), luaL_checkstring(L, 2), &out);
    if (found)
        (void)push_slice(L, buf_slice(&out));
    buf_finish(&out);
    return found ? 1 : 0;
}

/* The packed head as "name=value" strings, in order. */
static int push_head(lua_State *L, struct slice head)
{
    lua_newtable(L);
    struct field field;
    lua_Integer count = 0;
    for (size_t offset = 0; head_next(head, &offset, &field);) {
        (void)push_slice(L, field.name);
        lua_pushliteral(L, "=");
        (void)push_slice(L, field.value);
        lua_concat(L, 3);
        lua_rawseti(L, -2, ++count);
    }
    return 1;
}

static int l_head(lua_State *L)
{
    return push_head(L, http_head(check_request(L)));
}

/* take() -> head, body of the content; the reference is given back. */
static int l_take(lua_State *L)
{
    struct content *content = http_take_content(check_request(L));
    (void)push_head(L, content_head(content));
    (void)push_slice(L, content_body(content));
    content_unref(content);
    return 2;
}

static int l_accept(lua_State *L)
{
    http_accept(check_request(L), (size_t)luaL_optinteger(L, 2, 1024 * 1024));
    return 0;
}

/* respond(status, body, {content_type=, close=, headers={{name, value}…}}) */
static int l_respond(lua_State *L)
{
    struct http_request *request = check_request(L);
    struct http_response response = {.status = (int)luaL_optinteger(L, 2, 200)};
    response.body.data = luaL_optlstring(L, 3, "", &response.body.len);
    struct field headers[HEADERS_MAX];
    if (lua_istable(L, 4)) {
        lua_getfield(L, 4, "close");
        response.close = lua_toboolean(L, -1);
        lua_getfield(L, 4, "content_type");
        response.content_type = lua_tostring(L, -1);
        lua_getfield(L, 4, "headers");
        const int list = lua_gettop(L);
        for (int i = 1; lua_istable(L, list) && i <= HEADERS_MAX; i++) {
            if (lua_rawgeti(L, list, i) == LUA_TNIL)
                break;
            lua_rawgeti(L, -1, 1);
            lua_rawgeti(L, -2, 2);
            headers[response.header_count++] =
                (struct field){slice_str(lua_tostring(L, -2)), slice_str(lua_tostring(L, -1))};
        }
        response.headers = headers;
    }
    http_respond(request, &response);
    return 0;
}

/* refuse(status, code, detail, {allow=, retry_after=, close=}) */
static int l_refuse(lua_State *L)
{
    struct http_request *request = check_request(L);
    struct http_refusal refusal = {.status = (int)luaL_checkinteger(L, 2),
                                   .code = luaL_checkstring(L, 3),
                                   .detail = luaL_checkstring(L, 4)};
    if (lua_istable(L, 5)) {
        lua_getfield(L, 5, "allow");
        refusal.allow = lua_tostring(L, -1);
        lua_getfield(L, 5, "retry_after");
        refusal.retry_after_s = (int)lua_tointeger(L, -1);
        lua_getfield(L, 5, "close");
        refusal.close = lua_toboolean(L, -1);
    }
    http_refuse(request, &refusal);
    return 0;
}

static const luaL_Reg functions[] = {
    {"accept", l_accept}, {"body", l_body},     {"head", l_head},
    {"header", l_header}, {"method", l_method}, {"parameter", l_parameter},
    {"path", l_path},     {"query", l_query},   {"received_ms", l_received_ms},
    {"refuse", l_refuse}, {"remote", l_remote}, {"respond", l_respond},
    {"take", l_take},     {NULL, NULL},
};

void test_add_requests(lua_State *L)
{
    test_class(L, CLASS, functions);
}
