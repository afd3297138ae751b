/* SPDX-License-Identifier: MIT */
/* Crash points of the test build: ANZOL_CRASH_AT=point:n ends the process at the n-th pass of that
 * point as kill -9 would (exit 137, nothing flushed, nothing cleaned). Any thread. In every other
 * build a point is nothing at all. */
#ifndef BASE_CRASH_H
#define BASE_CRASH_H

#ifdef ANZOL_CRASH_POINTS
void crash_point(const char *name);
#else
#define crash_point(name) ((void)0)
#endif

#endif
