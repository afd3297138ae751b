/* SPDX-License-Identifier: MIT */
/* Routines: what a run asked for and its place in time, in one commit. Written on the store thread,
 * inside a group; listed by reader threads. */
#include "store/sqlite_int.h"

/* The version that the store has; 0: no row. */
static int find_version(struct sqlite_engine *it, const struct store_routine *op, uint64_t *version)
{
    sqlite3_stmt *statement = it->statements[SQL_ROUTINE_FIND];
    (void)sqlite3_bind_int(statement, 1, (int)op->kind);
    bind_text(statement, 2, slice_str(op->name));
    const int rc = sqlite3_step(statement);
    *version = rc == SQLITE_ROW ? column_id(statement, 0) : 0;
    (void)sqlite3_reset(statement);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int put(struct sqlite_engine *it, const struct store_routine *op)
{
    const struct routine_row *row = op->row;
    sqlite3_stmt *statement = it->statements[SQL_ROUTINE_PUT];
    (void)sqlite3_bind_int(statement, 1, (int)op->kind);
    bind_text(statement, 2, slice_str(op->name));
    bind_id(statement, 3, row->version + 1);
    bind_text(statement, 4, slice_str(row->rule));
    const int64_t numbers[] = {
        row->due_ms,  row->tick_ms, row->previous_ms, row->interval_ms,
        row->wait_ms, row->why,     row->answer_ms,   row->failures,
    };
    for (int i = 0; i < (int)array_count(numbers); i++)
        (void)sqlite3_bind_int64(statement, 5 + i, numbers[i]);
    bind_text_or_null(statement, 13, row->error);
    (void)sqlite3_bind_int64(statement, 14, row->last_ms);
    (void)sqlite3_bind_int64(statement, 15, row->duration_ms);
    (void)sqlite3_bind_int64(statement, 16, row->last_items);
    bind_id(statement, 17, row->runs);
    bind_id(statement, 18, row->items);
    bind_text_or_null(statement, 19, row->place);
    return sqlite_run(it, SQL_ROUTINE_PUT);
}

int sqlite_routine(struct sqlite_engine *engine, struct store_routine *op)
{
    uint64_t version = 0;
    op->is_kv_conflict = false;
    int rc = find_version(engine, op, &version);
    if (rc != SQLITE_OK)
        return rc;
    if (version != op->row->version) {
        op->op.status = E_CONFLICT;
        return SQLITE_OK;
    }
    if (op->outbox) {
        size_t conflict = KV_NO_CONFLICT;
        rc = sqlite_kv_check(engine, op->outbox, &op->op.status, &conflict);
        op->is_kv_conflict = conflict != KV_NO_CONFLICT;
    }
    if (rc != SQLITE_OK || op->op.status != OK)
        return rc;
    rc = put(engine, op);
    if (rc == SQLITE_OK && op->event)
        rc = sqlite_put_event(engine, op->event, false);
    return rc == SQLITE_OK && op->outbox ? sqlite_put_outbox(engine, op->outbox, false) : rc;
}

/* ---- Read ------------------------------------------------------------------------------------ */

static void read_row(sqlite3_stmt *statement, struct stored_routine *stored)
{
    *stored = (struct stored_routine){
        .kind = (enum routine_kind)sqlite3_column_int(statement, 0),
        .name = column_copy(statement, 1),
        .row =
            {
                .version = column_id(statement, 2),
                .rule = column_copy(statement, 3),
                .due_ms = sqlite3_column_int64(statement, 4),
                .tick_ms = sqlite3_column_int64(statement, 5),
                .previous_ms = sqlite3_column_int64(statement, 6),
                .interval_ms = sqlite3_column_int64(statement, 7),
                .wait_ms = sqlite3_column_int64(statement, 8),
                .why = (enum routine_why)sqlite3_column_int(statement, 9),
                .answer_ms = sqlite3_column_int64(statement, 10),
                .failures = (uint32_t)sqlite3_column_int64(statement, 11),
                .error = column_copy(statement, 12),
                .last_ms = sqlite3_column_int64(statement, 13),
                .duration_ms = sqlite3_column_int64(statement, 14),
                .last_items = sqlite3_column_int64(statement, 15),
                .runs = column_id(statement, 16),
                .items = column_id(statement, 17),
                .place = column_copy(statement, 18),
            },
    };
}

int sqlite_list_routines(struct sqlite_reader *reader, struct store_list_routines *list)
{
    sqlite3_stmt *statement = reader->statements[READ_ROUTINES];
    int rc;
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
        struct stored_routine *rows = array_grow(list->rows, list->row_count, sizeof *rows);
        if (!rows)
            break;
        list->rows = rows;
        read_row(statement, &rows[list->row_count++]);
        if (!rows[list->row_count - 1].name || !rows[list->row_count - 1].row.rule)
            break;
    }
    (void)sqlite3_reset(statement);
    if (rc == SQLITE_ROW)
        return SQLITE_NOMEM;
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}
