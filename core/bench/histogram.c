/* SPDX-License-Identifier: MIT */
#include "bench/histogram_int.h"

/* Below HISTOGRAM_STEPS a value is its own bucket; above, the bucket is the value's power of two
 * and its six bits after the first. */
static size_t bucket_of(uint64_t value)
{
    if (value < HISTOGRAM_STEPS)
        return value;
    const unsigned power = 63u - (unsigned)__builtin_clzll(value) - 5u;
    if (power >= HISTOGRAM_POWERS)
        return HISTOGRAM_POWERS * HISTOGRAM_STEPS - 1;
    return power * HISTOGRAM_STEPS + ((value >> (power - 1)) & (HISTOGRAM_STEPS - 1));
}

static double value_of(size_t bucket)
{
    const size_t power = bucket / HISTOGRAM_STEPS;
    const size_t step = bucket % HISTOGRAM_STEPS;
    if (power == 0)
        return (double)step;
    return (double)((uint64_t)(HISTOGRAM_STEPS + step) << (power - 1));
}

void histogram_add(struct histogram *histogram, int64_t ns)
{
    if (ns < 0)
        ns = 0;
    histogram->count++;
    histogram->buckets[bucket_of((uint64_t)ns)]++;
    if (ns > histogram->max_ns)
        histogram->max_ns = ns;
}

double histogram_ms(const struct histogram *histogram, double share)
{
    const double wanted = share * (double)histogram->count;
    uint64_t seen = 0;
    for (size_t i = 0; i < array_count(histogram->buckets); i++) {
        seen += histogram->buckets[i];
        if (seen > 0 && (double)seen >= wanted)
            return value_of(i) / 1e6;
    }
    return 0;
}
