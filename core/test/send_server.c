/* SPDX-License-Identifier: MIT */
/* TCP servers on the rig's loop that answer as a Lua function says, right or wrong.
 * The function gets {head=, body=, connection=, number=, open=} for each complete request:
 * connection counts the connections of the server from 1, number the requests on this one, open
 * those of all connections that wait for their answer, this one among them. It returns what to
 * write: a string, or nil (never an answer), or a table {bytes, endless=bytes, close=true,
 * reset=true, after_ms=}: after that time the bytes, then others again and again, then the end of
 * the connection.
 * {accept="close"|"reset"} instead of a function: connections end at once. */
#include "send_rig_int.h"

#include "base/buf.h"

#include <errno.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>
#include <sys/socket.h>

#define REQUEST_BYTES_MAX (64u * 1024 * 1024)
#define BACKLOG 512
#define READ_BYTES 65536

struct fake_server {
    uv_tcp_t tcp;
    lua_State *L;
    int function; /* reference; LUA_NOREF: connections end at once */
    bool is_reset;
    bool is_closing;
    int port;
    lua_Integer connection_count;
    struct queue connections;
    size_t handles;
};

struct connection {
    struct node node;
    uv_tcp_t tcp;
    struct fake_server *server;
    struct buf in;
    lua_Integer number;
    lua_Integer request_count;
    char *endless; /* written again and again */
    size_t endless_len;
    bool is_asked;     /* its request has no answer yet */
    struct late *late; /* NULL: no answer waits */
};

struct writing {
    uv_write_t request;
    struct connection *connection;
    bool is_last;
    bool is_reset;
    size_t len;
    char bytes[];
};

/* An answer that waits for its time. */
struct late {
    uv_timer_t timer;
    struct writing *writing;
};

static void free_server(struct fake_server *server)
{
    if (--server->handles == 0)
        free(server);
}

static void on_connection_closed(uv_handle_t *handle)
{
    struct connection *connection = container_of(handle, struct connection, tcp);
    struct fake_server *server = connection->server;
    buf_finish(&connection->in);
    free(connection->endless);
    free(connection);
    free_server(server);
}

static void on_late_closed(uv_handle_t *handle)
{
    struct late *late = container_of(handle, struct late, timer);
    free(late->writing);
    free(late);
}

static void leave(struct connection *connection)
{
    queue_remove(&connection->server->connections, &connection->node);
    if (connection->late)
        uv_close((uv_handle_t *)&connection->late->timer, on_late_closed);
    connection->late = NULL;
}

static void hang_up(struct connection *connection)
{
    if (uv_is_closing((uv_handle_t *)&connection->tcp))
        return;
    leave(connection);
    uv_close((uv_handle_t *)&connection->tcp, on_connection_closed);
}

static void reset(struct connection *connection)
{
    if (uv_is_closing((uv_handle_t *)&connection->tcp))
        return;
    leave(connection);
    check(uv_tcp_close_reset(&connection->tcp, on_connection_closed) == 0);
}

static void write_again(struct connection *connection);

static void on_written(uv_write_t *request, int status)
{
    struct writing *writing = container_of(request, struct writing, request);
    struct connection *connection = writing->connection;
    const bool is_last = writing->is_last || status != 0;
    const bool is_reset = writing->is_reset;
    free(writing);
    if (uv_is_closing((uv_handle_t *)&connection->tcp))
        return;
    if (connection->endless && status == 0)
        write_again(connection);
    else if (is_reset)
        reset(connection);
    else if (is_last)
        hang_up(connection);
}

static struct writing *make_writing(struct connection *connection, struct slice bytes)
{
    struct writing *writing = must_alloc(sizeof *writing + bytes.len);
    *writing = (struct writing){.connection = connection, .len = bytes.len};
    if (bytes.len > 0)
        memcpy(writing->bytes, bytes.data, bytes.len);
    return writing;
}

static void start_writing(struct writing *writing)
{
    struct connection *connection = writing->connection;
    const uv_buf_t buf = uv_buf_init(writing->bytes, (unsigned)writing->len);
    connection->is_asked = false;
    check(uv_write(&writing->request, (uv_stream_t *)&connection->tcp, &buf, 1, on_written) == 0);
}

