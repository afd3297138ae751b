/* SPDX-License-Identifier: MIT */
/* bare_receive MODE PORT [FILE]: libmicrohttpd with its epoll inside a libuv loop, as the program
 * drives it, and nothing else. MODE direct answers at once; resume suspends each request and
 * answers in the loop's next turn; commit answers after a store thread committed the event to
 * SQLite in FILE with what had queued up. Serves until SIGTERM.
 *
 * Threads: the main thread runs the loop; in mode commit the store thread takes `queued` and gives
 * `done` under one mutex. */
#include "bare.h"
#include "bare_store.h"

#include <microhttpd.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <uv.h>

#define CONNECTIONS_MAX 10000
#define GROUP_MAX 1024

struct request {
    struct MHD_Connection *connection;
    struct request *next;
    size_t len;
    int is_done;
    char body[BARE_BODY_BYTES * 4];
};

struct list {
    struct request *first;
    struct request **end;
};

enum mode { MODE_DIRECT, MODE_RESUME, MODE_COMMIT };

static struct {
    enum mode mode;
    uv_loop_t loop;
    uv_poll_t poll;
    uv_timer_t timer;
    uv_async_t wake;
    uv_signal_t terminate;
    struct MHD_Daemon *daemon;
    struct MHD_Response *response;
    struct bare_store *store;
    pthread_t thread;
    pthread_mutex_t mutex;
    pthread_cond_t has_work;
    struct list queued; /* by mutex */
    struct list done;   /* by mutex */
    int is_stopping;    /* by mutex */
    long requests;
} server;

static void list_clear(struct list *list)
{
    list->first = NULL;
    list->end = &list->first;
}

static void list_push(struct list *list, struct request *request)
{
    request->next = NULL;
    *list->end = request;
    list->end = &request->next;
}

static void on_timer(uv_timer_t *handle);

static void run_daemon(void)
{
    MHD_UNSIGNED_LONG_LONG timeout_ms;
    MHD_run(server.daemon);
    if (MHD_get_timeout(server.daemon, &timeout_ms) != MHD_YES)
        uv_timer_stop(&server.timer);
    else if (timeout_ms == 0 || !uv_is_active((uv_handle_t *)&server.timer))
        uv_timer_start(&server.timer, on_timer, timeout_ms, 0);
}

static void on_timer(uv_timer_t *handle)
{
    (void)handle;
    run_daemon();
}

static void on_ready(uv_poll_t *handle, int status, int events)
{
    (void)handle, (void)status, (void)events;
    run_daemon();
}

static void submit(struct request *request)
{
    MHD_suspend_connection(request->connection);
    pthread_mutex_lock(&server.mutex);
    if (server.mode == MODE_RESUME) {
        list_push(&server.done, request);
        uv_async_send(&server.wake);
    } else {
        list_push(&server.queued, request);
        pthread_cond_signal(&server.has_work);
    }
    pthread_mutex_unlock(&server.mutex);
}

static void on_wake(uv_async_t *handle)
{
    (void)handle;
    pthread_mutex_lock(&server.mutex);
    struct request *request = server.done.first;
    list_clear(&server.done);
    pthread_mutex_unlock(&server.mutex);
    while (request) {
        struct request *next = request->next;
        request->is_done = 1;
        MHD_resume_connection(request->connection);
        request = next;
    }
    run_daemon();
}

/* Up to GROUP_MAX requests, waiting for the first one. NULL: stop. */
static struct request *take_group(void)
{
    pthread_mutex_lock(&server.mutex);
    while (!server.queued.first && !server.is_stopping)
        pthread_cond_wait(&server.has_work, &server.mutex);
    struct request *first = server.queued.first, *last = first;
    for (int i = 1; last && last->next && i < GROUP_MAX; i++)
        last = last->next;
    if (last) {
        server.queued.first = last->next;
        if (!last->next)
            list_clear(&server.queued);
        last->next = NULL;
    }
    pthread_mutex_unlock(&server.mutex);
    return first;
}

static void *run_store(void *ctx)
{
    (void)ctx;
    int64_t id = 0;
    struct request *group;
    while ((group = take_group())) {
        bare_store_begin(server.store);
        for (struct request *request = group; request; request = request->next)
            bare_store_ingest(server.store, ++id, request->body, request->len);
        bare_store_commit(server.store);
        pthread_mutex_lock(&server.mutex);
        *server.done.end = group;
        while (*server.done.end)
            server.done.end = &(*server.done.end)->next;
        pthread_mutex_unlock(&server.mutex);
        uv_async_send(&server.wake);
    }
    return NULL;
}

