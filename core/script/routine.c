/* SPDX-License-Identifier: MIT */
/* One run of a routine (a cron, an every, a poll): its function as a job; its outbox is the
 * taker's. What it sends is of an event that stands for the run, and is stored only if there is
 * something. */
#include "script/bind_int.h"

#include "base/clock.h"
#include "base/crash.h"

#include <stdlib.h>

static const enum phase_id phase_of[ROUTINE_KIND_COUNT] = {
    [ROUTINE_CRON] = PHASE_CRON,
    [ROUTINE_EVERY] = PHASE_EVERY,
    [ROUTINE_POLL] = PHASE_POLL,
    [ROUTINE_SSE] = PHASE_SSE,
};

static void drop(struct job *job)
{
    if (job->outbox)
        outbox_finish(job->outbox);
    free(job->outbox);
    job->outbox = NULL;
    for (size_t i = 0; i < job->keyed_count; i++)
        free(job->keyed[i].key);
    free(job->keyed);
    job->keyed = NULL;
    job->keyed_count = 0;
}

static void finish(struct job *job, struct job_result *result)
{
    const job_cb on_done = job->on_done;
    void *ctx = job->ctx;
    struct event *event = job->run.own.event;
    result->cpu_ns = budget_cpu_ns(&job->context);
    result->load = job->load;
    if (result->outcome == JOB_HANDLED) {
        result->outbox = job->outbox;
        job->outbox = NULL;
        if (result->outbox && result->outbox->message_count > 0)
            result->event = event_ref(event);
    }
    drop(job);
    if (job->base.L)
        lua_settop(job->base.L, 0);
    job->tick = (struct tick_options){0};
    job_release(job);
    event_unref(event);
    on_done(result, ctx);
}

static void fail(struct job *job, bool is_timeout)
{
    char text[SCRIPT_TEXT_BYTES];
    const struct buf *from = &job->script->text;
    (void)snprintf(text, sizeof text, "%.*s", (int)from->len, from->len ? from->data : "");
    finish(job,
           &(struct job_result){.outcome = JOB_FAILED, .text = text, .is_timeout = is_timeout});
}

/* ---- What its function returned ---- */

struct judgement {
    struct job *job;
    int result_count;
    struct job_result result;
    bool is_error; /* nil and an error */
};

/* Of an Error: whether the source was too slow, and when it wants to be asked again. */
static void read_error(lua_State *L, struct judgement *it)
{
    if (lua_type(L, 2) != LUA_TTABLE)
        return;
    lua_pushliteral(L, "code");
    lua_rawget(L, 2);
    it->result.is_timeout =
        lua_type(L, -1) == LUA_TSTRING && strcmp(lua_tostring(L, -1), "timeout") == 0;
    lua_pushliteral(L, "retry_after");
    lua_rawget(L, 2);
    const double seconds = lua_tonumber(L, -1);
    if (seconds > 0 && seconds <= LIMIT_RETRY_AFTER_MAX_S)
        it->job->load.retry_after_ms = (int64_t)(seconds * 1000);
    lua_pushliteral(L, "status");
    lua_rawget(L, 2);
    const lua_Integer status = lua_tointeger(L, -1);
    it->job->load.is_busy = it->job->load.is_busy || status == 429 || status == 503;
}

static void read_items(lua_State *L, struct judgement *it)
{
    const struct outbox *outbox = it->job->outbox;
    it->result.items = outbox ? (int64_t)outbox->emit_count : 0;
    if (lua_isnil(L, 1))
        return;
    if (!lua_isinteger(L, 1) || lua_tointeger(L, 1) < 0)
        (void)luaL_error(L,
                         "a poll returns how many items it found, nil and an Error, or "
                         "anzol.after(…); got %s",
                         luaL_tolstring(L, 1, NULL));
    it->result.items = lua_tointeger(L, 1);
}

/* it, on the state of the script. */
static int l_judge(lua_State *L)
{
    struct judgement *it = lua_touserdata(L, 1);
    lua_State *from = it->job->base.L;
    const bool is_poll = it->job->tick.routine->kind == ROUTINE_POLL;
    lua_settop(L, 0);
    luaL_checkstack(L, LUA_MINSTACK, NULL);
    for (int i = 0; i < 2; i++) {
        if (i < it->result_count)
            lua_pushvalue(from, lua_gettop(from) - it->result_count + 1 + i);
        else
            lua_pushnil(from);
        lua_xmove(from, L, 1);
    }
    const struct verdict *verdict = object_test(L, 1, &verdict_kind);
    if (lua_isnil(L, 1) && lua_toboolean(L, 2)) {
        it->is_error = true;
        read_error(L, it);
    } else if (verdict && is_poll && verdict->kind == VERDICT_AFTER) {
        it->result.has_delay = true;
        it->result.delay_ms = verdict->delay_ms;
        lua_pushnil(L);
        lua_replace(L, 1);
        read_items(L, it);
    } else if (verdict) {
        return luaL_error(L, "%s is not for '%s'",
                          verdict->kind == VERDICT_SKIP          ? "anzol.skip"
                          : verdict->kind == VERDICT_RETRY_LATER ? "anzol.retry_later"
                                                                 : "anzol.after",
                          phases[phase_of[it->job->tick.routine->kind]].name);
    } else if (is_poll) {
        read_items(L, it);
    } else {
        it->result.items = 1;
    }
    return 0;
}

