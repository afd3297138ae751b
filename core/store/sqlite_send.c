/* SPDX-License-Identifier: MIT */
/* Deliveries after they were made: attempts, spills; and the rows of endpoints. Store thread,
 * inside a group. */
#include "store/sqlite_int.h"

#include "base/clock.h"

/* ---- Settle ---------------------------------------------------------------------------------- */

static int put_attempt(struct sqlite_engine *it, const struct store_settle *settle,
                       uint64_t previous)
{
    const struct attempt *attempt = settle->attempt;
    sqlite3_stmt *statement = it->statements[SQL_ATTEMPT_INSERT];
    const int64_t numbers[] = {
        attempt->status, attempt->error,      attempt->started_ms, attempt->duration_ms,
        attempt->dns_us, attempt->connect_us, attempt->tls_us,     attempt->first_byte_us,
    };
    bind_id(statement, 1, attempt->id);
    bind_id(statement, 2, settle->delivery);
    (void)sqlite3_bind_int64(statement, 3, attempt->number);
    bind_id_or_null(statement, 4, previous);
    (void)sqlite3_bind_int64(statement, 5, (int64_t)settle->state);
    for (int i = 0; i < (int)array_count(numbers); i++)
        (void)sqlite3_bind_int64(statement, 6 + i, numbers[i]);
    const bool is_open = settle->state < DELIVERY_SUCCEEDED;
    bind_id_or_null(statement, 14, is_open ? (uint64_t)clock_wall_of_due(settle->due_ms) : 0);
    (void)sqlite3_bind_int64(statement, 15, attempt->is_cut);
    bind_text_or_null(statement, 16,
                      attempt->detail && attempt->detail[0] ? attempt->detail : NULL);
    bind_blob(statement, 17, attempt->head);
    bind_blob(statement, 18, attempt->body);
    bind_id_or_null(statement, 19, (uint64_t)attempt->decided);
    bind_blob(statement, 20, attempt->request);
    bind_id_or_null(statement, 21, settle->registered);
    return sqlite_run(it, SQL_ATTEMPT_INSERT);
}

