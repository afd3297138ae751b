/* SPDX-License-Identifier: MIT */
/* One HTTP exchange that a script asks for: plain data between script/, which reads what the script
 * wants, and whoever makes the exchange (send/ in the server, canned answers in specs of users). */
#ifndef MODEL_EXCHANGE_H
#define MODEL_EXCHANGE_H

#include "base/base.h"

struct tls_spec;

/* Made and freed by whoever makes the exchange. */
struct exchange;

/* A piece of an answer's body, as it comes. Valid during the callback. */
struct exchange_piece {
    int status;
    struct slice head; /* packed */
    struct slice bytes;
};
enum piece_verdict {
    PIECE_TAKEN,
    PIECE_PAUSE, /* not now: it comes again when the exchange is told to go on */
    PIECE_END    /* no more of it: the exchange ends with an error */
};
/* Must not end the exchange, nor begin another there. */
typedef enum piece_verdict (*piece_cb)(const struct exchange_piece *piece, void *ctx);

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
    piece_cb on_piece;          /* gets the body, which is not kept then; with the ctx of its end */
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
