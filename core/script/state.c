/* SPDX-License-Identifier: MIT */
/* A lua_State with its allocator: the state's limit, and the growth of the entry that runs. */
#include "script/bind_int.h"

#include "base/memory.h"

#include <lualib.h>
#include <stdlib.h>

#define GC_PAUSE 300 /* the scripts themselves are the bulk of a state: collect less often */
#define GC_STEP 200
#define BODY_SLACK_BYTES 1024 /* heads and texts beside a body of the largest size */

struct script *script_of(lua_State *L)
{
    return *(struct script **)lua_getextraspace(L);
}

/* A job that waits and holds more than this entry asked for so far: it is the one to go. */
static bool holds_less(const struct script *script, const struct context *context)
{
    for (struct node *node = queue_first(&script->jobs); node;
         node = queue_next(&script->jobs, node)) {
        const struct job *job = container_of(node, struct job, node);
        if (job->base.state == STRAND_WAITING &&
            job->context.bytes_charged > context->bytes_charged)
            return true;
    }
    return false;
}

/* The entry is over its own limit, or the state is full and nobody else is to go: the end of the
 * entry, caught by a pcall or not. False: the state goes over its limit for a moment. */
static bool refuse_again(struct script *script, struct context *context, bool is_job_over,
                         size_t growth)
{
    const size_t bytes_most = script->bytes_max + LIMIT_JOB_BYTES;
    if (!is_job_over && script->bytes + growth <= bytes_most && holds_less(script, context)) {
        script->is_full = true;
        return false;
    }
    if (context->kill == KILL_NONE) {
        context->kill = KILL_MEMORY;
        budget_place(script_running(script), context->killed_at, sizeof context->killed_at);
    }
    return true;
}

/* True if this growth is refused. Lua then collects everything and asks for the same once more. */
static bool refuse(struct script *script, size_t growth)
{
    struct context *context = script->context;
    const bool is_state_over = script->bytes + growth > script->bytes_max;
    if (!context)
        return is_state_over;
    const bool is_job_over =
        context->bytes_charged + (int64_t)growth > (int64_t)phases[context->phase].bytes_max;
    const bool is_again = context->bytes_refused == growth;
    context->bytes_refused = 0;
    if (!is_job_over && (!is_state_over || (script->is_full && !is_again)))
        return false;
    if (is_again)
        return refuse_again(script, context, is_job_over, growth);
    context->bytes_refused = growth;
    return true;
}

static void charge(struct script *script, int64_t growth)
{
    script->bytes = (size_t)((int64_t)script->bytes + growth);
    struct context *context = script->context;
    if (!context)
        return;
    context->bytes_charged += growth;
    if (context->bytes_charged < 0)
        context->bytes_charged = 0; /* it collected what others left */
}

static void *allocate(void *ctx, void *old, size_t old_size, size_t new_size)
{
    struct script *script = ctx;
    if (!old)
        old_size = 0; /* it is a type tag then */
    if (new_size == 0) {
        free(old);
        charge(script, -(int64_t)old_size);
        return NULL;
    }
    if (new_size > old_size && refuse(script, new_size - old_size))
        return NULL;
    void *new = memory_realloc(old, new_size);
    if (new)
        charge(script, (int64_t)new_size - (int64_t)old_size);
    return new;
}

static int panic(lua_State *L)
{
    log_error("bug in a binding", "error=\"%s\"", lua_tostring(L, -1));
    check_failed("an error outside of a protected call", __FILE__, __LINE__);
    return 0;
}

/* A warning of Lua itself (an error in a finalizer). */
static void warn(void *ctx, const char *text, int is_continued)
{
    (void)ctx;
    (void)is_continued;
    log_warn("lua", "warning=\"%s\"", text);
}

static int l_open(lua_State *L)
{
    const enum state_kind kind = (enum state_kind)lua_tointeger(L, 1);
    struct script *script = script_of(L);
    for (int i = 0; i < REF_COUNT; i++) {
        lua_newtable(L);
        script->refs[i] = luaL_ref(L, LUA_REGISTRYINDEX);
    }
    luaL_openlibs(L);
    object_open(L, &error_kind);
    if (kind != STATE_CLI)
        l_open_sandbox(L, kind);
    return 0;
}

struct script *script_create(struct generation *generation, unsigned index, enum state_kind kind)
{
    struct script *script = calloc(1, sizeof *script);
    if (!script)
        return NULL;
    script->generation = generation;
    script->index = index;
    script->bytes_max = kind == STATE_CLI ? SIZE_MAX / 2 : LIMIT_STATE_BYTES;
    queue_init(&script->jobs);
    queue_init(&script->ready);
    queue_init(&script->idle);
    queue_init(&script->strands);
    buf_init(&script->body, LIMIT_MESSAGE_BODY_BYTES);
    buf_init(&script->head, LIMIT_HEADERS_BYTES + BODY_SLACK_BYTES);
    buf_init(&script->text, SCRIPT_TEXT_BYTES);
    script->L = lua_newstate(allocate, script);
    if (!script->L) {
        script_free(script);
        return NULL;
    }
    *(struct script **)lua_getextraspace(script->L) = script;
    (void)lua_atpanic(script->L, panic);
    lua_setwarnf(script->L, warn, NULL);
    (void)lua_gc(script->L, LUA_GCINC, GC_PAUSE, GC_STEP, 0);
    lua_pushcfunction(script->L, l_open);
    lua_pushinteger(script->L, kind);
    if (lua_pcall(script->L, 1, 0, 0) != LUA_OK) {
        log_error("lua state not made", "error=\"%s\"", lua_tostring(script->L, -1));
        script_free(script);
        return NULL;
    }
    if (kind != STATE_CLI) {
        budget_watch(script->L);
        watchdog_add(script);
    }
    return script;
}

void script_free(struct script *script)
{
    if (!script)
        return;
    watchdog_remove(script);
    re_close(script);
    if (script->L) {
        lua_sethook(script->L, NULL, 0, 0);
        lua_close(script->L);
    }
    buf_finish(&script->body);
    buf_finish(&script->head);
    buf_finish(&script->text);
    jobs_close(script);
}
