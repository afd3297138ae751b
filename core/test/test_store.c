/* SPDX-License-Identifier: MIT */
#include "store_lua.h"

#include "base/clock.h"
#include "base/log.h"

#include <fcntl.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <unistd.h>

/* A second copy of this module holds the engine with synchronous=OFF. */
#ifndef STORE_MODULE_OPEN
#define STORE_MODULE_OPEN luaopen_anzol_test_store
#endif

#define WAIT_MS 30000

const char *const delivery_state_names[] = {"pending", "retrying",  "in_flight", "succeeded",
                                            "dead",    "cancelled", NULL};
const char *const run_state_texts[] = {"pending", "retrying", "handled", "skipped", "dead", NULL};
const char *const attempt_error_texts[] = {
    "",         "timeout", "connect", "dns",   "tls",  "reset", "blocked_address",
    "protocol", "script",  "auth",    "lease", "nack", NULL};
const char *const lease_verb_names[] = {"give", "extend", "return", NULL};
const char *const endpoint_state_names[] = {"enabled", "disabled", "paused", NULL};

/* ---- Helpers --------------------------------------------------------------------------------- */

struct arena_block {
    struct arena_block *next;
    max_align_t bytes[];
};

void *arena_take(struct arena *arena, size_t size)
{
    struct arena_block *block = must_alloc(sizeof *block + size);
    block->next = arena->first;
    arena->first = block;
    return block->bytes;
}

char *arena_field(lua_State *L, struct arena *arena, int index, const char *name)
{
    size_t len = 0;
    lua_getfield(L, index, name);
    const char *text = lua_tolstring(L, -1, &len);
    char *copy = NULL;
    if (text) {
        copy = arena_take(arena, len + 1);
        memcpy(copy, text, len);
    }
    lua_pop(L, 1);
    return copy;
}

void arena_free(struct arena *arena)
{
    while (arena->first) {
        struct arena_block *next = arena->first->next;
        free(arena->first);
        arena->first = next;
    }
}

lua_Integer field_integer(lua_State *L, int index, const char *name, lua_Integer absent)
{
    lua_getfield(L, index, name);
    const lua_Integer value = lua_isnil(L, -1) ? absent : luaL_checkinteger(L, -1);
    lua_pop(L, 1);
    return value;
}

bool field_boolean(lua_State *L, int index, const char *name)
{
    lua_getfield(L, index, name);
    const bool value = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return value;
}

int field_option(lua_State *L, int index, const char *name, const char *const *names)
{
    lua_getfield(L, index, name);
    const char *text = luaL_checkstring(L, -1);
    int option = 0;
    while (names[option] && strcmp(names[option], text) != 0)
        option++;
    if (!names[option])
        luaL_error(L, "%s: unknown \"%s\"", name, text);
    lua_pop(L, 1);
    return option;
}

struct lua_store *check_store(lua_State *L)
{
    struct lua_store *it = luaL_checkudata(L, 1, STORE_METATABLE);
    luaL_argcheck(L, it->store != NULL, 1, "closed");
    return it;
}

static int fail(lua_State *L, enum status status, const struct err *err)
{
    lua_pushnil(L);
    lua_pushstring(L, status_name(status));
    lua_pushstring(L, err->text);
    return 3;
}

/* ---- Life cycle ------------------------------------------------------------------------------ */

static void on_fatal(const char *why, void *ctx)
{
    struct lua_store *it = ctx;
    (void)why;
    atomic_fetch_add(&it->fatal_count, 1);
}

static enum status open_store(struct lua_store *it, const struct store_options *options,
                              const struct sqlite_tuning *tuning, struct err *err)
{
    struct engine *engine = NULL;
    const enum status status = sqlite_engine_open(options, tuning, &engine, err);
    if (status != OK)
        return status;
    it->fault = store_fault_wrap(engine, &(struct fault_plan){0});
    return store_start(options, store_trace_wrap(it->fault), &it->store, err);
}

/* open{ path, vfs, readers, checkpoint_frames, run_keys, secrets_key } -> store | nil, status, text
 */
