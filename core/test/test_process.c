/* SPDX-License-Identifier: MIT */
/* anzol_test.process: processes, clocks, a sender with a ledger and a receiver that records, for
 * the system specs. */
#include "process_int.h"
#include "signature/signature.h"

#include <errno.h>
#include <fcntl.h>
#include <lauxlib.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define PORT_LEAST 12000 /* below the system's ephemeral range, so that no client meets itself */
#define PORT_COUNT 16000
#define PORT_TRIES 1000

uint64_t process_hash(struct slice bytes)
{
    uint64_t hash = UINT64_C(14695981039346656037);
    for (size_t i = 0; i < bytes.len; i++)
        hash = (hash ^ (unsigned char)bytes.data[i]) * UINT64_C(1099511628211);
    return hash;
}

void process_hash_text(uint64_t hash, char text[PROCESS_HASH_TEXT_BYTES])
{
    (void)snprintf(text, PROCESS_HASH_TEXT_BYTES, "%016llx", (unsigned long long)hash);
}

int64_t process_mono_us(void)
{
    struct timespec now;
    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

lua_Integer process_integer(lua_State *L, int index, const char *name, lua_Integer fallback)
{
    lua_getfield(L, index, name);
    const lua_Integer value = lua_isnil(L, -1) ? fallback : luaL_checkinteger(L, -1);
    lua_pop(L, 1);
    return value;
}

static int l_sleep_ms(lua_State *L)
{
    const lua_Number ms = luaL_checknumber(L, 1);
    const int64_t ns = (int64_t)(ms * 1e6);
    struct timespec rest = {.tv_sec = ns / 1000000000, .tv_nsec = ns % 1000000000};
    while (nanosleep(&rest, &rest) != 0 && errno == EINTR)
        continue;
    return 0;
}

/* Milliseconds with a fraction. */
static int l_mono_ms(lua_State *L)
{
    lua_pushnumber(L, (lua_Number)process_mono_us() / 1000);
    return 1;
}

static int l_hash(lua_State *L)
{
    size_t len = 0;
    const char *data = luaL_checklstring(L, 1, &len);
    char text[PROCESS_HASH_TEXT_BYTES];
    process_hash_text(process_hash(slice_of(data, len)), text);
    lua_pushstring(L, text);
    return 1;
}

/* (key, data) -> raw digest */
static int l_hmac_sha256(lua_State *L)
{
    size_t key_len = 0;
    size_t len = 0;
    const char *key = luaL_checklstring(L, 1, &key_len);
    const char *data = luaL_checklstring(L, 2, &len);
    const struct slice part = slice_of(data, len);
    unsigned char digest[DIGEST_BYTES_MAX];
    const size_t bytes = hmac(DIGEST_SHA256, slice_of(key, key_len), &part, 1, digest);
    lua_pushlstring(L, (const char *)digest, bytes);
    return 1;
}

static int l_temp_dir(lua_State *L)
{
    char path[] = "/tmp/anzol-spec-XXXXXX";
    if (!mkdtemp(path))
        return luaL_error(L, "no temporary folder: %s", strerror(errno));
    lua_pushstring(L, path);
    return 1;
}

static bool is_free(uint16_t port)
{
    const int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return false;
    const struct sockaddr_in address = {
        .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    const bool free_now = bind(fd, (const struct sockaddr *)&address, sizeof address) == 0;
    (void)close(fd);
    return free_now;
}

/* A port that a server can take again after each kill: one of the ephemeral range may meanwhile
 * belong to a client that tries to connect to it (and so meets itself). */
static int l_free_port(lua_State *L)
{
    unsigned seed = (unsigned)process_mono_us() ^ (unsigned)getpid();
    for (unsigned i = 0; i < PORT_TRIES; i++) {
        seed = seed * 1103515245u + 12345u;
        const uint16_t port = (uint16_t)(PORT_LEAST + (seed >> 8) % PORT_COUNT);
        if (is_free(port)) {
            lua_pushinteger(L, port);
            return 1;
        }
    }
    return luaL_error(L, "no free port");
}

/* ---- A few numbers in a file that another process maps too (the preload shim) ------------------
 */

#define SHARED_META "anzol_test.shared"

struct shared {
    volatile int32_t *words;
    size_t count;
};

static int l_shared(lua_State *L)
{
    const char *path = luaL_checkstring(L, 1);
    const lua_Integer count = luaL_checkinteger(L, 2);
    luaL_argcheck(L, count > 0 && count <= 1024, 2, "1 to 1024 words");
    struct shared *shared = lua_newuserdatauv(L, sizeof *shared, 0);
    *shared = (struct shared){.count = (size_t)count};
    luaL_setmetatable(L, SHARED_META);
    const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    const off_t bytes = (off_t)(shared->count * sizeof(int32_t));
    if (fd < 0 || ftruncate(fd, bytes) != 0)
        return luaL_error(L, "%s: %s", path, strerror(errno));
    void *map = mmap(NULL, (size_t)bytes, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    (void)close(fd);
    if (map == MAP_FAILED)
        return luaL_error(L, "%s: %s", path, strerror(errno));
    shared->words = map;
    return 1;
}

static volatile int32_t *check_word(lua_State *L)
{
    struct shared *shared = luaL_checkudata(L, 1, SHARED_META);
    const lua_Integer index = luaL_checkinteger(L, 2);
    luaL_argcheck(L, index >= 0 && (size_t)index < shared->count, 2, "no such word");
    return &shared->words[index];
}

static int l_shared_get(lua_State *L)
{
    lua_pushinteger(L, *check_word(L));
    return 1;
}

static int l_shared_set(lua_State *L)
{
    *check_word(L) = (int32_t)luaL_checkinteger(L, 3);
    return 0;
}

static int l_shared_gc(lua_State *L)
{
    struct shared *shared = luaL_checkudata(L, 1, SHARED_META);
    if (shared->words)
        (void)munmap((void *)shared->words, shared->count * sizeof(int32_t));
    shared->words = NULL;
    return 0;
}

static const luaL_Reg shared_methods[] = {
    {"get", l_shared_get},
    {"set", l_shared_set},
    {NULL, NULL},
};

static const luaL_Reg functions[] = {
    {"free_port", l_free_port}, {"hash", l_hash},     {"hmac_sha256", l_hmac_sha256},
    {"mono_ms", l_mono_ms},     {"shared", l_shared}, {"sleep_ms", l_sleep_ms},
    {"temp_dir", l_temp_dir},   {NULL, NULL},
};

int luaopen_anzol_test_process(lua_State *L);

int luaopen_anzol_test_process(lua_State *L)
{
    if (luaL_newmetatable(L, SHARED_META)) {
        lua_pushcfunction(L, l_shared_gc);
        lua_setfield(L, -2, "__gc");
        luaL_newlib(L, shared_methods);
        lua_setfield(L, -2, "__index");
    }
    lua_pop(L, 1);
    luaL_newlib(L, functions);
    process_add_child(L);
    process_add_receiver(L);
    process_add_sender(L);
    return 1;
}
