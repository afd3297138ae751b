/* SPDX-License-Identifier: MIT */
/* A webhook request as bytes, made once; before it is sent only what differs is written in place:
 * the delivery's id, and with a stamp the time and the signature. */
#ifndef BENCH_REQUEST_INT_H
#define BENCH_REQUEST_INT_H

#include "base/buf.h"
#include "base/err.h"
#include "signature/signature.h"

#define REQUEST_BODY_BYTES_MAX (64u * 1024 * 1024)
/* The field of the body that the sink looks for: 16 digits, Unix microseconds. */
#define REQUEST_STAMP "\"sent_at_us\":"
#define REQUEST_STAMP_DIGITS 16
#define REQUEST_NUMBER_DIGITS 12

enum request_provider { REQUEST_GITHUB, REQUEST_STANDARD };

struct request_options {
    const char *host;
    const char *path;
    const char *secret;    /* NULL: not signed */
    const char *token;     /* NULL: no Authorization */
    const char *body_file; /* NULL: a body is made */
    size_t body_bytes;     /* of a made one */
    enum request_provider provider;
    bool is_stamped; /* write the time of sending into the body */
};

struct request {
    struct buf bytes; /* head and body */
    size_t body_at;
    size_t id_at;        /* the sender's id of the webhook */
    size_t id_len;       /* its last REQUEST_NUMBER_DIGITS digits count */
    size_t time_at;      /* standard: webhook-timestamp; 0: none */
    size_t signature_at; /* 0: not signed */
    size_t stamp_at;     /* 0: not stamped */
    enum request_provider provider;
    struct key_set keys;
};

/* E_INVALID: the file cannot be read, or the secret is malformed. A body without the field stays
 * unstamped. */
MUST_USE enum status request_init(struct request *request, const struct request_options *options,
                                  struct err *err);
void request_finish(struct request *request);
/* Writes the number and what follows from it into bytes, a copy of request->bytes. */
void request_number(const struct request *request, char *bytes, uint64_t number);
/* Unix microseconds. */
int64_t request_now_us(void);

#endif
