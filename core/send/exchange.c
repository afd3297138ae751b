/* SPDX-License-Identifier: MIT */
/* Exchanges that scripts ask for. Their transport is their own: connections, look-ups and curl's
 * multis are not those of deliveries, so that neither holds up the other. So many run at a time,
 * and so many for one host; the others wait for their turn, the hosts in turns. */
#include "send/sender_int.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/memory.h"
#include "base/timer.h"

#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

#define SHARES 256 /* hosts with the same hash share their turns */

/* What exchanges with one host have together. */
struct share {
    struct node node; /* in exchanges->open: has who waits, and room */
    struct queue waiting;
    unsigned running;
    unsigned lookups;
};

struct exchanges {
    uv_loop_t *loop;
    char *user_agent;
    struct guard_rules guard;
    struct transport *transport; /* NULL until the first */
    struct timers timers;
    struct room room; /* of the answers' bodies */
    struct share shares[SHARES];
    struct queue open; /* shares */
    unsigned running;
    size_t count; /* running or waiting */
};

struct exchange {
    struct node node; /* in its share's waiting */
    struct exchanges *exchanges;
    struct exchange_request request; /* borrowed from whoever waits for it */
    struct share *share;             /* of the host asked first */
    struct transfer *transfer;       /* NULL: waits for its turn */
    struct timer turn;               /* its time is over while it waits */
    int64_t started_ms;              /* monotonic */
    exchange_cb on_done;
    void *ctx;

    /* Of the hop under way. */
    unsigned redirects; /* followed so far */
    struct target *target;
    struct target *proxy; /* NULL: straight */
    char *host;           /* curl's */
    struct slice method;
    struct slice body;
    struct slice head;    /* the request's, or head_kept */
    struct buf head_kept; /* after a redirect */
};

/* ---- Hosts ---- */

static struct share *share_of(struct exchanges *exchanges, const char *host)
{
    uint32_t hash = 2166136261u; /* FNV-1a */
    for (; *host; host++)
        hash = (hash ^ (uint8_t)(*host | 0x20)) * 16777619u;
    return &exchanges->shares[hash % SHARES];
}

static char *part(CURLU *url, CURLUPart part, unsigned flags)
{
    char *text = NULL;
    return curl_url_get(url, part, &text, flags) == CURLUE_OK ? text : NULL;
}

/* Takes the url. */
static void set_target(struct exchange *exchange, CURLU *url)
{
    target_unref(exchange->target);
    curl_free(exchange->host);
    exchange->target = target_create(url);
    exchange->host = part(url, CURLUPART_HOST, 0);
}

/* ---- The end ---- */

static void free_exchange(struct exchange *exchange)
{
    struct exchanges *exchanges = exchange->exchanges;
    timers_stop(&exchanges->timers, &exchange->turn);
    exchanges->count--;
    target_unref(exchange->target);
    target_unref(exchange->proxy);
    curl_free(exchange->host);
    buf_finish(&exchange->head_kept);
    free(exchange);
}

/* Someone of this share may be let in, if there is room for anyone at all. */
static void offer(struct exchanges *exchanges, struct share *share)
{
    if (!node_is_linked(&share->node) && queue_first(&share->waiting) &&
        share->running < LIMIT_EXCHANGES_PER_HOST)
        queue_push(&exchanges->open, &share->node);
}

static void pump(struct exchanges *exchanges);

/* It runs no more, or waits no more: gone, and others are let in. */
static void leave(struct exchange *exchange)
{
    struct exchanges *exchanges = exchange->exchanges;
    struct share *share = exchange->share;
    if (exchange->transfer) {
        share->running--;
        exchanges->running--;
    } else {
        queue_remove(&share->waiting, &exchange->node);
        if (node_is_linked(&share->node) && !queue_first(&share->waiting))
            queue_remove(&exchanges->open, &share->node);
    }
    free_exchange(exchange);
    offer(exchanges, share);
    pump(exchanges);
}

static void tell(const struct exchange *exchange, struct exchange_answer *answer)
{
    answer->host = exchange->host ? exchange->host : "";
    answer->duration_ms = clock_mono_ms() - exchange->started_ms;
    exchange->on_done(answer, exchange->ctx);
}

