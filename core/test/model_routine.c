/* SPDX-License-Identifier: MIT */
/* The rules of routines, from Lua. */
#include "test/model_int.h"

#include "base/head.h"
#include "base/limits.h"
#include "model/routine.h"
#include "model/sse.h"
#include "script/fields.h"

#include <stdlib.h>

#define ROUTINE "anzol_test.routine"

struct held_routine {
    struct routine_spec spec;
    struct routine_row row;
    enum routine_news news; /* of the last run */
};

static struct held_routine *check_routine(lua_State *L)
{
    return luaL_checkudata(L, 1, ROUTINE);
}

static lua_Integer integer_of(lua_State *L, int index, const char *name, lua_Integer absent)
{
    lua_getfield(L, index, name);
    const lua_Integer value = luaL_optinteger(L, -1, absent);
    lua_pop(L, 1);
    return value;
}

static double number_of(lua_State *L, int index, const char *name, double absent)
{
    lua_getfield(L, index, name);
    const double value = luaL_optnumber(L, -1, absent);
    lua_pop(L, 1);
    return value;
}

static const char *text_of(lua_State *L, int index, const char *name, const char *absent)
{
    lua_getfield(L, index, name);
    const char *value = luaL_optstring(L, -1, absent);
    lua_pop(L, 1); /* the table holds it */
    return value;
}

static bool bool_of(lua_State *L, int index, const char *name)
{
    lua_getfield(L, index, name);
    const bool value = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return value;
}

static void read_spec(lua_State *L, struct routine_spec *spec)
{
    static const char *const kinds[] = {"cron", "every", "poll", "sse", NULL};
    static const char *const missed[] = {"latest", "all", "none", NULL};
    struct err err;
    lua_getfield(L, 1, "kind");
    spec->kind = (enum routine_kind)luaL_checkoption(L, -1, NULL, kinds);
    lua_getfield(L, 1, "missed");
    spec->missed = (enum missed_ticks)luaL_checkoption(L, -1, "latest", missed);
    lua_pop(L, 2);
    const char *name = text_of(L, 1, "name", "it");
    const char *schedule = text_of(L, 1, "schedule", "* * * * *");
    const char *rule = text_of(L, 1, "rule", schedule);
    spec->name = must_copy(name, strlen(name));
    spec->rule = must_copy(rule, strlen(rule));
    if (cron_parse(slice_str(schedule), &spec->cron, &err) != OK ||
        zone_load(slice_str(text_of(L, 1, "timezone", "UTC")), &spec->zone, &err) != OK)
        (void)luaL_error(L, "%s", err.text);
    const lua_Integer min_ms = integer_of(L, 1, "min_ms", 1000);
    spec->interval = (struct interval){
        .min_ms = min_ms,
        .max_ms = integer_of(L, 1, "max_ms", min_ms),
        .shrink = number_of(L, 1, "shrink", 4),
        .grow = number_of(L, 1, "grow", 1.5),
        .jitter = number_of(L, 1, "jitter", 0),
    };
    spec->is_long = bool_of(L, 1, "is_long");
    spec->on_error = backoff_handler;
    if (integer_of(L, 1, "error_ms", 0) > 0)
        spec->on_error = (struct backoff){
            .kind = BACKOFF_CONSTANT, .factor = 1, .base_ms = integer_of(L, 1, "error_ms", 0)};
}

/* routine{ kind, name, schedule, timezone, missed, rule, min_ms, max_ms, shrink, grow, jitter,
 * is_long, error_ms } -> a routine without a row */
static int l_routine(lua_State *L)
{
    luaL_checktype(L, 1, LUA_TTABLE);
    struct held_routine *held = lua_newuserdatauv(L, sizeof *held, 0);
    *held = (struct held_routine){0};
    luaL_setmetatable(L, ROUTINE);
    read_spec(L, &held->spec);
    return 1;
}

