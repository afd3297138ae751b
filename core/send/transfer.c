/* SPDX-License-Identifier: MIT */
/* Transfers: from a request to an attempt's outcome. A transfer goes to curl at once; only if curl
 * finds no kept connection, and the host is a name, it comes back for a look-up of ours, so that
 * all addresses are judged, and goes to curl again with them. */
#include "send/transfer_int.h"

#include "base/clock.h"
#include "base/limits.h"
#include "signature/signature.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#define POOLED_MAX 256
#define READ_BYTES 2048L /* answers are short; curl takes and frees this for each transfer */
#define POOLED_BYTES_MAX 4096u
#define REQUEST_HEAD_BYTES_MAX (256u * 1024)
#define DETAIL_BYTES_MAX 1024
#define RESOLVE_BYTES_MAX (LIMIT_URL_BYTES + 1024u) /* the host, the port, the addresses */

struct transport {
    struct lane lanes[POLICY_COUNT];
    struct queue pools[POLICY_COUNT]; /* an easy handle never changes its policy */
    struct lookups *lookups;
    struct guard_rules guard;
    struct timers timers; /* of the timeouts */
    unsigned open_parts;
    char *user_agent;
};

/* ---- The address guard -------------------------------------------------------------------------
 */

static bool admit(struct transfer *transfer, enum guard_verdict verdict, const char *reason)
{
    /* The operator says where a proxy is: it may be on a private network. */
    const bool may_be_private = transfer->policy == POLICY_PRIVATE || transfer->is_proxied;
    const bool is_refused = verdict == GUARD_NEVER || (verdict == GUARD_PRIVATE && !may_be_private);
    if (is_refused && verdict > transfer->verdict) {
        transfer->verdict = verdict;
        transfer->verdict_reason = reason;
    }
    return transfer->verdict == GUARD_ALLOWED;
}

static bool admit_address(struct transfer *transfer, const struct sockaddr *address)
{
    const char *reason = "";
    const enum guard_verdict verdict = guard_judge(&transfer->transport->guard, address, &reason);
    return admit(transfer, verdict, reason);
}

/* False: no address. */
static bool read_address(const char *text, struct sockaddr_storage *address)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, text, &in.sin_addr) == 1)
        memcpy(address, &in, sizeof in);
    else if (inet_pton(AF_INET6, text, &in6.sin6_addr) == 1)
        memcpy(address, &in6, sizeof in6);
    else
        return false;
    return true;
}

/* A new connection, after the look-up and before connecting: for each address tried. */
static curl_socket_t open_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct transfer *transfer = ctx;
    if (purpose != CURLSOCKTYPE_IPCXN || !admit_address(transfer, &address->addr))
        return CURL_SOCKET_BAD;
    const int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    if (fd < 0)
        return CURL_SOCKET_BAD;
    lane_adopt_socket(&transfer->transport->lanes[transfer->policy], fd);
    return fd;
}

/* Before each request, also on a reused connection. */
static int before_request(void *ctx, char *remote_ip, char *local_ip, int remote_port,
                          int local_port)
{
    (void)local_port;
    struct transfer *transfer = ctx;
    if (remote_ip[0] == '\0')
        return CURL_PREREQFUNC_ABORT; /* gone as soon as it stood */
    struct sockaddr_storage remote = {0};
    struct sockaddr_storage local = {0};
    const char *reason = "its address could not be judged";
    enum guard_verdict verdict = GUARD_NEVER;
    if (read_address(remote_ip, &remote) && read_address(local_ip, &local))
        verdict =
            guard_judge_connection(&transfer->transport->guard, (const struct sockaddr *)&remote,
                                   remote_port, (const struct sockaddr *)&local, &reason);
    return admit(transfer, verdict, reason) ? CURL_PREREQFUNC_OK : CURL_PREREQFUNC_ABORT;
}

