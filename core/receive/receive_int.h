/* SPDX-License-Identifier: MIT */
/* The inside of receive/. One thread: the worker's. */
#ifndef RECEIVE_RECEIVE_INT_H
#define RECEIVE_RECEIVE_INT_H

#include "http/document.h"
#include "receive/receive.h"

struct receiver {
    struct receive_options options;
    struct http_listener *listener;
    size_t intake_count; /* requests between on_head and their end, commits included */
    size_t news_count;   /* at the store */
    size_t taking_count; /* of them, those that wait for messages */
    size_t pull_count;   /* requests at queues, their errands included */
    size_t grant_count;  /* the same of consents */
    size_t told_bytes;   /* answers to them that are not written, at most LIMIT_QUEUE_TOLD_BYTES */
};

/* client.c: who may send. on_head only. False: refused and answered: 403 (not of allow_from), 429
 * (over the source's rate). */
bool client_admit(struct http_request *request, const struct source_spec *source,
                  struct shared *shared);

/* What a request is about: the first member of its data. */
enum visit { VISIT_INTAKE, VISIT_PULL, VISIT_GRANT };

/* grant.c: consent by the callback of a handshake (VISIT_GRANT). */

/* on_head: whether the path is that of one; then it is answered or accepted. */
bool grant_on_head(struct receiver *receiver, struct http_request *request);
void grant_on_request(struct http_request *request);
void grant_on_over(struct http_request *request);

/* queue.c: requests at queues (VISIT_PULL). */

/* on_head: whether the path is a queue's; then it is answered or accepted. */
bool queue_on_head(struct receiver *receiver, struct http_request *request);
void queue_on_request(struct http_request *request);
void queue_on_over(struct http_request *request);
void queue_on_drained(struct http_request *request);

/* queue_text.c: what such requests say, and how messages are told. */

/* "dlv_….2": the delivery and the number of its lease. */
#define LEASE_ID_BYTES (ID_TEXT_BYTES + 12)
void lease_id_format(const struct store_lease_row *lease, char text[LEASE_ID_BYTES]);
bool lease_id_parse(const char *text, size_t len, struct store_lease_row *lease);
/* ?wait=&limit=: at most what the queue has; is_cut: more was asked for. */
struct queue_query {
    int64_t wait_ms;
    size_t limit;
    bool is_wait_cut, is_limit_cut;
};
MUST_USE enum status queue_read_query(struct slice text, const struct queue_spec *queue,
                                      struct queue_query *query, struct err *err);
/* { "ids": […] } and what belongs to the verb, which becomes RETURN for a lease of no time. The
 * rows are the end's. What is no id is added to invalid, as JSON with commas between; if none is
 * one: E_INVALID. */
MUST_USE enum status queue_read_ids(struct slice body, const struct queue_spec *queue,
                                    struct lease_end *end, struct buf *invalid, struct err *err);
MUST_USE enum status queue_write_messages(const struct lease_take *take, struct document *out);
/* The same as server-sent events. */
MUST_USE enum status queue_write_events(const struct lease_take *take, struct buf *out);

/* news.c */

/* A request that is not genuine: counted in the metrics; logged, and told to scripts that ask, at
 * most once a minute for each source. reason: never a secret. remote: its address. */
void news_unverified(struct receiver *receiver, const struct source_spec *source,
                     const char *reason, struct slice remote);
/* A handshake that its source does not consent to, but a handler may: told at most
 * LIMIT_HANDSHAKES_TOLD_PER_MIN times a minute for each source. */
void news_asked(struct receiver *receiver, const struct source_spec *source,
                const struct handshake_request *asked);

#endif
