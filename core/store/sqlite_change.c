/* SPDX-License-Identifier: MIT */
/* What is asked by hand: a fresh chance for what died, its end, the end of what is still open.
 * Store thread, inside a group. */
#include "store/sqlite_published_int.h"

#include <stdlib.h>

/* ---- Deliveries ------------------------------------------------------------------------------ */

static bool delivery_allows(enum change_verb verb, enum delivery_state state)
{
    switch (verb) {
    case CHANGE_RETRY:
        return state == DELIVERY_DEAD || state == DELIVERY_CANCELLED;
    case CHANGE_DROP:
        return state == DELIVERY_DEAD;
    case CHANGE_CANCEL:
        return state < DELIVERY_SUCCEEDED;
    case CHANGE_REPLAY:
    case CHANGE_EXPUNGE:
    case CHANGE_VERB_COUNT:
        break;
    }
    return false;
}

/* Its place in the line of its order key. */
struct place {
    bool is_ordered; /* it has such a key */
    bool is_first;   /* the others of the key wait for it */
};

/* *status: whether the delivery is there and in a state that allows it. */
static int find_delivery(struct sqlite_engine *it, struct change *change, struct place *place)
{
    sqlite3_stmt *statement = it->statements[SQL_CHANGE_FIND];
    bind_id(statement, 1, change->id);
    const int rc = sqlite3_step(statement);
    change->status = rc == SQLITE_ROW ? E_CONFLICT : E_NOTFOUND;
    if (rc == SQLITE_ROW) {
        change->state = sqlite3_column_int(statement, 0);
        change->endpoint = column_id(statement, 1);
        change->was_held = sqlite3_column_type(statement, 2) == SQLITE_NULL;
        place->is_ordered = sqlite3_column_int(statement, 3) != 0;
        place->is_first = sqlite3_column_int(statement, 4) != 0;
        if (delivery_allows(change->verb, (enum delivery_state)change->state))
            change->status = OK;
    }
    (void)sqlite3_reset(statement);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int sqlite_line_due(struct sqlite_engine *it, uint64_t delivery, int64_t now_ms, int64_t *due_ms)
{
    sqlite3_stmt *statement = it->statements[SQL_CHANGE_IS_HELD];
    bind_id(statement, 1, delivery);
    const int rc = sqlite3_step(statement);
    (void)sqlite3_reset(statement);
    *due_ms = rc == SQLITE_ROW ? now_ms + STORE_HELD_MS : now_ms;
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* Back into its line, if it has an order key: behind what goes now, though before the others. */
static int revive(struct sqlite_engine *it, const struct store_change *op,
                  const struct change *change, bool is_ordered)
{
    int64_t due_ms = op->now_ms;
    const int rc = is_ordered ? sqlite_line_due(it, change->id, op->now_ms, &due_ms) : SQLITE_OK;
    if (rc != SQLITE_OK)
        return rc;
    struct sent_delivery was;
    const int found = sqlite_sent_find(it, change->id, &was);
    if (found != SQLITE_OK)
        return found;
    sqlite3_stmt *statement = it->statements[SQL_CHANGE_REVIVE];
    bind_id(statement, 1, change->id);
    (void)sqlite3_bind_int64(statement, 2, due_ms);
    (void)sqlite3_bind_int64(statement, 3, op->now_ms);
    const int revived = sqlite_run(it, SQL_CHANGE_REVIVE);
    return revived == SQLITE_OK ? sqlite_sent_moved(it, &was, DELIVERY_PENDING) : revived;
}

/* It leaves its line; the next one may go if it was the first. */
static int let_go(struct sqlite_engine *it, const struct store_change *op, struct change *change,
                  bool is_first)
{
    sqlite3_stmt *statement = it->statements[SQL_CHANGE_DROP];
    struct order_next next = {0};
    struct sent_delivery was;
    int rc = sqlite_sent_find(it, change->id, &was);
    if (rc != SQLITE_OK)
        return rc;
    bind_id(statement, 1, change->id);
    bind_text_or_null(statement, 2, op->reason);
    rc = sqlite_run(it, SQL_CHANGE_DROP);
    if (rc == SQLITE_OK)
        rc = sqlite_sent_moved(it, &was, DELIVERY_CANCELLED);
    if (rc == SQLITE_OK && is_first)
        rc = sqlite_order_leave(it, change->id, false, &next);
    change->has_released = next.delivery != 0;
    return rc;
}

static int change_delivery(struct sqlite_engine *it, const struct store_change *op,
                           struct change *change)
{
    struct place place = {0};
    const int rc = find_delivery(it, change, &place);
    change->has_released = false;
    if (rc != SQLITE_OK || change->status != OK)
        return rc;
    return change->verb == CHANGE_RETRY ? revive(it, op, change, place.is_ordered)
                                        : let_go(it, op, change, place.is_first);
}

/* ---- Runs ------------------------------------------------------------------------------------ */

void sqlite_stored_runs_finish(struct stored_runs *runs)
{
    for (size_t i = 0; i < runs->count; i++) {
        free(runs->rows[i].subscription);
        free(runs->rows[i].order_key);
    }
    free(runs->rows);
    *runs = (struct stored_runs){0};
}

static int read_run(sqlite3_stmt *statement, struct stored_runs *runs)
{
    struct stored_run *rows = array_grow(runs->rows, runs->count, sizeof *rows);
    if (!rows)
        return SQLITE_NOMEM;
    runs->rows = rows;
    struct stored_run *run = &rows[runs->count++];
    *run = (struct stored_run){
        .subscription = column_copy(statement, 0),
        .state = (enum run_state)sqlite3_column_int(statement, 1),
        .first_ordinal = (unsigned)sqlite3_column_int(statement, 2),
        .number = (uint32_t)sqlite3_column_int64(statement, 4),
        .batch = column_id(statement, 5),
        .order_key = column_copy(statement, 3),
        .order_key_len = (size_t)sqlite3_column_bytes(statement, 3),
    };
    const bool is_ordered = sqlite3_column_type(statement, 3) != SQLITE_NULL;
    return run->subscription && (run->order_key || !is_ordered) ? SQLITE_OK : SQLITE_NOMEM;
}

int sqlite_stored_runs(struct sqlite_engine *it, uint64_t event, struct stored_runs *runs)
{
    sqlite3_stmt *statement = it->statements[SQL_CHANGE_RUNS];
    bind_id(statement, 1, event);
    int rc;
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
        rc = read_run(statement, runs);
        if (rc != SQLITE_OK)
            break;
    }
    (void)sqlite3_reset(statement);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int sqlite_reopened_due(struct sqlite_engine *it, const struct stored_run *run, int64_t now_ms,
                        int64_t *due_ms)
{
    bool is_taken = false;
    const int rc =
        run->order_key
            ? sqlite_is_order_taken(it, slice_str(run->subscription),
                                    slice_of(run->order_key, run->order_key_len), &is_taken)
            : SQLITE_OK;
    *due_ms = is_taken ? now_ms + STORE_HELD_MS : now_ms;
    return rc;
}

static int change_run(struct sqlite_engine *it, const struct store_change *op,
                      const struct change *change, const struct stored_run *run)
{
    const bool is_retry = change->verb == CHANGE_RETRY;
    int64_t due_ms = 0;
    const int rc = is_retry ? sqlite_reopened_due(it, run, op->now_ms, &due_ms) : SQLITE_OK;
    if (rc != SQLITE_OK)
        return rc;
    sqlite3_stmt *statement = it->statements[SQL_CHANGE_RUN];
    bind_id(statement, 1, change->id);
    bind_text(statement, 2, slice_str(run->subscription));
    (void)sqlite3_bind_int64(statement, 3, is_retry ? RUN_PENDING : RUN_SKIPPED);
    (void)sqlite3_bind_int64(statement, 4, 0);
    (void)sqlite3_bind_int64(statement, 5, due_ms);
    bind_text_or_null(statement, 6, is_retry ? NULL : op->reason);
    return sqlite_run(it, SQL_CHANGE_RUN);
}

int sqlite_find_event(struct sqlite_engine *it, uint64_t event, enum status *status)
{
    sqlite3_stmt *statement = it->statements[SQL_EVENT_FIND];
    bind_id(statement, 1, event);
    const int rc = sqlite3_step(statement);
    (void)sqlite3_reset(statement);
    *status = rc == SQLITE_ROW ? OK : E_NOTFOUND;
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int sqlite_open_event(struct sqlite_engine *it, uint64_t event, int64_t now_ms)
{
    sqlite3_stmt *statement = it->statements[SQL_EVENT_DUE_PUT];
    bind_id(statement, 1, event);
    (void)sqlite3_bind_int64(statement, 2, now_ms);
    const int rc = sqlite_run(it, SQL_EVENT_DUE_PUT);
    return rc == SQLITE_OK ? sqlite_follow_runs(it, event) : rc;
}

static int change_runs(struct sqlite_engine *it, const struct store_change *op,
                       struct change *change, const struct stored_runs *runs)
{
    size_t changed = 0;
    int rc = SQLITE_OK;
    change->state = RUN_HANDLED;
    for (size_t i = 0; i < runs->count && rc == SQLITE_OK; i++) {
        const struct stored_run *run = &runs->rows[i];
        if (change->subscription && strcmp(run->subscription, change->subscription) != 0)
            continue;
        if (run->state != RUN_DEAD) {
            change->state = (int)run->state;
            continue;
        }
        rc = change_run(it, op, change, run);
        changed++;
    }
    if (changed == 0)
        change->status = E_CONFLICT;
    else
        change->state = RUN_DEAD;
    if (rc != SQLITE_OK || changed == 0 || change->verb != CHANGE_RETRY)
        return rc;
    return sqlite_open_event(it, change->id, op->now_ms);
}

static int change_event(struct sqlite_engine *it, const struct store_change *op,
                        struct change *change)
{
    int rc = sqlite_find_event(it, change->id, &change->status);
    if (rc != SQLITE_OK || change->status != OK)
        return rc;
    struct stored_runs runs = {0};
    rc = sqlite_stored_runs(it, change->id, &runs);
    if (rc == SQLITE_OK)
        rc = change_runs(it, op, change, &runs);
    sqlite_stored_runs_finish(&runs);
    return rc;
}

/* ---- Operation ------------------------------------------------------------------------------- */

static int make_change(struct sqlite_engine *it, const struct store_change *op,
                       struct change *change)
{
    bool is_erased = false;
    const bool is_again = change->verb == CHANGE_REPLAY || change->verb == CHANGE_RETRY;
    const int rc =
        is_again ? sqlite_is_erased(it, change->kind, change->id, &is_erased) : SQLITE_OK;
    if (rc != SQLITE_OK || is_erased) {
        change->status = E_CONFLICT;
        return rc;
    }
    if (change->verb == CHANGE_REPLAY)
        return sqlite_replay(it, op, change);
    if (change->verb == CHANGE_EXPUNGE)
        return sqlite_expunge(it, change);
    if (change->kind == ID_EVENT)
        return change_event(it, op, change);
    if (change->kind == ID_DELIVERY)
        return change_delivery(it, op, change);
    change->status = E_INVALID;
    return SQLITE_OK;
}

/* Whether the same was done before; then its change is told as that. */
static int find_repeat(struct sqlite_engine *it, struct store_change *op, bool *is_repeat)
{
    struct resource first = {0};
    const int rc = sqlite_find_answer(it, op->answer_key, op->now_ms, &first, is_repeat);
    resource_finish(&first);
    if (*is_repeat)
        op->changes[0].status = OK;
    return rc;
}

int sqlite_change(struct sqlite_engine *engine, struct store_change *op)
{
    int rc = op->task ? sqlite_task_check(engine, op) : SQLITE_OK;
    if (rc != SQLITE_OK || op->op.status != OK)
        return rc;
    op->done_count = 0;
    bool is_repeat = false;
    if (op->answer_key)
        rc = find_repeat(engine, op, &is_repeat);
    if (is_repeat || rc != SQLITE_OK)
        return rc;
    for (size_t i = 0; i < op->change_count && rc == SQLITE_OK; i++) {
        rc = make_change(engine, op, &op->changes[i]);
        op->done_count += op->changes[i].status == OK;
    }
    static char nothing[] = "";
    const struct resource first = {.body = nothing};
    if (rc == SQLITE_OK && op->answer_key && op->done_count > 0)
        rc = sqlite_put_answer(engine, op->answer_key, op->now_ms, &first);
    return rc == SQLITE_OK && op->task ? sqlite_task_move(engine, op) : rc;
}
