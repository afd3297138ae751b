/* SPDX-License-Identifier: MIT */
/* Payloads and answers that are to be no more: the rows stay, what they said goes. Store thread,
 * inside a group. */
#include "store/sqlite_published_int.h"

#include "base/clock.h"

static int expunge(struct sqlite_engine *it, enum write_sql which, uint64_t id, bool *is_there)
{
    bind_id(it->statements[which], 1, id);
    const int rc = sqlite_run(it, which);
    *is_there = rc == SQLITE_OK && sqlite3_changes(it->db) > 0;
    return rc;
}

static int expunge_payload(struct sqlite_engine *it, uint64_t event, bool *is_there)
{
    int rc = expunge(it, SQL_PUBLISHED_EXPUNGE, event, is_there);
    bool has_content;
    return rc == SQLITE_OK && *is_there ? expunge(it, SQL_CONTENT_EXPUNGE, event, &has_content)
                                        : rc;
}

int sqlite_expunge(struct sqlite_engine *engine, struct change *change)
{
    bool is_there = false;
    const int rc = change->kind == ID_MESSAGE
                       ? expunge_payload(engine, id_event_of(change->id), &is_there)
                       : expunge(engine, SQL_ATTEMPT_EXPUNGE, change->id, &is_there);
    change->status = is_there ? OK : E_NOTFOUND;
    return rc;
}

int sqlite_expunge_old(struct sqlite_engine *engine, size_t count_max, bool *is_end)
{
    sqlite3_stmt *statement = engine->statements[SQL_PUBLISHED_OLD];
    int rc = SQLITE_OK;
    *is_end = false;
    for (size_t i = 0; i < count_max && rc == SQLITE_OK && !*is_end; i++) {
        bool is_there;
        (void)sqlite3_bind_int64(statement, 1, clock_due_ms());
        rc = sqlite3_step(statement);
        const uint64_t event = rc == SQLITE_ROW ? column_id(statement, 0) : 0;
        (void)sqlite3_reset(statement);
        *is_end = rc == SQLITE_DONE;
        if (rc == SQLITE_ROW)
            rc = expunge_payload(engine, event, &is_there);
        else if (rc == SQLITE_DONE)
            rc = SQLITE_OK;
    }
    return rc;
}
