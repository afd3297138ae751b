/* SPDX-License-Identifier: MIT */
#include "send/lookup_int.h"

#include "base/clock.h"
#include "base/inbox.h"
#include "base/limits.h"

#include <netdb.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>

#define STACK_BYTES (512u * 1024)
#define TICK_MS 20

/* One thread. Its last act is to post itself, or to free itself when nobody is there any more. */
struct lookup {
    struct letter letter;
    struct node node; /* in running */
    struct lookups *lookups;
    unsigned *of_endpoint;
    int64_t started_ms; /* monotonic */
    char host[LOOKUP_HOST_BYTES];
    struct lookup_answer answer;
};

struct lookups {
    pthread_mutex_t mutex; /* guards is_closed and references */
    struct guard_rules guard;
    bool is_closed;
    unsigned references; /* threads, and the owner until its handles are gone */
    struct inbox inbox;
    uv_timer_t tick; /* while somebody waits */
    struct queue waiting;
    struct queue running;
    void (*on_closed)(void *ctx);
    void *ctx;
};

static void ref(struct lookups *lookups)
{
    check(pthread_mutex_lock(&lookups->mutex) == 0);
    lookups->references++;
    check(pthread_mutex_unlock(&lookups->mutex) == 0);
}

/* How many are left. */
static unsigned drop(struct lookups *lookups)
{
    check(pthread_mutex_lock(&lookups->mutex) == 0);
    const unsigned left = --lookups->references;
    check(pthread_mutex_unlock(&lookups->mutex) == 0);
    return left;
}

static void unref(struct lookups *lookups)
{
    if (drop(lookups) > 0)
        return;
    check(pthread_mutex_destroy(&lookups->mutex) == 0);
    free(lookups);
}

/* ---- On the look-up's thread -------------------------------------------------------------------
 */

static const char *words_of(int code)
{
    switch (code) {
    case EAI_NONAME:
        return "the name does not exist";
    case EAI_AGAIN:
        return "the name server did not answer";
    case EAI_FAIL:
        return "the name server failed";
    default:
        return gai_strerror(code);
    }
}

static void add(struct lookup_answer *answer, const struct guard_rules *guard,
                const struct addrinfo *info)
{
    const char *reason = "";
    const enum guard_verdict verdict = guard_judge(guard, info->ai_addr, &reason);
    if (verdict > answer->verdict) {
        answer->verdict = verdict;
        answer->reason = reason;
    }
    if (answer->count < LOOKUP_ADDRESSES_MAX && info->ai_addrlen <= sizeof answer->addresses[0])
        memcpy(&answer->addresses[answer->count++], info->ai_addr, info->ai_addrlen);
}

static void resolve(const char *host, const struct guard_rules *guard, struct lookup_answer *answer)
{
    const struct addrinfo hints = {.ai_family = AF_UNSPEC, .ai_socktype = SOCK_STREAM};
    struct addrinfo *list = NULL;
    const int code = getaddrinfo(host, NULL, &hints, &list);
    if (code != 0) {
        answer->problem = words_of(code);
        return;
    }
    for (const struct addrinfo *it = list; it; it = it->ai_next)
        add(answer, guard, it);
    freeaddrinfo(list);
    if (answer->count == 0)
        answer->problem = "the name has no address";
}

static void *run_lookup(void *ctx)
{
    struct lookup *lookup = ctx;
    struct lookups *lookups = lookup->lookups;
    resolve(lookup->host, &lookups->guard, &lookup->answer);
    check(pthread_mutex_lock(&lookups->mutex) == 0);
    const bool is_wanted = !lookups->is_closed;
    if (is_wanted)
        inbox_post(&lookups->inbox, &lookup->letter);
    check(pthread_mutex_unlock(&lookups->mutex) == 0);
    if (!is_wanted)
        free(lookup);
    unref(lookups);
    return NULL;
}

/* ---- On the loop -------------------------------------------------------------------------------
 */

static void finish_wait(struct lookups *lookups, struct lookup_wait *wait,
                        const struct lookup_answer *answer)
{
    queue_remove(&lookups->waiting, &wait->node);
    wait->on_done(wait, answer);
}

/* All who wait for the same get the same answer. */
static void hand_out(struct lookups *lookups, const struct lookup *lookup)
{
    struct queue theirs;
    struct node *next;
    queue_init(&theirs);
    for (struct node *node = queue_first(&lookups->waiting); node; node = next) {
        next = queue_next(&lookups->waiting, node);
        const struct lookup_wait *wait = container_of(node, struct lookup_wait, node);
        if (wait->of_endpoint != lookup->of_endpoint || strcmp(wait->host, lookup->host) != 0)
            continue;
        queue_remove(&lookups->waiting, node);
        queue_push(&theirs, node);
    }
    /* on_done may forget or ask for others, but only its own is in this list. */
    struct node *node;
    while ((node = queue_pop(&theirs))) {
        struct lookup_wait *wait = container_of(node, struct lookup_wait, node);
        wait->on_done(wait, &lookup->answer);
    }
}

/* A look-up that is young enough to wait for. */
static bool is_under_way(const struct lookups *lookups, const struct lookup_wait *wait)
{
    const int64_t now_ms = clock_mono_ms();
    for (const struct node *node = queue_first(&lookups->running); node;
         node = queue_next(&lookups->running, node)) {
        const struct lookup *lookup = container_of(node, struct lookup, node);
        if (lookup->of_endpoint == wait->of_endpoint && strcmp(lookup->host, wait->host) == 0 &&
            now_ms - lookup->started_ms < LOOKUP_MS_MAX)
            return true;
    }
    return false;
}