/* *is_open: the delivery can still change. Later attempts lead back to the one before. */
static int find_previous(struct sqlite_engine *it, uint64_t delivery, uint64_t *previous,
                         bool *is_open)
{
    sqlite3_stmt *statement = it->statements[SQL_DELIVERY_ATTEMPT];
    bind_id(statement, 1, delivery);
    const int rc = sqlite3_step(statement);
    *is_open = rc == SQLITE_ROW;
    *previous = *is_open ? column_id(statement, 0) : 0;
    (void)sqlite3_reset(statement);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* The same for a lease, which says when the attempt began: it ends now. */
static int find_lease(struct sqlite_engine *it, const struct store_settle *settle,
                      uint64_t *previous, bool *is_open)
{
    struct attempt *attempt = settle->attempt;
    sqlite3_stmt *statement = it->statements[SQL_LEASE_FIND];
    bind_id(statement, 1, settle->delivery);
    bind_id(statement, 2, settle->leased_of);
    (void)sqlite3_bind_int64(statement, 3, (int64_t)attempt->number - 1);
    const int rc = sqlite3_step(statement);
    *is_open = rc == SQLITE_ROW;
    if (*is_open) {
        const int64_t leased_ms = sqlite3_column_int64(statement, 1);
        const int64_t lasted_ms = clock_due_ms() - leased_ms;
        *previous = column_id(statement, 0);
        attempt->started_ms = clock_wall_of_due(leased_ms);
        attempt->duration_ms = lasted_ms > 0 ? lasted_ms : 0;
    }
    (void)sqlite3_reset(statement);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* A delivery that ended keeps no due time; one that goes on as it was keeps its state. */
static int move_delivery(struct sqlite_engine *it, const struct store_settle *settle)
{
    const bool is_end = settle->state >= DELIVERY_SUCCEEDED;
    const bool is_kept = settle->state == DELIVERY_PENDING;
    if (!settle->attempt) {
        const enum write_sql which = is_kept ? SQL_DELIVERY_SPILL : SQL_DELIVERY_END;
        sqlite3_stmt *statement = it->statements[which];
        bind_id(statement, 1, settle->delivery);
        if (is_kept) {
            (void)sqlite3_bind_int64(statement, 2, settle->due_ms);
            return sqlite_run(it, which);
        }
        (void)sqlite3_bind_int64(statement, 2, (int64_t)settle->state);
        if (is_end)
            (void)sqlite3_bind_null(statement, 3);
        else
            (void)sqlite3_bind_int64(statement, 3, settle->due_ms);
        bind_text_or_null(statement, 4, settle->reason);
        return sqlite_run(it, which);
    }
    const enum write_sql which = is_kept ? SQL_DELIVERY_KEEP : SQL_DELIVERY_SETTLE;
    sqlite3_stmt *statement = it->statements[which];
    bind_id(statement, 1, settle->delivery);
    if (!is_kept)
        (void)sqlite3_bind_int64(statement, 2, (int64_t)settle->state);
    const int rest = is_kept ? 2 : 3;
    bind_id(statement, rest, settle->attempt->id);
    if (is_end)
        (void)sqlite3_bind_null(statement, rest + 1);
    else
        (void)sqlite3_bind_int64(statement, rest + 1, settle->due_ms);
    if (!is_kept)
        bind_text_or_null(statement, 5, settle->reason);
    return sqlite_run(it, which);
}

/* It leaves its line, or dies and keeps its place. */
static int end_ordered(struct sqlite_engine *it, struct store_settle *settle)
{
    if (settle->state == DELIVERY_DEAD && settle->is_blocking)
        return sqlite_order_block(it, settle->delivery);
    struct order_next next;
    const int rc = sqlite_order_leave(it, settle->delivery, settle->takes_next, &next);
    settle->released = next.delivery;
    settle->released_due_ms = next.due_ms;
    settle->next = next.taken;
    return rc;
}

static int note_failing(struct sqlite_engine *it, const struct store_settle *settle)
{
    sqlite3_stmt *statement = it->statements[SQL_ENDPOINT_FAILING];
    bind_id(statement, 1, settle->delivery);
    if (settle->failing_since_ms > 0)
        (void)sqlite3_bind_int64(statement, 2, settle->failing_since_ms);
    else
        (void)sqlite3_bind_null(statement, 2);
    return sqlite_run(it, SQL_ENDPOINT_FAILING);
}

int sqlite_settle(struct sqlite_engine *engine, struct store_settle *settle)
{
    struct attempt *attempt = settle->attempt;
    check(settle->state != DELIVERY_IN_FLIGHT && settle->state < DELIVERY_STATE_COUNT);
    uint64_t previous = 0;
    settle->news.is_made = settle->news.is_published = false;
    settle->is_settled = false;
    settle->released = 0;
    delivery_destroy(settle->next); /* of a group that was taken back */
    settle->next = NULL;
    if (attempt) {
        /* The first attempt has none before it: the update below says whether it is open. */
        bool is_open = true;
        int rc = SQLITE_OK;
        if (settle->leased_of != 0)
            rc = find_lease(engine, settle, &previous, &is_open);
        else if (attempt->number > 1)
            rc = find_previous(engine, settle->delivery, &previous, &is_open);
        if (rc != SQLITE_OK || !is_open)
            return rc;
        attempt->id = id_next_row(&engine->last_row);
    }
    struct sent_delivery was = {0};
    int rc = settle->registered || !attempt ? sqlite_sent_find(engine, settle->delivery, &was)
                                            : SQLITE_OK;
    if (rc == SQLITE_OK)
        rc = move_delivery(engine, settle);
    if (rc != SQLITE_OK || sqlite3_changes(engine->db) == 0)
        return rc;
    settle->is_settled = true;
    if (settle->state != DELIVERY_PENDING) /* else it keeps its state */
        rc = sqlite_sent_moved(engine, &was, (int)settle->state);
    if (rc == SQLITE_OK && attempt)
        rc = put_attempt(engine, settle, previous);
    if (rc == SQLITE_OK && settle->is_ordered && settle->state >= DELIVERY_SUCCEEDED)
        rc = end_ordered(engine, settle);
    if (rc == SQLITE_OK && settle->notes_failing)
        rc = note_failing(engine, settle);
    return rc == SQLITE_OK ? sqlite_put_news(engine, &settle->news, attempt ? attempt->id : 0) : rc;
}

/* ---- Spill ----------------------------------------------------------------------------------- */

int sqlite_spill(struct sqlite_engine *engine, struct store_spill *spill)
{
    sqlite3_stmt *statement = engine->statements[SQL_DELIVERY_SPILL];
    int rc = SQLITE_OK;
    for (size_t i = 0; i < spill->row_count && rc == SQLITE_OK; i++) {
        bind_id(statement, 1, spill->rows[i].delivery);
        (void)sqlite3_bind_int64(statement, 2, spill->rows[i].due_ms);
        rc = sqlite_run(engine, SQL_DELIVERY_SPILL);
    }
    return rc;
}

/* ---- Endpoint -------------------------------------------------------------------------------- */

static int insert_endpoint(struct sqlite_engine *it, struct store_endpoint *endpoint)
{
    sqlite3_stmt *statement = it->statements[SQL_ENDPOINT_INSERT];
    if (endpoint->keep_state)
        endpoint->state = ENDPOINT_ENABLED;
    bind_text(statement, 1, slice_str(endpoint->name));
    bind_text_or_null(statement, 2, endpoint->url);
    (void)sqlite3_bind_int64(statement, 3, (int64_t)endpoint->state);
    bind_text_or_null(statement, 4, endpoint->keep_state ? NULL : endpoint->reason);
    const int rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW)
        endpoint->id = column_id(statement, 0);
    (void)sqlite3_reset(statement);
    return rc == SQLITE_ROW ? SQLITE_OK : rc;
}

static int update_endpoint(struct sqlite_engine *it, const struct store_endpoint *endpoint)
{
    sqlite3_stmt *statement = it->statements[SQL_ENDPOINT_UPDATE];
    bind_id(statement, 1, endpoint->id);
    bind_text_or_null(statement, 2, endpoint->url);
    (void)sqlite3_bind_int64(statement, 3, (int64_t)endpoint->state);
    bind_text_or_null(statement, 4, endpoint->keep_state ? NULL : endpoint->reason);
    return sqlite_run(it, SQL_ENDPOINT_UPDATE);
}

/* The row of that name, as it is. */
struct stored_endpoint {
    enum endpoint_state state;
    int64_t failing_since_ms;
    bool is_same_url;
};

static int find_endpoint(struct sqlite_engine *it, struct store_endpoint *endpoint,
                         struct stored_endpoint *stored)
{
    sqlite3_stmt *statement = it->statements[SQL_ENDPOINT_FIND];
    bind_text(statement, 1, slice_str(endpoint->name));
    const int rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW) {
        endpoint->id = column_id(statement, 0);
        *stored = (struct stored_endpoint){
            .state = (enum endpoint_state)sqlite3_column_int(statement, 2),
            .failing_since_ms = sqlite3_column_int64(statement, 3),
            .is_same_url =
                !endpoint->url || slice_equal(column_text(statement, 1), slice_str(endpoint->url)),
        };
    }
    (void)sqlite3_reset(statement);
    return rc;
}

