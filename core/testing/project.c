/* SPDX-License-Identifier: MIT */
/* A project: one generation, loaded as the server loads it, with a clock, a source of chance and an
 * environment of its own. */
#include "testing/testing_int.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"

#include <stdlib.h>

#define PROJECT "anzol.testing.project"
#define GLOBS_MAX 64

/* Its address is the key of all projects by address (weak) in the outer registry. */
static const char projects_key;

/* ---- Slots ---- */

void project_push(lua_State *L, const struct project *project)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &projects_key);
    lua_rawgetp(L, -1, project);
    lua_remove(L, -2);
}

void project_push_slot(lua_State *L, const struct project *project, enum project_slot slot)
{
    project_push(L, project);
    if (lua_isnil(L, -1))
        return;
    lua_getiuservalue(L, -1, 1);
    lua_rawgeti(L, -1, slot);
    lua_replace(L, -3);
    lua_pop(L, 1);
}

void project_append(lua_State *L, const struct project *project, enum project_slot slot)
{
    project_push_slot(L, project, slot);
    lua_insert(L, -2);
    if (!lua_isnil(L, -2))
        lua_rawseti(L, -2, (lua_Integer)lua_rawlen(L, -2) + 1);
    else
        lua_pop(L, 1);
    lua_pop(L, 1);
}

int project_expect_result(lua_State *L, struct project *project)
{
    luaL_checktype(L, -1, LUA_TTABLE);
    project->unfinished++;
    return luaL_ref(L, LUA_REGISTRYINDEX);
}

void project_push_result(lua_State *L, struct project *project, int reference)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, reference);
    luaL_unref(L, LUA_REGISTRYINDEX, reference);
    project->unfinished--;
    lua_pushvalue(L, -1);
    project_append(L, project, SLOT_FINISHED);
}

/* Gives the list of a slot and begins a new one. */
static int take_slot(lua_State *L, enum project_slot slot)
{
    struct project *project = project_check(L);
    project_push_slot(L, project, slot);
    lua_getiuservalue(L, 1, 1);
    lua_newtable(L);
    lua_rawseti(L, -2, slot);
    lua_pop(L, 1);
    return 1;
}

/* finished() -> results that were filled since the last call */
static int l_finished(lua_State *L)
{
    return take_slot(L, SLOT_FINISHED);
}

/* logs() -> { { level, event, details }, … } since the last call */
static int l_logs(lua_State *L)
{
    return take_slot(L, SLOT_LOGS);
}

/* exchanges() -> { { number, url, method, headers, body, redirects,
 * timeout_ms }, … } begun since the last call
 */
static int l_exchanges(lua_State *L)
{
    return take_slot(L, SLOT_EXCHANGES);
}

/* unfinished() -> how many results are to come */
static int l_unfinished(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)project_check(L)->unfinished);
    return 1;
}

/* ---- In force ---- */

static void on_log(enum log_level level, const char *event, const char *details, void *ctx)
{
    static const char *const names[] = {"error", "warn", "info", "debug"};
    struct project *project = ctx;
    lua_State *L = project->L;
    lua_createtable(L, 0, 4);
    set_text(L, "level", names[level]);
    set_text(L, "event", event);
    set_text(L, "details", details);
    set_integer(L, "at_ms", project->now_ms);
    project_append(L, project, SLOT_LOGS);
}

/* Whose clocks and chance are those of the process. NULL: nobody's. */
static struct project *in_force;

static void put_in_force(lua_State *L, struct project *project)
{
    in_force = project;
    project->L = L;
    clock_fake(project->now_ms, project->now_ms);
    random_fake(&project->random);
    log_divert(on_log, project);
}

const char *project_dir_in_force(void)
{
    return in_force ? in_force->dir : "";
}

void project_enter(lua_State *L, struct project *project)
{
    if (!project->script)
        (void)luaL_error(L, "this test was closed");
    luaL_checkstack(L, LUA_MINSTACK, NULL);
    put_in_force(L, project);
}

struct project *project_check(lua_State *L)
{
    struct project *project = luaL_checkudata(L, 1, PROJECT);
    project_enter(L, project);
    return project;
}

/* set_time(ms) */
static int l_set_time(lua_State *L)
{
    struct project *project = project_check(L);
    project->now_ms = luaL_checkinteger(L, 2);
    put_in_force(L, project);
    return 0;
}

/* next_timer() -> when the script waits for next, nil: for no time */
static int l_next_timer(lua_State *L)
{
    const struct timer *first = project_check(L)->timers.first;
    if (!first)
        return 0;
    lua_pushinteger(L, first->due_ms);
    return 1;
}

