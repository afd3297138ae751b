/* SPDX-License-Identifier: MIT */
/* anzol.endpoint(name, options): where messages go. */
#include "script/bind_int.h"

#include "send/send.h"

#include <math.h>
#include <stdlib.h>

static const char *const option_names[] = {
    "allow_private", "auth",      "breaker",     "burst",         "ca_file",    "client_cert",
    "cloudevents",   "compress",  "concurrency", "disable_after", "headers",    "kind",
    "method",        "on_dead",   "order_by",    "proxy",         "rate_limit", "retry",
    "sign",          "slow_down", "success",     "tell_success",  "timeout",    "transform",
    "url",           NULL,
};
static const char *const queue_names[] = {
    "auth", "batch", "kind", "lease", "on_dead", "order_by", "path", "retry", "wait", NULL,
};
static const struct options_elsewhere of_sending = {
    option_names, "is not for kind = \"long_poll\": its receivers ask, nothing is sent to them"};
static const struct options_elsewhere of_queues = {
    queue_names, "is for a queue, an endpoint with kind = \"long_poll\""};

static void read_url(lua_State *L, const struct options *options, struct endpoint_spec *endpoint)
{
    struct slice url;
    const int type = lua_getfield(L, options->index, "url");
    if (!secret_test(L, -1, &url))
        (void)option_error(L, options, "url", "a URL or anzol.secret \"NAME\"");
    if (secret_is_missing(L, -1))
        url = slice_str(URL_MISSING);
    const bool is_secret = type != LUA_TSTRING;
    struct err err;
    endpoint->is_url_secret = is_secret;
    endpoint->url = text_copy(L, url.data);
    if (strlen(url.data) == url.len && guard_check_url(endpoint->url, &err) == OK) {
        lua_pop(L, 1);
        return;
    }
    /* What a secret holds is not told. */
    (void)luaL_error(L, "option 'url' of %s: %s", options->what,
                     is_secret ? "the secret is no valid http or https URL" : err.text);
}

static struct slice copy_head(lua_State *L, const struct buf *head)
{
    if (head->len == 0)
        return slice_of(NULL, 0);
    char *copy = malloc(head->len);
    if (!copy)
        (void)luaL_error(L, "out of memory");
    memcpy(copy, head->data, head->len);
    return slice_of(copy, head->len);
}

/* The headers at the index whose value is a secret, whatever they are called. */
static void read_secret_names(lua_State *L, int index, struct endpoint_spec *endpoint)
{
    struct buf *names = &script_of(L)->head;
    buf_clear(names);
    if (lua_type(L, index) != LUA_TTABLE)
        return;
    index = lua_absindex(L, index);
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1))
        if (lua_type(L, -1) == LUA_TUSERDATA &&
            head_add(names, slice_str(lua_tostring(L, -2)), slice_str("")) != OK)
            (void)luaL_error(L, "out of memory");
    endpoint->secret_names = copy_head(L, names);
}

/* Sorted by name, so that every state has the same bytes. */
static void read_headers(lua_State *L, const struct options *options,
                         struct endpoint_spec *endpoint)
{
    struct buf *head = &script_of(L)->head;
    buf_clear(head);
    lua_getfield(L, options->index, "headers");
    headers_check_add(L, -1, options->what, head);
    auth_check_add(L, options, endpoint);
    endpoint->head = copy_head(L, head);
    read_secret_names(L, -1, endpoint);
    lua_pop(L, 1);
}

static void read_sign(lua_State *L, const struct options *options, struct endpoint_spec *endpoint)
{
    const int type = lua_getfield(L, options->index, "sign");
    struct signer *signer = signer_test(L, -1);
    if (signer)
        endpoint->signer = signer_ref(signer);
    else if (type == LUA_TNIL)
        (void)luaL_error(L,
                         "%s needs 'sign'; use anzol.sign.standard { secret = anzol.secret "
                         "\"NAME\" }, or sign = false to send unsigned",
                         options->what);
    else if (type != LUA_TBOOLEAN || lua_toboolean(L, -1))
        (void)option_error(L, options, "sign", "a signer (anzol.sign.standard { … }) or false");
    lua_pop(L, 1);
}

static void read_retry(lua_State *L, const struct options *options, struct endpoint_spec *endpoint)
{
    endpoint->retry = backoff_default;
    const int type = lua_getfield(L, options->index, "retry");
    const struct backoff *backoff = object_test(L, -1, &backoff_kind);
    if (type == LUA_TFUNCTION) {
        endpoint->retry_function = function_keep(L);
        return;
    }
    if (backoff) {
        if (backoff->kind != BACKOFF_SCHEDULE && backoff->attempts_max == 0 &&
            backoff->max_age_ms == 0)
            (void)luaL_error(L,
                             "option 'retry' of %s would never end; give the backoff "
                             "'attempts' or 'max_age'",
                             options->what);
        endpoint->retry = *backoff;
    } else if (type != LUA_TNIL)
        (void)option_error(L, options, "retry",
                           "a backoff (anzol.backoff.exponential { … }) or "
                           "function(attempt, delivery)");
    lua_pop(L, 1);
}

