/* SPDX-License-Identifier: MIT */
/* One thread of the process looks at all states every few milliseconds. Where a stay in Lua takes
 * long, it signals that thread, and the handler has the count hook come at the next instruction: a
 * thousand of them that each copy or compare megabytes would keep it away for long. What even then
 * stays where it is, in one call of C, is told with its place.
 *
 * It runs while there are states. The handler runs on the thread that is inside; it takes no lock
 * and no memory. */
#include "script/watchdog_int.h"

#include "script/script_int.h"

#include "base/log.h"

#include <pthread.h>
#include <signal.h>
#include <time.h>

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define PATIENCE 10
#else
#define PATIENCE 1
#endif

#define SIGNAL SIGURG /* ignored where nobody asks for it */
#define LOOK_MS 20
#define LONG_NS INT64_C(10000000)                 /* the least limit of a phase */
#define STUCK_NS (INT64_C(1500000000) * PATIENCE) /* more than any limit, which is 1 s */
#define NS_PER_MS INT64_C(1000000)

static struct {
    pthread_mutex_t lock;
    pthread_cond_t ended;
    struct queue scripts; /* by their watched.node */
    size_t count;
    uintptr_t number; /* of the thread that is to run: others end */
    pthread_t thread;
} watchdog = {.lock = PTHREAD_MUTEX_INITIALIZER, .ended = PTHREAD_COND_INITIALIZER};

static _Thread_local struct script *entered;

/* ---- On the thread that is inside ---- */

struct script *watchdog_enter(struct script *script, int64_t now_ns)
{
    struct script *outer = entered;
    atomic_store_explicit(&script->watched.thread, pthread_self(), memory_order_relaxed);
    atomic_store_explicit(&script->watched.since_ns, now_ns, memory_order_release);
    entered = script;
    return outer;
}

void watchdog_leave(struct script *script, struct script *outer)
{
    entered = outer;
    atomic_store_explicit(&script->watched.since_ns, 0, memory_order_release);
}

static void on_signal(int number)
{
    (void)number;
    struct script *script = entered;
    if (!script)
        return;
    budget_hasten(script);
    if (atomic_load(&script->watched.wants_place)) {
        budget_place(script_running(script), script->watched.place, sizeof script->watched.place);
        atomic_store(&script->watched.wants_place, false);
    }
}

/* ---- The thread ---- */

static int64_t now_ns(void)
{
    struct timespec time;
    check(clock_gettime(CLOCK_MONOTONIC, &time) == 0);
    return (int64_t)time.tv_sec * INT64_C(1000000000) + time.tv_nsec;
}

/* Told once, when the place has come. */
static void tell(struct watched *watched, int64_t since_ns, int64_t stay_ns)
{
    if (watched->told_ns == since_ns)
        return;
    if (watched->asked_ns != since_ns) {
        watched->asked_ns = since_ns;
        atomic_store(&watched->wants_place, true);
    } else if (!atomic_load(&watched->wants_place)) {
        watched->told_ns = since_ns;
        log_error("script stuck", "at=%s for=%lldms", watched->place[0] ? watched->place : "?",
                  (long long)(stay_ns / NS_PER_MS));
    }
}

static void look_at(struct watched *watched)
{
    const int64_t since_ns = atomic_load_explicit(&watched->since_ns, memory_order_acquire);
    const int64_t stay_ns = now_ns() - since_ns;
    if (since_ns == 0 || stay_ns < LONG_NS)
        return;
    if (stay_ns >= STUCK_NS)
        tell(watched, since_ns, stay_ns);
    (void)pthread_kill(atomic_load_explicit(&watched->thread, memory_order_relaxed), SIGNAL);
}

static void *run(void *ctx)
{
    const uintptr_t number = (uintptr_t)ctx;
    check(pthread_mutex_lock(&watchdog.lock) == 0);
    while (watchdog.number == number) {
        struct timespec until;
        check(clock_gettime(CLOCK_REALTIME, &until) == 0);
        until.tv_nsec += LOOK_MS * NS_PER_MS;
        until.tv_sec += until.tv_nsec / INT64_C(1000000000);
        until.tv_nsec %= INT64_C(1000000000);
        (void)pthread_cond_timedwait(&watchdog.ended, &watchdog.lock, &until);
        for (struct node *node = queue_first(&watchdog.scripts); node;
             node = queue_next(&watchdog.scripts, node))
            look_at(container_of(node, struct watched, node));
    }
    check(pthread_mutex_unlock(&watchdog.lock) == 0);
    return NULL;
}

static void start(void)
{
    struct sigaction action = {.sa_handler = on_signal, .sa_flags = SA_RESTART};
    sigset_t all;
    sigset_t old;
    check(sigemptyset(&action.sa_mask) == 0 && sigaction(SIGNAL, &action, NULL) == 0);
    /* Signals of the process are for its other threads. */
    check(sigfillset(&all) == 0 && pthread_sigmask(SIG_SETMASK, &all, &old) == 0);
    check(pthread_create(&watchdog.thread, NULL, run, (void *)watchdog.number) == 0);
    check(pthread_sigmask(SIG_SETMASK, &old, NULL) == 0);
}

void watchdog_add(struct script *script)
{
    check(pthread_mutex_lock(&watchdog.lock) == 0);
    if (watchdog.count++ == 0) {
        queue_init(&watchdog.scripts);
        start();
    }
    queue_push(&watchdog.scripts, &script->watched.node);
    script->watched.is_added = true;
    check(pthread_mutex_unlock(&watchdog.lock) == 0);
}

void watchdog_remove(struct script *script)
{
    if (!script->watched.is_added)
        return;
    check(pthread_mutex_lock(&watchdog.lock) == 0);
    queue_remove(&watchdog.scripts, &script->watched.node);
    const bool is_last = --watchdog.count == 0;
    const pthread_t thread = watchdog.thread;
    if (is_last) {
        watchdog.number++;
        check(pthread_cond_broadcast(&watchdog.ended) == 0);
    }
    check(pthread_mutex_unlock(&watchdog.lock) == 0);
    if (is_last)
        check(pthread_join(thread, NULL) == 0);
}