/* run_timers(): what waited for this time goes on */
static int l_run_timers(lua_State *L)
{
    struct project *project = project_check(L);
    timer_heap_run(&project->timers, project->now_ms);
    return 0;
}

/* ---- Loading ---- */

static const char *get_variable(const char *name, void *ctx)
{
    struct project *project = ctx;
    lua_State *L = project->L;
    const char *text = NULL;
    struct slice value;
    buf_clear(&project->variable);
    project_push_slot(L, project, SLOT_VARIABLES);
    lua_pushstring(L, name);
    /* What raises there is a variable that is not set: it must not pass through the script. */
    if (lua_pcall(L, 1, 1, 0) == LUA_OK && lua_type(L, -1) == LUA_TSTRING) {
        value.data = lua_tolstring(L, -1, &value.len);
        if (buf_add_slice(&project->variable, value) == OK)
            text = value.len > 0 ? project->variable.data : "";
    }
    lua_pop(L, 1);
    return text;
}

static uint64_t next_event_id(void *ctx)
{
    struct project *project = ctx;
    return id_next_event(&project->ids, 0);
}

static void start_timer(void *ctx, struct timer *timer, int64_t delay_ms)
{
    struct project *project = ctx;
    timer_heap_start(&project->timers, timer, project->now_ms + delay_ms);
}

static void stop_timer(void *ctx, struct timer *timer)
{
    timer_heap_stop(&((struct project *)ctx)->timers, timer);
}

static void attach(struct project *project)
{
    project->shared = shared_create(LIMIT_SHARED_BYTES);
    project->directory = directory_create();
    check(project->directory != NULL);
    const struct script_hooks hooks = {
        .next_event_id = next_event_id,
        .start_timer = start_timer,
        .stop_timer = stop_timer,
        .start_exchange = exchange_start,
        .cancel_exchange = exchange_cancel,
        .read = kept_read,
        .submit = kept_submit,
        .directory = project->directory,
        .shared = project->shared,
        .ctx = project,
    };
    struct registry *registry = generation_registry(project->generation);
    check(uv_loop_init(&project->loop) == 0);
    project->paces = calloc(registry->endpoint_count + 1, sizeof *project->paces);
    check(project->paces != NULL);
    for (size_t i = 0; i < registry->endpoint_count; i++)
        registry->endpoints[i].id = i + 1;
    project->script = generation_attach(project->generation, 0, &project->loop, &hooks);
}

static void push_findings(lua_State *L, const struct findings *findings)
{
    lua_newtable(L);
    lua_Integer count = 0;
    for (size_t i = 0; i < findings->count; i++) {
        const struct finding *row = &findings->rows[i];
        if (row->level != FINDING_ERROR)
            continue;
        lua_createtable(L, 0, 4);
        set_text(L, "file", row->file);
        set_integer(L, "line", row->line);
        set_text(L, "message", row->message);
        set_text(L, "hint", row->hint);
        lua_rawseti(L, -2, ++count);
    }
}

/* The field scripts as a list that ends with NULL; the strings live in the table. */
static const char *const *read_globs(lua_State *L, const char *globs[GLOBS_MAX + 1])
{
    if (lua_getfield(L, 1, "scripts") != LUA_TTABLE)
        return NULL;
    const size_t count = lua_rawlen(L, -1);
    luaL_argcheck(L, count > 0 && count <= GLOBS_MAX, 1, "scripts: 1 to 64 patterns");
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, -1, (lua_Integer)i + 1);
        globs[i] = luaL_checkstring(L, -1);
        lua_pop(L, 1);
    }
    globs[count] = NULL;
    return globs;
}

static struct project *push_project(lua_State *L)
{
    struct project *project = lua_newuserdatauv(L, sizeof *project, 1);
    *project = (struct project){0};
    queue_init(&project->exchanges);
    buf_init(&project->variable, LIMIT_BODY_BYTES);
    buf_init(&project->text, LIMIT_MESSAGE_BODY_BYTES);
    luaL_setmetatable(L, PROJECT);
    lua_newtable(L);
    lua_newtable(L);
    lua_rawseti(L, -2, SLOT_FINISHED);
    lua_newtable(L);
    lua_rawseti(L, -2, SLOT_LOGS);
    lua_newtable(L);
    lua_rawseti(L, -2, SLOT_EXCHANGES);
    lua_getfield(L, 1, "variables");
    luaL_checktype(L, -1, LUA_TFUNCTION);
    lua_rawseti(L, -2, SLOT_VARIABLES);
    lua_getfield(L, 1, "rows");
    luaL_checktype(L, -1, LUA_TFUNCTION);
    lua_rawseti(L, -2, SLOT_ROWS);
    lua_setiuservalue(L, -2, 1);
    lua_rawgetp(L, LUA_REGISTRYINDEX, &projects_key);
    lua_pushvalue(L, -2);
    lua_rawsetp(L, -2, project);
    lua_pop(L, 1);
    return project;
}

