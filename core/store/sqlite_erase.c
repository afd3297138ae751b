/* SPDX-License-Identifier: MIT */
/* Erasing: the rows of an event stay, what anybody said in it does not. Store thread, inside a
 * group. */
#include "store/sqlite_int.h"

#include <stdlib.h>

#define EVENT_MASK (~UINT64_C(0xff))

static int end_of(sqlite3_stmt *statement, int rc)
{
    (void)sqlite3_reset(statement);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int run_for(struct sqlite_engine *it, enum write_sql which, uint64_t id)
{
    bind_id(it->statements[which], 1, id);
    return sqlite_run(it, which);
}

static int add_id(uint64_t **ids, size_t *count, uint64_t id)
{
    uint64_t *grown = array_grow(*ids, *count, sizeof *grown);
    if (!grown)
        return SQLITE_NOMEM;
    grown[(*count)++] = id;
    *ids = grown;
    return SQLITE_OK;
}

void store_erase_finish(struct store_erase *erase)
{
    free(erase->deliveries);
    free(erase->children);
    free(erase->released);
    erase->deliveries = NULL;
    erase->children = erase->released = NULL;
    erase->delivery_count = erase->child_count = erase->released_count = 0;
}

/* ---- Which event ----------------------------------------------------------------------------- */

static int find_by_key(struct sqlite_engine *it, struct store_erase *op)
{
    sqlite3_stmt *statement = it->statements[SQL_SOURCE_ID];
    bind_text(statement, 1, slice_str(op->source));
    int rc = sqlite3_step(statement);
    const int64_t source = rc == SQLITE_ROW ? sqlite3_column_int64(statement, 0) : 0;
    rc = end_of(statement, rc);
    if (rc != SQLITE_OK || source == 0)
        return rc;
    const struct event event = {.source = slice_str(op->source), .key = op->key};
    return sqlite_dedupe_find(it, &event, source, 0, &op->event);
}

/* What one statement says of two values. */
static int find_by(struct sqlite_engine *it, enum write_sql which, struct store_erase *op)
{
    sqlite3_stmt *statement = it->statements[which];
    const int rc = sqlite3_step(statement);
    op->event = rc == SQLITE_ROW ? column_id(statement, 0) & EVENT_MASK : 0;
    return end_of(statement, rc);
}

/* op->event, or 0. */
static int find_event(struct sqlite_engine *it, struct store_erase *op)
{
    op->event = 0;
    if (op->id == 0 && op->source)
        return find_by_key(it, op);
    if (op->id == 0) {
        bind_id(it->statements[SQL_PUBLISHED_OF_UID], 1, op->application);
        bind_text(it->statements[SQL_PUBLISHED_OF_UID], 2, slice_str(op->uid));
        return find_by(it, SQL_PUBLISHED_OF_UID, op);
    }
    /* A copy of a message has an id of its own, whose event is none. */
    bind_id(it->statements[SQL_ERASE_CONTENT_OF], 1, op->id);
    const int rc = find_by(it, SQL_ERASE_CONTENT_OF, op);
    if (op->event == 0)
        op->event = op->id & EVENT_MASK;
    return rc;
}

/* ---- Runs ------------------------------------------------------------------------------------ */

static int end_run(struct sqlite_engine *it, struct store_erase *op, const struct stored_runs *runs,
                   const char *const *names, size_t index)
{
    struct store_handled handled = {
        .run = {.event = op->event,
                .subscriptions = names,
                .subscription_count = runs->count,
                .index = index,
                .is_ordered = runs->rows[index].order_key != NULL,
                .is_stored = true,
                .batch = runs->rows[index].batch,
                .members = &op->event,
                .member_count = 1},
        .skip_reason = STORE_ERASED,
        .number = runs->rows[index].number,
    };
    const int rc = sqlite_handled(it, &handled);
    return rc == SQLITE_OK && handled.run.released
               ? add_id(&op->released, &op->released_count, handled.run.released)
               : rc;
}

static int end_runs(struct sqlite_engine *it, struct store_erase *op)
{
    struct stored_runs runs = {0};
    int rc = sqlite_stored_runs(it, op->event, &runs);
    const char **names = rc == SQLITE_OK ? calloc(runs.count + 1, sizeof *names) : NULL;
    if (rc == SQLITE_OK && !names)
        rc = SQLITE_NOMEM;
    for (size_t i = 0; rc == SQLITE_OK && i < runs.count; i++)
        names[i] = runs.rows[i].subscription;
    for (size_t i = 0; rc == SQLITE_OK && i < runs.count; i++)
        if (runs.rows[i].state < RUN_HANDLED)
            rc = end_run(it, op, &runs, names, i);
    free(names);
    sqlite_stored_runs_finish(&runs);
    /* Without rows nothing of it was committed. */
    return rc == SQLITE_OK ? run_for(it, SQL_EVENT_DUE_DELETE, op->event) : rc;
}

/* ---- Messages -------------------------------------------------------------------------------- */

static int look_at(struct sqlite_engine *it, struct store_erase *op, uint64_t delivery,
                   uint64_t **ids, size_t *count)
{
    struct change what = {.verb = CHANGE_DROP, .kind = ID_DELIVERY, .id = delivery};
    struct store_change drop = {
        .now_ms = op->now_ms, .reason = STORE_ERASED, .changes = &what, .change_count = 1};
    const int rc = sqlite_change(it, &drop); /* one that is dead leaves its line */
    if (rc != SQLITE_OK || what.status == E_NOTFOUND)
        return rc;
    if (what.status != E_CONFLICT || what.state >= DELIVERY_SUCCEEDED)
        return add_id(ids, count, delivery);
    struct open_delivery *rows = array_grow(op->deliveries, op->delivery_count, sizeof *rows);
    if (!rows)
        return SQLITE_NOMEM;
    rows[op->delivery_count++] = (struct open_delivery){delivery, what.endpoint};
    op->deliveries = rows;
    return SQLITE_OK;
}

/* The deliveries of the messages that the statement walks over. */
static int look_at_messages(struct sqlite_engine *it, enum write_sql which, struct store_erase *op,
                            uint64_t **ids, size_t *count)
{
    sqlite3_stmt *walk = it->statements[which];
    bind_id(walk, 1, op->event);
    int rc;
    while ((rc = sqlite3_step(walk)) == SQLITE_ROW) {
        const struct slice others = column_blob(walk, 3);
        uint64_t id = column_id(walk, 2);
        rc = SQLITE_OK;
        for (size_t i = 0; id && rc == SQLITE_OK; i++) {
            rc = look_at(it, op, id, ids, count);
            id = (i + 1) * DELIVERY_ID_BYTES <= others.len
                     ? sqlite_read_word(others.data + i * DELIVERY_ID_BYTES)
                     : 0;
        }
        if (rc != SQLITE_OK)
            break;
    }
    (void)sqlite3_reset(walk);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int erase_delivery(struct sqlite_engine *it, uint64_t id)
{
    sqlite3_stmt *find = it->statements[SQL_RETAIN_DELIVERY];
    bind_id(find, 1, id);
    int rc = sqlite3_step(find);
    uint64_t attempt = rc == SQLITE_ROW ? column_id(find, 1) : 0;
    rc = end_of(find, rc);
    while (rc == SQLITE_OK && attempt) {
        rc = run_for(it, SQL_ERASE_ATTEMPT, attempt);
        sqlite3_stmt *previous = it->statements[SQL_RETAIN_ATTEMPT];
        bind_id(previous, 1, attempt);
        const int step = sqlite3_step(previous);
        attempt = step == SQLITE_ROW ? column_id(previous, 0) : 0;
        const int reset = end_of(previous, step);
        rc = rc == SQLITE_OK ? reset : rc;
    }
    return rc == SQLITE_OK ? run_for(it, SQL_ERASE_DELIVERY, id) : rc;
}

/* ---- All of it ------------------------------------------------------------------------------- */

static int erase_rows(struct sqlite_engine *it, const struct store_erase *op,
                      const uint64_t *deliveries, size_t count)
{
    static const enum write_sql rest[] = {SQL_ERASE_CONTENT, SQL_ERASE_RUNS, SQL_DELETE_STEPS,
                                          SQL_ERASE_PUBLISHED};
    int rc = sqlite_wipe(it);
    for (size_t i = 0; i < count && rc == SQLITE_OK; i++)
        rc = erase_delivery(it, deliveries[i]);
    for (size_t i = 0; i < array_count(rest) && rc == SQLITE_OK; i++)
        rc = run_for(it, rest[i], op->event);
    if (rc != SQLITE_OK)
        return rc;
    (void)sqlite3_bind_int64(it->statements[SQL_ERASE_EVENT], 2, op->now_ms);
    return run_for(it, SQL_ERASE_EVENT, op->event);
}

static int find_children(struct sqlite_engine *it, struct store_erase *op)
{
    sqlite3_stmt *walk = it->statements[SQL_ERASE_CHILDREN];
    bind_id(walk, 1, op->event);
    int rc;
    while ((rc = sqlite3_step(walk)) == SQLITE_ROW) {
        rc = add_id(&op->children, &op->child_count, column_id(walk, 0));
        if (rc != SQLITE_OK)
            break;
    }
    (void)sqlite3_reset(walk);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int sqlite_erase(struct sqlite_engine *engine, struct store_erase *op)
{
    uint64_t *ended = NULL;
    size_t ended_count = 0;
    store_erase_finish(op);
    int rc = find_event(engine, op);
    if (rc == SQLITE_OK) {
        bind_id(engine->statements[SQL_ERASE_FIND], 1, op->event);
        rc = sqlite_step(engine, SQL_ERASE_FIND);
        op->op.status = rc == SQLITE_ROW ? OK : E_NOTFOUND;
        op->was_erased =
            rc == SQLITE_ROW && sqlite3_column_int(engine->statements[SQL_ERASE_FIND], 0);
        rc = end_of(engine->statements[SQL_ERASE_FIND], rc);
    }
    if (rc != SQLITE_OK || op->op.status != OK)
        return rc;
    rc = end_runs(engine, op);
    if (rc == SQLITE_OK)
        rc = look_at_messages(engine, SQL_RETAIN_MESSAGES, op, &ended, &ended_count);
    if (rc == SQLITE_OK)
        rc = look_at_messages(engine, SQL_ERASE_COPIES, op, &ended, &ended_count);
    if (rc == SQLITE_OK && op->delivery_count > 0)
        op->op.status = E_CONFLICT;
    else if (rc == SQLITE_OK)
        rc = erase_rows(engine, op, ended, ended_count);
    if (rc == SQLITE_OK && op->op.status == OK)
        rc = find_children(engine, op);
    free(ended);
    return rc;
}

int sqlite_scrub(struct sqlite_engine *engine, struct store_scrub *op)
{
    sqlite3_stmt *free_pages = engine->statements[SQL_FREE_PAGES];
    int rc = sqlite3_step(free_pages);
    op->is_end = rc == SQLITE_ROW && sqlite3_column_int(free_pages, 0) == 0;
    rc = end_of(free_pages, rc);
    if (op->is_end)
        engine->wants_short_log = true;
    if (rc != SQLITE_OK || op->is_end)
        return rc;
    while ((rc = sqlite_step(engine, SQL_VACUUM)) == SQLITE_ROW)
        ;
    sqlite_reset(engine, SQL_VACUUM);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int sqlite_is_erased(struct sqlite_engine *engine, enum id_kind kind, uint64_t id, bool *is_it)
{
    const enum write_sql which = kind == ID_DELIVERY  ? SQL_IS_ERASED_DELIVERY
                                 : kind == ID_MESSAGE ? SQL_IS_ERASED_MESSAGE
                                                      : SQL_IS_ERASED_EVENT;
    bind_id(engine->statements[which], 1, id);
    const int rc = sqlite_step(engine, which);
    *is_it = rc == SQLITE_ROW;
    return end_of(engine->statements[which], rc);
}
