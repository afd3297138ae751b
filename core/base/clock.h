/* SPDX-License-Identifier: MIT */
/* The two clocks. Any thread. Wall time for what people and other machines see; monotonic time
 * for every delay and deadline, so that a step of the wall clock moves none of them.
 * Specs replace both by clock_fake. */
#ifndef BASE_CLOCK_H
#define BASE_CLOCK_H

#include "base/base.h"

#define CLOCK_ISO_BYTES 32

/* Unix milliseconds. */
int64_t clock_now_ms(void);
/* Monotonic milliseconds and nanoseconds from an arbitrary start. */
int64_t clock_mono_ms(void);
int64_t clock_mono_ns(void);
/* CPU time of the calling thread. */
int64_t clock_thread_cpu_ns(void);
/* RFC 3339 in UTC with milliseconds: 2026-03-02T08:00:00.000Z. */
void clock_iso(int64_t ms, char text[CLOCK_ISO_BYTES]);
/* Reads RFC 3339 (any offset, fraction optional). False: malformed or no such instant, *ms
 * untouched. */
bool clock_parse_iso(const char *text, int64_t *ms);
/* Reads an HTTP date (IMF-fixdate, RFC 9110 §5.6.7). False as above. */
bool clock_parse_http_date(const char *text, int64_t *ms);

/* For specs: from now on both clocks stand still at these values; clock_advance moves them.
 * clock_real goes back. */
void clock_fake(int64_t now_ms, int64_t mono_ms);
void clock_advance(int64_t ms);
void clock_real(void);
/* For specs: the wall clock is set forward, or back, by so much, as an operator or NTP does it; the
 * monotonic one goes on. Steps add up; 0 takes them all back. */
void clock_step(int64_t ms);

#endif