/* load { dir, scripts = {glob, …}?, variables = function(name), rows = function("events" |
 * "deliveries") -> all of them as list.c has it, now_ms, seed } -> project | nil, findings, text */
int l_project_load(lua_State *L)
{
    const char *globs[GLOBS_MAX + 1];
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    lua_getfield(L, 1, "dir");
    struct generation_options options = {
        .dir = luaL_checkstring(L, -1), .worker_count = 1, .number = 1};
    options.scripts = read_globs(L, globs);
    struct project *project = push_project(L);
    project->dir = must_copy(options.dir, strlen(options.dir));
    project->now_ms = field_integer(L, 1, "now_ms", 0);
    project->random = (uint64_t)field_integer(L, 1, "seed", 0);
    options.environment = (struct environment){.get = get_variable, .ctx = project};
    put_in_force(L, project);
    id_source_init(&project->ids, 0);
    struct findings findings = {0};
    struct err err = {0};
    const enum status status = generation_load(&options, &project->generation, &findings, &err);
    push_findings(L, &findings);
    findings_finish(&findings);
    if (status == OK) {
        attach(project);
        lua_pop(L, 1);
        return 1;
    }
    lua_pushnil(L);
    lua_insert(L, -2);
    lua_pushstring(L, err.text);
    return 3;
}

/* ---- What it registered ---- */

static void push_methods(lua_State *L, const char *methods)
{
    lua_newtable(L);
    lua_Integer count = 0;
    while (*methods) {
        const size_t len = strcspn(methods, ", ");
        lua_pushlstring(L, methods, len);
        lua_rawseti(L, -2, ++count);
        methods += len + strspn(methods + len, ", ");
    }
}

/* sources() -> { { name, path, methods, status, malformed_status, key_window_ms, body_bytes_max },
 * … }
 */
