/* SPDX-License-Identifier: MIT */
/* Exchanges of scripts on the rig's loop, with results as tables. */
#include "send_rig_int.h"

#include "base/limits.h"

#include <stdlib.h>

struct asked {
    lua_State *L;
    struct exchange *exchange;
    int result;          /* reference of the table to fill */
    int request;         /* reference of the table that holds what is borrowed */
    struct tls_spec tls; /* borrows from that table */
    struct buf head;
};

static void free_asked(struct asked *asked)
{
    luaL_unref(asked->L, LUA_REGISTRYINDEX, asked->result);
    luaL_unref(asked->L, LUA_REGISTRYINDEX, asked->request);
    buf_finish(&asked->head);
    free(asked);
}

static void on_done(const struct exchange_answer *answer, void *ctx)
{
    struct asked *asked = ctx;
    lua_State *L = asked->L;
    lua_rawgeti(L, LUA_REGISTRYINDEX, asked->result);
    set_text(L, "error", answer->error);
    set_text(L, "detail", answer->detail);
    set_text(L, "host", answer->host);
    set_integer(L, "status", answer->status);
    set_head(L, "head", answer->head);
    set_slice(L, "body", answer->body.data ? answer->body : slice_str(""));
    set_integer(L, "retry_after_ms", answer->retry_after_ms);
    set_integer(L, "duration_ms", answer->duration_ms);
    set_bool(L, "is_done", true);
    lua_pushnil(L);
    lua_setfield(L, -2, "cancel");
    lua_pop(L, 1);
    free_asked(asked);
}

/* result.cancel(): nobody waits for it any more. */
static int l_cancel(lua_State *L)
{
    struct exchanges *exchanges = lua_touserdata(L, lua_upvalueindex(1));
    struct asked *asked = lua_touserdata(L, lua_upvalueindex(2));
    exchanges_cancel(exchanges, asked->exchange);
    lua_rawgeti(L, LUA_REGISTRYINDEX, asked->result);
    lua_pushnil(L);
    lua_setfield(L, -2, "cancel");
    free_asked(asked);
    return 0;
}

static struct slice text_field(lua_State *L, const char *name, const char *absent)
{
    struct slice text;
    lua_getfield(L, 2, name);
    text.data = luaL_optlstring(L, -1, absent, &text.len);
    lua_pop(L, 1); /* the table holds it */
    return text;
}

/* exchange { url, method?, headers?, body?, timeout_ms?, body_bytes_max?, redirects?,
 * allow_private? = true } -> result, filled at its end; until then with cancel() | nil, text */
int exchange_start(lua_State *L, struct exchanges *exchanges)
{
    luaL_checktype(L, 2, LUA_TTABLE);
    struct asked *asked = calloc(1, sizeof *asked);
    check(asked != NULL);
    lua_getfield(L, 2, "allow_private");
    struct exchange_request request = {
        .url = text_field(L, "url", "").data,
        .method = text_field(L, "method", "GET"),
        .body = text_field(L, "body", ""),
        .timeout_ms = get_integer(L, 2, "timeout_ms", 5000),
        .body_bytes_max = (size_t)get_integer(L, 2, "body_bytes_max", 1 << 20),
        .redirects_max = (unsigned)get_integer(L, 2, "redirects", 0),
        .allow_private = lua_isnil(L, -1) || lua_toboolean(L, -1),
    };
    lua_getfield(L, 2, "ca"); /* the table holds it; only read */
    asked->tls.authorities = (char *)(uintptr_t)lua_tostring(L, -1);
    request.tls = asked->tls.authorities ? &asked->tls : NULL;
    buf_init(&asked->head, LIMIT_HEADERS_BYTES);
    get_head(L, 2, "headers", &asked->head);
    request.head = buf_slice(&asked->head);
    asked->L = L;
    lua_pushvalue(L, 2);
    asked->request = luaL_ref(L, LUA_REGISTRYINDEX);
    lua_newtable(L);
    lua_pushvalue(L, -1);
    asked->result = luaL_ref(L, LUA_REGISTRYINDEX);
    struct err err = {0};
    if (exchanges_start(exchanges, &request, on_done, asked, &asked->exchange, &err) != OK) {
        free_asked(asked);
        lua_pushnil(L);
        lua_pushstring(L, err.text);
        return 2;
    }
    lua_pushlightuserdata(L, exchanges);
    lua_pushlightuserdata(L, asked);
    lua_pushcclosure(L, l_cancel, 2);
    lua_setfield(L, -2, "cancel");
    return 1;
}