static void write_again(struct connection *connection)
{
    start_writing(make_writing(connection, slice_of(connection->endless, connection->endless_len)));
}

static void on_late(uv_timer_t *timer)
{
    struct late *late = container_of(timer, struct late, timer);
    late->writing->connection->late = NULL;
    start_writing(late->writing);
    late->writing = NULL;
    uv_close((uv_handle_t *)timer, on_late_closed);
}

static void write_after(struct writing *writing, lua_Integer after_ms)
{
    struct connection *connection = writing->connection;
    struct late *late = must_alloc(sizeof *late);
    *late = (struct late){.writing = writing};
    connection->late = late;
    check(uv_timer_init(connection->tcp.loop, &late->timer) == 0);
    check(uv_timer_start(&late->timer, on_late, (uint64_t)after_ms, 0) == 0);
}

/* The answer lies on top of the stack. */
static void answer(struct connection *connection, lua_State *L)
{
    size_t len = 0;
    if (lua_isnil(L, -1))
        return;
    if (!lua_istable(L, -1)) {
        const char *bytes = luaL_checklstring(L, -1, &len);
        start_writing(make_writing(connection, slice_of(bytes, len)));
        return;
    }
    lua_getfield(L, -1, "endless");
    lua_getfield(L, -2, "close");
    lua_getfield(L, -3, "reset");
    lua_geti(L, -4, 1);
    const char *endless = lua_tolstring(L, -4, &len);
    if (endless) {
        connection->endless = must_alloc(len);
        connection->endless_len = len;
        memcpy(connection->endless, endless, len);
    }
    const char *bytes = luaL_optlstring(L, -1, "", &len);
    struct writing *writing = make_writing(connection, slice_of(bytes, len));
    writing->is_last = lua_toboolean(L, -3);
    writing->is_reset = lua_toboolean(L, -2);
    lua_pop(L, 4);
    const lua_Integer after_ms = get_integer(L, lua_gettop(L), "after_ms", 0);
    if (after_ms > 0)
        write_after(writing, after_ms);
    else
        start_writing(writing);
}

/* The client may have given the request up already. */
static bool is_open(const struct connection *connection)
{
    uv_os_fd_t fd;
    char byte;
    if (!connection->is_asked || uv_fileno((const uv_handle_t *)&connection->tcp, &fd) != 0)
        return false;
    const ssize_t count = recv(fd, &byte, 1, MSG_PEEK | MSG_DONTWAIT);
    return count > 0 || (count < 0 && errno == EAGAIN);
}

static lua_Integer count_open(const struct fake_server *server)
{
    lua_Integer count = 0;
    for (struct node *node = queue_first(&server->connections); node;
         node = queue_next(&server->connections, node))
        count += is_open(container_of(node, struct connection, node));
    return count;
}

static void call(struct connection *connection, struct slice head, struct slice body)
{
    lua_State *L = connection->server->L;
    connection->is_asked = true;
    lua_rawgeti(L, LUA_REGISTRYINDEX, connection->server->function);
    lua_newtable(L);
    lua_pushlstring(L, head.data, head.len);
    lua_setfield(L, -2, "head");
    lua_pushlstring(L, body.data, body.len);
    lua_setfield(L, -2, "body");
    lua_pushinteger(L, connection->number);
    lua_setfield(L, -2, "connection");
    lua_pushinteger(L, ++connection->request_count);
    lua_setfield(L, -2, "number");
    set_integer(L, "open", count_open(connection->server));
    /* An error of the function is seen as an answer that never comes. */
    if (lua_pcall(L, 1, 1, 0) == LUA_OK)
        answer(connection, L);
    else
        (void)fprintf(stderr, "server of the spec: %s\n", lua_tostring(L, -1));
    lua_pop(L, 1);
}

static size_t content_length(const char *head, size_t len)
{
    static const char name[] = "\r\ncontent-length:";
    for (size_t i = 0; i + sizeof name < len; i++)
        if (strncasecmp(head + i, name, sizeof name - 1) == 0)
            return strtoul(head + i + sizeof name - 1, NULL, 10);
    return 0;
}

