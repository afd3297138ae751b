/* SPDX-License-Identifier: MIT */
/* A transfer: one HTTP exchange out over curl multi, on the sender's loop. Two multis, so that a
 * connection opened for an endpoint that may call private addresses never serves another.
 * Transfers are pooled: easy handle, buffers and header list are reused. */
#ifndef SEND_TRANSFER_INT_H
#define SEND_TRANSFER_INT_H

#include "base/queue.h"
#include "send/send.h"

#include <curl/curl.h>

#define TRANSFER_HEADERS_MAX 128

struct transport;
struct transfer;

/* The exchange is over; the attempt's slices live until transfer_release. */
typedef void (*transfer_done_cb)(struct transfer *transfer, void *ctx);

struct transfer_request {
    CURLU *url; /* parsed once for each endpoint; borrowed until done */
    struct slice method;
    struct slice head; /* packed; copied */
    struct slice body; /* borrowed until done */
    int64_t timeout_ms;
    bool allow_private;
    unsigned *lookups; /* of the endpoint, whose host is a name: may need one; NULL: never */
};

enum policy { POLICY_PUBLIC, POLICY_PRIVATE, POLICY_COUNT };

struct transfer {
    struct node node; /* in the pool */
    struct transport *transport;
    enum policy policy;
    CURL *easy;
    transfer_done_cb on_done;
    void *ctx;
    bool is_running;
    bool is_second_try; /* on a connection of its own */
    int64_t started_mono_ms;
    int64_t timeout_ms;
    unsigned *lookups_of_endpoint;
    unsigned *lookups; /* counted there and in the transport as a look-up; NULL: not any more */
    bool has_head;     /* the final answer's headers are complete */
    bool is_cut;       /* more body than we keep */
    bool is_protocol_error;
    unsigned interim_count;
    size_t header_bytes;
    enum guard_verdict verdict; /* the worst of the addresses tried */
    const char *verdict_reason;
    struct buf request_head; /* the header lines, each terminated */
    struct curl_slist lines[TRANSFER_HEADERS_MAX];
    struct buf head;
    struct buf body;
    struct buf text; /* detail */
    struct attempt attempt;
    char error[CURL_ERROR_SIZE];
};

MUST_USE enum status transport_create(uv_loop_t *loop, const char *user_agent,
                                      struct transport **transport, struct err *err);
/* No transfer may run. The loop must run once more. */
void transport_destroy(struct transport *transport);
/* How many transfers may be waiting for a look-up. */
unsigned transport_lookups(const struct transport *transport);
/* Starts; on_done comes later, never before this returns. E_INVALID: a header or method that
 * cannot be sent (err says which). */
MUST_USE enum status transport_start(struct transport *transport,
                                     const struct transfer_request *request,
                                     transfer_done_cb on_done, void *ctx,
                                     struct transfer **transfer, struct err *err);
/* Lets curl take the first steps of what was started: a reused connection needs no look-up. */
void transport_kick(struct transport *transport);
/* Cuts it off: no on_done. The transfer is free again. */
void transfer_cancel(struct transfer *transfer);
/* After on_done: back to the pool. */
void transfer_release(struct transfer *transfer);

/* answer.c: curl's callbacks and what an end means. */
size_t answer_on_header(char *data, size_t size, size_t count, void *ctx);
size_t answer_on_body(char *data, size_t size, size_t count, void *ctx);
void answer_classify(struct transfer *transfer, CURLcode code);

#endif
