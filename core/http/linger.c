/* SPDX-License-Identifier: MIT */
/* Closing a socket with unread bytes makes the kernel send a reset, which takes a refusal back
 * from a client that is still sending its body. So the descriptor is kept a little while: the
 * library has said that nothing more comes (shutdown), we read and drop what the client sends. */
#include "base/clock.h"
#include "base/limits.h"
#include "http/http_int.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define LINGER_MS 2000
#define LINGER_COUNT_MAX 64
#define PIECE_BYTES 16384

struct http_linger {
    struct node node;
    uv_poll_t poll;
    struct http_listener *listener;
    int fd;
    size_t dropped_bytes;
    int64_t until_ms;
};

static void on_closed(uv_handle_t *handle)
{
    struct http_linger *linger = handle->data;
    struct http_listener *listener = linger->listener;
    (void)close(linger->fd);
    free(linger);
    listener_handle_closed(listener);
}

static void stop(struct http_linger *linger)
{
    queue_remove(&linger->listener->lingering, &linger->node);
    uv_close((uv_handle_t *)&linger->poll, on_closed);
}

static void on_readable(uv_poll_t *poll, int status, int events)
{
    (void)events;
    struct http_linger *linger = poll->data;
    char piece[PIECE_BYTES];
    ssize_t len = status == 0 ? 1 : -1;
    while (len > 0 && linger->dropped_bytes <= LIMIT_BODY_SURPLUS_BYTES) {
        len = recv(linger->fd, piece, sizeof piece, MSG_DONTWAIT);
        if (len < 0 && (errno == EAGAIN || errno == EINTR))
            return;
        linger->dropped_bytes += len > 0 ? (size_t)len : 0;
    }
    stop(linger);
}

void linger_start(struct http_listener *listener, int fd)
{
    if (listener->is_closing || listener->lingering.count >= LINGER_COUNT_MAX)
        return;
    struct http_linger *linger = calloc(1, sizeof *linger);
    const int kept = linger ? fcntl(fd, F_DUPFD_CLOEXEC, 0) : -1;
    if (kept < 0 || uv_poll_init_socket(listener->options.loop, &linger->poll, kept) != 0) {
        if (kept >= 0)
            (void)close(kept);
        free(linger);
        return;
    }
    linger->listener = listener;
    linger->fd = kept;
    linger->until_ms = clock_mono_ms() + LINGER_MS;
    linger->poll.data = linger;
    listener->open_handles++;
    queue_push(&listener->lingering, &linger->node);
    check(uv_poll_start(&linger->poll, UV_READABLE, on_readable) == 0);
}

void linger_check_all(struct http_listener *listener)
{
    const int64_t now = clock_mono_ms();
    const struct node *node = queue_first(&listener->lingering);
    while (node) {
        struct http_linger *linger = container_of(node, struct http_linger, node);
        node = queue_next(&listener->lingering, node);
        if (now >= linger->until_ms)
            stop(linger);
    }
}

void linger_stop_all(struct http_listener *listener)
{
    for (const struct node *node; (node = queue_first(&listener->lingering));)
        stop(container_of(node, struct http_linger, node));
}