static int l_open(lua_State *L)
{
    struct arena arena = {0};
    const struct sqlite_tuning tuning = {
        .checkpoint_frames = (unsigned)field_integer(L, 1, "checkpoint_frames", 0),
        .run_keys = (unsigned)field_integer(L, 1, "run_keys", 0),
    };
    const unsigned readers = (unsigned)field_integer(L, 1, "readers", 2);
    struct lua_store *it = lua_newuserdatauv(L, sizeof *it, 0);
    *it = (struct lua_store){.L = L, .ring = seal_ring_create()};
    atomic_init(&it->fatal_count, 0);
    const struct store_options options = {
        .path = arena_field(L, &arena, 1, "path"),
        .vfs = arena_field(L, &arena, 1, "vfs"),
        .ring = it->ring,
        .reader_count = readers,
        .on_fatal = on_fatal,
        .ctx = it,
    };
    struct err err = {0};
    const char *keys = arena_field(L, &arena, 1, "secrets_key");
    enum status status = keys ? seal_ring_add(it->ring, slice_str(keys), &err) : OK;
    if (status == OK)
        status = open_store(it, &options, &tuning, &err);
    arena_free(&arena);
    if (status != OK) {
        seal_ring_destroy(it->ring);
        return fail(L, status, &err);
    }
    check(uv_loop_init(&it->loop) == 0);
    it->client = store_client_create(it->store, &it->loop);
    luaL_setmetatable(L, STORE_METATABLE);
    return 1;
}

static void run_until_idle(struct lua_store *it)
{
    while (it->pending > 0)
        (void)uv_run(&it->loop, UV_RUN_ONCE);
}

static int l_close(lua_State *L)
{
    struct lua_store *it = luaL_checkudata(L, 1, STORE_METATABLE);
    if (!it->store)
        return 0;
    run_until_idle(it);
    store_client_destroy(it->client);
    (void)uv_run(&it->loop, UV_RUN_DEFAULT);
    store_close(it->store);
    seal_ring_destroy(it->ring);
    check(uv_loop_close(&it->loop) == 0);
    it->store = NULL;
    return 0;
}

static void on_timeout(uv_timer_t *timer)
{
    *(bool *)timer->data = true;
}

/* Runs the loop until everything asked for is answered. */
static int l_wait(lua_State *L)
{
    struct lua_store *it = check_store(L);
    const lua_Integer limit_ms = luaL_optinteger(L, 2, WAIT_MS);
    bool is_late = false;
    uv_timer_t timer = {.data = &is_late};
    it->L = L;
    check(uv_timer_init(&it->loop, &timer) == 0);
    check(uv_timer_start(&timer, on_timeout, (uint64_t)limit_ms, 0) == 0);
    while (it->pending > 0 && !is_late)
        (void)uv_run(&it->loop, UV_RUN_ONCE);
    uv_close((uv_handle_t *)&timer, NULL);
    (void)uv_run(&it->loop, UV_RUN_NOWAIT);
    if (is_late && it->pending > 0)
        return luaL_error(L, "%d operations unanswered", (int)it->pending);
    return 0;
}

/* Handles what has come, waits for nothing. */
static int l_turn(lua_State *L)
{
    struct lua_store *it = check_store(L);
    it->L = L;
    (void)uv_run(&it->loop, UV_RUN_NOWAIT);
    lua_pushinteger(L, it->pending);
    return 1;
}

/* ---- Watches --------------------------------------------------------------------------------- */

struct lua_watch {
    struct store_watch watch;
    struct lua_store *store;
    int ref; /* of the table that gets is_told */
};

static void end_watch(struct lua_watch *it)
{
    luaL_unref(it->store->L, LUA_REGISTRYINDEX, it->ref);
    free(it);
}

static void on_stored(struct store_watch *watch)
{
    struct lua_watch *it = container_of(watch, struct lua_watch, watch);
    lua_State *L = it->store->L;
    lua_rawgeti(L, LUA_REGISTRYINDEX, it->ref);
    set_bool(L, "is_told", true);
    lua_pop(L, 1);
    end_watch(it);
}

/* watch(known) -> table that gets is_told when an event other than that is the last one. wait()
 * does not wait for it. */