/* A new connection by TLS. */
static CURLcode before_handshake(CURL *easy, void *tls_context, void *ctx)
{
    (void)easy;
    struct transfer *transfer = ctx;
    handshake_forget(transfer->handshake);
    transfer->handshake = handshake_watch(tls_context);
    return CURLE_OK;
}

/* curl found no kept connection and would look the host up by itself. */
static int before_lookup(void *resolver, void *reserved, void *ctx)
{
    (void)resolver;
    (void)reserved;
    struct transfer *transfer = ctx;
    if (!transfer->host)
        return 0; /* an address */
    transfer->needs_lookup = !transfer->has_addresses;
    return 1;
}

/* ---- The pool ----------------------------------------------------------------------------------
 */

/* What never changes from one transfer of a policy to the next. */
static CURL *make_easy(struct transport *transport, struct transfer *transfer)
{
    CURL *easy = curl_easy_init();
    if (!easy)
        return NULL;
#define SET(option, value) check(curl_easy_setopt(easy, option, value) == CURLE_OK)
    SET(CURLOPT_PRIVATE, (char *)transfer);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_BUFFERSIZE, READ_BYTES);
    SET(CURLOPT_QUICK_EXIT, 1L);
    SET(CURLOPT_PROXY, ""); /* none, whatever the environment says */
    SET(CURLOPT_NOPROXY, "");
    SET(CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);
    SET(CURLOPT_DNS_CACHE_TIMEOUT, 0L);
    SET(CURLOPT_USERAGENT, transport->user_agent);
    SET(CURLOPT_ERRORBUFFER, transfer->error);
    SET(CURLOPT_HEADERFUNCTION, answer_on_header);
    SET(CURLOPT_HEADERDATA, transfer);
    SET(CURLOPT_WRITEFUNCTION, answer_on_body);
    SET(CURLOPT_WRITEDATA, transfer);
    SET(CURLOPT_OPENSOCKETFUNCTION, open_socket);
    SET(CURLOPT_OPENSOCKETDATA, transfer);
    SET(CURLOPT_CLOSESOCKETFUNCTION, lane_close_socket);
    SET(CURLOPT_CLOSESOCKETDATA, &transport->lanes[transfer->policy]);
    SET(CURLOPT_RESOLVER_START_FUNCTION, before_lookup);
    SET(CURLOPT_RESOLVER_START_DATA, transfer);
    SET(CURLOPT_PREREQFUNCTION, before_request);
    SET(CURLOPT_PREREQDATA, transfer);
    SET(CURLOPT_SSL_CTX_FUNCTION, before_handshake);
    SET(CURLOPT_SSL_CTX_DATA, transfer);
#undef SET
    return easy;
}

static struct transfer *create(struct transport *transport, enum policy policy)
{
    struct transfer *transfer = calloc(1, sizeof *transfer);
    if (!transfer)
        return NULL;
    transfer->transport = transport;
    transfer->policy = policy;
    buf_init_secret(&transfer->request_head, REQUEST_HEAD_BYTES_MAX);
    buf_init(&transfer->lines, TRANSFER_HEADERS_MAX * sizeof(struct curl_slist));
    buf_init(&transfer->sent, REQUEST_HEAD_BYTES_MAX);
    buf_init(&transfer->head, 2 * LIMIT_ANSWER_HEADERS_BYTES);
    buf_init(&transfer->body, LIMIT_ANSWER_BYTES);
    buf_init(&transfer->text, DETAIL_BYTES_MAX);
    buf_init(&transfer->resolve_text, RESOLVE_BYTES_MAX);
    transfer->easy = make_easy(transport, transfer);
    if (!transfer->easy) {
        free(transfer);
        return NULL;
    }
    return transfer;
}

static void destroy(struct transfer *transfer)
{
    curl_easy_cleanup(transfer->easy);
    buf_finish(&transfer->request_head);
    buf_finish(&transfer->lines);
    buf_finish(&transfer->sent);
    buf_finish(&transfer->head);
    buf_finish(&transfer->body);
    buf_finish(&transfer->text);
    buf_finish(&transfer->resolve_text);
    free(transfer);
}

