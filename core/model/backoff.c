/* SPDX-License-Identifier: MIT */
#include "model/backoff.h"

#include <math.h>

#define SECOND_MS INT64_C(1000)
#define MINUTE_MS (60 * SECOND_MS)
#define HOUR_MS (60 * MINUTE_MS)
#define DELAY_MS_MAX (INT64_C(366) * 24 * HOUR_MS)
#define SPREAD 0.2

const struct backoff backoff_default = {
    .kind = BACKOFF_SCHEDULE,
    .jitter = JITTER_SPREAD,
    .step_count = 9,
    .steps_ms = {5 * SECOND_MS, 5 * MINUTE_MS, 30 * MINUTE_MS, 2 * HOUR_MS, 5 * HOUR_MS,
                 10 * HOUR_MS, 14 * HOUR_MS, 20 * HOUR_MS, 24 * HOUR_MS},
};

const struct backoff backoff_handler = {
    .kind = BACKOFF_SCHEDULE,
    .jitter = JITTER_NONE,
    .step_count = 5,
    .steps_ms = {SECOND_MS, 5 * SECOND_MS, 30 * SECOND_MS, 2 * MINUTE_MS, 10 * MINUTE_MS},
};

static double plain_delay(const struct backoff *backoff, uint32_t number)
{
    switch (backoff->kind) {
    case BACKOFF_EXPONENTIAL:
        return (double)backoff->base_ms * pow(backoff->factor, number - 1);
    case BACKOFF_LINEAR:
        return (double)backoff->base_ms * number;
    case BACKOFF_CONSTANT:
        return (double)backoff->base_ms;
    case BACKOFF_SCHEDULE:
        return (double)backoff->steps_ms[number - 1];
    }
    return 0;
}

static double jittered(enum backoff_jitter jitter, double delay, double random)
{
    switch (jitter) {
    case JITTER_FULL:
        return delay * random;
    case JITTER_EQUAL:
        return delay / 2 + delay / 2 * random;
    case JITTER_SPREAD:
        return delay * (1 - SPREAD + 2 * SPREAD * random);
    case JITTER_NONE:
        break;
    }
    return delay;
}

/* Infinity and what is no number count as too much. */
static double at_most(double value, double most)
{
    return value <= most ? value : most;
}

bool backoff_next(const struct backoff *backoff, uint32_t number, int64_t age_ms, double random,
                  int64_t *delay_ms)
{
    check(number > 0);
    if (backoff->attempts_max > 0 && number >= backoff->attempts_max)
        return false;
    if (backoff->kind == BACKOFF_SCHEDULE && number > backoff->step_count)
        return false;
    if (backoff->max_age_ms > 0 && age_ms >= backoff->max_age_ms)
        return false;
    const double most = backoff->max_ms > 0 ? (double)backoff->max_ms : (double)DELAY_MS_MAX;
    const double delay = at_most(plain_delay(backoff, number), most);
    *delay_ms = (int64_t)at_most(jittered(backoff->jitter, delay, random), most);
    return true;
}
