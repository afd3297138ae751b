/* SPDX-License-Identifier: MIT */
/* Looking up host names off the loop: each look-up is a thread of its own around getaddrinfo, so a
 * dead name server holds neither the loop nor libuv's pool. All answers are seen, so that all can
 * be judged before one is connected to.
 * Thread: the loop's, but for the look-ups themselves. At most LIMIT_LOOKUPS_PER_WORKER threads and
 * LIMIT_LOOKUPS_PER_ENDPOINT for one endpoint, counted until they end, which may be long after
 * those who waited have given up; who finds no room waits. */
#ifndef SEND_LOOKUP_INT_H
#define SEND_LOOKUP_INT_H

#include "base/queue.h"
#include "send/send.h"

#include <netinet/in.h>
#include <uv.h>

#define LOOKUP_ADDRESSES_MAX 16
#define LOOKUP_HOST_BYTES 256
#define LOOKUP_MS_MAX 5000

struct lookup_answer {
    const char *problem;        /* static text; NULL: there are addresses */
    enum guard_verdict verdict; /* the worst of all answers, however many */
    const char *reason;
    size_t count; /* the first of them */
    struct sockaddr_storage addresses[LOOKUP_ADDRESSES_MAX];
};

struct lookup_wait;
typedef void (*lookup_done_cb)(struct lookup_wait *wait, const struct lookup_answer *answer);

/* Whoever waits for a look-up. In memory of its own. */
struct lookup_wait {
    struct node node;
    const char *host;       /* borrowed while waiting */
    unsigned *of_endpoint;  /* how many look-ups run for the endpoint; tells endpoints apart */
    int64_t deadline_ms;    /* monotonic */
    lookup_done_cb on_done; /* on the loop, never before lookups_ask returned */
};

struct lookups;

/* guard: copied. */
struct lookups *lookups_create(uv_loop_t *loop, const struct guard_rules *guard);
/* Nobody may wait any more; threads that still run are left alone. on_closed runs on the loop. */
void lookups_destroy(struct lookups *lookups, void (*on_closed)(void *ctx), void *ctx);
void lookups_ask(struct lookups *lookups, struct lookup_wait *wait);
/* Waits no more: no on_done. */
void lookups_forget(struct lookups *lookups, struct lookup_wait *wait);

#endif
