/* SPDX-License-Identifier: MIT */
#include "bench/bench.h"

#include "bench/command_int.h"

#include <stdio.h>

static const struct {
    const char *name;
    int (*run)(int argc, char **argv);
} commands[] = {
    {"deliver", deliver_main},
    {"queue", queue_main},
    {"receive", receive_main},
};

static const char usage[] =
    "Usage: anzol bench receive --url URL [options]   how fast a source takes webhooks\n"
    "       anzol bench deliver [--url URL] [options] how fast they come out at an endpoint\n"
    "       anzol bench queue --queue URL --url URL [options] how fast receivers are woken\n"
    "`anzol bench receive --help`, as of the others, lists the options.\n";

int bench_main(int argc, char **argv)
{
    const char *name = argc > 0 ? argv[0] : "";
    for (size_t i = 0; i < array_count(commands); i++)
        if (strcmp(commands[i].name, name) == 0)
            return commands[i].run(argc, argv);
    const bool wants_help = strcmp(name, "--help") == 0 || strcmp(name, "-h") == 0;
    (void)fputs(usage, wants_help ? stdout : stderr);
    return wants_help ? 0 : EXIT_USAGE;
}
