/* SPDX-License-Identifier: MIT */
#include "bench/load_int.h"

#include "base/clock.h"
#include "bench/answer_int.h"

#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <unistd.h>

#define TICK_NS 100000000 /* also how long a refused connection waits */
#define READ_BYTES 16384
#define REQUESTS_BYTES_MAX (UINT64_C(1) << 30) /* copies of the request in all */

enum connection_state {
    CONNECTION_CLOSED, /* waits for the tick to connect again */
    CONNECTION_CONNECTING,
    CONNECTION_IDLE,
    CONNECTION_BUSY,
};

struct connection {
    struct watch watch;
    struct load *load;
    struct connection *next_idle;
    enum connection_state state;
    bool is_listed;   /* in load->idle, where a closed one may still be */
    bool wants_write; /* the request did not fit into the socket */
    char *bytes;      /* borrowed from load->bytes */
    size_t sent;
    int64_t begun_ns;    /* intended time of the request in flight */
    int64_t deadline_ns; /* of its answer, or of the connect */
    struct answer answer;
};

static int64_t intended_ns(const struct load *load, uint64_t number)
{
    const uint64_t rate = load->options.rate_per_s;
    return load->report.start_ns + (int64_t)(number / rate * 1000000000) +
           (int64_t)(number % rate * 1000000000 / rate);
}

static bool is_done_starting(const struct load *load)
{
    return load->is_over ||
           (load->options.request_count > 0 && load->started >= load->options.request_count);
}

static void close_socket(struct connection *connection)
{
    if (connection->watch.fd >= 0)
        close(connection->watch.fd);
    connection->watch.fd = -1;
    connection->state = CONNECTION_CLOSED;
    answer_reset(&connection->answer);
}

static void end_if_finished(struct load *load)
{
    if (!is_done_starting(load) || load->finished < load->started || load->report.end_ns != 0)
        return;
    load->report.end_ns = clock_mono_ns();
    load->on_end(load, load->ctx);
}

/* A request that will get no answer. */
static void lose(struct connection *connection, uint64_t *counter)
{
    struct load *load = connection->load;
    ++*counter;
    load->finished++;
    close_socket(connection);
}

static void open_socket(struct connection *connection, int64_t now_ns)
{
    struct load *load = connection->load;
    connection->watch.fd = address_connect(load->options.address);
    if (connection->watch.fd < 0) {
        load->started++;
        lose(connection, &load->report.refused);
        return;
    }
    connection->state = CONNECTION_CONNECTING;
    connection->deadline_ns = now_ns + (int64_t)LOAD_TIMEOUT_MS * 1000000;
    loop_watch(load->loop, &connection->watch, EPOLLOUT);
}

/* The server closed the connection, or broke it. */
static void on_broken(struct connection *connection, int64_t now_ns)
{
    struct load *load = connection->load;
    if (connection->state == CONNECTION_BUSY)
        lose(connection, &load->report.broken);
    else
        close_socket(connection);
    if (!is_done_starting(load))
        open_socket(connection, now_ns);
    end_if_finished(load);
}

static void send_rest(struct connection *connection, int64_t now_ns)
{
    struct load *load = connection->load;
    const size_t len = load->options.request->bytes.len;
    while (connection->sent < len) {
        const ssize_t count = send(connection->watch.fd, connection->bytes + connection->sent,
                                   len - connection->sent, MSG_NOSIGNAL);
        if (count < 0 && errno == EAGAIN)
            break;
        if (count < 0) {
            on_broken(connection, now_ns);
            return;
        }
        connection->sent += (size_t)count;
    }
    const bool wants_write = connection->sent < len;
    if (wants_write == connection->wants_write)
        return;
    connection->wants_write = wants_write;
    loop_rewatch(load->loop, &connection->watch, wants_write ? EPOLLIN | EPOLLOUT : EPOLLIN);
}

