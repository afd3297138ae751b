/* SPDX-License-Identifier: MIT */
/* The deliveries of one endpoint with the same order key stand in line by their ids: the first one
 * may go, the others are held until it leaves. A dead one keeps its place if its endpoint wants it
 * so. Store thread, inside a group. */
#include "store/sqlite_int.h"

#include "base/clock.h"

int sqlite_order_find(struct sqlite_engine *engine, uint64_t endpoint, struct slice key,
                      bool *is_taken)
{
    sqlite3_stmt *statement = engine->statements[SQL_ORDER_FIND];
    bind_id(statement, 1, endpoint);
    bind_blob(statement, 2, key);
    const int rc = sqlite3_step(statement);
    (void)sqlite3_reset(statement);
    *is_taken = rc == SQLITE_ROW;
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int sqlite_order_block(struct sqlite_engine *engine, uint64_t delivery)
{
    bind_id(engine->statements[SQL_ORDER_BLOCK], 1, delivery);
    return sqlite_run(engine, SQL_ORDER_BLOCK);
}

static int find_next(struct sqlite_engine *it, uint64_t ended, struct order_next *next)
{
    sqlite3_stmt *statement = it->statements[SQL_ORDER_NEXT];
    *next = (struct order_next){0};
    bind_id(statement, 1, ended);
    const int rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW && sqlite3_column_int64(statement, 1) >= STORE_HELD_MS)
        *next = (struct order_next){
            .delivery = column_id(statement, 0),
            .due_ms = sqlite3_column_int64(statement, 1) - STORE_HELD_MS,
        };
    (void)sqlite3_reset(statement);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* The next behind `after` that its key waits for; 0: there is none. */
static int find_blocking(struct sqlite_engine *it, uint64_t endpoint, uint64_t after, uint64_t *id)
{
    sqlite3_stmt *statement = it->statements[SQL_ORDER_BLOCKING];
    bind_id(statement, 1, endpoint);
    bind_id(statement, 2, after);
    const int rc = sqlite3_step(statement);
    *id = rc == SQLITE_ROW ? column_id(statement, 0) : 0;
    (void)sqlite3_reset(statement);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int sqlite_order_unblock(struct sqlite_engine *engine, uint64_t endpoint, size_t *released)
{
    uint64_t id = 0;
    int rc = find_blocking(engine, endpoint, 0, &id);
    *released = 0;
    while (rc == SQLITE_OK && id != 0) {
        struct order_next next = {0};
        bind_id(engine->statements[SQL_ORDER_UNBLOCK], 1, id);
        rc = sqlite_run(engine, SQL_ORDER_UNBLOCK);
        if (rc == SQLITE_OK)
            rc = sqlite_order_leave(engine, id, false, &next);
        *released += next.delivery != 0;
        if (rc == SQLITE_OK)
            rc = find_blocking(engine, endpoint, id, &id);
    }
    return rc;
}

static int load(struct sqlite_engine *it, struct order_next *next)
{
    sqlite3_stmt *statement = it->statements[SQL_ORDER_LOAD];
    bind_id(statement, 1, next->delivery);
    int rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW) {
        rc = sqlite_delivery_of(it->ring, statement, &next->taken);
        if (rc == SQLITE_OK || rc == SEALED_UNREADABLE) /* that one stays in the store */
            rc = SQLITE_DONE;
    }
    (void)sqlite3_reset(statement);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int sqlite_order_leave(struct sqlite_engine *engine, uint64_t ended, bool takes_next,
                       struct order_next *next)
{
    int rc = find_next(engine, ended, next);
    if (rc != SQLITE_OK || next->delivery == 0)
        return rc;
    if (takes_next && next->due_ms <= clock_due_ms())
        rc = load(engine, next);
    if (rc != SQLITE_OK)
        return rc;
    sqlite3_stmt *statement = engine->statements[SQL_ORDER_RELEASE];
    bind_id(statement, 1, next->delivery);
    bind_id_or_null(statement, 2, next->taken ? 0 : (uint64_t)next->due_ms);
    rc = sqlite_run(engine, SQL_ORDER_RELEASE);
    if (next->taken)
        next->taken->due_ms = 0;
    return rc;
}