static void read_order(lua_State *L, const struct options *options, struct endpoint_spec *endpoint)
{
    endpoint->order_function = option_check_function(L, options, "order_by");
    const char *on_dead = option_check_text(L, options, "on_dead", NULL);
    if (!on_dead)
        return;
    endpoint->blocks_on_dead = strcmp(on_dead, "block") == 0;
    if (!endpoint->blocks_on_dead && strcmp(on_dead, "skip") != 0)
        (void)option_error(L, options, "on_dead", "\"skip\" or \"block\"");
    if (endpoint->order_function == 0)
        (void)luaL_error(L, "option 'on_dead' of %s needs 'order_by': without it nothing waits",
                         options->what);
}

/* Where messages are sent to, and how. */
static void read_sending(lua_State *L, const struct options *options,
                         struct endpoint_spec *endpoint)
{
    read_url(L, options, endpoint);
    endpoint->method = text_copy(L, option_check_method(L, options, "POST"));
    read_headers(L, options, endpoint);
    wire_check_read(L, options, endpoint);
    read_sign(L, options, endpoint);
    pace_check_read(L, options, endpoint);
    endpoint->transform_function = option_check_function(L, options, "transform");
    endpoint->success_function = option_check_function(L, options, "success");
    endpoint->allow_private = option_check_bool(L, options, "allow_private", false);
    endpoint->tells_success = option_check_bool(L, options, "tell_success", false);
}

/* ---- kind = "long_poll" ---- */

#define QUEUE_WAIT_MS 25000
#define QUEUE_BATCH 50
#define QUEUE_LEASE_MS 60000

static bool is_long_poll(lua_State *L, const struct options *options)
{
    if (lua_type(L, options->index) != LUA_TTABLE)
        return false; /* options_check_names says so */
    const char *kind = option_check_text(L, options, "kind", "http");
    if (strcmp(kind, "http") != 0 && strcmp(kind, "long_poll") != 0)
        (void)option_error(L, options, "kind", "\"http\" (the default) or \"long_poll\"");
    return strcmp(kind, "long_poll") == 0;
}

static void read_queue_auth(lua_State *L, const struct options *options, struct queue_spec *queue)
{
    static const char expected[] =
        "a verifier, as anzol.verify.bearer { secret = anzol.secret \"NAME\" }, or "
        "anzol.verify.none() to let anybody take the messages";
    const int type = lua_getfield(L, options->index, "auth");
    struct verifier *verifier = verifier_test(L, -1);
    if (type == LUA_TNIL)
        (void)luaL_error(L, "%s needs 'auth': %s", options->what, expected);
    if (!verifier)
        (void)option_error(L, options, "auth", expected);
    queue->verifier = verifier_ref(verifier);
    lua_pop(L, 1);
}

static void read_queue(lua_State *L, const struct options *options, struct endpoint_spec *endpoint)
{
    struct queue_spec *queue = calloc(1, sizeof *queue);
    if (!queue)
        (void)luaL_error(L, "out of memory");
    endpoint->queue = queue;
    endpoint->url = text_copy(L, "");
    endpoint->method = text_copy(L, "POST"); /* of who sends one elsewhere by hand */
    const char *path = option_check_path(L, options);
    if (!path)
        (void)luaL_error(L, "%s needs 'path': where its receivers ask, as \"/queue/%s\"",
                         options->what, endpoint->name);
    path_check_queue_free(L, path);
    queue->path = text_copy(L, path);
    read_queue_auth(L, options, queue);
    queue->wait_ms = option_check_time(L, options, "wait", (struct range){0, LIMIT_QUEUE_WAIT_MS},
                                       QUEUE_WAIT_MS);
    queue->batch = (uint32_t)option_check_integer(
        L, options, "batch", (struct range){1, LIMIT_QUEUE_BATCH}, QUEUE_BATCH);
    queue->lease_ms = option_check_time(
        L, options, "lease", (struct range){LIMIT_QUEUE_LEASE_MS_MIN, LIMIT_QUEUE_LEASE_MS},
        QUEUE_LEASE_MS);
}

static int l_endpoint(lua_State *L)
{
    struct draft *draft = draft_check(L, "anzol.endpoint");
    const char *name = luaL_checkstring(L, 1);
    name_check(L, name, "anzol.endpoint");
    lua_settop(L, 2);
    const struct options options = {.index = 2,
                                    .what = lua_pushfstring(L, "anzol.endpoint '%s'", name)};
    const bool is_queue = is_long_poll(L, &options);
    if (is_queue)
        options_check_names(L, &options, queue_names, &of_sending);
    else
        options_check_names(L, &options, option_names, &of_queues);
    const struct endpoint_spec *first = registry_endpoint(draft->registry, slice_str(name));
    if (first && first->script)
        return luaL_error(L, "anzol.endpoint '%s' is registered twice; first in %s", name,
                          first->script);
    struct endpoint_spec *endpoint = draft_add_endpoint(draft);
    if (!endpoint)
        return luaL_error(L, "out of memory");
    endpoint->name = text_copy(L, name);
    read_retry(L, &options, endpoint);
    read_order(L, &options, endpoint);
    if (is_queue)
        read_queue(L, &options, endpoint);
    else
        read_sending(L, &options, endpoint);
    endpoint->script = place_copy(L);
    draft->ended++;
    return 0;
}

void open_endpoint(lua_State *L)
{
    lua_pushcfunction(L, l_endpoint);
    lua_setfield(L, -2, "endpoint");
}