static struct transfer *take(struct transport *transport, enum policy policy)
{
    struct node *node = queue_pop(&transport->pools[policy]);
    if (!node)
        return create(transport, policy);
    struct transfer *transfer = container_of(node, struct transfer, node);
    buf_clear(&transfer->request_head);
    buf_clear(&transfer->lines);
    buf_clear(&transfer->sent);
    buf_clear(&transfer->head);
    buf_clear(&transfer->body);
    buf_clear(&transfer->text);
    transfer->has_head = transfer->is_cut = transfer->is_protocol_error = false;
    transfer->is_room_short = false;
    transfer->has_addresses = transfer->needs_lookup = false;
    transfer->lookup_ms = 0;
    transfer->interim_count = 0;
    transfer->header_bytes = 0;
    transfer->verdict = GUARD_ALLOWED;
    transfer->error[0] = '\0';
    transfer->attempt = (struct attempt){0};
    return transfer;
}

void transfer_release(struct transfer *transfer)
{
    struct queue *pool = &transfer->transport->pools[transfer->policy];
    handshake_forget(transfer->handshake);
    transfer->handshake = NULL;
    if (transfer->room)
        transfer->room->bytes -= transfer->body.len;
    transfer->room = NULL;
    if (transfer->is_own || pool->count >= POOLED_MAX) {
        destroy(transfer);
        return;
    }
    /* Long answers are rare: their memory is not kept. */
    if (transfer->body.capacity > POOLED_BYTES_MAX)
        buf_finish(&transfer->body);
    if (transfer->head.capacity > POOLED_BYTES_MAX)
        buf_finish(&transfer->head);
    queue_push(pool, &transfer->node);
}

/* ---- Into curl and out of it -------------------------------------------------------------------
 */

/* Of a part of the timeouts, at least 1. */
static int64_t left_ms(const struct transfer *transfer, int64_t part_ms)
{
    const int64_t left = transfer->started_mono_ms + part_ms - clock_mono_ms();
    return left > 1 ? left : 1;
}

bool transfer_is_connected(const struct transfer *transfer)
{
    curl_off_t us = 0;
    (void)curl_easy_getinfo(transfer->easy, CURLINFO_PRETRANSFER_TIME_T, &us);
    return us > 0;
}

/* The next of its timeouts, of the time since its start. */
static int64_t next_timeout_ms(const struct transfer *transfer, bool is_connected)
{
    const struct timeouts *timeouts = &transfer->timeouts;
    if (transfer->header_bytes > 0)
        return timeouts->whole_ms;
    return is_connected || timeouts->first_byte_ms < timeouts->connect_ms ? timeouts->first_byte_ms
                                                                          : timeouts->connect_ms;
}

static void on_time(struct timer *timer);

/* The timeouts are ours: curl forgets one of its own if anything comes within its last
 * millisecond. While it is not in curl, the look-up has a deadline. */
static void arm(struct transfer *transfer, int64_t timeout_ms)
{
    transfer->timer.on_time = on_time;
    timers_start(&transfer->transport->timers, &transfer->timer, left_ms(transfer, timeout_ms));
}

/* Gives the transfer to curl, with addresses for its host ("host:port:address,…") or without: then
 * those of an earlier transfer are forgotten ("-host:port"). */
static void run(struct transfer *transfer)
{
#define SET(option, value) check(curl_easy_setopt(transfer->easy, option, value) == CURLE_OK)
    /* Of this each of several addresses gets its part. */
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)left_ms(transfer, transfer->timeouts.connect_ms));
    if (transfer->host && !transfer->has_addresses) {
        buf_clear(&transfer->resolve_text);
        check(buf_printf(&transfer->resolve_text, "-%s:%ld", transfer->host, transfer->port) == OK);
    }
    transfer->resolve = (struct curl_slist){.data = transfer->resolve_text.data};
    SET(CURLOPT_RESOLVE, transfer->host ? &transfer->resolve : NULL);
