/* SPDX-License-Identifier: MIT */
/* The token of an outlet whose endpoint asks for one (OAuth 2, client credentials): fetched when an
 * attempt needs it, by one exchange at a time, and kept until shortly before it expires. Attempts
 * that need it meanwhile wait. It is never logged, stored or shown. One thread: the sender's loop.
 */
#ifndef SEND_TOKEN_INT_H
#define SEND_TOKEN_INT_H

#include "send/transfer_int.h"

struct token;
struct token_wait;

/* What goes into one request. */
struct token_grant {
    struct slice value; /* borrowed during the call */
    uint64_t number;    /* of the fetch that brought it */
};

/* grant NULL: there is none, problem says why in words without secrets. May free its wait. */
typedef void (*token_cb)(struct token_wait *wait, const struct token_grant *grant,
                         const char *problem);

/* Of one attempt. */
struct token_wait {
    struct node node;                     /* linked while it waits */
    const struct endpoint_spec *endpoint; /* of registry; both are the attempt's */
    struct registry *registry;
    token_cb on_done;
};

/* The token for that spec that is good now; false: there is none. */
bool token_get(const struct token *token, const struct oauth_spec *spec, struct token_grant *grant);
/* Waits for one. *token is made when it is needed first. on_done comes later, never before this
 * returns. E_NOMEM: it does not come. */
MUST_USE enum status token_await(struct token **token, struct transport *transport,
                                 struct token_wait *wait, struct err *err);
/* No on_done. */
void token_forget(struct token *token, struct token_wait *wait);
/* The receiver does not take the one of that number: the next attempt fetches another. */
void token_drop(struct token *token, uint64_t number);
/* None may wait. NULL is fine. */
void token_destroy(struct token *token);

#endif
