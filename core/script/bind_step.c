/* SPDX-License-Identifier: MIT */
/* event:step(name, fn, …): what fn returned is committed before the handler goes on, so that
 * another try of the run finds it and does not call fn again. The steps of earlier tries are read
 * at the first step of a try; a handler without steps costs nothing. */
#include "script/bind_int.h"

#include "base/crash.h"

#include <stdlib.h>

#define WHAT "event:step"

/* The stack of a step that runs: event, name, what closes it, then the function's results. */
enum slot { SLOT_EVENT = 1, SLOT_NAME, SLOT_GUARD, SLOT_FIRST };

/* ---- The steps of a job ---- */

static struct job *job_of(lua_State *L)
{
    const struct context *context = script_of(L)->context;
    return context ? context->job : NULL;
}

const char *step_around(const struct job *job, lua_State *L)
{
    const struct strand *strand = job->running;
    for (size_t i = 0; i < job->steps.count; i++) {
        const struct step *step = &job->steps.items[i];
        bool is_around = step->L && (step->L == L || (strand && step->L == strand->L));
        for (const struct resumption *resumption = job->script->resumption;
             step->L && resumption && !is_around; resumption = resumption->previous)
            is_around = resumption->co == step->L;
        check(step->name != NULL);
        if (is_around)
            return step->name;
    }
    return strand ? strand->step : NULL;
}

void step_check_outside(lua_State *L, const char *function)
{
    const struct job *job = job_of(L);
    const char *name = job && job->steps.count > 0 ? step_around(job, L) : NULL;
    if (name)
        (void)luaL_error(
            L,
            "%s cannot be called in the step '%s': a run that finds the step done does "
            "not do it again; return from the step what it needs, and call it behind",
            function, name);
}

void steps_finish(struct job *job)
{
    struct steps *steps = &job->steps;
    for (size_t i = 0; i < steps->count; i++) {
        free(steps->items[i].name);
        free(steps->items[i].result);
    }
    free(steps->items);
    *steps = (struct steps){0};
}

static struct step *find_named(const struct event_view *view, const char *name)
{
    const struct steps *steps = &view->job->steps;
    for (size_t i = 0; i < steps->count; i++)
        if (steps->items[i].event == view->event->id && strcmp(steps->items[i].name, name) == 0)
            return &steps->items[i];
    return NULL;
}

static struct step *find_numbered(const struct job *job, uint64_t number)
{
    for (size_t i = 0; job && i < job->steps.count; i++)
        if (job->steps.items[i].number == number)
            return &job->steps.items[i];
    return NULL;
}

/* Takes name and result (may be NULL) over; NULL: no memory, they are the caller's. */
static struct step *add(const struct event_view *view, char *name, char *result)
{
    struct job *job = view->job;
    struct steps *steps = &job->steps;
    struct step *items = realloc(steps->items, (steps->count + 1) * sizeof *items);
    if (!items)
        return NULL;
    steps->items = items;
    struct step *step = &items[steps->count++];
    *step = (struct step){.event = view->event->id,
                          .name = name,
                          .result = result,
                          .number = ++job->script->step_count};
    steps->bytes += result ? strlen(result) : 0;
    return step;
}

/* ---- What closes a step: its function returned, raised, or its coroutine was closed ---- */

static int l_close(lua_State *L)
{
    const uint64_t *number = lua_touserdata(L, 1);
    struct step *step = find_numbered(job_of(L), *number);
    if (step)
        step->L = NULL;
    return 0;
}

static const luaL_Reg guard_meta[] = {{"__close", l_close}, {NULL, NULL}};
static const struct object_kind guard_kind = {"anzol.step", guard_meta, NULL};

/* ---- Commits: in memory of their own until both the store and the script are done with them ----
 */

struct commit {
    struct store_step step;
    char *texts[3];        /* owned: subscription, name, result */
    struct strand *strand; /* waits for it; NULL: none any more */
    uint64_t ticket;
    bool is_under_way;
    bool is_orphan;
};

static void release(struct commit *commit)
{
    for (size_t i = 0; i < array_count(commit->texts); i++)
        free(commit->texts[i]);
    free(commit->step.earlier);
    free(commit);
}

static int l_collect(lua_State *L)
{
    struct commit **place = lua_touserdata(L, 1);
    struct commit *commit = *place;
    *place = NULL;
    if (commit && commit->is_under_way)
        commit->is_orphan = true;
    else if (commit)
        release(commit);
    return 0;
}

static const luaL_Reg commit_meta[] = {{"__gc", l_collect}, {NULL, NULL}};
static const struct object_kind commit_kind = {"anzol.step.commit", commit_meta, NULL};

static void on_done(struct store_op *op)
{
    struct commit *commit = op->ctx;
    commit->is_under_way = false;
    if (commit->is_orphan)
        release(commit);
    else if (commit->strand)
        strand_wake(commit->strand, commit->ticket, 0);
}

