/* SPDX-License-Identifier: MIT */
/* Steps of runs: written while the run goes on, found by the next try of it, gone with its end.
 * Writes on the store thread, inside a group; the list on a reader. */
#include "store/sqlite_int.h"

#include <stdlib.h>

static void bind_run(sqlite3_stmt *statement, uint64_t event, const char *subscription)
{
    bind_id(statement, 1, event);
    bind_text(statement, 2, slice_str(subscription));
}

static int check_open(struct sqlite_engine *it, const struct store_step *step, bool *is_open)
{
    sqlite3_stmt *statement = it->statements[SQL_STEP_OPEN];
    bind_run(statement, step->event, step->subscription);
    const int rc = sqlite3_step(statement);
    (void)sqlite3_reset(statement);
    *is_open = rc == SQLITE_ROW;
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int find_earlier(struct sqlite_engine *it, struct store_step *step)
{
    sqlite3_stmt *statement = it->statements[SQL_STEP_FIND];
    bind_run(statement, step->event, step->subscription);
    bind_text(statement, 3, slice_str(step->name));
    int rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW) {
        step->earlier = column_copy(statement, 0);
        rc = step->earlier ? SQLITE_DONE : SQLITE_NOMEM;
    }
    (void)sqlite3_reset(statement);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int sqlite_step_done(struct sqlite_engine *engine, struct store_step *step)
{
    bool is_open = false;
    free(step->earlier); /* of a group that was rolled back */
    step->earlier = NULL;
    int rc = check_open(engine, step, &is_open);
    if (rc == SQLITE_OK && !is_open)
        step->op.status = E_CONFLICT;
    if (rc != SQLITE_OK || !is_open)
        return rc;
    rc = find_earlier(engine, step);
    if (rc != SQLITE_OK || step->earlier)
        return rc;
    sqlite3_stmt *statement = engine->statements[SQL_STEP_INSERT];
    bind_run(statement, step->event, step->subscription);
    bind_text(statement, 3, slice_str(step->name));
    bind_text(statement, 4, slice_str(step->result));
    return sqlite_run(engine, SQL_STEP_INSERT);
}

int sqlite_end_steps(struct sqlite_engine *engine, const struct store_run_ref *run)
{
    const size_t count = run->batch != 0 ? run->member_count : 1;
    int rc = SQLITE_OK;
    for (size_t i = 0; i < count && rc == SQLITE_OK; i++) {
        bind_run(engine->statements[SQL_STEP_END], run->batch != 0 ? run->members[i] : run->event,
                 run->subscriptions[run->index]);
        rc = sqlite_run(engine, SQL_STEP_END);
    }
    return rc;
}

int sqlite_list_steps(struct sqlite_reader *reader, struct store_list_steps *list)
{
    sqlite3_stmt *statement = reader->statements[READ_STEPS];
    bind_run(statement, list->event, list->subscription);
    int rc;
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
        struct step_row *rows = array_grow(list->rows, list->row_count, sizeof *rows);
        if (!rows)
            break;
        list->rows = rows;
        struct step_row *row = &rows[list->row_count++];
        *row = (struct step_row){column_copy(statement, 0), column_copy(statement, 1)};
        if (!row->name || !row->result)
            break;
    }
    (void)sqlite3_reset(statement);
    if (rc == SQLITE_ROW)
        return SQLITE_NOMEM;
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}
