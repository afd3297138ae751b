/* SPDX-License-Identifier: MIT */
/* The receiver's thread: a small HTTP/1.1 server by epoll. It trusts its client no more than needed
 * to notice what is wrong: a request that it can't read is recorded with the path "malformed". */
#include "process_receiver_int.h"

#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

#define CONNECTIONS_MAX 4096
#define EVENTS_MAX 64
#define READ_BYTES 65536
#define REQUEST_BYTES_MAX (64u * 1024 * 1024)

struct connection {
    int fd; /* -1: free */
    int number;
    char *in;
    size_t in_len;
    size_t in_capacity;
    bool was_told_to_continue;
    const struct answer *answer; /* waits for due_us; the rule outlives the receiver's thread */
    int64_t due_us;
    char *echo; /* the body of the request, if it is to be the answer's; owned */
    size_t echo_len;
};

struct loop {
    struct receiver *receiver;
    int epoll_fd;
    struct connection connections[CONNECTIONS_MAX];
    int used; /* connections below this index may be open */
};

void record_finish(struct record *record)
{
    free(record->head);
    free(record->body);
    *record = (struct record){0};
}

static void hang_up(struct connection *connection)
{
    (void)close(connection->fd);
    free(connection->in);
    free(connection->echo);
    *connection = (struct connection){.fd = -1};
}

static void reset(struct connection *connection)
{
    const struct linger now = {.l_onoff = 1, .l_linger = 0};
    (void)setsockopt(connection->fd, SOL_SOCKET, SO_LINGER, &now, sizeof now);
    hang_up(connection);
}

/* Answers are small: a socket buffer takes them whole. */
static bool put(struct connection *connection, const char *data, size_t len)
{
    while (len > 0) {
        const ssize_t sent = send(connection->fd, data, len, MSG_NOSIGNAL);
        if (sent < 0 && errno == EAGAIN) {
            (void)usleep(1000);
            continue;
        }
        if (sent <= 0)
            return false;
        data += sent;
        len -= (size_t)sent;
    }
    return true;
}

static const struct answer *take_answer(struct receiver *receiver, struct slice path)
{
    static const struct answer fine = {.status = 200};
    struct rule *chosen = NULL;
    for (size_t i = 0; i < receiver->rule_count; i++) {
        struct rule *rule = &receiver->rules[i];
        if (slice_is(path, rule->path))
            chosen = rule;
        else if (!chosen && strcmp(rule->path, "*") == 0)
            chosen = rule;
    }
    if (!chosen || chosen->count == 0)
        return &fine;
    const struct answer *answer = &chosen->answers[chosen->next];
    if (chosen->next + 1 < chosen->count)
        chosen->next++;
    return answer;
}

static char *copy(const char *data, size_t len)
{
    char *made = must_alloc(len + 1);
    memcpy(made, data, len);
    made[len] = 0;
    return made;
}

/* Under the mutex. */
static void add_record(struct receiver *receiver, const struct record *record)
{
    if (receiver->record_count == receiver->record_capacity) {
        receiver->record_capacity = receiver->record_capacity * 2 + 256;
        receiver->records =
            realloc(receiver->records, receiver->record_capacity * sizeof *receiver->records);
        check(receiver->records);
    }
    receiver->records[receiver->record_count++] = *record;
    receiver->total++;
    (void)pthread_cond_broadcast(&receiver->grown);
}

static struct slice path_of(const char *head, size_t len)
{
    const char *start = memchr(head, ' ', len);
    if (!start)
        return slice_str("malformed");
    start++;
    const char *end = memchr(start, ' ', len - (size_t)(start - head));
    return end ? slice_of(start, (size_t)(end - start)) : slice_str("malformed");
}

/* The value of Content-Length, 0 without one. */
static size_t length_of(const char *head, const char *end)
{
    static const char name[] = "content-length:";
    for (const char *line = head; line && line < end;
         line = memchr(line, '\n', (size_t)(end - line))) {
        line += *line == '\n';
        if ((size_t)(end - line) > sizeof name && strncasecmp(line, name, sizeof name - 1) == 0)
            return (size_t)strtoull(line + sizeof name - 1, NULL, 10);
    }
    return 0;
}

static void send_answer(struct connection *connection)
{
    const struct answer *answer = connection->answer;
    connection->answer = NULL;
    if (answer->is_reset) {
        reset(connection);
        return;
    }
    bool is_open;
    if (answer->raw) {
        is_open = put(connection, answer->raw, answer->raw_len);
    } else {
        const char *body = answer->body ? answer->body : "";
        const size_t body_len = answer->echoes ? connection->echo_len : strlen(body);
        char head[1024];
        const int len =
            snprintf(head, sizeof head, "HTTP/1.1 %d Said\r\n%sContent-Length: %zu\r\n\r\n",
                     answer->status, answer->headers ? answer->headers : "", body_len);
        is_open = put(connection, head, (size_t)len) &&
                  put(connection, answer->echoes ? connection->echo : body, body_len);
    }
    if (answer->kill > 0)
        (void)kill(answer->kill, SIGKILL);
    if (!is_open || answer->raw)
        hang_up(connection);
}

/* The body of the request, or the text of the member that the answer names. */
static struct slice find_echo(const struct answer *answer, struct slice body)
{
    char member[64];
    if (!answer->member)
        return body;
    const int len = snprintf(member, sizeof member, "\"%s\":\"", answer->member);
    const char *start = memmem(body.data, body.len, member, (size_t)len);
    if (!start)
        return slice_str("");
    start += len;
    const char *end = memchr(start, '"', body.len - (size_t)(start - body.data));
    return end ? slice_of(start, (size_t)(end - start)) : slice_str("");
}

