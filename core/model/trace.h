/* SPDX-License-Identifier: MIT */
/* W3C trace context: which trace an event belongs to, and its own span in it. Any thread. */
#ifndef MODEL_TRACE_H
#define MODEL_TRACE_H

#include "base/base.h"

#define TRACE_ID_BYTES 16
#define SPAN_ID_BYTES 8
#define TRACE_SAMPLED 1                 /* the flag: whoever began the trace records it */
#define TRACE_BYTES_UNFLAGGED 24        /* of one stored before the flags were */
#define TRACE_STATE_FIELD ":tracestate" /* in the head of bytes made here: that of the event */
#define TRACE_TEXT_BYTES 56             /* a header's value and 0 */

/* Stored as these bytes. */
struct trace {
    uint8_t id[TRACE_ID_BYTES]; /* all zero: none */
    uint8_t span[SPAN_ID_BYTES];
    uint8_t flags;
};

/* The header "traceparent": the trace, the sender's span and whether it is sampled. False, and
 * untouched, if it is not a valid one. */
bool trace_parse(struct slice header, struct trace *trace);
bool trace_is_none(const struct trace *trace);
/* A span of its own in the same trace; in a new one, sampled, if there is none. No system call but
 * the thread's first. */
void trace_continue(struct trace *trace);
/* Of an event that came with this head: the sender's trace, if it said one, else a new one. */
struct trace trace_of_head(struct slice head);
/* The header's value. */
void trace_format(const struct trace *trace, char text[TRACE_TEXT_BYTES]);
/* From stored bytes; false, and untouched, if they are none. */
bool trace_load(struct slice bytes, struct trace *trace);

#endif
