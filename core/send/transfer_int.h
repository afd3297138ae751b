/* SPDX-License-Identifier: MIT */
/* A transfer: one HTTP exchange out over curl multi, on the sender's loop. Two multis, so that a
 * connection opened for an endpoint that may call private addresses never serves another.
 * Transfers are pooled: easy handle, buffers and header list are reused. */
#ifndef SEND_TRANSFER_INT_H
#define SEND_TRANSFER_INT_H

#include "base/queue.h"
#include "base/timer.h"
#include "send/lane_int.h"
#include "send/lookup_int.h"
#include "send/send.h"

#define TRANSFER_HEADERS_MAX 128

struct transport;
struct transfer;
struct target;

/* The exchange is over; the attempt's slices live until transfer_release. */
typedef void (*transfer_done_cb)(struct transfer *transfer, void *ctx);

/* What bodies of answers may take together. */
struct room {
    size_t bytes;
    size_t bytes_max;
};

struct transfer_request {
    CURLU *url;            /* parsed once for each endpoint; borrowed until done */
    struct slice told_url; /* as it may be told: for the record, with the method. Empty: is not */
    struct slice method;
    struct slice head;         /* packed; copied */
    struct slice secret_names; /* packed: fields of it whose values are not recorded */
    struct slice body;         /* borrowed until done */
    struct timeouts timeouts;
    bool allow_private;
    const char *host; /* a name that may need a look-up; NULL: an address. Borrowed until done */
    long port;
    unsigned *lookups;          /* how many run for the endpoint */
    size_t body_bytes_max;      /* of the answer; 0: LIMIT_ANSWER_BYTES */
    struct room *room;          /* NULL: not counted */
    bool needs_all;             /* an answer whose body is cut is none */
    bool is_secure;             /* https: HTTP/2 where the receiver has it */
    const struct tls_spec *tls; /* of the endpoint's own; NULL: nothing. Borrowed until release */
    const char *proxy;          /* its URL; then host and port are the proxy's. NULL: none */
    const struct target *behind_proxy; /* where it goes then */
    bool connect_only;                 /* nothing is sent, there is no answer */
    piece_cb on_piece;                 /* gets the body instead; NULL: it is kept */
    void *piece_ctx;
    bool is_of_endpoint; /* its options say how it goes */
};

/* told_url.c: appends the URL without who we are and without what may be a secret in its query; if
 * it is a secret itself, only where it goes. */
MUST_USE enum status told_url_add(struct slice url, bool is_secret, struct buf *out);
/* The same of where a message of the endpoint goes, for the record; own: the message's own URL,
 * NULL: it is the endpoint's. told is empty if it cannot be told. */
#define TOLD_URL_BYTES_MAX (4 * LIMIT_URL_BYTES)
void told_url_add_own(const struct endpoint_spec *spec, CURLU *own, struct buf *told);

enum policy { POLICY_PUBLIC, POLICY_PRIVATE, POLICY_COUNT };

struct transfer {
    struct node node; /* in the pool */
    struct transport *transport;
    enum policy policy;
    CURL *easy;
    transfer_done_cb on_done;
    void *ctx;
    const char *host; /* of the request */
    long port;
    unsigned *lookups_of_endpoint;
    int64_t started_mono_ms;
    struct timeouts timeouts;
    struct timer timer;   /* the next of the timeouts */
    void *handshake;      /* of the connection that was made for it; NULL: none was, or no TLS */
    bool has_certificate; /* of ours, for it */
    bool is_of_endpoint;  /* of the request */
    bool is_own;          /* with TLS or a proxy of its own: never pooled */
    bool is_proxied;
    bool is_running;
    bool is_in_curl;    /* else it waits for a look-up */
    bool is_second_try; /* on a connection of its own */
    bool needs_lookup;  /* curl found no kept connection */
    bool has_addresses; /* resolve holds them */
    bool has_head;      /* the final answer's headers are complete */
    bool needs_all;     /* of the request */
    struct room *room;
    bool is_cut;        /* more body than we keep */
    bool is_room_short; /* cut for that */
    bool is_protocol_error;
    unsigned interim_count;
    size_t header_bytes;
    enum guard_verdict verdict; /* the worst of the addresses seen */
    const char *verdict_reason;
    struct lookup_wait wait;
    int64_t lookup_started_ms; /* monotonic */
    int64_t lookup_ms;
    struct buf resolve_text;
    struct curl_slist resolve;
    struct buf request_head; /* the header lines, each terminated */
    struct buf sent;         /* the same packed, for the record: what is secret masked */
    struct buf lines;        /* a curl_slist each */
    struct buf head;
    struct buf body;
    piece_cb on_piece; /* of the request */
    void *piece_ctx;
    struct buf text; /* detail */
    struct attempt attempt;
    char error[CURL_ERROR_SIZE];
};

/* guard: copied; NULL: none. */
MUST_USE enum status transport_create(uv_loop_t *loop, const char *user_agent,
                                      const struct guard_rules *guard, struct transport **transport,
                                      struct err *err);
/* No transfer may run. The loop must run once more. */
void transport_destroy(struct transport *transport);
/* Starts; on_done comes later, never before this returns. E_INVALID: a header or method that
 * cannot be sent (err says which). */
MUST_USE enum status transport_start(struct transport *transport,
                                     const struct transfer_request *request,
                                     transfer_done_cb on_done, void *ctx,
                                     struct transfer **transfer, struct err *err);
/* A piece that was not taken comes again. */
void transfer_go_on(struct transfer *transfer);
/* Cuts it off: no on_done. The transfer is free again. */
void transfer_cancel(struct transfer *transfer);
/* In curl: on a connection that stands. */
bool transfer_is_connected(const struct transfer *transfer);
/* After on_done: back to the pool. */
void transfer_release(struct transfer *transfer);

/* proxy.c: of where an attempt goes behind a proxy; names are allowed. */
enum guard_verdict proxy_judge(const struct guard_rules *rules, const struct target *target,
                               const char **reason);

/* request.c: what goes out. */
/* Made by the connection, never taken from a message. */
bool request_is_framing(struct slice name);
/* For the record, before the lines. */
void request_record_line(struct transfer *transfer, struct slice method, struct slice url);
MUST_USE enum status request_make_lines(struct transfer *transfer, struct slice head,
                                        struct slice secret_names, struct err *err);
MUST_USE enum status request_set_method(struct transfer *transfer, struct slice method,
                                        struct slice body, struct err *err);

/* answer.c: curl's callbacks and what an end means. */
size_t answer_on_header(char *data, size_t size, size_t count, void *ctx);
size_t answer_on_body(char *data, size_t size, size_t count, void *ctx);
void answer_classify(struct transfer *transfer, CURLcode code);
/* It ended before there was an exchange. detail: static; NULL: the verdict says it. */
void answer_without_exchange(struct transfer *transfer, enum attempt_error error,
                             const char *detail);

#endif
