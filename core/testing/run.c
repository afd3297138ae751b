/* SPDX-License-Identifier: MIT */
/* One run of one event, and what it asked for. */
#include "testing/testing_int.h"

#include "base/clock.h"
#include "model/published.h"

#include <stdlib.h>

struct waiting_run {
    struct project *project;
    struct event *event; /* owned reference */
    int result;
    bool is_lost; /* its commit fails */
    size_t member_count;
    struct run_member members[]; /* of a batch; owned references */
};

/* { verb, id, reason? }, … */
static void set_changes(lua_State *L, const struct outbox *outbox)
{
    lua_createtable(L, (int)outbox->change_count, 0);
    for (size_t i = 0; i < outbox->change_count; i++) {
        const struct outbox_change *change = &outbox->changes[i];
        char id[ID_TEXT_BYTES];
        id_format(change->what.kind, change->what.id, id);
        lua_createtable(L, 0, 3);
        set_text(L, "verb", change_verb_name(change->what.verb));
        set_text(L, "id", id);
        set_text(L, "reason", change->reason);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_setfield(L, -2, "changes");
}

static const char *wanted_state(const struct task *task)
{
    if (task->wanted < 0)
        return NULL;
    return task->kind == ID_EVENT ? run_state_name((enum run_state)task->wanted)
                                  : delivery_state_name((enum delivery_state)task->wanted);
}

/* { verb, kind, source?, type?, endpoint?, state?, contains?, subscription?, has_new_ids,
 * rate_per_s (0: none), since_ms, until_ms }, … */
static void set_tasks(lua_State *L, const struct outbox *outbox)
{
    lua_createtable(L, (int)outbox->task_count, 0);
    for (size_t i = 0; i < outbox->task_count; i++) {
        const struct task *task = &outbox->tasks[i];
        lua_createtable(L, 0, 12);
        set_text(L, "verb", change_verb_name(task->verb));
        set_text(L, "kind", task->kind == ID_EVENT ? "event" : "delivery");
        set_text(L, "source", task->source);
        set_text(L, "type", task->type);
        set_text(L, "endpoint", task->endpoint);
        set_text(L, "state", wanted_state(task));
        set_text(L, "contains", task->contains);
        set_text(L, "subscription", task->subscription);
        set_bool(L, "has_new_ids", task->has_new_ids);
        lua_pushnumber(L, task->rate_per_s);
        lua_setfield(L, -2, "rate_per_s");
        set_integer(L, "since_ms", task->since_ms);
        set_integer(L, "until_ms", task->until_ms);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_setfield(L, -2, "tasks");
}

void set_outbox(lua_State *L, struct project *project, struct outbox *outbox)
{
    lua_createtable(L, (int)outbox->delivery_count, 0);
    for (size_t i = 0; i < outbox->delivery_count; i++) {
        struct outbox_delivery *entry = &outbox->deliveries[i];
        entry->delivery->id = id_next_row(&project->last_row);
        entry->delivery->created_ms = project->now_ms;
        lua_createtable(L, 0, 4);
        set_integer(L, "delay_ms", entry->delay_ms);
        set_bool(L, "is_published",
                 entry->delivery->message->id == published_message(entry->delivery->message->id));
        if (entry->order_key.data)
            set_slice(L, "order_key", entry->order_key);
        delivery_handle_push(L, project, entry->endpoint, entry->registry, entry->delivery);
        entry->registry = NULL;
        entry->delivery = NULL;
        lua_setfield(L, -2, "delivery");
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_setfield(L, -2, "deliveries");
    lua_createtable(L, (int)outbox->emit_count, 0);
    for (size_t i = 0; i < outbox->emit_count; i++) {
        event_handle_push(L, outbox->emits[i]);
        outbox->emits[i] = NULL;
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
    lua_setfield(L, -2, "emits");
    set_changes(L, outbox);
    set_tasks(L, outbox);
}

static void on_done(const struct job_result *result, void *ctx)
{
    static const char *const names[] = {"handled", "skipped", "retry_later", "failed", "cancelled"};
    static struct outbox nothing;
    struct waiting_run *waiting = ctx;
    struct project *project = waiting->project;
    lua_State *L = project->L;
    enum job_outcome outcome = result->outcome;
    const char *text = result->text;
    struct outbox *outbox = result->outbox ? result->outbox : &nothing;
    const enum kept_outcome kept = waiting->is_lost ? KEPT_OK : kept_commit(project, outbox);
    if (waiting->is_lost || kept == KEPT_CONFLICT) {
        outcome = JOB_CANCELLED;
    } else if (kept == KEPT_NO_NUMBER) {
        outcome = JOB_FAILED;
        text = "anzol.kv:incr: the value is no number, or the sum is out of range";
    }
    project_push_result(L, project, waiting->result);
    set_text(L, "outcome", names[outcome]);
    set_text(L, "text", text);
    set_integer(L, "delay_ms", result->delay_ms);
    set_bool(L, "is_hopeless", result->is_hopeless);
    set_outbox(L, project, outcome == JOB_HANDLED ? outbox : &nothing);
    lua_pop(L, 1);
    if (result->outbox)
        outbox_finish(result->outbox);
    free(result->outbox);
    for (size_t i = 0; i < waiting->member_count; i++)
        event_unref(waiting->members[i].event);
    event_unref(waiting->event);
    free(waiting);
}

/* { event, first_ordinal, ordinal_count } at index */
static struct run_member read_member(lua_State *L, int index)
{
    lua_getfield(L, index, "event");
    const struct run_member member = {
        .event = event_ref(event_handle_check(L, -1)),
        .first_ordinal = (uint8_t)field_integer(L, index, "first_ordinal", 1),
        .ordinal_count = (uint8_t)field_integer(L, index, "ordinal_count", ID_ORDINAL_MAX - 1),
    };
    lua_pop(L, 1);
    return member;
}

static struct waiting_run *create_waiting(lua_State *L, struct event *event)
{
    size_t count = 0;
    if (lua_getfield(L, 4, "members") == LUA_TTABLE)
        count = lua_rawlen(L, -1);
    struct waiting_run *waiting = must_alloc(sizeof *waiting + count * sizeof waiting->members[0]);
    waiting->event = event_ref(event);
    for (size_t i = 0; i < count; i++) {
        lua_rawgeti(L, -1, (lua_Integer)i + 1);
        waiting->members[i] = read_member(L, lua_gettop(L));
        waiting->member_count++;
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    return waiting;
}

/* run(subscription, event, { number, first_ordinal, ordinal_count, is_ordered = 1?, is_lost = 1?,
 * members = { { event, first_ordinal, ordinal_count }, … }? }, result): result gets outcome
 * "handled" "skipped" "retry_later" "failed" "cancelled", text, delay_ms, is_hopeless, deliveries {
 * { delivery, delay_ms, is_published, order_key? }, … }, emits { event, … }, changes { { verb, id,
 * reason? }, …
 * }, tasks */
int l_project_run(lua_State *L)
{
    struct project *project = project_check(L);
    const struct registry *registry = script_registry(project->script);
    const lua_Integer number = luaL_checkinteger(L, 2);
    luaL_argcheck(L, number >= 1 && (size_t)number <= registry->subscription_count, 2,
                  "no such subscription");
    struct event *event = event_handle_check(L, 3);
    luaL_checktype(L, 4, LUA_TTABLE);
    lua_settop(L, 5);
    struct waiting_run *waiting = create_waiting(L, event);
    const struct run_options options = {
        .subscription = &registry->subscriptions[number - 1],
        .own = {event, (uint8_t)field_integer(L, 4, "first_ordinal", 1),
                (uint8_t)field_integer(L, 4, "ordinal_count", ID_ORDINAL_MAX - 1)},
        .members = waiting->members,
        .member_count = waiting->member_count,
        .run_number = (uint32_t)field_integer(L, 4, "number", 1),
        .is_ordered = field_integer(L, 4, "is_ordered", 0) != 0,
    };
    waiting->project = project;
    waiting->result = project_expect_result(L, project);
    waiting->is_lost = field_integer(L, 4, "is_lost", 0) != 0;
    script_run(project->script, &options, on_done, waiting);
    return 0;
}

/* ---- What a state does first ---- */

struct waiting_init {
    struct project *project;
    int result;
};

static void on_init(const char *problem, void *ctx)
{
    struct waiting_init *waiting = ctx;
    struct project *project = waiting->project;
    project_push_result(project->L, project, waiting->result);
    set_text(project->L, "problem", problem);
    lua_pop(project->L, 1);
    free(waiting);
}

/* init(result): runs anzol.init; result gets problem, nil: it went well */
int l_project_init(lua_State *L)
{
    struct project *project = project_check(L);
    luaL_checktype(L, 2, LUA_TTABLE);
    lua_settop(L, 2);
    struct waiting_init *waiting = calloc(1, sizeof *waiting);
    if (!waiting)
        return luaL_error(L, "out of memory");
    *waiting =
        (struct waiting_init){.project = project, .result = project_expect_result(L, project)};
    script_init(project->script, on_init, waiting);
    return 0;
}

/* rerun_delay(number) -> ms until a failed run's next, nil: it was the last */
int l_project_rerun_delay(lua_State *L)
{
    (void)project_check(L);
    int64_t delay_ms;
    if (!backoff_next(&backoff_handler, (uint32_t)luaL_checkinteger(L, 2), 0, 0, &delay_ms))
        return 0;
    lua_pushinteger(L, delay_ms);
    return 1;
}
