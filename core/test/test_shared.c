/* SPDX-License-Identifier: MIT */
/* anzol_test.shared: the table that all workers share, by itself and with several threads at it. */
#include "shared/shared.h"

#include "base/clock.h"

#include <lauxlib.h>
#include <lua.h>
#include <pthread.h>
#include <stdlib.h>

#define SHARED "anzol_test.table"
#define THREADS_MAX 16

int luaopen_anzol_test_shared(lua_State *L);

static struct shared *check_shared(lua_State *L)
{
    return *(struct shared **)luaL_checkudata(L, 1, SHARED);
}

static struct slice check_slice(lua_State *L, int index)
{
    struct slice text;
    text.data = luaL_checklstring(L, index, &text.len);
    return text;
}

/* ---- Cache ---- */

/* get(ns, key) -> value | nil */
static int l_get(lua_State *L)
{
    struct buf text;
    struct cache_value value;
    buf_init(&text, 1 << 20);
    const enum status status =
        cache_get(check_shared(L), check_slice(L, 2), check_slice(L, 3), &value, &text);
    if (status != OK)
        lua_pushnil(L);
    else if (value.is_number && value.number.is_real)
        lua_pushnumber(L, value.number.real);
    else if (value.is_number)
        lua_pushinteger(L, value.number.whole);
    else
        lua_pushlstring(L, value.bytes.data, value.bytes.len);
    buf_finish(&text);
    return 1;
}

/* set(ns, key, text, ttl_ms?, only_new?) -> status */
static int l_set(lua_State *L)
{
    const struct cache_value value = {.bytes = check_slice(L, 4)};
    lua_pushstring(L,
                   status_name(cache_set(check_shared(L), check_slice(L, 2), check_slice(L, 3),
                                         &value, luaL_optinteger(L, 5, 0), lua_toboolean(L, 6))));
    return 1;
}

/* incr(ns, key, delta) -> status, sum? */
static int l_incr(lua_State *L)
{
    struct cache_number sum = {0};
    const struct cache_number delta = {
        .is_real = !lua_isinteger(L, 4), .whole = lua_tointeger(L, 4), .real = lua_tonumber(L, 4)};
    const enum status status =
        cache_incr(check_shared(L), check_slice(L, 2), check_slice(L, 3), &delta, 0, &sum);
    lua_pushstring(L, status_name(status));
    if (sum.is_real)
        lua_pushnumber(L, sum.real);
    else
        lua_pushinteger(L, sum.whole);
    return 2;
}

static int l_delete(lua_State *L)
{
    lua_pushboolean(L, cache_delete(check_shared(L), check_slice(L, 2), check_slice(L, 3)));
    return 1;
}

static int l_bytes(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)shared_bytes(check_shared(L)));
    return 1;
}

/* ---- Limiter, breaker ---- */

/* take(name, per_s, burst, count, wait_max_ms) -> taken, wait_ms */
static int l_take(lua_State *L)
{
    const struct limiter_rate rate = {luaL_checknumber(L, 3), luaL_checknumber(L, 4)};
    int64_t wait_ms;
    lua_pushboolean(L, limiter_take(check_shared(L), check_slice(L, 2), &rate,
                                    luaL_checknumber(L, 5), luaL_optinteger(L, 6, 0), &wait_ms));
    lua_pushinteger(L, wait_ms);
    return 2;
}

static struct breaker_policy check_policy(lua_State *L)
{
    return (struct breaker_policy){(uint32_t)luaL_checkinteger(L, 3), luaL_checkinteger(L, 4),
                                   luaL_checkinteger(L, 5), (uint32_t)luaL_checkinteger(L, 6)};
}

/* enter(name, failures, window_ms, cooldown_ms, half_open) -> may go, wait_ms */
static int l_enter(lua_State *L)
{
    const struct breaker_policy policy = check_policy(L);
    int64_t wait_ms;
    lua_pushboolean(L, breaker_enter(check_shared(L), check_slice(L, 2), &policy, &wait_ms));
    lua_pushinteger(L, wait_ms);
    return 2;
}

/* leave(name, failures, window_ms, cooldown_ms, half_open, is_failure) -> opened just now */
static int l_leave(lua_State *L)
{
    const struct breaker_policy policy = check_policy(L);
    lua_pushboolean(
        L, breaker_leave(check_shared(L), check_slice(L, 2), &policy, lua_toboolean(L, 7)));
    return 1;
}

/* ---- Several threads ---- */

struct hammer {
    struct shared *shared;
    unsigned number;
    lua_Integer rounds;
    uint64_t taken;
};

