/* SPDX-License-Identifier: MIT */
/* One run, of one event or a batch: filter, then the handler as a job; its outbox is the taker's.
 */
#include "script/bind_int.h"

#include "base/crash.h"

#include <stdlib.h>

static struct subject subject_of(const struct subscription_spec *subscription)
{
    return (struct subject){
        .kind = "subscription", .name = subscription->name, .place = subscription->script};
}

static void push_function(lua_State *L, int number)
{
    script_push_ref(L, script_of(L), REF_FUNCTIONS);
    lua_rawgeti(L, -1, number);
    lua_remove(L, -2);
}

/* Upon the event: the functions that decide how it is run. */
static void ask_subscription(lua_State *L, struct job *job)
{
    const struct subscription_spec *subscription = job->run.subscription;
    if (subscription->filter_function != 0) {
        push_function(L, subscription->filter_function);
        lua_pushvalue(L, -2);
        lua_call(L, 1, 1);
        job->is_filtered_out = !lua_toboolean(L, -1) || object_test(L, -1, &verdict_kind);
        lua_pop(L, 1);
    }
    if (subscription->batch_function != 0 && !job->is_filtered_out) {
        struct order_key key; /* it raised, or gave none, when the event came in */
        push_function(L, subscription->batch_function);
        lua_pushvalue(L, -2);
        lua_call(L, 1, 1);
        order_key_check(L, "by of a batch", &key);
        lua_pop(L, 1);
    }
}

/* Pushes what the handler gets, once for it and once for the bottom of its stack: scripts may
 * change a list of events, and the views must stay alive. */
static void push_events(lua_State *L, struct job *job)
{
    const struct run_options *run = &job->run;
    const bool is_alone = run->member_count == 0;
    if (run->subscription->batch.count_max == 0) {
        (void)event_push(L, job, &run->own);
        lua_pushvalue(L, -1);
        return;
    }
    const int count = is_alone ? 1 : (int)run->member_count;
    lua_createtable(L, count, 0);
    event_push_list(L, count);
    for (int i = 1; i <= count; i++) {
        (void)event_push(L, job, is_alone ? &run->own : &run->members[i - 1]);
        lua_pushvalue(L, -1);
        lua_rawseti(L, -3, i);
        lua_rawseti(L, -3, i);
    }
}

/* Leaves the event (which holds the view), the handler and the event on job->base.L; of a batch the
 * list of its events. */
static int l_prepare(lua_State *L)
{
    struct job *job = lua_touserdata(L, 1);
    const struct subscription_spec *subscription = job->run.subscription;
    l_strand_prepare(L, &job->base);
    push_events(L, job);
    lua_insert(L, -2);
    lua_xmove(L, job->base.L, 1);
    if (job->run.member_count == 0) {
        if (subscription->batch.count_max > 0)
            lua_rawgeti(L, -1, 1);
        else
            lua_pushvalue(L, -1);
        ask_subscription(L, job);
        lua_pop(L, 1);
    }
    push_function(L, subscription->handler_function);
    lua_insert(L, -2);
    lua_xmove(L, job->base.L, 2);
    return 0;
}

static void drop_effects(struct job *job)
{
    if (job->outbox)
        outbox_finish(job->outbox);
    free(job->outbox);
    job->outbox = NULL;
}

/* Gives the job back and tells the outcome: the callback may start the next run at once. */
static void finish(struct job *job, struct job_result *result)
{
    const job_cb on_done = job->on_done;
    void *ctx = job->ctx;
    result->cpu_ns = budget_cpu_ns(&job->context);
    if (result->outcome == JOB_HANDLED) {
        result->outbox = job->outbox;
        job->outbox = NULL;
    }
    drop_effects(job);
    for (size_t i = 0; i < job->keyed_count; i++)
        free(job->keyed[i].key);
    free(job->keyed);
    job->keyed = NULL;
    job->keyed_count = 0;
    job->published_count = 0;
    result->has_steps = job->steps.count > 0;
    steps_finish(job);
    job_close_views(job);
    if (job->base.L)
        lua_settop(job->base.L, 0);
    job_release(job);
    on_done(result, ctx);
}

static void fail(struct job *job)
{
    char text[SCRIPT_TEXT_BYTES];
    const struct buf *from = &job->script->text;
    (void)snprintf(text, sizeof text, "%.*s", (int)from->len, from->len ? from->data : "");
    finish(job, &(struct job_result){
                    .outcome = JOB_FAILED, .text = text, .is_hopeless = job->is_hopeless});
}

/* What the handler returned: nothing, or a verdict. */
static void judge(struct job *job, int result_count)
{
    const struct verdict *verdict = NULL;
    if (result_count > 0 && lua_checkstack(job->base.L, LUA_MINSTACK))
        verdict =
            object_test(job->base.L, lua_gettop(job->base.L) - result_count + 1, &verdict_kind);
    if (verdict && verdict->kind == VERDICT_AFTER) {
        script_keep_error(job->script, &job->context,
                          "anzol.after is for polls; a handler that wants to run again later "
                          "returns anzol.retry_later");
        fail(job);
        return;
    }
    struct verdict copy; /* the object may go with the job */
    struct job_result result = {.outcome = JOB_HANDLED, .text = ""};
    if (verdict) {
        copy = *verdict;
        result.outcome = copy.kind == VERDICT_SKIP ? JOB_SKIPPED : JOB_RETRY_LATER;
        result.text = copy.reason;
        result.delay_ms = copy.delay_ms;
    }
    finish(job, &result);
}

static void on_end(struct job *job, enum job_end end, int result_count)
{
    switch (end) {
    case JOB_END_OK:
        if (job_returned_error(job, result_count))
            fail(job);
        else
            judge(job, result_count);
        return;
    case JOB_END_ERROR:
        fail(job);
        return;
    case JOB_END_CANCEL:
        finish(job, &(struct job_result){.outcome = JOB_CANCELLED, .text = "cancelled"});
        return;
    }
}

void script_run(struct script *script, const struct run_options *options, job_cb on_done, void *ctx)
{
    struct job *job = job_take(script, PHASE_HANDLER, options->subscription->deadline_ms);
    if (!job) {
        on_done(&(struct job_result){.outcome = JOB_FAILED, .text = "out of memory"}, ctx);
        return;
    }
    job->run = *options;
    job->on_done = on_done;
    job->ctx = ctx;
    job->is_filtered_out = false;
    job->is_hopeless = false;
    job->context.subject = subject_of(options->subscription);
    job->context.running = options->own.event->id;
    struct context filter;
    struct order_key key;
    context_init(&filter, PHASE_FILTER, 0);
    filter.subject = job->context.subject;
    filter.running = options->own.event->id;
    const bool is_keyed = options->subscription->order_function != 0 && !options->is_ordered;
    if ((is_keyed &&
         script_order_event(script, options->subscription, options->own.event, &key) != OK) ||
        script_call(script, &filter, l_prepare, job, 0) != OK) {
        fail(job);
    } else if (job->is_filtered_out) {
        finish(job, &(struct job_result){.outcome = JOB_SKIPPED, .text = "filter"});
    } else {
        crash_point("handler_start");
        job_start(job, 1, on_end);
    }
}
