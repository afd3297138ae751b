/* SPDX-License-Identifier: MIT */
/* The event loop of the bench: epoll, and timers as fine as nanoseconds (an open-loop generator at
 * 20,000/s needs them). One thread. */
#ifndef BENCH_LOOP_INT_H
#define BENCH_LOOP_INT_H

#include "base/err.h"

#include <sys/epoll.h>

#define LOOP_TIMERS 8
#define LOOP_NEVER INT64_MAX

/* A file descriptor in the loop; the first member of what it belongs to. */
struct watch {
    int fd;
    /* events: EPOLLIN … May end its own watch, not another one. */
    void (*on_ready)(struct watch *watch, uint32_t events);
};

struct loop_timer {
    int64_t due_ns; /* clock_mono_ns; LOOP_NEVER: off */
    /* Must move due_ns. */
    void (*on_due)(struct loop_timer *timer, int64_t now_ns);
};

struct loop {
    int fd;
    bool is_stopped;
    size_t timer_count;
    struct loop_timer *timers[LOOP_TIMERS]; /* borrowed */
};

MUST_USE enum status loop_open(struct loop *loop, struct err *err);
void loop_close(struct loop *loop);
/* Adds the watch for events, or changes them. */
void loop_watch(struct loop *loop, struct watch *watch, uint32_t events);
void loop_rewatch(struct loop *loop, struct watch *watch, uint32_t events);
void loop_add_timer(struct loop *loop, struct loop_timer *timer);
/* Runs until is_stopped. SIGINT and SIGTERM stop it too. */
void loop_run(struct loop *loop);

#endif