static void fail(struct exchange *exchange, const char *error, const char *detail)
{
    tell(exchange,
         &(struct exchange_answer){
             .error = error, .detail = detail, .head = slice_str(""), .retry_after_ms = -1});
}

static void answer(struct exchange *exchange)
{
    const struct attempt *attempt = &exchange->transfer->attempt;
    if (attempt->is_cut) {
        fail(exchange, "too_large", attempt->detail);
        return;
    }
    tell(exchange, &(struct exchange_answer){
                       .error = attempt_error_name(attempt->error),
                       .detail = attempt->detail,
                       .status = attempt->status,
                       .head = attempt->head,
                       .body = attempt->body,
                       .retry_after_ms = attempt->retry_after_ms,
                   });
}

/* ---- One hop ---- */

static void on_transfer_done(struct transfer *transfer, void *ctx);

static enum status start_hop(struct exchange *exchange, struct err *err)
{
    struct exchanges *exchanges = exchange->exchanges;
    const struct exchange_request *request = &exchange->request;
    const int64_t left_ms = exchange->started_ms + request->timeout_ms - clock_mono_ms();
    struct share *share = share_of(exchanges, exchange->host ? exchange->host : "");
    const struct target *asked = exchange->proxy ? exchange->proxy : exchange->target;
    return transport_start(exchanges->transport,
                           &(struct transfer_request){
                               .url = exchange->target->url,
                               .method = exchange->method,
                               .head = exchange->head,
                               .body = exchange->body,
                               .timeouts = timeouts_of(left_ms > 0 ? left_ms : 1),
                               .allow_private = request->allow_private,
                               .host = asked->host,
                               .port = asked->port,
                               .tls = request->tls,
                               .proxy = request->proxy,
                               .behind_proxy = exchange->target,
                               .is_secure = exchange->target->is_secure,
                               .lookups = &share->lookups,
                               .body_bytes_max = request->body_bytes_max,
                               .room = &exchanges->room,
                               .needs_all = true,
                               .connect_only = request->connect_only,
                               .on_piece = request->on_piece,
                               .piece_ctx = exchange->ctx,
                               .is_of_endpoint = request->connect_only, /* a look at it */
                           },
                           on_transfer_done, exchange, &exchange->transfer, err);
}

static enum status begin(struct exchange *exchange, struct err *err)
{
    const enum status status = start_hop(exchange, err);
    if (status != OK)
        return status;
    exchange->share->running++;
    exchange->exchanges->running++;
    return OK;
}

/* ---- Turns ---- */

static void pump(struct exchanges *exchanges)
{
    while (exchanges->running < LIMIT_EXCHANGES_PER_WORKER) {
        struct node *node = queue_pop(&exchanges->open);
        if (!node)
            return;
        struct share *share = container_of(node, struct share, node);
        struct exchange *exchange = container_of(queue_pop(&share->waiting), struct exchange, node);
        struct err err = {0};
        timers_stop(&exchanges->timers, &exchange->turn);
        const enum status status = begin(exchange, &err);
        offer(exchanges, share);
        if (status != OK) {
            fail(exchange, "protocol", err.text);
            free_exchange(exchange);
        }
    }
}

static void on_turn_missed(struct timer *timer)
{
    struct exchange *exchange = container_of(timer, struct exchange, turn);
    char detail[128];
    (void)snprintf(detail, sizeof detail,
                   "it got no turn: a worker runs %d exchanges at a time, %d of one host",
                   LIMIT_EXCHANGES_PER_WORKER, LIMIT_EXCHANGES_PER_HOST);
    fail(exchange, "timeout", detail);
    leave(exchange);
}

static void wait_for_turn(struct exchange *exchange)
{
    struct exchanges *exchanges = exchange->exchanges;
    exchange->turn.on_time = on_turn_missed;
    timers_start(&exchanges->timers, &exchange->turn, exchange->request.timeout_ms);
    queue_push(&exchange->share->waiting, &exchange->node);
    offer(exchanges, exchange->share);
}

/* ---- Redirects ---- */

