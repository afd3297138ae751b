/* SPDX-License-Identifier: MIT */
/* Who may come in: with the admin's token, or with one that was minted, which is looked up in the
 * store each time, so that one that was revoked is refused from then on. A page in somebody's
 * browser can reach a loopback port, by its address or by a name of its own that it lets resolve to
 * 127.0.0.1: so Host must be a name we know and a foreign Origin is refused, whatever the token. */
#include "api/token_int.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdio.h>

#define BEARER "Bearer "
#define NO_TOKEN_DETAIL                                                                            \
    "this server has no admin token, so over TCP it answers only /healthz. Start it with "         \
    "ANZOL_ADMIN_TOKEN (or --admin-token, or admin_token in anzol.lua) and send "                  \
    "\"Authorization: Bearer TOKEN\"; on the same machine the command line needs none: it uses "   \
    "anzol.sock"

static const struct field challenge = {{"WWW-Authenticate", 16}, {"Bearer", 6}};
static const struct field later = {{"Retry-After", 11}, {"60", 2}};
static const struct field soon = {{"Retry-After", 11}, {"5", 1}};

void door_set_token(struct api *api, const char *token)
{
    api->has_token = token && *token;
    if (api->has_token)
        (void)hash(DIGEST_SHA256, slice_str(token), api->token_digest);
}

/* "localhost:8081" -> "localhost", "[::1]:8081" -> "[::1]". */
static struct slice host_without_port(struct slice host)
{
    size_t len = host.len;
    while (len > 0 && host.data[len - 1] >= '0' && host.data[len - 1] <= '9')
        len--;
    return len > 0 && host.data[len - 1] == ':' ? slice_of(host.data, len - 1) : host;
}

static bool is_loopback_number(struct slice host)
{
    if (host.len < 9 || memcmp(host.data, "127.", 4) != 0)
        return false;
    for (size_t i = 0; i < host.len; i++)
        if (host.data[i] != '.' && (host.data[i] < '0' || host.data[i] > '9'))
            return false;
    return true;
}

/* "http://localhost:8081" -> "localhost:8081"; "null" and others stay and are not known. */
static struct slice origin_host(struct slice origin)
{
    static const char *const schemes[] = {"http://", "https://"};
    for (size_t i = 0; i < array_count(schemes); i++) {
        const size_t len = strlen(schemes[i]);
        if (origin.len > len && memcmp(origin.data, schemes[i], len) == 0)
            return slice_of(origin.data + len, origin.len - len);
    }
    return origin;
}

/* "https://hooks.example:444/a" -> "hooks.example" */
static struct slice url_host(struct slice url)
{
    const struct slice host = origin_host(url);
    const char *end = memchr(host.data, '/', host.len);
    return host_without_port(slice_of(host.data, end ? (size_t)(end - host.data) : host.len));
}

static bool host_is_known(const struct api *api, struct slice host)
{
    const struct slice name = host_without_port(host);
    if (slice_equal_nocase(name, slice_str("localhost")) || slice_is(name, "[::1]") ||
        is_loopback_number(name))
        return true;
    if (api->url && slice_equal_nocase(name, url_host(slice_str(api->url))))
        return true;
    for (size_t i = 0; i < api->host_count; i++)
        if (slice_equal_nocase(name, slice_str(api->hosts[i])))
            return true;
    return false;
}

static bool check_names(const struct api *api, struct http_request *request)
{
    struct slice value;
    if (!http_header(request, "host", &value) || !host_is_known(api, value)) {
        api_respond_error(request, 403, "unknown_host",
                          "the Host header names neither this machine's loopback nor one of "
                          "admin_hosts; add the name to admin_hosts in anzol.lua (or "
                          "ANZOL_ADMIN_HOSTS)",
                          NULL);
        return false;
    }
    if (http_header(request, "origin", &value) && !host_is_known(api, origin_host(value))) {
        api_respond_error(request, 403, "foreign_origin",
                          "requests from pages of other sites are refused", NULL);
        return false;
    }
    return true;
}

static struct door_failures *failures_of(struct api *api, struct slice address)
{
    struct door_failures *failures = &api->failures[slice_hash(address) % DOOR_ADDRESSES];
    const int64_t now_ms = clock_mono_ms();
    const bool is_other = !slice_is(address, failures->address);
    if (is_other || now_ms - failures->since_ms >= LIMIT_API_FAILURES_MS) {
        *failures = (struct door_failures){.since_ms = now_ms};
        const size_t len = address.len < DOOR_ADDRESS_BYTES ? address.len : DOOR_ADDRESS_BYTES - 1;
        memcpy(failures->address, address.data, len);
    }
    return failures;
}

/* "": none. */
static struct slice bearer_token(struct slice authorization)
{
    const size_t scheme_len = strlen(BEARER);
    if (authorization.len < scheme_len ||
        !slice_equal_nocase(slice_of(authorization.data, scheme_len), slice_str(BEARER)))
        return slice_of("", 0);
    return slice_of(authorization.data + scheme_len, authorization.len - scheme_len);
}

/* Digests are compared, so that not even the length of the token shows in the time. */
static bool token_is_right(const struct api *api, struct slice token)
{
    unsigned char digest[DIGEST_BYTES_MAX];
    const size_t len = hash(DIGEST_SHA256, token, digest);
    return api->has_token && bytes_equal(slice_of((const char *)digest, len),
                                         slice_of((const char *)api->token_digest, len));
}

/* A minted one is 256 random bits: nobody guesses it, so wrong ones are not counted, and those of
 * one address that are wrong keep no others of it out. */
