/* SPDX-License-Identifier: MIT */
/* The sender as a spec sees it. The spec's thread. */
#include "process_sender_int.h"

#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <unistd.h>

#define SENDER_META "anzol_test.sender"
#define REQUEST_BYTES_MAX (8u * 1024 * 1024)
#define ANSWER_BYTES_MAX 65536u
#define BODY_BYTES_DEFAULT 1024

static struct sender *check_sender(lua_State *L)
{
    struct sender **place = luaL_checkudata(L, 1, SENDER_META);
    if (!*place)
        luaL_error(L, "the sender is gone");
    return *place;
}

static void read_text(lua_State *L, const char *name, const char *fallback, char *out)
{
    lua_getfield(L, 1, name);
    const char *text = luaL_optstring(L, -1, fallback);
    if (strlen(text) >= SENDER_TEXT_BYTES)
        luaL_error(L, "%s is too long", name);
    (void)snprintf(out, SENDER_TEXT_BYTES, "%s", text);
    lua_pop(L, 1);
}

static void read_options(lua_State *L, struct sender_options *options)
{
    options->port = (int)process_integer(L, 1, "port", 0);
    options->connections = (int)process_integer(L, 1, "connections", 8);
    options->seed = process_integer(L, 1, "seed", 1);
    options->body_bytes_max = process_integer(L, 1, "body_bytes_max", BODY_BYTES_DEFAULT);
    options->pause_us = process_integer(L, 1, "pause_us", 0);
    options->post_count_max = process_integer(L, 1, "post_count_max", 0);
    options->repeat_percent = (int)process_integer(L, 1, "repeat_percent", 0);
    options->forge_percent = (int)process_integer(L, 1, "forge_percent", 0);
    read_text(L, "path", "/in/github", options->path);
    read_text(L, "secret", "", options->secret);
    read_text(L, "event", "push", options->event);
    read_text(L, "prefix", "key", options->prefix);
    luaL_argcheck(L, options->connections > 0 && options->connections <= SENDER_CONNECTIONS_MAX, 1,
                  "connections");
    luaL_argcheck(L, options->body_bytes_max > 0 && options->body_bytes_max < REQUEST_BYTES_MAX / 2,
                  1, "body_bytes_max");
}

static void start_line(struct sender *sender, int index)
{
    struct line *line = &sender->lines[index];
    line->sender = sender;
    line->index = index;
    line->fd = -1;
    line->random = (uint64_t)sender->options.seed * 31 + (uint64_t)index;
    buf_init(&line->request, REQUEST_BYTES_MAX);
    buf_init(&line->body, REQUEST_BYTES_MAX);
    buf_init(&line->answer, ANSWER_BYTES_MAX);
    check(pthread_mutex_init(&line->fd_mutex, NULL) == 0);
    check(pthread_create(&line->thread, NULL, sender_run, line) == 0);
}

