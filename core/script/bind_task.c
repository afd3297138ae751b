/* SPDX-License-Identifier: MIT */
/* anzol.replay{filters} and anzol.recover(endpoint, options): a task of the server, made with the
 * commit of the run. */
#include "script/bind_int.h"

#include "base/clock.h"
#include "base/text.h"

static const char *const replay_options[] = {
    "contains", "endpoint", "kind",         "new_ids", "rate",     "since", "since_ms",
    "source",   "state",    "subscription", "type",    "until_ms", NULL,
};
static const char *const recover_options[] = {"rate", "since", "since_ms", "until_ms", NULL};

/* Takes copies of the task's texts, which are borrowed. */
static int add(lua_State *L, const char *function, const struct task *task)
{
    struct outbox *outbox = outbox_check(L, function);
    struct task copy;
    if (outbox->task_count >= LIMIT_TASKS_PER_RUN)
        return luaL_error(L, "a run may begin at most %d replays and recoveries",
                          LIMIT_TASKS_PER_RUN);
    if (!task_copy(&copy, task))
        return luaL_error(L, "out of memory");
    if (outbox_add_task(outbox, &copy) == OK)
        return 0;
    task_finish(&copy);
    return luaL_error(L, "out of memory");
}

/* NULL: not given. The table at the options' index holds the text. */
static char *borrow_text(lua_State *L, const struct options *options, const char *name,
                         size_t bytes_max)
{
    const char *text = option_check_text(L, options, name, NULL);
    if (text && *text == '\0')
        (void)option_error(L, options, name, "some text, or left out for all");
    if (text && strlen(text) > bytes_max)
        (void)luaL_error(L, "option '%s' of %s has at most %d bytes", name, options->what,
                         (int)bytes_max);
    return (char *)(uintptr_t)text;
}

/* Of what was made until now: so the walk has an end. */
static void read_span(lua_State *L, const struct options *options, struct task *task)
{
    const struct range instants = {0, INT64_C(1) << 42};
    const int64_t ago_ms = option_check_duration(L, options, "since", -1);
    const int64_t since_ms = option_check_integer(L, options, "since_ms", instants, -1);
    const int64_t until_ms = option_check_integer(L, options, "until_ms", instants, -1);
    if (ago_ms >= 0 && since_ms >= 0)
        (void)luaL_error(L, "%s takes one of 'since' and 'since_ms', not both", options->what);
    task->until_ms = clock_due_ms() + 1;
    if (ago_ms >= 0)
        task->since_ms = clock_due_ms() - ago_ms;
    else if (since_ms >= 0)
        task->since_ms = clock_due_of_wall(since_ms);
    if (until_ms >= 0 && clock_due_of_wall(until_ms) < task->until_ms)
        task->until_ms = clock_due_of_wall(until_ms);
    const char *rate = option_check_text(L, options, "rate", NULL);
    if (rate && !text_parse_rate(slice_str(rate), &task->rate_per_s))
        (void)option_error(L, options, "rate", TEXT_RATE_FORMS);
}

static void read_kind(lua_State *L, const struct options *options, struct task *task)
{
    const char *kind = option_check_text(L, options, "kind", task->endpoint ? "delivery" : "event");
    if (strcmp(kind, "event") != 0 && strcmp(kind, "delivery") != 0)
        (void)option_error(L, options, "kind", "\"event\" or \"delivery\"");
    task->kind = strcmp(kind, "event") == 0 ? ID_EVENT : ID_DELIVERY;
    if (task->kind == ID_EVENT && task->endpoint)
        (void)luaL_error(L,
                         "%s: events have no endpoint: leave 'endpoint' out, or say kind = "
                         "\"delivery\"",
                         options->what);
    if (task->kind == ID_DELIVERY && task->subscription)
        (void)luaL_error(L, "%s: 'subscription' is of events", options->what);
}

static void read_state(lua_State *L, const struct options *options, struct task *task)
{
    const bool is_event = task->kind == ID_EVENT;
    const char *name = option_check_text(L, options, "state", NULL);
    enum run_state of_run;
    enum delivery_state of_delivery;
    task->wanted = -1;
    if (name && is_event && run_state_parse(name, &of_run))
        task->wanted = (int)of_run;
    else if (name && !is_event && delivery_state_parse(name, &of_delivery))
        task->wanted = (int)of_delivery;
    else if (name)
        (void)option_error(L, options, "state",
                           is_event ? "pending, retrying, handled, skipped or dead"
                                    : "pending, retrying, succeeded, dead or cancelled");
}

/* A replay of events must not run the handler that begins it again, nor its like before it. */
static void check_leaves_own_out(lua_State *L, const struct options *options,
                                 const struct task *task)
{
    const struct context *context = script_of(L)->context;
    const struct event_view *view = context && context->job ? context->job->view : NULL;
    if (task->kind != ID_EVENT || !view || !view->event)
        return;
    const struct event *own = view->event;
    if ((task->type && !event_pattern_matches(slice_str(task->type), own->type)) ||
        (task->source && !slice_is(own->source, task->source)))
        return;
    (void)luaL_error(L,
                     "%s would run this handler again, which would begin the replay again: "
                     "say a 'type' other than '%s', or a 'source' other than '%s'",
                     options->what, own->type.data, own->source.data);
}

int task_begin_replay(lua_State *L)
{
    const struct options options = {.index = 1, .what = "anzol.replay"};
    lua_settop(L, 1);
    options_check_names(L, &options, replay_options, NULL);
    (void)outbox_check(L, options.what);
    lua_pushnil(L);
    if (!lua_next(L, 1))
        return luaL_error(L, "anzol.replay takes an id, or says which: since, type, endpoint, …");
    lua_settop(L, 1);
    struct task task = {
        .verb = CHANGE_REPLAY,
        .source = borrow_text(L, &options, "source", LIMIT_NAME_BYTES),
        .type = (char *)(uintptr_t)option_check_pattern(L, &options, "type"),
        .endpoint = borrow_text(L, &options, "endpoint", LIMIT_NAME_BYTES),
        .contains = borrow_text(L, &options, "contains", LIMIT_REASON_BYTES),
        .subscription = borrow_text(L, &options, "subscription", LIMIT_SUBSCRIPTION_BYTES),
        .has_new_ids = option_check_bool(L, &options, "new_ids", false),
    };
    read_kind(L, &options, &task);
    read_state(L, &options, &task);
    read_span(L, &options, &task);
    check_leaves_own_out(L, &options, &task);
    return add(L, options.what, &task);
}

static int l_recover(lua_State *L)
{
    const struct options options = {.index = 2, .what = "anzol.recover"};
    struct task task = {.verb = CHANGE_RETRY, .kind = ID_DELIVERY, .wanted = DELIVERY_DEAD};
    size_t len;
    const char *name = luaL_checklstring(L, 1, &len);
    lua_settop(L, 2);
    if (lua_isnil(L, 2)) {
        lua_settop(L, 1);
        lua_newtable(L);
    }
    luaL_checktype(L, 2, LUA_TTABLE);
    options_check_names(L, &options, recover_options, NULL);
    (void)outbox_check(L, options.what);
    if (!registry_endpoint(script_registry(script_of(L)), slice_of(name, len)))
        return luaL_error(L, "anzol.recover: there is no endpoint '%s'", name);
    task.endpoint = (char *)(uintptr_t)name;
    read_span(L, &options, &task);
    return add(L, options.what, &task);
}

void open_task(lua_State *L)
{
    lua_pushcfunction(L, l_recover);
    lua_setfield(L, -2, "recover");
}
