/* SPDX-License-Identifier: MIT */
/* A zone is its changes in order. Those of the rule at the file's end are written out for a whole
 * era of the calendar, 400 years, after which dates fall on the same weekdays and the changes
 * repeat: so a look is one binary search, whatever the instant. */
#include "base/zone.h"

#include "base/calendar.h"
#include "base/limits.h"
#include "base/zone_int.h"

#include <stdio.h>
#include <stdlib.h>

#define ERA_YEARS 400
#define ERA_S INT64_C(12622780800)

struct zone {
    int32_t first_offset_s; /* before the first change */
    bool repeats;           /* the last ERA_S of the changes */
    size_t count;
    struct zone_change changes[];
};

void zone_free(struct zone *zone)
{
    free(zone);
}

/* ---- Reading a file ---- */

#define HEADER_BYTES 44
#define TYPE_BYTES 6
#define LEAP_BYTES 12
#define FIRST_LEAP_BYTES 8          /* in the block of version 1 */
#define AT_S_MAX (INT64_C(1) << 59) /* what zic writes for the beginning of all time */
#define RULE_YEAR_FIRST 1970        /* of a file without a change */
#define RULE_YEARS (ERA_YEARS + 2)  /* the first may be cut by the file's last change */
#define RULE_CHANGES (2 * RULE_YEARS)

struct counts {
    uint32_t is_ut, is_standard, leap, change, type, letter;
};

/* A file's bytes, from the front. */
struct file {
    struct slice rest;
    struct slice times;
    struct slice kinds; /* of each change, its type */
    struct slice types;
    struct slice rule;
};

static bool take(struct file *file, size_t len, struct slice *part)
{
    if (file->rest.len < len)
        return false;
    *part = slice_of(file->rest.data, len);
    file->rest = slice_of(file->rest.data + len, file->rest.len - len);
    return true;
}

static uint64_t big_endian(const char *bytes, size_t len)
{
    uint64_t number = 0;
    for (size_t i = 0; i < len; i++)
        number = number << 8 | (unsigned char)bytes[i];
    return number;
}

static bool take_header(struct file *file, struct counts *counts, const char **why)
{
    struct slice header;
    *why = "it is no time zone";
    if (!take(file, HEADER_BYTES, &header) || memcmp(header.data, "TZif", 4) != 0)
        return false;
    *why = "its format is of version 1: no times after 2037";
    if (header.data[4] < '2')
        return false;
    uint32_t *const fields[] = {&counts->is_ut,  &counts->is_standard, &counts->leap,
                                &counts->change, &counts->type,        &counts->letter};
    for (size_t i = 0; i < array_count(fields); i++)
        *fields[i] = (uint32_t)big_endian(header.data + 20 + 4 * i, 4);
    return true;
}

/* The block of 32-bit times, which is there for older readers, then the one of 64 bits. */
static bool take_blocks(struct file *file, const char **why)
{
    struct counts counts = {0};
    struct slice skipped;
    if (!take_header(file, &counts, why))
        return false;
    *why = "it is cut short";
    if (!take(file,
              (size_t)counts.change * 5 + (size_t)counts.type * TYPE_BYTES + counts.letter +
                  (size_t)counts.leap * FIRST_LEAP_BYTES + counts.is_standard + counts.is_ut,
              &skipped) ||
        !take_header(file, &counts, why))
        return false;
    *why = "it is cut short";
    if (!take(file, (size_t)counts.change * 8, &file->times) ||
        !take(file, counts.change, &file->kinds) ||
        !take(file, (size_t)counts.type * TYPE_BYTES, &file->types) ||
        !take(file,
              counts.letter + (size_t)counts.leap * LEAP_BYTES + counts.is_standard + counts.is_ut,
              &skipped))
        return false;
    *why = "it counts leap seconds, which Unix time has not";
    if (counts.leap > 0)
        return false;
    *why = "the rule at its end is malformed";
    const char *end =
        file->rest.len > 1 ? memchr(file->rest.data + 1, '\n', file->rest.len - 1) : NULL;
    if (!end || file->rest.data[0] != '\n')
        return false;
    file->rule = slice_of(file->rest.data + 1, (size_t)(end - file->rest.data) - 1);
    return true;
}

static bool read_offset(const struct file *file, size_t type, int32_t *offset_s)
{
    if (type >= file->types.len / TYPE_BYTES)
        return false;
    *offset_s = (int32_t)big_endian(file->types.data + type * TYPE_BYTES, 4);
    return *offset_s >= -ZONE_OFFSET_S_MAX && *offset_s <= ZONE_OFFSET_S_MAX;
}