static int l_watch(lua_State *L)
{
    struct lua_store *store = check_store(L);
    struct lua_watch *it = must_alloc(sizeof *it);
    it->store = store;
    it->watch.known = (uint64_t)luaL_checkinteger(L, 2);
    it->watch.on_stored = on_stored;
    lua_newtable(L);
    lua_pushlightuserdata(L, it);
    lua_setfield(L, -2, "watch");
    lua_pushvalue(L, -1);
    it->ref = luaL_ref(L, LUA_REGISTRYINDEX);
    store_watch_start(store->store, store->client, &it->watch);
    return 1;
}

/* unwatch(table) -> true; false: it is being told. */
static int l_unwatch(lua_State *L)
{
    struct lua_store *store = check_store(L);
    lua_getfield(L, 2, "watch");
    struct lua_watch *it = lua_touserdata(L, -1);
    const bool is_stopped = store_watch_stop(store->store, &it->watch);
    store->L = L;
    if (is_stopped)
        end_watch(it);
    lua_pushboolean(L, is_stopped);
    return 1;
}

static int l_last_event(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)store_last_event(check_store(L)->store));
    return 1;
}

static int l_settled(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)store_settled(check_store(L)->store));
    return 1;
}

/* ---- Small calls ----------------------------------------------------------------------------- */

static int l_health(lua_State *L)
{
    struct store_health health;
    store_health(check_store(L)->store, &health);
    lua_newtable(L);
    set_bool(L, "is_writable", health.is_writable);
    set_integer(L, "commits", (lua_Integer)health.commits);
    set_integer(L, "operations", (lua_Integer)health.operations);
    set_integer(L, "queued", (lua_Integer)health.queued);
    set_integer(L, "last_sync_us", health.last_sync_us);
    return 1;
}

static int l_fatal_count(lua_State *L)
{
    lua_pushinteger(L, atomic_load(&check_store(L)->fatal_count));
    return 1;
}

static int l_next_id(lua_State *L)
{
    const lua_Integer shard = luaL_optinteger(L, 2, 0);
    lua_pushinteger(L, (lua_Integer)store_next_event_id(check_store(L)->store, (uint8_t)shard));
    return 1;
}

static int l_credit_take(lua_State *L)
{
    lua_pushstring(L, status_name(store_credit_take(check_store(L)->store)));
    return 1;
}

static int l_credit_put(lua_State *L)
{
    store_credit_put(check_store(L)->store);
    return 0;
}

/* fault("kind:group:nth:times") or fault() for none. */
static int l_fault(lua_State *L)
{
    struct lua_store *it = check_store(L);
    struct fault_plan plan = {0};
    const char *text = luaL_optstring(L, 2, NULL);
    luaL_argcheck(L, !text || store_fault_parse(text, &plan), 2, "no such fault");
    store_fault_set(it->fault, &plan);
    return 0;
}

/* retain{ { source = "a", before_ms = n }, … } */
static int l_retain(lua_State *L)
{
    struct lua_store *it = check_store(L);
    struct store_retention classes[LIMIT_RETENTION_CLASSES];
    struct arena arena = {0};
    const size_t count = (size_t)luaL_len(L, 2);
    luaL_argcheck(L, count <= LIMIT_RETENTION_CLASSES, 2, "too many");
    for (size_t i = 0; i < count; i++) {
        lua_geti(L, 2, (lua_Integer)i + 1);
        const int index = lua_gettop(L);
        classes[i] = (struct store_retention){
            .source = arena_field(L, &arena, index, "source"),
            .before_ms = field_integer(L, index, "before_ms", 0),
        };
        lua_pop(L, 1);
    }
    store_retain(it->store, classes, count);
    arena_free(&arena);
    return 0;
}

/* ---- Functions of the module ----------------------------------------------------------------- */

static void push_column(lua_State *L, sqlite3_stmt *statement, int column)
{
    switch (sqlite3_column_type(statement, column)) {
    case SQLITE_INTEGER:
        lua_pushinteger(L, sqlite3_column_int64(statement, column));
        break;
    case SQLITE_NULL:
        lua_pushnil(L);
        break;
    default:
        lua_pushlstring(L, sqlite3_column_blob(statement, column),
                        (size_t)sqlite3_column_bytes(statement, column));
    }
}

/* sql(path, text) -> rows, each an array, of the last statement. Past the store: a look from
 * outside. Raises on an error. */
