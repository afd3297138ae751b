/* SPDX-License-Identifier: MIT */
/* The program: `serve` and `bench` are C, every other subcommand is lua/anzol/cli. */
#include "bench/bench.h"
#include "console/console.h"
#include "script/script.h"
#include "server.h"

#include <lauxlib.h>
#include <signal.h>
#include <string.h>

static const luaL_Reg natives[] = {
    {"check_settings", l_check_settings},
    {"connect", l_connect},
    {"console", l_console},
    {NULL, NULL},
};

int main(int argc, char **argv)
{
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN); /* a file limit is an error of that write, not the end */
    if (argc > 1 && strcmp(argv[1], "serve") == 0)
        return server_main(argc - 2, argv + 2);
    if (argc > 1 && strcmp(argv[1], "bench") == 0)
        return bench_main(argc - 2, argv + 2);
    return cli_run(argc - 1, argv + 1, natives);
}
