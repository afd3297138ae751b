/* SPDX-License-Identifier: MIT */
/* A job: an entry into Lua that may wait, with its limits, its event or request and its base
 * strand. Jobs are pooled: a coroutine that came to its end is used again; one that failed is
 * closed and replaced. */
#include "script/bind_int.h"

#include "base/clock.h"

#include <stdlib.h>

void job_close_views(struct job *job)
{
    for (struct event_view *view = job->view; view; view = view->next) {
        view->event = NULL;
        view->head = slice_str("");
    }
    if (job->request) {
        job->request->source = NULL;
        job->request->head = job->request->body = slice_str("");
    }
    job->view = NULL;
    job->request = NULL;
}

/* ---- Life cycle ---- */

static void on_base_end(struct strand *strand, bool is_ok, int result_count);

struct job *job_take(struct script *script, enum phase_id phase, int64_t wall_ms)
{
    struct node *node = queue_pop(&script->idle);
    struct job *job = node ? container_of(node, struct job, node) : calloc(1, sizeof *job);
    if (!job)
        return NULL;
    job->script = script;
    job->base.job = job;
    job->base.on_end = on_base_end;
    context_init(&job->context, phase, wall_ms);
    job->context.job = job;
    job->started_ms = clock_mono_ms();
    queue_push(&script->jobs, &job->node);
    strand_begin(&job->base);
    return job;
}

void job_release(struct job *job)
{
    struct script *script = job->script;
    strand_end(&job->base);
    job->context.job = NULL;
    queue_remove(&script->jobs, &job->node);
    queue_push(&script->idle, &job->node);
}

bool job_returned_error(struct job *job, int result_count)
{
    lua_State *L = job->base.L;
    const int first = lua_gettop(L) - result_count + 1;
    if (result_count < 2 || !lua_isnil(L, first) || !lua_toboolean(L, first + 1))
        return false;
    lua_settop(L, first + 1);
    struct context *previous = context_enter(job->script, &job->context);
    script_describe_error(job->script, L, &job->context);
    context_leave(job->script, previous);
    script_count_error(job->script, job->context.phase);
    return true;
}

static void end(struct job *job, enum job_end end, int result_count)
{
    struct script *script = job->script;
    if (job->wall.is_started)
        script->hooks.stop_timer(script->hooks.ctx, &job->wall);
    job_close_views(job);
    if (end == JOB_END_ERROR)
        script_count_error(job->script, job->context.phase);
    job->on_end(job, end, result_count);
}

/* All that it waits for is taken back, its strands are closed (<close> runs, under its limits). */
static void drop(struct job *job)
{
    strand_take_back(&job->base);
    /* First: the coroutine's stack holds the views, and its reset may run a collection. */
    job_close_views(job);
    strand_drop_thread(&job->base);
}

static void on_base_end(struct strand *strand, bool is_ok, int result_count)
{
    if (is_ok)
        end(strand->job, JOB_END_OK, result_count - 1); /* the view at the bottom counts too */
    else
        job_fail(strand->job, strand);
}

void job_fail(struct job *job, struct strand *strand)
{
    struct script *script = job->script;
    struct context *previous = context_enter(script, &job->context);
    script_describe_error(script, strand->L, &job->context);
    context_leave(script, previous);
    drop(job);
    end(job, JOB_END_ERROR, 0);
}

void job_fail_with(struct job *job, const char *text)
{
    script_keep_error(job->script, &job->context, text);
    drop(job);
    end(job, JOB_END_ERROR, 0);
}

void job_start(struct job *job, int argument_count, job_end_cb on_end)
{
    job->on_end = on_end;
    strand_run(&job->base, argument_count);
}

void job_kill(struct job *job, enum kill kill)
{
    job->context.kill = kill;
    job_fail_with(job, "");
}

int64_t job_wall_left_ms(const struct job *job)
{
    const int64_t left_ms = job->context.wall_max_ms - (clock_mono_ms() - job->started_ms);
    return left_ms > 0 ? left_ms : 0;
}

static void on_wall(struct timer *timer)
{
    job_kill(container_of(timer, struct job, wall), KILL_WALL);
}

void job_watch(struct job *job)
{
    const struct script_hooks *hooks = &job->script->hooks;
    if (job->wall.is_started)
        return;
    job->wall.on_time = on_wall;
    hooks->start_timer(hooks->ctx, &job->wall, job_wall_left_ms(job));
}

/* ---- Turns of the pre-empted ---- */

/* Not the job that asked for memory when there was none left, but the one that holds most of it. */
static void evict_largest(struct script *script)
{
    struct job *largest = NULL;
    for (struct node *node = queue_first(&script->jobs); node;
         node = queue_next(&script->jobs, node)) {
        struct job *job = container_of(node, struct job, node);
        if (job->base.state == STRAND_WAITING &&
            (!largest || job->context.bytes_charged > largest->context.bytes_charged))
            largest = job;
    }
    if (largest)
        job_kill(largest, KILL_MEMORY);
}

static void on_turn(uv_idle_t *handle)
{
    struct script *script = container_of(handle, struct script, turns);
    if (script->is_full) {
        script->is_full = false;
        evict_largest(script);
    }
    struct node *node = queue_pop(&script->ready);
    if (!queue_first(&script->ready))
        (void)uv_idle_stop(&script->turns);
    if (!node)
        return;
    struct strand *strand = container_of(node, struct strand, ready);
    strand_run(strand, strand->value_count);
}

void jobs_relieve(struct script *script)
{
    if (script->is_full && script->loop)
        check(uv_idle_start(&script->turns, on_turn) == 0);
}

void jobs_take_turns(struct script *script)
{
    check(script->loop != NULL);
    check(uv_idle_start(&script->turns, on_turn) == 0);
}

/* ---- Of the script ---- */

size_t script_job_count(const struct script *script)
{
    return script->jobs.count;
}

void job_cancel(struct job *job)
{
    check(job->base.state != STRAND_RUNNING);
    drop(job);
    end(job, JOB_END_CANCEL, 0);
}

void script_cancel_all(struct script *script)
{
    struct node *node;
    while ((node = queue_first(&script->jobs)))
        job_cancel(container_of(node, struct job, node));
    if (script->loop)
        (void)uv_idle_stop(&script->turns);
}

void script_cancel(struct script *script, const void *ctx)
{
    for (struct node *node = queue_first(&script->jobs); node;
         node = queue_next(&script->jobs, node)) {
        struct job *job = container_of(node, struct job, node);
        if (job->ctx == ctx) {
            job_cancel(job);
            return;
        }
    }
}

static void free_all(struct script *script)
{
    struct node *next;
    for (struct node *node = queue_first(&script->idle); node; node = next) {
        next = queue_next(&script->idle, node);
        free(container_of(node, struct job, node));
    }
    for (struct node *node = queue_first(&script->strands); node; node = next) {
        next = queue_next(&script->strands, node);
        free(container_of(node, struct strand, ready));
    }
    free(script);
}

static void on_turns_closed(uv_handle_t *handle)
{
    free_all(container_of((uv_idle_t *)(void *)handle, struct script, turns));
}

void jobs_attach(struct script *script, uv_loop_t *loop)
{
    script->loop = loop;
    check(uv_idle_init(loop, &script->turns) == 0);
}

void jobs_close(struct script *script)
{
    check(script->jobs.count == 0);
    if (script->loop)
        uv_close((uv_handle_t *)&script->turns, on_turns_closed);
    else
        free_all(script);
}
