/* SPDX-License-Identifier: MIT */
/* Token buckets. Tokens that are taken ahead of time are a debt: those who come later wait behind
 * it, in the order in which they asked. */
#include "shared/table_int.h"

#include "base/clock.h"

#include <math.h>

#define NS_PER_S 1e9

struct bucket {
    double tokens;
    double per_s;
    double burst;
    int64_t at_ns; /* when they were counted */
};

static struct bucket *bucket_in(struct entry *entry)
{
    return (struct bucket *)(void *)entry->bytes;
}

static double tokens_at(const struct bucket *bucket, int64_t now_ns)
{
    const double grown =
        bucket->tokens + (double)(now_ns - bucket->at_ns) / NS_PER_S * bucket->per_s;
    return grown < bucket->burst ? grown : bucket->burst;
}

/* Full again: a new one would be the same. */
bool limiter_is_idle(const struct entry *entry)
{
    const struct bucket *bucket = (const struct bucket *)(const void *)entry->bytes;
    return tokens_at(bucket, clock_mono_ns()) >= bucket->burst;
}

bool limiter_take(struct shared *shared, struct slice name, const struct limiter_rate *rate,
                  double count, int64_t wait_max_ms, int64_t *wait_ms)
{
    struct entry_name of = {.kind = ENTRY_LIMITER, .ns = slice_str(""), .key = name};
    struct stripe *stripe = stripe_lock(shared, &of);
    struct entry *entry = stripe_find_locked(stripe, &of);
    const int64_t now_ns = clock_mono_ns();
    *wait_ms = 0;
    if (!entry) {
        entry = stripe_put_locked(shared, stripe, &of, sizeof(struct bucket));
        if (entry)
            *bucket_in(entry) = (struct bucket){rate->burst, rate->per_s, rate->burst, now_ns};
    }
    bool is_taken = entry != NULL;
    if (entry) {
        struct bucket *bucket = bucket_in(entry);
        bucket->tokens = tokens_at(bucket, now_ns);
        bucket->at_ns = now_ns;
        bucket->per_s = rate->per_s; /* a reload may have changed them */
        bucket->burst = rate->burst;
        if (bucket->tokens > bucket->burst)
            bucket->tokens = bucket->burst;
        if (bucket->tokens < count)
            *wait_ms = (int64_t)ceil((count - bucket->tokens) / bucket->per_s * 1000);
        is_taken = *wait_ms <= wait_max_ms;
        if (is_taken)
            bucket->tokens -= count;
    }
    stripe_unlock(stripe);
    return is_taken;
}
