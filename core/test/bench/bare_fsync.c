/* SPDX-License-Identifier: MIT */
/* bare_fsync FILE COUNT: how long the disk takes to make 4 KiB that were appended durable: the
 * floor of every acknowledgement. */
#include "bare.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static int compare(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;
    return (x > y) - (x < y);
}

static double in_ms(int64_t ns)
{
    return (double)ns / 1e6;
}

int main(int argc, char **argv)
{
    static const char usage[] = "bare_fsync FILE COUNT";
    const long count = bare_number(argc, argv, 2, usage);
    const int fd = open(argv[1], O_CREAT | O_TRUNC | O_WRONLY, 0600);
    int64_t *times = calloc((size_t)count, sizeof *times);
    if (fd < 0 || !times)
        bare_die(argv[1], strerror(errno));
    char page[4096];
    memset(page, 'x', sizeof page);
    for (long i = 0; i < count; i++) {
        const int64_t start_ns = bare_mono_ns();
        if (write(fd, page, sizeof page) != (ssize_t)sizeof page || fdatasync(fd) != 0)
            bare_die(argv[1], strerror(errno));
        times[i] = bare_mono_ns() - start_ns;
    }
    close(fd);
    unlink(argv[1]);
    qsort(times, (size_t)count, sizeof *times, compare);
    const long middle = count / 2, late = count * 99 / 100;
    printf("{\"p50Ms\":%.4f,\"p99Ms\":%.4f}\n", in_ms(times[middle]), in_ms(times[late]));
    free(times);
    return 0;
}
