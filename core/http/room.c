/* SPDX-License-Identifier: MIT */
/* The waiting room: connections whose handler lets its client wait for long. The library keeps its
 * memory for each (48 KiB, once a second request has come) and walks over all that are suspended
 * whenever it resumes one. So after a moment its descriptor is replaced by a dead one, which it may
 * close; ours is only watched for the client to leave. The answer is written by us, and the
 * connection goes back to the library for its next request. What a client sends behind a request
 * before that is answered is not answered then: nobody can say where the library had it. */
#include "http/http_int.h"

#include "base/clock.h"
#include "base/limits.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define EVENTS_AT_ONCE 64
#define DATE_BYTES 32
#define TURNS_MAX 8
#define PATIENCE_MS 100
#define TICK_MS 10 /* few at a time: each holds up the loop a little */

static void flush(struct http_connection *connection);

/* ---- In ---- */

/* The library goes on with a dead socket, finds that the exchange is no more, and lets go. */
static void enter(struct http_connection *connection)
{
    struct http_listener *listener = connection->listener;
    const int fd = fcntl(connection->fd, F_DUPFD_CLOEXEC, 0);
    if (fd < 0)
        return;
    struct epoll_event event = {.events = EPOLLRDHUP, .data.ptr = connection};
    if (epoll_ctl(listener->room_epoll, EPOLL_CTL_ADD, fd, &event) != 0 ||
        dup3(listener->room_dead, connection->fd, O_CLOEXEC) < 0) {
        (void)close(fd); /* out of the set with it */
        return;
    }
    connection->fd = fd;
    connection->is_in_room = true;
    listener->room_entering++;
    exchange_resume(&connection->request);
    queue_remove(&listener->connections, &connection->node);
    queue_push(&listener->room, &connection->node);
    if (connection->request.is_stream)
        flush(connection);
}

static void on_patience(uv_timer_t *timer)
{
    struct http_listener *listener = timer->data;
    const int64_t now = clock_mono_ms();
    struct node *node;
    while ((node = queue_first(&listener->patient))) {
        struct http_connection *connection =
            container_of(node, struct http_connection, patient_node);
        if (now - connection->phase_since_ms < PATIENCE_MS)
            break;
        queue_remove(&listener->patient, node);
        enter(connection);
    }
    for (int turn = 0; turn < TURNS_MAX && listener->room_entering > 0; turn++)
        listener_run_daemon(listener);
    check(listener->room_entering == 0);
    if (!node)
        check(uv_timer_stop(timer) == 0);
}

void room_await(struct http_connection *connection)
{
    struct http_listener *listener = connection->listener;
    queue_push(&listener->patient, &connection->patient_node);
    if (connection->request.is_stream)
        connection->phase_since_ms -= PATIENCE_MS; /* its client waits for the headers */
    if (!uv_is_active((uv_handle_t *)&listener->patience))
        check(uv_timer_start(&listener->patience, on_patience, PATIENCE_MS, TICK_MS) == 0);
}

void room_forget(struct http_connection *connection)
{
    if (node_is_linked(&connection->patient_node))
        queue_remove(&connection->listener->patient, &connection->patient_node);
}

/* ---- Out ---- */

/* The exchange is over; its connection with it, unless it goes on. */
static void leave(struct http_connection *connection, bool goes_on)
{
    struct http_listener *listener = connection->listener;
    struct sockaddr_storage address = {0};
    socklen_t address_len = sizeof address;
    const int fd = connection->fd;
    (void)epoll_ctl(listener->room_epoll, EPOLL_CTL_DEL, fd, NULL);
    goes_on = goes_on && !listener->is_quiet && !listener->is_closing &&
              getpeername(fd, (struct sockaddr *)&address, &address_len) == 0;
    listener->room_answering -= connection->phase == PHASE_ANSWER;
    exchange_end(&connection->request);
    queue_remove(&listener->room, &connection->node);
    connection_destroy(connection);
    if (!goes_on) {
        (void)close(fd);
        return;
    }
    (void)MHD_add_connection(listener->daemon, fd, (struct sockaddr *)&address, address_len);
    listener->must_run = true;
}

