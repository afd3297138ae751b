/* SPDX-License-Identifier: MIT */
/* The receiver as a spec sees it. The spec's thread; the receiver's own is behind the mutex. */
#include "process_receiver_int.h"

#include <lauxlib.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define RECEIVER_META "anzol_test.receiver"

static struct receiver *check_receiver(lua_State *L)
{
    struct receiver **place = luaL_checkudata(L, 1, RECEIVER_META);
    if (!*place)
        luaL_error(L, "the receiver is stopped");
    return *place;
}

void rule_finish(struct rule *rule)
{
    for (size_t i = 0; i < rule->count; i++) {
        free(rule->answers[i].headers);
        free(rule->answers[i].body);
        free(rule->answers[i].raw);
    }
    free(rule->answers);
    *rule = (struct rule){0};
}

static bool open_socket(struct receiver *receiver)
{
    receiver->listen_fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    socklen_t len = sizeof address;
    if (receiver->listen_fd < 0 ||
        bind(receiver->listen_fd, (struct sockaddr *)&address, sizeof address) != 0 ||
        listen(receiver->listen_fd, SOMAXCONN) != 0 ||
        getsockname(receiver->listen_fd, (struct sockaddr *)&address, &len) != 0)
        return false;
    receiver->port = ntohs(address.sin_port);
    receiver->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    return receiver->wake_fd >= 0;
}

/* receiver() -> receiver, on a free port of 127.0.0.1, answering 200 to everything. */
static int l_receiver(lua_State *L)
{
    struct receiver **place = lua_newuserdatauv(L, sizeof *place, 0);
    *place = NULL;
    luaL_setmetatable(L, RECEIVER_META);
    struct receiver *receiver = calloc(1, sizeof *receiver);
    check(receiver);
    check(open_socket(receiver));
    check(pthread_mutex_init(&receiver->mutex, NULL) == 0);
    pthread_condattr_t monotonic;
    check(pthread_condattr_init(&monotonic) == 0);
    check(pthread_condattr_setclock(&monotonic, CLOCK_MONOTONIC) == 0);
    check(pthread_cond_init(&receiver->grown, &monotonic) == 0);
    (void)pthread_condattr_destroy(&monotonic);
    check(pthread_create(&receiver->thread, NULL, receiver_run, receiver) == 0);
    *place = receiver;
    return 1;
}

static char *copy_field(lua_State *L, const char *name, size_t *len)
{
    size_t bytes = 0;
    lua_getfield(L, -1, name);
    const char *text = luaL_optlstring(L, -1, NULL, &bytes);
    char *made = NULL;
    if (text) {
        made = must_alloc(bytes + 1);
        memcpy(made, text, bytes + 1);
    }
    lua_pop(L, 1);
    if (len)
        *len = bytes;
    return made;
}

/* [-0, +0]: from the table on top. */
static void read_answer(lua_State *L, struct answer *answer)
{
    answer->status = (int)process_integer(L, -1, "status", 200);
    answer->delay_ms = process_integer(L, -1, "delay_ms", 0);
    answer->kill = (pid_t)process_integer(L, -1, "kill", 0);
    answer->headers = copy_field(L, "headers", NULL);
    answer->body = copy_field(L, "body", NULL);
    answer->member = copy_field(L, "echoes_member", NULL);
    answer->raw = copy_field(L, "raw", &answer->raw_len);
    lua_getfield(L, -1, "reset");
    answer->is_reset = lua_toboolean(L, -1);
    lua_getfield(L, -2, "echoes");
    answer->echoes = lua_toboolean(L, -1) || answer->member;
    lua_pop(L, 2);
}

/* receiver:answer(path, { answer, … }): from now on; "*" is every path without a rule of its own.
 * A rule is never freed while the receiver lives: a waiting answer may point into it. */
static int l_answer(lua_State *L)
{
    struct receiver *receiver = check_receiver(L);
    const char *path = luaL_checkstring(L, 2);
    luaL_checktype(L, 3, LUA_TTABLE);
    const lua_Integer count = luaL_len(L, 3);
    luaL_argcheck(L, count > 0 && strlen(path) < RECEIVER_PATH_BYTES, 2, "a short path, answers");
    luaL_argcheck(L, receiver->rule_count < RECEIVER_RULES_MAX, 2, "too many rules");
    struct rule rule = {.count = (size_t)count};
    memcpy(rule.path, path, strlen(path) + 1);
    rule.answers = calloc(rule.count, sizeof *rule.answers);
    check(rule.answers);
    for (lua_Integer i = 1; i <= count; i++) {
        lua_rawgeti(L, 3, i);
        read_answer(L, &rule.answers[i - 1]);
        lua_pop(L, 1);
    }
    (void)pthread_mutex_lock(&receiver->mutex);
    for (size_t i = 0; i < receiver->rule_count; i++)
        if (strcmp(receiver->rules[i].path, path) == 0)
            receiver->rules[i].path[0] = 0;
    receiver->rules[receiver->rule_count++] = rule;
    (void)pthread_mutex_unlock(&receiver->mutex);
    return 0;
}

