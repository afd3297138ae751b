/* SPDX-License-Identifier: MIT */
#include "bench/option_int.h"

#include "base/text.h"

#include <stdio.h>

#define ROWS_MAX 24

static const struct option_row *find(const struct option_table *table, const char *name)
{
    for (size_t i = 0; i < table->count; i++) {
        const struct option_row *row = &table->rows[i];
        if (strcmp(row->name, name) == 0 || (row->letter && strcmp(row->letter, name) == 0))
            return row;
    }
    return NULL;
}

static enum status refuse_name(const struct option_table *table, const char *name, struct err *err)
{
    const char *names[ROWS_MAX];
    check(table->count <= ROWS_MAX);
    for (size_t i = 0; i < table->count; i++)
        names[i] = table->rows[i].name;
    const char *meant = text_nearest(slice_str(name), names, table->count);
    if (meant)
        return err_set(err, E_INVALID, "unknown option %s; did you mean %s?", name, meant);
    return err_set(err, E_INVALID, "unknown option %s; --help lists them", name);
}

static bool parse_count(struct slice text, uint64_t *count)
{
    uint64_t value = 0;
    if (text.len == 0 || text.len > 18)
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        value = value * 10 + (uint64_t)(text.data[i] - '0');
    }
    *count = value;
    return true;
}

static enum status set_value(const struct option_row *row, const char *value, void *values,
                             struct err *err)
{
    static const char *const forms[] = {
        [OPTION_COUNT] = "a whole number",
        [OPTION_DURATION] = TEXT_DURATION_FORMS,
        [OPTION_SIZE] = TEXT_SIZE_FORMS,
        [OPTION_TEXT] = "text",
    };
    void *place = (char *)values + row->offset;
    const struct slice text = slice_str(value);
    bool is_good = true;
    if (row->kind == OPTION_COUNT)
        is_good = parse_count(text, place);
    else if (row->kind == OPTION_DURATION)
        is_good = text_parse_duration_ms(text, place);
    else if (row->kind == OPTION_SIZE)
        is_good = text_parse_size(text, place);
    else
        memcpy(place, &value, sizeof value);
    if (is_good)
        return OK;
    return err_set(err, E_INVALID, "%s wants %s, not '%s'", row->name, forms[row->kind], value);
}

enum status option_parse(const struct option_table *table, int argc, char **argv, void *values,
                         bool *wants_help, struct err *err)
{
    *wants_help = false;
    for (int i = 1; i < argc; i++) {
        if (strcmp(argv[i], "--help") == 0 || strcmp(argv[i], "-h") == 0) {
            *wants_help = true;
            return OK;
        }
        const struct option_row *row = find(table, argv[i]);
        if (!row)
            return refuse_name(table, argv[i], err);
        if (i + 1 == argc)
            return err_set(err, E_INVALID, "%s wants a value: %s", row->name, row->argument);
        const enum status status = set_value(row, argv[++i], values, err);
        if (status != OK)
            return status;
    }
    return OK;
}

void option_help(const struct option_table *table)
{
    printf("%s\nOptions:\n", table->usage);
    for (size_t i = 0; i < table->count; i++) {
        const struct option_row *row = &table->rows[i];
        char left[64];
        snprintf(left, sizeof left, "%s%s%s %s", row->letter ? row->letter : "",
                 row->letter ? ", " : "    ", row->name, row->argument);
        printf("  %-28s %s\n", left, row->help);
    }
}
