/* SPDX-License-Identifier: MIT */
/* Latencies counted in buckets that are at most 1/64 wide, relative to their value: a million of
 * them cost 20 KiB. One thread. */
#ifndef BENCH_HISTOGRAM_INT_H
#define BENCH_HISTOGRAM_INT_H

#include "base/base.h"

#define HISTOGRAM_STEPS 64  /* per power of two */
#define HISTOGRAM_POWERS 42 /* from 64 ns to more than an hour */

struct histogram {
    uint64_t count;
    int64_t max_ns;
    uint64_t buckets[HISTOGRAM_POWERS * HISTOGRAM_STEPS];
};

void histogram_add(struct histogram *histogram, int64_t ns);
/* share: 0.5 is the median. 0 if nothing was added. */
double histogram_ms(const struct histogram *histogram, double share);

#endif
