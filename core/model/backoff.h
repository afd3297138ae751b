/* SPDX-License-Identifier: MIT */
/* Declarative retry policies: how long to wait after attempt n, or that it is over. Pure: any
 * thread. Used for deliveries and for handler re-runs. */
#ifndef MODEL_BACKOFF_H
#define MODEL_BACKOFF_H

#include "base/base.h"

#define BACKOFF_STEPS_MAX 32

enum backoff_kind { BACKOFF_EXPONENTIAL, BACKOFF_LINEAR, BACKOFF_CONSTANT, BACKOFF_SCHEDULE };

/* "full": uniform in [0, delay]; "equal": delay/2 + uniform in [0, delay/2]; "spread": delay
 * +- 20 %, the default schedule's. */
enum backoff_jitter { JITTER_NONE, JITTER_FULL, JITTER_EQUAL, JITTER_SPREAD };

struct backoff {
    enum backoff_kind kind;
    enum backoff_jitter jitter;
    double factor; /* exponential */
    int64_t base_ms;
    int64_t max_ms;        /* the longest delay; 0: none */
    int64_t max_age_ms;    /* since the delivery was made; 0: no limit */
    uint32_t attempts_max; /* attempts in all; 0: no limit (schedule: its steps + 1) */
    uint32_t step_count;   /* schedule */
    int64_t steps_ms[BACKOFF_STEPS_MAX];
};

/* 5 s, 5 min, 30 min, 2 h, 5 h, 10 h, 14 h, 20 h, 24 h, +- 20 %: Standard Webhooks' example. */
extern const struct backoff backoff_default;
/* 1 s, 5 s, 30 s, 2 min, 10 min, no jitter: a run of a handler that failed. */
extern const struct backoff backoff_handler;

/* After attempt `number` (1, 2, …) of something `age_ms` old. random: uniform in [0, 1).
 * True: wait *delay_ms. False: it is over. */
bool backoff_next(const struct backoff *backoff, uint32_t number, int64_t age_ms, double random,
                  int64_t *delay_ms);

#endif