static int put_endpoint(struct sqlite_engine *engine, struct store_endpoint *endpoint)
{
    struct stored_endpoint stored = {0};
    endpoint->news.is_made = endpoint->news.is_published = false;
    const int rc = find_endpoint(engine, endpoint, &stored);
    if (rc == SQLITE_DONE && endpoint->from == 0)
        return insert_endpoint(engine, endpoint);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        return rc;
    if (rc == SQLITE_DONE) {
        endpoint->op.status = E_NOTFOUND;
        return SQLITE_OK;
    }
    if (endpoint->from != 0 && !(endpoint->from & 1u << stored.state)) {
        endpoint->state = stored.state;
        endpoint->op.status = E_CONFLICT;
        return SQLITE_OK;
    }
    if (endpoint->keep_state) {
        /* A changed url lets a disabled endpoint flow again. */
        const bool is_enabled = stored.state == ENDPOINT_DISABLED && !stored.is_same_url;
        endpoint->state = is_enabled ? ENDPOINT_ENABLED : stored.state;
        endpoint->failing_since_ms = is_enabled ? 0 : stored.failing_since_ms;
        if (stored.is_same_url)
            return SQLITE_OK;
    }
    bool is_there;
    int written = sqlite_tell_registered(engine, endpoint->id, endpoint->state, &is_there);
    if (!is_there)
        endpoint->op.status = E_NOTFOUND;
    if (written == SQLITE_OK && is_there)
        written = update_endpoint(engine, endpoint);
    return written == SQLITE_OK && is_there ? sqlite_put_news(engine, &endpoint->news, 0) : written;
}

int sqlite_endpoint(struct sqlite_engine *engine, struct store_endpoint *endpoint)
{
    endpoint->released_count = 0;
    endpoint->turn = ++engine->last_turn;
    const int rc = put_endpoint(engine, endpoint);
    if (rc != SQLITE_OK || endpoint->op.status != OK || !endpoint->unblocks)
        return rc;
    return sqlite_order_unblock(engine, endpoint->id, &endpoint->released_count);
}
