/* SPDX-License-Identifier: MIT */
/* What a source that is polled says, by its answers, of how it wants to be asked. Pure, any thread.
 *
 * Read are Retry-After, Cache-Control max-age (less Age), and the limits of rate that are about, of
 * which only what is left and the time until there is more counts:
 *
 *   RateLimit: "default";r=50;t=30                 the IETF's draft, from version 8 on; several
 *   RateLimit: limit=100, remaining=50, reset=30   its version 7
 *   RateLimit-Remaining: 50, RateLimit-Reset: 30   up to version 6
 *   X-RateLimit-Remaining, X-RateLimit-Reset       the usual; also X-Rate-Limit-…
 *
 * A reset is in seconds from now, or (GitHub's) a Unix time in seconds or milliseconds. */
#ifndef MODEL_SOURCE_LOAD_H
#define MODEL_SOURCE_LOAD_H

#include "base/base.h"

/* Of one run; zeroed: nothing was said. */
struct source_load {
    int64_t retry_after_ms; /* not before that; 0: not said */
    int64_t max_age_ms;     /* its answer is fresh so long; 0: not said */
    int64_t rate_ms;        /* a run no sooner than this after the one before; 0: not said */
    int64_t answer_ms;      /* the longest time to an answer; 0: nothing was asked */
    uint32_t answers;
    bool is_busy; /* 429 or 503 */
};

struct source_answer {
    int status;
    struct slice head;      /* packed */
    int64_t retry_after_ms; /* -1: not said */
    int64_t duration_ms;
    int64_t now_ms;
};
/* Takes one more answer of the same run into account. */
void source_load_add(struct source_load *load, const struct source_answer *answer);

#endif
