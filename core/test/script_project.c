/* SPDX-License-Identifier: MIT */
/* Loading a project, what it registered, and its end. */
#include "script_project_int.h"

#include "base/limits.h"
#include "script/script_int.h"

#include <stdlib.h>

#define PROJECT "anzol_test.project"
#define GLOBS_MAX 8

void read_head(lua_State *L, int index, struct buf *head)
{
    buf_init(head, LIMIT_HEADERS_BYTES * 2);
    if (lua_isnoneornil(L, index))
        return;
    index = lua_absindex(L, index);
    for (size_t i = 1; i <= lua_rawlen(L, index); i++) {
        struct slice name;
        struct slice value;
        lua_rawgeti(L, index, (lua_Integer)i);
        lua_rawgeti(L, -1, 1);
        lua_rawgeti(L, -2, 2);
        name.data = luaL_checklstring(L, -2, &name.len);
        value.data = luaL_checklstring(L, -1, &value.len);
        check(head_add(head, name, value) == OK);
        lua_pop(L, 3);
    }
}

void push_head(lua_State *L, struct slice head)
{
    struct field field;
    lua_Integer count = 0;
    lua_newtable(L);
    for (size_t offset = 0; head_next(head, &offset, &field);) {
        lua_newtable(L);
        lua_pushlstring(L, field.name.data, field.name.len);
        lua_rawseti(L, -2, 1);
        lua_pushlstring(L, field.value.data, field.value.len);
        lua_rawseti(L, -2, 2);
        lua_rawseti(L, -2, ++count);
    }
}

struct project *project_check(lua_State *L)
{
    return luaL_checkudata(L, 1, PROJECT);
}

static uint64_t next_event_id(void *ctx)
{
    struct project *project = ctx;
    project->next_id += 256;
    return project->next_id;
}

static void start_timer(void *ctx, struct timer *timer, int64_t delay_ms)
{
    timers_start(&((struct project *)ctx)->timers, timer, delay_ms);
}

static void stop_timer(void *ctx, struct timer *timer)
{
    timers_stop(&((struct project *)ctx)->timers, timer);
}

