/* SPDX-License-Identifier: MIT */
/* Option auth of anzol.http and anzol.endpoint: who we are, as a header; or, of endpoints, where a
 * token comes from that says it. */
#include "script/bind_int.h"

#include "send/send.h"
#include "signature/signature.h"

#include <stdlib.h>

struct slice auth_check_secret(lua_State *L, int index, const struct options *options,
                               const char *name)
{
    struct slice text;
    if (!secret_test(L, index, &text))
        (void)luaL_error(L, "'%s' of %s must be a string or anzol.secret \"NAME\", got %s", name,
                         options->what, luaL_typename(L, index));
    return text;
}

void auth_check_header(lua_State *L, const struct options *options, const char *name,
                       struct slice value)
{
    header_check(L, slice_str(name), value, options->what);
    if (head_add(&script_of(L)->head, slice_str(name), value) != OK)
        (void)luaL_error(L, "the headers of %s are too large", options->what);
}

static bool has_header(lua_State *L, const char *name)
{
    return head_count(buf_slice(&script_of(L)->head), name) > 0;
}

/* { user, password } on top. */
static void add_basic(lua_State *L, const struct options *options, struct buf *text)
{
    struct buf *plain = &script_of(L)->text; /* free meanwhile */
    if (lua_type(L, -1) != LUA_TTABLE)
        (void)luaL_error(L, "'auth' of %s is { bearer = token } or { basic = { user, password } }",
                         options->what);
    lua_rawgeti(L, -1, 1);
    lua_rawgeti(L, -2, 2);
    const struct slice user = auth_check_secret(L, -2, options, "auth.basic[1]");
    const struct slice password = auth_check_secret(L, -1, options, "auth.basic[2]");
    buf_clear(plain);
    if (memchr(user.data, ':', user.len))
        (void)luaL_error(L, "the user in 'auth' of %s holds a ':'", options->what);
    if (buf_add_slice(plain, user) != OK || buf_add_byte(plain, ':') != OK ||
        buf_add_slice(plain, password) != OK || buf_add_str(text, "Basic ") != OK ||
        base64_encode(buf_slice(plain), text) != OK)
        (void)luaL_error(L, "'auth' of %s is too long", options->what);
    buf_clear(plain);
}

/* ---- { oauth2 = { … } } ---- */

static struct slice copy_bytes(lua_State *L, const struct buf *bytes)
{
    char *copy = malloc(bytes->len > 0 ? bytes->len : 1);
    if (!copy)
        (void)luaL_error(L, "out of memory");
    memcpy(copy, bytes->data, bytes->len);
    return slice_of(copy, bytes->len);
}

/* An option of the table as text on the stack. */
static void push_text(lua_State *L, const struct options *options, const char *name)
{
    (void)lua_getfield(L, options->index, name);
    const struct slice text = auth_check_secret(L, -1, options, name);
    lua_pushlstring(L, text.data, text.len);
    lua_remove(L, -2);
}

static void check_token_url(lua_State *L, const struct options *options, struct oauth_spec *oauth)
{
    struct err err;
    const bool is_missing =
        lua_getfield(L, options->index, "token_url") != LUA_TNIL && secret_is_missing(L, -1);
    const bool is_secret = lua_type(L, -1) == LUA_TUSERDATA;
    lua_pop(L, 1);
    push_text(L, options, "token_url");
    oauth->token_url = text_copy(L, is_missing ? URL_MISSING : lua_tostring(L, -1));
    if (guard_check_url(oauth->token_url, &err) != OK)
        (void)luaL_error(L, "option 'token_url' of %s: %s", options->what,
                         is_secret ? "the secret is no valid http or https URL" : err.text);
    lua_pop(L, 1);
}

/* RFC 6749, 4.4.2: the form that asks. */
static void make_body(lua_State *L, const struct options *options, bool is_in_body,
                      struct oauth_spec *oauth)
{
    static const char *const plain[] = {"scope", "audience"};
    static const char *const own[] = {"client_id", "client_secret"};
    struct buf *text = &script_of(L)->body;
    lua_createtable(L, 0, 5);
    lua_pushliteral(L, "client_credentials");
    lua_setfield(L, -2, "grant_type");
    for (size_t i = 0; i < array_count(plain); i++) {
        lua_pushstring(L, option_check_text(L, options, plain[i], NULL));
        lua_setfield(L, -2, plain[i]);
    }
    for (size_t i = 0; i < array_count(own) && is_in_body; i++) {
        push_text(L, options, own[i]);
        lua_setfield(L, -2, own[i]);
    }
    buf_clear(text);
    form_check_encode(L, -1, text);
    oauth->body = copy_bytes(L, text);
    buf_clear(text);
    lua_pop(L, 1);
}

