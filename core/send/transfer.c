/* SPDX-License-Identifier: MIT */
/* curl multi on the loop. A watch on a socket stays armed when curl asks no more of it: the next
 * transfer on that connection finds it as it was, which saves two system calls a send. It is
 * dropped when the socket speaks without a transfer, and when curl closes it. */
#include "send/transfer_int.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define POOLED_MAX 1024
#define POOLED_BODY_BYTES_MAX 4096u
#define CONNECTIONS_KEPT 1024L
#define CONNECT_TIMEOUT_MS 10000
#define REQUEST_HEAD_BYTES_MAX (256u * 1024)
#define DETAIL_BYTES_MAX 1024

struct watch {
    uv_poll_t poll;
    struct lane *lane;
    curl_socket_t fd;
    int events;         /* armed */
    bool is_used;       /* curl has a transfer on it */
    bool is_connection; /* made by open_socket */
    bool has_spoken;    /* the receiver sent something: the connection stands */
};

/* One multi and its loop handles. */
struct lane {
    struct transport *transport;
    CURLM *multi;
    uv_timer_t timer;
    bool is_acting;
    bool is_closing;
};

struct transport {
    uv_loop_t *loop;
    struct lane lanes[POLICY_COUNT];
    struct watch **watches; /* by socket */
    size_t watch_count;
    struct queue pools[POLICY_COUNT]; /* an easy handle never changes its policy */
    unsigned lookups;
    unsigned open_handles;
    char *user_agent;
};

/* ---- Sockets and timers
 * ----------------------------------------------------------------------------- */

static void collect(struct lane *lane);

static void act(struct lane *lane, curl_socket_t fd, int flags)
{
    int running;
    if (lane->is_acting)
        return; /* from on_done: the lane's timer is due at once */
    lane->is_acting = true;
    const CURLMcode code = curl_multi_socket_action(lane->multi, fd, flags, &running);
    if (code != CURLM_OK)
        log_error("curl multi failed", "reason=\"%s\"", curl_multi_strerror(code));
    collect(lane);
    lane->is_acting = false;
}

static void on_poll(uv_poll_t *poll, int status, int events);

static void arm(struct watch *watch, int events)
{
    if (events == watch->events)
        return;
    watch->events = events;
    check(uv_poll_start(&watch->poll, events, on_poll) == 0);
}

static struct watch *find_watch(const struct transport *transport, curl_socket_t fd)
{
    return (size_t)fd < transport->watch_count ? transport->watches[fd] : NULL;
}

/* A socket in error still holds what came before the error: curl reads to the end and finds the
 * error itself. Libuv has stopped the watch; it is armed again while curl wants it. */
static void on_broken(struct watch *watch)
{
    struct transport *transport = watch->lane->transport;
    const curl_socket_t fd = watch->fd;
    const int events = watch->events;
    watch->events = 0;
    act(watch->lane, fd, CURL_CSELECT_IN | (events & UV_WRITABLE ? CURL_CSELECT_OUT : 0));
    if (find_watch(transport, fd) == watch && watch->is_used && watch->events == 0)
        arm(watch, events);
}

static void on_poll(uv_poll_t *poll, int status, int events)
{
    struct watch *watch = container_of(poll, struct watch, poll);
    if (!watch->is_used) {
        (void)uv_poll_stop(poll);
        watch->events = 0;
        /* curl finds out itself when it takes the connection from its cache. */
        return;
    }
    if (status < 0) {
        on_broken(watch);
        return;
    }
    watch->has_spoken |= (events & UV_READABLE) != 0;
    int flags = events & (UV_READABLE | UV_DISCONNECT) ? CURL_CSELECT_IN : 0;
    flags |= events & UV_WRITABLE ? CURL_CSELECT_OUT : 0;
    act(watch->lane, watch->fd, flags);
}

static void on_timer(uv_timer_t *timer)
{
    act(container_of(timer, struct lane, timer), CURL_SOCKET_TIMEOUT, 0);
}

static int set_timer(CURLM *multi, long timeout_ms, void *ctx)
{
    (void)multi;
    struct lane *lane = ctx;
    if (lane->is_closing)
        return 0;
    if (timeout_ms < 0)
        return uv_timer_stop(&lane->timer);
    return uv_timer_start(&lane->timer, on_timer, (uint64_t)timeout_ms, 0);
}