/* ---- The answer ---- */

static enum status write_field(struct buf *out, struct slice name, struct slice value)
{
    enum status status = buf_add_slice(out, name);
    if (status == OK)
        status = buf_add_str(out, ": ");
    if (status == OK)
        status = buf_add_slice(out, value);
    return status == OK ? buf_add_str(out, "\r\n") : status;
}

static enum status write_date(struct buf *out)
{
    const time_t now = (time_t)(clock_now_ms() / 1000);
    struct tm tm;
    char text[DATE_BYTES];
    if (!gmtime_r(&now, &tm) || strftime(text, sizeof text, "%a, %d %b %Y %H:%M:%S GMT", &tm) == 0)
        return OK;
    return write_field(out, slice_str("Date"), slice_str(text));
}

static enum status write_response(const struct http_connection *connection,
                                  const struct http_response *response, struct buf *out)
{
    const char *type = response->content_type;
    if (!type && response->body.len > 0)
        type = HTTP_USUAL_TYPE;
    enum status status = buf_printf(out, "HTTP/1.1 %d %s\r\n", response->status,
                                    MHD_get_reason_phrase_for((unsigned)response->status));
    if (status == OK)
        status = write_date(out);
    if (status == OK && type && type[0])
        status = write_field(out, slice_str("Content-Type"), slice_str(type));
    const bool is_stream = connection->request.is_stream;
    if (status == OK && (response->close || is_stream || connection->listener->is_quiet))
        status = write_field(out, slice_str("Connection"), slice_str("close"));
    for (size_t i = 0; status == OK && i < response->header_count; i++)
        status = write_field(out, response->headers[i].name, response->headers[i].value);
    if (status == OK && response->status != 204 && !is_stream)
        status = buf_printf(out, "Content-Length: %zu\r\n", response->body.len);
    if (status == OK)
        status = buf_add_str(out, "\r\n");
    return status == OK ? buf_add_slice(out, response->body) : status;
}

