/* SPDX-License-Identifier: MIT */
/* The inside of receive/. One thread: the worker's. */
#ifndef RECEIVE_RECEIVE_INT_H
#define RECEIVE_RECEIVE_INT_H

#include "receive/receive.h"

struct receiver {
    struct receive_options options;
    struct http_listener *listener;
    size_t intake_count; /* requests between on_head and their end, commits included */
    size_t news_count;   /* at the store */
};

/* client.c: who sends. on_head only. */

/* Behind a trusted proxy the client is the last address of X-Forwarded-For that is none of ours:
 * from now on the request's remote address. */
void client_find(struct http_request *request, const struct cidr *proxies, size_t proxy_count);
/* False: refused and answered: 403 (not of allow_from), 429 (over the source's rate). */
bool client_admit(struct http_request *request, const struct source_spec *source,
                  struct shared *shared);

/* news.c */

/* A request that is not genuine: counted in the metrics; logged, and told to scripts that ask, at
 * most once a minute for each source. reason: never a secret. remote: its address. */
void news_unverified(struct receiver *receiver, const struct source_spec *source,
                     const char *reason, struct slice remote);

#endif
