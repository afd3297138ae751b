/* SPDX-License-Identifier: MIT */
/* anzol_test.base: ids, clock, time zones, buffers, heads, maps, timers, the inbox and the log.
 * Test thread only, but for inbox_relay. */
#include "base_int.h"

#include "base/buf.h"
#include "base/clock.h"
#include "base/err.h"
#include "base/head.h"
#include "base/id.h"
#include "base/inbox.h"
#include "base/log.h"
#include "base/map.h"
#include "base/text.h"
#include "base/timer.h"

#include <fcntl.h>
#include <lauxlib.h>
#include <lua.h>
#include <stdlib.h>
#include <unistd.h>

#define HEAD_BYTES_MAX (1024 * 1024)
#define THREADS_MAX 8

static struct slice check_slice(lua_State *L, int index)
{
    size_t len;
    const char *data = luaL_checklstring(L, index, &len);
    return slice_of(data, len);
}

static int push_slice(lua_State *L, struct slice slice)
{
    lua_pushlstring(L, slice.data, slice.len);
    return 1;
}

static int push_ms(lua_State *L, bool is_read, int64_t ms)
{
    if (is_read)
        lua_pushinteger(L, ms);
    else
        lua_pushnil(L);
    return 1;
}

/* ---- Ids --------------------------------------------------------------------------------------
 */

static enum id_kind check_kind(lua_State *L)
{
    static const char *const kinds[] = {"event",       "message", "delivery", "endpoint",
                                        "application", "attempt", NULL};
    return (enum id_kind)luaL_checkoption(L, 1, NULL, kinds);
}

static int l_id_format(lua_State *L)
{
    char text[ID_TEXT_BYTES];
    id_format(check_kind(L), (uint64_t)luaL_checkinteger(L, 2), text);
    lua_pushstring(L, text);
    return 1;
}

static int l_id_parse(lua_State *L)
{
    uint64_t id;
    const bool is_id = id_parse(check_kind(L), luaL_checkstring(L, 2), &id);
    return push_ms(L, is_id, is_id ? (int64_t)id : 0);
}

/* id_parts(event id) -> ms, shard, ordinal, event id without ordinal */
static int l_id_parts(lua_State *L)
{
    const uint64_t id = (uint64_t)luaL_checkinteger(L, 1);
    lua_pushinteger(L, id_event_ms(id));
    lua_pushinteger(L, id_shard(id));
    lua_pushinteger(L, id_ordinal(id));
    lua_pushinteger(L, (lua_Integer)id_event_of(id));
    return 4;
}

/* id_at(ms) -> least event id, least row id */
static int l_id_at(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)id_event_at(luaL_checkinteger(L, 1)));
    lua_pushinteger(L, (lua_Integer)id_row_at(luaL_checkinteger(L, 1)));
    return 2;
}

static int l_id_row_ms(lua_State *L)
{
    lua_pushinteger(L, id_row_ms((uint64_t)luaL_checkinteger(L, 1)));
    return 1;
}

/* next_events(count, shard, highest) -> list */
static int l_next_events(lua_State *L)
{
    struct id_source source;
    id_source_init(&source, (uint64_t)luaL_optinteger(L, 3, 0));
    const lua_Integer count = luaL_checkinteger(L, 1);
    lua_newtable(L);
    for (lua_Integer i = 1; i <= count; i++) {
        lua_pushinteger(L, (lua_Integer)id_next_event(&source, (uint8_t)luaL_optinteger(L, 2, 0)));
        lua_rawseti(L, -2, i);
    }
    return 1;
}

/* next_rows(count, last) -> list */
static int l_next_rows(lua_State *L)
{
    uint64_t last = (uint64_t)luaL_optinteger(L, 2, 0);
    const lua_Integer count = luaL_checkinteger(L, 1);
    lua_newtable(L);
    for (lua_Integer i = 1; i <= count; i++) {
        lua_pushinteger(L, (lua_Integer)id_next_row(&last));
        lua_rawseti(L, -2, i);
    }
    return 1;
}

