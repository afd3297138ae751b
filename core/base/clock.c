/* SPDX-License-Identifier: MIT */
#include "base/clock.h"

#include "base/calendar.h"

#include <stdatomic.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

#define NS_PER_MS 1000000
#define STEP_LEAST_MS 1000
#define NOT_SET INT64_MIN
#define BOOT_BYTES 37 /* a UUID */

static atomic_bool is_fake;
static atomic_int_fast64_t fake_now_ms;
static atomic_int_fast64_t fake_mono_ms;
static atomic_int_fast64_t fake_due_ms;
static atomic_int_fast64_t stepped_ms;
static atomic_int_fast64_t due_ahead_ms = NOT_SET; /* of the time since the machine started */

static int64_t read_ns(clockid_t id)
{
    struct timespec now;
    check(clock_gettime(id, &now) == 0);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t clock_now_ms(void)
{
    const int64_t now_ms = atomic_load_explicit(&is_fake, memory_order_relaxed)
                               ? atomic_load(&fake_now_ms)
                               : read_ns(CLOCK_REALTIME) / NS_PER_MS;
    return now_ms + atomic_load_explicit(&stepped_ms, memory_order_relaxed);
}

/* The first who asks sets the clock. */
static int64_t set_due(int64_t up_ms)
{
    int_fast64_t ahead_ms = NOT_SET;
    const int64_t wanted_ms = clock_now_ms() - up_ms;
    return atomic_compare_exchange_strong(&due_ahead_ms, &ahead_ms, wanted_ms) ? wanted_ms
                                                                               : ahead_ms;
}

int64_t clock_due_ms(void)
{
    if (atomic_load_explicit(&is_fake, memory_order_relaxed))
        return atomic_load(&fake_due_ms);
    const int64_t up_ms = read_ns(CLOCK_BOOTTIME) / NS_PER_MS;
    const int64_t ahead_ms = atomic_load_explicit(&due_ahead_ms, memory_order_relaxed);
    return up_ms + (ahead_ms != NOT_SET ? ahead_ms : set_due(up_ms));
}

void clock_due_raise(int64_t ms)
{
    const int64_t behind_ms = ms - clock_due_ms();
    if (behind_ms > 0)
        atomic_fetch_add(atomic_load(&is_fake) ? &fake_due_ms : &due_ahead_ms, behind_ms);
}

/* Another one after each start of the machine; "" if it is not told. */
static void read_boot(char boot[BOOT_BYTES])
{
    FILE *file = fopen("/proc/sys/kernel/random/boot_id", "re");
    if (!file || fscanf(file, "%36s", boot) != 1)
        boot[0] = '\0';
    if (file)
        (void)fclose(file);
}

void clock_due_mark(char mark[CLOCK_MARK_BYTES])
{
    char boot[BOOT_BYTES];
    read_boot(boot);
    (void)clock_due_ms();
    mark[0] = '\0';
    if (boot[0] != '\0' && !atomic_load(&is_fake))
        (void)snprintf(mark, CLOCK_MARK_BYTES, "%s %lld", boot,
                       (long long)atomic_load(&due_ahead_ms));
}

void clock_due_go_on(const char *mark)
{
    char boot[BOOT_BYTES];
    char marked[BOOT_BYTES];
    long long ahead_ms;
    read_boot(boot);
    if (sscanf(mark, "%36s %lld", marked, &ahead_ms) == 2 && strcmp(marked, boot) == 0 &&
        ahead_ms > 0 && ahead_ms < INT64_MAX / 2)
        atomic_store(&due_ahead_ms, ahead_ms);
}

static int64_t wall_ahead_ms(void)
{
    const int64_t ahead_ms = clock_now_ms() - clock_due_ms();
    return ahead_ms > -STEP_LEAST_MS && ahead_ms < STEP_LEAST_MS ? 0 : ahead_ms;
}

int64_t clock_wall_of_due(int64_t due_ms)
{
    return due_ms + wall_ahead_ms();
}

int64_t clock_due_of_wall(int64_t wall_ms)
{
    return wall_ms - wall_ahead_ms();
}

int64_t clock_slept_ms(void)
{
    return (read_ns(CLOCK_BOOTTIME) - read_ns(CLOCK_MONOTONIC)) / NS_PER_MS;
}

int64_t clock_mono_ns(void)
{
    return atomic_load_explicit(&is_fake, memory_order_relaxed)
               ? atomic_load(&fake_mono_ms) * NS_PER_MS
               : read_ns(CLOCK_MONOTONIC);
}

int64_t clock_mono_ms(void)
{
    return clock_mono_ns() / NS_PER_MS;
}

int64_t clock_thread_cpu_ns(void)
{
    return read_ns(CLOCK_THREAD_CPUTIME_ID);
}

void clock_iso(int64_t ms, char text[CLOCK_ISO_BYTES])
{
    time_t seconds = (time_t)(ms / 1000);
    int fraction = (int)(ms % 1000);
    if (fraction < 0) {
        fraction += 1000;
        seconds -= 1;
    }
    struct tm tm;
    check(gmtime_r(&seconds, &tm) != NULL);
    char date[24];
    (void)strftime(date, sizeof date, "%Y-%m-%dT%H:%M:%S", &tm);
    (void)snprintf(text, CLOCK_ISO_BYTES, "%s.%03dZ", date, fraction);
}

/* What a written instant says, still unchecked. */
struct calendar {
    int year, month, day, hour, minute, second;
};

/* A second of 60 is a leap second: the next minute's first. */
static bool make_ms(const struct calendar *date, int64_t *ms)
{
    if (date->month < 1 || date->month > 12 || date->day < 1 ||
        date->day > calendar_days_in(date->year, date->month) || date->hour > 23 ||
        date->minute > 59 || date->second > 60)
        return false;
    const int64_t days =
        calendar_days((struct date){.year = date->year, .month = date->month, .day = date->day});
    *ms = (days * CALENDAR_DAY_S + date->hour * 3600 + date->minute * 60 + date->second) * 1000;
    return true;
}

/* Exactly so many digits at *text, which moves. */
static bool read_digits(const char **text, unsigned count, int *number)
{
    *number = 0;
    for (; count > 0; count--, ++*text) {
        if (**text < '0' || **text > '9')
            return false;
        *number = *number * 10 + (**text - '0');
    }
    return true;
}

static bool read_char(const char **text, const char *allowed)
{
    if (**text == '\0' || !strchr(allowed, **text))
        return false;
    ++*text;
    return true;
}

static bool read_time(const char **text, struct calendar *date)
{
    return read_digits(text, 2, &date->hour) && read_char(text, ":") &&
           read_digits(text, 2, &date->minute) && read_char(text, ":") &&
           read_digits(text, 2, &date->second);
}

/* ".5": what lies past milliseconds is dropped. */
static bool read_fraction(const char **text, int64_t *ms)
{
    if (**text != '.')
        return true;
    ++*text;
    const char *start = *text;
    for (int scale = 100; **text >= '0' && **text <= '9'; ++*text, scale /= 10)
        *ms += (**text - '0') * scale;
    return *text > start;
}

/* "Z" or "+02:00", and nothing behind it. */
static bool read_offset(const char *text, int64_t *ms)
{
    if (read_char(&text, "Zz"))
        return *text == '\0';
    const bool is_east = *text == '+';
    int hours;
    int minutes;
    if (!read_char(&text, "+-") || !read_digits(&text, 2, &hours) || !read_char(&text, ":") ||
        !read_digits(&text, 2, &minutes) || *text != '\0' || hours > 23 || minutes > 59)
        return false;
    const int64_t offset_ms = (int64_t)(hours * 60 + minutes) * 60000;
    *ms += is_east ? -offset_ms : offset_ms;
    return true;
}

bool clock_parse_iso(const char *text, int64_t *ms)
{
    struct calendar date;
    int64_t parsed;
    if (!read_digits(&text, 4, &date.year) || !read_char(&text, "-") ||
        !read_digits(&text, 2, &date.month) || !read_char(&text, "-") ||
        !read_digits(&text, 2, &date.day) || !read_char(&text, "Tt ") || !read_time(&text, &date) ||
        !make_ms(&date, &parsed) || !read_fraction(&text, &parsed) || !read_offset(text, &parsed))
        return false;
    *ms = parsed;
    return true;
}

/* The place of a three-letter name in a row of such names, from 1; 0 if it is not there. */
static int read_name(const char **text, const char *names)
{
    for (int i = 0; names[i * 3] != '\0'; i++)
        if (strncmp(*text, names + (ptrdiff_t)i * 3, 3) == 0) {
            *text += 3;
            return i + 1;
        }
    return 0;
}

bool clock_parse_http_date(const char *text, int64_t *ms)
{
    struct calendar date = {0};
    int64_t parsed;
    if (!read_name(&text, "MonTueWedThuFriSatSun") || !read_char(&text, ",") ||
        !read_char(&text, " ") || !read_digits(&text, 2, &date.day) || !read_char(&text, " ") ||
        (date.month = read_name(&text, "JanFebMarAprMayJunJulAugSepOctNovDec")) == 0 ||
        !read_char(&text, " ") || !read_digits(&text, 4, &date.year) || !read_char(&text, " ") ||
        !read_time(&text, &date) || strcmp(text, " GMT") != 0 || !make_ms(&date, &parsed))
        return false;
    *ms = parsed;
    return true;
}

void clock_fake(int64_t now_ms, int64_t mono_ms)
{
    atomic_store(&fake_now_ms, now_ms);
    atomic_store(&fake_mono_ms, mono_ms);
    atomic_store(&fake_due_ms, now_ms);
    atomic_store(&is_fake, true);
}

void clock_advance(int64_t ms)
{
    atomic_fetch_add(&fake_now_ms, ms);
    atomic_fetch_add(&fake_mono_ms, ms);
    atomic_fetch_add(&fake_due_ms, ms);
}

void clock_real(void)
{
    atomic_store(&is_fake, false);
    atomic_store(&due_ahead_ms, NOT_SET);
}

void clock_step(int64_t ms)
{
    if (ms == 0)
        atomic_store(&stepped_ms, 0);
    else
        atomic_fetch_add(&stepped_ms, ms);
}