static void cancel(struct strand *strand)
{
    ((struct commit *)(uintptr_t)strand->waiting[0])->strand = NULL;
}

/* The result is in the script's body buffer. */
static struct commit *push_commit(lua_State *L, const struct event_view *view, const char *name)
{
    const struct job *job = view->job;
    struct commit **place = object_push(L, &commit_kind, sizeof *place, 0);
    struct commit *commit = *place = calloc(1, sizeof *commit);
    if (!commit)
        (void)luaL_error(L, "out of memory");
    const struct buf *body = &job->script->body;
    commit->texts[0] = text_copy(L, job->run.subscription->name);
    commit->texts[1] = text_copy(L, name);
    commit->texts[2] = strndup(body->data, body->len);
    if (!commit->texts[2])
        (void)luaL_error(L, "out of memory");
    commit->step = (struct store_step){
        .op = {.kind = STORE_STEP, .on_done = on_done, .ctx = commit},
        .event = view->event->id,
        .subscription = commit->texts[0],
        .name = commit->texts[1],
        .result = commit->texts[2],
    };
    return commit;
}

/* ---- Results ---- */

/* Pushes what a step returned; a JSON null among them is nil. */
static int push_results(lua_State *L, const char *name, const char *result)
{
    if (!json_push(L, slice_str(result), NULL))
        return luaL_error(L, "the result of the step '%s' cannot be read: %s", name,
                          lua_tostring(L, -1));
    const int list = lua_gettop(L);
    const int count = (int)lua_rawlen(L, list);
    luaL_checkstack(L, count + LUA_MINSTACK, NULL);
    for (int i = 1; i <= count; i++) {
        lua_rawgeti(L, list, i);
        script_push_ref(L, script_of(L), REF_NULL);
        const bool is_null = lua_rawequal(L, -1, -2);
        lua_pop(L, is_null ? 2 : 1);
        if (is_null)
            lua_pushnil(L);
    }
    return count;
}

static int l_encode(lua_State *L)
{
    json_check_encode(L, 1, NULL);
    return 0;
}

/* The results, from SLOT_FIRST on, into the script's body buffer as an array. */
static void check_encode(lua_State *L, const char *name)
{
    struct script *script = script_of(L);
    const int count = lua_gettop(L) - SLOT_FIRST + 1;
    if (count > LIMIT_STEP_RESULTS)
        (void)luaL_error(L, "the step '%s' returned %d values, at most %d are kept", name, count,
                         LIMIT_STEP_RESULTS);
    lua_createtable(L, count, 0);
    script_push_ref(L, script, REF_ARRAY);
    lua_setmetatable(L, -2);
    for (int i = 1; i <= count; i++) {
        if (lua_isnil(L, SLOT_FIRST + i - 1))
            script_push_ref(L, script, REF_NULL);
        else
            lua_pushvalue(L, SLOT_FIRST + i - 1);
        lua_rawseti(L, -2, i);
    }
    buf_clear(&script->body);
    lua_pushcfunction(L, l_encode);
    lua_insert(L, -2);
    if (lua_pcall(L, 1, 0, 0) != LUA_OK)
        (void)luaL_error(L, "what the step '%s' returned cannot be kept: %s", name,
                         luaL_tolstring(L, -1, NULL));
    if (script->body.len > LIMIT_STEP_RESULT_BYTES)
        (void)luaL_error(
            L,
            "the step '%s' returned %d bytes as JSON, at most %d are kept; return what "
            "the handler needs of it",
            name, (int)script->body.len, LIMIT_STEP_RESULT_BYTES);
}

static int finish_commit(lua_State *L, int status, lua_KContext place)
{
    (void)status;
    struct commit **held = lua_touserdata(L, (int)place);
    struct commit *commit = *held;
    const struct store_step *step = &commit->step;
    commit->strand = NULL;
    if (step->op.status == E_CONFLICT)
        return luaL_error(L, "the step '%s' comes too late: its run has ended", step->name);
    if (step->op.status != OK)
        return luaL_error(L, "the step '%s' could not be stored: %s", step->name,
                          status_name(step->op.status));
    const int count = push_results(L, step->name, step->earlier ? step->earlier : step->result);
    *held = NULL;
    release(commit);
    return count;
}

static int commit_and_wait(lua_State *L, const struct event_view *view, const char *name)
{
    struct job *job = view->job;
    const struct script_hooks *hooks = &job->script->hooks;
    const size_t bytes = job->script->body.len;
    if (job->steps.bytes + bytes > LIMIT_STEP_BYTES_PER_RUN)
        return luaL_error(L, "the steps of a run may return at most %d bytes as JSON",
                          LIMIT_STEP_BYTES_PER_RUN);
    struct strand *strand = strand_check_may_wait(L, WHAT);
    struct commit *commit = push_commit(L, view, name);
    crash_point("step_commit");
    const enum status status =
        hooks->submit ? hooks->submit(hooks->ctx, &commit->step.op) : E_INVALID;
    if (status != OK)
        return luaL_error(L, "the step '%s' could not be stored: %s", name, status_name(status));
    job->steps.bytes += bytes;
    commit->is_under_way = true;
    commit->strand = strand;
    strand->waiting[0] = (uint64_t)(uintptr_t)commit;
    commit->ticket = strand_wait(strand, cancel);
    return lua_yieldk(L, 0, lua_gettop(L), finish_commit);
}

