/* SPDX-License-Identifier: MIT */
#include "bare.h"

#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static int64_t read_clock(clockid_t id)
{
    struct timespec now;
    clock_gettime(id, &now);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t bare_mono_ns(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

int64_t bare_process_cpu_ns(void)
{
    return read_clock(CLOCK_PROCESS_CPUTIME_ID);
}

int64_t bare_thread_cpu_ns(void)
{
    return read_clock(CLOCK_THREAD_CPUTIME_ID);
}

void bare_die(const char *what, const char *why)
{
    fprintf(stderr, "%s: %s\n", what, why);
    exit(1);
}

long bare_number(int argc, char **argv, int index, const char *usage)
{
    const long number = index < argc ? strtol(argv[index], NULL, 10) : 0;
    if (number > 0)
        return number;
    fprintf(stderr, "Usage: %s\n", usage);
    exit(2);
}
