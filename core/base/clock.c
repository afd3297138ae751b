/* SPDX-License-Identifier: MIT */
#include "base/clock.h"

#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

static atomic_bool is_fake;
static atomic_int_fast64_t fake_now_ms;
static atomic_int_fast64_t fake_mono_ms;

static int64_t read_ns(clockid_t id)
{
    struct timespec now;
    check(clock_gettime(id, &now) == 0);
    return (int64_t)now.tv_sec * 1000000000 + now.tv_nsec;
}

int64_t clock_now_ms(void)
{
    return atomic_load_explicit(&is_fake, memory_order_relaxed) ? atomic_load(&fake_now_ms)
                                                                : read_ns(CLOCK_REALTIME) / 1000000;
}

int64_t clock_mono_ns(void)
{
    return atomic_load_explicit(&is_fake, memory_order_relaxed)
               ? atomic_load(&fake_mono_ms) * 1000000
               : read_ns(CLOCK_MONOTONIC);
}

int64_t clock_mono_ms(void)
{
    return clock_mono_ns() / 1000000;
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

/* Days since 1970-01-01 of a proleptic Gregorian date (month 1-12). */
static int64_t days_of(int64_t year, int64_t month, int64_t day)
{
    year -= month <= 2;
    const int64_t era = (year >= 0 ? year : year - 399) / 400;
    const int64_t year_of_era = year - era * 400;
    const int64_t day_of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    const int64_t day_of_era = year_of_era * 365 + year_of_era / 4 - year_of_era / 100 + day_of_year;
    return era * 146097 + day_of_era - 719468;
}

static bool make_ms(const int date[6], int64_t *ms)
{
    if (date[1] < 1 || date[1] > 12 || date[2] < 1 || date[2] > 31 || date[3] > 23 ||
        date[4] > 59 || date[5] > 60)
        return false;
    *ms = (days_of(date[0], date[1], date[2]) * 86400 + date[3] * 3600 + date[4] * 60 + date[5]) *
          1000;
    return true;
}

bool clock_parse_iso(const char *text, int64_t *ms)
{
    int date[6];
    int used = 0;
    if (sscanf(text, "%4d-%2d-%2d%*1[Tt ]%2d:%2d:%2d%n", &date[0], &date[1], &date[2], &date[3],
               &date[4], &date[5], &used) != 6 ||
        used != 19 || !make_ms(date, ms))
        return false;
    const char *rest = text + used;
    if (*rest == '.') {
        int scale = 100;
        for (rest++; *rest >= '0' && *rest <= '9'; rest++) {
            *ms += (*rest - '0') * scale;
            scale /= 10;
        }
    }
    if ((*rest == 'Z' || *rest == 'z') && rest[1] == '\0')
        return true;
    int hours = 0;
    int minutes = 0;
    if ((*rest != '+' && *rest != '-') ||
        sscanf(rest + 1, "%2d:%2d%n", &hours, &minutes, &used) != 2 || used != 5 ||
        rest[6] != '\0' || hours < 0 || hours > 23 || minutes < 0 || minutes > 59)
        return false;
    const int64_t offset_ms = (int64_t)(hours * 60 + minutes) * 60000;
    *ms += *rest == '+' ? -offset_ms : offset_ms;
    return true;
}

bool clock_parse_http_date(const char *text, int64_t *ms)
{
    static const char months[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    char month[4];
    int date[6];
    int used = 0;
    if (sscanf(text, "%*3[A-Za-z], %2d %3[A-Za-z] %4d %2d:%2d:%2d GMT%n", &date[2], month, &date[0],
               &date[3], &date[4], &date[5], &used) != 6 ||
        used == 0 || text[used] != '\0')
        return false;
    for (int i = 0; i < 12; i++)
        if (strncmp(months + (size_t)i * 3, month, 3) == 0) {
            date[1] = i + 1;
            return make_ms(date, ms);
        }
    return false;
}

void clock_fake(int64_t now_ms, int64_t mono_ms)
{
    atomic_store(&fake_now_ms, now_ms);
    atomic_store(&fake_mono_ms, mono_ms);
    atomic_store(&is_fake, true);
}

void clock_advance(int64_t ms)
{
    atomic_fetch_add(&fake_now_ms, ms);
    atomic_fetch_add(&fake_mono_ms, ms);
}

void clock_real(void)
{
    atomic_store(&is_fake, false);
}
