/* SPDX-License-Identifier: MIT */
/* A receiver that counts what arrives and answers, after a delay if asked. It verifies nothing. If
 * the body says when it was sent (REQUEST_STAMP), the time from there to here is counted. */
#ifndef BENCH_SINK_INT_H
#define BENCH_SINK_INT_H

#include "bench/address_int.h"
#include "bench/histogram_int.h"
#include "bench/loop_int.h"

#define SINK_BODY_BYTES_MAX (64u * 1024 * 1024)

struct sink_options {
    struct address *address; /* borrowed; its text gets the real port */
    int64_t delay_ms;
    unsigned status;
};

struct sink_report {
    uint64_t arrived;
    uint64_t answered;
    uint64_t malformed; /* no request with a length, or cut off: the connection was closed */
    int64_t first_ns;   /* of the first and the last arrival */
    int64_t last_ns;
    struct histogram latency; /* of those that were stamped */
};

struct sink;
/* After each answer. May stop the loop. */
typedef void (*sink_answer_cb)(struct sink *sink, void *ctx);

struct sink_connection;

struct sink {
    struct loop *loop;
    struct sink_options options;
    struct sink_report report;
    struct watch listener;
    struct loop_timer delay;       /* the first of waiting */
    struct sink_connection *first; /* those that wait for their answer, by time */
    struct sink_connection *last;
    struct sink_connection *open; /* all connections */
    char answer[128];
    size_t answer_len;
    sink_answer_cb on_answer;
    void *ctx;
};

/* E_BUSY: the address is taken. */
MUST_USE enum status sink_start(struct sink *sink, struct loop *loop,
                                const struct sink_options *options, struct err *err);
void sink_finish(struct sink *sink);

#endif