/* sender{ port, ledger, secret, … } -> sender, posting already. */
static int l_sender(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    struct sender_options options = {0};
    read_options(L, &options);
    lua_getfield(L, 1, "ledger");
    const char *ledger = luaL_checkstring(L, -1);
    struct sender **place = lua_newuserdatauv(L, sizeof *place, 0);
    *place = NULL;
    luaL_setmetatable(L, SENDER_META);
    const int fd = open(ledger, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
    if (fd < 0)
        return luaL_error(L, "%s: %s", ledger, strerror(errno));
    struct sender *sender = calloc(1, sizeof *sender);
    check(sender);
    sender->options = options;
    sender->ledger_fd = fd;
    atomic_store(&sender->port, options.port);
    atomic_store(&sender->running, options.connections);
    check(pthread_mutex_init(&sender->mutex, NULL) == 0);
    for (int i = 0; i < options.connections; i++)
        start_line(sender, i);
    *place = sender;
    return 1;
}

static int l_set_port(lua_State *L)
{
    atomic_store(&check_sender(L)->port, (int)luaL_checkinteger(L, 2));
    return 0;
}

/* sender:is_over() -> true when post_count_max is reached on every connection. */
static int l_is_over(lua_State *L)
{
    lua_pushboolean(L, atomic_load(&check_sender(L)->running) == 0);
    return 1;
}

static int compare(const void *a, const void *b)
{
    const uint32_t x = *(const uint32_t *)a;
    const uint32_t y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

static void set_ms(lua_State *L, const struct samples *samples, const char *name, unsigned permille)
{
    size_t rank = samples->count * permille / 1000;
    if (rank >= samples->count)
        rank = samples->count ? samples->count - 1 : 0;
    lua_pushnumber(L, samples->count ? (lua_Number)samples->us[rank] / 1000 : 0);
    lua_setfield(L, -2, name);
}

/* Under the mutex; sorts in place, which no one minds. */
static void set_samples(lua_State *L, struct samples *samples, const char *name)
{
    if (samples->count > 0)
        qsort(samples->us, samples->count, sizeof *samples->us, compare);
    lua_newtable(L);
    set_ms(L, samples, "p50", 500);
    set_ms(L, samples, "p99", 990);
    set_ms(L, samples, "max", 1000);
    lua_pushinteger(L, (lua_Integer)samples->count);
    lua_setfield(L, -2, "count");
    lua_setfield(L, -2, name);
}

static void set_count(lua_State *L, const char *name, uint64_t count)
{
    lua_pushinteger(L, (lua_Integer)count);
    lua_setfield(L, -2, name);
}

/* sender:counts() -> { acknowledged, repeated, forged, refused, lost, unexpected, … } */
static int l_counts(lua_State *L)
{
    struct sender *sender = check_sender(L);
    lua_newtable(L);
    (void)pthread_mutex_lock(&sender->mutex);
    set_count(L, "acknowledged", sender->counts.acknowledged);
    set_count(L, "repeated", sender->counts.repeated);
    set_count(L, "forged", sender->counts.forged);
    set_count(L, "refused", sender->counts.refused);
    set_count(L, "lost", sender->counts.lost);
    set_count(L, "unexpected", sender->counts.unexpected);
    lua_pushstring(L, sender->counts.first_unexpected);
    lua_setfield(L, -2, "first_unexpected");
    set_samples(L, &sender->accepted, "accepted_ms");
    set_samples(L, &sender->refused, "refused_ms");
    (void)pthread_mutex_unlock(&sender->mutex);
    return 1;
}

static void stop_line(struct line *line)
{
    (void)pthread_mutex_lock(&line->fd_mutex);
    if (line->fd >= 0)
        (void)shutdown(line->fd, SHUT_RDWR);
    (void)pthread_mutex_unlock(&line->fd_mutex);
    check(pthread_join(line->thread, NULL) == 0);
    (void)pthread_mutex_destroy(&line->fd_mutex);
    buf_finish(&line->request);
    buf_finish(&line->body);
    buf_finish(&line->answer);
    free(line->ids);
}

static void finish(struct sender *sender)
{
    atomic_store(&sender->is_stopping, true);
    for (int i = 0; i < sender->options.connections; i++)
        stop_line(&sender->lines[i]);
    (void)close(sender->ledger_fd);
    sender->ledger_fd = -1;
}

/* sender:stop() -> the last counts. What is under way stays unanswered. */
static int l_stop(lua_State *L)
{
    struct sender **place = luaL_checkudata(L, 1, SENDER_META);
    struct sender *sender = *place;
    if (!sender)
        return 0;
    if (sender->ledger_fd >= 0)
        finish(sender);
    const int results = l_counts(L);
    *place = NULL;
    free(sender->accepted.us);
    free(sender->refused.us);
    (void)pthread_mutex_destroy(&sender->mutex);
    free(sender);
    return results;
}

static const luaL_Reg sender_methods[] = {
    {"counts", l_counts}, {"is_over", l_is_over}, {"set_port", l_set_port},
    {"stop", l_stop},     {NULL, NULL},
};

void process_add_sender(lua_State *L)
{
    if (luaL_newmetatable(L, SENDER_META)) {
        lua_pushcfunction(L, l_stop);
        lua_setfield(L, -2, "__gc");
        luaL_newlib(L, sender_methods);
        lua_setfield(L, -2, "__index");
    }
    lua_pop(L, 1);
    lua_pushcfunction(L, l_sender);
    lua_setfield(L, -2, "sender");
}
