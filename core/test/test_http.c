/* SPDX-License-Identifier: MIT */
/* anzol_test.http: a listener whose handler is written in Lua, raw TCP clients, and the pure
 * checks, all on one loop that the spec turns by hand. Test thread only.
 * An error in a Lua callback must not fly through the library's frames: it is kept, and raised by
 * the turn during which it happened. */
#include "test/http_int.h"

#include "base/clock.h"
#include "http/http_int.h"

#include <poll.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define ERROR_BYTES_MAX 512

struct server {
    uv_loop_t loop;
    struct http_listener *listener; /* NULL once closed */
    lua_State *L;
    int callbacks; /* reference of the table of callbacks */
    atomic_size_t intake_bytes;
    char name[128];
    char error[ERROR_BYTES_MAX]; /* empty: none */
    bool is_closed;
};

/* Calls callbacks[name](request), if there is such a function. */
static void call_back(struct server *server, const char *name, struct http_request *request)
{
    lua_State *L = server->L;
    lua_rawgeti(L, LUA_REGISTRYINDEX, server->callbacks);
    lua_getfield(L, -1, name);
    if (lua_isnil(L, -1)) {
        lua_pop(L, 2);
        return;
    }
    test_push_request(L, request);
    if (lua_pcall(L, 1, 0, 0) != LUA_OK) {
        (void)snprintf(server->error, sizeof server->error, "%s: %s", name, lua_tostring(L, -1));
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
}

static void on_head(struct http_request *request, void *ctx)
{
    call_back(ctx, "head", request);
    if (request->stage == STAGE_HEAD) /* the callback failed or does not care */
        http_accept(request, 1024 * 1024);
}

static void on_request(struct http_request *request, void *ctx)
{
    call_back(ctx, "request", request);
}

static void on_over(struct http_request *request, void *ctx)
{
    struct server *server = ctx;
    call_back(server, "over", request);
    test_forget_request(server->L, request);
}

static const struct http_handler handler = {
    .on_head = on_head, .on_request = on_request, .on_over = on_over};

static struct server *check_server(lua_State *L)
{
    return luaL_checkudata(L, 1, "anzol_test.server");
}

static lua_Integer option(lua_State *L, const char *name, lua_Integer otherwise)
{
    lua_getfield(L, 2, name);
    const lua_Integer value = luaL_optinteger(L, -1, otherwise);
    lua_pop(L, 1);
    return value;
}

/* open(callbacks, {unix=, connections=, per_address=, intake=}) */
static int l_open(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 2);
    if (lua_isnil(L, 2)) {
        lua_newtable(L);
        lua_replace(L, 2);
    }
    struct server *server = lua_newuserdatauv(L, sizeof *server, 0);
    memset(server, 0, sizeof *server);
    server->is_closed = true;
    luaL_setmetatable(L, "anzol_test.server");
    struct err err;
    int fd = -1;
    lua_getfield(L, 2, "unix");
    const char *path = lua_tostring(L, -1);
    const enum status status =
        path ? http_listen_unix(path, &fd, &err) : http_listen_tcp("127.0.0.1:0", false, &fd, &err);
    if (status != OK)
        return luaL_error(L, "%s", err.text);
    lua_pop(L, 1);
    http_socket_name(fd, server->name, sizeof server->name);
    lua_rawgeti(L, LUA_REGISTRYINDEX, LUA_RIDX_MAINTHREAD);
    server->L = lua_tothread(L, -1);
    lua_pop(L, 1);
    lua_pushvalue(L, 1);
    server->callbacks = luaL_ref(L, LUA_REGISTRYINDEX);
    check(uv_loop_init(&server->loop) == 0);
    const struct http_options options = {
        .loop = &server->loop,
        .fd = fd,
        .handler = &handler,
        .ctx = server,
        .connection_count_max = (unsigned)option(L, "connections", 100),
        .connection_count_max_per_address = (unsigned)option(L, "per_address", 0),
        .intake_bytes = &server->intake_bytes,
        .intake_bytes_max = (size_t)option(L, "intake", 64 * 1024 * 1024),
    };
    check(http_listener_open(&options, &server->listener, &err) == OK);
    server->is_closed = false;
    return 1;
}

static int raise_kept_error(lua_State *L, struct server *server)
{
    if (server->error[0] == '\0')
        return 0;
    lua_pushstring(L, server->error);
    server->error[0] = '\0';
    return lua_error(L);
}

