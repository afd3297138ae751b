/* SPDX-License-Identifier: MIT */
/* anzol.sleep(duration), and the model of every binding that waits: check the arguments, then that
 * it may wait; arm with a cancel, keep the ticket, yield; the completion hands the ticket back. */
#include "script/bind_int.h"

static uint64_t *ticket_of(struct strand *strand)
{
    return strand->waiting;
}

static void on_time(struct timer *timer)
{
    struct strand *strand = container_of(timer, struct strand, timer);
    strand_wake(strand, *ticket_of(strand), 0);
}

static void cancel(struct strand *strand)
{
    const struct script_hooks *hooks = &strand->job->script->hooks;
    hooks->stop_timer(hooks->ctx, &strand->timer);
}

static int l_sleep(lua_State *L)
{
    luaL_checkany(L, 1);
    const int64_t delay_ms = duration_check(L, 1, "the duration of anzol.sleep");
    struct strand *strand = strand_check_may_wait(L, "anzol.sleep");
    const struct script_hooks *hooks = &strand->job->script->hooks;
    strand->timer.on_time = on_time;
    hooks->start_timer(hooks->ctx, &strand->timer, delay_ms);
    *ticket_of(strand) = strand_wait(strand, cancel);
    return lua_yield(L, 0);
}

void open_sleep(lua_State *L)
{
    lua_pushcfunction(L, l_sleep);
    lua_setfield(L, -2, "sleep");
}