/* ---- The call ---- */

static int finish_function(lua_State *L, int status, lua_KContext ctx)
{
    (void)status;
    (void)ctx;
    if (lua_gettop(L) > SLOT_FIRST && lua_isnil(L, SLOT_FIRST) && !lua_isnil(L, SLOT_FIRST + 1))
        return lua_gettop(L) - SLOT_FIRST + 1; /* the world failed: nothing to keep */
    lua_closeslot(L, SLOT_GUARD);
    const char *name = lua_tostring(L, SLOT_NAME);
    check_encode(L, name);
    return commit_and_wait(L, event_check_run(L, "step"), name);
}

/* event, name, function, arguments. */
static int call(lua_State *L, const struct event_view *view, const char *name)
{
    struct job *job = view->job;
    if (job->steps.count >= LIMIT_STEPS_PER_RUN)
        return luaL_error(L, "a run has at most %d steps", LIMIT_STEPS_PER_RUN);
    uint64_t *number = object_push(L, &guard_kind, sizeof *number, 0);
    char *copy = text_copy(L, name);
    struct step *step = add(view, copy, NULL);
    if (!step) {
        free(copy);
        return luaL_error(L, "out of memory");
    }
    step->is_used = true;
    *number = step->number;
    lua_insert(L, SLOT_GUARD);
    lua_toclose(L, SLOT_GUARD);
    step->L = L;
    lua_callk(L, lua_gettop(L) - SLOT_FIRST, LUA_MULTRET, 0, finish_function);
    return finish_function(L, LUA_OK, 0);
}

static int begin(lua_State *L, const struct event_view *view)
{
    const char *name = lua_tostring(L, SLOT_NAME);
    struct step *step = find_named(view, name);
    if (!step)
        return call(L, view, name);
    if (step->is_used)
        return luaL_error(L,
                          "two steps of this run are called '%s': a name says which result is "
                          "whose; in a loop, put what tells the turns apart into it",
                          name);
    step->is_used = true;
    const int count = push_results(L, name, step->result);
    free(step->result);
    step->result = NULL;
    return count;
}

/* The steps of earlier tries are here. */
static int finish_list(lua_State *L, int status, lua_KContext index)
{
    (void)status;
    struct store_list_steps *list = &pending_check(L, (int)index)->of.list_steps;
    struct event_view *view = event_check_run(L, "step");
    for (size_t i = 0; i < list->row_count && !view->are_steps_known; i++) {
        if (!add(view, list->rows[i].name, list->rows[i].result))
            return luaL_error(L, "out of memory");
        list->rows[i] = (struct step_row){0};
    }
    view->are_steps_known = true;
    pending_close(L, (int)index);
    lua_settop(L, (int)index - 1);
    return begin(L, view);
}

static void check_name(lua_State *L)
{
    size_t len;
    const char *name = luaL_checklstring(L, SLOT_NAME, &len);
    if (len == 0 || len > LIMIT_STEP_NAME_BYTES)
        (void)luaL_error(L, "the name of a step has 1 to %d bytes, got %d", LIMIT_STEP_NAME_BYTES,
                         (int)len);
    if (strlen(name) != len)
        (void)luaL_error(L, "the name of a step holds a zero byte");
}

int l_event_step(lua_State *L)
{
    (void)event_check(L);
    const struct event_view *view = event_check_run(L, "step");
    const struct job *job = view->job;
    check_name(L);
    if (lua_type(L, SLOT_GUARD) != LUA_TFUNCTION)
        return luaL_error(L, "event:step(name, function, …): the function is missing, got %s",
                          luaL_typename(L, SLOT_GUARD));
    const char *outer = step_around(job, L);
    if (outer)
        return luaL_error(L,
                          "a step in the step '%s': a step is done as a whole or not at all; call "
                          "them one after another",
                          outer);
    struct strand *strand = strand_check_may_wait(L, WHAT);
    if (view->are_steps_known)
        return begin(L, view);
    struct pending_read *pending = pending_push(L, STORE_LIST_STEPS);
    pending->of.list_steps.event = view->event->id;
    pending->of.list_steps.subscription = pending_text(L, pending, job->run.subscription->name);
    return pending_wait(L, strand, pending, finish_list);
}

void open_step(lua_State *L)
{
    object_open(L, &guard_kind);
    object_open(L, &commit_kind);
}
