/* SPDX-License-Identifier: MIT */
/* The daemon of the library on our loop. It never sleeps by itself: its epoll descriptor is polled,
 * and whatever happened in a turn of the loop (sockets, answers, deadlines) it runs once, before
 * the loop sleeps. */
#include "base/limits.h"
#include "base/log.h"
#include "http/http_int.h"

#include <stdlib.h>
#include <unistd.h>

/* Connections that were shut but not yet let go stand beside those that count. */
#define CLOSING_CONNECTIONS_MAX 256
#define STOP_TURNS_MAX 8
#define HEAD_BYTES_MAX (2 * CONNECTION_MEMORY_BYTES)

/* The layout of the read buffer that guard.c relies on is that of this version. */
#define KNOWN_LAYOUT_VERSION "0.9.75"

static void on_idle(uv_idle_t *idler)
{
    (void)idler; /* only keeps the loop from sleeping */
}

void listener_run_daemon(struct http_listener *listener)
{
    listener->must_run = false;
    listener->is_running = true;
    check(MHD_run(listener->daemon) == MHD_YES);
    listener->is_running = false;
    MHD_UNSIGNED_LONG_LONG timeout;
    if (MHD_get_timeout(listener->daemon, &timeout) == MHD_YES && timeout == 0)
        listener->must_run = true;
}

static void run(struct http_listener *listener)
{
    if (!listener->must_run || listener->is_closing)
        return;
    listener_run_daemon(listener);
    if (listener->must_run)
        check(uv_idle_start(&listener->idler, on_idle) == 0);
    else
        check(uv_idle_stop(&listener->idler) == 0);
}

static void on_prepare(uv_prepare_t *prepare)
{
    run(prepare->data);
}

static void on_check(uv_check_t *check_handle)
{
    run(check_handle->data);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)status;
    (void)events;
    struct http_listener *listener = poll->data;
    listener->must_run = true;
}

static void on_deadlines(uv_timer_t *timer)
{
    struct http_listener *listener = timer->data;
    deadline_check_all(listener);
    linger_check_all(listener);
    if (listener->connections.count == 0 && listener->lingering.count == 0 &&
        listener->room_answering == 0)
        check(uv_timer_stop(timer) == 0);
}

void listener_watch_deadlines(struct http_listener *listener)
{
    if (!uv_is_active((uv_handle_t *)&listener->deadlines))
        check(uv_timer_start(&listener->deadlines, on_deadlines, DEADLINE_PERIOD_MS,
                             DEADLINE_PERIOD_MS) == 0);
}

/* Paths are decoded by check.c, once. */
static size_t keep_as_is(void *cls, struct MHD_Connection *mhd, char *text)
{
    (void)cls;
    (void)mhd;
    return strlen(text);
}

/* Strictness of the library would only pre-empt ours: in 0.9.75 it asks for a Host (and garbles its
 * own refusal) and for a target without blanks (and hangs up without a word). */
static struct MHD_Daemon *start_daemon(struct http_listener *listener)
{
    const struct http_options *options = &listener->options;
    /* Only this thread resumes, and runs the daemon afterwards: the library's wake-up for other
     * threads (a write for each resume) is left out. */
    const unsigned flags = MHD_USE_EPOLL | (MHD_ALLOW_SUSPEND_RESUME & ~(unsigned)MHD_USE_ITC);
    const unsigned connections_max = options->connection_count_max + CLOSING_CONNECTIONS_MAX;
    return MHD_start_daemon(flags, 0, connection_on_accept, listener, exchange_on_access, listener,
                            MHD_OPTION_LISTEN_SOCKET, options->fd,        /* */
                            MHD_OPTION_CONNECTION_LIMIT, connections_max, /* */
                            MHD_OPTION_CONNECTION_TIMEOUT, 0u,            /* deadline.c */
                            MHD_OPTION_CONNECTION_MEMORY_LIMIT,
                            (size_t)CONNECTION_MEMORY_BYTES,                              /* */
                            MHD_OPTION_URI_LOG_CALLBACK, exchange_on_target, listener,    /* */
                            MHD_OPTION_UNESCAPE_CALLBACK, keep_as_is, NULL,               /* */
                            MHD_OPTION_NOTIFY_COMPLETED, exchange_on_completed, listener, /* */
                            MHD_OPTION_NOTIFY_CONNECTION, connection_on_notify, listener, /* */
                            MHD_OPTION_SIGPIPE_HANDLED_BY_APP, 1,                         /* */
#if MHD_VERSION >= 0x00097701
                            MHD_OPTION_CLIENT_DISCIPLINE_LVL, 2,
#else
                            MHD_OPTION_STRICT_FOR_CLIENT, 0,
#endif
                            MHD_OPTION_END);
}

