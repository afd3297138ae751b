/* SPDX-License-Identifier: MIT */
/* anzol.init(fn): what each state does once, before its generation serves, and what may refuse it.
 */
#include "script/bind_int.h"

#include <stdlib.h>

/* ---- Registering ---- */

static int l_register(lua_State *L)
{
    struct draft *draft = draft_check(L, "anzol.init");
    luaL_checktype(L, 1, LUA_TFUNCTION);
    lua_settop(L, 1);
    struct init_spec *init = draft_add_init(draft);
    if (!init)
        return luaL_error(L, "out of memory");
    init->script = place_copy(L);
    init->function = function_keep(L);
    draft->ended++;
    return 0;
}

void open_init(lua_State *L)
{
    lua_pushcfunction(L, l_register);
    lua_setfield(L, -2, "init");
}

/* ---- Running ---- */

static void run_next(struct script *script, size_t index, init_cb on_done, void *ctx);

static const struct init_spec *spec_of(const struct job *job)
{
    return &script_registry(job->script)->inits[job->init_index];
}

static int l_prepare(lua_State *L)
{
    struct job *job = lua_touserdata(L, 1);
    l_strand_prepare(L, &job->base);
    lua_pushnil(L); /* where other jobs have their view */
    script_push_ref(L, job->script, REF_FUNCTIONS);
    lua_rawgeti(L, -1, spec_of(job)->function);
    lua_replace(L, -2);
    lua_xmove(L, job->base.L, 2);
    return 0;
}

static void finish(struct job *job, const char *problem)
{
    struct script *script = job->script;
    const init_cb on_done = job->on_init;
    void *ctx = job->ctx;
    const size_t index = job->init_index;
    if (job->base.L)
        lua_settop(job->base.L, 0);
    job_release(job);
    if (problem)
        on_done(problem, ctx);
    else
        run_next(script, index + 1, on_done, ctx);
}

/* script->text says why; an Error, or a limit while it waited, has no place of its own. */
static void fail(struct job *job)
{
    char text[SCRIPT_TEXT_BYTES + PLACE_BYTES];
    const struct buf *why = &job->script->text;
    const char *words = why->len > 0 ? why->data : "";
    const bool has_place = finding_has_place(words);
    (void)snprintf(text, sizeof text, "%s%s%s", has_place ? "" : spec_of(job)->script,
                   has_place ? "" : ": ", words);
    finish(job, text);
}

static void on_end(struct job *job, enum job_end end, int result_count)
{
    if (end == JOB_END_OK && !job_returned_error(job, result_count))
        finish(job, NULL);
    else if (end == JOB_END_CANCEL)
        finish(job, "cancelled");
    else
        fail(job);
}

static void run_next(struct script *script, size_t index, init_cb on_done, void *ctx)
{
    const struct registry *registry = script_registry(script);
    if (index == registry->init_count) {
        on_done(NULL, ctx);
        return;
    }
    struct job *job = job_take(script, PHASE_INIT, 0);
    if (!job) {
        on_done("out of memory", ctx);
        return;
    }
    job->init_index = index;
    job->on_init = on_done;
    job->ctx = ctx;
    job->context.subject =
        (struct subject){.kind = "script", .name = registry->inits[index].script};
    if (script_call(script, &job->context, l_prepare, job, 0) != OK)
        fail(job);
    else
        job_start(job, 0, on_end);
}

void script_init(struct script *script, init_cb on_done, void *ctx)
{
    run_next(script, 0, on_done, ctx);
}