static struct watch *watch_of(struct lane *lane, curl_socket_t fd)
{
    struct transport *transport = lane->transport;
    const size_t index = (size_t)fd;
    if (index >= transport->watch_count) {
        const size_t count = (index + 1) * 2;
        struct watch **watches = realloc(transport->watches, count * sizeof(struct watch *));
        check(watches != NULL);
        memset(watches + transport->watch_count, 0,
               (count - transport->watch_count) * sizeof(struct watch *));
        transport->watches = watches;
        transport->watch_count = count;
    }
    struct watch *watch = transport->watches[index];
    if (!watch) {
        watch = must_alloc(sizeof *watch);
        watch->fd = fd;
        watch->lane = lane;
        check(uv_poll_init_socket(transport->loop, &watch->poll, fd) == 0);
        transport->open_handles++;
        transport->watches[index] = watch;
    }
    return watch;
}

static void free_transport(struct transport *transport)
{
    if (--transport->open_handles > 0)
        return;
    free(transport->watches);
    free(transport->user_agent);
    free(transport);
}

static void on_watch_closed(uv_handle_t *handle)
{
    struct watch *watch = container_of(handle, struct watch, poll);
    struct transport *transport = watch->lane->transport;
    free(watch);
    free_transport(transport);
}

static void drop_watch(struct watch *watch)
{
    watch->lane->transport->watches[watch->fd] = NULL;
    uv_close((uv_handle_t *)&watch->poll, on_watch_closed);
}

/* Only a connection that stands is told of by close_socket. The socket pair of a look-up, and a
 * connection given up while it is made, are closed behind our back: no watch of theirs may stay,
 * the number comes again. */
static int set_socket(CURL *easy, curl_socket_t fd, int what, void *ctx, void *socket_ctx)
{
    (void)easy;
    (void)socket_ctx;
    struct watch *watch = watch_of(ctx, fd);
    watch->is_used = what != CURL_POLL_REMOVE;
    if (watch->is_used)
        arm(watch,
            (what & CURL_POLL_IN ? UV_READABLE : 0) | (what & CURL_POLL_OUT ? UV_WRITABLE : 0));
    else if (!watch->is_connection || !watch->has_spoken)
        drop_watch(watch);
    return 0;
}

/* curl gives a socket up. */
static int close_socket(void *ctx, curl_socket_t fd)
{
    struct watch *watch = find_watch(ctx, fd);
    if (watch)
        drop_watch(watch);
    return close(fd);
}

/* ---- The address guard at the socket
 * ------------------------------------------------------------------ */

static void resolved(struct transfer *transfer)
{
    if (!transfer->lookups)
        return;
    (*transfer->lookups)--;
    transfer->lookups = NULL;
    transfer->transport->lookups--;
}

static bool admits(struct transfer *transfer, const struct sockaddr *address)
{
    const char *reason;
    const enum guard_verdict verdict = guard_judge(address, &reason);
    const bool is_refused =
        verdict == GUARD_NEVER || (verdict == GUARD_PRIVATE && transfer->policy != POLICY_PRIVATE);
    if (is_refused && verdict > transfer->verdict) {
        transfer->verdict = verdict;
        transfer->verdict_reason = reason;
    }
    return transfer->verdict == GUARD_ALLOWED;
}

/* A new connection, after the look-up and before connecting: for each address tried. */
static curl_socket_t open_socket(void *ctx, curlsocktype purpose, struct curl_sockaddr *address)
{
    struct transfer *transfer = ctx;
    resolved(transfer);
    if (purpose != CURLSOCKTYPE_IPCXN || !admits(transfer, &address->addr))
        return CURL_SOCKET_BAD;
    const int fd = socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
    if (fd < 0)
        return CURL_SOCKET_BAD;
    watch_of(&transfer->transport->lanes[transfer->policy], fd)->is_connection = true;
    return fd;
}

/* Before each request, also on a reused connection. */
static int before_request(void *ctx, char *remote_ip, char *local_ip, int remote_port,
                          int local_port)
{
    (void)local_ip;
    (void)remote_port;
    (void)local_port;
    struct transfer *transfer = ctx;
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    resolved(transfer);
    if (inet_pton(AF_INET, remote_ip, &in.sin_addr) == 1)
        return admits(transfer, (const struct sockaddr *)&in) ? CURL_PREREQFUNC_OK
                                                              : CURL_PREREQFUNC_ABORT;
    if (inet_pton(AF_INET6, remote_ip, &in6.sin6_addr) == 1)
        return admits(transfer, (const struct sockaddr *)&in6) ? CURL_PREREQFUNC_OK
                                                               : CURL_PREREQFUNC_ABORT;
    transfer->verdict = GUARD_NEVER;
    transfer->verdict_reason = "its address could not be judged";
    return CURL_PREREQFUNC_ABORT;
}

