/* SPDX-License-Identifier: MIT */
/* Reads answers of an HTTP/1.1 server from a stream, as little of them as a load generator needs:
 * the status, the length, and whether the connection stays. Pure. */
#ifndef BENCH_ANSWER_INT_H
#define BENCH_ANSWER_INT_H

#include "base/base.h"

#define ANSWER_HEAD_BYTES 4096

struct answer {
    unsigned status;
    bool is_closing; /* "Connection: close" */
    bool is_in_body;
    size_t body_left;
    size_t len; /* bytes of head */
    char head[ANSWER_HEAD_BYTES];
};

enum answer_result { ANSWER_MORE, ANSWER_WHOLE, ANSWER_BAD };

/* Takes the next bytes. ANSWER_WHOLE: status and is_closing are set. ANSWER_BAD: no HTTP/1.x, no
 * Content-Length, a head over ANSWER_HEAD_BYTES, or bytes behind the answer. */
enum answer_result answer_take(struct answer *answer, const char *data, size_t len);
/* For the next one. */
void answer_reset(struct answer *answer);

#endif
