/* SPDX-License-Identifier: MIT */
#include "base/calendar.h"

/* Years are counted from March here, so that the leap day is the last of its year, and in eras of
 * 400 years, which all have the same days. */
#define ERA_YEARS 400
#define ERA_DAYS 146097
#define ERA_0_TO_1970_DAYS 719468

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

int64_t calendar_days(struct date date)
{
    const int64_t year = date.year - (date.month <= 2);
    const int64_t era = floor_div(year, ERA_YEARS);
    const int64_t year_of_era = year - era * ERA_YEARS;
    const int64_t month = date.month + (date.month > 2 ? -3 : 9);
    const int64_t day_of_year = (153 * month + 2) / 5 + date.day - 1;
    const int64_t day_of_era =
        year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * ERA_DAYS + day_of_era - ERA_0_TO_1970_DAYS;
}

struct date calendar_date(int64_t days)
{
    days += ERA_0_TO_1970_DAYS;
    const int64_t era = floor_div(days, ERA_DAYS);
    const int64_t day_of_era = days - era * ERA_DAYS;
    const int64_t year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36524 - day_of_era / 146096) / 365;
    const int64_t day_of_year =
        day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    const int64_t month = (5 * day_of_year + 2) / 153;
    const bool is_next_year = month >= 10;
    return (struct date){.year = era * ERA_YEARS + year_of_era + is_next_year,
                         .month = (int)(month + (is_next_year ? -9 : 3)),
                         .day = (int)(day_of_year - (153 * month + 2) / 5 + 1)};
}

int calendar_days_in(int64_t year, int month)
{
    static const int days[] = {31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};
    const bool is_leap = (year % 4 == 0 && year % 100 != 0) || year % 400 == 0;
    return month == 2 && is_leap ? 29 : days[month - 1];
}

int calendar_weekday(int64_t days)
{
    const int64_t since_sunday = days + 4; /* 1970-01-01 was a Thursday */
    return (int)(since_sunday - floor_div(since_sunday, 7) * 7);
}

int64_t calendar_split(int64_t seconds, int *second_of_day)
{
    const int64_t days = floor_div(seconds, CALENDAR_DAY_S);
    *second_of_day = (int)(seconds - days * CALENDAR_DAY_S);
    return days;
}
