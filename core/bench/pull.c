/* SPDX-License-Identifier: MIT */
#include "bench/pull_int.h"

#include "base/clock.h"
#include "bench/fields_int.h"
#include "bench/request_int.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdlib.h>
#include <unistd.h>

#define PER_ADDRESS 1000 /* receivers from one loopback address */
#define CONNECT_AT_ONCE 64
#define CONNECT_PAUSE_NS 2000000
#define ANSWER_BYTES_MAX (32u * 1024 * 1024)
#define READ_BYTES 16384
#define ID "\"id\":\""

enum pull_state { PULL_CONNECTING, PULL_ASKING, PULL_ACKNOWLEDGING };

struct puller {
    struct watch watch;
    struct pulls *pulls;
    enum pull_state state;
    uint64_t messages; /* being acknowledged */
    struct buf bytes;  /* of the answer */
};

/* ---- Connections ---- */

/* 127.0.0.2, …: only to a server on this machine's loopback. */
static void bind_address(const struct pulls *pulls, int fd, uint64_t number)
{
    const struct sockaddr_in *to = (const void *)&pulls->options.address->storage;
    if (to->sin_family != AF_INET || ntohl(to->sin_addr.s_addr) >> 24 != 127)
        return;
    const struct sockaddr_in from = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(0x7f000002u + (uint32_t)(number / PER_ADDRESS)),
    };
    (void)bind(fd, (const struct sockaddr *)&from, sizeof from);
}

static void on_ready(struct watch *watch, uint32_t events);