#undef SET
    CURLM *multi = transfer->transport->lanes[transfer->policy].multi;
    check(curl_multi_add_handle(multi, transfer->easy) == CURLM_OK);
    transfer->is_in_curl = true;
    arm(transfer, next_timeout_ms(transfer, false));
}

static void take_off(struct transfer *transfer)
{
    CURLM *multi = transfer->transport->lanes[transfer->policy].multi;
    check(curl_multi_remove_handle(multi, transfer->easy) == CURLM_OK);
    transfer->is_in_curl = false;
    timers_stop(&transfer->transport->timers, &transfer->timer);
}

static void end(struct transfer *transfer)
{
    transfer->is_running = false;
    transfer->on_done(transfer, transfer->ctx);
}

/* ---- Looking up --------------------------------------------------------------------------------
 */

static enum status write_address(struct buf *out, const struct sockaddr_storage *address)
{
    char text[INET6_ADDRSTRLEN];
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    if (address->ss_family == AF_INET) {
        memcpy(&in, address, sizeof in);
        check(inet_ntop(AF_INET, &in.sin_addr, text, sizeof text) != NULL);
        return buf_add_str(out, text);
    }
    memcpy(&in6, address, sizeof in6);
    check(inet_ntop(AF_INET6, &in6.sin6_addr, text, sizeof text) != NULL);
    return buf_printf(out, "[%s]", text);
}

static void use_addresses(struct transfer *transfer, const struct lookup_answer *answer)
{
    struct buf *out = &transfer->resolve_text;
    buf_clear(out);
    check(buf_printf(out, "%s:%ld:", transfer->host, transfer->port) == OK);
    for (size_t i = 0; i < answer->count; i++) {
        check(i == 0 || buf_add_byte(out, ',') == OK);
        check(write_address(out, &answer->addresses[i]) == OK);
    }
    transfer->has_addresses = true;
}

static void on_looked_up(struct lookup_wait *wait, const struct lookup_answer *answer)
{
    struct transfer *transfer = container_of(wait, struct transfer, wait);
    transfer->lookup_ms = clock_mono_ms() - transfer->lookup_started_ms;
    if (answer->problem) {
        answer_without_exchange(transfer, ATTEMPT_DNS, answer->problem);
        end(transfer);
    } else if (!admit(transfer, answer->verdict, answer->reason)) {
        answer_without_exchange(transfer, ATTEMPT_BLOCKED_ADDRESS, NULL);
        end(transfer);
    } else {
        use_addresses(transfer, answer);
        run(transfer);
    }
}

static void look_up(struct transfer *transfer)
{
    transfer->needs_lookup = false;
    transfer->error[0] = '\0';
    transfer->lookup_started_ms = clock_mono_ms();
    if (strlen(transfer->host) >= LOOKUP_HOST_BYTES) {
        answer_without_exchange(transfer, ATTEMPT_DNS, "the name is too long");
        end(transfer);
        return;
    }
    transfer->wait = (struct lookup_wait){
        .host = transfer->host,
        .of_endpoint = transfer->lookups_of_endpoint,
        .deadline_ms =
            transfer->lookup_started_ms + left_ms(transfer, transfer->timeouts.connect_ms),
        .on_done = on_looked_up,
    };
    lookups_ask(transfer->transport->lookups, &transfer->wait);
}

/* ---- The end -----------------------------------------------------------------------------------
 */

/* A kept connection that the receiver closed under us before a byte came: nothing is known to be
 * wrong. curl tries again by itself, but counts its tries over the whole life of a handle. */
static bool deserves_second_try(const struct transfer *transfer, CURLcode code)
{
    long connects = 1;
    if (code != CURLE_GOT_NOTHING && code != CURLE_RECV_ERROR && code != CURLE_SEND_ERROR)
        return false;
    (void)curl_easy_getinfo(transfer->easy, CURLINFO_NUM_CONNECTS, &connects);
    return connects == 0 && transfer->header_bytes == 0 && !transfer->is_second_try &&
           left_ms(transfer, transfer->timeouts.whole_ms) > 1;
}

