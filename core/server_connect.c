/* SPDX-License-Identifier: MIT */
/* `anzol check --connect`: whether the endpoints of a project can be reached. Each one's name is
 * looked up and connected to as a delivery would, by the address guard, with TLS where its url says
 * so; no request is sent. The command line's one thread, on a loop of its own. */
#include "server.h"

#include "server_int.h"

#include "model/hops.h"
#include "script/fields.h"

#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>

#define DETAIL_BYTES sizeof(((struct err *)0)->text)
#define HOST_BYTES 256

struct connections;

struct connection {
    struct connections *all;
    const struct endpoint_spec *endpoint;
    struct exchange *exchange;
    bool is_skipped;
    char error[32]; /* "": it stands */
    char detail[DETAIL_BYTES];
    char host[HOST_BYTES];
    int64_t duration_ms;
};

struct connections {
    uv_loop_t loop;
    struct exchanges *exchanges;
    struct connection *rows;
    size_t count;
    size_t pending;
};

static void on_connected(const struct exchange_answer *answer, void *ctx)
{
    struct connection *row = ctx;
    (void)snprintf(row->error, sizeof row->error, "%s", answer->error);
    (void)snprintf(row->detail, sizeof row->detail, "%s", answer->detail);
    (void)snprintf(row->host, sizeof row->host, "%s", answer->host);
    row->duration_ms = answer->duration_ms;
    if (--row->all->pending == 0)
        uv_stop(&row->all->loop); /* nothing else may be there to wake it */
}

static void start(struct connection *row)
{
    const struct endpoint_spec *endpoint = row->endpoint;
    struct err err;
    row->is_skipped = endpoint->queue || strcmp(endpoint->url, URL_MISSING) == 0;
    if (row->is_skipped)
        return;
    const struct exchange_request request = {
        .url = endpoint->url,
        .method = slice_str("GET"),
        .head = slice_str(""),
        .body = slice_str(""),
        .timeout_ms = endpoint->timeouts.connect_ms,
        .allow_private = endpoint->allow_private,
        .tls = endpoint->tls,
        .proxy = endpoint->proxy,
        .connect_only = true,
    };
    if (exchanges_start(row->all->exchanges, &request, on_connected, row, &row->exchange, &err) ==
        OK) {
        row->all->pending++;
        return;
    }
    (void)snprintf(row->error, sizeof row->error, "protocol");
    (void)snprintf(row->detail, sizeof row->detail, "%s", err.text);
}

/* All at once; their number at a time is the exchanges' matter. */
static void connect_all(struct connections *all, const struct registry *registry,
                        const struct guard_rules *guard)
{
    check(uv_loop_init(&all->loop) == 0);
    all->exchanges = exchanges_create(&all->loop, HOPS_AGENT ANZOL_VERSION, guard);
    all->count = registry->endpoint_count;
    all->rows = must_alloc((all->count + 1) * sizeof *all->rows);
    for (size_t i = 0; i < all->count; i++) {
        all->rows[i] = (struct connection){.all = all, .endpoint = &registry->endpoints[i]};
        start(&all->rows[i]);
    }
    while (all->pending > 0)
        (void)uv_run(&all->loop, UV_RUN_DEFAULT);
    exchanges_destroy(all->exchanges);
    while (uv_loop_alive(&all->loop))
        (void)uv_run(&all->loop, UV_RUN_DEFAULT);
    check(uv_loop_close(&all->loop) == 0);
}

static void push_row(lua_State *L, const struct connection *row)
{
    lua_createtable(L, 0, 7);
    set_text(L, "name", row->endpoint->name);
    set_place(L, row->endpoint->script);
    set_text(L, "host", row->host);
    set_text(L, "detail", row->detail);
    set_integer(L, "duration_ms", row->duration_ms);
    if (row->error[0])
        set_text(L, "error", row->error);
    set_bool(L, "is_skipped", row->is_skipped);
}

static void push_rows(lua_State *L, const struct connections *all)
{
    lua_createtable(L, (int)all->count, 0);
    for (size_t i = 0; i < all->count; i++) {
        push_row(L, &all->rows[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
}

static enum status connect_project(lua_State *L, const struct config *config, bool allow_missing,
                                   struct err *err)
{
    struct generation *generation = NULL;
    const struct generation_options options = {
        .dir = config->dir,
        .scripts = (const char *const *)config->scripts,
        .worker_count = 1,
        .number = 1,
        .allow_missing_secrets = allow_missing,
    };
    const enum status status = generation_load(&options, &generation, NULL, err);
    if (status != OK)
        return status;
    struct guard_rules guard = {0};
    struct connections all = {0};
    server_read_guard(config, config->listen, config->admin_listen, &guard);
    connect_all(&all, generation_registry(generation), &guard);
    push_rows(L, &all);
    free(all.rows);
    generation_unref(generation);
    return OK;
}

int l_connect(lua_State *L)
{
    char *dir = (char *)(uintptr_t)luaL_checkstring(L, 1);
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_getfield(L, 2, "allow_missing_secrets");
    const bool allow_missing = lua_toboolean(L, -1);
    struct config config = {0};
    struct err err;
    enum status status = server_read_config(&config, 1, &dir, &err);
    if (status == OK)
        status = connect_project(L, &config, allow_missing, &err);
    config_finish(&config);
    if (status == OK)
        return 1;
    lua_pushnil(L);
    lua_pushstring(L, err.text);
    return 2;
}
