/* SPDX-License-Identifier: MIT */
/* Fuzzes schedules and the files of time zones together: "schedule 0 instant (8 bytes) file". A
 * file that is none stands for UTC. Properties: what is refused says why; the next time is later,
 * at a whole second, and shows the schedule, or is the end of a gap; asked from any instant
 * between, the same is next; a zone's spans hold what is in them and join. */
#include "base/calendar.h"
#include "base/zone.h"
#include "model/cron.h"

#define AFTER_MS_MOST INT64_C(300000000000000)
#define STEPS 8

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool has(uint64_t set, int number)
{
    return set >> number & 1;
}

/* By the sets alone, without the search that is tested. */
static bool shows(const struct cron *cron, int64_t local_s)
{
    int second;
    const int64_t days = calendar_split(local_s, &second);
    const struct date date = calendar_date(days);
    const int weekday = calendar_weekday(days);
    const int last = calendar_days_in(date.year, date.month);
    const bool is_of_month = has(cron->days, date.day) || (cron->has_last_day && date.day == last);
    const bool is_of_week = has(cron->weekdays, weekday) ||
                            (date.day > last - 7 && has(cron->weekdays_last, weekday)) ||
                            has(cron->weekdays_nth[(date.day - 1) / 7], weekday);
    return has(cron->hours, second / 3600) && has(cron->minutes, second / 60 % 60) &&
           has(cron->seconds, second % 60) && has(cron->months, date.month) &&
           (cron->is_either ? is_of_month || is_of_week : is_of_month && is_of_week);
}

static void check_zone(const struct zone *zone, int64_t utc_s)
{
    const struct zone_span span = zone_span_at(zone, utc_s);
    check(span.from_s <= utc_s && utc_s < span.until_s);
    if (span.from_s != INT64_MIN)
        check(zone_span_at(zone, span.from_s - 1).until_s == span.from_s);
    if (span.until_s != INT64_MAX)
        check(zone_span_at(zone, span.until_s).from_s == span.until_s);
    const int64_t shown_s = zone_latest_shown(zone, utc_s);
    check(shown_s >= utc_s + span.offset_s);
    check(zone_first_reached(zone, shown_s) <= utc_s);
    check(zone_first_reached(zone, shown_s + 1) > utc_s);
}

static void check_next(const struct cron *cron, const struct zone *zone, int64_t ms)
{
    int64_t next_ms;
    for (int i = 0; i < STEPS && cron_next(cron, zone, ms, &next_ms); i++) {
        check(next_ms > ms && next_ms % 1000 == 0);
        const struct zone_span span = zone_span_at(zone, next_ms / 1000);
        check(shows(cron, next_ms / 1000 + span.offset_s) || next_ms / 1000 == span.from_s);
        int64_t again_ms;
        const int64_t between_ms = ms + (next_ms - ms) / 2;
        check(cron_next(cron, zone, between_ms, &again_ms) && again_ms == next_ms);
        check(cron_next(cron, zone, next_ms - 1, &again_ms) && again_ms == next_ms);
        check_zone(zone, next_ms / 1000);
        ms = next_ms;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *text = (const char *)data;
    const char *zero = size > 0 ? memchr(text, 0, size) : NULL;
    const size_t len = zero ? (size_t)(zero - text) : size;
    struct cron cron;
    struct err err = {0};
    struct zone *zone = NULL;
    int64_t ms = 0;
    const size_t rest = size - len;
    if (rest > 1)
        memcpy(&ms, text + len + 1, rest - 1 < sizeof ms ? rest - 1 : sizeof ms);
    ms %= AFTER_MS_MOST;
    if (rest <= 1 + sizeof ms ||
        zone_parse(slice_of(text + len + 1 + sizeof ms, rest - 1 - sizeof ms), &zone, &err) != OK) {
        check(rest <= 1 + sizeof ms || err.text[0] != '\0');
        check(zone_load(slice_str("UTC"), &zone, &err) == OK);
    }
    check_zone(zone, ms / 1000);
    err.text[0] = '\0';
    if (cron_parse(slice_of(text, len), &cron, &err) == OK)
        check_next(&cron, zone, ms);
    else
        check(err.text[0] != '\0');
    zone_free(zone);
    return 0;
}
