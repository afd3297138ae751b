/* SPDX-License-Identifier: MIT */
/* Name look-ups with made-up answers: getaddrinfo of this module alone, so that core/send/lookup.c
 * finds it. Names are set by the spec; all others do not exist. Any thread. */
#include "send_rig_int.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

#define NAMES_MAX 64
#define NAME_BYTES 256
#define ADDRESSES_MAX 1024
#define HIDDEN __attribute__((visibility("hidden")))

struct name {
    char host[NAME_BYTES];
    int code; /* of getaddrinfo */
    long delay_ms;
    size_t address_count;
    struct sockaddr_storage addresses[ADDRESSES_MAX];
};

static pthread_mutex_t mutex = PTHREAD_MUTEX_INITIALIZER;
static struct name *names[NAMES_MAX];
static size_t name_count;
static atomic_long calls;
static atomic_long running;
static atomic_long running_most;

HIDDEN int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                       struct addrinfo **result);
HIDDEN void freeaddrinfo(struct addrinfo *list);

static void free_names(void)
{
    for (size_t i = 0; i < name_count; i++)
        free(names[i]);
    name_count = 0;
}

static bool find(const char *host, struct name *copy)
{
    bool is_found = false;
    check(pthread_mutex_lock(&mutex) == 0);
    for (size_t i = 0; i < name_count && !is_found; i++)
        if (strcmp(names[i]->host, host) == 0) {
            *copy = *names[i];
            is_found = true;
        }
    check(pthread_mutex_unlock(&mutex) == 0);
    return is_found;
}

static struct addrinfo *make_info(const struct sockaddr_storage *address)
{
    struct addrinfo *info = calloc(1, sizeof *info + sizeof *address);
    check(info != NULL);
    info->ai_family = address->ss_family;
    info->ai_socktype = SOCK_STREAM;
    info->ai_addr = (struct sockaddr *)(void *)(info + 1);
    info->ai_addrlen =
        address->ss_family == AF_INET ? sizeof(struct sockaddr_in) : sizeof(struct sockaddr_in6);
    memcpy(info->ai_addr, address, sizeof *address);
    return info;
}

static int answer(const struct name *name, struct addrinfo **result)
{
    struct addrinfo **place = result;
    const struct timespec delay = {name->delay_ms / 1000, name->delay_ms % 1000 * 1000000};
    (void)nanosleep(&delay, NULL);
    if (name->code != 0)
        return name->code;
    for (size_t i = 0; i < name->address_count; i++) {
        *place = make_info(&name->addresses[i]);
        place = &(*place)->ai_next;
    }
    return 0;
}

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                struct addrinfo **result)
{
    (void)service;
    (void)hints;
    struct name *name = must_alloc(sizeof *name);
    const long now = atomic_fetch_add(&running, 1) + 1;
    atomic_fetch_add(&calls, 1);
    if (now > atomic_load(&running_most))
        atomic_store(&running_most, now);
    *result = NULL;
    const int code = find(node, name) ? answer(name, result) : EAI_NONAME;
    atomic_fetch_sub(&running, 1);
    free(name);
    return code;
}

void freeaddrinfo(struct addrinfo *list)
{
    while (list) {
        struct addrinfo *next = list->ai_next;
        free(list);
        list = next;
    }
}

/* ---- For Lua -----------------------------------------------------------------------------------
 */

static void read_address(lua_State *L, struct sockaddr_storage *address)
{
    const char *text = luaL_checkstring(L, -1);
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    if (inet_pton(AF_INET, text, &in.sin_addr) == 1) {
        memcpy(address, &in, sizeof in);
    } else {
        check(inet_pton(AF_INET6, text, &in6.sin6_addr) == 1);
        memcpy(address, &in6, sizeof in6);
    }
}

/* The list at the top of the stack: addresses, delay_ms=, error="none"|"again"|"fail". */
static void read_name(lua_State *L, struct name *name)
{
    lua_getfield(L, -1, "delay_ms");
    name->delay_ms = (long)luaL_optinteger(L, -1, 0);
    lua_getfield(L, -2, "error");
    const char *error = luaL_optstring(L, -1, "");
    name->code = strcmp(error, "none") == 0    ? EAI_NONAME
                 : strcmp(error, "again") == 0 ? EAI_AGAIN
                 : strcmp(error, "fail") == 0  ? EAI_FAIL
                                               : 0;
    lua_pop(L, 2);
    const lua_Integer count = luaL_len(L, -1);
    check(count <= ADDRESSES_MAX);
    for (lua_Integer i = 1; i <= count; i++) {
        lua_geti(L, -1, i);
        read_address(L, &name->addresses[name->address_count++]);
        lua_pop(L, 1);
    }
}

/* names{host = {address…, delay_ms=, error=}}: from now on these exist, and no others. */
static int l_names(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    check(pthread_mutex_lock(&mutex) == 0);
    free_names();
    atomic_store(&calls, 0);
    atomic_store(&running_most, 0);
    lua_pushnil(L);
    while (lua_next(L, 1)) {
        check(name_count < NAMES_MAX);
        struct name *name = calloc(1, sizeof *name);
        check(name != NULL);
        (void)snprintf(name->host, sizeof name->host, "%s", lua_tostring(L, -2));
        read_name(L, name);
        names[name_count++] = name;
        lua_pop(L, 1);
    }
    check(pthread_mutex_unlock(&mutex) == 0);
    return 0;
}

/* lookups() -> calls since names(), running now, most at once */
static int l_lookups(lua_State *L)
{
    lua_pushinteger(L, atomic_load(&calls));
    lua_pushinteger(L, atomic_load(&running));
    lua_pushinteger(L, atomic_load(&running_most));
    return 3;
}

const luaL_Reg send_resolver_functions[] = {
    {"lookups", l_lookups}, {"names", l_names}, {NULL, NULL}};
