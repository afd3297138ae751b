/* SPDX-License-Identifier: MIT */
/* The list of endpoints and how much each still has to get. Reader threads; each statement is a
 * short transaction of its own, so no count holds up a checkpoint. */
#include "store/sqlite_int.h"

static int add_endpoint(sqlite3_stmt *statement, struct store_list_endpoints *list)
{
    struct endpoint_row *rows = array_grow(list->rows, list->row_count, sizeof *list->rows);
    if (!rows)
        return SQLITE_NOMEM;
    list->rows = rows;
    struct endpoint_row *row = &rows[list->row_count++];
    *row = (struct endpoint_row){
        .id = column_id(statement, 0),
        .name = column_copy(statement, 1),
        .state = (enum endpoint_state)sqlite3_column_int(statement, 2),
        .reason = column_copy(statement, 3),
        .failing_since_ms = sqlite3_column_int64(statement, 4),
        .is_queue = sqlite3_column_int(statement, 5) != 0,
    };
    return row->name ? SQLITE_OK : SQLITE_NOMEM;
}

static int read_endpoints(struct sqlite_reader *reader, struct store_list_endpoints *list)
{
    sqlite3_stmt *statement = reader->statements[READ_ENDPOINTS];
    int rc;
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
        rc = add_endpoint(statement, list);
        if (rc != SQLITE_OK)
            break;
    }
    (void)sqlite3_reset(statement);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
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

/* What the owners hold in memory: few rows, of all endpoints, in the order of their ids. */
static int count_held(struct sqlite_reader *reader, struct store_list_endpoints *list)
{
    sqlite3_stmt *statement = reader->statements[READ_OPEN_COUNTS];
    size_t at = 0;
    int rc;
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
        const uint64_t id = column_id(statement, 0);
        while (at < list->row_count && list->rows[at].id < id)
            at++;
        if (at < list->row_count && list->rows[at].id == id)
            list->rows[at].pending_count += (size_t)sqlite3_column_int64(statement, 1);
    }
    (void)sqlite3_reset(statement);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int sqlite_list_endpoints(struct sqlite_reader *reader, struct store_list_endpoints *list)
{
    int rc = read_endpoints(reader, list);
    for (size_t i = 0; i < list->row_count && rc == SQLITE_OK; i++)
        rc = count_due(reader, &list->rows[i]);
    for (size_t i = 0; i < list->row_count && rc == SQLITE_OK; i++)
        rc = count(reader, READ_LEASED_COUNT, list->rows[i].id, &list->rows[i].leased_count);
    for (size_t i = 0; i < list->row_count && rc == SQLITE_OK; i++)
        rc = count(reader, READ_BLOCKING_COUNT, list->rows[i].id, &list->rows[i].blocking_count);
    if (rc == SQLITE_OK)
        rc = count_held(reader, list);
    for (size_t i = 0; i < list->row_count; i++)
        if (list->rows[i].pending_count > LIMIT_PENDING_COUNTED)
            list->rows[i].pending_count = LIMIT_PENDING_COUNTED;
    return rc;
}
