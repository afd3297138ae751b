/* SPDX-License-Identifier: MIT */
/* Command line options of the bench as tables. Pure but for option_help, which prints. */
#ifndef BENCH_OPTION_INT_H
#define BENCH_OPTION_INT_H

#include "base/err.h"

enum option_kind {
    OPTION_COUNT,    /* uint64_t */
    OPTION_DURATION, /* int64_t, milliseconds */
    OPTION_SIZE,     /* size_t, bytes */
    OPTION_TEXT,     /* const char * */
};

struct option_row {
    const char *name;     /* "--url" */
    const char *letter;   /* "-c" or NULL */
    const char *argument; /* what the help calls it: "URL" */
    enum option_kind kind;
    size_t offset; /* in the struct that option_parse fills */
    const char *help;
};

struct option_table {
    const char *usage; /* the first lines of the help */
    const struct option_row *rows;
    size_t count;
};

/* Reads argv[1…] into values (defaults already set); text borrows argv. *wants_help: --help or -h
 * was given. E_INVALID: err says what, and what was probably meant. */
MUST_USE enum status option_parse(const struct option_table *table, int argc, char **argv,
                                  void *values, bool *wants_help, struct err *err);
void option_help(const struct option_table *table);

#endif
