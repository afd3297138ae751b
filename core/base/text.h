/* SPDX-License-Identifier: MIT */
/* Reading what people write: durations, sizes and names with a slip of the pen. Pure functions,
 * any thread. Used for flags, anzol.lua and the options of scripts alike, so that "10m" means the
 * same everywhere. */
#ifndef BASE_TEXT_H
#define BASE_TEXT_H

#include "base/base.h"

/* What to say when one of those below refuses. */
#define TEXT_DURATION_FORMS "a number of seconds, or \"250ms\" \"5s\" \"10m\" \"2h\" \"7d\""
#define TEXT_RATE_FORMS "a count and a time, as \"50/s\" \"100/m\" \"1000/h\" \"5/d\""
#define TEXT_SIZE_FORMS "a number of bytes, or \"64KiB\" \"1MiB\" \"2GiB\""

/* Seconds ("5", "1.5") or a number with a unit: ms, s, m, h, d. Not negative; rounded to ms.
 * False: malformed or out of range, *ms untouched. */
bool text_parse_duration_ms(struct slice text, int64_t *ms);
#define TEXT_DURATION_BYTES 24
/* In the largest unit of which it is a whole number: "90s", "2h". */
void text_format_duration(int64_t ms, char text[TEXT_DURATION_BYTES]);
/* Bytes ("65536") or a number with a unit: B, KiB, MiB, GiB (kB, MB, GB: powers of 1000).
 * False: malformed or out of range, *bytes untouched. */
bool text_parse_size(struct slice text, size_t *bytes);
/* A count, a slash and s, m, h or d: "50/s". More than 0 and at most a million a second. False:
 * malformed or out of range, *per_s untouched. */
bool text_parse_rate(struct slice text, double *per_s);
/* The candidate that was probably meant: the least edit distance (a swap of neighbours counts as
 * one), at most a third of the name's length and at least 1; else the shortest that begins with the
 * name, if this has 3 bytes. NULL if there is none. candidates may hold NULLs. */
const char *text_nearest(struct slice name, const char *const *candidates, size_t count);
/* The length of the UTF-8 sequence at the start of text, 0 if there is none (RFC 3629). */
size_t text_utf8_len(struct slice text);
/* Every byte belongs to UTF-8 as RFC 3629 has it. */
bool text_is_utf8(struct slice text);
/* A token of HTTP: a method, the name of a header (RFC 9110, 5.6.2). */
bool text_is_token(struct slice text);

#endif
