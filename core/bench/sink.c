/* SPDX-License-Identifier: MIT */
#include "bench/sink_int.h"

#include "base/clock.h"
#include "bench/fields_int.h"
#include "bench/request_int.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#define HEAD_BYTES_MAX 65536
#define READ_BYTES 16384

struct sink_connection {
    struct watch watch;
    struct sink *sink;
    struct sink_connection *next_open;
    struct sink_connection **open_link; /* what points to this one in sink->open */
    struct sink_connection *next_waiting;
    int64_t due_ns; /* of the answer */
    bool is_waiting;
    bool is_gone;       /* closed while waiting: freed when its turn comes */
    bool is_closing;    /* after this answer */
    bool has_head;      /* fields are those of the request that is being read */
    bool sent_continue; /* for this request */
    size_t head_len;
    struct fields fields;
    struct buf bytes; /* what was read and is not used up yet */
};

static void unlink_open(struct sink_connection *connection)
{
    *connection->open_link = connection->next_open;
    if (connection->next_open)
        connection->next_open->open_link = connection->open_link;
}

static void destroy(struct sink_connection *connection)
{
    unlink_open(connection);
    buf_finish(&connection->bytes);
    free(connection);
}

static void close_connection(struct sink_connection *connection)
{
    if (connection->watch.fd >= 0)
        close(connection->watch.fd);
    connection->watch.fd = -1;
    if (connection->is_waiting)
        connection->is_gone = true;
    else
        destroy(connection);
}

static void refuse(struct sink_connection *connection)
{
    connection->sink->report.malformed++;
    close_connection(connection);
}

/* Answers are short: a socket that does not take one whole belongs to nobody who reads. */
static bool send_text(const struct sink_connection *connection, const char *text, size_t len)
{
    return send(connection->watch.fd, text, len, MSG_NOSIGNAL) == (ssize_t)len;
}

/* An answer was sent, or its reader is gone. */
static void count_answer(struct sink *sink)
{
    sink->report.answered++;
    sink->on_answer(sink, sink->ctx);
}

static bool answer(struct sink_connection *connection)
{
    struct sink *sink = connection->sink;
    const bool is_open =
        send_text(connection, sink->answer, sink->answer_len) && !connection->is_closing;
    count_answer(sink);
    if (!is_open)
        close_connection(connection);
    return is_open;
}

static void wait_for_turn(struct sink_connection *connection, int64_t now_ns)
{
    struct sink *sink = connection->sink;
    connection->is_waiting = true;
    connection->due_ns = now_ns + sink->options.delay_ms * 1000000;
    connection->next_waiting = NULL;
    if (sink->last)
        sink->last->next_waiting = connection;
    else
        sink->first = connection;
    sink->last = connection;
    sink->delay.due_ns = sink->first->due_ns;
}

static void count_latency(struct sink *sink, struct slice body)
{
    const char *name = memmem(body.data, body.len, REQUEST_STAMP, strlen(REQUEST_STAMP));
    if (!name)
        return;
    const char *digits = name + strlen(REQUEST_STAMP);
    const char *end = body.data + body.len;
    while (digits < end && *digits == ' ')
        digits++;
    int64_t sent_us = 0;
    size_t count = 0;
    for (; digits < end && *digits >= '0' && *digits <= '9' && count < REQUEST_STAMP_DIGITS;
         digits++, count++)
        sent_us = sent_us * 10 + (*digits - '0');
    if (count == REQUEST_STAMP_DIGITS)
        histogram_add(&sink->report.latency, (request_now_us() - sent_us) * 1000);
}

static void count_arrival(struct sink *sink, struct slice body, int64_t now_ns)
{
    if (sink->report.arrived++ == 0)
        sink->report.first_ns = now_ns;
    sink->report.last_ns = now_ns;
    count_latency(sink, body);
}

enum progress { PROGRESS_NEXT, PROGRESS_MORE, PROGRESS_CLOSED };

/* Looks for the end of the head. */
static enum progress read_head(struct sink_connection *connection, struct slice bytes)
{
    const char *end = memmem(bytes.data, bytes.len, "\r\n\r\n", 4);
    if (!end && bytes.len < HEAD_BYTES_MAX)
        return PROGRESS_MORE;
    connection->head_len = end ? (size_t)(end + 4 - bytes.data) : 0;
    const bool is_good =
        end && fields_parse(slice_of(bytes.data, connection->head_len), &connection->fields) &&
        !connection->fields.is_chunked && connection->fields.content_length <= SINK_BODY_BYTES_MAX;
    if (!is_good) {
        refuse(connection);
        return PROGRESS_CLOSED;
    }
    connection->has_head = true;
    connection->sent_continue = false;
    connection->is_closing = connection->fields.is_closing;
    return PROGRESS_NEXT;
}

static enum progress ask_for_body(struct sink_connection *connection)
{
    static const char interim[] = "HTTP/1.1 100 Continue\r\n\r\n";
    if (!connection->fields.wants_continue || connection->sent_continue)
        return PROGRESS_MORE;
    connection->sent_continue = true;
    if (send_text(connection, interim, strlen(interim)))
        return PROGRESS_MORE;
    close_connection(connection);
    return PROGRESS_CLOSED;
}

