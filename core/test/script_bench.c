/* SPDX-License-Identifier: MIT */
/* What a handler costs, from start to end, without the store and without the specs' tables around
 * it. */
#include "script_project_int.h"

#include "base/clock.h"
#include "script/script_int.h"

#include <stdlib.h>

struct bench {
    struct project *project;
    struct run_options options;
    uint64_t left;
    uint64_t failed;
};

static void on_done(const struct job_result *result, void *ctx)
{
    struct bench *bench = ctx;
    if (result->outcome == JOB_FAILED)
        bench->failed++;
    if (result->outbox)
        outbox_finish(result->outbox);
    free(result->outbox);
    bench->project->open_count--;
}

/* bench(subscription, event, count) -> CPU nanoseconds a run, runs that failed */
int l_project_bench(lua_State *L)
{
    struct project *project = project_check(L);
    const struct subscription_spec *subscription =
        registry_subscription(script_registry(project->script), slice_str(luaL_checkstring(L, 2)));
    luaL_argcheck(L, subscription, 2, "no such subscription");
    luaL_checktype(L, 3, LUA_TTABLE);
    const lua_Integer count = luaL_checkinteger(L, 4);
    struct event *event = read_event(L, 3);
    struct bench bench = {
        .project = project,
        .options = {.subscription = subscription,
                    .own = {event, 1, LIMIT_MESSAGES_PER_EVENT},
                    .run_number = 1},
    };
    const int64_t from_ns = clock_thread_cpu_ns();
    for (lua_Integer i = 0; i < count; i++) {
        project->open_count++;
        script_run(project->script, &bench.options, on_done, &bench);
        while (project->open_count > 0)
            (void)uv_run(&project->loop, UV_RUN_ONCE);
    }
    const int64_t spent_ns = clock_thread_cpu_ns() - from_ns;
    event_unref(event);
    lua_pushnumber(L, (lua_Number)spent_ns / (lua_Number)count);
    lua_pushinteger(L, (lua_Integer)bench.failed);
    return 2;
}

/* bytes() -> what the state holds after a full collection */
int l_project_bytes(lua_State *L)
{
    const struct script *script = project_check(L)->script;
    (void)lua_gc(script->L, LUA_GCCOLLECT);
    lua_pushinteger(L, (lua_Integer)script->bytes);
    return 1;
}
