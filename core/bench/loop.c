/* SPDX-License-Identifier: MIT */
#include "bench/loop_int.h"

#include "base/clock.h"

#include <errno.h>
#include <signal.h>
#include <unistd.h>

#define BATCH 256

static volatile sig_atomic_t is_interrupted;

static void on_signal(int number)
{
    (void)number;
    is_interrupted = 1;
}

enum status loop_open(struct loop *loop, struct err *err)
{
    *loop = (struct loop){.fd = epoll_create1(EPOLL_CLOEXEC)};
    if (loop->fd < 0)
        return err_set(err, E_IO, "epoll_create1: %s", strerror(errno));
    const struct sigaction action = {.sa_handler = on_signal};
    sigaction(SIGINT, &action, NULL);
    sigaction(SIGTERM, &action, NULL);
    return OK;
}

void loop_close(struct loop *loop)
{
    if (loop->fd > 0)
        close(loop->fd);
    *loop = (struct loop){0};
}

static void control(struct loop *loop, int operation, struct watch *watch, uint32_t events)
{
    struct epoll_event event = {.events = events, .data.ptr = watch};
    check(epoll_ctl(loop->fd, operation, watch->fd, &event) == 0);
}

void loop_watch(struct loop *loop, struct watch *watch, uint32_t events)
{
    control(loop, EPOLL_CTL_ADD, watch, events);
}

void loop_rewatch(struct loop *loop, struct watch *watch, uint32_t events)
{
    control(loop, EPOLL_CTL_MOD, watch, events);
}

void loop_add_timer(struct loop *loop, struct loop_timer *timer)
{
    check(loop->timer_count < LOOP_TIMERS);
    loop->timers[loop->timer_count++] = timer;
}

static int64_t next_due_ns(const struct loop *loop)
{
    int64_t due_ns = LOOP_NEVER;
    for (size_t i = 0; i < loop->timer_count; i++)
        if (loop->timers[i]->due_ns < due_ns)
            due_ns = loop->timers[i]->due_ns;
    return due_ns;
}

static int wait_ready(struct loop *loop, struct epoll_event *events)
{
    const int64_t due_ns = next_due_ns(loop);
    if (due_ns == LOOP_NEVER)
        return epoll_wait(loop->fd, events, BATCH, -1);
    const int64_t left_ns = due_ns - clock_mono_ns();
    if (left_ns <= 0)
        return epoll_wait(loop->fd, events, BATCH, 0);
    const struct timespec timeout = {left_ns / 1000000000, left_ns % 1000000000};
    const int count = epoll_pwait2(loop->fd, events, BATCH, &timeout, NULL);
    if (count < 0 && errno == ENOSYS) /* before Linux 5.11: whole milliseconds */
        return epoll_wait(loop->fd, events, BATCH, (int)(left_ns / 1000000));
    return count;
}

static void run_timers(struct loop *loop)
{
    const int64_t now_ns = clock_mono_ns();
    for (size_t i = 0; i < loop->timer_count && !loop->is_stopped; i++) {
        struct loop_timer *timer = loop->timers[i];
        if (timer->due_ns <= now_ns)
            timer->on_due(timer, now_ns);
    }
}

void loop_run(struct loop *loop)
{
    struct epoll_event events[BATCH];
    while (!loop->is_stopped && !is_interrupted) {
        const int count = wait_ready(loop, events);
        for (int i = 0; i < count && !loop->is_stopped; i++) {
            struct watch *watch = events[i].data.ptr;
            watch->on_ready(watch, events[i].events);
        }
        run_timers(loop);
    }
}