static bool read_changes(const struct file *file, struct zone *zone)
{
    if (!read_offset(file, 0, &zone->first_offset_s))
        return false;
    for (size_t i = 0; i < file->kinds.len; i++) {
        struct zone_change change = {.at_s = (int64_t)big_endian(file->times.data + 8 * i, 8)};
        if (change.at_s < -AT_S_MAX || change.at_s > AT_S_MAX ||
            (i > 0 && change.at_s <= zone->changes[i - 1].at_s) ||
            !read_offset(file, (unsigned char)file->kinds.data[i], &change.offset_s))
            return false;
        zone->changes[zone->count++] = change;
    }
    return true;
}

/* A change at the time of the last one takes its place: some rules have summer all year. */
static void add_change(struct zone *zone, struct zone_change change)
{
    if (zone->count > 0 && change.at_s < zone->changes[zone->count - 1].at_s)
        return;
    if (zone->count > 0 && change.at_s == zone->changes[zone->count - 1].at_s)
        zone->count--;
    zone->changes[zone->count++] = change;
}

static bool add_rule(struct zone *zone, struct slice text)
{
    struct zone_rule rule;
    if (text.len == 0)
        return true; /* the last change stays */
    if (!zone_rule_parse(text, &rule))
        return false;
    if (!rule.has_summer) {
        if (zone->count == 0)
            zone->first_offset_s = rule.offset_s;
        return true;
    }
    int second;
    int64_t year = RULE_YEAR_FIRST;
    int64_t after_s = INT64_MIN;
    if (zone->count > 0) {
        after_s = zone->changes[zone->count - 1].at_s;
        year = calendar_date(calendar_split(after_s, &second)).year;
    }
    for (int i = 0; i < RULE_YEARS; i++) {
        struct zone_change changes[2];
        zone_rule_changes(&rule, year + i, changes);
        for (size_t j = 0; j < array_count(changes); j++)
            if (changes[j].at_s > after_s)
                add_change(zone, changes[j]);
    }
    zone->repeats = true;
    return true;
}

enum status zone_parse(struct slice bytes, struct zone **zone, struct err *err)
{
    struct file file = {.rest = bytes};
    const char *why = NULL;
    if (bytes.len > LIMIT_ZONE_FILE_BYTES)
        return err_set(err, E_LIMIT, "it has more than %d bytes", LIMIT_ZONE_FILE_BYTES);
    if (!take_blocks(&file, &why))
        return err_set(err, E_INVALID, "%s", why);
    const size_t count = file.kinds.len + RULE_CHANGES;
    struct zone *made = must_alloc(sizeof *made + count * sizeof made->changes[0]);
    why = !read_changes(&file, made)   ? "its changes are malformed"
          : !add_rule(made, file.rule) ? "the rule at its end is malformed"
                                       : NULL;
    if (why) {
        zone_free(made);
        return err_set(err, E_INVALID, "%s", why);
    }
    *zone = made;
    return OK;
}

/* ---- Finding it ---- */

/* Letters, digits, + - _ in parts between slashes: nothing that leaves the folder. */
static bool is_name(struct slice name)
{
    bool is_part_open = false;
    for (size_t i = 0; i < name.len; i++) {
        const char c = name.data[i];
        const bool is_plain = (c >= 'A' && c <= 'Z') || (c >= 'a' && c <= 'z') ||
                              (c >= '0' && c <= '9') || c == '+' || c == '-' || c == '_';
        if (!is_plain && (c != '/' || !is_part_open))
            return false;
        is_part_open = is_plain;
    }
    return is_part_open && name.len <= LIMIT_ZONE_BYTES;
}

/* Reads one byte more than is allowed, so that zone_parse sees what is too large. */
static enum status read_file(FILE *file, struct zone **zone, struct err *err)
{
    char *bytes = must_alloc(LIMIT_ZONE_FILE_BYTES + 1);
    const size_t len = fread(bytes, 1, LIMIT_ZONE_FILE_BYTES + 1, file);
    /* A folder is read as nothing. */
    const enum status status = zone_parse(slice_of(bytes, len), zone, err);
    free(bytes);
    return status;
}

