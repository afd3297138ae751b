/* SPDX-License-Identifier: MIT */
/* A raw client on a socket that never blocks: it sends exactly the bytes it is told to, in the
 * pieces it is told to, and can leave in every way there is. */
#include "test/http_int.h"

#include <arpa/inet.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#define CLASS "anzol_test.client"
#define PIECE_BYTES 65536

struct client {
    int fd;
};

static struct client *check_client(lua_State *L)
{
    struct client *client = luaL_checkudata(L, 1, CLASS);
    if (client->fd < 0)
        luaL_error(L, "the client is closed");
    return client;
}

static int raise_errno(lua_State *L, const char *what)
{
    return luaL_error(L, "%s: %s", what, strerror(errno));
}

static int connect_tcp(const char *address)
{
    const char *colon = strrchr(address, ':');
    char host[64] = "";
    memcpy(host, address, (size_t)(colon - address));
    struct sockaddr_in name = {.sin_family = AF_INET,
                               .sin_port = htons((uint16_t)strtoul(colon + 1, NULL, 10))};
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (inet_pton(AF_INET, host, &name.sin_addr) != 1 ||
        connect(fd, (const struct sockaddr *)&name, sizeof name) != 0)
        return -1;
    return fd;
}

static int connect_unix(const char *path)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    memcpy(name.sun_path, path, strlen(path) + 1);
    const int fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
    return connect(fd, (const struct sockaddr *)&name, sizeof name) == 0 ? fd : -1;
}

/* connect("127.0.0.1:8080" | "/path") -> client */
static int l_connect(lua_State *L)
{
    const char *address = luaL_checkstring(L, 1);
    struct client *client = lua_newuserdatauv(L, sizeof *client, 0);
    client->fd = address[0] == '/' ? connect_unix(address) : connect_tcp(address);
    luaL_setmetatable(L, CLASS);
    return client->fd < 0 ? raise_errno(L, "connect") : 1;
}

/* send(bytes) -> how many the kernel took, 0 when its buffer is full | nil, error name */
static int l_send(lua_State *L)
{
    const struct client *client = check_client(L);
    size_t len;
    const char *bytes = luaL_checklstring(L, 2, &len);
    const ssize_t sent = send(client->fd, bytes, len, MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && errno != EAGAIN) {
        lua_pushnil(L);
        lua_pushstring(L, errno == ECONNRESET || errno == EPIPE ? "reset" : strerror(errno));
        return 2;
    }
    lua_pushinteger(L, sent < 0 ? 0 : sent);
    return 1;
}

/* receive() -> bytes | nil, "again" | "closed" | "reset" */
static int l_receive(lua_State *L)
{
    const struct client *client = check_client(L);
    char piece[PIECE_BYTES];
    const ssize_t len = recv(client->fd, piece, sizeof piece, MSG_DONTWAIT);
    if (len > 0) {
        lua_pushlstring(L, piece, (size_t)len);
        return 1;
    }
    lua_pushnil(L);
    lua_pushstring(L, len == 0 ? "closed" : errno == EAGAIN ? "again" : "reset");
    return 2;
}

static int l_close(lua_State *L)
{
    struct client *client = luaL_checkudata(L, 1, CLASS);
    if (client->fd >= 0)
        (void)close(client->fd);
    client->fd = -1;
    return 0;
}

/* Closes with a TCP reset. */
static int l_reset(lua_State *L)
{
    const struct linger at_once = {.l_onoff = 1, .l_linger = 0};
    (void)setsockopt(check_client(L)->fd, SOL_SOCKET, SO_LINGER, &at_once, sizeof at_once);
    return l_close(L);
}

/* Sends no more, still reads. */
static int l_half_close(lua_State *L)
{
    (void)shutdown(check_client(L)->fd, SHUT_WR);
    return 0;
}

/* shrink(): the smallest receive buffer, for a reader that does not read. */
static int l_shrink(lua_State *L)
{
    const int least = 1;
    (void)setsockopt(check_client(L)->fd, SOL_SOCKET, SO_RCVBUF, &least, sizeof least);
    return 0;
}

static const luaL_Reg functions[] = {
    {"close", l_close}, {"half_close", l_half_close}, {"receive", l_receive}, {"reset", l_reset},
    {"send", l_send},   {"shrink", l_shrink},         {"__gc", l_close},      {NULL, NULL},
};

void test_add_clients(lua_State *L)
{
    test_class(L, CLASS, functions);
    lua_pushcfunction(L, l_connect);
    lua_setfield(L, -2, "connect");
}
