/* SPDX-License-Identifier: MIT */
/* LD_PRELOAD shim: a wall clock that is set forward or back, and a machine that slept, as the
 * numbers in the file ANZOL_SHIM_CLOCK say, which the spec changes while the program runs
 * (anzol_test.process.shared). Sleep passes on the wall clock and CLOCK_BOOTTIME, and not on
 * CLOCK_MONOTONIC, as on a machine. Any thread. */
#include <dlfcn.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <time.h>
#include <unistd.h>

/* In the order of spec/support/clock.lua. */
struct control {
    atomic_int set_s;   /* the wall clock is so far ahead of the right time */
    atomic_int slept_s; /* the machine slept so long */
};

typedef int read_function(clockid_t, struct timespec *);

static struct control right; /* without a control file nothing happens */
static struct control *control = &right;
static read_function *real;

/* memcpy, because ISO C has no cast from object to function. */
static void find_real(void)
{
    void *found = dlsym(RTLD_NEXT, "clock_gettime");
    memcpy(&real, &found, sizeof found);
}

__attribute__((constructor)) static void open_control(void)
{
    const char *path = getenv("ANZOL_SHIM_CLOCK");
    const int fd = path ? open(path, O_RDONLY | O_CLOEXEC) : -1;
    find_real();
    if (fd < 0)
        return;
    void *map = mmap(NULL, sizeof *control, PROT_READ, MAP_SHARED, fd, 0);
    (void)close(fd);
    if (map != MAP_FAILED)
        control = map;
}

int clock_gettime(clockid_t id, struct timespec *now)
{
    if (!real)
        find_real();
    const int failed = real(id, now);
    if (failed == 0 && (id == CLOCK_REALTIME || id == CLOCK_BOOTTIME))
        now->tv_sec += atomic_load(&control->slept_s);
    if (failed == 0 && id == CLOCK_REALTIME)
        now->tv_sec += atomic_load(&control->set_s);
    return failed;
}
