/* SPDX-License-Identifier: MIT */
#include "send/send.h"

#define NS_PER_S 1e9

bool rate_take(struct rate *rate, double per_s, int64_t now_ns, int64_t *wait_ms)
{
    if (per_s <= 0)
        return true;
    const double most = per_s > 1 ? per_s : 1;
    rate->tokens += (double)(now_ns - rate->counted_ns) / NS_PER_S * per_s;
    if (rate->counted_ns == 0 || rate->tokens > most)
        rate->tokens = most;
    rate->counted_ns = now_ns;
    if (rate->tokens < 1) {
        *wait_ms = (int64_t)((1 - rate->tokens) / per_s * 1000) + 1;
        return false;
    }
    rate->tokens -= 1;
    return true;
}
