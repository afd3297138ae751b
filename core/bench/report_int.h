/* SPDX-License-Identifier: MIT */
/* Prints what was measured, for people or as JSON: milliseconds, a rate per second, and the CPU
 * that the bench itself took. */
#ifndef BENCH_REPORT_INT_H
#define BENCH_REPORT_INT_H

#include "bench/load_int.h"
#include "bench/sink_int.h"

struct report {
    const struct load *load; /* NULL: nothing was posted */
    const struct sink *sink; /* NULL: nothing was received */
    const char *url;
    double cpu_s; /* of this process, user and system */
};

/* CPU time of this process so far. */
double report_cpu_s(void);
void report_print_text(const struct report *report);
void report_print_json(const struct report *report);
/* True if every request got a 2xx and nothing malformed arrived. */
bool report_is_clean(const struct report *report);

#endif
