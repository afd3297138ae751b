/* SPDX-License-Identifier: MIT */
/* anzol.http: exchanges with other services. A call reads its options, has the script's host make
 * the exchange, and waits; the answer is made a Response (or nil and an Error) where it waited. */
#include "script/bind_int.h"

#define MODULE "anzol.http."
#define TIMEOUT_MS 10000
#define TIMEOUT_MS_MAX 600000
#define BODY_BYTES (1024 * 1024)
#define ERROR_BYTES 512

/* ---- What is asked for ---- */

static const char *const call_names[] = {"allow_private", "auth",    "body",     "form",
                                         "headers",       "json",    "max_body", "query",
                                         "redirects",     "timeout", NULL};
static const char *const request_names[] = {
    "allow_private", "auth",  "body",      "form",    "headers", "json", "max_body",
    "method",        "query", "redirects", "timeout", "url",     NULL};

/* Pushes the URL with the query, which goes before a fragment (that is not sent). */
static void push_url(lua_State *L, const struct options *options, int index)
{
    struct buf *text = &script_of(L)->body;
    const struct slice url = auth_check_secret(L, index, options, "url");
    const char *fragment = memchr(url.data, '#', url.len);
    const size_t len = fragment ? (size_t)(fragment - url.data) : url.len;
    struct slice query = slice_str("");
    enum status status;
    buf_clear(text);
    status = buf_add(text, url.data, len);
    const int type = lua_getfield(L, options->index, "query");
    if (type == LUA_TSTRING)
        query.data = lua_tolstring(L, -1, &query.len);
    else if (type != LUA_TNIL && type != LUA_TTABLE)
        (void)option_error(L, options, "query", "a table or a string");
    const size_t before = text->len;
    if (status == OK && type != LUA_TNIL)
        status = buf_add_byte(text, memchr(url.data, '?', len) ? '&' : '?');
    if (status == OK && type == LUA_TTABLE)
        form_check_encode(L, -1, text);
    else if (status == OK)
        status = buf_add_slice(text, query);
    if (type != LUA_TNIL && text->len == before + 1)
        text->len = before; /* an empty query */
    if (status != OK || text->len > LIMIT_URL_BYTES)
        (void)luaL_error(L, "the URL of %s is longer than %d bytes", options->what,
                         LIMIT_URL_BYTES);
    lua_pop(L, 1);
    lua_pushlstring(L, text->data ? text->data : "", text->len);
    buf_clear(text);
}

static int64_t check_timeout(lua_State *L, const struct options *options)
{
    const int64_t ms = option_check_duration(L, options, "timeout", TIMEOUT_MS);
    if (ms < 1 || ms > TIMEOUT_MS_MAX)
        (void)option_error(L, options, "timeout", "from 1ms to 10m");
    return ms;
}

static size_t check_body_bytes(lua_State *L, const struct options *options)
{
    const size_t bytes = option_check_size(L, options, "max_body", BODY_BYTES);
    if (bytes < 1 || bytes > LIMIT_EXCHANGE_BODY_BYTES)
        (void)option_error(L, options, "max_body", "from 1 byte to 8MiB");
    return bytes;
}

/* Pushes what the request borrows: it lies on the stack of whoever waits. */
static void push_request(lua_State *L, const struct options *options, int url_index,
                         struct exchange_request *request)
{
    const struct range redirects = {0, LIMIT_REDIRECTS};
    struct buf *head = &script_of(L)->head;
    request->timeout_ms = check_timeout(L, options);
    request->body_bytes_max = check_body_bytes(L, options);
    request->redirects_max = (unsigned)option_check_integer(L, options, "redirects", redirects, 0);
    request->allow_private = option_check_bool(L, options, "allow_private", false);
    push_url(L, options, url_index);
    request->url = lua_tostring(L, -1);
    buf_clear(head);
    lua_getfield(L, options->index, "headers");
    headers_check_add(L, -1, options->what, head);
    auth_check_add(L, options, NULL);
    const char *type = body_check(L, options, &request->body);
    if (type && head_count(buf_slice(head), "content-type") == 0)
        auth_check_header(L, options, "Content-Type", slice_str(type));
    /* A string of the options' table stays where it is while the stack holds it. */
    if (request->body.data == script_of(L)->body.data)
        lua_pushlstring(L, request->body.data, request->body.len);
    else
        lua_getfield(L, options->index, "body");
    if (type)
        request->body.data = lua_tolstring(L, -1, &request->body.len);
    lua_pushlstring(L, head->data ? head->data : "", head->len);
    request->head.data = lua_tolstring(L, -1, &request->head.len);
}

