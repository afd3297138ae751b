/* SPDX-License-Identifier: MIT */
/* What runs may ask for: timers, ids. */
#include "console/console_int.h"

static uint64_t next_event_id(void *ctx)
{
    struct console *console = ctx;
    return id_next_event(&console->ids, 0);
}

static void start_timer(void *ctx, struct timer *timer, int64_t delay_ms)
{
    timers_start(&((struct console *)ctx)->timers, timer, delay_ms);
}

static void stop_timer(void *ctx, struct timer *timer)
{
    timers_stop(&((struct console *)ctx)->timers, timer);
}

struct script_hooks console_hooks(struct console *console)
{
    return (struct script_hooks){
        .next_event_id = next_event_id,
        .start_timer = start_timer,
        .stop_timer = stop_timer,
        .shared = console->shared,
        .ctx = console,
    };
}