/* Takes the complete requests off the front of what came in. */
static void take_requests(struct connection *connection)
{
    struct buf *in = &connection->in;
    while (in->len > 0 && !uv_is_closing((uv_handle_t *)&connection->tcp)) {
        const char *end = memmem(in->data, in->len, "\r\n\r\n", 4);
        if (!end)
            return;
        const size_t head_len = (size_t)(end - in->data) + 4;
        const size_t body_len = content_length(in->data, head_len);
        if (in->len - head_len < body_len)
            return;
        call(connection, slice_of(in->data, head_len), slice_of(in->data + head_len, body_len));
        const size_t used = head_len + body_len;
        memmove(in->data, in->data + used, in->len - used);
        in->len -= used;
    }
}

static void on_alloc(uv_handle_t *handle, size_t suggested, uv_buf_t *buf)
{
    (void)suggested;
    struct connection *connection = container_of(handle, struct connection, tcp);
    check(buf_reserve(&connection->in, READ_BYTES) == OK);
    *buf = uv_buf_init(connection->in.data + connection->in.len, READ_BYTES);
}

static void on_read(uv_stream_t *stream, ssize_t count, const uv_buf_t *buf)
{
    (void)buf;
    struct connection *connection = container_of(stream, struct connection, tcp);
    if (count < 0) {
        hang_up(connection);
        return;
    }
    connection->in.len += (size_t)count;
    take_requests(connection);
}

static void on_connection(uv_stream_t *stream, int status)
{
    struct fake_server *server = container_of(stream, struct fake_server, tcp);
    if (status != 0)
        return;
    struct connection *connection = must_alloc(sizeof *connection);
    *connection = (struct connection){.server = server, .number = ++server->connection_count};
    buf_init(&connection->in, REQUEST_BYTES_MAX);
    check(uv_tcp_init(stream->loop, &connection->tcp) == 0);
    server->handles++;
    queue_push(&server->connections, &connection->node);
    check(uv_accept(stream, (uv_stream_t *)&connection->tcp) == 0);
    if (server->function != LUA_NOREF)
        check(uv_read_start((uv_stream_t *)&connection->tcp, on_alloc, on_read) == 0);
    else if (server->is_reset)
        reset(connection);
    else
        hang_up(connection);
}

static void read_behaviour(lua_State *L, struct fake_server *server, int index)
{
    server->L = L;
    server->function = LUA_NOREF;
    if (lua_isfunction(L, index)) {
        lua_pushvalue(L, index);
        server->function = luaL_ref(L, LUA_REGISTRYINDEX);
        return;
    }
    lua_getfield(L, index, "accept");
    server->is_reset = strcmp(luaL_checkstring(L, -1), "reset") == 0;
    lua_pop(L, 1);
}

struct fake_server *fake_server_open(lua_State *L, uv_loop_t *loop, int index)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int len = sizeof address;
    struct fake_server *server = calloc(1, sizeof *server);
    check(server != NULL);
    read_behaviour(L, server, index);
    queue_init(&server->connections);
    check(uv_tcp_init(loop, &server->tcp) == 0);
    server->handles = 1;
    check(uv_tcp_bind(&server->tcp, (const struct sockaddr *)&address, 0) == 0);
    check(uv_listen((uv_stream_t *)&server->tcp, BACKLOG, on_connection) == 0);
    check(uv_tcp_getsockname(&server->tcp, (struct sockaddr *)&address, &len) == 0);
    server->port = ntohs(address.sin_port);
    return server;
}

int fake_server_port(const struct fake_server *server)
{
    return server->port;
}

static void on_server_closed(uv_handle_t *handle)
{
    free_server(container_of(handle, struct fake_server, tcp));
}

void fake_server_close(struct fake_server *server)
{
    if (server->is_closing)
        return;
    server->is_closing = true;
    struct node *node;
    struct node *next;
    for (node = queue_first(&server->connections); node; node = next) {
        next = queue_next(&server->connections, node);
        hang_up(container_of(node, struct connection, node));
    }
    if (server->function != LUA_NOREF)
        luaL_unref(server->L, LUA_REGISTRYINDEX, server->function);
    uv_close((uv_handle_t *)&server->tcp, on_server_closed);
}
