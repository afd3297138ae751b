/* SPDX-License-Identifier: MIT */
/* Many timers in one heap, in memory of their users: nothing is allocated. `timers` puts a heap on
 * a loop; whoever has a clock of his own runs the heap by himself. One
 * thread at a time: the loop's. */
#ifndef BASE_TIMER_H
#define BASE_TIMER_H

#include "base/base.h"

#include <uv.h>

struct timer;
/* The timer is stopped already; its owner may start it again, or free it. */
typedef void (*timer_cb)(struct timer *timer);

/* Zeroed: stopped. */
struct timer {
    timer_cb on_time;
    int64_t due_ms;
    uint64_t turn;          /* those due at the same time come in the order they were started */
    struct timer *child;    /* of the heap: the first */
    struct timer *sibling;  /* the next child of the same parent */
    struct timer *previous; /* the sibling before, or the parent */
    bool is_started;
};

struct timer_heap {
    struct timer *first; /* the next one due; NULL: none */
    uint64_t turn;
};

/* due_ms: not before what timer_heap_run was last given. */
void timer_heap_start(struct timer_heap *heap, struct timer *timer, int64_t due_ms);
/* Nothing if it is stopped. */
void timer_heap_stop(struct timer_heap *heap, struct timer *timer);
/* Runs those due now, in their order; what they start waits for the next call. */
void timer_heap_run(struct timer_heap *heap, int64_t now_ms);

struct timers {
    struct timer_heap heap;
    uv_timer_t handle;
    uv_idle_t next; /* those that are due: others get their turn in between */
    uv_close_cb on_closed;
};

void timers_open(struct timers *timers, uv_loop_t *loop);
void timers_start(struct timers *timers, struct timer *timer, int64_t delay_ms);
void timers_stop(struct timers *timers, struct timer *timer);
/* None may be started. The loop must run once more; on_closed (of handle) may be NULL. */
void timers_close(struct timers *timers, uv_close_cb on_closed);

#endif
