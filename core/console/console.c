/* SPDX-License-Identifier: MIT */
#include "console/console.h"

#include "console/console_int.h"

#include "base/limits.h"

#include <stdlib.h>
#include <string.h>

#define CONSOLE "anzol.console"
#define GLOBS_MAX 64
#define USER_AGENT "Anzol"
#define WALL_MS 600000 /* whoever sits before it can end it */

struct console *console_check(lua_State *L)
{
    struct console *console = luaL_checkudata(L, 1, CONSOLE);
    luaL_argcheck(L, console->script, 1, "closed");
    return console;
}

static int fail(lua_State *L, const char *text)
{
    lua_pushnil(L);
    lua_pushstring(L, text);
    return 2;
}

/* ---- Opening ---- */

/* The field scripts of the table at index as a list that ends with NULL; the table holds it. */
static const char *const *read_globs(lua_State *L, int index, const char *globs[GLOBS_MAX + 1])
{
    if (lua_isnoneornil(L, index) || lua_getfield(L, index, "scripts") != LUA_TTABLE)
        return NULL;
    const size_t count = lua_rawlen(L, -1);
    luaL_argcheck(L, count <= GLOBS_MAX, index, "too many scripts patterns");
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, -1, (lua_Integer)i + 1);
        globs[i] = luaL_checkstring(L, -1);
        lua_pop(L, 1);
    }
    globs[count] = NULL;
    return globs;
}

static void attach(struct console *console)
{
    check(uv_loop_init(&console->loop) == 0);
    timers_open(&console->timers, &console->loop);
    console->exchanges = exchanges_create(&console->loop, USER_AGENT, NULL);
    id_source_init(&console->ids, 0);
    console->shared = shared_create(LIMIT_SHARED_BYTES);
    const struct script_hooks hooks = console_hooks(console);
    console->script = generation_attach(console->generation, 0, &console->loop, &hooks);
}

struct start {
    uv_loop_t *loop;
    bool is_over;
    bool is_failed;
    struct err err;
};

static void on_init(const char *problem, void *ctx)
{
    struct start *start = ctx;
    start->is_over = true;
    start->is_failed = problem != NULL;
    if (problem)
        (void)err_set(&start->err, E_INVALID, "%s", problem);
    uv_stop(start->loop);
}

/* The scripts' anzol.init functions, which may wait. */
static bool run_init(struct console *console, struct err *err)
{
    struct start start = {.loop = &console->loop};
    script_init(console->script, on_init, &start);
    while (!start.is_over)
        (void)uv_run(&console->loop, UV_RUN_DEFAULT);
    *err = start.err;
    return !start.is_failed;
}

static int l_open(lua_State *L)
{
    const char *globs[GLOBS_MAX + 1];
    const char *dir = luaL_checkstring(L, 1);
    lua_settop(L, 2);
    const struct generation_options options = {
        .dir = dir,
        .scripts = read_globs(L, 2, globs),
        .worker_count = 1,
        .number = 1,
        .allow_missing_secrets = true,
    };
    struct console *console = lua_newuserdatauv(L, sizeof *console, 0);
    memset(console, 0, sizeof *console);
    luaL_setmetatable(L, CONSOLE);
    struct err err;
    if (generation_load(&options, &console->generation, NULL, &err) != OK)
        return fail(L, err.text);
    attach(console);
    return run_init(console, &err) ? 1 : fail(L, err.text);
}

static int l_close(lua_State *L)
{
    struct console *console = luaL_checkudata(L, 1, CONSOLE);
    if (console->script) {
        script_cancel_all(console->script);
        script_destroy(console->script);
        console_answer_reads(console);
        timers_close(&console->timers, NULL);
        exchanges_destroy(console->exchanges);
        while (uv_loop_alive(&console->loop)) /* the last run's stop may still hold */
            (void)uv_run(&console->loop, UV_RUN_DEFAULT);
        check(uv_loop_close(&console->loop) == 0);
    }
    console->script = NULL;
    shared_destroy(console->shared);
    console->shared = NULL;
    values_finish(&console->values);
    console->values = (struct values){0};
    generation_unref(console->generation);
    console->generation = NULL;
    return 0;
}

/* ---- Running ---- */

struct run {
    lua_State *L;
    struct console *console;
    bool is_over;
    struct buf output;
};

/* The result's table is on top. Its strings need memory that the command line's state has without
 * limit. */
static void on_end(const struct job_result *result, void *ctx)
{
    struct run *run = ctx;
    lua_State *L = run->L;
    run->is_over = true;
    uv_stop(&run->console->loop); /* nothing else may be there to wake it */
    if (result->outcome != JOB_HANDLED) {
        lua_pushstring(L, result->text);
        lua_setfield(L, -2, "error");
    }
    effects_push(L, result->outbox);
    lua_setfield(L, -2, "effects");
    if (result->outbox) {
        values_apply(&run->console->values, result->outbox);
        outbox_finish(result->outbox);
    }
    free(result->outbox);
}

static int l_run(lua_State *L)
{
    static const char *const forms[] = {"text", "quoted", "json", NULL};
    struct console *console = console_check(L);
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 2);
    struct evaluate_options options = {.wall_ms = WALL_MS};
    lua_getfield(L, 2, "text");
    options.text.data = luaL_checklstring(L, -1, &options.text.len);
    lua_getfield(L, 2, "name");
    options.name = luaL_checkstring(L, -1);
    lua_getfield(L, 2, "form");
    options.form = (enum evaluate_form)luaL_checkoption(L, -1, "text", forms);
    lua_getfield(L, 2, "event");
    luaL_checktype(L, -1, LUA_TTABLE);
    options.event = event_read(L, lua_gettop(L));
    if (!options.event)
        return luaL_error(L, "out of memory");
    options.event->id = id_next_event(&console->ids, 0);
    struct run run = {.L = L, .console = console};
    buf_init(&run.output, LIMIT_MESSAGE_BODY_BYTES);
    options.out = &run.output;
    lua_newtable(L);
    script_evaluate(console->script, &options, on_end, &run);
    while (!run.is_over)
        (void)uv_run(&console->loop, UV_RUN_DEFAULT);
    event_unref(options.event);
    lua_pushlstring(L, buf_slice(&run.output).data, run.output.len);
    lua_setfield(L, -2, "output");
    buf_finish(&run.output);
    return 1;
}

static const luaL_Reg methods[] = {
    {"close", l_close}, {"receive", l_console_receive}, {"run", l_run}, {NULL, NULL}};

int l_console(lua_State *L)
{
    if (luaL_newmetatable(L, CONSOLE)) {
        luaL_newlib(L, methods);
        lua_setfield(L, -2, "__index");
        lua_pushcfunction(L, l_close);
        lua_setfield(L, -2, "__gc");
    }
    lua_pop(L, 1);
    return l_open(L);
}
