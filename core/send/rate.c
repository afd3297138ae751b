/* SPDX-License-Identifier: MIT */
#include "send/send.h"

#define NS_PER_S 1e9
#define BURSTS_PER_S 10
#define LATE_S 0.25 /* so late may somebody come who was told when */

/* Whoever comes when he was told finds his token and what grew since, though the bucket is full: a
 * timer is always late, and a rate of one a second would lose by each delay. */
bool rate_take(struct rate *rate, double per_s, double burst, int64_t now_ns, int64_t *wait_ms)
{
    if (per_s <= 0)
        return true;
    const double most = burst + (rate->is_awaited ? per_s * LATE_S : 0);
    rate->tokens += (double)(now_ns - rate->counted_ns) / NS_PER_S * per_s;
    if (rate->counted_ns == 0)
        rate->tokens = burst;
    else if (rate->tokens > most)
        rate->tokens = most;
    rate->counted_ns = now_ns;
    rate->is_awaited = rate->tokens < 1;
    if (rate->is_awaited) {
        *wait_ms = (int64_t)((1 - rate->tokens) / per_s * 1000) + 1;
        return false;
    }
    rate->tokens -= 1;
    return true;
}

size_t rate_take_many(struct rate *rate, double per_s, size_t most, int64_t now_ns)
{
    const double burst = per_s > BURSTS_PER_S ? per_s / BURSTS_PER_S : 1;
    int64_t wait_ms = 0;
    size_t count = 0;
    while (count < most && rate_take(rate, per_s, burst, now_ns, &wait_ms))
        count++;
    return count;
}

void rate_put_back(struct rate *rate, size_t count)
{
    rate->tokens += (double)count;
}

void rate_let_go(struct rate *rate)
{
    rate->is_awaited = false;
}