static void push_findings(lua_State *L, const struct findings *findings)
{
    lua_newtable(L);
    for (size_t i = 0; i < findings->count; i++) {
        const struct finding *row = &findings->rows[i];
        lua_newtable(L);
        set_text(L, "level", row->level == FINDING_ERROR ? "error" : "warning");
        set_text(L, "file", row->file);
        set_integer(L, "line", row->line);
        set_text(L, "phase", row->phase);
        set_text(L, "message", row->message);
        set_text(L, "hint", row->hint);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
}

static void attach(struct project *project)
{
    project->shared = shared_create(LIMIT_SHARED_BYTES);
    struct script_hooks hooks = {
        .next_event_id = next_event_id,
        .start_timer = start_timer,
        .stop_timer = stop_timer,
        .shared = project->shared,
        .ctx = project,
    };
    check(uv_loop_init(&project->loop) == 0);
    timers_open(&project->timers, &project->loop);
    queue_init(&project->exchanges);
    exchange_add_hooks(&hooks);
    for (size_t i = 0; i < generation_registry(project->generation)->endpoint_count; i++)
        generation_registry(project->generation)->endpoints[i].id = i + 1;
    project->next_id = UINT64_C(1) << 40;
    project->script = generation_attach(project->generation, 0, &project->loop, &hooks);
}

int l_project_load(lua_State *L)
{
    const char *globs[GLOBS_MAX + 1] = {NULL};
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    lua_getfield(L, 1, "dir");
    struct generation_options options = {.dir = luaL_checkstring(L, -1), .number = 7};
    lua_getfield(L, 1, "workers");
    options.worker_count = (unsigned)luaL_optinteger(L, -1, 1);
    lua_getfield(L, 1, "allow_missing_secrets");
    options.allow_missing_secrets = lua_toboolean(L, -1);
    if (lua_getfield(L, 1, "scripts") == LUA_TTABLE) {
        for (size_t i = 0; i < lua_rawlen(L, -1) && i < GLOBS_MAX; i++) {
            lua_rawgeti(L, -1, (lua_Integer)i + 1);
            globs[i] = luaL_checkstring(L, -1);
            lua_pop(L, 1);
        }
        options.scripts = globs;
    }
    struct project *project = lua_newuserdatauv(L, sizeof *project, 1);
    memset(project, 0, sizeof *project);
    luaL_setmetatable(L, PROJECT);
    lua_newtable(L);
    lua_setiuservalue(L, -2, 1); /* results of runs under way */
    struct findings findings = {0};
    struct err err = {0};
    const enum status status = generation_load(&options, &project->generation, &findings, &err);
    push_findings(L, &findings);
    findings_finish(&findings);
    if (status == OK) {
        attach(project);
        return 2;
    }
    lua_pushnil(L);
    lua_insert(L, -2);
    lua_pushstring(L, err.text);
    return 3;
}

/* ---- What it registered ---- */

static void push_list(lua_State *L, char *const *items, size_t count)
{
    lua_newtable(L);
    for (size_t i = 0; i < count; i++) {
        lua_pushstring(L, items[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
}

static void push_source(lua_State *L, const struct source_spec *source)
{
    lua_newtable(L);
    set_text(L, "name", source->name);
    set_text(L, "path", source->path);
    set_text(L, "methods", source->methods);
    set_text(L, "type", source->type);
    set_text(L, "script", source->script);
    set_bool(L, "is_declarative", source->verifier != NULL);
    set_integer(L, "key_window_ms", source->key_window_ms);
    set_integer(L, "retention_ms", source->retention_ms);
    set_integer(L, "body_bytes_max", (lua_Integer)source->body_bytes_max);
    set_integer(L, "status", source->status);
    push_list(L, source->hidden_headers, source->hidden_header_count);
    lua_setfield(L, -2, "hidden_headers");
}

static void push_backoff(lua_State *L, const struct backoff *backoff)
{
    lua_newtable(L);
    set_integer(L, "kind", backoff->kind);
    set_integer(L, "jitter", backoff->jitter);
    lua_pushnumber(L, backoff->factor);
    lua_setfield(L, -2, "factor");
    set_integer(L, "base_ms", backoff->base_ms);
    set_integer(L, "max_ms", backoff->max_ms);
    set_integer(L, "max_age_ms", backoff->max_age_ms);
    set_integer(L, "attempts_max", backoff->attempts_max);
    set_integer(L, "step_count", backoff->step_count);
}

static void push_circuit(lua_State *L, const struct circuit_spec *circuit)
{
    lua_newtable(L);
    set_integer(L, "failures", circuit->failures);
    lua_pushnumber(L, circuit->rate);
    lua_setfield(L, -2, "rate");
    set_integer(L, "window_ms", circuit->window_ms);
    set_integer(L, "cooldown_ms", circuit->cooldown_ms);
}

static void push_endpoint(lua_State *L, const struct endpoint_spec *endpoint)
{
    lua_newtable(L);
    set_text(L, "name", endpoint->name);
    set_text(L, "url", endpoint->url);
    set_text(L, "method", endpoint->method);
    set_text(L, "script", endpoint->script);
    push_head(L, endpoint->head);
    lua_setfield(L, -2, "head");
    set_bool(L, "is_signed", endpoint->signer != NULL);
    set_bool(L, "has_retry", endpoint->retry_function != 0);
    set_bool(L, "has_transform", endpoint->transform_function != 0);
    push_backoff(L, &endpoint->retry);
    lua_setfield(L, -2, "retry");
    set_bool(L, "has_success", endpoint->success_function != 0);
    set_integer(L, "connect_ms", endpoint->timeouts.connect_ms);
    set_integer(L, "first_byte_ms", endpoint->timeouts.first_byte_ms);
    set_integer(L, "whole_ms", endpoint->timeouts.whole_ms);
    set_integer(L, "concurrency", endpoint->concurrency);
    lua_pushnumber(L, endpoint->rate_per_s);
    lua_setfield(L, -2, "rate_per_s");
    lua_pushnumber(L, endpoint->burst);
    lua_setfield(L, -2, "burst");
    push_circuit(L, &endpoint->circuit);
    lua_setfield(L, -2, "breaker");
    set_bool(L, "slows_down", endpoint->slows_down);
    set_bool(L, "allow_private", endpoint->allow_private);
}

static void push_subscription(lua_State *L, const struct subscription_spec *subscription)
{
    lua_newtable(L);
    set_text(L, "name", subscription->name);
    push_list(L, subscription->patterns, subscription->pattern_count);
    lua_setfield(L, -2, "patterns");
    set_text(L, "source", subscription->source);
    set_bool(L, "has_filter", subscription->filter_function != 0);
    set_integer(L, "deadline_ms", subscription->deadline_ms);
    set_integer(L, "concurrency", subscription->concurrency);
    set_text(L, "script", subscription->script);
}

static int l_registry(lua_State *L)
{
    const struct registry *registry = generation_registry(project_check(L)->generation);
    lua_newtable(L);
    set_integer(L, "generation", (lua_Integer)registry->generation);
    lua_newtable(L);
    for (size_t i = 0; i < registry->source_count; i++) {
        push_source(L, &registry->sources[i]);
        lua_setfield(L, -2, registry->sources[i].name);
    }
    lua_setfield(L, -2, "sources");
    lua_newtable(L);
    for (size_t i = 0; i < registry->endpoint_count; i++) {
        push_endpoint(L, &registry->endpoints[i]);
        lua_setfield(L, -2, registry->endpoints[i].name);
    }
    lua_setfield(L, -2, "endpoints");
    lua_newtable(L);
    for (size_t i = 0; i < registry->subscription_count; i++) {
        push_subscription(L, &registry->subscriptions[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_setfield(L, -2, "subscriptions");
    return 1;
}

static int l_files(lua_State *L)
{
    size_t count;
    const char *const *files = generation_files(project_check(L)->generation, &count);
    lua_newtable(L);
    for (size_t i = 0; i < count; i++) {
        lua_pushstring(L, files[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

/* ---- The end ---- */

static int l_job_count(lua_State *L)
{
    lua_pushinteger(L, (lua_Integer)script_job_count(project_check(L)->script));
    return 1;
}

static int l_cancel_all(lua_State *L)
{
    script_cancel_all(project_check(L)->script);
    return 0;
}

/* memory(bytes): the state may grow by so much from now on; memory(): as ever. */
static int l_memory(lua_State *L)
{
    struct script *it = project_check(L)->script;
    (void)lua_gc(it->L, LUA_GCCOLLECT);
    it->bytes_max =
        lua_isnoneornil(L, 2) ? LIMIT_STATE_BYTES : it->bytes + (size_t)luaL_checkinteger(L, 2);
    return 0;
}

/* metrics() -> those of the scripts, as text */
static int l_metrics(lua_State *L)
{
    struct buf out;
    buf_init(&out, 1 << 20);
    check(metric_write(project_check(L)->shared, METRIC_OF_SCRIPTS, "", &out) == OK);
    lua_pushlstring(L, buf_slice(&out).data, out.len);
    buf_finish(&out);
    return 1;
}

/* turn(): once round the loop, which waits for something to do; turn(n): n times, without waiting.
 */
static int l_turn(lua_State *L)
{
    uv_loop_t *loop = &project_check(L)->loop;
    const lua_Integer count = luaL_optinteger(L, 2, 0);
    for (lua_Integer i = 0; i < count; i++)
        (void)uv_run(loop, UV_RUN_NOWAIT);
    if (count == 0)
        (void)uv_run(loop, UV_RUN_ONCE);
    return 0;
}

/* wait(): until every run under way has ended. */
static int l_wait(lua_State *L)
{
    struct project *project = project_check(L);
    while (project->open_count > 0)
        (void)uv_run(&project->loop, UV_RUN_ONCE);
    return 0;
}

static int l_close(lua_State *L)
{
    struct project *project = project_check(L);
    if (project->script) {
        script_cancel_all(project->script);
        script_destroy(project->script);
        timers_close(&project->timers, NULL);
        (void)uv_run(&project->loop, UV_RUN_DEFAULT);
        check(uv_loop_close(&project->loop) == 0);
    }
    shared_destroy(project->shared);
    project->shared = NULL;
    generation_unref(project->generation);
    project->script = NULL;
    project->generation = NULL;
    return 0;
}

static const luaL_Reg methods[] = {
    {"admit", l_project_admit},
    {"answer", l_project_answer},
    {"bench", l_project_bench},
    {"bytes", l_project_bytes},
    {"cancel_all", l_cancel_all},
    {"close", l_close},
    {"exchanges", l_project_exchanges},
    {"init", l_project_init},
    {"files", l_files},
    {"job_count", l_job_count},
    {"memory", l_memory},
    {"metrics", l_metrics},
    {"objects", l_project_objects},
    {"order", l_project_order},
    {"registry", l_registry},
    {"retry", l_project_retry},
    {"success", l_project_success},
    {"run", l_project_run},
    {"tick", l_project_tick},
    {"sign", l_project_sign},
    {"start", l_project_start},
    {"transform", l_project_transform},
    {"turn", l_turn},
    {"wait", l_wait},
    {NULL, NULL},
};

void project_open(lua_State *L)
{
    luaL_newmetatable(L, PROJECT);
    luaL_newlib(L, methods);
    lua_setfield(L, -2, "__index");
    lua_pushcfunction(L, l_close);
    lua_setfield(L, -2, "__gc");
    lua_pop(L, 1);
}