/* turn([ms]): waits at most so long for something to happen, then turns the loop once. */
static int l_turn(lua_State *L)
{
    struct server *server = check_server(L);
    struct pollfd pollfd = {.fd = uv_backend_fd(&server->loop), .events = POLLIN};
    const int ms = (int)luaL_optinteger(L, 2, 0);
    if (ms > 0 && uv_backend_timeout(&server->loop) != 0)
        (void)poll(&pollfd, 1, ms);
    uv_update_time(&server->loop);
    (void)uv_run(&server->loop, UV_RUN_NOWAIT);
    return raise_kept_error(L, server);
}

static void on_closed(void *ctx)
{
    struct server *server = ctx;
    server->is_closed = true;
}

static int l_close(lua_State *L)
{
    struct server *server = check_server(L);
    if (!server->listener)
        return 0;
    http_listener_close(server->listener, on_closed, server);
    server->listener = NULL;
    while (!server->is_closed)
        (void)uv_run(&server->loop, UV_RUN_ONCE);
    (void)uv_run(&server->loop, UV_RUN_DEFAULT);
    check(uv_loop_close(&server->loop) == 0);
    luaL_unref(L, LUA_REGISTRYINDEX, server->callbacks);
    return raise_kept_error(L, server);
}

static int l_quiesce(lua_State *L)
{
    http_listener_quiesce(check_server(L)->listener);
    return 0;
}

static int l_name(lua_State *L)
{
    lua_pushstring(L, check_server(L)->name);
    return 1;
}

static int l_open_count(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)http_listener_open_count(check_server(L)->listener));
    return 1;
}

static int l_connection_count(lua_State *L)
{
    const struct http_listener *listener = check_server(L)->listener;
    lua_pushinteger(L, (lua_Integer)(listener->connections.count - listener->closing_count));
    return 1;
}

static int l_intake(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)atomic_load(&check_server(L)->intake_bytes));
    return 1;
}

/* What the timer does twice a second. */
static int l_check_deadlines(lua_State *L)
{
    struct server *server = check_server(L);
    deadline_check_all(server->listener);
    linger_check_all(server->listener);
    return 0;
}

static int l_clock_fake(lua_State *L)
{
    clock_fake(luaL_checkinteger(L, 1), luaL_checkinteger(L, 2));
    return 0;
}

static int l_clock_advance(lua_State *L)
{
    clock_advance(luaL_checkinteger(L, 1));
    return 0;
}

static int l_clock_real(lua_State *L)
{
    (void)L;
    clock_real();
    return 0;
}

/* listen(address) -> name | nil, status, text: makes the socket and closes it. */
static int l_listen(lua_State *L)
{
    const char *address = luaL_checkstring(L, 1);
    struct err err;
    int fd = -1;
    const enum status status = address[0] == '/'
                                   ? http_listen_unix(address, &fd, &err)
                                   : http_listen_tcp(address, lua_toboolean(L, 2), &fd, &err);
    if (status != OK) {
        lua_pushnil(L);
        lua_pushstring(L, status_name(status));
        lua_pushstring(L, err.text);
        return 3;
    }
    char name[128];
    http_socket_name(fd, name, sizeof name);
    (void)close(fd);
    lua_pushstring(L, name);
    return 1;
}

/* mode(path) -> the permission bits */
static int l_mode(lua_State *L)
{
    struct stat found;
    if (stat(luaL_checkstring(L, 1), &found) != 0)
        return 0;
    lua_pushinteger(L, found.st_mode & 0777);
    return 1;
}

static const luaL_Reg server_functions[] = {
    {"check_deadlines", l_check_deadlines},
    {"close", l_close},
    {"connection_count", l_connection_count},
    {"intake", l_intake},
    {"name", l_name},
    {"open_count", l_open_count},
    {"quiesce", l_quiesce},
    {"turn", l_turn},
    {"__gc", l_close},
    {NULL, NULL},
};

static const luaL_Reg functions[] = {
    {"clock_advance", l_clock_advance},
    {"clock_fake", l_clock_fake},
    {"clock_real", l_clock_real},
    {"listen", l_listen},
    {"mode", l_mode},
    {"open", l_open},
    {NULL, NULL},
};

int luaopen_anzol_test_http(lua_State *L);
int luaopen_anzol_test_http(lua_State *L)
{
    test_class(L, "anzol_test.server", server_functions);
    luaL_newlib(L, functions);
    test_add_requests(L);
    test_add_clients(L);
    test_add_checks(L);
    return 1;
}
