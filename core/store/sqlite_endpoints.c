/* SPDX-License-Identifier: MIT */
/* The list of endpoints and how much each still has to get. Reader threads; each statement is a
 * short transaction of its own, so no count holds up a checkpoint. */
#include "store/sqlite_walk_int.h"

#include <stdlib.h>

enum endpoint_column { OF_ID, OF_NAME, OF_STATE, OF_REASON, OF_FAILING, OF_IS_QUEUE, OF_IS_THERE };

static int look_at_endpoint(struct sqlite_reader *reader, struct walk *walk)
{
    struct store_list_endpoints *list = walk->list;
    sqlite3_stmt *statement = walk->statement;
    (void)reader;
    if (sqlite3_column_int(statement, OF_IS_THERE) == 0) /* it was deleted */
        return SQLITE_ROW;
    struct endpoint_row *rows = array_grow(list->rows, list->row_count, sizeof *list->rows);
    if (!rows)
        return SQLITE_NOMEM;
    list->rows = rows;
    struct endpoint_row *row = &rows[list->row_count++];
    *row = (struct endpoint_row){
        .id = column_id(statement, OF_ID),
        .name = column_copy(statement, OF_NAME),
        .state = (enum endpoint_state)sqlite3_column_int(statement, OF_STATE),
        .reason = column_copy(statement, OF_REASON),
        .failing_since_ms = sqlite3_column_int64(statement, OF_FAILING),
        .is_queue = sqlite3_column_int(statement, OF_IS_QUEUE) != 0,
    };
    return row->name ? SQLITE_ROW : SQLITE_NOMEM;
}

static int read_endpoints(struct sqlite_reader *reader, struct store_list_endpoints *list)
{
    struct walk walk = {
        .query = &list->query,
        .statement =
            reader->statements[list->query.is_backward ? READ_ENDPOINTS_BACKWARD : READ_ENDPOINTS],
        .look = look_at_endpoint,
        .list = list,
        .row_count = &list->row_count,
        .is_whole = list->query.limit == SIZE_MAX,
    };
    sqlite_bind_range(walk.statement, &list->query);
    const int rc = sqlite_walk(reader, &walk);
    list->last = walk.last;
    list->is_end = walk.is_end;
    return rc;
}

static int count_due(struct sqlite_reader *reader, struct endpoint_row *row)
{
    sqlite3_stmt *statement = reader->statements[READ_DUE_COUNT];
    bind_id(statement, 1, row->id);
    (void)sqlite3_bind_int64(statement, 2, LIMIT_PENDING_COUNTED);
    const int rc = sqlite3_step(statement);
    row->pending_count = (size_t)sqlite3_column_int64(statement, 0);
    row->oldest = column_id(statement, 1);
    (void)sqlite3_reset(statement);
    return rc == SQLITE_ROW ? SQLITE_OK : rc;
}

static int count(struct sqlite_reader *reader, enum read_sql sql, uint64_t endpoint, size_t *found)
{
    sqlite3_stmt *statement = reader->statements[sql];
    bind_id(statement, 1, endpoint);
    (void)sqlite3_bind_int64(statement, 2, LIMIT_PENDING_COUNTED);
    const int rc = sqlite3_step(statement);
    *found = (size_t)sqlite3_column_int64(statement, 0);
    (void)sqlite3_reset(statement);
    return rc == SQLITE_ROW ? SQLITE_OK : rc;
}

static int count_all(struct sqlite_reader *reader, struct endpoint_row *row)
{
    int rc = count_due(reader, row);
    if (rc == SQLITE_OK)
        rc = count(reader, READ_LEASED_COUNT, row->id, &row->leased_count);
    if (rc == SQLITE_OK)
        rc = count(reader, READ_BLOCKING_COUNT, row->id, &row->blocking_count);
    return rc;
}

/* The page ends with this row. */
static void cut(struct store_list_endpoints *list, size_t count)
{
    for (size_t i = count; i < list->row_count; i++) {
        free(list->rows[i].name);
        free(list->rows[i].reason);
    }
    list->row_count = count;
    list->last = list->rows[count - 1].id;
    list->is_end = false;
}

/* The n-th by id. */
static struct endpoint_row *row_at(const struct store_list_endpoints *list, size_t n)
{
    return &list->rows[list->query.is_backward ? n : list->row_count - 1 - n];
}

/* What the owners hold in memory: few rows, of all endpoints, in the order of their ids. */
static int count_held(struct sqlite_reader *reader, const struct store_list_endpoints *list)
{
    sqlite3_stmt *statement = reader->statements[READ_OPEN_COUNTS];
    size_t at = 0;
    int rc;
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
        const uint64_t id = column_id(statement, 0);
        while (at < list->row_count && row_at(list, at)->id < id)
            at++;
        if (at < list->row_count && row_at(list, at)->id == id)
            row_at(list, at)->pending_count += (size_t)sqlite3_column_int64(statement, 1);
    }
    (void)sqlite3_reset(statement);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int sqlite_list_endpoints(struct sqlite_reader *reader, struct store_list_endpoints *list)
{
    const int64_t start_ns = (int64_t)uv_hrtime();
    int rc = read_endpoints(reader, list);
    if (list->is_uncounted)
        return rc;
    for (size_t i = 0; i < list->row_count && rc == SQLITE_OK; i++) {
        rc = count_all(reader, &list->rows[i]);
        if (list->query.limit != SIZE_MAX && i + 1 < list->row_count &&
            sqlite_is_time_up(start_ns, 0))
            cut(list, i + 1);
    }
    if (rc == SQLITE_OK)
        rc = count_held(reader, list);
    for (size_t i = 0; i < list->row_count; i++)
        if (list->rows[i].pending_count > LIMIT_PENDING_COUNTED)
            list->rows[i].pending_count = LIMIT_PENDING_COUNTED;
    return rc;
}
