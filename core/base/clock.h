/* SPDX-License-Identifier: MIT */
/* The three clocks. Any thread. Wall time for what people and other machines see; monotonic time
 * for the delays and deadlines of a process; and the due clock for what the store keeps: ids, and
 * when something is due, expires or ends. A step of the wall clock moves none of them but itself.
 * Specs replace them by clock_fake. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include "base/base.h"

#define CLOCK_ISO_BYTES 32

/* Unix milliseconds. */
int64_t clock_now_ms(void);
/* Monotonic milliseconds and nanoseconds from an arbitrary start. */
int64_t clock_mono_ms(void);
int64_t clock_mono_ns(void);
/* Unix milliseconds of the due clock: wall time when it was first asked and what went by since,
 * also while the machine slept. It never steps. */
int64_t clock_due_ms(void);
/* What a later process goes on with this due clock by: text, "" if it cannot. */
#define CLOCK_MARK_BYTES 64
void clock_due_mark(char mark[CLOCK_MARK_BYTES]);
/* From now on it is the due clock of this mark, unless the machine was started anew since. */
void clock_due_go_on(const char *mark);
/* It is not behind this instant from now on: the newest in the store. */
void clock_due_raise(int64_t ms);
/* An instant of the due clock as people see it, by how far the wall clock is from it now, and back.
 * Less than a second is nothing. */
int64_t clock_wall_of_due(int64_t due_ms);
int64_t clock_due_of_wall(int64_t wall_ms);
/* How long the machine has slept since it started, and timers did not go on. */
int64_t clock_slept_ms(void);
/* CPU time of the calling thread. */
int64_t clock_thread_cpu_ns(void);
/* RFC 3339 in UTC with milliseconds: 2026-03-02T08:00:00.000Z. */
void clock_iso(int64_t ms, char text[CLOCK_ISO_BYTES]);
/* Reads RFC 3339 (any offset, fraction optional). False: malformed or no such instant, *ms
 * untouched. */
bool clock_parse_iso(const char *text, int64_t *ms);
/* Reads an HTTP date (IMF-fixdate, RFC 9110 §5.6.7). False as above. */
bool clock_parse_http_date(const char *text, int64_t *ms);

/* For specs: from now on all clocks stand still at these values, the due clock at now_ms;
 * clock_advance moves them. clock_real goes back. */
void clock_fake(int64_t now_ms, int64_t mono_ms);
void clock_advance(int64_t ms);
void clock_real(void);
/* For specs: the wall clock is set forward, or back, by so much, as an operator or NTP does it; the
 * others go on. Steps add up; 0 takes them all back. */
void clock_step(int64_t ms);

#endif