/* 2.3.1: both parts as in a form, then as Basic. */
static void add_client(lua_State *L, const struct options *options, struct buf *head)
{
    struct buf *text = &script_of(L)->body;
    struct slice client;
    buf_clear(text);
    push_text(L, options, "client_id");
    client.data = lua_tolstring(L, -1, &client.len);
    form_check_escape(L, client, text);
    push_text(L, options, "client_secret");
    client.data = lua_tolstring(L, -1, &client.len);
    if (buf_add_byte(text, ':') != OK)
        (void)luaL_error(L, "out of memory");
    form_check_escape(L, client, text);
    lua_pushlstring(L, text->data, text->len);
    client.data = lua_tolstring(L, -1, &client.len);
    buf_clear(text);
    if (buf_add_str(text, "Basic ") != OK || base64_encode(client, text) != OK ||
        head_add(head, slice_str("authorization"), buf_slice(text)) != OK)
        (void)luaL_error(L, "out of memory");
    buf_clear(text);
    lua_pop(L, 3);
}

static void make_head(lua_State *L, const struct options *options, bool is_in_body,
                      struct oauth_spec *oauth)
{
    static const struct field fields[] = {
        {{"content-type", 12}, {"application/x-www-form-urlencoded", 33}},
        {{"accept", 6}, {"application/json", 16}},
    };
    struct buf *head = &script_of(L)->text;
    buf_clear(head);
    for (size_t i = 0; i < array_count(fields); i++)
        if (head_add(head, fields[i].name, fields[i].value) != OK)
            (void)luaL_error(L, "out of memory");
    if (!is_in_body)
        add_client(L, options, head);
    oauth->head = copy_bytes(L, head);
    buf_clear(head);
}

/* The table on top. */
static void read_oauth(lua_State *L, const struct options *options, struct endpoint_spec *endpoint)
{
    static const char *const names[] = {"audience", "client_auth", "client_id", "client_secret",
                                        "scope",    "token_url",   NULL};
    const struct options own = {.index = lua_gettop(L),
                                .what = lua_pushfstring(L, "'auth.oauth2' of %s", options->what)};
    options_check_names(L, &own, names, NULL);
    const char *way = option_check_text(L, &own, "client_auth", "basic");
    const bool is_in_body = strcmp(way, "body") == 0;
    if (!is_in_body && strcmp(way, "basic") != 0)
        (void)option_error(L, &own, "client_auth", "\"basic\" or \"body\"");
    endpoint->oauth = calloc(1, sizeof *endpoint->oauth);
    if (!endpoint->oauth)
        (void)luaL_error(L, "out of memory");
    check_token_url(L, &own, endpoint->oauth);
    make_body(L, &own, is_in_body, endpoint->oauth);
    make_head(L, &own, is_in_body, endpoint->oauth);
    lua_pop(L, 1);
}

/* ---- The option ---- */

static void add_header(lua_State *L, const struct options *options, const struct options *auth)
{
    struct buf *text = &script_of(L)->body;
    buf_clear(text);
    if (lua_getfield(L, auth->index, "bearer") == LUA_TNIL) {
        (void)lua_getfield(L, auth->index, "basic");
        add_basic(L, options, text);
    } else if (buf_add_str(text, "Bearer ") != OK ||
               buf_add_slice(text, auth_check_secret(L, -1, options, "auth.bearer")) != OK) {
        (void)luaL_error(L, "'auth' of %s is too long", options->what);
    }
    auth_check_header(L, options, "Authorization", buf_slice(text));
    buf_clear(text);
}

void auth_check_add(lua_State *L, const struct options *options, struct endpoint_spec *endpoint)
{
    static const char *const names[] = {"basic", "bearer", NULL};
    static const char *const endpoint_names[] = {"basic", "bearer", "oauth2", NULL};
    if (lua_getfield(L, options->index, "auth") == LUA_TNIL) {
        lua_pop(L, 1);
        return;
    }
    const struct options auth = {
        .index = lua_gettop(L),
        .what = lua_pushfstring(L, "'auth' of %s", options->what),
    };
    options_check_names(L, &auth, endpoint ? endpoint_names : names, NULL);
    if (has_header(L, "authorization"))
        (void)luaL_error(L, "%s has both 'auth' and a header 'Authorization'", options->what);
    if (endpoint && lua_getfield(L, auth.index, "oauth2") != LUA_TNIL)
        read_oauth(L, options, endpoint);
    else
        add_header(L, options, &auth);
    lua_settop(L, auth.index - 1);
}
