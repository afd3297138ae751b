/* SPDX-License-Identifier: MIT */
/* Schedules as cron has them: at which instants something runs. Pure, any thread.
 *
 * Five fields: minute (0-59), hour (0-23), day of month (1-31), month (1-12), day of week (0-7,
 * Sunday is 0 and 7); six have a second (0-59) before them. Each is a list of *, 5 and 1-5, with a
 * step (/2) behind * and ranges; months and weekdays have names (JAN, MON). Besides:
 *
 *   L        day of month: the last
 *   5L       day of week: the month's last Friday
 *   FRI#2    day of week: the month's second
 *   ?        a day field: as *
 *   @yearly @annually @monthly @weekly @daily @midnight @hourly
 *
 * Days as Vixie's cron has them: if both day fields say which (neither begins with *), a day that
 * fits either counts; else one that fits both.
 *
 * When clocks change: a schedule that names hours is about what clocks show: each of its times
 * comes once, at the first instant at which the clocks show it or, where they skip it, a later one.
 * One that runs in every hour is about the time that goes by: it comes whenever the clocks show one
 * of its times, again if they show it again, and not for those they skip. */
#ifndef MODEL_CRON_H
#define MODEL_CRON_H

#include "base/err.h"
#include "base/zone.h"

#define CRON_WEEKS 5

/* A value: copied as it is. Bit n of a set stands for the number n. */
struct cron {
    uint64_t seconds;
    uint64_t minutes;
    uint32_t hours;
    uint32_t days;   /* of the month, from bit 1 */
    uint32_t months; /* from bit 1 */
    uint32_t weekdays;
    uint32_t weekdays_last;            /* the last of the month */
    uint32_t weekdays_nth[CRON_WEEKS]; /* the first, the second … of the month */
    bool has_last_day;
    bool is_either; /* day of month or of week, else both */
};

/* E_INVALID: malformed, or it never comes (30 February); err names the field, what it says, and
 * what it may. */
MUST_USE enum status cron_parse(struct slice text, struct cron *cron, struct err *err);
/* The next instant after after_ms, in Unix milliseconds. False: none within the years that clocks
 * and calendars can tell here (to 9999). */
bool cron_next(const struct cron *cron, const struct zone *zone, int64_t after_ms,
               int64_t *next_ms);

#endif
