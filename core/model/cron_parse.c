/* SPDX-License-Identifier: MIT */
/* From text to a schedule. A field is a list of items; each is read with the row of its field. */
#include "base/limits.h"
#include "base/text.h"
#include "model/cron.h"
#include "model/cron_int.h"

#include <stdio.h>

#define FIELDS 6

enum field_kind { FIELD_SECOND, FIELD_MINUTE, FIELD_HOUR, FIELD_DAY, FIELD_MONTH, FIELD_WEEKDAY };

static const struct field_row {
    const char *name;
    int least, most;
    const char *names;   /* three letters each, of least and what follows */
    const char *allowed; /* besides * */
} rows[FIELDS] = {
    [FIELD_SECOND] = {"second", 0, 59, "", "0 to 59"},
    [FIELD_MINUTE] = {"minute", 0, 59, "", "0 to 59"},
    [FIELD_HOUR] = {"hour", 0, 23, "", "0 to 23"},
    [FIELD_DAY] = {"day of month", 1, 31, "", "1 to 31, or L for the last"},
    [FIELD_MONTH] = {"month", 1, 12, "JANFEBMARAPRMAYJUNJULAUGSEPOCTNOVDEC",
                     "1 to 12, or JAN to DEC"},
    [FIELD_WEEKDAY] = {"day of week", 0, 7, "SUNMONTUEWEDTHUFRISAT",
                       "0 to 7 (0 and 7 are Sunday), or SUN to SAT, 5L for the last Friday, FRI#2 "
                       "for the second"},
};

static const struct {
    const char *name;
    const char *meaning;
} short_forms[] = {
    {"@annually", "0 0 1 1 *"}, {"@daily", "0 0 * * *"},   {"@hourly", "0 * * * *"},
    {"@midnight", "0 0 * * *"}, {"@monthly", "0 0 1 * *"}, {"@weekly", "0 0 * * 0"},
    {"@yearly", "0 0 1 1 *"},
};

/* The field that is being read. */
struct reading {
    struct cron *cron;
    enum field_kind kind;
    const struct field_row *row;
    struct err *err;
};

static enum status refuse(const struct reading *reading, struct slice item, const char *why)
{
    return err_set(reading->err, E_INVALID, "%s \"%.*s\": %s", reading->row->name, (int)item.len,
                   item.data, why);
}

static enum status refuse_value(const struct reading *reading, struct slice item)
{
    char why[160];
    (void)snprintf(why, sizeof why, "may be *, %s", reading->row->allowed);
    return refuse(reading, item, why);
}

/* What stands before the first c; *rest: what stands behind it, its data NULL if there is no c. */
static struct slice cut(struct slice text, char c, struct slice *rest)
{
    const char *at = text.len > 0 ? memchr(text.data, c, text.len) : NULL;
    const size_t len = at ? (size_t)(at - text.data) : text.len;
    *rest = at ? slice_of(at + 1, text.len - len - 1) : (struct slice){0};
    return slice_of(text.data, len);
}

static bool read_digits(struct slice text, int *number)
{
    *number = 0;
    if (text.len == 0 || text.len > 4)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        *number = *number * 10 + (text.data[i] - '0');
    }
    return true;
}

/* A number or a name of the field. */
static bool read_value(const struct field_row *row, struct slice text, int *value)
{
    if (read_digits(text, value))
        return *value >= row->least && *value <= row->most;
    for (size_t i = 0; text.len == 3 && row->names[i * 3] != '\0'; i++)
        if (slice_equal_nocase(text, slice_of(row->names + i * 3, 3))) {
            *value = row->least + (int)i;
            return true;
        }
    return false;
}

/* Bit 7 of weekdays is Sunday too. */
static uint32_t fold_weekdays(uint64_t set)
{
    return (uint32_t)((set | set >> 7) & 0x7f);
}

