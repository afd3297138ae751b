/* SPDX-License-Identifier: MIT */
/* Deadlines of our own: the library's timeout is idle time, by which one byte a second lives for
 * ever. One timer looks at all connections twice a second, so a deadline is kept within half a
 * second and costs a request nothing but a clock reading. */
#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "http/http_int.h"

#include <poll.h>

/* A suspended client is looked after only from here on: most are answered long before. */
#define LOOK_AFTER_MS 1000
#define LOOK_AT_ONCE 256

static const int64_t limits_ms[PHASE_COUNT] = {
    [PHASE_HEADERS] = LIMIT_HEADERS_MS, [PHASE_BODY] = LIMIT_BODY_MS, [PHASE_HANDLER] = INT64_MAX,
    [PHASE_ANSWER] = LIMIT_BODY_MS,     [PHASE_IDLE] = LIMIT_IDLE_MS, [PHASE_CLOSING] = INT64_MAX,
};

/* After the grace, so many bytes must have come on average. */
static bool is_dripping(const struct http_connection *connection, int64_t age_ms)
{
    return connection->phase == PHASE_BODY && age_ms > LIMIT_BODY_GRACE_MS &&
           (int64_t)connection->request.received_bytes <
               (age_ms - LIMIT_BODY_GRACE_MS) * LIMIT_BODY_BYTES_PER_S / 1000;
}

/* Clients that wait for us while nobody reads from them. */
struct watched {
    struct pollfd fds[LOOK_AT_ONCE];
    struct http_connection *connections[LOOK_AT_ONCE];
    nfds_t count;
};

static void look(struct watched *watched)
{
    if (watched->count > 0 && poll(watched->fds, watched->count, 0) > 0)
        for (nfds_t i = 0; i < watched->count; i++) {
            struct http_request *request = &watched->connections[i]->request;
            if (!(watched->fds[i].revents & (POLLRDHUP | POLLHUP | POLLERR)))
                continue;
            request->is_gone = true;
            exchange_resume(request);
        }
    watched->count = 0;
}

static void watch(struct watched *watched, struct http_connection *connection)
{
    watched->fds[watched->count] = (struct pollfd){.fd = connection->fd, .events = POLLRDHUP};
    watched->connections[watched->count++] = connection;
    if (watched->count == LOOK_AT_ONCE)
        look(watched);
}

void deadline_check_all(struct http_listener *listener)
{
    const int64_t now = clock_mono_ms();
    struct watched watched;
    watched.count = 0;
    for (const struct node *node = queue_first(&listener->connections); node;
         node = queue_next(&listener->connections, node)) {
        struct http_connection *connection = container_of(node, struct http_connection, node);
        const int64_t age_ms = now - connection->phase_since_ms;
        if (age_ms >= limits_ms[connection->phase] || is_dripping(connection, age_ms)) {
            log_debug("connection too slow", "remote=%s phase=%d", connection->remote,
                      (int)connection->phase);
            connection_shut(connection);
        } else if (connection->request.is_suspended && age_ms >= LOOK_AFTER_MS) {
            watch(&watched, connection);
        }
    }
    look(&watched);
    room_check_all(listener);
}