static void on_done(CURL *easy, CURLcode code)
{
    char *data = NULL;
    check(curl_easy_getinfo(easy, CURLINFO_PRIVATE, &data) == CURLE_OK);
    struct transfer *transfer = (struct transfer *)(void *)data;
    if (transfer->needs_lookup) {
        take_off(transfer);
        look_up(transfer);
    } else if (deserves_second_try(transfer, code)) {
        take_off(transfer);
        transfer->is_second_try = true;
        transfer->error[0] = '\0';
        check(curl_easy_setopt(easy, CURLOPT_FRESH_CONNECT, 1L) == CURLE_OK);
        run(transfer);
    } else {
        answer_classify(transfer, code);
        take_off(transfer);
        end(transfer);
    }
}

static void on_time(struct timer *timer)
{
    struct transfer *transfer = container_of(timer, struct transfer, timer);
    const int64_t timeout_ms = next_timeout_ms(transfer, transfer_is_connected(transfer));
    if (clock_mono_ms() - transfer->started_mono_ms < timeout_ms) {
        arm(transfer, timeout_ms); /* the one before it was kept */
        return;
    }
    answer_classify(transfer, CURLE_OPERATION_TIMEDOUT);
    take_off(transfer);
    end(transfer);
}

static struct curl_blob blob_of(char *pem)
{
    return (struct curl_blob){.data = pem, .len = strlen(pem), .flags = CURL_BLOB_NOCOPY};
}

/* On a handle of its own. curl gives a kept connection only to who has the same certificates, the
 * same authorities and the same proxy. */
static void set_own(struct transfer *transfer, const struct transfer_request *request)
{
    const struct tls_spec *tls = request->tls;
#define SET(option, value) check(curl_easy_setopt(transfer->easy, option, value) == CURLE_OK)
    if (tls && tls->authorities) {
        const struct curl_blob authorities = blob_of(tls->authorities);
        SET(CURLOPT_CAINFO_BLOB, &authorities);
        SET(CURLOPT_CAPATH, NULL); /* nobody else's word counts */
    }
    if (tls && tls->certificate && tls->key) {
        const struct curl_blob certificate = blob_of(tls->certificate);
        const struct curl_blob key = blob_of(tls->key);
        SET(CURLOPT_SSLCERT_BLOB, &certificate);
        SET(CURLOPT_SSLKEY_BLOB, &key);
        transfer->has_certificate = true;
    }
    if (request->proxy)
        SET(CURLOPT_PROXY, request->proxy);
#undef SET
}

/* What cannot be judged on the connection, because that leads to the proxy. */
static void judge_behind_proxy(struct transfer *transfer, const struct transfer_request *request)
{
    const char *reason = "";
    const enum guard_verdict verdict =
        proxy_judge(&transfer->transport->guard, request->behind_proxy, &reason);
    transfer->is_proxied = false;
    (void)admit(transfer, verdict, reason); /* refused: no socket will be opened, no request made */
    transfer->is_proxied = true;
}

static struct transfer *take_for(struct transport *transport,
                                 const struct transfer_request *request)
{
    const enum policy policy = request->allow_private ? POLICY_PRIVATE : POLICY_PUBLIC;
    if (!request->tls && !request->proxy)
        return take(transport, policy);
    struct transfer *transfer = create(transport, policy);
    if (!transfer)
        return NULL;
    transfer->is_own = true;
    set_own(transfer, request);
    if (request->proxy)
        judge_behind_proxy(transfer, request);
    return transfer;
}

