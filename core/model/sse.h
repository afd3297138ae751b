/* SPDX-License-Identifier: MIT */
/* Server-sent events as they come over the wire (the HTML standard, "Interpreting an event
 * stream"): bytes in, messages out. Pure, one thread at a time. */
#ifndef MODEL_SSE_H
#define MODEL_SSE_H

#include "base/buf.h"

#define SSE_MESSAGE "message" /* the type of one that says none */

/* Valid during the callback. */
struct sse_message {
    struct slice
        id; /* the last one that the stream said, with this message or before; may be empty */
    struct slice type;
    struct slice data;
};
typedef void (*sse_cb)(const struct sse_message *message, void *ctx);

struct sse_parser {
    sse_cb on_message;
    void *ctx;
    int64_t retry_ms; /* as the stream said; 0: it did not */
    /* Inside. */
    struct buf line, data, type, id;
    bool has_data;
    bool is_behind_cr; /* a line feed that follows ends no line */
    bool is_begun;     /* a byte order mark may not come any more */
};

/* Zeroed before; id: the last one of an earlier stream, on which this one goes on. */
void sse_open(struct sse_parser *parser, struct slice id, sse_cb on_message, void *ctx);
void sse_close(struct sse_parser *parser);
/* E_LIMIT: a message is larger than LIMIT_SSE_BYTES. */
MUST_USE enum status sse_feed(struct sse_parser *parser, struct slice bytes);

#endif
