/* SPDX-License-Identifier: MIT */
/* anzol.kv in a terminal: values that runs set stay until the command ends. One run at a time, so
 * nothing conflicts. */
#include "console/console_int.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static int compare(const struct value *value, const char *ns, const char *key)
{
    const int order = strcmp(value->ns, ns);
    return order != 0 ? order : strcmp(value->key, key);
}

/* Where it is, or would be. */
static size_t find(const struct values *values, const char *ns, const char *key)
{
    size_t at = 0;
    while (at < values->count && compare(&values->rows[at], ns, key) < 0)
        at++;
    return at;
}

static bool is_at(const struct values *values, size_t at, const char *ns, const char *key)
{
    return at < values->count && compare(&values->rows[at], ns, key) == 0;
}

static bool is_alive(const struct value *value)
{
    return value->expires_ms == 0 || value->expires_ms > clock_due_ms();
}

static void remove_at(struct values *values, size_t at)
{
    struct value *value = &values->rows[at];
    free(value->ns);
    free(value->key);
    free(value->text);
    values->count--;
    memmove(value, value + 1, (values->count - at) * sizeof *value);
}

static void insert_at(struct values *values, size_t at, const struct kv_write *write)
{
    struct value *rows = realloc(values->rows, (values->count + 1) * sizeof *rows);
    check(rows != NULL);
    values->rows = rows;
    memmove(&rows[at + 1], &rows[at], (values->count - at) * sizeof *rows);
    values->count++;
    rows[at] = (struct value){.ns = must_copy(write->ns, strlen(write->ns)),
                              .key = must_copy(write->key, strlen(write->key))};
}

/* Whole numbers only: what else a delta meets stays as it is. */
static char *sum_of(const struct value *value, int64_t delta)
{
    char text[32];
    const long long whole = value->text ? strtoll(value->text, NULL, 10) : 0;
    const int len = snprintf(text, sizeof text, "%lld", whole + (long long)delta);
    return must_copy(text, (size_t)len);
}

void values_apply(struct values *values, const struct outbox *outbox)
{
    for (size_t i = 0; i < outbox->kv_write_count; i++) {
        const struct kv_write *write = &outbox->kv_writes[i];
        const size_t at = find(values, write->ns, write->key);
        bool is_there = is_at(values, at, write->ns, write->key);
        if (is_there && (!is_alive(&values->rows[at]) || (!write->value && !write->is_delta))) {
            remove_at(values, at);
            is_there = false;
        }
        if (!write->value && !write->is_delta)
            continue;
        if (!is_there)
            insert_at(values, at, write);
        struct value *value = &values->rows[at];
        char *text = write->is_delta ? sum_of(value, write->delta)
                                     : must_copy(write->value, strlen(write->value));
        free(value->text);
        value->text = text;
        if (!is_there || !write->is_delta || write->expires_ms > 0)
            value->expires_ms = write->expires_ms;
        value->version = ++values->version;
    }
}

/* ---- Reads ---- */

static void get(const struct values *values, struct store_get_kv *get_kv)
{
    const size_t at = find(values, get_kv->ns, get_kv->key);
    if (!is_at(values, at, get_kv->ns, get_kv->key) || !is_alive(&values->rows[at])) {
        get_kv->read.status = E_NOTFOUND;
        return;
    }
    get_kv->value = must_copy(values->rows[at].text, strlen(values->rows[at].text));
    get_kv->version = values->rows[at].version;
}

static void list(const struct values *values, struct store_list_kv *list_kv)
{
    const size_t len = strlen(list_kv->prefix);
    for (size_t i = 0; i < values->count && list_kv->row_count < list_kv->limit; i++) {
        const struct value *value = &values->rows[i];
        if (strcmp(value->ns, list_kv->ns) != 0 || strncmp(value->key, list_kv->prefix, len) != 0 ||
            strcmp(value->key, list_kv->after) <= 0 || !is_alive(value))
            continue;
        struct kv_row *rows = realloc(list_kv->rows, (list_kv->row_count + 1) * sizeof *rows);
        check(rows != NULL);
        list_kv->rows = rows;
        rows[list_kv->row_count++] =
            (struct kv_row){.key = must_copy(value->key, strlen(value->key)),
                            .value = must_copy(value->text, strlen(value->text))};
    }
}

void values_read(const struct values *values, struct store_read *read)
{
    read->status = OK;
    if (read->kind == STORE_GET_KV)
        get(values, container_of(read, struct store_get_kv, read));
    else if (read->kind == STORE_LIST_KV)
        list(values, container_of(read, struct store_list_kv, read));
    /* Of events and deliveries there are none. */
    else if (read->kind == STORE_LIST_EVENTS)
        container_of(read, struct store_list_events, read)->is_end = true;
    else if (read->kind == STORE_LIST_DELIVERIES)
        container_of(read, struct store_list_deliveries, read)->is_end = true;
}

void values_finish(struct values *values)
{
    while (values->count > 0)
        remove_at(values, values->count - 1);
    free(values->rows);
}