static void on_handle_closed(uv_handle_t *handle)
{
    listener_handle_closed(handle->data);
}

void listener_handle_closed(struct http_listener *listener)
{
    if (--listener->open_handles > 0 || !listener->is_closing)
        return;
    if (listener->on_closed)
        listener->on_closed(listener->on_closed_ctx);
    buf_finish(&listener->head);
    free(listener);
}

static void close_handles(struct http_listener *listener)
{
    uv_handle_t *const handles[] = {
        (uv_handle_t *)&listener->poll,      (uv_handle_t *)&listener->prepare,
        (uv_handle_t *)&listener->check,     (uv_handle_t *)&listener->idler,
        (uv_handle_t *)&listener->deadlines, (uv_handle_t *)&listener->room_poll,
        (uv_handle_t *)&listener->patience};
    for (size_t i = 0; i < array_count(handles); i++)
        uv_close(handles[i], on_handle_closed);
}

static void open_handles(struct http_listener *listener, int epoll_fd)
{
    uv_loop_t *loop = listener->options.loop;
    check(uv_poll_init(loop, &listener->poll, epoll_fd) == 0);
    check(uv_prepare_init(loop, &listener->prepare) == 0);
    check(uv_check_init(loop, &listener->check) == 0);
    check(uv_idle_init(loop, &listener->idler) == 0);
    check(uv_timer_init(loop, &listener->deadlines) == 0);
    listener->poll.data = listener->prepare.data = listener->check.data = listener;
    listener->idler.data = listener->deadlines.data = listener;
    listener->open_handles += 5;
    check(uv_poll_start(&listener->poll, UV_READABLE, on_readable) == 0);
    check(uv_prepare_start(&listener->prepare, on_prepare) == 0);
    check(uv_check_start(&listener->check, on_check) == 0);
}

enum status http_listener_open(const struct http_options *options, struct http_listener **opened,
                               struct err *err)
{
    struct http_listener *listener = must_alloc(sizeof *listener);
    listener->options = *options;
    listener->has_known_layout = strcmp(MHD_get_version(), KNOWN_LAYOUT_VERSION) == 0;
    queue_init(&listener->connections);
    queue_init(&listener->idle);
    queue_init(&listener->lingering);
    buf_init(&listener->head, HEAD_BYTES_MAX);
    listener->daemon = start_daemon(listener);
    if (!listener->daemon) {
        (void)close(options->fd);
        free(listener);
        return err_set(err, E_IO,
                       "cannot serve HTTP: libmicrohttpd %s did not start; are there enough file "
                       "descriptors (ulimit -n)?",
                       MHD_get_version());
    }
    room_open(listener);
    open_handles(listener,
                 MHD_get_daemon_info(listener->daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd);
    *opened = listener;
    return OK;
}

static void shut_idle(struct http_listener *listener)
{
    for (const struct node *node; (node = queue_first(&listener->idle));)
        connection_shut(container_of(node, struct http_connection, idle_node));
}

void http_listener_quiesce(struct http_listener *listener)
{
    if (listener->is_quiet)
        return;
    listener->is_quiet = true;
    const int fd = MHD_quiesce_daemon(listener->daemon);
    if (fd >= 0)
        (void)close(fd);
    shut_idle(listener);
}

size_t http_listener_open_count(const struct http_listener *listener)
{
    return listener->exchange_count;
}

/* The library must not be stopped while a connection is suspended. */
static void resume_all(struct http_listener *listener)
{
    for (const struct node *node = queue_first(&listener->connections); node;
         node = queue_next(&listener->connections, node)) {
        struct http_connection *connection = container_of(node, struct http_connection, node);
        if (connection->request.is_suspended)
            exchange_refuse_late(&connection->request, &http_fault_stopping);
    }
}

void http_listener_close(struct http_listener *listener, void (*on_closed)(void *ctx), void *ctx)
{
    check(!listener->is_running && !listener->is_closing);
    http_listener_quiesce(listener);
    listener->is_closing = true;
    listener->on_closed = on_closed;
    listener->on_closed_ctx = ctx;
    resume_all(listener);
    room_close(listener);
    listener->must_run = true;
    for (int turn = 0; turn < STOP_TURNS_MAX && listener->must_run; turn++)
        listener_run_daemon(listener);
    close_handles(listener);
    (void)close(listener->room_epoll);
    MHD_stop_daemon(listener->daemon);
    listener->daemon = NULL;
    linger_stop_all(listener);
}
