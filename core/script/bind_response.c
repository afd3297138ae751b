/* SPDX-License-Identifier: MIT */
/* Response: what anzol.http gives for an answer, of whatever status. Read-only; res:json() decodes
 * the body, res:error() makes an Error of a status. */
#include "script/bind_int.h"

enum uservalue { VALUE_BODY = 1, VALUE_HEADERS, VALUE_HOST, VALUE_COUNT = VALUE_HOST };

struct response {
    int status;
    int64_t duration_ms;
    int64_t retry_after_ms; /* -1: not said */
    struct slice head;      /* behind the struct */
    char bytes[];
};

static const struct response *check_response(lua_State *L)
{
    return object_check(L, 1, &response_kind);
}

/* ---- Methods ---- */

static int l_json(lua_State *L)
{
    struct slice body;
    (void)check_response(L);
    lua_getiuservalue(L, 1, VALUE_BODY);
    body.data = lua_tolstring(L, -1, &body.len);
    if (json_push(L, body, NULL))
        return 1;
    lua_getiuservalue(L, 1, VALUE_HOST);
    lua_pushfstring(L, "the answer of %s is not JSON: %s", lua_tostring(L, -1),
                    lua_tostring(L, -2));
    return error_push(L, "json", lua_tostring(L, -1), false);
}

/* Another try may bring another status: too early, too many, or the server's own trouble. */
static bool is_retryable(int status)
{
    return status == 408 || status == 425 || status == 429 || status >= 500;
}

static int l_error(lua_State *L)
{
    const struct response *response = check_response(L);
    lua_getiuservalue(L, 1, VALUE_HOST);
    lua_pushfstring(L, "%s answered %d", lua_tostring(L, -1), response->status);
    (void)error_push(L, "status", lua_tostring(L, -1), is_retryable(response->status));
    lua_pushinteger(L, response->status);
    lua_setfield(L, -2, "status");
    if (response->retry_after_ms >= 0) {
        lua_pushnumber(L, (lua_Number)response->retry_after_ms / 1000);
        lua_setfield(L, -2, "retry_after");
    }
    return 1;
}

/* ---- Fields ---- */

static int push_status(lua_State *L, const struct response *response)
{
    lua_pushinteger(L, response->status);
    return 1;
}

static int push_ok(lua_State *L, const struct response *response)
{
    lua_pushboolean(L, response->status / 100 == 2);
    return 1;
}

static int push_body(lua_State *L, const struct response *response)
{
    (void)response;
    lua_getiuservalue(L, 1, VALUE_BODY);
    return 1;
}

static int push_headers(lua_State *L, const struct response *response)
{
    if (lua_getiuservalue(L, 1, VALUE_HEADERS) != LUA_TNIL)
        return 1;
    headers_push(L, 1, &response->head);
    lua_pushvalue(L, -1);
    lua_setiuservalue(L, 1, VALUE_HEADERS);
    return 1;
}

static int push_duration(lua_State *L, const struct response *response)
{
    lua_pushinteger(L, response->duration_ms);
    return 1;
}

static int push_retry_after(lua_State *L, const struct response *response)
{
    if (response->retry_after_ms < 0)
        return 0;
    lua_pushnumber(L, (lua_Number)response->retry_after_ms / 1000);
    return 1;
}

static int push_json(lua_State *L, const struct response *response)
{
    (void)response;
    lua_pushcfunction(L, l_json);
    return 1;
}

static int push_error(lua_State *L, const struct response *response)
{
    (void)response;
    lua_pushcfunction(L, l_error);
    return 1;
}

static const struct {
    const char *name;
    int (*push)(lua_State *L, const struct response *response);
} fields[] = {
    {"body", push_body},
    {"duration_ms", push_duration},
    {"error", push_error},
    {"headers", push_headers},
    {"json", push_json},
    {"ok", push_ok},
    {"retry_after", push_retry_after},
    {"status", push_status},
};

static int l_index(lua_State *L)
{
    const struct response *response = check_response(L);
    if (lua_type(L, 2) != LUA_TSTRING)
        return 0;
    const char *name = lua_tostring(L, 2);
    for (size_t i = 0; i < array_count(fields); i++)
        if (strcmp(fields[i].name, name) == 0)
            return fields[i].push(L, response);
    lua_createtable(L, 0, (int)array_count(fields));
    for (size_t i = 0; i < array_count(fields); i++) {
        lua_pushboolean(L, true);
        lua_setfield(L, -2, fields[i].name);
    }
    return l_name_missed(L, -1, "response");
}

static int l_newindex(lua_State *L)
{
    return luaL_error(L, "a response is read-only");
}

bool response_read(lua_State *L, int index, struct source_answer *answer)
{
    const struct response *response = object_test(L, index, &response_kind);
    if (!response)
        return false;
    *answer = (struct source_answer){
        .status = response->status,
        .head = response->head,
        .retry_after_ms = response->retry_after_ms,
        .duration_ms = response->duration_ms,
    };
    return true;
}

void response_push(lua_State *L, const struct exchange_answer *answer)
{
    struct response *response =
        object_push(L, &response_kind, sizeof *response + answer->head.len, VALUE_COUNT);
    response->status = answer->status;
    response->duration_ms = answer->duration_ms;
    response->retry_after_ms = answer->retry_after_ms;
    if (answer->head.len > 0)
        memcpy(response->bytes, answer->head.data, answer->head.len);
    response->head = slice_of(response->bytes, answer->head.len);
    lua_pushlstring(L, answer->body.data ? answer->body.data : "", answer->body.len);
    lua_setiuservalue(L, -2, VALUE_BODY);
    lua_pushstring(L, answer->host);
    lua_setiuservalue(L, -2, VALUE_HOST);
}

static const luaL_Reg meta[] = {{"__index", l_index}, {"__newindex", l_newindex}, {NULL, NULL}};

const struct object_kind response_kind = {"response", meta, NULL};