/* ---- What comes of it ---- */

struct wait {
    uint64_t ticket;
    struct exchange *exchange;
    const struct exchange_answer *answer; /* during the wake-up */
    uint32_t timeout_ms;
    uint32_t body_bytes_max;
};

static struct wait *wait_of(struct strand *strand)
{
    _Static_assert(sizeof(struct wait) <= sizeof strand->waiting, "room for the wait");
    return (struct wait *)(void *)strand->waiting;
}

static void push_duration(lua_State *L, uint32_t ms)
{
    if (ms % 1000 == 0)
        lua_pushfstring(L, "%ds", (int)(ms / 1000));
    else
        lua_pushfstring(L, "%dms", (int)ms);
}

static void push_size(lua_State *L, uint32_t bytes)
{
    if (bytes % (1 << 20) == 0)
        lua_pushfstring(L, "%d MiB", (int)(bytes >> 20));
    else if (bytes % 1024 == 0)
        lua_pushfstring(L, "%d KiB", (int)(bytes >> 10));
    else
        lua_pushfstring(L, "%d bytes", (int)bytes);
}

static const struct {
    const char *code;
    const char *words; /* %s: the host, then why */
    bool is_retryable;
} errors[] = {
    {"blocked_address", "%s is refused: %s", false},
    {"connect", "cannot connect to %s: %s", true},
    {"dns", "no address of %s: %s", true},
    {"protocol", "the exchange with %s went wrong: %s", false},
    {"reset", "%s broke the connection off: %s", true},
    {"tls", "no secure connection with %s: %s", false},
};

static int push_error(lua_State *L, const struct wait *wait)
{
    const struct exchange_answer *answer = wait->answer;
    const bool is_timeout = strcmp(answer->error, "timeout") == 0;
    bool is_retryable = is_timeout;
    if (is_timeout) {
        push_duration(L, wait->timeout_ms);
        lua_pushfstring(L, "no answer from %s within %s", answer->host, lua_tostring(L, -1));
    } else if (strcmp(answer->error, "too_large") == 0) {
        push_size(L, wait->body_bytes_max);
        is_retryable = answer->detail[0] != '\0';
        lua_pushfstring(L,
                        is_retryable ? "the answer of %s found no room"
                                     : "the answer of %s is larger than max_body, %s",
                        answer->host, lua_tostring(L, -1));
    }
    for (size_t i = 0; i < array_count(errors); i++)
        if (strcmp(errors[i].code, answer->error) == 0) {
            is_retryable = errors[i].is_retryable;
            lua_pushfstring(L, errors[i].words, answer->host, answer->detail);
        }
    (void)error_push(L, answer->error, lua_tostring(L, -1), is_retryable);
    if (answer->detail[0] != '\0') {
        lua_pushstring(L, answer->detail);
        lua_setfield(L, -2, "detail");
    }
    return 2;
}

static int l_goes_on(lua_State *L, int status, lua_KContext ctx)
{
    const struct wait *wait = wait_of(script_of(L)->context->job->running);
    (void)status;
    (void)ctx;
    if (wait->answer->error[0] != '\0')
        return push_error(L, wait);
    response_push(L, wait->answer);
    return 1;
}

