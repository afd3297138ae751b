/* SPDX-License-Identifier: MIT */
/* A decorator around an engine that fails on purpose: for specs, and through ANZOL_STORE_FAULT for
 * a whole server of a test build. In every other build it wraps nothing. */
#ifndef STORE_STORE_FAULT_INT_H
#define STORE_STORE_FAULT_INT_H

#include "store/store_int.h"

enum fault_kind {
    FAULT_NONE,
    FAULT_FULL,   /* nothing written: disk full */
    FAULT_BUSY,   /* nothing written: locked */
    FAULT_IO,     /* nothing written, and the file must not be touched again */
    FAULT_LIE,    /* commits, but says it could not (as a sync error does) */
    FAULT_REFUSE, /* nothing written: a group of several is refused, alone they pass */
    FAULT_DELAY,  /* commits after delay_ms */
    FAULT_KIND_COUNT
};

/* Groups or operations are counted from 1 since fault_set. */
struct fault_plan {
    enum fault_kind kind;
    bool counts_operations; /* else groups */
    uint64_t nth;
    uint64_t times; /* how many in a row from the nth on; 0: for ever */
    unsigned delay_ms;
};

/* Takes the engine. */
struct engine *store_fault_wrap(struct engine *engine, const struct fault_plan *plan);
/* Any thread. */
void store_fault_set(struct engine *fault, const struct fault_plan *plan);
/* "kind:group|operation:nth[:times[:delay_ms]]", kind one of full busy io lie refuse delay. */
MUST_USE bool store_fault_parse(const char *text, struct fault_plan *plan);
/* As ANZOL_STORE_FAULT says; without it, or outside a test build, the engine itself. */
struct engine *store_fault_wrap_environment(struct engine *engine);

#endif
