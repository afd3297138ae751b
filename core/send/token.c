/* SPDX-License-Identifier: MIT */
#include "send/token_int.h"

#include "send/sender_int.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/memory.h"

#include <jansson.h>
#include <stdio.h>
#include <stdlib.h>

#define SKEW_MS INT64_C(30000)         /* so long before it expires it is not used any more */
#define LIFE_MS_UNSAID INT64_C(300000) /* of a token whose life is not said */
#define LIFE_MS_MAX INT64_C(86400000)
#define TOKEN_BYTES_MAX 8192
#define ERROR_BYTES_MAX 64
#define PROBLEM_BYTES 512

struct token {
    struct transport *transport;
    char *value;                          /* owned; NULL: none */
    uint64_t number;                      /* of the last fetch */
    int64_t good_until_ms;                /* monotonic */
    const struct endpoint_spec *endpoint; /* of registry: whose token it is, or is being fetched */
    struct registry *registry;            /* reference */
    struct transfer *transfer;            /* of the fetch under way; NULL: none */
    struct target *target;
    struct target *proxy; /* NULL: straight */
    unsigned lookups;
    struct queue waiting;
};

static void forget_value(struct token *token)
{
    memory_free_secret_text(token->value);
    token->value = NULL;
}

static bool is_same(const struct oauth_spec *a, const struct oauth_spec *b)
{
    return a == b || (strcmp(a->token_url, b->token_url) == 0 && slice_equal(a->head, b->head) &&
                      slice_equal(a->body, b->body));
}

bool token_get(const struct token *token, const struct oauth_spec *spec, struct token_grant *grant)
{
    if (!token || !token->value || clock_mono_ms() >= token->good_until_ms ||
        !is_same(token->endpoint->oauth, spec))
        return false;
    *grant = (struct token_grant){slice_str(token->value), token->number};
    return true;
}

void token_drop(struct token *token, uint64_t number)
{
    if (token && token->number == number && !token->transfer)
        forget_value(token);
}

/* ---- The answer ---- */

/* As it may stand in a header (RFC 6750, b64token). */
static bool is_sendable(const char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if (text[i] <= 0x20 || text[i] >= 0x7f)
            return false;
    return len > 0 && len <= TOKEN_BYTES_MAX;
}

static int64_t life_of(const json_t *answer)
{
    const json_t *said = json_object_get(answer, "expires_in");
    const char *text = json_string_value(said);
    const double seconds = text ? strtod(text, NULL) : json_number_value(said);
    if (!(seconds > 0))
        return said ? 0 : LIFE_MS_UNSAID;
    return seconds * 1000 < (double)LIFE_MS_MAX ? (int64_t)(seconds * 1000) : LIFE_MS_MAX;
}

/* False: problem says why. */
static bool keep(struct token *token, const json_t *answer, char *problem)
{
    const json_t *value = json_object_get(answer, "access_token");
    const char *type = json_string_value(json_object_get(answer, "token_type"));
    const char *why = NULL;
    if (!json_is_string(value))
        why = "its answer has no access_token";
    else if (!is_sendable(json_string_value(value), json_string_length(value)))
        why = "its access_token is empty, too long, or cannot stand in a header";
    else if (type && !slice_equal_nocase(slice_str(type), slice_str("bearer")))
        why = "its token_type is not Bearer";
    if (why) {
        (void)snprintf(problem, PROBLEM_BYTES, "%s", why);
        return false;
    }
    const int64_t life_ms = life_of(answer);
    forget_value(token);
    token->value = must_copy(json_string_value(value), json_string_length(value));
    token->good_until_ms =
        clock_mono_ms() + (life_ms > 2 * SKEW_MS ? life_ms - SKEW_MS : life_ms / 2);
    return true;
}

/* The error that the answer names, if it is one (RFC 6749, 5.2); its description may hold anything.
 */
static void describe_refusal(const json_t *answer, int status, char *problem)
{
    const char *error = json_string_value(json_object_get(answer, "error"));
    const bool is_name = error && strlen(error) <= ERROR_BYTES_MAX &&
                         strspn(error, "abcdefghijklmnopqrstuvwxyz_") == strlen(error);
    (void)snprintf(problem, PROBLEM_BYTES, "it answered %d%s%s", status, is_name ? ", " : "",
                   is_name ? error : "");
}

static bool read_answer(struct token *token, const struct attempt *attempt, char *problem)
{
    if (attempt->error != ATTEMPT_OK) {
        (void)snprintf(problem, PROBLEM_BYTES, "%s: %s", attempt_error_name(attempt->error),
                       attempt->detail);
        return false;
    }
    bool is_good = false;
    json_t *answer = json_loadb(attempt->body.data, attempt->body.len, 0, NULL);
    if (attempt->status / 100 != 2)
        describe_refusal(answer, attempt->status, problem);
    else if (!json_is_object(answer))
        (void)snprintf(problem, PROBLEM_BYTES, "its answer is no JSON object");
    else
        is_good = keep(token, answer, problem);
    json_decref(answer);
    return is_good;
}

