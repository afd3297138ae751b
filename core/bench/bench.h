/* SPDX-License-Identifier: MIT */
/* `anzol bench receive|deliver`: a load generator and a sink, for users as for the project itself.
 * One thread, one epoll loop, no store, no Lua. It must cost little, because it shares the machine
 * with what it measures. */
#ifndef BENCH_BENCH_H
#define BENCH_BENCH_H

/* argv[0] is what stands after "bench": receive, deliver or --help. Returns the exit code: 0; 1
 * some requests failed; 2 wrong usage; 69 no server answers, or the sink's address is taken. */
int bench_main(int argc, char **argv);

#endif