static void judge(struct job *job, int result_count)
{
    struct judgement it = {.job = job, .result_count = result_count};
    if (!lua_checkstack(job->base.L, LUA_MINSTACK)) {
        finish(job, &(struct job_result){.outcome = JOB_FAILED, .text = "out of memory"});
        return;
    }
    if (script_call(job->script, &job->context, l_judge, &it, 0) != OK) {
        script_count_error(job->script, job->context.phase);
        fail(job, false);
        return;
    }
    if (it.is_error && job_returned_error(job, result_count)) {
        fail(job, it.result.is_timeout);
        return;
    }
    it.result.outcome = JOB_HANDLED;
    it.result.text = "";
    finish(job, &it.result);
}

static void on_end(struct job *job, enum job_end end, int result_count)
{
    switch (end) {
    case JOB_END_OK:
        judge(job, result_count);
        return;
    case JOB_END_ERROR:
        fail(job, false);
        return;
    case JOB_END_CANCEL:
        finish(job, &(struct job_result){.outcome = JOB_CANCELLED, .text = "cancelled"});
        return;
    }
}

/* ---- The start ---- */

static enum status write_body(const struct tick_options *tick, struct buf *body)
{
    enum status status = buf_add_str(body, "{\"name\":");
    if (status == OK)
        status = buf_add_json_string(body, slice_str(tick->routine->name));
    if (status == OK)
        status = buf_printf(body, ",\"scheduled_ms\":%lld", (long long)tick->scheduled_ms);
    if (status == OK && tick->previous_ms != 0)
        status = buf_printf(body, ",\"previous_ms\":%lld", (long long)tick->previous_ms);
    return status == OK ? buf_add_str(body, "}") : status;
}

/* What its messages are of: an event of its name, "anzol.cron", "anzol.every", "anzol.poll" or
 * "anzol.sse". */
static struct event *make_event(struct script *script, const struct tick_options *tick)
{
    char type[LIMIT_NAME_BYTES];
    struct trace trace = {0};
    (void)snprintf(type, sizeof type, "anzol.%s", routine_kind_name(tick->routine->kind));
    buf_clear(&script->head);
    buf_clear(&script->body);
    if (head_add(&script->head, slice_str("content-type"), slice_str("application/json")) != OK ||
        write_body(tick, &script->body) != OK)
        return NULL;
    const struct message_text text = {.head = buf_slice(&script->head),
                                      .body = buf_slice(&script->body)};
    struct content *content = message_content(&text);
    if (!content)
        return NULL;
    trace_continue(&trace);
    struct event *event = event_create(&(struct event_options){
        .source = slice_str(tick->routine->name),
        .type = slice_str(type),
        .content = content,
        .trace = trace,
        .received_ms = clock_now_ms(),
    });
    if (event)
        event->id = script->hooks.next_event_id(script->hooks.ctx);
    else
        content_unref(content);
    return event;
}

/* Leaves the tick (which holds the view), the function and the tick on job->base.L. */
static int l_prepare(lua_State *L)
{
    struct job *job = lua_touserdata(L, 1);
    l_strand_prepare(L, &job->base);
    (void)tick_push(L, job);
    script_push_ref(L, job->script, REF_FUNCTIONS);
    lua_rawgeti(L, -1, job->tick.routine->function);
    lua_replace(L, -2);
    lua_pushvalue(L, -2);
    lua_xmove(L, job->base.L, 3);
    return 0;
}

void script_run_routine(struct script *script, const struct tick_options *options, job_cb on_done,
                        void *ctx)
{
    const struct routine_spec *routine = options->routine;
    struct event *event = make_event(script, options);
    struct job *job =
        event ? job_take(script, phase_of[routine->kind], routine->deadline_ms) : NULL;
    if (!job) {
        event_unref(event);
        on_done(&(struct job_result){.outcome = JOB_FAILED, .text = "out of memory"}, ctx);
        return;
    }
    job->run = (struct run_options){
        .own = {event, 1, LIMIT_MESSAGES_PER_EVENT},
        .run_number = options->number,
    };
    job->tick = *options;
    job->load = (struct source_load){0};
    job->on_done = on_done;
    job->ctx = ctx;
    job->is_hopeless = false;
    job->context.subject = (struct subject){
        .kind = routine_kind_name(routine->kind), .name = routine->name, .place = routine->script};
    job->context.running = options->mark;
    if (script_call(script, &job->context, l_prepare, job, 0) != OK) {
        fail(job, false);
        return;
    }
    crash_point("routine_start");
    job_start(job, 1, on_end);
}
