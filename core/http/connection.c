/* SPDX-License-Identifier: MIT */
#include "http/http_int.h"

#include "base/clock.h"

#include <stdlib.h>
#include <sys/socket.h>

#define SLOW_MS 1000
#define LOOKS_MAX 256u /* oldest first */

void connection_enter(struct http_connection *connection, enum http_phase phase)
{
    struct http_listener *listener = connection->listener;
    if (connection->phase == PHASE_CLOSING)
        return;
    if (connection->phase == PHASE_IDLE)
        queue_remove(&listener->idle, &connection->idle_node);
    if (phase == PHASE_IDLE)
        queue_push(&listener->idle, &connection->idle_node);
    if (phase == PHASE_CLOSING)
        listener->closing_count++;
    connection->phase = phase;
    connection->phase_since_ms = clock_mono_ms();
}

void connection_shut(struct http_connection *connection)
{
    connection_enter(connection, PHASE_CLOSING);
    (void)shutdown(connection->fd, SHUT_RDWR);
}

/* Makes room by closing the connection that has been idle for longest (of that address, if one is
 * given). False if none is idle. */
static bool shut_oldest_idle(struct http_listener *listener, const struct sockaddr *address)
{
    const struct node *node = queue_first(&listener->idle);
    for (; node; node = queue_next(&listener->idle, node)) {
        struct http_connection *connection = container_of(node, struct http_connection, idle_node);
        if (address && !address_is(connection->address, address))
            continue;
        connection_shut(connection);
        return true;
    }
    return false;
}

/* The same with one that has not brought its headers, or a body, for SLOW_MS: whoever opens many
 * and says nothing must not keep those out who do. Clients that are served are not touched. */
static bool shut_slow(struct http_listener *listener, const struct sockaddr *address)
{
    const int64_t now_ms = clock_mono_ms();
    size_t looks = 0;
    for (const struct node *node = queue_first(&listener->connections); node && looks < LOOKS_MAX;
         node = queue_next(&listener->connections, node), looks++) {
        struct http_connection *connection = container_of(node, struct http_connection, node);
        const bool is_slow =
            (connection->phase == PHASE_HEADERS || connection->phase == PHASE_BODY) &&
            now_ms - connection->phase_since_ms >= SLOW_MS;
        if (!is_slow || (address && !address_is(connection->address, address)))
            continue;
        connection_shut(connection);
        return true;
    }
    return false;
}

static bool make_room(struct http_listener *listener, const struct sockaddr *address)
{
    return shut_oldest_idle(listener, address) || shut_slow(listener, address);
}

enum MHD_Result connection_on_accept(void *cls, const struct sockaddr *address,
                                     socklen_t address_len)
{
    (void)address_len;
    struct http_listener *listener = cls;
    const struct http_options *options = &listener->options;
    const unsigned per_address = options->connection_count_max_per_address;
    if (listener->is_quiet)
        return MHD_NO;
    if (per_address > 0 && address_count(&listener->addresses, address) >= per_address &&
        !make_room(listener, address))
        return MHD_NO;
    if (listener->connections.count + listener->room.count - listener->closing_count >=
            options->connection_count_max &&
        !make_room(listener, NULL))
        return MHD_NO;
    return MHD_YES;
}

static void start(struct http_listener *listener, struct MHD_Connection *mhd, void **socket_context)
{
    struct http_connection *connection = calloc(1, sizeof *connection);
    *socket_context = connection;
    if (!connection)
        return; /* exchange_on_access closes it */
    const struct sockaddr *address =
        MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CLIENT_ADDRESS)->client_addr;
    connection->listener = listener;
    connection->mhd = mhd;
    connection->fd = MHD_get_connection_info(mhd, MHD_CONNECTION_INFO_CONNECTION_FD)->connect_fd;
    connection->address = address_take(&listener->addresses, address);
    connection->remote_len = (uint8_t)address_text(address, connection->remote);
    buf_init(&connection->request.target, CONNECTION_MEMORY_BYTES);
    queue_push(&listener->connections, &connection->node);
    connection_enter(connection, PHASE_HEADERS);
    listener_watch_deadlines(listener);
}

static void finish(struct http_connection *connection)
{
    struct http_listener *listener = connection->listener;
    if (connection->is_in_room) {
        connection->mhd = NULL;
        connection->listener->room_entering--;
        return;
    }
    check(connection->request.stage == STAGE_NONE);
    if (connection->is_unread)
        linger_start(listener, connection->fd);
    connection_enter(connection, PHASE_CLOSING); /* out of the idle ones */
    listener->closing_count--;
    queue_remove(&listener->connections, &connection->node);
    connection_destroy(connection);
}

void connection_destroy(struct http_connection *connection)
{
    check(!node_is_linked(&connection->node));
    address_release(&connection->listener->addresses, connection->address);
    buf_finish(&connection->request.target);
    buf_finish(&connection->answer);
    free(connection);
}

void connection_on_notify(void *cls, struct MHD_Connection *mhd, void **socket_context,
                          enum MHD_ConnectionNotificationCode code)
{
    if (code == MHD_CONNECTION_NOTIFY_STARTED) {
        start(cls, mhd, socket_context);
    } else if (*socket_context) {
        finish(*socket_context);
        *socket_context = NULL;
    }
}
