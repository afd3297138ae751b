/* SPDX-License-Identifier: MIT */
/* One HTTP exchange that a script asks for: plain data between script/, which reads what the script
 * wants, and whoever makes the exchange (send/ in the server, canned answers in specs of users). */
#ifndef MODEL_EXCHANGE_H
#define MODEL_EXCHANGE_H

#include "base/base.h"

struct tls_spec;

/* Made and freed by whoever makes the exchange. */
struct exchange;

/* Everything is borrowed until it is over or cancelled. */
struct exchange_request {
    const char *url; /* http or https, no userinfo */
    struct slice method;
    struct slice head; /* packed */
    struct slice body;
    int64_t timeout_ms; /* over all redirects */
    size_t body_bytes_max;
    unsigned redirects_max; /* 0: a 3xx is an answer as any other */
    bool allow_private;
    const struct tls_spec *tls; /* of the other side's own; NULL: nothing */
    const char *proxy;          /* its URL; NULL: none */
    bool connect_only; /* nothing is sent: it is over when the connection stands, with its TLS */
};

/* What came of it. Slices are valid during the callback. */
struct exchange_answer {
    const char *error;  /* the name of an attempt_error, or "too_large"; "": there is an answer, or
                           the connection that was asked for */
    const char *detail; /* in words, for people */
    const char *host;   /* that was asked last */
    int status;
    struct slice head; /* packed */
    struct slice body;
    int64_t retry_after_ms; /* -1: not said */
    int64_t duration_ms;
};

typedef void (*exchange_cb)(const struct exchange_answer *answer, void *ctx);

#endif