static bool is_redirect(int status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

static bool is_same_part(CURLU *a, CURLU *b, CURLUPart which, unsigned flags)
{
    char *one = part(a, which, flags);
    char *other = part(b, which, flags);
    const bool is_same = one && other && strcasecmp(one, other) == 0;
    curl_free(one);
    curl_free(other);
    return is_same;
}

static bool is_same_origin(CURLU *a, CURLU *b)
{
    return is_same_part(a, b, CURLUPART_SCHEME, 0) && is_same_part(a, b, CURLUPART_HOST, 0) &&
           is_same_part(a, b, CURLUPART_PORT, CURLU_DEFAULT_PORT);
}

/* Another origin gets nothing that may be a credential: only these, which say what the content is
 * and what is wanted. */
static bool is_harmless(struct slice name)
{
    static const char *const names[] = {"accept",           "accept-language", "content-encoding",
                                        "content-language", "content-type",    "user-agent"};
    for (size_t i = 0; i < array_count(names); i++)
        if (slice_equal_nocase(name, slice_str(names[i])))
            return true;
    return false;
}

static bool is_of_body(struct slice name)
{
    return name.len > 8 && slice_equal_nocase(slice_of(name.data, 8), slice_str("content-"));
}

static enum status keep_head(struct exchange *exchange, bool is_same, bool has_body)
{
    struct buf kept;
    struct field field;
    enum status status = OK;
    buf_init(&kept, 2 * LIMIT_HEADERS_BYTES);
    for (size_t offset = 0; status == OK && head_next(exchange->head, &offset, &field);)
        if ((is_same || is_harmless(field.name)) && (has_body || !is_of_body(field.name)))
            status = head_add(&kept, field.name, field.value);
    buf_finish(&exchange->head_kept);
    exchange->head_kept = kept;
    exchange->head = buf_slice(&exchange->head_kept);
    return status;
}

/* Where the answer sends to, resolved against where it came from; NULL: err says why not. */
static CURLU *read_location(const struct exchange *exchange, struct slice location, struct err *err)
{
    char text[LIMIT_URL_BYTES + 1];
    CURLU *url = curl_url_dup(exchange->target->url);
    (void)snprintf(text, sizeof text, "%.*s", (int)location.len, location.data);
    if (!url || location.len > LIMIT_URL_BYTES ||
        curl_url_set(url, CURLUPART_URL, text, 0) != CURLUE_OK) {
        (void)err_set(err, E_INVALID, "its Location is no URL");
        curl_url_cleanup(url);
        return NULL;
    }
    char *whole = part(url, CURLUPART_URL, 0);
    const enum status status = whole ? guard_check_url(whole, err) : E_NOMEM;
    curl_free(whole);
    if (status == OK)
        return url;
    (void)err_prefix(err, "its Location is refused");
    curl_url_cleanup(url);
    return NULL;
}

/* 303 asks for a GET; 301 and 302 do in practice, of a POST. */
static void choose_method(struct exchange *exchange, int status)
{
    const bool is_post = slice_is(exchange->method, "POST");
    if (slice_is(exchange->method, "HEAD") || !(status == 303 || (status < 303 && is_post)))
        return;
    exchange->method = slice_str("GET");
    exchange->body = slice_str("");
}

/* The next hop; false: it cannot be, err says why. */
static bool follow(struct exchange *exchange, struct slice location, struct err *err)
{
    if (exchange->redirects++ == exchange->request.redirects_max) {
        (void)err_set(err, E_LIMIT, "more than %u redirects", exchange->request.redirects_max);
        return false;
    }
    CURLU *url = read_location(exchange, location, err);
    if (!url)
        return false;
    choose_method(exchange, exchange->transfer->attempt.status);
    const bool is_same = is_same_origin(exchange->target->url, url);
    struct transfer *last = exchange->transfer;
    set_target(exchange, url);
    enum status status = keep_head(exchange, is_same, exchange->body.len > 0);
    if (status == OK)
        status = start_hop(exchange, err);
    if (status == OK)
        transfer_release(last);
    else if (err->status == OK)
        (void)err_set(err, status, "it cannot be followed: %s", status_name(status));
    return status == OK;
}

static void on_transfer_done(struct transfer *transfer, void *ctx)
{
    struct exchange *exchange = ctx;
    const struct attempt *attempt = &transfer->attempt;
    struct slice location;
    struct err err = {0};
    const bool is_followed = exchange->request.redirects_max > 0 && attempt->error == ATTEMPT_OK &&
                             is_redirect(attempt->status) &&
                             head_find(attempt->head, "location", &location);
    if (is_followed && follow(exchange, location, &err))
        return;
    if (is_followed)
        fail(exchange, "protocol", err.text);
    else
        answer(exchange);
    transfer_release(transfer);
    leave(exchange);
}

/* ---- From outside ---- */

static enum status create(struct exchanges *exchanges, const struct exchange_request *request,
                          struct exchange **exchange, struct err *err)
{
    const enum status status = guard_check_url(request->url, err);
    if (status != OK)
        return status;
    if (!exchanges->transport &&
        transport_create(exchanges->loop, exchanges->user_agent, &exchanges->guard,
                         &exchanges->transport, err) != OK)
        return E_NOMEM;
    struct exchange *it = memory_calloc(1, sizeof *it);
    CURLU *url = curl_url();
    if (!it || !url || curl_url_set(url, CURLUPART_URL, request->url, 0) != CURLUE_OK) {
        free(it);
        curl_url_cleanup(url);
        return err_set(err, E_INVALID, "the URL cannot be used");
    }
    it->exchanges = exchanges;
    it->request = *request;
    it->method = request->method;
    it->head = request->head;
    it->body = request->body;
    it->started_ms = clock_mono_ms();
    exchanges->count++;
    it->proxy = request->proxy ? target_of(request->proxy) : NULL;
    set_target(it, url);
    it->share = share_of(exchanges, it->host ? it->host : "");
    *exchange = it;
    return OK;
}

enum status exchanges_start(struct exchanges *exchanges, const struct exchange_request *request,
                            exchange_cb on_done, void *ctx, struct exchange **exchange,
                            struct err *err)
{
    enum status status = create(exchanges, request, exchange, err);
    if (status != OK)
        return status;
    struct exchange *it = *exchange;
    it->on_done = on_done;
    it->ctx = ctx;
    if (exchanges->running >= LIMIT_EXCHANGES_PER_WORKER || queue_first(&it->share->waiting) ||
        it->share->running >= LIMIT_EXCHANGES_PER_HOST) {
        wait_for_turn(it);
        return OK;
    }
    status = begin(it, err);
    if (status != OK)
        free_exchange(it);
    return status;
}

void exchanges_go_on(struct exchange *exchange)
{
    if (exchange->transfer)
        transfer_go_on(exchange->transfer);
}

void exchanges_cancel(struct exchanges *exchanges, struct exchange *exchange)
{
    check(exchange->exchanges == exchanges);
    if (exchange->transfer)
        transfer_cancel(exchange->transfer);
    leave(exchange);
}

struct exchanges *exchanges_create(uv_loop_t *loop, const char *user_agent,
                                   const struct guard_rules *guard)
{
    struct exchanges *exchanges = must_alloc(sizeof *exchanges);
    *exchanges = (struct exchanges){.loop = loop,
                                    .user_agent = must_copy(user_agent, strlen(user_agent)),
                                    .room.bytes_max = LIMIT_EXCHANGE_BYTES_PER_WORKER};
    if (guard)
        exchanges->guard = *guard;
    queue_init(&exchanges->open);
    for (size_t i = 0; i < SHARES; i++)
        queue_init(&exchanges->shares[i].waiting);
    timers_open(&exchanges->timers, loop);
    return exchanges;
}

static void on_closed(uv_handle_t *handle)
{
    struct exchanges *exchanges =
        container_of((uv_timer_t *)(void *)handle, struct exchanges, timers.handle);
    free(exchanges->user_agent);
    free(exchanges);
}

void exchanges_destroy(struct exchanges *exchanges)
{
    check(exchanges->count == 0);
    if (exchanges->transport)
        transport_destroy(exchanges->transport);
    timers_close(&exchanges->timers, on_closed);
}
