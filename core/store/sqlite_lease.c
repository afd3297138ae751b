/* SPDX-License-Identifier: MIT */
/* Leases: deliveries of long-poll endpoints that a receiver has. Store thread, inside a group. */
#include "store/sqlite_int.h"

/* Every row by itself: one that is leased otherwise by now, or over, is passed over. */
int sqlite_lease(struct sqlite_engine *engine, struct store_lease *lease)
{
    const bool is_given = lease->verb == LEASE_GIVE;
    const enum write_sql which = is_given ? SQL_LEASE_GIVE : SQL_LEASE_MOVE;
    sqlite3_stmt *statement = engine->statements[which];
    int rc = SQLITE_OK;
    for (size_t i = 0; i < lease->row_count && rc == SQLITE_OK; i++) {
        struct store_lease_row *row = &lease->rows[i];
        bind_id(statement, 1, row->delivery);
        bind_id(statement, 2, lease->endpoint);
        (void)sqlite3_bind_int64(statement, 3, (int64_t)row->number - 1);
        (void)sqlite3_bind_int64(statement, 4, lease->due_ms);
        (void)sqlite3_bind_int64(statement, 5,
                                 is_given ? lease->now_ms : lease->verb == LEASE_EXTEND);
        rc = sqlite_run(engine, which);
        row->is_done = rc == SQLITE_OK && sqlite3_changes(engine->db) > 0;
    }
    return rc;
}
