/* SPDX-License-Identifier: MIT */
/* A lua_State with its allocator: the state's limit, and the growth of the entry that runs. */
#include "script/bind_int.h"

#include <lualib.h>
#include <stdlib.h>

#define GC_PAUSE 300 /* the scripts themselves are the bulk of a state: collect less often */
#define GC_STEP 200
#define BODY_SLACK_BYTES 1024 /* heads and texts beside a body of the largest size */

struct script *script_of(lua_State *L)
{
    return *(struct script **)lua_getextraspace(L);
}

/* True if this growth is refused. Lua then collects everything and asks for the same once more;
 * asking again for the same in vain is the end of the job, caught by a pcall or not. */
static bool refuse(struct script *script, size_t growth)
{
    struct context *context = script->context;
    const size_t bytes_max = context ? phases[context->phase].bytes_max : script->bytes_max;
    const int64_t charged = context ? context->bytes_charged : 0;
    const bool is_over = script->bytes + growth > script->bytes_max ||
                         (context && charged + (int64_t)growth > (int64_t)bytes_max);
    if (!context)
        return is_over;
    if (!is_over) {
        context->bytes_refused = 0;
        return false;
    }
    if (context->bytes_refused == growth)
        context->kill = context->kill == KILL_NONE ? KILL_MEMORY : context->kill;
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
    void *new = realloc(old, new_size);
    if (new)
        charge(script, (int64_t)new_size - (int64_t)old_size);
    return new;
}

static int panic(lua_State *L)
{
    log_error("bug in a binding", "error=\"%s\"", lua_tostring(L, -1));
    check(!"an error outside a protected call");
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
        l_open_sandbox(L, kind == STATE_SCRIPTS);
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
    if (kind != STATE_CLI)
        budget_watch(script->L);
    return script;
}

void script_free(struct script *script)
{
    if (!script)
        return;
    if (script->L) {
        lua_sethook(script->L, NULL, 0, 0);
        lua_close(script->L);
    }
    buf_finish(&script->body);
    buf_finish(&script->head);
    buf_finish(&script->text);
    jobs_close(script);
}
