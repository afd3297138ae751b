/* SPDX-License-Identifier: MIT */
/* The due clock over restarts: while the machine runs it is that of the process before, whatever
 * the wall clock was set to meanwhile; it is never behind what is stored. At start, before any
 * thread. */
#include "store/sqlite_int.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdio.h>

static void read_mark(sqlite3 *db, char mark[CLOCK_MARK_BYTES])
{
    static const char select[] = "SELECT value FROM meta WHERE key = 'due_clock'";
    sqlite3_stmt *statement = NULL;
    mark[0] = '\0';
    if (sqlite3_prepare_v2(db, select, -1, &statement, NULL) == SQLITE_OK &&
        sqlite3_step(statement) == SQLITE_ROW)
        (void)snprintf(mark, CLOCK_MARK_BYTES, "%s",
                       (const char *)sqlite3_column_text(statement, 0));
    (void)sqlite3_finalize(statement);
}

static int write_mark(sqlite3 *db, const char *mark)
{
    static const char replace[] = "REPLACE INTO meta(key, value) VALUES ('due_clock', ?)";
    sqlite3_stmt *statement = NULL;
    int rc = sqlite3_prepare_v2(db, replace, -1, &statement, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_text(statement, 1, mark, -1, SQLITE_STATIC);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(statement);
    (void)sqlite3_finalize(statement);
    return rc;
}

void sqlite_clock_go_on(sqlite3 *db, int64_t newest_ms)
{
    char stored[CLOCK_MARK_BYTES];
    char mark[CLOCK_MARK_BYTES];
    read_mark(db, stored);
    clock_due_go_on(stored);
    clock_due_raise(newest_ms);
    clock_due_mark(mark);
    if (mark[0] == '\0' || strcmp(mark, stored) == 0)
        return;
    /* On a full disk, say: the next process then begins with the wall clock. */
    if (write_mark(db, mark) != SQLITE_DONE)
        log_warn("due clock not noted", "error=\"%s\"", sqlite3_errmsg(db));
}
