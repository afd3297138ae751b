/* SPDX-License-Identifier: MIT */
/* W3C trace context: which trace an event belongs to, and its own span in it. Any thread. */
#ifndef MODEL_TRACE_H
#define MODEL_TRACE_H

#include "base/base.h"

#define TRACE_ID_BYTES 16
#define SPAN_ID_BYTES 8

struct trace {
    uint8_t id[TRACE_ID_BYTES]; /* all zero: none */
    uint8_t span[SPAN_ID_BYTES];
};

/* The header "traceparent": the trace and the sender's span. False, and untouched, if it is not a
 * valid one. */
bool trace_parse(struct slice header, struct trace *trace);
bool trace_is_none(const struct trace *trace);
/* A span of its own in the same trace; in a new one if there is none. No system call but the
 * thread's first. */
void trace_continue(struct trace *trace);

#endif
