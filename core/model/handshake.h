/* SPDX-License-Identifier: MIT */
/* The handshake of the CloudEvents HTTP webhook specification (1.0.2, section 4): a sender asks by
 * OPTIONS whether it may deliver, and how fast. Consent is in the headers of the answer, never in
 * its status, or comes later by a callback. Pure, any thread. */
#ifndef MODEL_HANDSHAKE_H
#define MODEL_HANDSHAKE_H

#include "base/err.h"

#define HANDSHAKE_REQUEST_ORIGIN "webhook-request-origin"
#define HANDSHAKE_REQUEST_CALLBACK "webhook-request-callback"
#define HANDSHAKE_REQUEST_RATE "webhook-request-rate"
#define HANDSHAKE_ALLOWED_ORIGIN "WebHook-Allowed-Origin"
#define HANDSHAKE_ALLOWED_RATE "WebHook-Allowed-Rate"
#define HANDSHAKE_RATE_MAX 1000000000 /* a minute */

/* A header's value: requests a minute, 1 to HANDSHAKE_RATE_MAX. */
bool handshake_parse_rate(struct slice text, uint32_t *rate);

/* Whose deliveries a source agrees to. Owned by it. */
struct handshake_spec {
    char **origins; /* DNS names */
    size_t origin_count;
    bool allows_any;       /* whoever asks */
    uint32_t rate_per_min; /* that is granted; 0: any */
};

/* What a sender asks for. Borrows from the head. */
struct handshake_request {
    struct slice origin;   /* empty: it asks for nothing */
    struct slice callback; /* where consent may be given later; empty: nowhere */
    uint32_t rate_per_min; /* 0: none in particular */
};

/* head: packed. E_INVALID: err names the header. */
MUST_USE enum status handshake_read(struct slice head, struct handshake_request *request,
                                    struct err *err);
bool handshake_is_origin(struct slice name);
/* A URL that a person or a program may call: HTTPS, without a blank. */
bool handshake_is_callback(struct slice url);
bool handshake_allows(const struct handshake_spec *spec, struct slice origin);

#endif