static int l_shard_of_name(lua_State *L)
{
    lua_pushinteger(L, id_shard_of_name(check_slice(L, 1)));
    return 1;
}

/* ---- Clock ------------------------------------------------------------------------------------
 */

static int l_clock_fake(lua_State *L)
{
    clock_fake(luaL_checkinteger(L, 1), luaL_optinteger(L, 2, 0));
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

static int l_clock_step(lua_State *L)
{
    clock_step(luaL_checkinteger(L, 1));
    return 0;
}

/* Wall, monotonic, due. */
static int l_clock(lua_State *L)
{
    lua_pushinteger(L, clock_now_ms());
    lua_pushinteger(L, clock_mono_ms());
    lua_pushinteger(L, clock_due_ms());
    return 3;
}

static int l_clock_wall_of_due(lua_State *L)
{
    lua_pushinteger(L, clock_wall_of_due(luaL_checkinteger(L, 1)));
    return 1;
}

static int l_clock_due_of_wall(lua_State *L)
{
    lua_pushinteger(L, clock_due_of_wall(luaL_checkinteger(L, 1)));
    return 1;
}

static int l_clock_due_raise(lua_State *L)
{
    clock_due_raise(luaL_checkinteger(L, 1));
    return 0;
}

static int l_iso(lua_State *L)
{
    char text[CLOCK_ISO_BYTES];
    clock_iso(luaL_checkinteger(L, 1), text);
    lua_pushstring(L, text);
    return 1;
}

static int l_parse_iso(lua_State *L)
{
    int64_t ms = 0;
    const bool is_read = clock_parse_iso(luaL_checkstring(L, 1), &ms);
    return push_ms(L, is_read, ms);
}

static int l_parse_http_date(lua_State *L)
{
    int64_t ms = 0;
    const bool is_read = clock_parse_http_date(luaL_checkstring(L, 1), &ms);
    return push_ms(L, is_read, ms);
}

/* ---- Buffers and heads ------------------------------------------------------------------------
 */

/* fill(bytes_max, pieces) -> name of the last status, what is in the buffer, is it terminated */
static int l_fill(lua_State *L)
{
    struct buf buf;
    buf_init(&buf, (size_t)luaL_checkinteger(L, 1));
    enum status status = OK;
    for (lua_Integer i = 1; status == OK && lua_rawgeti(L, 2, i) == LUA_TSTRING; i++) {
        status = buf_add_slice(&buf, check_slice(L, -1));
        lua_pop(L, 1);
    }
    lua_pushstring(L, status_name(status));
    (void)push_slice(L, buf_slice(&buf));
    lua_pushboolean(L, buf.data == NULL || buf.data[buf.len] == '\0');
    buf_finish(&buf);
    return 3;
}

/* json_string(text, [bytes_max]) -> JSON | nil, status name */
static int l_json_string(lua_State *L)
{
    struct buf buf;
    buf_init(&buf, (size_t)luaL_optinteger(L, 2, HEAD_BYTES_MAX));
    const enum status status = buf_add_json_string(&buf, check_slice(L, 1));
    if (status == OK)
        (void)push_slice(L, buf_slice(&buf));
    else
        lua_pushnil(L);
    lua_pushstring(L, status_name(status));
    buf_finish(&buf);
    return 2;
}

static int l_is_utf8(lua_State *L)
{
    lua_pushboolean(L, text_is_utf8(check_slice(L, 1)));
    return 1;
}

/* head_pack({{name, value}…}) -> bytes */
static int l_head_pack(lua_State *L)
{
    struct buf head;
    buf_init(&head, HEAD_BYTES_MAX);
    enum status status = OK;
    for (lua_Integer i = 1; status == OK && lua_rawgeti(L, 1, i) == LUA_TTABLE; i++) {
        lua_rawgeti(L, -1, 1);
        lua_rawgeti(L, -2, 2);
        status = head_add(&head, check_slice(L, -2), check_slice(L, -1));
        lua_pop(L, 3);
    }
    if (status == OK)
        (void)push_slice(L, buf_slice(&head));
    else
        lua_pushnil(L);
    lua_pushstring(L, status_name(status));
    buf_finish(&head);
    return 2;
}

/* head_unpack(bytes) -> {{name, value}…}, how many bytes were read */
static int l_head_unpack(lua_State *L)
{
    const struct slice head = check_slice(L, 1);
    struct field field;
    size_t offset = 0;
    lua_newtable(L);
    for (lua_Integer i = 1; head_next(head, &offset, &field); i++) {
        lua_newtable(L);
        (void)push_slice(L, field.name);
        lua_rawseti(L, -2, 1);
        (void)push_slice(L, field.value);
        lua_rawseti(L, -2, 2);
        lua_rawseti(L, -2, i);
    }
    lua_pushinteger(L, (lua_Integer)offset);
    return 2;
}

/* head_find(bytes, name) -> first value | nil, count */
static int l_head_find(lua_State *L)
{
    struct slice value;
    const char *name = luaL_checkstring(L, 2);
    if (head_find(check_slice(L, 1), name, &value))
        (void)push_slice(L, value);
    else
        lua_pushnil(L);
    lua_pushinteger(L, head_count(check_slice(L, 1), name));
    return 2;
}

/* head_is_secret(name) -> boolean */
static int l_head_is_secret(lua_State *L)
{
    lua_pushboolean(L, head_is_secret(check_slice(L, 1)));
    return 1;
}

static int l_err_prefix(lua_State *L)
{
    struct err err;
    (void)err_set(&err, E_INVALID, "%s", luaL_checkstring(L, 1));
    (void)err_prefix(&err, "%s", luaL_checkstring(L, 2));
    lua_pushstring(L, err.text);
    return 1;
}

/* ---- Map --------------------------------------------------------------------------------------
 */

static struct map *check_map(lua_State *L)
{
    return luaL_checkudata(L, 1, "anzol_test.map");
}

static int l_map(lua_State *L)
{
    struct map *map = lua_newuserdatauv(L, sizeof *map, 0);
    *map = (struct map){0};
    luaL_setmetatable(L, "anzol_test.map");
    return 1;
}

static int l_map_put(lua_State *L)
{
    void *value = (void *)(uintptr_t)luaL_checkinteger(L, 3); // NOLINT(performance-no-int-to-ptr)
    check(map_put(check_map(L), (uint64_t)luaL_checkinteger(L, 2), value) == OK);
    return 0;
}

static int push_value(lua_State *L, const void *value)
{
    return push_ms(L, value != NULL, (int64_t)(uintptr_t)value);
}

static int l_map_get(lua_State *L)
{
    return push_value(L, map_get(check_map(L), (uint64_t)luaL_checkinteger(L, 2)));
}

static int l_map_remove(lua_State *L)
{
    return push_value(L, map_remove(check_map(L), (uint64_t)luaL_checkinteger(L, 2)));
}

/* all() -> {key = value}, the count that the map says */
static int l_map_all(lua_State *L)
{
    const struct map *map = check_map(L);
    size_t place = 0;
    uint64_t key;
    void *value;
    lua_newtable(L);
    while (map_next(map, &place, &key, &value)) {
        (void)push_value(L, value);
        lua_rawseti(L, -2, (lua_Integer)key);
    }
    lua_pushinteger(L, (lua_Integer)map->count);
    return 2;
}

static int l_map_finish(lua_State *L)
{
    map_finish(check_map(L));
    return 0;
}

/* ---- Inbox ------------------------------------------------------------------------------------
 */

struct numbered {
    struct letter letter;
    unsigned thread;
    unsigned number;
};

struct relay {
    struct inbox inbox;
    struct numbered *letters;
    unsigned per_thread;
    unsigned next[THREADS_MAX]; /* number expected from each thread */
    unsigned received;
    bool is_ordered;
};

struct poster {
    pthread_t thread;
    struct relay *relay;
    unsigned index;
};

static void on_letter(struct letter *letter, void *ctx)
{
    struct relay *relay = ctx;
    const struct numbered *numbered = container_of(letter, struct numbered, letter);
    relay->is_ordered &= relay->next[numbered->thread]++ == numbered->number;
    relay->received++;
}

static void *post_all(void *ctx)
{
    const struct poster *poster = ctx;
    struct relay *relay = poster->relay;
    for (unsigned i = 0; i < relay->per_thread; i++) {
        struct numbered *numbered = &relay->letters[poster->index * relay->per_thread + i];
        *numbered = (struct numbered){.thread = poster->index, .number = i};
        inbox_post(&relay->inbox, &numbered->letter);
    }
    return NULL;
}

/* inbox_relay(threads, letters each) -> received, were those of each thread in order */
static int l_inbox_relay(lua_State *L)
{
    const unsigned threads = (unsigned)luaL_checkinteger(L, 1);
    luaL_argcheck(L, threads <= THREADS_MAX, 1, "too many threads");
    struct relay relay = {.per_thread = (unsigned)luaL_checkinteger(L, 2), .is_ordered = true};
    relay.letters = must_alloc(threads * relay.per_thread * sizeof *relay.letters);
    struct poster posters[THREADS_MAX];
    uv_loop_t loop;
    check(uv_loop_init(&loop) == 0);
    inbox_open(&relay.inbox, &loop, on_letter, &relay);
    for (unsigned i = 0; i < threads; i++) {
        posters[i] = (struct poster){.relay = &relay, .index = i};
        check(pthread_create(&posters[i].thread, NULL, post_all, &posters[i]) == 0);
    }
    while (relay.received < threads * relay.per_thread)
        (void)uv_run(&loop, UV_RUN_ONCE);
    for (unsigned i = 0; i < threads; i++)
        check(pthread_join(posters[i].thread, NULL) == 0);
    inbox_close(&relay.inbox);
    (void)uv_run(&loop, UV_RUN_DEFAULT);
    check(uv_loop_close(&loop) == 0);
    free(relay.letters);
    lua_pushinteger(L, relay.received);
    lua_pushboolean(L, relay.is_ordered);
    return 2;
}

/* ---- Log --------------------------------------------------------------------------------------
 */

/* log_line("json" | "text", event, details, value?) -> what is written on standard error; with a
 * value: as number=7 value="…" path="…" bare=… behind the details */
static int l_log_line(lua_State *L)
{
    static const char *const formats[] = {"text", "json", NULL};
    const int format = luaL_checkoption(L, 1, NULL, formats);
    const char *event = luaL_checkstring(L, 2);
    const char *details = luaL_checkstring(L, 3);
    int ends[2];
    check(pipe2(ends, O_NONBLOCK) == 0);
    const int kept = dup(STDERR_FILENO);
    check(dup2(ends[1], STDERR_FILENO) == STDERR_FILENO);
    log_setup(LOG_INFO, (enum log_format)format);
    const char *value = luaL_optstring(L, 4, NULL);
    if (value)
        log_info(event, "%s number=%d value=\"%s\" path=\"%.*s\" bare=%s", details, 7, value,
                 (int)strlen(value), value, value);
    else
        log_info(event, "%s", details);
    log_setup(LOG_INFO, LOG_TEXT);
    check(dup2(kept, STDERR_FILENO) == STDERR_FILENO);
    char line[2 * LOG_LINE_BYTES_MAX];
    const ssize_t len = read(ends[0], line, sizeof line);
    (void)close(ends[0]);
    (void)close(ends[1]);
    (void)close(kept);
    lua_pushlstring(L, line, len > 0 ? (size_t)len : 0);
    return 1;
}

static const luaL_Reg map_functions[] = {
    {"all", l_map_all},       {"get", l_map_get},     {"put", l_map_put},
    {"remove", l_map_remove}, {"__gc", l_map_finish}, {NULL, NULL},
};

/* ---- Timers ---- */

struct test_timer {
    struct timer timer;
    lua_Integer number;
    lua_State *L; /* the list of those that ran is on top */
    struct timer_heap *heap;
    int64_t restart_ms; /* once, when it runs; 0: not */
};

static void on_time(struct timer *timer)
{
    struct test_timer *it = container_of(timer, struct test_timer, timer);
    lua_pushinteger(it->L, it->number);
    lua_rawseti(it->L, -2, (lua_Integer)lua_rawlen(it->L, -2) + 1);
    if (it->restart_ms != 0)
        timer_heap_start(it->heap, timer, it->restart_ms);
    it->restart_ms = 0;
}

/* timers({ due, … }, { number to stop, … }, now, restarted?) -> { number, … }: those that run now,
 * in their order; `restarted` starts itself again, for now. */
static int l_timers(lua_State *L)
{
    static struct test_timer timers[1000];
    struct timer_heap heap = {0};
    const size_t count = lua_rawlen(L, 1);
    const lua_Integer now_ms = luaL_checkinteger(L, 3);
    const lua_Integer restarted = luaL_optinteger(L, 4, 0);
    luaL_argcheck(L, count <= array_count(timers), 1, "too many");
    for (size_t i = 0; i < count; i++) {
        timers[i] = (struct test_timer){.timer.on_time = on_time,
                                        .number = (lua_Integer)i + 1,
                                        .L = L,
                                        .heap = &heap,
                                        .restart_ms = (lua_Integer)i + 1 == restarted ? now_ms : 0};
        lua_rawgeti(L, 1, (lua_Integer)i + 1);
        timer_heap_start(&heap, &timers[i].timer, lua_tointeger(L, -1));
        lua_pop(L, 1);
    }
    for (size_t i = 1; i <= lua_rawlen(L, 2); i++) {
        lua_rawgeti(L, 2, (lua_Integer)i);
        timer_heap_stop(&heap, &timers[lua_tointeger(L, -1) - 1].timer);
        lua_pop(L, 1);
    }
    lua_newtable(L);
    timer_heap_run(&heap, now_ms);
    return 1;
}

static const luaL_Reg functions[] = {
    {"clock", l_clock},
    {"clock_advance", l_clock_advance},
    {"clock_due_of_wall", l_clock_due_of_wall},
    {"clock_due_raise", l_clock_due_raise},
    {"clock_fake", l_clock_fake},
    {"clock_real", l_clock_real},
    {"clock_step", l_clock_step},
    {"clock_wall_of_due", l_clock_wall_of_due},
    {"err_prefix", l_err_prefix},
    {"fill", l_fill},
    {"head_find", l_head_find},
    {"head_is_secret", l_head_is_secret},
    {"head_pack", l_head_pack},
    {"head_unpack", l_head_unpack},
    {"id_at", l_id_at},
    {"id_format", l_id_format},
    {"id_parse", l_id_parse},
    {"id_parts", l_id_parts},
    {"id_row_ms", l_id_row_ms},
    {"inbox_relay", l_inbox_relay},
    {"is_json", l_is_json},
    {"json_items", l_json_items},
    {"json_look", l_json_look},
    {"is_utf8", l_is_utf8},
    {"iso", l_iso},
    {"json_string", l_json_string},
    {"log_line", l_log_line},
    {"map", l_map},
    {"next_events", l_next_events},
    {"next_rows", l_next_rows},
    {"parse_http_date", l_parse_http_date},
    {"parse_iso", l_parse_iso},
    {"shard_of_name", l_shard_of_name},
    {"timers", l_timers},
    {"zone", l_zone},
    {NULL, NULL},
};

int luaopen_anzol_test_base(lua_State *L);
int luaopen_anzol_test_base(lua_State *L)
{
    luaL_newmetatable(L, "anzol_test.map");
    luaL_setfuncs(L, map_functions, 0);
    lua_pushvalue(L, -1);
    lua_setfield(L, -2, "__index");
    luaL_newlib(L, functions);
    return 1;
}
