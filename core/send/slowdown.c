/* SPDX-License-Identifier: MIT */
/* Less for a receiver that is overloaded, and slowly more again: down by half, up by a tenth. */
#include "send/send.h"

#include "base/limits.h"

#define STATUS_TOO_MANY 429
#define STATUS_UNAVAILABLE 503
#define SECOND_MS 1000
#define LEAST_PER_S 0.1
#define FULL_PER_S_MIN 2 /* one that gets few is slowed to one a second first */
#define DOWN 0.5
#define UP 0.1

static void turn_second(struct slowdown *slowdown, int64_t now_ms)
{
    if (now_ms - slowdown->second_ms < SECOND_MS)
        return;
    const bool is_next = now_ms - slowdown->second_ms < 2 * SECOND_MS;
    slowdown->started_before = is_next ? slowdown->started : 0;
    slowdown->started = 0;
    slowdown->second_ms = now_ms;
}

void slowdown_start(struct slowdown *slowdown, int64_t now_ms)
{
    turn_second(slowdown, now_ms);
    slowdown->started++;
}

/* What it got before it was slowed. */
static double full_per_s(struct slowdown *slowdown, double limit_per_s, int64_t now_ms)
{
    turn_second(slowdown, now_ms);
    const uint32_t most =
        slowdown->started > slowdown->started_before ? slowdown->started : slowdown->started_before;
    double full = most > FULL_PER_S_MIN ? (double)most : FULL_PER_S_MIN;
    return limit_per_s > 0 && limit_per_s < full ? limit_per_s : full;
}

double slowdown_per_s(struct slowdown *slowdown, double limit_per_s, int64_t now_ms)
{
    if (!(slowdown->per_s > 0))
        return limit_per_s;
    const int64_t seconds = (now_ms - slowdown->changed_ms) / SECOND_MS;
    if (seconds > 0) {
        slowdown->per_s += (double)seconds * UP * slowdown->full_per_s;
        slowdown->changed_ms += seconds * SECOND_MS;
    }
    if (slowdown->per_s < slowdown->full_per_s)
        return slowdown->per_s;
    slowdown->per_s = 0;
    return limit_per_s;
}

int64_t slowdown_left_ms(const struct slowdown *slowdown, int64_t now_ms)
{
    if (!(slowdown->per_s > 0))
        return 0;
    const double missing = (slowdown->full_per_s - slowdown->per_s) / (UP * slowdown->full_per_s);
    return slowdown->changed_ms + (int64_t)(missing * SECOND_MS) - now_ms;
}

static void slow_down(struct slowdown *slowdown, double limit_per_s, int64_t now_ms)
{
    const bool is_slowed = slowdown->per_s > 0;
    if (!is_slowed)
        slowdown->full_per_s = slowdown->per_s = full_per_s(slowdown, limit_per_s, now_ms);
    const double half = slowdown->per_s * DOWN;
    const double least = slowdown->full_per_s < LEAST_PER_S ? slowdown->full_per_s : LEAST_PER_S;
    slowdown->per_s = half > least ? half : least;
    slowdown->changed_ms = now_ms;
}

void slowdown_end(struct slowdown *slowdown, double limit_per_s, const struct attempt *attempt,
                  int64_t started_ms, int64_t now_ms)
{
    const int64_t most_ms = (int64_t)LIMIT_ENDPOINT_PAUSE_S * 1000;
    const int64_t after_ms = attempt->retry_after_ms < most_ms ? attempt->retry_after_ms : most_ms;
    if (attempt->error != ATTEMPT_OK ||
        (attempt->status != STATUS_TOO_MANY && attempt->status != STATUS_UNAVAILABLE))
        return;
    if (after_ms > 0 && now_ms + after_ms > slowdown->paused_until_ms)
        slowdown->paused_until_ms = now_ms + after_ms;
    /* Those that were under way when it was slowed last say nothing new. */
    (void)slowdown_per_s(slowdown, limit_per_s, now_ms);
    if (!(slowdown->per_s > 0) || started_ms >= slowdown->changed_ms)
        slow_down(slowdown, limit_per_s, now_ms);
}