static void add_set(const struct reading *reading, uint64_t set)
{
    struct cron *cron = reading->cron;
    switch (reading->kind) {
    case FIELD_SECOND:
        cron->seconds |= set;
        break;
    case FIELD_MINUTE:
        cron->minutes |= set;
        break;
    case FIELD_HOUR:
        cron->hours |= (uint32_t)set;
        break;
    case FIELD_DAY:
        cron->days |= (uint32_t)set;
        break;
    case FIELD_MONTH:
        cron->months |= (uint32_t)set;
        break;
    case FIELD_WEEKDAY:
        cron->weekdays |= fold_weekdays(set);
        break;
    }
}

static enum status read_step(const struct reading *reading, struct slice item, struct slice text,
                             int *step)
{
    const int most = reading->row->most - reading->row->least;
    if (read_digits(text, step) && *step >= 1 && *step <= most)
        return OK;
    char why[64];
    (void)snprintf(why, sizeof why, "a step may be 1 to %d", most);
    return refuse(reading, item, why);
}

/* "MON-FRI"; *first and *last of "*" are the field's. */
static enum status read_range(const struct reading *reading, struct slice item, struct slice text,
                              int *first, int *last)
{
    const struct field_row *row = reading->row;
    *first = row->least;
    *last = row->most;
    if (slice_is(text, "*"))
        return OK;
    struct slice end;
    const struct slice start = cut(text, '-', &end);
    if (!read_value(row, start, first))
        return refuse_value(reading, item);
    *last = *first;
    if (!end.data)
        return OK;
    if (!read_value(row, end, last))
        return refuse_value(reading, item);
    if (reading->kind == FIELD_WEEKDAY && *last == 0 && *first > 0)
        *last = 7;
    if (*first > *last) {
        const int most = reading->kind == FIELD_WEEKDAY ? 6 : row->most;
        char why[64];
        (void)snprintf(why, sizeof why, "goes backwards: write %d-%d,%d-%d", *first, most,
                       row->least, *last);
        return refuse(reading, item, why);
    }
    return OK;
}

/* "*", "5", "1-5", with "/2" behind "*" and ranges. */
static enum status read_plain(const struct reading *reading, struct slice item)
{
    struct slice step_text;
    const struct slice text = cut(item, '/', &step_text);
    int first;
    int last;
    int step = 1;
    enum status status = read_range(reading, item, text, &first, &last);
    if (status == OK && step_text.data) {
        if (!slice_is(text, "*") && !memchr(text.data, '-', text.len))
            return refuse(reading, item,
                          "a step stands behind * or a range, such as */5 or 10-40/5");
        status = read_step(reading, item, step_text, &step);
    }
    if (status != OK)
        return status;
    if (reading->kind == FIELD_WEEKDAY && slice_is(text, "*"))
        last = 6; /* Sunday once: a step counts on from its first day */
    uint64_t set = 0;
    for (int value = first; value <= last; value += step)
        set |= UINT64_C(1) << value;
    add_set(reading, set);
    return OK;
}

/* "5L", "FRI#2": false if item is none of them. */
static bool read_of_month(const struct reading *reading, struct slice item, enum status *status)
{
    struct slice number;
    int weekday;
    int week;
    const struct slice day = cut(item, '#', &number);
    *status = OK;
    if (number.data) {
        if (!read_value(reading->row, day, &weekday))
            *status = refuse_value(reading, item);
        else if (!read_digits(number, &week) || week < 1 || week > CRON_WEEKS)
            *status = refuse(reading, item, "behind # may be 1 to 5");
        else
            reading->cron->weekdays_nth[week - 1] |= fold_weekdays(UINT64_C(1) << weekday);
        return true;
    }
    if (item.len < 2 || (item.data[item.len - 1] != 'L' && item.data[item.len - 1] != 'l') ||
        !read_value(reading->row, slice_of(item.data, item.len - 1), &weekday))
        return false;
    reading->cron->weekdays_last |= fold_weekdays(UINT64_C(1) << weekday);
    return true;
}