static bool take_minted(const struct api *api, struct http_request *request,
                        struct visitor *visitor)
{
    struct slice authorization;
    if (!http_header(request, "authorization", &authorization))
        return false;
    const struct slice token = bearer_token(authorization);
    if (!token_is_minted(token) || token_is_right(api, token))
        return false;
    visitor->is_unproven = true;
    token_hash(token, visitor->hash);
    return true;
}

static bool check_token(struct api *api, struct http_request *request)
{
    struct slice authorization;
    struct door_failures *failures = failures_of(api, http_remote(request));
    if (failures->count >= LIMIT_API_FAILURES) {
        api_respond_error(request, 429, "too_many_failures",
                          "too many wrong tokens from this address; wait a minute", &later);
        return false;
    }
    if (!http_header(request, "authorization", &authorization)) {
        api_respond_error(request, 401, "token_missing",
                          "send the admin token, or a minted one: \"Authorization: Bearer TOKEN\"",
                          &challenge);
        return false;
    }
    if (token_is_right(api, bearer_token(authorization)))
        return true;
    if (++failures->count == LIMIT_API_FAILURES)
        log_warn("admin tokens refused", "address=%s count=%u", failures->address, failures->count);
    api_respond_error(
        request, 401, "token_wrong",
        "the bearer token is neither this server's admin token nor of the form of those "
        "that it mints",
        &challenge);
    return false;
}

/* "application/json", "application/json; charset=utf-8" */
static bool is_json(struct slice type)
{
    const struct slice json = slice_str("application/json");
    return type.len >= json.len && slice_equal_nocase(slice_of(type.data, json.len), json) &&
           (type.len == json.len || type.data[json.len] == ';' || type.data[json.len] == ' ' ||
            type.data[json.len] == '\t');
}

/* A form or an image of another site can get and post, but not with this type; for other methods
 * its browser asks first. */
static bool check_content_type(struct http_request *request)
{
    struct slice type;
    if (!slice_is(http_method(request), "POST"))
        return true;
    if (http_header(request, "content-type", &type) && is_json(type))
        return true;
    api_respond_error(request, 415, "content_type",
                      "send \"Content-Type: application/json\" with a request that changes "
                      "something",
                      NULL);
    return false;
}

static bool has_body(struct http_request *request)
{
    struct slice value;
    return http_header(request, "transfer-encoding", &value) ||
           (http_header(request, "content-length", &value) && !slice_is(value, "0"));
}

/* Anybody can make up a token that is proven only behind the body: such bodies leave room for those
 * that come with the admin's. */
static bool check_room(const struct api *api, struct http_request *request,
                       const struct visitor *visitor)
{
    if (!visitor->is_unproven || !has_body(request) ||
        atomic_load(&api->intake_bytes) <= LIMIT_API_UNPROVEN_BYTES)
        return true;
    api_respond_error(request, 503, "intake_full",
                      "too many bytes of bodies are being received; try again later", &soon);
    return false;
}

/* SDKs send no type with no body. With a token this is safe: a page of another site has none. */
static bool has_no_type(struct http_request *request)
{
    struct slice value;
    return !http_header(request, "content-type", &value) && !has_body(request);
}

bool door_admits(struct door *door, struct http_request *request, struct visitor *visitor)
{
    struct api *api = door->api;
    if (door->is_unix)
        return true;
    if (!check_names(api, request))
        return false;
    if (take_minted(api, request, visitor) || (api->has_token && check_token(api, request)))
        return check_room(api, request, visitor) &&
               (has_no_type(request) || check_content_type(request));
    if (api->has_token)
        return false;
    if (api->dev && door->is_loopback)
        return check_content_type(request);
    api_respond_error(request, 403, "token_not_set", NO_TOKEN_DETAIL, NULL);
    return false;
}

/* ---- Minted tokens ----------------------------------------------------------------------------
 */

static bool token_may_use(const struct api_token *token, const struct route *route)
{
    return route->user == FOR_PORTAL ||
           (route->user == FOR_APPLICATION && token->scope == TOKEN_APPLICATION);
}

static void on_token(struct store_read *read)
{
    struct call *call = read->ctx;
    struct store_list_tokens *list = container_of(read, struct store_list_tokens, read);
    const enum status status = read->status;
    if (status == OK) {
        call->token = list->rows[0];
        list->rows[0] = (struct api_token){0};
    } else if (status != E_NOTFOUND) {
        log_error("read of the store failed", "route=\"%s\" error=\"%s\"", call->route->path,
                  read->err.text);
    }
    store_read_finish(read);
    if (!call_end_wait(call))
        return;
    if (status == E_NOTFOUND)
        api_respond_error(call->request, 401, "token_wrong",
                          "the bearer token is none of this server, or it has ended", &challenge);
    else if (status != OK)
        call_refuse(call, 500, "store", "the store could not be read; see the server's log");
    else if (!token_may_use(&call->token, call->route))
        call_refuse(call, 403, "forbidden",
                    call->route->user == FOR_ADMIN
                        ? "a token of one application is not enough: this takes the admin token"
                        : "a token of a portal is not enough: this takes the admin token, or one "
                          "of the application");
    else
        call->go_on(call);
}

void door_prove(struct call *call, void (*go_on)(struct call *call))
{
    struct store_list_tokens *list = &call->list_tokens;
    call->go_on = go_on;
    *list = (struct store_list_tokens){
        .read = {.kind = STORE_LIST_TOKENS, .on_done = on_token, .ctx = call},
        .only = call->token.hash,
        .now_ms = clock_due_ms(),
    };
    (void)call_ask(call, &list->read);
}