/* ---- Transfers
 * -------------------------------------------------------------------------------------- */

/* What never changes from one transfer of a policy to the next. */
static CURL *make_easy(struct transport *transport, struct transfer *transfer)
{
    CURL *easy = curl_easy_init();
    if (!easy)
        return NULL;
#define SET(option, value) check(curl_easy_setopt(easy, option, value) == CURLE_OK)
    SET(CURLOPT_PRIVATE, (char *)transfer);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_QUICK_EXIT, 1L);
    SET(CURLOPT_PROXY, "");
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_FOLLOWLOCATION, 0L);
    SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
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
    SET(CURLOPT_CLOSESOCKETFUNCTION, close_socket);
    SET(CURLOPT_CLOSESOCKETDATA, transport);
    SET(CURLOPT_PREREQFUNCTION, before_request);
    SET(CURLOPT_PREREQDATA, transfer);
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
    buf_init(&transfer->request_head, REQUEST_HEAD_BYTES_MAX);
    buf_init(&transfer->head, 2 * LIMIT_ANSWER_HEADERS_BYTES);
    buf_init(&transfer->body, LIMIT_ANSWER_BYTES);
    buf_init(&transfer->text, DETAIL_BYTES_MAX);
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
    buf_finish(&transfer->head);
    buf_finish(&transfer->body);
    buf_finish(&transfer->text);
    free(transfer);
}

static struct transfer *take(struct transport *transport, enum policy policy)
{
    struct node *node = queue_pop(&transport->pools[policy]);
    if (!node)
        return create(transport, policy);
    struct transfer *transfer = container_of(node, struct transfer, node);
    buf_clear(&transfer->request_head);
    buf_clear(&transfer->head);
    buf_clear(&transfer->body);
    transfer->has_head = transfer->is_cut = transfer->is_protocol_error = false;
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
    if (pool->count >= POOLED_MAX) {
        destroy(transfer);
        return;
    }
    /* Long answers are rare: their memory is not kept. */
    if (transfer->body.capacity > POOLED_BODY_BYTES_MAX)
        buf_finish(&transfer->body);
    if (transfer->head.capacity > POOLED_BODY_BYTES_MAX)
        buf_finish(&transfer->head);
    queue_push(pool, &transfer->node);
}

/* ---- Request
 * ------------------------------------------------------------------------------------------ */

static bool is_token(struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        const unsigned char c = (unsigned char)text.data[i];
        if (c <= 0x20 || c >= 0x7f || strchr("\"(),/:;<=>?@[\\]{}", c))
            return false;
    }
    return text.len > 0;
}

static bool is_clean(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] == '\r' || text.data[i] == '\n' || text.data[i] == '\0')
            return false;
    return true;
}

static bool is_framing(struct slice name)
{
    static const char *const names[] = {"host", "content-length", "transfer-encoding", "connection",
                                        "expect"};
    for (size_t i = 0; i < array_count(names); i++)
        if (slice_equal_nocase(name, slice_str(names[i])))
            return true;
    return false;
}

/* One "Name: value" line; "Name;" is curl's way to say an empty value. */
static enum status add_line(struct transfer *transfer, const struct field *field, struct err *err)
{
    if (!is_token(field->name) || !is_clean(field->value))
        return err_set(err, E_INVALID,
                       "header \"%.*s\" cannot be sent: its name is no token or its "
                       "value holds a line break",
                       (int)(field->name.len < 64 ? field->name.len : 64), field->name.data);
    struct buf *lines = &transfer->request_head;
    enum status status = buf_add_slice(lines, field->name);
    if (status == OK)
        status = field->value.len > 0 ? buf_add_str(lines, ": ") : buf_add_str(lines, ";");
    if (status == OK)
        status = buf_add_slice(lines, field->value);
    if (status == OK)
        status = buf_add_byte(lines, '\0');
    return status == OK ? OK : err_set(err, status, "the headers are too large to send");
}

