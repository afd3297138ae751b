/* SPDX-License-Identifier: MIT */
/* anzol.limiter(name, "10/s", { burst = }):take(n, { wait = true }): a token bucket that all
 * scripts of the process share by its name. */
#include "script/bind_int.h"

#include "base/text.h"
#include "shared/shared.h"

#include <math.h>

#define BURST_MAX 1e9

struct limiter {
    struct limiter_rate rate;
    char name[LIMIT_NAME_BYTES + 1];
};

static void on_time(struct timer *timer)
{
    struct strand *strand = container_of(timer, struct strand, timer);
    lua_pushboolean(strand->waiter, true);
    strand_wake(strand, strand->waiting[0], 1);
}

static void cancel(struct strand *strand)
{
    const struct script_hooks *hooks = &strand->job->script->hooks;
    hooks->stop_timer(hooks->ctx, &strand->timer);
}

static int wait_for(lua_State *L, struct strand *strand, int64_t wait_ms)
{
    const struct script_hooks *hooks = &strand->job->script->hooks;
    strand->timer.on_time = on_time;
    hooks->start_timer(hooks->ctx, &strand->timer, wait_ms);
    strand->waiting[0] = strand_wait(strand, cancel);
    return lua_yield(L, 0);
}

/* Later than the job may live: nothing was taken. */
static int too_late(lua_State *L, const struct limiter *limiter, int64_t wait_ms)
{
    lua_pushfstring(L, "limiter '%s' has room in %f s, after the end of this job", limiter->name,
                    (lua_Number)wait_ms / 1000);
    (void)error_push(L, "rate_limited", lua_tostring(L, -1), true);
    lua_pushnumber(L, (lua_Number)wait_ms / 1000);
    lua_setfield(L, -2, "retry_after");
    return 2;
}

static bool check_wait(lua_State *L, int index)
{
    static const char *const names[] = {"wait", NULL};
    if (lua_isnoneornil(L, index))
        return false;
    const struct options options = {.index = index, .what = "limiter:take"};
    options_check_names(L, &options, names, NULL);
    return option_check_bool(L, &options, "wait", false);
}

/* take(n = 1, { wait = true }) -> true | false, seconds | nil, Error */
static int l_take(lua_State *L)
{
    const struct limiter *limiter = object_check(L, 1, &limiter_kind);
    const lua_Number count = luaL_optnumber(L, 2, 1);
    const bool is_waiting = check_wait(L, 3);
    struct shared *shared = shared_check(L, "limiter:take");
    if (!(count > 0) || count > limiter->rate.burst)
        return luaL_error(L, "limiter '%s' gives more than 0 and at most %f at once (its burst)",
                          limiter->name, limiter->rate.burst);
    struct strand *strand = is_waiting ? strand_check_may_wait(L, "limiter:take") : NULL;
    const int64_t wait_max_ms = strand ? job_wall_left_ms(strand->job) : 0;
    int64_t wait_ms;
    const bool is_taken = limiter_take(shared, slice_str(limiter->name), &limiter->rate, count,
                                       wait_max_ms, &wait_ms);
    if (strand && is_taken && wait_ms > 0)
        return wait_for(L, strand, wait_ms);
    if (strand && !is_taken)
        return too_late(L, limiter, wait_ms);
    lua_pushboolean(L, is_taken);
    if (is_taken)
        return 1;
    lua_pushnumber(L, (lua_Number)wait_ms / 1000);
    return 2;
}

static int l_limiter(lua_State *L)
{
    static const char *const names[] = {"burst", NULL};
    const char *name = luaL_checkstring(L, 1);
    const char *rate = luaL_checkstring(L, 2);
    const struct options options = {.index = 3, .what = "anzol.limiter"};
    name_check(L, name, "anzol.limiter");
    lua_settop(L, 3);
    struct limiter *limiter = object_push(L, &limiter_kind, sizeof *limiter, 0);
    (void)snprintf(limiter->name, sizeof limiter->name, "%s", name);
    if (!text_parse_rate(slice_str(rate), &limiter->rate.per_s))
        return luaL_error(L, "the rate of anzol.limiter '%s' must be " TEXT_RATE_FORMS ", got '%s'",
                          name, rate);
    limiter->rate.burst = limiter->rate.per_s > 1 ? limiter->rate.per_s : 1;
    if (!lua_isnil(L, 3)) {
        options_check_names(L, &options, names, NULL);
        limiter->rate.burst = option_check_number(L, &options, "burst", limiter->rate.burst);
    }
    if (!(limiter->rate.burst >= 1) || limiter->rate.burst > BURST_MAX)
        return luaL_error(L, "option 'burst' of anzol.limiter '%s' is at least 1", name);
    return 1;
}

static const luaL_Reg methods[] = {{"take", l_take}, {NULL, NULL}};

const struct object_kind limiter_kind = {"limiter", NULL, methods};

void open_limiter(lua_State *L)
{
    object_open(L, &limiter_kind);
    lua_pushcfunction(L, l_limiter);
    lua_setfield(L, -2, "limiter");
}
