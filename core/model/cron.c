/* SPDX-License-Identifier: MIT */
/* From a schedule to the next instant. Reading one: cron_parse.c. */
#include "model/cron.h"

#include "base/calendar.h"
#include "model/cron_int.h"

#define HOURS_ALL ((UINT32_C(1) << 24) - 1)
#define YEAR_LEAST 0
#define YEAR_MOST 9999

static bool has(uint64_t set, int number)
{
    return set >> number & 1;
}

/* The least number of the set from least on, -1 if there is none. */
static int next_of(uint64_t set, int least)
{
    const uint64_t rest = least < 64 ? set >> least << least : 0;
    return rest ? __builtin_ctzll(rest) : -1;
}

static bool is_weekday(const struct cron *cron, struct date date, int weekday)
{
    const bool is_last = date.day + 7 > calendar_days_in(date.year, date.month);
    return has(cron->weekdays, weekday) || (is_last && has(cron->weekdays_last, weekday)) ||
           has(cron->weekdays_nth[(date.day - 1) / 7], weekday);
}

static bool is_day(const struct cron *cron, struct date date, int weekday)
{
    const bool is_of_month =
        has(cron->days, date.day) ||
        (cron->has_last_day && date.day == calendar_days_in(date.year, date.month));
    const bool is_of_week = is_weekday(cron, date, weekday);
    return cron->is_either ? is_of_month || is_of_week : is_of_month && is_of_week;
}

/* The first day of the schedule from days on and before until. Months that are none of it are
 * passed over at once. */
bool cron_next_day(const struct cron *cron, int64_t days, int64_t until, int64_t *found)
{
    while (days < until) {
        const struct date date = calendar_date(days);
        const int in_month = calendar_days_in(date.year, date.month);
        const int64_t month = days - date.day; /* the day before its first */
        for (int day = date.day; has(cron->months, date.month) && day <= in_month; day++)
            if (is_day(cron, (struct date){date.year, date.month, day},
                       calendar_weekday(month + day))) {
                *found = month + day;
                return *found < until;
            }
        days = month + in_month + 1;
    }
    return false;
}

/* The first second of the day that the schedule names from `least` on, -1 if there is none. */
static int next_second(const struct cron *cron, int least)
{
    const int hour = least / 3600;
    const int minute = least / 60 % 60;
    int at_hour = next_of(cron->hours, hour);
    int at_minute = next_of(cron->minutes, at_hour == hour ? minute : 0);
    const bool is_same = at_hour == hour && at_minute == minute;
    int at_second = next_of(cron->seconds, is_same ? least % 60 : 0);
    if (at_second < 0) {
        at_second = next_of(cron->seconds, 0);
        at_minute = next_of(cron->minutes, at_minute + 1);
    }
    if (at_minute < 0) {
        at_minute = next_of(cron->minutes, 0);
        at_second = next_of(cron->seconds, 0);
        at_hour = next_of(cron->hours, at_hour + 1);
    }
    return at_hour < 0 ? -1 : at_hour * 3600 + at_minute * 60 + at_second;
}

/* The first local time of the schedule from `least` on and before until. */
static bool next_local(const struct cron *cron, int64_t least_s, int64_t until_s, int64_t *found_s)
{
    int second;
    int ignored;
    const int64_t first = calendar_split(least_s, &second);
    const int64_t until = calendar_split(until_s, &ignored) + 1;
    int64_t day;
    for (int64_t from = first; cron_next_day(cron, from, until, &day); from = day + 1) {
        const int at = next_second(cron, day == first ? second : 0);
        if (at >= 0) {
            *found_s = day * CALENDAR_DAY_S + at;
            return *found_s < until_s;
        }
    }
    return false;
}

/* Walks from one change of the clocks to the next: between them they go as time does. */
static bool next_shown(const struct cron *cron, const struct zone *zone, int64_t least_s,
                       int64_t until_s, int64_t *found_s)
{
    while (least_s < until_s) {
        const struct zone_span span = zone_span_at(zone, least_s);
        const int64_t end_s = span.until_s < until_s ? span.until_s : until_s;
        if (next_local(cron, least_s + span.offset_s, end_s + span.offset_s, found_s)) {
            *found_s -= span.offset_s;
            return true;
        }
        least_s = end_s;
    }
    return false;
}

bool cron_next(const struct cron *cron, const struct zone *zone, int64_t after_ms, int64_t *next_ms)
{
    const int64_t first_s = calendar_days((struct date){YEAR_LEAST, 1, 1}) * CALENDAR_DAY_S;
    const int64_t last_s = calendar_days((struct date){YEAR_MOST + 1, 1, 1}) * CALENDAR_DAY_S;
    const int64_t after_s = after_ms / 1000 - (after_ms % 1000 < 0);
    if (after_s < first_s || after_s >= last_s)
        return false;
    int64_t until_s = after_s + CRON_DAYS_MAX * CALENDAR_DAY_S;
    until_s = until_s < last_s ? until_s : last_s;
    int64_t found_s;
    if (cron->hours == HOURS_ALL) {
        if (!next_shown(cron, zone, after_s + 1, until_s, &found_s))
            return false;
    } else {
        if (!next_local(cron, zone_latest_shown(zone, after_s) + 1, until_s, &found_s))
            return false;
        found_s = zone_first_reached(zone, found_s);
    }
    *next_ms = found_s * 1000;
    return true;
}