static void open_socket(struct puller *puller)
{
    struct pulls *pulls = puller->pulls;
    const struct address *address = pulls->options.address;
    const int yes = 1;
    const int fd =
        socket(address->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    puller->state = PULL_CONNECTING;
    puller->watch = (struct watch){.fd = fd, .on_ready = on_ready};
    if (fd < 0) {
        pulls->report.refused++;
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &yes, sizeof yes);
    bind_address(pulls, fd, (uint64_t)(puller - pulls->pullers));
    if (connect(fd, (const struct sockaddr *)&address->storage, address->len) != 0 &&
        errno != EINPROGRESS)
        pulls->report.refused++;
    loop_watch(pulls->loop, &puller->watch, EPOLLOUT);
}

static void reopen(struct puller *puller)
{
    puller->pulls->report.refused++;
    (void)close(puller->watch.fd);
    buf_clear(&puller->bytes);
    open_socket(puller);
}

/* Requests are short: a socket that does not take one whole belongs to no server that reads. */
static void say(struct puller *puller, struct slice bytes, enum pull_state state)
{
    puller->state = state;
    if (send(puller->watch.fd, bytes.data, bytes.len, MSG_NOSIGNAL) != (ssize_t)bytes.len)
        reopen(puller);
}

static void ask(struct puller *puller)
{
    say(puller, buf_slice(&puller->pulls->ask), PULL_ASKING);
}

/* ---- Answers ---- */

static void count_latency(struct pulls *pulls, struct slice body)
{
    static const char stamp[] = "sent_at_us\\\":"; /* as a string in JSON */
    const char *digits = memmem(body.data, body.len, stamp, strlen(stamp));
    if (!digits)
        return;
    histogram_add(&pulls->report.latency,
                  (request_now_us() - strtoll(digits + strlen(stamp), NULL, 10)) * 1000);
}

static void acknowledge(struct puller *puller, struct slice body)
{
    struct pulls *pulls = puller->pulls;
    struct buf ids;
    struct buf request;
    const char *end = body.data + body.len;
    buf_init(&ids, ANSWER_BYTES_MAX);
    buf_init(&request, ANSWER_BYTES_MAX);
    puller->messages = 0;
    enum status status = OK;
    for (const char *at = body.data; (at = memmem(at, (size_t)(end - at), ID, strlen(ID)));) {
        at += strlen(ID);
        const size_t len = strcspn(at, "\"");
        if (status == OK)
            status = buf_printf(&ids, "%s\"%.*s\"", puller->messages++ ? "," : "", (int)len, at);
    }
    const char *token = pulls->options.token;
    if (status == OK)
        status = buf_printf(&request,
                            "POST %s/ack HTTP/1.1\r\nHost: %s\r\n%s%s%sContent-Length: %zu\r\n\r\n"
                            "{\"ids\":[%.*s]}",
                            pulls->options.path, pulls->options.address->text,
                            token ? "Authorization: Bearer " : "", token ? token : "",
                            token ? "\r\n" : "", ids.len + strlen("{\"ids\":[]}"), (int)ids.len,
                            ids.data);
    check(status == OK);
    say(puller, buf_slice(&request), PULL_ACKNOWLEDGING);
    buf_finish(&ids);
    buf_finish(&request);
}

static void take_messages(struct puller *puller, struct slice body)
{
    struct pulls *pulls = puller->pulls;
    const int64_t now_ns = clock_mono_ns();
    if (pulls->report.arrived == 0)
        pulls->report.first_ns = now_ns;
    pulls->report.last_ns = now_ns;
    count_latency(pulls, body);
    acknowledge(puller, body);
    pulls->report.arrived += puller->messages;
}

static void take_answer(struct puller *puller, unsigned status, struct slice body)
{
    struct pulls *pulls = puller->pulls;
    const bool is_asked = puller->state == PULL_ASKING;
    if (is_asked && status == 200) {
        take_messages(puller, body);
        return;
    }
    if (is_asked && status == 204)
        pulls->report.empty++;
    else if (status != 200)
        pulls->report.refused++;
    if (!is_asked && status == 200)
        pulls->report.acknowledged += puller->messages;
    ask(puller);
    if (!is_asked)
        pulls->on_acknowledged(pulls, pulls->ctx);
}

/* The answer in the buffer, once it is whole. */
static void look(struct puller *puller)
{
    const struct slice bytes = buf_slice(&puller->bytes);
    struct fields fields;
    const char *end = memmem(bytes.data, bytes.len, "\r\n\r\n", 4);
    if (!end)
        return;
    const size_t head_len = (size_t)(end + 4 - bytes.data);
    if (!fields_parse(slice_of(bytes.data, head_len), &fields)) {
        reopen(puller);
        return;
    }
    if (bytes.len < head_len + fields.content_length)
        return;
    const unsigned status = (unsigned)strtoul(bytes.data + strlen("HTTP/1.1 "), NULL, 10);
    struct buf answer = puller->bytes; /* what follows may fill it anew */
    buf_init(&puller->bytes, ANSWER_BYTES_MAX);
    if (fields.is_closing)
        reopen(puller);
    else
        take_answer(puller, status, slice_of(answer.data + head_len, fields.content_length));
    buf_finish(&answer);
}

static void on_ready(struct watch *watch, uint32_t events)
{
    struct puller *puller = container_of(watch, struct puller, watch);
    (void)events;
    if (puller->state == PULL_CONNECTING) {
        loop_rewatch(puller->pulls->loop, watch, EPOLLIN);
        puller->pulls->asking++;
        ask(puller);
        return;
    }
    char data[READ_BYTES];
    const ssize_t count = recv(watch->fd, data, sizeof data - 1, 0);
    if (count <= 0) {
        if (count == 0 || errno != EAGAIN)
            reopen(puller);
        return;
    }
    if (buf_add(&puller->bytes, data, (size_t)count) == OK)
        look(puller);
    else
        reopen(puller);
}

/* ---- Life cycle ---- */

static void on_connect(struct loop_timer *timer, int64_t now_ns)
{
    struct pulls *pulls = container_of(timer, struct pulls, connect);
    for (unsigned i = 0; i < CONNECT_AT_ONCE && pulls->connected < pulls->options.receiver_count;
         i++)
        open_socket(&pulls->pullers[pulls->connected++]);
    timer->due_ns =
        pulls->connected < pulls->options.receiver_count ? now_ns + CONNECT_PAUSE_NS : LOOP_NEVER;
}

enum status pulls_start(struct pulls *pulls, struct loop *loop, const struct pull_options *options,
                        struct err *err)
{
    pulls->loop = loop;
    pulls->options = *options;
    buf_init(&pulls->ask, ANSWER_BYTES_MAX);
    const enum status status =
        buf_printf(&pulls->ask, "GET %s?limit=1 HTTP/1.1\r\nHost: %s\r\n%s%s%s\r\n", options->path,
                   options->address->text, options->token ? "Authorization: Bearer " : "",
                   options->token ? options->token : "", options->token ? "\r\n" : "");
    if (status != OK)
        return err_set(err, status, "the path or token is too long");
    pulls->pullers = must_alloc(options->receiver_count * sizeof *pulls->pullers);
    for (uint64_t i = 0; i < options->receiver_count; i++) {
        pulls->pullers[i] = (struct puller){.watch.fd = -1, .pulls = pulls};
        buf_init(&pulls->pullers[i].bytes, ANSWER_BYTES_MAX);
    }
    pulls->connect = (struct loop_timer){.due_ns = clock_mono_ns(), .on_due = on_connect};
    loop_add_timer(loop, &pulls->connect);
    return OK;
}

void pulls_finish(struct pulls *pulls)
{
    for (uint64_t i = 0; pulls->pullers && i < pulls->options.receiver_count; i++) {
        if (pulls->pullers[i].watch.fd >= 0)
            (void)close(pulls->pullers[i].watch.fd);
        buf_finish(&pulls->pullers[i].bytes);
    }
    free(pulls->pullers);
    buf_finish(&pulls->ask);
}
