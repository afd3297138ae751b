/* SPDX-License-Identifier: MIT */
/* A pairing heap: starting is one comparison, stopping a few, and the links are in the timers. */
#include "base/timer.h"

static bool is_before(const struct timer *a, const struct timer *b)
{
    return a->due_ms < b->due_ms || (a->due_ms == b->due_ms && a->turn < b->turn);
}

/* Two heaps become one; either may be NULL. */
static struct timer *meld(struct timer *a, struct timer *b)
{
    if (!a || !b)
        return a ? a : b;
    struct timer *parent = is_before(a, b) ? a : b;
    struct timer *child = parent == a ? b : a;
    child->previous = parent;
    child->sibling = parent->child;
    if (child->sibling)
        child->sibling->previous = child;
    parent->child = child;
    return parent;
}

/* The children of one that leaves become one heap: in pairs, then from the last to the first. */
static struct timer *meld_children(struct timer *first)
{
    struct timer *pairs = NULL; /* linked by previous */
    while (first) {
        struct timer *a = first;
        struct timer *b = a->sibling;
        first = b ? b->sibling : NULL;
        a->sibling = NULL;
        if (b)
            b->sibling = NULL;
        struct timer *pair = meld(a, b);
        pair->previous = pairs;
        pairs = pair;
    }
    struct timer *heap = NULL;
    while (pairs) {
        struct timer *next = pairs->previous;
        pairs->previous = NULL;
        heap = meld(heap, pairs);
        pairs = next;
    }
    return heap;
}

void timer_heap_start(struct timer_heap *heap, struct timer *timer, int64_t due_ms)
{
    check(!timer->is_started);
    timer->is_started = true;
    timer->due_ms = due_ms;
    timer->turn = ++heap->turn;
    timer->child = timer->sibling = timer->previous = NULL;
    heap->first = meld(heap->first, timer);
}

static void cut(struct timer *timer)
{
    if (timer->previous->child == timer)
        timer->previous->child = timer->sibling;
    else
        timer->previous->sibling = timer->sibling;
    if (timer->sibling)
        timer->sibling->previous = timer->previous;
}

void timer_heap_stop(struct timer_heap *heap, struct timer *timer)
{
    if (!timer->is_started)
        return;
    struct timer *children = meld_children(timer->child);
    if (heap->first == timer) {
        heap->first = children;
    } else {
        cut(timer);
        heap->first = meld(heap->first, children);
    }
    timer->child = timer->sibling = timer->previous = NULL;
    timer->is_started = false;
}

void timer_heap_run(struct timer_heap *heap, int64_t now_ms)
{
    const uint64_t last_turn = heap->turn;
    struct timer *timer;
    while ((timer = heap->first) && timer->due_ms <= now_ms && timer->turn <= last_turn) {
        timer_heap_stop(heap, timer);
        timer->on_time(timer);
    }
}

/* ---- On a loop ---- */

static void arm(struct timers *timers);

static void run(struct timers *timers)
{
    timer_heap_run(&timers->heap, (int64_t)uv_now(timers->handle.loop));
    arm(timers);
}

static void on_time(uv_timer_t *handle)
{
    run(container_of(handle, struct timers, handle));
}

static void on_next(uv_idle_t *handle)
{
    run(container_of(handle, struct timers, next));
}

/* What is due at once waits for the loop's next turn: libuv would run a timer that its own callback
 * starts for now again and again, and nothing else. */
static void arm(struct timers *timers)
{
    const struct timer *first = timers->heap.first;
    const int64_t delay_ms = first ? first->due_ms - (int64_t)uv_now(timers->handle.loop) : 0;
    (void)uv_timer_stop(&timers->handle);
    if (!first || delay_ms > 0)
        (void)uv_idle_stop(&timers->next);
    if (first && delay_ms > 0)
        check(uv_timer_start(&timers->handle, on_time, (uint64_t)delay_ms, 0) == 0);
    else if (first)
        check(uv_idle_start(&timers->next, on_next) == 0);
}

void timers_open(struct timers *timers, uv_loop_t *loop)
{
    *timers = (struct timers){0};
    check(uv_timer_init(loop, &timers->handle) == 0);
    check(uv_idle_init(loop, &timers->next) == 0);
}

void timers_start(struct timers *timers, struct timer *timer, int64_t delay_ms)
{
    uv_update_time(timers->handle.loop);
    timer_heap_start(&timers->heap, timer, (int64_t)uv_now(timers->handle.loop) + delay_ms);
    if (timers->heap.first == timer)
        arm(timers);
}

void timers_stop(struct timers *timers, struct timer *timer)
{
    const bool was_first = timers->heap.first == timer;
    timer_heap_stop(&timers->heap, timer);
    if (was_first)
        arm(timers);
}

/* One after the other: on_closed may free both. */
static void on_next_closed(uv_handle_t *handle)
{
    struct timers *timers = container_of((uv_idle_t *)(void *)handle, struct timers, next);
    uv_close((uv_handle_t *)&timers->handle, timers->on_closed);
}

void timers_close(struct timers *timers, uv_close_cb on_closed)
{
    check(!timers->heap.first);
    timers->on_closed = on_closed;
    uv_close((uv_handle_t *)&timers->next, on_next_closed);
}
