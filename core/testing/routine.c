/* SPDX-License-Identifier: MIT */
/* Crons, everys and polls of a test: where each stands, and one run of one. The rules are the
 * server's (model/routine.c). */
#include "testing/testing_int.h"

#include "base/clock.h"
#include "model/meta.h"
#include "signature/signature.h"

#include <stdlib.h>

static const struct registry *registry_of(const struct project *project)
{
    return script_registry(project->script);
}

static void plan(struct project *project)
{
    const struct registry *registry = registry_of(project);
    project->rows = calloc(registry->routine_count + 1, sizeof *project->rows);
    check(project->rows != NULL);
    for (size_t i = 0; i < registry->routine_count; i++)
        (void)routine_plan(&registry->routines[i], &project->rows[i], project->now_ms);
}

void routines_forget(struct project *project)
{
    if (!project->rows)
        return;
    for (size_t i = 0; i < registry_of(project)->routine_count; i++)
        routine_row_finish(&project->rows[i]);
    free(project->rows);
    project->rows = NULL;
}

/* routines() -> { { kind, name, due_ms }, … }, from now on: once, before any runs */
int l_project_routines(lua_State *L)
{
    struct project *project = project_check(L);
    const struct registry *registry = registry_of(project);
    if (!project->rows)
        plan(project);
    lua_createtable(L, (int)registry->routine_count, 0);
    for (size_t i = 0; i < registry->routine_count; i++) {
        lua_createtable(L, 0, 3);
        set_text(L, "kind", routine_kind_name(registry->routines[i].kind));
        set_text(L, "name", registry->routines[i].name);
        set_integer(L, "due_ms", project->rows[i].due_ms);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

struct waiting_routine {
    struct project *project;
    size_t number;
    int result;
    bool is_lost; /* its commit fails */
    int64_t started_ms;
    char *place; /* of the message of a stream, owned; NULL: it is none */
};

/* Field news of the result on top: the event that scripts are told with, if they ask for it. */
static void set_news(struct project *project, const struct routine_spec *routine,
                     const struct routine_row *row, enum routine_news news, unsigned failures)
{
    lua_State *L = project->L;
    struct event *event = meta_create_routine(
        registry_of(project), &(struct meta_routine){.kind = routine_kind_name(routine->kind),
                                                     .name = routine->name,
                                                     .state = routine_news_name(news),
                                                     .failures = failures,
                                                     .error = row->error});
    if (project_push_meta(L, project, event, 0) == 1)
        lua_setfield(L, -2, "news");
}

/* The run is over, and what it asked for was committed. */
static void go_on(struct waiting_routine *waiting, const struct job_result *result,
                  const char *error)
{
    struct project *project = waiting->project;
    lua_State *L = project->L;
    struct routine_row *row = &project->rows[waiting->number];
    const struct routine_end end = {
        .started_ms = waiting->started_ms,
        .ended_ms = project->now_ms,
        .error = error,
        .is_timeout = result->is_timeout,
        .has_delay = result->has_delay,
        .delay_ms = result->delay_ms,
        .items = result->items,
        .load = result->load,
        .random = random_unit(),
        .place = waiting->place,
    };
    const struct routine_spec *routine = &registry_of(project)->routines[waiting->number];
    const unsigned failures = row->failures + 1;
    const bool goes_on = routine_go_on(routine, row, &end);
    const enum routine_news news = routine_take_news(routine, row, &end, goes_on);
    if (news != ROUTINE_NO_NEWS)
        set_news(project, routine, row, news, failures);
    set_text(L, "error", row->error);
    set_text(L, "why", routine_why_name(row->why));
    set_bool(L, "is_again", row->failures > 0); /* the same once more */
    set_integer(L, "items", row->last_items);
    set_integer(L, "wait_ms", row->wait_ms);
    set_integer(L, "next_ms", row->due_ms);
}

static void on_done(const struct job_result *result, void *ctx)
{
    static struct outbox nothing;
    struct waiting_routine *waiting = ctx;
    struct project *project = waiting->project;
    lua_State *L = project->L;
    struct outbox *outbox = result->outbox ? result->outbox : &nothing;
    const enum kept_outcome kept = waiting->is_lost ? KEPT_CONFLICT : kept_commit(project, outbox);
    const bool is_over = result->outcome != JOB_CANCELLED && kept != KEPT_CONFLICT;
    const char *error = result->outcome == JOB_FAILED ? result->text : NULL;
    if (kept == KEPT_NO_NUMBER)
        error = "anzol.kv:incr: the value is no number, or the sum is out of range";
    project_push_result(L, project, waiting->result);
    set_bool(L, "is_over", is_over);
    if (is_over && project->rows)
        go_on(waiting, result, error);
    set_outbox(L, project, is_over && !error ? outbox : &nothing);
    if (is_over && !error && result->event) {
        event_handle_push(L, event_ref(result->event));
        lua_setfield(L, -2, "event");
    }
    lua_pop(L, 1);
    event_unref(result->event);
    if (result->outbox)
        outbox_finish(result->outbox);
    free(result->outbox);
    free(waiting->place);
    free(waiting);
}

/* Field message, { id, type, data }; it lives in the table at 3. False: there is none. */
static bool read_message(lua_State *L, struct sse_message *message)
{
    const bool is_there = lua_getfield(L, 3, "message") == LUA_TTABLE;
    if (is_there) {
        const int index = lua_gettop(L);
        *message = (struct sse_message){.id = field_text(L, index, "id"),
                                        .type = field_text(L, index, "type"),
                                        .data = field_text(L, index, "data")};
    }
    lua_pop(L, 1);
    return is_there;
}

/* run_routine(number, { is_forced = 1?, is_lost = 1?, message? }, result) -> "early" "run"
 * "skipped", due_ms: result gets is_over (else it runs again), error, why, items, wait_ms, next_ms,
 * deliveries, emits, changes (as run has them), event, of which the deliveries are, and news, the
 * event that tells of a failure */
int l_project_run_routine(lua_State *L)
{
    static const char *const turns[] = {"early", "run", "skipped"};
    struct project *project = project_check(L);
    const struct registry *registry = registry_of(project);
    const lua_Integer number = luaL_checkinteger(L, 2);
    luaL_argcheck(L, number >= 1 && (size_t)number <= registry->routine_count, 2,
                  "no such routine");
    luaL_checktype(L, 3, LUA_TTABLE);
    lua_settop(L, 4);
    const struct routine_spec *routine = &registry->routines[number - 1];
    struct routine_row *row = &project->rows[number - 1];
    if (field_integer(L, 3, "is_forced", 0) != 0)
        row->due_ms = row->tick_ms = project->now_ms;
    const enum routine_turn turn = routine_take(routine, row, project->now_ms);
    struct sse_message message = {0};
    const bool has_message = read_message(L, &message);
    if (turn == ROUTINE_RUN && (has_message || routine->kind != ROUTINE_SSE)) {
        struct waiting_routine *waiting = must_alloc(sizeof *waiting);
        *waiting = (struct waiting_routine){
            .project = project,
            .number = (size_t)number - 1,
            .result = project_expect_result(L, project),
            .is_lost = field_integer(L, 3, "is_lost", 0) != 0,
            .started_ms = project->now_ms,
            .place = has_message ? must_copy(message.id.data, message.id.len) : NULL,
        };
        script_run_routine(project->script,
                           &(struct tick_options){.routine = routine,
                                                  .scheduled_ms = row->tick_ms,
                                                  .previous_ms = row->previous_ms,
                                                  .number = row->failures + 1,
                                                  .message = &message},
                           on_done, waiting);
    }
    lua_pushstring(L, turns[turn]);
    lua_pushinteger(L, row->due_ms);
    return 2;
}
