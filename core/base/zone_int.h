/* SPDX-License-Identifier: MIT */
/* What the files of base/zone.h share. */
#ifndef BASE_ZONE_INT_H
#define BASE_ZONE_INT_H

#include "base/zone.h"

/* Offsets of RFC 9636 lie between -25 and +26 hours. */
#define ZONE_OFFSET_S_MAX (26 * 3600)

struct zone_change {
    int64_t at_s;
    int32_t offset_s; /* from then on */
};

/* The rule behind a file's last change (zone_rule.c): either no change any more, or two a year. */
struct zone_day {
    enum { ZONE_DAY_JULIAN, ZONE_DAY_OF_YEAR, ZONE_DAY_WEEKDAY } kind;
    int number;   /* julian: 1 to 365, no leap day; of year: 0 to 365; weekday: 0 is Sunday */
    int week;     /* weekday: 1 to 5, 5 is the last of the month */
    int month;    /* weekday */
    int32_t at_s; /* local time of that day, may lie in days around it */
};

struct zone_rule {
    int32_t offset_s;        /* standard time */
    int32_t summer_offset_s; /* what daylight saving time has */
    bool has_summer;
    struct zone_day start; /* of daylight saving time, in standard time */
    struct zone_day end;   /* in daylight saving time */
};

/* "CET-1CEST,M3.5.0,M10.5.0/3". False: malformed. */
bool zone_rule_parse(struct slice text, struct zone_rule *rule);
/* The two changes of a year, in order. Only of a rule that has summer. */
void zone_rule_changes(const struct zone_rule *rule, int64_t year, struct zone_change changes[2]);

/* Puts the name that was probably meant into text, "" if there is none. Reads the folder. */
void zone_name_nearest(struct slice name, char *text, size_t text_bytes);

#endif
