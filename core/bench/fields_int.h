/* SPDX-License-Identifier: MIT */
/* The few header fields that both ends of the bench look at. Pure. */
#ifndef BENCH_FIELDS_INT_H
#define BENCH_FIELDS_INT_H

#include "base/base.h"

struct fields {
    size_t content_length;
    bool has_content_length;
    bool is_chunked;
    bool is_closing;     /* Connection: close */
    bool wants_continue; /* Expect: 100-continue */
};

/* head: from the start line to the empty line, both included. False if it is malformed. */
bool fields_parse(struct slice head, struct fields *fields);

#endif
