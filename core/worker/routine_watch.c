/* SPDX-License-Identifier: MIT */
/* A cron goes by the wall clock, its timer by one that does not step: while there are crons, a step
 * is looked for. On the worker's thread. */
#include "worker/worker_int.h"

#include "base/clock.h"

#define WATCH_MS 1000
#define STEP_MS 500 /* less is drift */

static void on_watch(struct timer *timer)
{
    struct worker *worker = container_of(timer, struct worker, routines.watch);
    struct routines *routines = &worker->routines;
    const int64_t wall_ms = clock_now_ms() - clock_mono_ms();
    const int64_t step_ms = wall_ms - routines->wall_ms;
    const bool has_stepped = step_ms > STEP_MS || step_ms < -STEP_MS;
    if (has_stepped)
        routines->wall_ms = wall_ms;
    if (routines_plan_crons(worker, has_stepped))
        timers_start(&worker->timers, &routines->watch, WATCH_MS);
}

void routines_watch(struct worker *worker)
{
    struct routines *routines = &worker->routines;
    if (routines->watch.is_started || !routines_plan_crons(worker, false))
        return;
    routines->watch.on_time = on_watch;
    routines->wall_ms = clock_now_ms() - clock_mono_ms();
    timers_start(&worker->timers, &routines->watch, WATCH_MS);
}
