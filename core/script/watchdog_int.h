/* SPDX-License-Identifier: MIT */
/* Stays in Lua, watched from outside (watchdog.c). */
#ifndef SCRIPT_WATCHDOG_INT_H
#define SCRIPT_WATCHDOG_INT_H

#include "base/queue.h"

#include <pthread.h>
#include <stdatomic.h>

struct script;

#define WATCHED_PLACE_BYTES 160

struct watched {
    struct node node; /* the watchdog's */
    bool is_added;
    _Atomic int64_t since_ns; /* when Lua was entered; 0: it is not */
    _Atomic(pthread_t) thread;
    atomic_bool wants_place; /* the watchdog asks where it is */
    char place[WATCHED_PLACE_BYTES];
    int64_t asked_ns; /* the stay that it asked about, and told of; the watchdog's */
    int64_t told_ns;
};

/* Any thread. Between the two the script may be entered. */
void watchdog_add(struct script *script);
void watchdog_remove(struct script *script);

/* Around a stay in Lua that is not within another of the same state. enter returns what the thread
 * was in, for leave. */
struct script *watchdog_enter(struct script *script, int64_t now_ns);
void watchdog_leave(struct script *script, struct script *outer);

#endif