/* ---- The fetch ---- */

static void end_fetch(struct token *token)
{
    target_unref(token->target);
    target_unref(token->proxy);
    token->transfer = NULL;
    token->target = token->proxy = NULL;
}

static void on_fetched(struct transfer *transfer, void *ctx);

static enum status fetch_for(struct token *token, const struct token_wait *wait, struct err *err)
{
    const struct endpoint_spec *endpoint = wait->endpoint;
    struct registry *old = token->registry;
    forget_value(token);
    token->number++;
    token->registry = registry_ref(wait->registry);
    token->endpoint = endpoint;
    registry_unref(old);
    token->target = target_of(endpoint->oauth->token_url);
    token->proxy = endpoint->proxy ? target_of(endpoint->proxy) : NULL;
    const struct target *asked = token->proxy ? token->proxy : token->target;
    const enum status status = transport_start(token->transport,
                                               &(struct transfer_request){
                                                   .url = token->target->url,
                                                   .method = slice_str("POST"),
                                                   .head = endpoint->oauth->head,
                                                   .body = endpoint->oauth->body,
                                                   .timeouts = endpoint->timeouts,
                                                   .allow_private = endpoint->allow_private,
                                                   .host = asked->host,
                                                   .port = asked->port,
                                                   .lookups = &token->lookups,
                                                   .is_secure = token->target->is_secure,
                                                   .proxy = endpoint->proxy,
                                                   .behind_proxy = token->target,
                                               },
                                               on_fetched, token, &token->transfer, err);
    if (status != OK)
        end_fetch(token);
    return status;
}

/* What was asked for with another client's name, before or behind a reload, waits for its own. */
static void fetch_next(struct token *token)
{
    struct node *node;
    struct err err = {0};
    while (!token->transfer && (node = queue_first(&token->waiting))) {
        struct token_wait *wait = container_of(node, struct token_wait, node);
        if (fetch_for(token, wait, &err) == OK)
            return;
        queue_remove(&token->waiting, node);
        wait->on_done(wait, NULL, err.text);
    }
}

static void collect(struct token *token, struct queue *served)
{
    struct queue others;
    struct node *node;
    queue_init(served);
    queue_init(&others);
    while ((node = queue_pop(&token->waiting))) {
        const struct token_wait *wait = container_of(node, struct token_wait, node);
        queue_push(is_same(wait->endpoint->oauth, token->endpoint->oauth) ? served : &others, node);
    }
    while ((node = queue_pop(&others)))
        queue_push(&token->waiting, node);
}

/* Whoever hears of it may start others, which may fetch again: nothing of the token is used then.
 */
static void on_fetched(struct transfer *transfer, void *ctx)
{
    struct token *token = ctx;
    char problem[PROBLEM_BYTES] = "";
    char text[PROBLEM_BYTES + LIMIT_URL_BYTES];
    char *host = NULL;
    struct queue served;
    struct node *node;
    const bool is_good = read_answer(token, &transfer->attempt, problem);
    (void)curl_url_get(token->target->url, CURLUPART_HOST, &host, 0);
    (void)snprintf(text, sizeof text, "no token from %s: %s", host ? host : "?", problem);
    curl_free(host);
    char *value = is_good ? must_copy(token->value, strlen(token->value)) : NULL;
    const struct token_grant grant = {is_good ? slice_str(value) : slice_of("", 0), token->number};
    transfer_release(transfer);
    end_fetch(token);
    collect(token, &served);
    while ((node = queue_pop(&served))) {
        struct token_wait *wait = container_of(node, struct token_wait, node);
        wait->on_done(wait, is_good ? &grant : NULL, text);
    }
    memory_free_secret_text(value);
    fetch_next(token);
}

enum status token_await(struct token **token, struct transport *transport, struct token_wait *wait,
                        struct err *err)
{
    struct token *it = *token;
    if (!it) {
        it = *token = must_alloc(sizeof *it);
        *it = (struct token){.transport = transport};
        queue_init(&it->waiting);
    }
    const enum status status = it->transfer ? OK : fetch_for(it, wait, err);
    if (status == OK)
        queue_push(&it->waiting, &wait->node);
    return status;
}

void token_forget(struct token *token, struct token_wait *wait)
{
    queue_remove(&token->waiting, &wait->node);
    if (queue_first(&token->waiting) || !token->transfer)
        return;
    transfer_cancel(token->transfer);
    end_fetch(token);
}

void token_destroy(struct token *token)
{
    if (!token)
        return;
    check(!token->transfer);
    forget_value(token);
    registry_unref(token->registry);
    free(token);
}