enum status zone_load(struct slice name, struct zone **zone, struct err *err)
{
    if (!is_name(name))
        return err_set(err, E_INVALID,
                       "\"%.*s\" is no name of a time zone: such as Europe/Berlin or UTC, at most "
                       "%d bytes",
                       (int)(name.len > LIMIT_ZONE_BYTES ? LIMIT_ZONE_BYTES : name.len), name.data,
                       LIMIT_ZONE_BYTES);
    if (slice_is(name, "UTC")) {
        *zone = must_alloc(sizeof **zone);
        return OK;
    }
    char path[sizeof ZONE_FOLDER + 1 + LIMIT_ZONE_BYTES];
    (void)snprintf(path, sizeof path, ZONE_FOLDER "/%.*s", (int)name.len, name.data);
    FILE *file = fopen(path, "rbe");
    if (!file) {
        char nearest[LIMIT_ZONE_BYTES + 1];
        zone_name_nearest(name, nearest, sizeof nearest);
        return err_set(err, E_NOTFOUND, "no time zone \"%.*s\" in " ZONE_FOLDER "%s%s%s",
                       (int)name.len, name.data, nearest[0] ? "; did you mean " : "", nearest,
                       nearest[0] ? "?" : " (the package tzdata has them)");
    }
    const enum status status = read_file(file, zone, err);
    (void)fclose(file);
    if (status != OK)
        (void)err_prefix(err, "%s", path);
    return status;
}

/* ---- Looking ---- */

/* How many changes were by then. */
static size_t count_by(const struct zone *zone, int64_t utc_s)
{
    size_t from = 0;
    size_t until = zone->count;
    while (from < until) {
        const size_t middle = from + (until - from) / 2;
        if (zone->changes[middle].at_s <= utc_s)
            from = middle + 1;
        else
            until = middle;
    }
    return from;
}

struct zone_span zone_span_at(const struct zone *zone, int64_t utc_s)
{
    int64_t shift_s = 0;
    if (zone->repeats && utc_s >= zone->changes[zone->count - 1].at_s)
        shift_s = ((utc_s - zone->changes[zone->count - 1].at_s) / ERA_S + 1) * ERA_S;
    const size_t count = count_by(zone, utc_s - shift_s);
    return (struct zone_span){
        .from_s = count > 0 ? zone->changes[count - 1].at_s + shift_s : INT64_MIN,
        .until_s = count < zone->count ? zone->changes[count].at_s + shift_s : INT64_MAX,
        .offset_s = count > 0 ? zone->changes[count - 1].offset_s : zone->first_offset_s};
}

int64_t zone_first_reached(const struct zone *zone, int64_t local_s)
{
    struct zone_span span = zone_span_at(zone, local_s - ZONE_OFFSET_S_MAX);
    while (span.until_s != INT64_MAX && local_s - span.offset_s >= span.until_s)
        span = zone_span_at(zone, span.until_s);
    const int64_t utc_s = local_s - span.offset_s;
    return utc_s > span.from_s ? utc_s : span.from_s;
}

int64_t zone_latest_shown(const struct zone *zone, int64_t utc_s)
{
    struct zone_span span = zone_span_at(zone, utc_s);
    int64_t latest_s = utc_s + span.offset_s;
    /* What they showed before that is behind, whatever the offset was. */
    while (span.from_s != INT64_MIN && span.from_s > utc_s - 2 * ZONE_OFFSET_S_MAX) {
        const int64_t last_s = span.from_s - 1;
        span = zone_span_at(zone, last_s);
        if (last_s + span.offset_s > latest_s)
            latest_s = last_s + span.offset_s;
    }
    return latest_s;
}

void zone_iso(const struct zone *zone, int64_t ms, char text[ZONE_ISO_BYTES])
{
    const int64_t utc_s = ms / 1000 - (ms % 1000 < 0);
    const int32_t offset_s = zone_span_at(zone, utc_s).offset_s;
    const int ahead_s = offset_s < 0 ? -offset_s : offset_s;
    int second;
    const struct date date = calendar_date(calendar_split(utc_s + offset_s, &second));
    int len = snprintf(text, ZONE_ISO_BYTES, "%04d-%02d-%02dT%02d:%02d:%02d%c%02d:%02d",
                       (int)date.year, date.month, date.day, second / 3600, second / 60 % 60,
                       second % 60, offset_s < 0 ? '-' : '+', ahead_s / 3600, ahead_s / 60 % 60);
    if (ahead_s % 60 != 0)
        (void)snprintf(text + len, ZONE_ISO_BYTES - (size_t)len, ":%02d", ahead_s % 60);
}