static void begin(struct connection *connection, int64_t begun_ns, int64_t now_ns)
{
    struct load *load = connection->load;
    request_number(load->options.request, connection->bytes, load->started++);
    connection->state = CONNECTION_BUSY;
    connection->begun_ns = begun_ns;
    connection->deadline_ns = now_ns + (int64_t)LOAD_TIMEOUT_MS * 1000000;
    connection->sent = 0;
    send_rest(connection, now_ns);
}

static void push_idle(struct connection *connection)
{
    struct load *load = connection->load;
    connection->state = CONNECTION_IDLE;
    if (connection->is_listed)
        return;
    connection->is_listed = true;
    connection->next_idle = load->idle;
    load->idle = connection;
}

/* The connection may take the next request, now or when its time has come. */
static void next(struct connection *connection, int64_t now_ns)
{
    struct load *load = connection->load;
    if (is_done_starting(load)) {
        connection->state = CONNECTION_IDLE;
        return;
    }
    if (load->options.rate_per_s == 0) {
        begin(connection, now_ns, now_ns);
        return;
    }
    const int64_t begun_ns = intended_ns(load, load->started);
    if (begun_ns <= now_ns) {
        begin(connection, begun_ns, now_ns);
        return;
    }
    push_idle(connection);
    load->pace.due_ns = begun_ns;
}

static void on_pace(struct loop_timer *timer, int64_t now_ns)
{
    struct load *load = container_of(timer, struct load, pace);
    timer->due_ns = LOOP_NEVER;
    while (load->idle && !is_done_starting(load)) {
        const int64_t begun_ns = intended_ns(load, load->started);
        if (begun_ns > now_ns) {
            timer->due_ns = begun_ns;
            return;
        }
        struct connection *connection = load->idle;
        load->idle = connection->next_idle;
        connection->is_listed = false;
        if (connection->state == CONNECTION_IDLE) /* else the server closed it meanwhile */
            begin(connection, begun_ns, now_ns);
    }
}

static void on_answer(struct connection *connection)
{
    struct load *load = connection->load;
    const int64_t now_ns = clock_mono_ns();
    const unsigned status = connection->answer.status;
    histogram_add(&load->report.latency, now_ns - connection->begun_ns);
    load->report.statuses[status]++;
    load->report.accepted += status >= 200 && status < 300;
    load->report.answers++;
    load->finished++;
    const bool is_closing = connection->answer.is_closing;
    answer_reset(&connection->answer);
    connection->state = CONNECTION_IDLE;
    if (is_closing)
        on_broken(connection, now_ns);
    else
        next(connection, now_ns);
    end_if_finished(load);
}

static void on_connected(struct connection *connection)
{
    struct load *load = connection->load;
    int reason = 0;
    socklen_t len = sizeof reason;
    getsockopt(connection->watch.fd, SOL_SOCKET, SO_ERROR, &reason, &len);
    if (reason != 0) {
        load->started++;
        lose(connection, &load->report.refused);
        end_if_finished(load);
        return;
    }
    loop_rewatch(load->loop, &connection->watch, EPOLLIN);
    connection->wants_write = false;
    next(connection, clock_mono_ns());
}

static void on_ready(struct watch *watch, uint32_t events)
{
    struct connection *connection = container_of(watch, struct connection, watch);
    char data[READ_BYTES];
    if (connection->state == CONNECTION_CONNECTING) {
        on_connected(connection);
        return;
    }
    if (events & EPOLLOUT)
        send_rest(connection, clock_mono_ns());
    const bool is_readable = events & (EPOLLIN | EPOLLHUP | EPOLLERR);
    if (!is_readable || connection->watch.fd < 0 || connection->state == CONNECTION_CONNECTING)
        return;
    const ssize_t count = recv(watch->fd, data, sizeof data, 0);
    if (count < 0 && errno == EAGAIN)
        return;
    enum answer_result result = ANSWER_BAD;
    if (count > 0 && connection->state == CONNECTION_BUSY)
        result = answer_take(&connection->answer, data, (size_t)count);
    if (result == ANSWER_WHOLE)
        on_answer(connection);
    else if (result == ANSWER_BAD)
        on_broken(connection, clock_mono_ns());
}