/* receiver:wait(n, ms) -> true when n requests were recorded since the start. */
static int l_wait(lua_State *L)
{
    struct receiver *receiver = check_receiver(L);
    const size_t wanted = (size_t)luaL_checkinteger(L, 2);
    const int64_t end_us = process_mono_us() + luaL_checkinteger(L, 3) * 1000;
    const struct timespec end = {.tv_sec = end_us / 1000000, .tv_nsec = end_us % 1000000 * 1000};
    (void)pthread_mutex_lock(&receiver->mutex);
    int failed = 0;
    while (receiver->total < wanted && failed == 0)
        failed = pthread_cond_timedwait(&receiver->grown, &receiver->mutex, &end);
    lua_pushboolean(L, receiver->total >= wanted);
    (void)pthread_mutex_unlock(&receiver->mutex);
    return 1;
}

static void push_record(lua_State *L, const struct record *record)
{
    lua_createtable(L, 0, 5);
    lua_pushlstring(L, record->head, record->head_len);
    lua_setfield(L, -2, "head");
    lua_pushlstring(L, record->body, record->body_len);
    lua_setfield(L, -2, "body");
    char hash[PROCESS_HASH_TEXT_BYTES];
    process_hash_text(record->hash, hash);
    lua_pushstring(L, hash);
    lua_setfield(L, -2, "hash");
    lua_pushnumber(L, (lua_Number)record->at_us / 1000);
    lua_setfield(L, -2, "at_ms");
    lua_pushinteger(L, record->connection);
    lua_setfield(L, -2, "connection");
}

/* receiver:take() -> what was recorded since the last take, in order. */
static int l_take(lua_State *L)
{
    struct receiver *receiver = check_receiver(L);
    (void)pthread_mutex_lock(&receiver->mutex);
    struct record *records = receiver->records;
    const size_t count = receiver->record_count;
    receiver->records = NULL;
    receiver->record_count = 0;
    receiver->record_capacity = 0;
    (void)pthread_mutex_unlock(&receiver->mutex);
    lua_createtable(L, (int)count, 0);
    for (size_t i = 0; i < count; i++) {
        push_record(L, &records[i]);
        record_finish(&records[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    free(records);
    return 1;
}

/* receiver:total() -> requests, connections since the start. */
static int l_total(lua_State *L)
{
    struct receiver *receiver = check_receiver(L);
    (void)pthread_mutex_lock(&receiver->mutex);
    const size_t total = receiver->total;
    const int connections = receiver->connection_count;
    (void)pthread_mutex_unlock(&receiver->mutex);
    lua_pushinteger(L, (lua_Integer)total);
    lua_pushinteger(L, connections);
    return 2;
}

static int l_port(lua_State *L)
{
    lua_pushinteger(L, check_receiver(L)->port);
    return 1;
}

static int l_stop(lua_State *L)
{
    struct receiver **place = luaL_checkudata(L, 1, RECEIVER_META);
    struct receiver *receiver = *place;
    if (!receiver)
        return 0;
    *place = NULL;
    atomic_store(&receiver->is_stopping, true);
    (void)eventfd_write(receiver->wake_fd, 1);
    check(pthread_join(receiver->thread, NULL) == 0);
    (void)close(receiver->listen_fd);
    (void)close(receiver->wake_fd);
    for (size_t i = 0; i < receiver->record_count; i++)
        record_finish(&receiver->records[i]);
    free(receiver->records);
    for (size_t i = 0; i < receiver->rule_count; i++)
        rule_finish(&receiver->rules[i]);
    (void)pthread_cond_destroy(&receiver->grown);
    (void)pthread_mutex_destroy(&receiver->mutex);
    free(receiver);
    return 0;
}

static const luaL_Reg receiver_methods[] = {
    {"answer", l_answer}, {"port", l_port}, {"stop", l_stop}, {"take", l_take},
    {"total", l_total},   {"wait", l_wait}, {NULL, NULL},
};

void process_add_receiver(lua_State *L)
{
    if (luaL_newmetatable(L, RECEIVER_META)) {
        lua_pushcfunction(L, l_stop);
        lua_setfield(L, -2, "__gc");
        luaL_newlib(L, receiver_methods);
        lua_setfield(L, -2, "__index");
    }
    lua_pop(L, 1);
    lua_pushcfunction(L, l_receiver);
    lua_setfield(L, -2, "receiver");
}