/* The list of header lines, in memory of our own: nothing is allocated for a header. */
static enum status make_lines(struct transfer *transfer, struct slice head, struct err *err)
{
    static const struct field no_expect = {{"Expect:", 7}, {"", 0}};
    size_t starts[TRANSFER_HEADERS_MAX];
    size_t count = 0;
    struct field field;
    starts[count++] = 0;
    enum status status = buf_add(&transfer->request_head, no_expect.name.data, 8);
    for (size_t offset = 0; status == OK && head_next(head, &offset, &field);) {
        if (field.name.len == 0 || field.name.data[0] == ':' || is_framing(field.name))
            continue;
        if (count == TRANSFER_HEADERS_MAX)
            return err_set(err, E_LIMIT, "more than %d headers", TRANSFER_HEADERS_MAX - 1);
        starts[count++] = transfer->request_head.len;
        status = add_line(transfer, &field, err);
    }
    for (size_t i = 0; i < count && status == OK; i++)
        transfer->lines[i] =
            (struct curl_slist){.data = transfer->request_head.data + starts[i],
                                .next = i + 1 < count ? &transfer->lines[i + 1] : NULL};
    return status;
}

static enum status set_method(struct transfer *transfer, struct slice method, struct slice body,
                              struct err *err)
{
    char name[32];
    if (!is_token(method) || method.len >= sizeof name)
        return err_set(err, E_INVALID, "the method is no token of at most %zu bytes",
                       sizeof name - 1);
    (void)snprintf(name, sizeof name, "%.*s", (int)method.len, method.data);
    CURL *easy = transfer->easy;
    const bool is_bare = body.len == 0 && (slice_is(method, "GET") || slice_is(method, "HEAD"));
#define SET(option, value) check(curl_easy_setopt(easy, option, value) == CURLE_OK)
    SET(CURLOPT_NOBODY, 0L);
    if (is_bare) {
        SET(CURLOPT_HTTPGET, 1L);
        if (slice_is(method, "HEAD"))
            SET(CURLOPT_NOBODY, 1L);
        SET(CURLOPT_CUSTOMREQUEST, NULL);
    } else {
        SET(CURLOPT_POST, 1L);
        SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len);
        SET(CURLOPT_POSTFIELDS, body.len > 0 ? body.data : "");
        SET(CURLOPT_CUSTOMREQUEST, slice_is(method, "POST") ? NULL : name);
    }
#undef SET
    return OK;
}

static void run(struct transfer *transfer, int64_t timeout_ms)
{
    struct transport *transport = transfer->transport;
    const int64_t connect_ms = timeout_ms < CONNECT_TIMEOUT_MS ? timeout_ms : CONNECT_TIMEOUT_MS;
#define SET(option, value) check(curl_easy_setopt(transfer->easy, option, value) == CURLE_OK)
    SET(CURLOPT_TIMEOUT_MS, (long)timeout_ms);
    SET(CURLOPT_CONNECTTIMEOUT_MS, (long)connect_ms);
#undef SET
    transfer->is_running = true;
    if (transfer->lookups) {
        (*transfer->lookups)++;
        transport->lookups++;
    }
    CURLM *multi = transport->lanes[transfer->policy].multi;
    check(curl_multi_add_handle(multi, transfer->easy) == CURLM_OK);
}

static void take_off(struct transfer *transfer)
{
    CURLM *multi = transfer->transport->lanes[transfer->policy].multi;
    check(curl_multi_remove_handle(multi, transfer->easy) == CURLM_OK);
    resolved(transfer);
    transfer->is_running = false;
}

/* A kept connection that the receiver closed under us before a byte came: nothing is known to be
 * wrong. curl tries again by itself, but counts its tries over the whole life of a handle. */
static bool deserves_second_try(const struct transfer *transfer, CURLcode code)
{
    long connects = 1;
    if (code != CURLE_GOT_NOTHING && code != CURLE_RECV_ERROR && code != CURLE_SEND_ERROR)
        return false;
    (void)curl_easy_getinfo(transfer->easy, CURLINFO_NUM_CONNECTS, &connects);
    return connects == 0 && transfer->header_bytes == 0 && !transfer->is_second_try;
}

static bool try_again(struct transfer *transfer, CURLcode code)
{
    const int64_t left_ms = transfer->started_mono_ms + transfer->timeout_ms - clock_mono_ms();
    if (left_ms <= 0 || !deserves_second_try(transfer, code))
        return false;
    take_off(transfer);
    transfer->is_second_try = true;
    transfer->error[0] = '\0';
    transfer->lookups = transfer->lookups_of_endpoint;
    check(curl_easy_setopt(transfer->easy, CURLOPT_FRESH_CONNECT, 1L) == CURLE_OK);
    run(transfer, left_ms);
    return true;
}

static void finish(struct transfer *transfer, CURLcode code)
{
    if (try_again(transfer, code))
        return;
    answer_classify(transfer, code);
    take_off(transfer);
    transfer->on_done(transfer, transfer->ctx);
}

