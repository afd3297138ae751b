/* SPDX-License-Identifier: MIT */
/* The signature base of RFC 9421 (section 2.5): what is signed of a request. */
#ifndef SIGNATURE_HTTP_BASE_INT_H
#define SIGNATURE_HTTP_BASE_INT_H

#include "signature/signature.h"
#include "signature/structured_int.h"

/* Parts of the request's target; borrowed. */
struct http_target {
    struct slice scheme;
    struct slice authority;
    struct slice path;
    struct slice query;
    bool has_query;
};

struct http_request {
    struct slice head; /* packed */
    struct slice body;
    struct slice method;
    struct slice url; /* empty: the Host header and the pseudo fields :path and :query stand in */
};

/* Adds a line for each component of list ("(…)") and the last one of raw, the list with its
 * parameters. E_INVALID: a component is not there, twice, or unknown; err names it. */
MUST_USE enum status http_base(const struct http_request *request, struct slice list,
                               struct slice raw, struct buf *base, struct err *err);
/* "sha-256=:…:" */
MUST_USE enum status http_digest(struct slice body, struct buf *out);
/* Content-Digest holds a known digest, and all known ones are the body's. */
bool http_check_digest(struct slice head, struct slice body, struct err *err);

#endif