static int l_sql(lua_State *L)
{
    const char *text = luaL_checkstring(L, 2);
    sqlite3 *db = NULL;
    sqlite3_stmt *statement = NULL;
    int rc = sqlite3_open_v2(luaL_checkstring(L, 1), &db,
                             SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE, NULL);
    lua_newtable(L);
    while (rc == SQLITE_OK && *text) {
        rc = sqlite3_prepare_v2(db, text, -1, &statement, &text);
        int count = 0;
        while (rc == SQLITE_OK && statement && (rc = sqlite3_step(statement)) == SQLITE_ROW) {
            lua_newtable(L);
            for (int i = 0; i < sqlite3_column_count(statement); i++) {
                push_column(L, statement, i);
                lua_seti(L, -2, i + 1);
            }
            lua_seti(L, -2, ++count);
            rc = SQLITE_OK;
        }
        rc = rc == SQLITE_DONE ? SQLITE_OK : rc;
        (void)sqlite3_finalize(statement);
        statement = NULL;
    }
    if (rc != SQLITE_OK)
        lua_pushstring(L, sqlite3_errmsg(db));
    (void)sqlite3_close(db);
    return rc == SQLITE_OK ? 1 : lua_error(L);
}

static int l_clock_fake(lua_State *L)
{
    if (lua_isnoneornil(L, 1))
        clock_real();
    else
        clock_fake(luaL_checkinteger(L, 1), luaL_checkinteger(L, 1));
    return 0;
}

static int l_now_ms(lua_State *L)
{
    lua_pushinteger(L, clock_due_ms());
    return 1;
}

static int l_event_id_at(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)id_event_at(luaL_checkinteger(L, 1)));
    return 1;
}

/* quiet(fn): the log of what fails on purpose is not for the one who runs the specs, unless
 * ANZOL_SPEC_LOG is set. */
static int l_quiet(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TFUNCTION);
    const bool is_shown = getenv("ANZOL_SPEC_LOG") != NULL;
    const int saved = dup(STDERR_FILENO);
    const int nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);
    check(saved >= 0 && nowhere >= 0);
    if (!is_shown)
        check(dup2(nowhere, STDERR_FILENO) == STDERR_FILENO);
    lua_settop(L, 1);
    const int rc = lua_pcall(L, 0, LUA_MULTRET, 0);
    check(dup2(saved, STDERR_FILENO) == STDERR_FILENO);
    (void)close(saved);
    (void)close(nowhere);
    return rc == LUA_OK ? lua_gettop(L) : lua_error(L);
}

static const luaL_Reg methods[] = {
    {"close", l_close},
    {"credit_put", l_credit_put},
    {"credit_take", l_credit_take},
    {"fatal_count", l_fatal_count},
    {"fault", l_fault},
    {"health", l_health},
    {"last_event", l_last_event},
    {"settled", l_settled},
    {"next_id", l_next_id},
    {"add_keys", l_add_keys},
    {"retain", l_retain},
    {"turn", l_turn},
    {"unwatch", l_unwatch},
    {"wait", l_wait},
    {"watch", l_watch},
    {"__gc", l_close},
    {NULL, NULL},
};

static const luaL_Reg functions[] = {
    {"clock_fake", l_clock_fake},
    {"event_id_at", l_event_id_at},
    {"now_ms", l_now_ms},
    {"open", l_open},
    {"quiet", l_quiet},
    {"sql", l_sql},
    {NULL, NULL},
};

int STORE_MODULE_OPEN(lua_State *L);

int STORE_MODULE_OPEN(lua_State *L)
{
    luaL_newmetatable(L, STORE_METATABLE);
    luaL_setfuncs(L, methods, 0);
    luaL_setfuncs(L, store_op_methods, 0);
    luaL_setfuncs(L, store_read_methods, 0);
    lua_pushvalue(L, -1);
    lua_setfield(L, -2, "__index");
    lua_newtable(L);
    luaL_setfuncs(L, functions, 0);
    luaL_setfuncs(L, store_vfs_functions, 0);
    luaL_setfuncs(L, store_bench_functions, 0);
    luaL_setfuncs(L, store_dedupe_functions, 0);
    return 1;
}
