/* SPDX-License-Identifier: MIT */
/* What the prototypes share: clocks, and the end of the process on the first error, which is all
 * the error handling that a prototype needs. */
#ifndef TEST_BENCH_BARE_H
#define TEST_BENCH_BARE_H

#include <stdint.h>

#define BARE_BODY_BYTES 1024
#define BARE_HEAD_BYTES 400

/* Monotonic, and CPU of the whole process and of this thread. */
int64_t bare_mono_ns(void);
int64_t bare_process_cpu_ns(void);
int64_t bare_thread_cpu_ns(void);
/* Prints and exits with 1. */
void bare_die(const char *what, const char *why) __attribute__((noreturn));
/* argv[index] as a positive number; exits with 2 and the usage if it is none. */
long bare_number(int argc, char **argv, int index, const char *usage);

#endif