static void on_tick(struct loop_timer *timer, int64_t now_ns)
{
    struct load *load = container_of(timer, struct load, tick);
    timer->due_ns = now_ns + TICK_NS;
    const int64_t duration_ns = load->options.duration_ms * 1000000;
    if (duration_ns > 0 && now_ns >= load->report.start_ns + duration_ns)
        load->is_over = true;
    else if (duration_ns > 0 && timer->due_ns > load->report.start_ns + duration_ns)
        timer->due_ns = load->report.start_ns + duration_ns;
    for (uint64_t i = 0; i < load->options.connection_count; i++) {
        struct connection *connection = &load->connections[i];
        if (connection->state == CONNECTION_BUSY && connection->deadline_ns <= now_ns)
            lose(connection, &load->report.timed_out);
        else if (connection->state == CONNECTION_CONNECTING && connection->deadline_ns <= now_ns)
            close_socket(connection);
        else if (connection->state == CONNECTION_CLOSED && !is_done_starting(load))
            open_socket(connection, now_ns);
    }
    end_if_finished(load);
}

/* One connection in the blocking way, so that a wrong URL is told before anything is counted. */
static enum status probe(const struct address *address, struct err *err)
{
    const int fd = address_connect(address);
    int reason = errno;
    if (fd >= 0) {
        struct pollfd poll_fd = {.fd = fd, .events = POLLOUT};
        socklen_t len = sizeof reason;
        reason = poll(&poll_fd, 1, 5000) == 1 ? 0 : ETIMEDOUT;
        if (reason == 0)
            getsockopt(fd, SOL_SOCKET, SO_ERROR, &reason, &len);
        close(fd);
    }
    if (reason == 0)
        return OK;
    return err_set(err, E_REMOTE, "no server answers at %s: %s; start one with `anzol serve`",
                   address->text, strerror(reason));
}

static enum status allocate(struct load *load, struct err *err)
{
    const struct buf *bytes = &load->options.request->bytes;
    const uint64_t count = load->options.connection_count;
    if (bytes->len * count > REQUESTS_BYTES_MAX)
        return err_set(err, E_LIMIT,
                       "%llu connections with requests of %zu bytes take over 1 GiB; "
                       "use fewer or smaller ones",
                       (unsigned long long)count, bytes->len);
    load->connections = calloc(count, sizeof *load->connections);
    load->bytes = malloc(bytes->len * count);
    if (!load->connections || !load->bytes) {
        free(load->connections);
        free(load->bytes);
        return err_set(err, E_NOMEM, "no memory for %llu connections", (unsigned long long)count);
    }
    for (uint64_t i = 0; i < count; i++) {
        struct connection *connection = &load->connections[i];
        connection->watch = (struct watch){.fd = -1, .on_ready = on_ready};
        connection->load = load;
        connection->bytes = load->bytes + i * bytes->len;
        memcpy(connection->bytes, bytes->data, bytes->len);
    }
    return OK;
}

enum status load_start(struct load *load, struct loop *loop, const struct load_options *options,
                       struct err *err)
{
    load->loop = loop;
    load->options = *options;
    enum status status = probe(options->address, err);
    if (status == OK)
        status = allocate(load, err);
    if (status != OK)
        return status;
    load->report.start_ns = clock_mono_ns();
    load->pace = (struct loop_timer){.due_ns = LOOP_NEVER, .on_due = on_pace};
    load->tick = (struct loop_timer){.due_ns = load->report.start_ns, .on_due = on_tick};
    loop_add_timer(loop, &load->pace);
    loop_add_timer(loop, &load->tick);
    return OK;
}

void load_finish(struct load *load)
{
    if (!load->connections)
        return;
    if (load->report.end_ns == 0)
        load->report.end_ns = clock_mono_ns();
    for (uint64_t i = 0; i < load->options.connection_count; i++)
        close_socket(&load->connections[i]);
    free(load->connections);
    free(load->bytes);
    load->connections = NULL;
    load->bytes = NULL;
}