/* plan(now_ms) -> whether it changed */
static int l_plan(lua_State *L)
{
    struct held_routine *held = check_routine(L);
    lua_pushboolean(L, routine_plan(&held->spec, &held->row, luaL_checkinteger(L, 2)));
    return 1;
}

/* take(now_ms) -> "early" "run" "skipped" */
static int l_take(lua_State *L)
{
    static const char *const names[] = {"early", "run", "skipped"};
    struct held_routine *held = check_routine(L);
    lua_pushstring(L, names[routine_take(&held->spec, &held->row, luaL_checkinteger(L, 2))]);
    return 1;
}

/* go_on{ started_ms, ended_ms, error, is_timeout, after_ms, items, retry_after_ms, max_age_ms,
 * rate_ms, answer_ms, is_busy, random } -> false: it gave up */
static int l_go_on(lua_State *L)
{
    struct held_routine *held = check_routine(L);
    const lua_Integer started_ms = integer_of(L, 2, "started_ms", 0);
    const lua_Integer after_ms = integer_of(L, 2, "after_ms", -1);
    const struct routine_end end = {
        .started_ms = started_ms,
        .ended_ms = integer_of(L, 2, "ended_ms", started_ms),
        .error = text_of(L, 2, "error", NULL),
        .place = text_of(L, 2, "place", NULL),
        .is_timeout = bool_of(L, 2, "is_timeout"),
        .has_delay = after_ms >= 0,
        .delay_ms = after_ms,
        .items = integer_of(L, 2, "items", 0),
        .random = number_of(L, 2, "random", 0.5),
        .load =
            {
                .retry_after_ms = integer_of(L, 2, "retry_after_ms", 0),
                .max_age_ms = integer_of(L, 2, "max_age_ms", 0),
                .rate_ms = integer_of(L, 2, "rate_ms", 0),
                .answer_ms = integer_of(L, 2, "answer_ms", 0),
                .is_busy = bool_of(L, 2, "is_busy"),
            },
    };
    const bool goes_on = routine_go_on(&held->spec, &held->row, &end);
    held->news = routine_take_news(&held->spec, &held->row, &end, goes_on);
    lua_pushboolean(L, goes_on);
    return 1;
}

/* news() -> "" "gave_up" "failing": of the last run */
static int l_news(lua_State *L)
{
    lua_pushstring(L, routine_news_name(check_routine(L)->news));
    return 1;
}

/* hasten(now_ms): it is run by hand */
static int l_hasten(lua_State *L)
{
    struct held_routine *held = check_routine(L);
    routine_hasten(&held->spec, &held->row, luaL_checkinteger(L, 2));
    return 0;
}

/* heard(): a message of its stream came */
static int l_heard(lua_State *L)
{
    routine_heard(&check_routine(L)->row);
    return 0;
}

/* row() -> { due_ms, tick_ms, previous_ms, interval_ms, wait_ms, why, answer_ms, failures, error,
 * runs, items } */
static int l_row(lua_State *L)
{
    const struct routine_row *row = &check_routine(L)->row;
    lua_newtable(L);
    set_integer(L, "due_ms", row->due_ms);
    set_integer(L, "tick_ms", row->tick_ms);
    set_integer(L, "previous_ms", row->previous_ms);
    set_integer(L, "interval_ms", row->interval_ms);
    set_integer(L, "wait_ms", row->wait_ms);
    set_text(L, "why", routine_why_name(row->why));
    set_integer(L, "answer_ms", row->answer_ms);
    set_integer(L, "failures", row->failures);
    set_text(L, "error", row->error);
    set_text(L, "place", row->place);
    set_integer(L, "runs", (lua_Integer)row->runs);
    set_integer(L, "items", (lua_Integer)row->items);
    return 1;
}

/* rule(text): as if it was registered anew with that rule */
static int l_rule(lua_State *L)
{
    struct held_routine *held = check_routine(L);
    const char *rule = luaL_checkstring(L, 2);
    free(held->spec.rule);
    held->spec.rule = must_copy(rule, strlen(rule));
    return 0;
}

