/* SPDX-License-Identifier: MIT */
/* Days of the Gregorian calendar, before its beginning too, as numbers: 0 is 1970-01-01. Pure, any
 * thread. */
#ifndef BASE_CALENDAR_H
#define BASE_CALENDAR_H

#include "base/base.h"

#define CALENDAR_DAY_S 86400

struct date {
    int64_t year;
    int month; /* 1 to 12 */
    int day;   /* 1 to 31 */
};

int64_t calendar_days(struct date date);
struct date calendar_date(int64_t days);
/* How many days the month has. */
int calendar_days_in(int64_t year, int month);
/* 0: Sunday, 6: Saturday. */
int calendar_weekday(int64_t days);
/* The day that an instant or a local time in seconds lies in; *second_of_day: what is left. */
int64_t calendar_split(int64_t seconds, int *second_of_day);

#endif