/* As much as the system takes. False: it is broken. */
static bool send_more(struct http_connection *connection)
{
    const struct buf *answer = &connection->answer;
    while (connection->answered < answer->len) {
        const ssize_t count = send(connection->fd, answer->data + connection->answered,
                                   answer->len - connection->answered, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (count < 0 && errno != EINTR)
            return errno == EAGAIN;
        connection->answered += count > 0 ? (size_t)count : 0;
    }
    connection->request.is_written = true;
    return true;
}

/* The exchange ends when the loop has come round: whoever answers still holds it. */
void room_respond(struct http_connection *connection, const struct http_response *response)
{
    struct http_listener *listener = connection->listener;
    struct epoll_event event = {.events = EPOLLOUT, .data.ptr = connection};
    connection_enter(connection, PHASE_ANSWER);
    connection->is_last = response->close;
    listener->room_answering++;
    listener_watch_deadlines(listener);
    buf_init(&connection->answer, SIZE_MAX);
    connection->is_broken =
        write_response(connection, response, &connection->answer) != OK || !send_more(connection);
    check(epoll_ctl(listener->room_epoll, EPOLL_CTL_MOD, connection->fd, &event) == 0);
}

/* ---- Streams ---- */

/* What was given so far; the loop's next turn tells how far that came. */
static void flush(struct http_connection *connection)
{
    struct http_listener *listener = connection->listener;
    struct epoll_event event = {.events = EPOLLRDHUP | EPOLLOUT, .data.ptr = connection};
    if (connection->phase != PHASE_ANSWER) {
        connection_enter(connection, PHASE_ANSWER);
        listener->room_answering++;
        listener_watch_deadlines(listener);
    }
    connection->is_broken |= !send_more(connection);
    check(epoll_ctl(listener->room_epoll, EPOLL_CTL_MOD, connection->fd, &event) == 0);
}

enum status room_stream(struct http_connection *connection, const struct http_response *response)
{
    buf_init(&connection->answer, LIMIT_QUEUE_ANSWER_BYTES);
    return write_response(connection, response, &connection->answer);
}

enum status room_stream_write(struct http_connection *connection, struct slice bytes)
{
    connection->request.is_written = false;
    const enum status status = buf_add_slice(&connection->answer, bytes);
    if (status == OK && connection->is_in_room)
        flush(connection);
    return status;
}

void room_stream_end(struct http_connection *connection)
{
    connection->is_last = true;
    if (connection->is_in_room)
        flush(connection);
}

static void go_on_streaming(struct http_connection *connection, uint32_t events)
{
    struct http_listener *listener = connection->listener;
    struct epoll_event event = {.events = EPOLLRDHUP, .data.ptr = connection};
    if ((events & ~(uint32_t)EPOLLOUT) || connection->is_broken || !send_more(connection) ||
        (connection->request.is_written && connection->is_last)) {
        leave(connection, false);
    } else if (connection->request.is_written) {
        listener->room_answering--;
        connection_enter(connection, PHASE_HANDLER);
        buf_clear(&connection->answer);
        connection->answered = 0;
        check(epoll_ctl(listener->room_epoll, EPOLL_CTL_MOD, connection->fd, &event) == 0);
        listener->options.handler->on_drained(&connection->request, listener->options.ctx);
    }
}

/* ---- The room ---- */

static void on_event(struct http_connection *connection)
{
    if (connection->phase != PHASE_ANSWER || connection->is_broken || !send_more(connection))
        leave(connection, false);
    else if (connection->request.is_written)
        leave(connection, !connection->is_last);
}

/* One at a time: what ends one exchange may end another that stands behind it. */
static void on_ready(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    struct http_listener *listener = poll->data;
    struct epoll_event event;
    for (int i = 0; i < EVENTS_AT_ONCE && epoll_wait(listener->room_epoll, &event, 1, 0) == 1; i++)
        if (((struct http_connection *)event.data.ptr)->request.is_stream)
            go_on_streaming(event.data.ptr, event.events);
        else
            on_event(event.data.ptr);
}

void room_open(struct http_listener *listener)
{
    queue_init(&listener->room);
    queue_init(&listener->patient);
    check(uv_timer_init(listener->options.loop, &listener->patience) == 0);
    listener->patience.data = listener;
    listener->room_epoll = epoll_create1(EPOLL_CLOEXEC);
    listener->room_dead = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    check(listener->room_epoll >= 0 && listener->room_dead >= 0);
    check(uv_poll_init(listener->options.loop, &listener->room_poll, listener->room_epoll) == 0);
    listener->room_poll.data = listener;
    listener->open_handles += 2;
    check(uv_poll_start(&listener->room_poll, UV_READABLE, on_ready) == 0);
}

/* Those that read their answer too slowly. */
void room_check_all(struct http_listener *listener)
{
    const int64_t now = clock_mono_ms();
    struct node *next;
    if (listener->room_answering == 0)
        return;
    for (struct node *node = queue_first(&listener->room); node; node = next) {
        struct http_connection *connection = container_of(node, struct http_connection, node);
        next = queue_next(&listener->room, node);
        if (connection->phase == PHASE_ANSWER && now - connection->phase_since_ms >= LIMIT_BODY_MS)
            leave(connection, false);
    }
}

void room_close(struct http_listener *listener)
{
    static const struct http_response stopping = {.status = 503, .close = true};
    struct node *node;
    while ((node = queue_first(&listener->room))) {
        struct http_connection *connection = container_of(node, struct http_connection, node);
        if (connection->phase != PHASE_ANSWER && !connection->request.is_stream)
            room_respond(connection, &stopping);
        leave(connection, false);
    }
    (void)close(listener->room_dead);
}