/* source_load({ { status, headers = { [name] = value }, retry_after_ms, duration_ms }, … }, now_ms)
 * -> { retry_after_ms, max_age_ms, rate_ms, answer_ms, is_busy } */
static int l_source_load(lua_State *L)
{
    struct source_load load = {0};
    luaL_checktype(L, 1, LUA_TTABLE);
    for (lua_Integer i = 1; lua_geti(L, 1, i) == LUA_TTABLE; i++) {
        const int index = lua_gettop(L);
        struct buf head;
        buf_init(&head, LIMIT_HEADERS_BYTES);
        lua_getfield(L, index, "headers");
        for (lua_pushnil(L); lua_istable(L, -2) && lua_next(L, -2); lua_pop(L, 1))
            check(head_add(&head, slice_str(lua_tostring(L, -2)), slice_str(lua_tostring(L, -1))) ==
                  OK);
        const struct source_answer answer = {
            .status = (int)integer_of(L, index, "status", 200),
            .head = buf_slice(&head),
            .retry_after_ms = integer_of(L, index, "retry_after_ms", -1),
            .duration_ms = integer_of(L, index, "duration_ms", 0),
            .now_ms = luaL_optinteger(L, 2, 0),
        };
        source_load_add(&load, &answer);
        buf_finish(&head);
        lua_settop(L, index - 1);
    }
    lua_newtable(L);
    set_integer(L, "retry_after_ms", load.retry_after_ms);
    set_integer(L, "max_age_ms", load.max_age_ms);
    set_integer(L, "rate_ms", load.rate_ms);
    set_integer(L, "answer_ms", load.answer_ms);
    set_bool(L, "is_busy", load.is_busy);
    return 1;
}

/* sse({ piece, … }, id?) -> { { id, type, data }, … }, retry_ms, "limit" if a message was too large
 */
struct read_stream {
    lua_State *L;
    lua_Integer count;
};

static void on_message(const struct sse_message *message, void *ctx)
{
    struct read_stream *it = ctx;
    lua_newtable(it->L);
    set_slice(it->L, "id", message->id);
    set_slice(it->L, "type", message->type);
    set_slice(it->L, "data", message->data);
    lua_rawseti(it->L, 3, ++it->count);
}

static int l_sse(lua_State *L)
{
    struct sse_parser parser;
    struct read_stream it = {.L = L};
    struct slice id;
    enum status status = OK;
    luaL_checktype(L, 1, LUA_TTABLE);
    id.data = luaL_optlstring(L, 2, "", &id.len);
    lua_settop(L, 2);
    lua_newtable(L);
    sse_open(&parser, id, on_message, &it);
    for (lua_Integer i = 1; status == OK && lua_geti(L, 1, i) == LUA_TSTRING; i++) {
        struct slice piece;
        piece.data = lua_tolstring(L, -1, &piece.len);
        status = sse_feed(&parser, piece);
    }
    lua_settop(L, 3);
    lua_pushinteger(L, parser.retry_ms);
    sse_close(&parser);
    lua_pushstring(L, status == OK ? NULL : status_name(status));
    return 3;
}

static int l_gc(lua_State *L)
{
    struct held_routine *held = check_routine(L);
    routine_spec_finish(&held->spec);
    routine_row_finish(&held->row);
    *held = (struct held_routine){0};
    return 0;
}

void open_routines(lua_State *L)
{
    static const luaL_Reg methods[] = {{"go_on", l_go_on}, {"hasten", l_hasten}, {"heard", l_heard},
                                       {"news", l_news},   {"plan", l_plan},     {"row", l_row},
                                       {"rule", l_rule},   {"take", l_take},     {NULL, NULL}};
    luaL_newmetatable(L, ROUTINE);
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, l_gc);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
    lua_pushcfunction(L, l_routine);
    lua_setfield(L, -2, "routine");
    lua_pushcfunction(L, l_source_load);
    lua_setfield(L, -2, "source_load");
    lua_pushcfunction(L, l_sse);
    lua_setfield(L, -2, "sse");
}
