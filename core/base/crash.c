/* SPDX-License-Identifier: MIT */
#include "base/crash.h"

#ifdef ANZOL_CRASH_POINTS
#include "base/base.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <unistd.h>

#define EXIT_AS_KILLED 137 /* what a shell reports after SIGKILL */

static pthread_once_t once = PTHREAD_ONCE_INIT;
static const char *wanted; /* "point:n" from the environment, NULL: never */
static size_t wanted_len;  /* of its name */
static atomic_long passes_left;

static void read_environment(void)
{
    wanted = getenv("ANZOL_CRASH_AT");
    if (!wanted)
        return;
    const char *colon = strchr(wanted, ':');
    wanted_len = colon ? (size_t)(colon - wanted) : strlen(wanted);
    const long passes = colon ? strtol(colon + 1, NULL, 10) : 1;
    atomic_store(&passes_left, passes > 0 ? passes : 1);
}

void crash_point(const char *name)
{
    check(pthread_once(&once, read_environment) == 0);
    if (!wanted || strlen(name) != wanted_len || memcmp(name, wanted, wanted_len) != 0)
        return;
    if (atomic_fetch_sub(&passes_left, 1) == 1)
        _exit(EXIT_AS_KILLED);
}
#else
/* ISO C wants a declaration in every file. */
typedef int crash_points_are_off;
#endif