static void *hammer(void *ctx)
{
    struct hammer *it = ctx;
    const struct slice ns = slice_str("hammer");
    const struct limiter_rate rate = {1e-6, 1000};
    const struct breaker_policy policy = {100, 1000, 1000, 1};
    const struct cache_number one = {.whole = 1};
    struct cache_number sum;
    struct buf text;
    int64_t wait_ms;
    buf_init(&text, 4096);
    for (lua_Integer i = 0; i < it->rounds; i++) {
        char key[32];
        struct cache_value value = {.bytes = slice_str("a value of some length")};
        (void)snprintf(key, sizeof key, "key %lld", (long long)(i % 97));
        (void)!cache_set(it->shared, ns, slice_str(key), &value, 1000, i % 2 == 0);
        (void)!cache_get(it->shared, ns, slice_str(key), &value, &text);
        (void)cache_delete(it->shared, ns, slice_str(key));
        (void)!cache_incr(it->shared, ns, slice_str("sum"), &one, 0, &sum);
        it->taken += limiter_take(it->shared, ns, &rate, 1, 0, &wait_ms);
        if (breaker_enter(it->shared, ns, &policy, &wait_ms))
            (void)breaker_leave(it->shared, ns, &policy, i % 7 == 0);
        (void)!metric_open(it->shared, METRIC_OF_SCRIPTS,
                           &(struct metric_options){.name = ns, .kind = METRIC_COUNTER});
        (void)!metric_update(it->shared, METRIC_OF_SCRIPTS, ns, slice_str("a=\"b\""), 1, false);
    }
    buf_finish(&text);
    return NULL;
}

/* hammer(threads, rounds) -> tokens taken by all */
static int l_hammer(lua_State *L)
{
    struct hammer threads[THREADS_MAX];
    pthread_t ids[THREADS_MAX];
    const lua_Integer count = luaL_checkinteger(L, 2);
    uint64_t taken = 0;
    luaL_argcheck(L, count > 0 && count <= THREADS_MAX, 2, "too many threads");
    for (lua_Integer i = 0; i < count; i++) {
        threads[i] = (struct hammer){
            .shared = check_shared(L), .number = (unsigned)i, .rounds = luaL_checkinteger(L, 3)};
        check(pthread_create(&ids[i], NULL, hammer, &threads[i]) == 0);
    }
    for (lua_Integer i = 0; i < count; i++) {
        check(pthread_join(ids[i], NULL) == 0);
        taken += threads[i].taken;
    }
    lua_pushinteger(L, (lua_Integer)taken);
    return 1;
}

/* count(name, label, value): one more, of the core */
static int l_count(lua_State *L)
{
    metric_count(check_shared(L), luaL_checkstring(L, 2), luaL_checkstring(L, 3),
                 luaL_checkstring(L, 4));
    return 0;
}

/* metrics(is_of_core?) -> text */
static int l_metrics(lua_State *L)
{
    const enum metric_owner owner = lua_toboolean(L, 2) ? METRIC_OF_CORE : METRIC_OF_SCRIPTS;
    struct buf out;
    buf_init(&out, 1 << 20);
    check(metric_write(check_shared(L), owner, "p_", &out) == OK);
    lua_pushlstring(L, buf_slice(&out).data, out.len);
    buf_finish(&out);
    return 1;
}

/* cost(what, count) -> ns an operation */
static int l_cost(lua_State *L)
{
    static const char *const whats[] = {"get", "set", "take", NULL};
    const int what = luaL_checkoption(L, 2, NULL, whats);
    const lua_Integer count = luaL_checkinteger(L, 3);
    struct shared *shared = check_shared(L);
    const struct limiter_rate rate = {1e6, 1e6};
    struct cache_value value = {.bytes = slice_str("sixteen bytes ok")};
    struct buf text;
    int64_t wait_ms;
    buf_init(&text, 4096);
    const int64_t from_ns = clock_thread_cpu_ns();
    for (lua_Integer i = 0; i < count; i++)
        if (what == 0)
            (void)!cache_get(shared, slice_str("cost"), slice_str("a key"), &value, &text);
        else if (what == 1)
            (void)!cache_set(shared, slice_str("cost"), slice_str("a key"), &value, 0, false);
        else
            (void)limiter_take(shared, slice_str("cost"), &rate, 1, 0, &wait_ms);
    const int64_t spent_ns = clock_thread_cpu_ns() - from_ns;
    buf_finish(&text);
    lua_pushnumber(L, (lua_Number)spent_ns / (lua_Number)count);
    return 1;
}

static int l_gc(lua_State *L)
{
    struct shared **shared = luaL_checkudata(L, 1, SHARED);
    shared_destroy(*shared);
    *shared = NULL;
    return 0;
}

/* new(bytes_max) */
static int l_new(lua_State *L)
{
    const lua_Integer bytes_max = luaL_checkinteger(L, 1);
    struct shared **shared = lua_newuserdatauv(L, sizeof(struct shared *), 0);
    *shared = shared_create((size_t)bytes_max);
    luaL_setmetatable(L, SHARED);
    return 1;
}

/* clock(ms): both stand still there, or, without ms, go on. */
static int l_clock(lua_State *L)
{
    if (lua_isnoneornil(L, 1))
        clock_real();
    else
        clock_fake(luaL_checkinteger(L, 1), luaL_checkinteger(L, 1));
    return 0;
}

static const luaL_Reg methods[] = {
    {"bytes", l_bytes}, {"cost", l_cost},       {"delete", l_delete}, {"enter", l_enter},
    {"get", l_get},     {"hammer", l_hammer},   {"incr", l_incr},     {"leave", l_leave},
    {"set", l_set},     {"metrics", l_metrics}, {"count", l_count},   {"take", l_take},
    {NULL, NULL},
};
static const luaL_Reg functions[] = {{"clock", l_clock}, {"new", l_new}, {NULL, NULL}};

int luaopen_anzol_test_shared(lua_State *L)
{
    luaL_newmetatable(L, SHARED);
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, l_gc);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
    luaL_newlib(L, functions);
    return 1;
}