static int l_sources(lua_State *L)
{
    const struct registry *registry = script_registry(project_check(L)->script);
    lua_newtable(L);
    for (size_t i = 0; i < registry->source_count; i++) {
        const struct source_spec *source = &registry->sources[i];
        lua_createtable(L, 0, 8);
        set_text(L, "name", source->name);
        set_text(L, "path", source->path);
        push_methods(L, source->methods);
        lua_setfield(L, -2, "methods");
        set_integer(L, "status", source->status);
        set_integer(L, "malformed_status", source->malformed_status);
        set_integer(L, "key_window_ms", source->key_window_ms);
        set_integer(L, "body_bytes_max", (lua_Integer)source->body_bytes_max);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

/* A canned answer comes whole, so its first byte is what a timeout may be too short for. */
void endpoint_push_fields(lua_State *L, const struct endpoint_spec *endpoint)
{
    set_text(L, "name", endpoint->name);
    set_integer(L, "timeout_ms", endpoint->timeouts.first_byte_ms);
    set_integer(L, "concurrency", endpoint->concurrency);
    set_bool(L, "blocks_on_dead", endpoint->blocks_on_dead);
    set_integer(L, "disable_after_ms", endpoint->disable_after_ms);
    set_bool(L, "tells_success", endpoint->tells_success);
    if (endpoint->queue) {
        set_integer(L, "batch", endpoint->queue->batch);
        set_integer(L, "lease_ms", endpoint->queue->lease_ms);
    }
}

/* endpoints() -> { { name, timeout_ms, concurrency, blocks_on_dead, disable_after_ms,
 * tells_success, batch?, lease_ms?: of a queue }, … } */
static int l_endpoints(lua_State *L)
{
    const struct registry *registry = script_registry(project_check(L)->script);
    lua_newtable(L);
    for (size_t i = 0; i < registry->endpoint_count; i++) {
        lua_createtable(L, 0, 8);
        endpoint_push_fields(L, &registry->endpoints[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

/* subscriptions() -> { { name, concurrency }, … } */
static int l_subscriptions(lua_State *L)
{
    const struct registry *registry = script_registry(project_check(L)->script);
    lua_newtable(L);
    for (size_t i = 0; i < registry->subscription_count; i++) {
        lua_createtable(L, 0, 2);
        set_text(L, "name", registry->subscriptions[i].name);
        set_integer(L, "concurrency", registry->subscriptions[i].concurrency);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

/* ---- Values ---- */

/* encode(value) -> JSON | nil, why */
static int l_encode(lua_State *L)
{
    struct project *project = project_check(L);
    struct err err;
    luaL_checkany(L, 2);
    buf_clear(&project->text);
    if (bridge_encode(project->script, L, 2, &project->text, &err) == OK) {
        lua_pushlstring(L, project->text.data, project->text.len);
        return 1;
    }
    lua_pushnil(L);
    lua_pushstring(L, err.text);
    return 2;
}

/* decode(JSON) -> value | nil, why */
static int l_decode(lua_State *L)
{
    struct project *project = project_check(L);
    struct slice text;
    struct err err;
    text.data = luaL_checklstring(L, 2, &text.len);
    if (bridge_decode(project->script, text, L, &err) == OK)
        return 1;
    lua_pushnil(L);
    lua_pushstring(L, err.text);
    return 2;
}

/* metrics() -> those of scripts in the text format of Prometheus, without a prefix */
static int l_metrics(lua_State *L)
{
    struct project *project = project_check(L);
    buf_clear(&project->text);
    if (metric_write(project->shared, METRIC_OF_SCRIPTS, "", &project->text) != OK)
        return luaL_error(L, "out of memory");
    lua_pushlstring(L, project->text.len ? project->text.data : "", project->text.len);
    return 1;
}

/* ---- The loop: what was pre-empted gets its next turn ---- */

/* turn() -> whether there was one to give */
static int l_turn(lua_State *L)
{
    struct project *project = project_check(L);
    const bool is_wanted = uv_loop_alive(&project->loop);
    (void)uv_run(&project->loop, UV_RUN_NOWAIT);
    lua_pushboolean(L, is_wanted);
    return 1;
}

/* ---- The end ---- */

/* Back to the project during whose call another was collected, or to the process's own. */
static void put_back(struct project *project)
{
    if (project && project->script) {
        put_in_force(project->L, project);
        return;
    }
    in_force = NULL;
    clock_real();
    random_fake(NULL);
    log_divert(NULL, NULL);
}

static int l_close(lua_State *L)
{
    struct project *project = luaL_checkudata(L, 1, PROJECT);
    struct project *before = in_force;
    if (project->script) {
        project_enter(L, project);
        script_cancel_all(project->script);
        timer_heap_run(&project->timers, project->now_ms); /* reads under way */
        routines_forget(project);
        script_destroy(project->script);
        (void)uv_run(&project->loop, UV_RUN_DEFAULT);
        check(uv_loop_close(&project->loop) == 0);
    }
    shared_destroy(project->shared);
    if (project->directory)
        directory_destroy(project->directory);
    project->directory = NULL;
    generation_unref(project->generation);
    kept_finish(project);
    free(project->paces);
    registered_finish(project);
    free(project->dir);
    buf_finish(&project->variable);
    buf_finish(&project->text);
    project->script = NULL;
    project->dir = NULL;
    project->generation = NULL;
    project->shared = NULL;
    project->paces = NULL;
    put_back(before == project ? NULL : before);
    return 0;
}

static const luaL_Reg methods[] = {
    {"answer_exchange", l_project_answer_exchange},
    {"close", l_close},
    {"decode", l_decode},
    {"encode", l_encode},
    {"endpoints", l_endpoints},
    {"exchanges", l_exchanges},
    {"fan_out", l_project_fan_out},
    {"finished", l_finished},
    {"is_signed", l_project_is_signed},
    {"kv_get", l_project_kv_get},
    {"kv_keys", l_project_kv_keys},
    {"kv_set", l_project_kv_set},
    {"logs", l_logs},
    {"match", l_project_match},
    {"retype", l_project_retype},
    {"metrics", l_metrics},
    {"next_timer", l_next_timer},
    {"pace_wait", l_project_pace_wait},
    {"forgive", l_project_forgive},
    {"receive", l_project_receive},
    {"register", l_project_register},
    {"rerun_delay", l_project_rerun_delay},
    {"routines", l_project_routines},
    {"run", l_project_run},
    {"run_routine", l_project_run_routine},
    {"init", l_project_init},
    {"run_timers", l_run_timers},
    {"set_time", l_set_time},
    {"sign", l_project_sign},
    {"sources", l_sources},
    {"subscriptions", l_subscriptions},
    {"turn", l_turn},
    {"unfinished", l_unfinished},
    {"publish", l_project_publish},
    {"unverified", l_project_unverified},
    {NULL, NULL},
};

void project_open(lua_State *L)
{
    lua_newtable(L);
    lua_createtable(L, 0, 1);
    set_text(L, "__mode", "v");
    lua_setmetatable(L, -2);
    lua_rawsetp(L, LUA_REGISTRYINDEX, &projects_key);
    luaL_newmetatable(L, PROJECT);
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, l_close);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
}
