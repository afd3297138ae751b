/* SPDX-License-Identifier: MIT */
/* Time zones: what the clocks of a place show at an instant, and when they show a time. Read from
 * the system's files (TZif, RFC 9636), never from TZ or the C library's one zone of the process, so
 * that every thread may use its own. A zone never changes once it is made: any thread may read it.
 * Local times are seconds, counted as if the place had UTC. */
#ifndef BASE_ZONE_H
#define BASE_ZONE_H

#include "base/err.h"

#define ZONE_FOLDER "/usr/share/zoneinfo"
#define ZONE_ISO_BYTES 40

struct zone;

/* A zone by its name: "Europe/Berlin". "UTC" is always there, without a file. E_INVALID: no name of
 * a zone, or a broken file; E_NOTFOUND: the system has none of that name, and err says which was
 * probably meant. Returns owned: zone_free. */
MUST_USE enum status zone_load(struct slice name, struct zone **zone, struct err *err);
/* The same from the bytes of a file. Pure. */
MUST_USE enum status zone_parse(struct slice bytes, struct zone **zone, struct err *err);
void zone_free(struct zone *zone);

/* From from_s on and before until_s the clocks are offset_s ahead of UTC. The first span begins at
 * INT64_MIN, the last of a zone that changes no more ends at INT64_MAX. */
struct zone_span {
    int64_t from_s;
    int64_t until_s;
    int32_t offset_s;
};

/* The span that holds the instant. */
struct zone_span zone_span_at(const struct zone *zone, int64_t utc_s);
/* The first instant at which the clocks show this local time or a later one. So a time that exists
 * twice is its first, and one that clocks skip is the end of the gap. */
int64_t zone_first_reached(const struct zone *zone, int64_t local_s);
/* The latest local time that the clocks have shown by then: ahead of what they show after they were
 * put back, until they are past it again. */
int64_t zone_latest_shown(const struct zone *zone, int64_t utc_s);
/* RFC 3339 with the zone's offset: 2026-03-29T03:00:00+02:00; of times before offsets were whole
 * minutes, with their seconds. */
void zone_iso(const struct zone *zone, int64_t ms, char text[ZONE_ISO_BYTES]);

#endif
