/* SPDX-License-Identifier: MIT */
/* The rule at the end of a zone's file, as TZ has it in POSIX, with the hours that RFC 9636 adds.
 */
#include "base/calendar.h"
#include "base/zone_int.h"

#define NAME_BYTES_MIN 3
#define HOURS_MAX 24       /* of an offset */
#define RULE_HOURS_MAX 167 /* of a change's time: a week */
#define CHANGE_DEFAULT_S (2 * 3600)

static bool take_char(struct slice *text, char c)
{
    if (text->len == 0 || text->data[0] != c)
        return false;
    *text = slice_of(text->data + 1, text->len - 1);
    return true;
}

static bool take_number(struct slice *text, int least, int most, int *number)
{
    const struct slice before = *text;
    *number = 0;
    while (text->len > 0 && text->data[0] >= '0' && text->data[0] <= '9' && *number <= most) {
        *number = *number * 10 + (text->data[0] - '0');
        *text = slice_of(text->data + 1, text->len - 1);
    }
    return text->len < before.len && *number >= least && *number <= most;
}

/* Letters, or more than letters in <>. */
static bool take_name(struct slice *text)
{
    const bool is_quoted = take_char(text, '<');
    size_t len = 0;
    while (len < text->len) {
        const char c = text->data[len];
        const bool is_letter = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z');
        const bool is_mark = (c >= '0' && c <= '9') || c == '+' || c == '-';
        if (!is_letter && !(is_quoted && is_mark))
            break;
        len++;
    }
    *text = slice_of(text->data + len, text->len - len);
    return len >= NAME_BYTES_MIN && (!is_quoted || take_char(text, '>'));
}

/* [+-]hh[:mm[:ss]] */
static bool take_time(struct slice *text, int hours_max, int32_t *seconds)
{
    const bool is_negative = take_char(text, '-');
    if (!is_negative)
        (void)take_char(text, '+');
    int hours;
    int minutes = 0;
    int rest = 0;
    if (!take_number(text, 0, hours_max, &hours) ||
        (take_char(text, ':') && (!take_number(text, 0, 59, &minutes) ||
                                  (take_char(text, ':') && !take_number(text, 0, 59, &rest)))))
        return false;
    *seconds = hours * 3600 + minutes * 60 + rest;
    *seconds = is_negative ? -*seconds : *seconds;
    return true;
}

/* What stands there is behind UTC, where offsets are ahead of it. */
static bool take_offset(struct slice *text, int32_t *offset_s)
{
    if (!take_time(text, HOURS_MAX, offset_s))
        return false;
    *offset_s = -*offset_s;
    return true;
}

/* ",M3.5.0/2", ",J60", ",59" */
static bool take_day(struct slice *text, struct zone_day *day)
{
    *day = (struct zone_day){.at_s = CHANGE_DEFAULT_S};
    if (!take_char(text, ','))
        return false;
    if (take_char(text, 'M')) {
        day->kind = ZONE_DAY_WEEKDAY;
        if (!take_number(text, 1, 12, &day->month) || !take_char(text, '.') ||
            !take_number(text, 1, 5, &day->week) || !take_char(text, '.') ||
            !take_number(text, 0, 6, &day->number))
            return false;
    } else {
        day->kind = take_char(text, 'J') ? ZONE_DAY_JULIAN : ZONE_DAY_OF_YEAR;
        const bool is_julian = day->kind == ZONE_DAY_JULIAN;
        if (!take_number(text, is_julian, 365, &day->number))
            return false;
    }
    return !take_char(text, '/') || take_time(text, RULE_HOURS_MAX, &day->at_s);
}

bool zone_rule_parse(struct slice text, struct zone_rule *rule)
{
    *rule = (struct zone_rule){0};
    if (!take_name(&text) || !take_offset(&text, &rule->offset_s))
        return false;
    if (text.len == 0)
        return true;
    rule->has_summer = true;
    rule->summer_offset_s = rule->offset_s + 3600;
    return take_name(&text) &&
           (text.len == 0 || text.data[0] == ',' || take_offset(&text, &rule->summer_offset_s)) &&
           take_day(&text, &rule->start) && take_day(&text, &rule->end) && text.len == 0;
}

/* Local time of the change. */
static int64_t day_in(const struct zone_day *day, int64_t year)
{
    const int64_t first = calendar_days((struct date){year, 1, 1});
    int64_t days = first + day->number;
    if (day->kind == ZONE_DAY_JULIAN)
        days -= calendar_days_in(year, 2) == 29 && day->number >= 60 ? 0 : 1;
    if (day->kind == ZONE_DAY_WEEKDAY) {
        const int64_t month = calendar_days((struct date){year, day->month, 1});
        const int until = (day->number - calendar_weekday(month) + 7) % 7;
        int of_month = until + (day->week - 1) * 7;
        if (of_month >= calendar_days_in(year, day->month))
            of_month -= 7;
        days = month + of_month;
    }
    return days * CALENDAR_DAY_S + day->at_s;
}

void zone_rule_changes(const struct zone_rule *rule, int64_t year, struct zone_change changes[2])
{
    const struct zone_change start = {day_in(&rule->start, year) - rule->offset_s,
                                      rule->summer_offset_s};
    const struct zone_change end = {day_in(&rule->end, year) - rule->summer_offset_s,
                                    rule->offset_s};
    const bool is_north = start.at_s <= end.at_s;
    changes[0] = is_north ? start : end;
    changes[1] = is_north ? end : start;
}
