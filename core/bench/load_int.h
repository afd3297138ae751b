/* SPDX-License-Identifier: MIT */
/* The load generator: keep-alive connections, one request in flight on each. Closed loop: the next
 * request follows the answer. Open loop (rate): request k is meant for start + k / rate, waits if
 * no connection is free, and its latency counts from then, so a server that stalls cannot hide it.
 */
#ifndef BENCH_LOAD_INT_H
#define BENCH_LOAD_INT_H

#include "bench/address_int.h"
#include "bench/histogram_int.h"
#include "bench/loop_int.h"
#include "bench/request_int.h"

#define LOAD_CONNECTIONS_MAX 10000
#define LOAD_STATUS_COUNT 600
#define LOAD_TIMEOUT_MS 30000 /* an answer that takes longer is given up */

struct load_options {
    const struct address *address; /* borrowed */
    const struct request *request; /* borrowed */
    uint64_t request_count;        /* 0: until duration_ms */
    int64_t duration_ms;           /* 0: until request_count */
    uint64_t connection_count;
    uint64_t rate_per_s; /* 0: closed loop */
};

struct load_report {
    uint64_t answers;
    uint64_t accepted; /* 2xx */
    uint64_t statuses[LOAD_STATUS_COUNT];
    uint64_t refused;   /* could not connect */
    uint64_t broken;    /* connection lost, or an answer that is no HTTP with a length */
    uint64_t timed_out; /* no answer in LOAD_TIMEOUT_MS */
    int64_t start_ns;
    int64_t end_ns;
    struct histogram latency;
};

struct load;
/* Every request is answered or lost, the connections are closed. May stop the loop. */
typedef void (*load_end_cb)(struct load *load, void *ctx);

struct connection;

struct load {
    struct loop *loop;
    struct load_options options;
    struct load_report report;
    struct loop_timer pace;         /* open loop: the next intended request */
    struct loop_timer tick;         /* timeouts, reconnections, the end of the duration */
    struct connection *connections; /* owned */
    struct connection *idle;        /* a list of those that wait for a request */
    char *bytes;                    /* owned: a copy of the request for each connection */
    uint64_t started;               /* requests sent or being sent */
    uint64_t finished;
    bool is_over;
    load_end_cb on_end;
    void *ctx;
};

/* Connects and begins. E_REMOTE: nobody answers there. */
MUST_USE enum status load_start(struct load *load, struct loop *loop,
                                const struct load_options *options, struct err *err);
/* Takes the time and closes what is open, if the run was interrupted. */
void load_finish(struct load *load);

#endif