/* One request of bytes, *used of them if it was whole. */
static enum progress take_request(struct sink_connection *connection, struct slice bytes,
                                  size_t *used)
{
    struct sink *sink = connection->sink;
    if (!connection->has_head) {
        const enum progress progress = read_head(connection, bytes);
        if (progress != PROGRESS_NEXT)
            return progress;
    }
    const size_t body_len = connection->fields.content_length;
    if (bytes.len - connection->head_len < body_len)
        return ask_for_body(connection);
    const int64_t now_ns = clock_mono_ns();
    *used = connection->head_len + body_len;
    connection->has_head = false;
    count_arrival(sink, slice_of(bytes.data + connection->head_len, body_len), now_ns);
    if (sink->options.delay_ms > 0) {
        wait_for_turn(connection, now_ns);
        return PROGRESS_MORE;
    }
    return answer(connection) ? PROGRESS_NEXT : PROGRESS_CLOSED;
}

/* Answers what is whole in bytes; keeps the rest in connection->bytes. is_kept: bytes are those. */
static void take(struct sink_connection *connection, struct slice bytes, bool is_kept)
{
    size_t at = 0;
    enum progress progress = PROGRESS_NEXT;
    while (progress == PROGRESS_NEXT && at < bytes.len) {
        size_t used = 0;
        progress = take_request(connection, slice_of(bytes.data + at, bytes.len - at), &used);
        at += used;
    }
    if (progress == PROGRESS_CLOSED)
        return;
    struct buf *kept = &connection->bytes;
    if (is_kept) {
        memmove(kept->data, kept->data + at, kept->len - at);
        kept->len -= at;
    } else if (at < bytes.len && buf_add(kept, bytes.data + at, bytes.len - at) != OK) {
        refuse(connection);
    }
}

static void take_more(struct sink_connection *connection, const char *data, size_t len)
{
    struct buf *kept = &connection->bytes;
    if (kept->len == 0 && !connection->is_waiting) {
        take(connection, slice_of(data, len), false);
        return;
    }
    if (buf_add(kept, data, len) != OK)
        refuse(connection);
    else if (!connection->is_waiting)
        take(connection, buf_slice(kept), true);
}

static void on_ready(struct watch *watch, uint32_t events)
{
    (void)events;
    struct sink_connection *connection = container_of(watch, struct sink_connection, watch);
    char data[READ_BYTES];
    const ssize_t count = recv(watch->fd, data, sizeof data, 0);
    if (count > 0)
        take_more(connection, data, (size_t)count);
    else if (count == 0 || errno != EAGAIN)
        close_connection(connection);
}

static void on_delay(struct loop_timer *timer, int64_t now_ns)
{
    struct sink *sink = container_of(timer, struct sink, delay);
    while (sink->first && sink->first->due_ns <= now_ns) {
        struct sink_connection *connection = sink->first;
        sink->first = connection->next_waiting;
        if (!sink->first)
            sink->last = NULL;
        connection->is_waiting = false;
        if (connection->is_gone) {
            count_answer(sink);
            destroy(connection);
        } else if (answer(connection) && connection->bytes.len > 0) {
            take(connection, buf_slice(&connection->bytes), true);
        }
    }
    timer->due_ns = sink->first ? sink->first->due_ns : LOOP_NEVER;
}

static void add_connection(struct sink *sink, int fd)
{
    const int yes = 1;
    struct sink_connection *connection = calloc(1, sizeof *connection);
    if (!connection) {
        close(fd);
        return;
    }
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    connection->watch = (struct watch){.fd = fd, .on_ready = on_ready};
    connection->sink = sink;
    buf_init(&connection->bytes, SINK_BODY_BYTES_MAX + HEAD_BYTES_MAX + READ_BYTES);
    connection->next_open = sink->open;
    connection->open_link = &sink->open;
    if (sink->open)
        sink->open->open_link = &connection->next_open;
    sink->open = connection;
    loop_watch(sink->loop, &connection->watch, EPOLLIN);
}

static void on_accept(struct watch *watch, uint32_t events)
{
    (void)events;
    struct sink *sink = container_of(watch, struct sink, listener);
    int fd;
    while ((fd = accept4(watch->fd, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC)) >= 0)
        add_connection(sink, fd);
}

enum status sink_start(struct sink *sink, struct loop *loop, const struct sink_options *options,
                       struct err *err)
{
    sink->loop = loop;
    sink->options = *options;
    sink->listener.on_ready = on_accept;
    const enum status status = address_listen(options->address, &sink->listener.fd, err);
    if (status != OK)
        return status;
    sink->answer_len =
        (size_t)snprintf(sink->answer, sizeof sink->answer, "HTTP/1.1 %u Bench\r\n%s\r\n",
                         options->status, options->status == 204 ? "" : "Content-Length: 0\r\n");
    sink->delay = (struct loop_timer){.due_ns = LOOP_NEVER, .on_due = on_delay};
    loop_add_timer(loop, &sink->delay);
    loop_watch(loop, &sink->listener, EPOLLIN);
    return OK;
}

void sink_finish(struct sink *sink)
{
    if (sink->listener.fd > 0)
        close(sink->listener.fd);
    sink->listener.fd = -1;
    struct sink_connection *next;
    for (struct sink_connection *connection = sink->open; connection; connection = next) {
        next = connection->next_open;
        connection->is_waiting = false;
        close_connection(connection);
    }
}