static void collect(struct lane *lane)
{
    int left;
    const CURLMsg *message;
    while ((message = curl_multi_info_read(lane->multi, &left))) {
        char *data = NULL;
        if (message->msg != CURLMSG_DONE)
            continue;
        check(curl_easy_getinfo(message->easy_handle, CURLINFO_PRIVATE, &data) == CURLE_OK);
        finish((struct transfer *)(void *)data, message->data.result);
    }
}

enum status transport_start(struct transport *transport, const struct transfer_request *request,
                            transfer_done_cb on_done, void *ctx, struct transfer **transfer,
                            struct err *err)
{
    const enum policy policy = request->allow_private ? POLICY_PRIVATE : POLICY_PUBLIC;
    struct transfer *it = take(transport, policy);
    if (!it)
        return err_set(err, E_NOMEM, "no memory for a transfer");
    enum status status = make_lines(it, request->head, err);
    if (status == OK)
        status = set_method(it, request->method, request->body, err);
    if (status != OK) {
        transfer_release(it);
        return status;
    }
#define SET(option, value) check(curl_easy_setopt(it->easy, option, value) == CURLE_OK)
    SET(CURLOPT_CURLU, request->url);
    SET(CURLOPT_HTTPHEADER, it->lines);
    if (it->is_second_try)
        SET(CURLOPT_FRESH_CONNECT, 0L);
#undef SET
    it->is_second_try = false;
    it->on_done = on_done;
    it->ctx = ctx;
    it->lookups = it->lookups_of_endpoint = request->lookups;
    it->attempt.started_ms = clock_now_ms();
    it->started_mono_ms = clock_mono_ms();
    it->timeout_ms = request->timeout_ms;
    run(it, request->timeout_ms);
    *transfer = it;
    return OK;
}

void transport_kick(struct transport *transport)
{
    for (unsigned i = 0; i < POLICY_COUNT; i++)
        act(&transport->lanes[i], CURL_SOCKET_TIMEOUT, 0);
}

void transfer_cancel(struct transfer *transfer)
{
    check(transfer->is_running);
    take_off(transfer);
    transfer_release(transfer);
}

unsigned transport_lookups(const struct transport *transport)
{
    return transport->lookups;
}

/* ---- Life cycle
 * --------------------------------------------------------------------------------------- */

static enum status open_lane(struct transport *transport, struct lane *lane)
{
    lane->transport = transport;
    lane->multi = curl_multi_init();
    if (!lane->multi)
        return E_NOMEM;
#define SET(option, value) check(curl_multi_setopt(lane->multi, option, value) == CURLM_OK)
    SET(CURLMOPT_SOCKETFUNCTION, set_socket);
    SET(CURLMOPT_SOCKETDATA, lane);
    SET(CURLMOPT_TIMERFUNCTION, set_timer);
    SET(CURLMOPT_TIMERDATA, lane);
    SET(CURLMOPT_MAXCONNECTS, CONNECTIONS_KEPT);
    SET(CURLMOPT_PIPELINING, (long)CURLPIPE_NOTHING);
#undef SET
    check(uv_timer_init(transport->loop, &lane->timer) == 0);
    transport->open_handles++;
    return OK;
}

enum status transport_create(uv_loop_t *loop, const char *user_agent, struct transport **transport,
                             struct err *err)
{
    struct transport *it = must_alloc(sizeof *it);
    it->loop = loop;
    it->user_agent = strdup(user_agent);
    check(it->user_agent != NULL);
    for (unsigned i = 0; i < POLICY_COUNT; i++) {
        queue_init(&it->pools[i]);
        if (open_lane(it, &it->lanes[i]) != OK)
            return err_set(err, E_NOMEM, "curl cannot be set up");
    }
    *transport = it;
    return OK;
}

static void on_lane_closed(uv_handle_t *handle)
{
    free_transport(container_of(handle, struct lane, timer)->transport);
}

void transport_destroy(struct transport *transport)
{
    for (unsigned i = 0; i < POLICY_COUNT; i++) {
        struct lane *lane = &transport->lanes[i];
        struct node *node;
        lane->is_closing = true;
        while ((node = queue_pop(&transport->pools[i])))
            destroy(container_of(node, struct transfer, node));
        check(curl_multi_cleanup(lane->multi) == CURLM_OK);
    }
    for (unsigned i = 0; i < POLICY_COUNT; i++)
        uv_close((uv_handle_t *)&transport->lanes[i].timer, on_lane_closed);
}