/* Takes a whole request from the front of what was read. False: not all there yet. */
static bool take_request(struct receiver *receiver, struct connection *connection)
{
    char *end = memmem(connection->in, connection->in_len, "\r\n\r\n", 4);
    if (!end)
        return false;
    const size_t head_len = (size_t)(end - connection->in) + 4;
    const size_t body_len = length_of(connection->in, end);
    if (connection->in_len < head_len + body_len) {
        if (!connection->was_told_to_continue &&
            memmem(connection->in, head_len, "100-continue", 12)) {
            connection->was_told_to_continue = true;
            (void)put(connection, "HTTP/1.1 100 Continue\r\n\r\n", 25);
        }
        return false;
    }
    const struct record record = {
        .head = copy(connection->in, head_len),
        .head_len = head_len,
        .body = copy(connection->in + head_len, body_len),
        .body_len = body_len,
        .hash = process_hash(slice_of(connection->in + head_len, body_len)),
        .at_us = process_mono_us(),
        .connection = connection->number,
    };
    (void)pthread_mutex_lock(&receiver->mutex);
    connection->answer = take_answer(receiver, path_of(record.head, head_len));
    add_record(receiver, &record);
    (void)pthread_mutex_unlock(&receiver->mutex);
    connection->due_us = process_mono_us() + connection->answer->delay_ms * 1000;
    free(connection->echo);
    const struct slice echo =
        find_echo(connection->answer, slice_of(connection->in + head_len, body_len));
    connection->echo = connection->answer->echoes ? copy(echo.data, echo.len) : NULL;
    connection->echo_len = echo.len;
    connection->in_len -= head_len + body_len;
    memmove(connection->in, connection->in + head_len + body_len, connection->in_len);
    connection->was_told_to_continue = false;
    return true;
}

/* One request at a time: the next is read when this one is answered. */
static void serve(struct receiver *receiver, struct connection *connection)
{
    while (connection->fd >= 0 && !connection->answer && connection->in_len > 0 &&
           take_request(receiver, connection))
        if (connection->due_us <= process_mono_us())
            send_answer(connection);
}

static void read_more(struct receiver *receiver, struct connection *connection)
{
    if (connection->in_capacity - connection->in_len < READ_BYTES) {
        connection->in_capacity = connection->in_capacity * 2 + READ_BYTES;
        connection->in = realloc(connection->in, connection->in_capacity);
        check(connection->in);
    }
    const ssize_t got = recv(connection->fd, connection->in + connection->in_len,
                             connection->in_capacity - connection->in_len, MSG_DONTWAIT);
    if (got < 0 && (errno == EAGAIN || errno == EINTR))
        return;
    if (got <= 0 || connection->in_len > REQUEST_BYTES_MAX) {
        hang_up(connection);
        return;
    }
    connection->in_len += (size_t)got;
    serve(receiver, connection);
}

static void take_connection(struct loop *loop)
{
    const int fd = accept4(loop->receiver->listen_fd, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);
    if (fd < 0)
        return;
    int index = 0;
    while (index < loop->used && loop->connections[index].fd >= 0)
        index++;
    if (index == CONNECTIONS_MAX) {
        (void)close(fd);
        return;
    }
    if (index == loop->used)
        loop->used++;
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    struct receiver *receiver = loop->receiver;
    (void)pthread_mutex_lock(&receiver->mutex);
    const int number = ++receiver->connection_count;
    (void)pthread_mutex_unlock(&receiver->mutex);
    loop->connections[index] = (struct connection){.fd = fd, .number = number};
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &loop->connections[index]};
    if (epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0)
        hang_up(&loop->connections[index]);
}

/* Sends what is due; returns ms until the next (-1: nothing waits). */
static int send_due(struct loop *loop)
{
    int64_t next_us = -1;
    const int64_t now_us = process_mono_us();
    for (int i = 0; i < loop->used; i++) {
        struct connection *connection = &loop->connections[i];
        if (connection->fd < 0 || !connection->answer)
            continue;
        const int64_t rest_us = connection->due_us - now_us;
        if (rest_us <= 0) {
            send_answer(connection);
            serve(loop->receiver, connection);
        } else if (next_us < 0 || rest_us < next_us) {
            next_us = rest_us;
        }
    }
    return next_us < 0 ? -1 : (int)(next_us / 1000) + 1;
}

void *receiver_run(void *ctx)
{
    struct receiver *receiver = ctx;
    struct loop *loop = calloc(1, sizeof *loop);
    check(loop);
    loop->receiver = receiver;
    loop->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    check(loop->epoll_fd >= 0);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = &receiver->listen_fd};
    check(epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, receiver->listen_fd, &event) == 0);
    event.data.ptr = &receiver->wake_fd;
    check(epoll_ctl(loop->epoll_fd, EPOLL_CTL_ADD, receiver->wake_fd, &event) == 0);
    while (!atomic_load(&receiver->is_stopping)) {
        struct epoll_event events[EVENTS_MAX];
        const int count = epoll_wait(loop->epoll_fd, events, EVENTS_MAX, send_due(loop));
        for (int i = 0; i < count; i++) {
            if (events[i].data.ptr == &receiver->listen_fd)
                take_connection(loop);
            else if (events[i].data.ptr != &receiver->wake_fd)
                read_more(receiver, events[i].data.ptr);
        }
    }
    for (int i = 0; i < loop->used; i++)
        if (loop->connections[i].fd >= 0)
            hang_up(&loop->connections[i]);
    (void)close(loop->epoll_fd);
    free(loop);
    return NULL;
}
