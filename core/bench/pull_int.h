/* SPDX-License-Identifier: MIT */
/* Receivers of a queue: each asks for a message, waits, acknowledges, and asks again. From loopback
 * many addresses take part, as the server counts connections by address. One thread. */
#ifndef BENCH_PULL_INT_H
#define BENCH_PULL_INT_H

#include "bench/address_int.h"
#include "bench/histogram_int.h"
#include "bench/loop_int.h"

#include "base/buf.h"

#define PULL_RECEIVERS_MAX 16000

struct pull_options {
    const struct address *address; /* borrowed, as the others */
    const char *path;
    const char *token; /* NULL: none */
    uint64_t receiver_count;
};

struct pull_report {
    uint64_t arrived;
    uint64_t acknowledged;
    uint64_t empty;   /* answers without a message */
    uint64_t refused; /* other answers than 200 and 204, no HTTP, no connection */
    int64_t first_ns;
    int64_t last_ns;
    struct histogram latency; /* of those that were stamped */
};

struct puller;
struct pulls;
/* After each acknowledgement. May stop the loop. */
typedef void (*pull_cb)(struct pulls *pulls, void *ctx);

struct pulls {
    struct loop *loop;
    struct pull_options options;
    struct pull_report report;
    struct puller *pullers; /* owned */
    struct buf ask;         /* the request for a message */
    uint64_t asking;        /* receivers whose request was sent */
    struct loop_timer connect;
    uint64_t connected;
    pull_cb on_acknowledged;
    void *ctx;
};

MUST_USE enum status pulls_start(struct pulls *pulls, struct loop *loop,
                                 const struct pull_options *options, struct err *err);
void pulls_finish(struct pulls *pulls);

#endif
