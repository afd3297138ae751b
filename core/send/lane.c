/* SPDX-License-Identifier: MIT */
/* curl multi on the loop. A watch on a socket stays armed when curl asks no more of it: the next
 * transfer on that connection finds it as it was, which saves two system calls a send. It is
 * dropped when the socket speaks without a transfer, and when curl closes it. */
#include "send/lane_int.h"

#include "base/log.h"

#include <stdlib.h>
#include <unistd.h>

#define CONNECTIONS_KEPT 1024L

struct watch {
    uv_poll_t poll;
    struct lane *lane;
    curl_socket_t fd;
    int events;         /* armed */
    bool is_used;       /* curl has a transfer on it */
    bool is_connection; /* made by open_socket */
    bool has_spoken;    /* the receiver sent something: the connection stands */
};

static void collect(struct lane *lane)
{
    int left;
    const CURLMsg *message;
    while ((message = curl_multi_info_read(lane->multi, &left)))
        if (message->msg == CURLMSG_DONE)
            lane->on_done(message->easy_handle, message->data.result);
}

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

static struct watch *find_watch(const struct lane *lane, curl_socket_t fd)
{
    return (size_t)fd < lane->watch_count ? lane->watches[fd] : NULL;
}

/* A socket in error still holds what came before the error: curl reads to the end and finds the
 * error itself. Libuv has stopped the watch; it is armed again while curl wants it. */
static void on_broken(struct watch *watch)
{
    struct lane *lane = watch->lane;
    const curl_socket_t fd = watch->fd;
    const int events = watch->events;
    watch->events = 0;
    act(lane, fd, CURL_CSELECT_IN | (events & UV_WRITABLE ? CURL_CSELECT_OUT : 0));
    if (find_watch(lane, fd) == watch && watch->is_used && watch->events == 0)
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
    const size_t index = (size_t)fd;
    if (index >= lane->watch_count) {
        const size_t count = (index + 1) * 2;
        struct watch **watches = must_alloc(count * sizeof(struct watch *));
        if (lane->watch_count > 0)
            memcpy(watches, lane->watches, lane->watch_count * sizeof(struct watch *));
        free(lane->watches);
        lane->watches = watches;
        lane->watch_count = count;
    }
    struct watch *watch = lane->watches[index];
    if (!watch) {
        watch = must_alloc(sizeof *watch);
        watch->fd = fd;
        watch->lane = lane;
        check(uv_poll_init_socket(lane->loop, &watch->poll, fd) == 0);
        lane->open_handles++;
        lane->watches[index] = watch;
    }
    return watch;
}

static void handle_closed(struct lane *lane)
{
    if (--lane->open_handles > 0)
        return;
    free(lane->watches);
    lane->on_closed(lane->ctx);
}

static void on_watch_closed(uv_handle_t *handle)
{
    struct watch *watch = container_of(handle, struct watch, poll);
    struct lane *lane = watch->lane;
    free(watch);
    handle_closed(lane);
}

static void drop_watch(struct watch *watch)
{
    watch->lane->watches[watch->fd] = NULL;
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
int lane_close_socket(void *lane, curl_socket_t fd)
{
    struct watch *watch = find_watch(lane, fd);
    if (watch)
        drop_watch(watch);
    return close(fd);
}

void lane_adopt_socket(struct lane *lane, curl_socket_t fd)
{
    watch_of(lane, fd)->is_connection = true;
}

/* ---- Life cycle --------------------------------------------------------------------------------
 */

enum status lane_open(struct lane *lane, uv_loop_t *loop, lane_done_cb on_done)
{
    *lane = (struct lane){.loop = loop, .on_done = on_done, .multi = curl_multi_init()};
    if (!lane->multi)
        return E_NOMEM;
#define SET(option, value) check(curl_multi_setopt(lane->multi, option, value) == CURLM_OK)
    SET(CURLMOPT_SOCKETFUNCTION, set_socket);
    SET(CURLMOPT_SOCKETDATA, lane);
    SET(CURLMOPT_TIMERFUNCTION, set_timer);
    SET(CURLMOPT_TIMERDATA, lane);
    SET(CURLMOPT_MAXCONNECTS, CONNECTIONS_KEPT);
    SET(CURLMOPT_PIPELINING, (long)CURLPIPE_MULTIPLEX);
#undef SET
    check(uv_timer_init(loop, &lane->timer) == 0);
    lane->open_handles = 1;
    return OK;
}

static void on_timer_closed(uv_handle_t *handle)
{
    handle_closed(container_of(handle, struct lane, timer));
}

void lane_close(struct lane *lane, void (*on_closed)(void *ctx), void *ctx)
{
    lane->is_closing = true;
    lane->on_closed = on_closed;
    lane->ctx = ctx;
    check(curl_multi_cleanup(lane->multi) == CURLM_OK);
    uv_close((uv_handle_t *)&lane->timer, on_timer_closed);
}
