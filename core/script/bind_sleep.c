/* SPDX-License-Identifier: MIT */
/* anzol.sleep(duration), and the model of every binding that waits: check that it may, arm with a
 * cancel, keep the ticket, yield; the completion hands the ticket back and a late one does nothing.
 */
#include "script/bind_int.h"

struct sleep {
    uint64_t ticket;
    bool is_expiry; /* the job's wall limit comes first */
};

static struct sleep *sleep_of(struct job *job)
{
    _Static_assert(sizeof(struct sleep) <= sizeof job->waiting, "room for the wait");
    return (struct sleep *)(void *)job->waiting;
}

static void on_timer(uv_timer_t *timer)
{
    struct job *job = container_of(timer, struct job, timer);
    if (sleep_of(job)->is_expiry)
        job_kill(job, KILL_WALL);
    else
        job_wake(job, sleep_of(job)->ticket, 0);
}

static void cancel(struct job *job)
{
    (void)uv_timer_stop(&job->timer);
}

static int l_sleep(lua_State *L)
{
    luaL_checkany(L, 1);
    int64_t delay_ms = duration_check(L, 1, "the duration of anzol.sleep");
    struct job *job = job_check_may_wait(L, "anzol.sleep");
    const int64_t left_ms = budget_wall_left_ms(&job->context);
    struct sleep *sleep = sleep_of(job);
    sleep->is_expiry = delay_ms > left_ms;
    if (sleep->is_expiry)
        delay_ms = left_ms;
    uv_update_time(job->script->loop);
    check(uv_timer_start(&job->timer, on_timer, (uint64_t)delay_ms, 0) == 0);
    sleep->ticket = job_wait(job, cancel);
    return lua_yield(L, 0);
}

void open_sleep(lua_State *L)
{
    lua_pushcfunction(L, l_sleep);
    lua_setfield(L, -2, "sleep");
}