enum status transport_start(struct transport *transport, const struct transfer_request *request,
                            transfer_done_cb done, void *ctx, struct transfer **transfer,
                            struct err *err)
{
    struct transfer *it = take_for(transport, request);
    if (!it)
        return err_set(err, E_NOMEM, "no memory for a transfer");
    if (request->told_url.len > 0)
        request_record_line(it, request->method, request->told_url);
    enum status status = request_make_lines(it, request->head, request->secret_names, err);
    if (status == OK)
        status = request_set_method(it, request->method, request->body, err);
    if (status != OK) {
        transfer_release(it);
        return status;
    }
#define SET(option, value) check(curl_easy_setopt(it->easy, option, value) == CURLE_OK)
    SET(CURLOPT_CURLU, request->url);
    SET(CURLOPT_HTTP_VERSION,
        (long)(request->is_secure ? CURL_HTTP_VERSION_2TLS : CURL_HTTP_VERSION_1_1));
    SET(CURLOPT_HTTPHEADER, (struct curl_slist *)(void *)it->lines.data);
    SET(CURLOPT_CONNECT_ONLY, request->connect_only ? 1L : 0L);
    if (it->is_second_try)
        SET(CURLOPT_FRESH_CONNECT, 0L);
#undef SET
    it->is_second_try = false;
    it->needs_all = request->needs_all;
    it->is_of_endpoint = request->is_of_endpoint;
    it->room = request->room;
    it->on_piece = request->on_piece;
    it->piece_ctx = request->piece_ctx;
    it->body.bytes_max = request->body_bytes_max > 0 ? request->body_bytes_max : LIMIT_ANSWER_BYTES;
    it->on_done = done;
    it->ctx = ctx;
    it->host = request->host;
    it->port = request->port;
    it->lookups_of_endpoint = request->lookups;
    it->attempt.started_ms = clock_now_ms();
    it->started_mono_ms = clock_mono_ms();
    it->timeouts = request->timeouts;
    it->is_running = true;
    run(it);
    *transfer = it;
    return OK;
}

void transfer_go_on(struct transfer *transfer)
{
    if (transfer->is_in_curl)
        (void)curl_easy_pause(transfer->easy, CURLPAUSE_CONT);
}

void transfer_cancel(struct transfer *transfer)
{
    check(transfer->is_running);
    if (transfer->is_in_curl)
        take_off(transfer);
    else
        lookups_forget(transfer->transport->lookups, &transfer->wait);
    transfer->is_running = false;
    transfer_release(transfer);
}

/* ---- Life cycle --------------------------------------------------------------------------------
 */

enum status transport_create(uv_loop_t *loop, const char *user_agent,
                             const struct guard_rules *guard, struct transport **transport,
                             struct err *err)
{
    struct transport *it = must_alloc(sizeof *it);
    if (guard)
        it->guard = *guard;
    it->user_agent = strdup(user_agent);
    check(it->user_agent != NULL);
    for (unsigned i = 0; i < POLICY_COUNT; i++) {
        queue_init(&it->pools[i]);
        if (lane_open(&it->lanes[i], loop, on_done) != OK)
            return err_set(err, E_NOMEM, "curl cannot be set up");
    }
    it->lookups = lookups_create(loop, &it->guard);
    timers_open(&it->timers, loop);
    it->timers.handle.data = it;
    it->open_parts = POLICY_COUNT + 2;
    *transport = it;
    return OK;
}

static void on_part_closed(void *ctx)
{
    struct transport *transport = ctx;
    if (--transport->open_parts > 0)
        return;
    free(transport->user_agent);
    free(transport);
}

static void on_timers_closed(uv_handle_t *handle)
{
    on_part_closed(handle->data);
}

void transport_destroy(struct transport *transport)
{
    for (unsigned i = 0; i < POLICY_COUNT; i++) {
        struct node *node;
        while ((node = queue_pop(&transport->pools[i])))
            destroy(container_of(node, struct transfer, node));
    }
    for (unsigned i = 0; i < POLICY_COUNT; i++)
        lane_close(&transport->lanes[i], on_part_closed, transport);
    lookups_destroy(transport->lookups, on_part_closed, transport);
    timers_close(&transport->timers, on_timers_closed);
}