static enum MHD_Result on_request(void *ctx, struct MHD_Connection *connection, const char *url,
                                  const char *method, const char *version, const char *data,
                                  size_t *len, void **state)
{
    (void)ctx, (void)url, (void)method, (void)version;
    struct request *request = *state;
    if (!request) {
        request = malloc(sizeof *request);
        if (!request)
            return MHD_NO;
        request->connection = connection;
        request->len = 0;
        request->is_done = 0;
        *state = request;
        return MHD_YES;
    }
    if (*len > 0) {
        if (*len > sizeof request->body - request->len)
            return MHD_NO;
        memcpy(request->body + request->len, data, *len);
        request->len += *len;
        *len = 0;
        return MHD_YES;
    }
    if (server.mode == MODE_DIRECT || request->is_done) {
        server.requests++;
        return MHD_queue_response(connection, MHD_HTTP_OK, server.response);
    }
    submit(request);
    return MHD_YES;
}

static void on_completed(void *ctx, struct MHD_Connection *connection, void **state,
                         enum MHD_RequestTerminationCode code)
{
    (void)ctx, (void)connection, (void)code;
    free(*state);
}

static void on_terminate(uv_signal_t *handle, int number)
{
    (void)handle, (void)number;
    uv_stop(&server.loop);
}

static void start_daemon(unsigned short port)
{
    static const char body[] = "{\"id\":\"evt_00000000000\"}";
    server.response = MHD_create_response_from_buffer(strlen(body), (void *)(uintptr_t)body,
                                                      MHD_RESPMEM_PERSISTENT);
    server.daemon =
        MHD_start_daemon(MHD_USE_EPOLL | MHD_ALLOW_SUSPEND_RESUME, port, NULL, NULL, on_request,
                         NULL, MHD_OPTION_NOTIFY_COMPLETED, on_completed, NULL,
                         MHD_OPTION_CONNECTION_LIMIT, CONNECTIONS_MAX, MHD_OPTION_END);
    if (!server.daemon)
        bare_die("libmicrohttpd", "cannot listen");
    const int fd = MHD_get_daemon_info(server.daemon, MHD_DAEMON_INFO_EPOLL_FD)->epoll_fd;
    uv_poll_init(&server.loop, &server.poll, fd);
    uv_poll_start(&server.poll, UV_READABLE, on_ready);
}

static void stop_store(void)
{
    pthread_mutex_lock(&server.mutex);
    server.is_stopping = 1;
    pthread_cond_signal(&server.has_work);
    pthread_mutex_unlock(&server.mutex);
    pthread_join(server.thread, NULL);
    bare_store_close(server.store);
}

int main(int argc, char **argv)
{
    static const char usage[] = "bare_receive direct|resume|commit PORT [FILE]";
    const long port = bare_number(argc, argv, 2, usage);
    server.mode = strcmp(argv[1], "commit") == 0   ? MODE_COMMIT
                  : strcmp(argv[1], "resume") == 0 ? MODE_RESUME
                                                   : MODE_DIRECT;
    if (server.mode == MODE_COMMIT && argc < 4)
        bare_die("Usage", usage);
    list_clear(&server.queued);
    list_clear(&server.done);
    pthread_mutex_init(&server.mutex, NULL);
    pthread_cond_init(&server.has_work, NULL);
    uv_loop_init(&server.loop);
    uv_timer_init(&server.loop, &server.timer);
    uv_async_init(&server.loop, &server.wake, on_wake);
    uv_signal_init(&server.loop, &server.terminate);
    uv_signal_start(&server.terminate, on_terminate, SIGTERM);
    if (server.mode == MODE_COMMIT) {
        server.store = bare_store_open(argv[3]);
        pthread_create(&server.thread, NULL, run_store, NULL);
    }
    start_daemon((unsigned short)port);
    run_daemon();
    uv_run(&server.loop, UV_RUN_DEFAULT);
    if (server.mode == MODE_COMMIT)
        stop_store();
    printf("{\"requests\":%ld,\"cpuUsPerRequest\":%.3f}\n", server.requests,
           (double)bare_process_cpu_ns() / 1e3 / (double)(server.requests ? server.requests : 1));
    return 0; /* the daemon goes with the process: suspended requests may be in it */
}