static enum status read_item(const struct reading *reading, struct slice item)
{
    enum status status;
    if (item.len == 0)
        return refuse(reading, item, "an item of the list is empty");
    if (reading->kind == FIELD_DAY && slice_equal_nocase(item, slice_str("L"))) {
        reading->cron->has_last_day = true;
        return OK;
    }
    if (reading->kind == FIELD_WEEKDAY && read_of_month(reading, item, &status))
        return status;
    return read_plain(reading, item);
}

static enum status read_field(const struct reading *reading, struct slice text)
{
    const bool is_day = reading->kind == FIELD_DAY || reading->kind == FIELD_WEEKDAY;
    if (is_day && slice_is(text, "?"))
        text = slice_str("*");
    enum status status = OK;
    for (struct slice rest = text; status == OK && rest.data;) {
        struct slice next;
        const struct slice item = cut(rest, ',', &next);
        status = read_item(reading, item);
        rest = next;
    }
    return status;
}

/* The words between blanks; how many there are, of which FIELDS at most are in words. */
static size_t split(struct slice text, struct slice words[FIELDS])
{
    size_t count = 0;
    for (size_t i = 0; i < text.len;) {
        size_t end = i;
        while (end < text.len && text.data[end] != ' ' && text.data[end] != '\t')
            end++;
        if (end > i && count++ < FIELDS)
            words[count - 1] = slice_of(text.data + i, end - i);
        i = end > i ? end : i + 1;
    }
    return count;
}

static bool is_open(struct slice text)
{
    return text.data[0] == '*' || text.data[0] == '?';
}

static enum status read_fields(struct slice text, struct cron *cron, struct err *err)
{
    struct slice words[FIELDS];
    const size_t count = split(text, words);
    if (count < FIELDS - 1 || count > FIELDS)
        return err_set(err, E_INVALID,
                       "%zu field%s where there are 5 (minute, hour, day of month, month, day of "
                       "week) or 6 (a second before them)",
                       count, count == 1 ? "" : "s");
    const size_t skipped = FIELDS - count;
    if (skipped > 0)
        cron->seconds = 1;
    for (size_t i = skipped; i < FIELDS; i++) {
        const struct reading reading = {
            .cron = cron, .kind = (enum field_kind)i, .row = &rows[i], .err = err};
        const enum status status = read_field(&reading, words[i - skipped]);
        if (status != OK)
            return status;
    }
    cron->is_either =
        !is_open(words[FIELD_DAY - skipped]) && !is_open(words[FIELD_WEEKDAY - skipped]);
    int64_t day;
    return cron_next_day(cron, 0, CRON_DAYS_MAX, &day)
               ? OK
               : err_set(err, E_INVALID, "never comes: no year has such a day in such a month");
}

static enum status read_short(struct slice name, struct cron *cron, struct err *err)
{
    const char *names[array_count(short_forms)];
    for (size_t i = 0; i < array_count(short_forms); i++) {
        names[i] = short_forms[i].name;
        if (slice_equal_nocase(name, slice_str(names[i])))
            return read_fields(slice_str(short_forms[i].meaning), cron, err);
    }
    const char *nearest = text_nearest(name, names, array_count(names));
    return err_set(
        err, E_INVALID,
        "may be @yearly, @annually, @monthly, @weekly, @daily, @midnight or @hourly%s%s%s",
        nearest ? "; did you mean " : "", nearest ? nearest : "", nearest ? "?" : "");
}

enum status cron_parse(struct slice text, struct cron *cron, struct err *err)
{
    if (text.len > LIMIT_SCHEDULE_BYTES)
        return err_set(err, E_INVALID, "a schedule has at most %d bytes", LIMIT_SCHEDULE_BYTES);
    *cron = (struct cron){0};
    const struct slice trimmed = slice_trim(text);
    const bool is_short = trimmed.len > 0 && trimmed.data[0] == '@';
    const enum status status =
        is_short ? read_short(trimmed, cron, err) : read_fields(trimmed, cron, err);
    return status == OK || !err ? status
                                : err_prefix(err, "schedule \"%.*s\"", (int)text.len, text.data);
}