/* False: the system gives no thread. */
static bool start_thread(struct lookup *lookup)
{
    pthread_attr_t attributes;
    pthread_t thread;
    check(pthread_attr_init(&attributes) == 0);
    check(pthread_attr_setstacksize(&attributes, STACK_BYTES) == 0);
    check(pthread_attr_setdetachstate(&attributes, PTHREAD_CREATE_DETACHED) == 0);
    const bool is_started = pthread_create(&thread, &attributes, run_lookup, lookup) == 0;
    check(pthread_attr_destroy(&attributes) == 0);
    return is_started;
}

static void start(struct lookups *lookups, const struct lookup_wait *wait)
{
    struct lookup *lookup = calloc(1, sizeof *lookup);
    if (!lookup)
        return; /* tried again at the next tick */
    lookup->lookups = lookups;
    lookup->of_endpoint = wait->of_endpoint;
    lookup->started_ms = clock_mono_ms();
    (void)snprintf(lookup->host, sizeof lookup->host, "%s", wait->host);
    ref(lookups);
    queue_push(&lookups->running, &lookup->node);
    (*lookup->of_endpoint)++;
    if (start_thread(lookup))
        return;
    queue_remove(&lookups->running, &lookup->node);
    (*lookup->of_endpoint)--;
    free(lookup);
    check(drop(lookups) > 0); /* the owner's is there */
}

static void start_more(struct lookups *lookups)
{
    for (struct node *node = queue_first(&lookups->waiting);
         node && lookups->running.count < LIMIT_LOOKUPS_PER_WORKER;
         node = queue_next(&lookups->waiting, node)) {
        const struct lookup_wait *wait = container_of(node, struct lookup_wait, node);
        if (*wait->of_endpoint < LIMIT_LOOKUPS_PER_ENDPOINT && !is_under_way(lookups, wait))
            start(lookups, wait);
    }
}

static void on_tick(uv_timer_t *timer)
{
    struct lookups *lookups = container_of(timer, struct lookups, tick);
    const int64_t now_ms = clock_mono_ms();
    struct node *next;
    for (struct node *node = queue_first(&lookups->waiting); node; node = next) {
        next = queue_next(&lookups->waiting, node);
        struct lookup_wait *wait = container_of(node, struct lookup_wait, node);
        if (now_ms >= wait->deadline_ms)
            finish_wait(lookups, wait,
                        &(const struct lookup_answer){.problem = "the name server did not answer"});
    }
    start_more(lookups);
    if (!queue_first(&lookups->waiting))
        check(uv_timer_stop(timer) == 0);
}

static void on_letter(struct letter *letter, void *ctx)
{
    struct lookups *lookups = ctx;
    struct lookup *lookup = container_of(letter, struct lookup, letter);
    queue_remove(&lookups->running, &lookup->node);
    (*lookup->of_endpoint)--;
    hand_out(lookups, lookup);
    free(lookup);
    start_more(lookups);
}

void lookups_ask(struct lookups *lookups, struct lookup_wait *wait)
{
    const int64_t latest_ms = clock_mono_ms() + LOOKUP_MS_MAX;
    if (wait->deadline_ms > latest_ms)
        wait->deadline_ms = latest_ms;
    queue_push(&lookups->waiting, &wait->node);
    start_more(lookups);
    if (!uv_is_active((const uv_handle_t *)&lookups->tick))
        check(uv_timer_start(&lookups->tick, on_tick, TICK_MS, TICK_MS) == 0);
}

void lookups_forget(struct lookups *lookups, struct lookup_wait *wait)
{
    queue_remove(&lookups->waiting, &wait->node);
}

/* ---- Life cycle --------------------------------------------------------------------------------
 */

struct lookups *lookups_create(uv_loop_t *loop, const struct guard_rules *guard)
{
    struct lookups *lookups = must_alloc(sizeof *lookups);
    *lookups = (struct lookups){.guard = *guard, .references = 1};
    queue_init(&lookups->waiting);
    queue_init(&lookups->running);
    check(pthread_mutex_init(&lookups->mutex, NULL) == 0);
    check(uv_timer_init(loop, &lookups->tick) == 0);
    inbox_open(&lookups->inbox, loop, on_letter, lookups);
    return lookups;
}

static void on_inbox_closed(struct inbox *inbox)
{
    struct lookups *lookups = container_of(inbox, struct lookups, inbox);
    lookups->on_closed(lookups->ctx);
    unref(lookups);
}

static void on_tick_closed(uv_handle_t *handle)
{
    struct lookups *lookups = container_of(handle, struct lookups, tick);
    inbox_close_then(&lookups->inbox, on_inbox_closed);
}

void lookups_destroy(struct lookups *lookups, void (*on_closed)(void *ctx), void *ctx)
{
    check(!queue_first(&lookups->waiting));
    check(pthread_mutex_lock(&lookups->mutex) == 0);
    lookups->is_closed = true;
    check(pthread_mutex_unlock(&lookups->mutex) == 0);
    lookups->on_closed = on_closed;
    lookups->ctx = ctx;
    /* What was posted before is freed while its counters still are. */
    inbox_drain(&lookups->inbox);
    uv_close((uv_handle_t *)&lookups->tick, on_tick_closed);
}
