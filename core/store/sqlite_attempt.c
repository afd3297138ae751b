/* SPDX-License-Identifier: MIT */
/* Attempts as the API shows them: those of one delivery, and of all. Reader threads. */
#include "store/sqlite_int.h"

#include <stdlib.h>

/* Takes a copy, empty for NULL. */
static bool copy_slice(sqlite3_stmt *statement, int column, struct slice *slice)
{
    char *copy = column_copy(statement, column);
    if (!copy)
        copy = calloc(1, 1);
    *slice = slice_of(copy, (size_t)sqlite3_column_bytes(statement, column));
    return copy != NULL;
}

static bool read_attempt(sqlite3_stmt *statement, uint64_t id, struct attempt_row *row)
{
    struct slice detail;
    *row = (struct attempt_row){
        .attempt =
            {
                .id = id,
                .number = (uint32_t)sqlite3_column_int64(statement, 0),
                .status = sqlite3_column_int(statement, 3),
                .error = (enum attempt_error)sqlite3_column_int(statement, 4),
                .started_ms = sqlite3_column_int64(statement, 5),
                .duration_ms = sqlite3_column_int64(statement, 6),
                .dns_us = sqlite3_column_int64(statement, 7),
                .connect_us = sqlite3_column_int64(statement, 8),
                .tls_us = sqlite3_column_int64(statement, 9),
                .first_byte_us = sqlite3_column_int64(statement, 10),
                .is_cut = sqlite3_column_int(statement, 12) != 0,
                .retry_after_ms = -1,
                .decided = (enum decided_by)sqlite3_column_int(statement, 16),
            },
        .state = (enum delivery_state)sqlite3_column_int(statement, 2),
        .next_ms = sqlite3_column_int64(statement, 11),
    };
    const bool is_whole = copy_slice(statement, 13, &detail) &&
                          copy_slice(statement, 14, &row->attempt.head) &&
                          copy_slice(statement, 15, &row->attempt.body) &&
                          copy_slice(statement, 17, &row->attempt.request);
    row->attempt.detail = detail.data;
    return is_whole;
}

/* From the last one back; then turned round, so that the first comes first. */
int sqlite_read_attempts(struct sqlite_reader *reader, uint64_t newest, struct delivery_row *row)
{
    sqlite3_stmt *statement = reader->statements[READ_ATTEMPT];
    int rc = SQLITE_OK;
    uint64_t id = newest;
    while (id && rc == SQLITE_OK) {
        struct attempt_row *attempts =
            array_grow(row->attempts, row->attempt_row_count, sizeof *attempts);
        if (!attempts)
            return SQLITE_NOMEM;
        row->attempts = attempts;
        bind_id(statement, 1, id);
        rc = sqlite3_step(statement);
        if (rc == SQLITE_ROW) {
            rc = read_attempt(statement, id, &attempts[row->attempt_row_count++]) ? SQLITE_OK
                                                                                  : SQLITE_NOMEM;
            id = column_id(statement, 1);
        }
        (void)sqlite3_reset(statement);
    }
    for (size_t i = 0; i < row->attempt_row_count / 2; i++) {
        struct attempt_row *first = &row->attempts[i];
        struct attempt_row *last = &row->attempts[row->attempt_row_count - 1 - i];
        const struct attempt_row swap = *first;
        *first = *last;
        *last = swap;
    }
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* ---- Of all deliveries ----------------------------------------------------------------------- */

/* Columns behind those of read_attempt. */
enum owner_column { OF_ID = 18, OF_DELIVERY, OF_MESSAGE, OF_ENDPOINT, OF_NAME, OF_TYPE };

static bool fits(sqlite3_stmt *statement, const struct store_list_attempts *list, uint64_t endpoint)
{
    const struct store_list_query *query = &list->query;
    const int status = sqlite3_column_int(statement, 3);
    const int error = sqlite3_column_int(statement, 4);
    return (!query->endpoint || column_id(statement, OF_ENDPOINT) == endpoint) &&
           (query->state < 0 || sqlite3_column_int(statement, 2) == query->state) &&
           (!query->type ||
            event_pattern_matches(slice_str(query->type), column_text(statement, OF_TYPE))) &&
           (list->status_to == 0 ||
            (status >= list->status_from && status <= list->status_to && error == ATTEMPT_OK)) &&
           (list->error < 0 || error == list->error);
}

static int add(sqlite3_stmt *statement, struct store_list_attempts *list)
{
    struct attempt_row *rows = array_grow(list->rows, list->row_count, sizeof *rows);
    if (!rows)
        return SQLITE_NOMEM;
    list->rows = rows;
    struct attempt_row *row = &rows[list->row_count++];
    const bool is_whole = read_attempt(statement, column_id(statement, OF_ID), row);
    row->delivery = column_id(statement, OF_DELIVERY);
    row->message = column_id(statement, OF_MESSAGE);
    row->endpoint = column_copy(statement, OF_NAME);
    row->type = column_copy(statement, OF_TYPE);
    return is_whole ? SQLITE_OK : SQLITE_NOMEM;
}

static int get_one(struct sqlite_reader *reader, struct store_list_attempts *list)
{
    sqlite3_stmt *statement = reader->statements[READ_ATTEMPT_ROW];
    bind_id(statement, 1, list->only);
    int rc = sqlite3_step(statement);
    list->read.status = rc == SQLITE_DONE ? E_NOTFOUND : OK;
    if (rc == SQLITE_ROW)
        rc = add(statement, list);
    (void)sqlite3_reset(statement);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int sqlite_list_attempts(struct sqlite_reader *reader, struct store_list_attempts *list)
{
    const struct store_list_query *query = &list->query;
    if (list->only)
        return get_one(reader, list);
    const int64_t start_ns = (int64_t)uv_hrtime();
    uint64_t endpoint = 0;
    int rc = sqlite_find_endpoint(reader, query->endpoint, &endpoint);
    sqlite3_stmt *walk =
        reader->statements[query->is_backward ? READ_LIST_ATTEMPTS_BACKWARD : READ_LIST_ATTEMPTS];
    sqlite_bind_range(walk, query);
    list->last = query->before;
    for (size_t rows = 1; rc == SQLITE_OK && list->row_count < query->limit; rows++) {
        rc = sqlite3_step(walk);
        if (rc != SQLITE_ROW)
            break;
        list->last = column_id(walk, OF_ID);
        rc = fits(walk, list, endpoint) ? add(walk, list) : SQLITE_OK;
        if (sqlite_is_time_up(start_ns, rows))
            break;
    }
    (void)sqlite3_reset(walk);
    list->is_end = rc == SQLITE_DONE;
    return rc == SQLITE_DONE || rc == SQLITE_ROW ? SQLITE_OK : rc;
}