static void on_done(const struct exchange_answer *answer, void *ctx)
{
    struct strand *strand = ctx;
    struct wait *wait = wait_of(strand);
    wait->answer = answer;
    strand_wake(strand, wait->ticket, 0);
}

static void cancel(struct strand *strand)
{
    const struct script_hooks *hooks = &strand->job->script->hooks;
    hooks->cancel_exchange(hooks->ctx, wait_of(strand)->exchange);
}

/* A URL that cannot be one is often data's fault, not the script's. What a secret holds is not
 * told. */
static int push_refusal(lua_State *L, const struct err *err, bool is_secret)
{
    const char *why = is_secret              ? "the secret is no valid http or https URL"
                      : err->text[0] != '\0' ? err->text
                                             : status_name(err->status);
    return error_push(L, "url", why, err->status == E_NOMEM);
}

static int perform(lua_State *L, const struct options *options, const char *method, int url_index)
{
    struct exchange_request request = {.method = slice_str(method)};
    struct err err = {.status = E_INVALID};
    push_request(L, options, url_index, &request);
    struct strand *strand = strand_check_may_wait(L, options->what);
    const struct script_hooks *hooks = &strand->job->script->hooks;
    struct wait *wait = wait_of(strand);
    *wait = (struct wait){.timeout_ms = (uint32_t)request.timeout_ms,
                          .body_bytes_max = (uint32_t)request.body_bytes_max};
    if (hooks->start_exchange(hooks->ctx, &request, on_done, strand, &wait->exchange, &err) != OK)
        return push_refusal(L, &err, lua_type(L, url_index) != LUA_TSTRING);
    wait->ticket = strand_wait(strand, cancel);
    return lua_yieldk(L, 0, 0, l_goes_on);
}

/* ---- The module ---- */

/* Upvalues: the method, the function's name. */
static int l_call(lua_State *L)
{
    const struct options options = {.index = 2, .what = lua_tostring(L, lua_upvalueindex(2))};
    luaL_checkany(L, 1);
    lua_settop(L, 2);
    if (lua_isnil(L, 2)) {
        lua_newtable(L);
        lua_replace(L, 2);
    }
    options_check_names(L, &options, call_names, NULL);
    return perform(L, &options, lua_tostring(L, lua_upvalueindex(1)), 1);
}

int l_http_request(lua_State *L)
{
    const struct options options = {.index = 1, .what = MODULE "request"};
    luaL_checkany(L, 1);
    lua_settop(L, 1);
    options_check_names(L, &options, request_names, NULL);
    lua_pushstring(L, option_check_method(L, &options, "GET"));
    lua_getfield(L, 1, "url");
    return perform(L, &options, lua_tostring(L, 2), 3);
}

/* As it stands in a path or query. */
static int l_escape(lua_State *L)
{
    struct buf *text = &script_of(L)->body;
    struct slice plain;
    plain.data = luaL_checklstring(L, 1, &plain.len);
    buf_clear(text);
    form_check_escape(L, plain, text);
    lua_pushlstring(L, text->data ? text->data : "", text->len);
    buf_clear(text);
    return 1;
}

static const struct {
    const char *name;
    const char *method;
    const char *what;
} calls[] = {
    {"delete", "DELETE", MODULE "delete"}, {"get", "GET", MODULE "get"},
    {"patch", "PATCH", MODULE "patch"},    {"post", "POST", MODULE "post"},
    {"put", "PUT", MODULE "put"},
};

static const luaL_Reg functions[] = {
    {"escape", l_escape}, {"request", l_http_request}, {NULL, NULL}};

void open_http(lua_State *L)
{
    object_open(L, &response_kind);
    luaL_newlib(L, functions);
    for (size_t i = 0; i < array_count(calls); i++) {
        lua_pushstring(L, calls[i].method);
        lua_pushstring(L, calls[i].what);
        lua_pushcclosure(L, l_call, 2);
        lua_setfield(L, -2, calls[i].name);
    }
    lua_setfield(L, -2, "http");
}
