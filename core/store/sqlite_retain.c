/* SPDX-License-Identifier: MIT */
/* Retention: deletes finished events with all that hangs on them, a few in each group. Store
 * thread, inside a group. */
#include "store/sqlite_published_int.h"

#include "base/clock.h"

/* Rows looked at in one step when most of them stay (another class, not finished). */
#define LOOKED_AT_PER_EVENT 16u
#define FREE_PAGES_KEPT 4096 /* the file shrinks only when more lie idle */
#define MESSAGES_PER_EVENT (ID_ORDINAL_MAX + 1u)

static int delete_by_id(struct sqlite_engine *it, enum write_sql which, uint64_t id)
{
    bind_id(it->statements[which], 1, id);
    return sqlite_run(it, which);
}

/* ---- Is it of the class? --------------------------------------------------------------------- */

static bool is_of_class(const struct store_retain_op *op, struct slice source)
{
    const char *wanted = op->classes[op->class_index].source;
    if (wanted[0])
        return slice_is(source, wanted);
    for (size_t i = 0; i < op->class_count; i++)
        if (op->classes[i].source[0] && slice_is(source, op->classes[i].source))
            return false;
    return true;
}

/* ---- Is it finished? ------------------------------------------------------------------------- */

/* A message of the event, as far as deleting it goes. */
struct old_message {
    uint64_t id;
    bool has_content;
    uint64_t first;      /* delivery */
    struct slice others; /* packed ids, borrowed from the statement's row */
};

static int next_message(struct sqlite_engine *it, struct old_message *message)
{
    sqlite3_stmt *statement = it->statements[SQL_RETAIN_MESSAGES];
    const int rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW)
        *message = (struct old_message){
            .id = column_id(statement, 0),
            .has_content = column_id(statement, 1) == column_id(statement, 0),
            .first = column_id(statement, 2),
            .others = column_blob(statement, 3),
        };
    return rc;
}

static size_t delivery_count(const struct old_message *message)
{
    return message->first ? 1 + message->others.len / DELIVERY_ID_BYTES : 0;
}

static uint64_t delivery_at(const struct old_message *message, size_t index)
{
    return index == 0 ? message->first
                      : sqlite_read_word(message->others.data + (index - 1) * DELIVERY_ID_BYTES);
}

/* The state and the last attempt of a delivery. *state -1: there is none. */
static int look_at_delivery(struct sqlite_engine *it, uint64_t id, int *state, uint64_t *attempt)
{
    sqlite3_stmt *statement = it->statements[SQL_RETAIN_DELIVERY];
    bind_id(statement, 1, id);
    const int rc = sqlite3_step(statement);
    *state = rc == SQLITE_ROW ? sqlite3_column_int(statement, 0) : -1;
    *attempt = rc == SQLITE_ROW ? column_id(statement, 1) : 0;
    (void)sqlite3_reset(statement);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int check_deliveries(struct sqlite_engine *it, const struct old_message *message,
                            bool *is_finished)
{
    for (size_t i = 0; i < delivery_count(message) && *is_finished; i++) {
        int state = 0;
        uint64_t attempt = 0;
        const int rc = look_at_delivery(it, delivery_at(message, i), &state, &attempt);
        if (rc != SQLITE_OK)
            return rc;
        *is_finished = state < 0 || state >= DELIVERY_SUCCEEDED;
    }
    return SQLITE_OK;
}

static int check_finished(struct sqlite_engine *it, uint64_t event, bool *is_finished)
{
    bind_id(it->statements[SQL_EVENT_DUE_FIND], 1, event);
    int rc = sqlite_step(it, SQL_EVENT_DUE_FIND);
    sqlite_reset(it, SQL_EVENT_DUE_FIND);
    *is_finished = rc == SQLITE_DONE;
    if (rc != SQLITE_DONE)
        return rc == SQLITE_ROW ? SQLITE_OK : rc;
    struct old_message message;
    bind_id(it->statements[SQL_RETAIN_MESSAGES], 1, event);
    rc = next_message(it, &message);
    while (rc == SQLITE_ROW && *is_finished) {
        rc = check_deliveries(it, &message, is_finished);
        if (rc == SQLITE_OK)
            rc = next_message(it, &message);
    }
    sqlite_reset(it, SQL_RETAIN_MESSAGES);
    return rc == SQLITE_DONE || rc == SQLITE_ROW ? SQLITE_OK : rc;
}

/* ---- Delete ---------------------------------------------------------------------------------- */

static int delete_delivery(struct sqlite_engine *it, uint64_t id)
{
    int state = 0;
    uint64_t attempt = 0;
    int rc = look_at_delivery(it, id, &state, &attempt);
    while (rc == SQLITE_OK && attempt) {
        sqlite3_stmt *statement = it->statements[SQL_RETAIN_ATTEMPT];
        bind_id(statement, 1, attempt);
        const uint64_t old = attempt;
        rc = sqlite3_step(statement);
        attempt = rc == SQLITE_ROW ? column_id(statement, 0) : 0;
        (void)sqlite3_reset(statement);
        rc = rc == SQLITE_ROW || rc == SQLITE_DONE ? delete_by_id(it, SQL_DELETE_ATTEMPT, old) : rc;
    }
    struct sent_delivery was;
    if (rc == SQLITE_OK)
        rc = sqlite_sent_find(it, id, &was);
    if (rc == SQLITE_OK)
        rc = sqlite_sent_moved(it, &was, SENT_NO_DELIVERY);
    return rc == SQLITE_OK ? delete_by_id(it, SQL_DELETE_DELIVERY, id) : rc;
}

/* The rows behind the messages first, while their statement walks; then the messages. */
static int delete_messages(struct sqlite_engine *it, uint64_t event)
{
    uint64_t ids[MESSAGES_PER_EVENT];
    size_t count = 0;
    int rc;
    struct old_message message;
    bind_id(it->statements[SQL_RETAIN_MESSAGES], 1, event);
    while ((rc = next_message(it, &message)) == SQLITE_ROW && count < MESSAGES_PER_EVENT) {
        ids[count++] = message.id;
        rc = message.has_content ? delete_by_id(it, SQL_DELETE_CONTENT, message.id) : SQLITE_OK;
        for (size_t i = 0; i < delivery_count(&message) && rc == SQLITE_OK; i++)
            rc = delete_delivery(it, delivery_at(&message, i));
        if (rc != SQLITE_OK)
            break;
    }
    (void)sqlite3_reset(it->statements[SQL_RETAIN_MESSAGES]);
    rc = rc == SQLITE_DONE || rc == SQLITE_ROW ? SQLITE_OK : rc;
    for (size_t i = 0; i < count && rc == SQLITE_OK; i++)
        rc = delete_by_id(it, SQL_DELETE_MESSAGE, ids[i]);
    return rc;
}

/* Its key stays behind: without the event it matches nothing. */
static int delete_event(struct sqlite_engine *it, uint64_t event)
{
    static const enum write_sql last[] = {SQL_DELETE_CONTENT, SQL_DELETE_STEPS, SQL_DELETE_RUNS,
                                          SQL_PUBLISHED_DELETE, SQL_DELETE_EVENT};
    int rc = delete_messages(it, event);
    for (size_t i = 0; i < array_count(last) && rc == SQLITE_OK; i++)
        rc = delete_by_id(it, last[i], event);
    return rc;
}

/* ---- Steps ----------------------------------------------------------------------------------- */

/* The event that the walk stands on. */
static int take_event(struct sqlite_engine *it, struct store_retain_op *op, size_t *deleted)
{
    sqlite3_stmt *walk = it->statements[SQL_RETAIN_EVENTS];
    const uint64_t event = column_id(walk, 0);
    const struct slice source = column_text(walk, 1);
    op->cursor = event;
    if (!is_of_class(op, source))
        return SQLITE_OK;
    bool is_finished = false;
    const int rc = check_finished(it, event, &is_finished);
    if (rc != SQLITE_OK)
        return rc;
    if (!is_finished) {
        if (op->first_skipped == 0)
            op->first_skipped = event;
        return SQLITE_OK;
    }
    (*deleted)++;
    return delete_event(it, event);
}

static int retain_events(struct sqlite_engine *it, struct store_retain_op *op)
{
    const struct retention_class *class = &op->classes[op->class_index];
    sqlite3_stmt *walk = it->statements[SQL_RETAIN_EVENTS];
    bind_id(walk, 1, class->cursor);
    bind_id(walk, 2, id_event_at(class->before_ms));
    op->cursor = class->cursor;
    size_t deleted = 0;
    int rc = SQLITE_ROW;
    for (size_t looked_at = 0;
         deleted < op->count_max && looked_at < op->count_max * LOOKED_AT_PER_EVENT; looked_at++) {
        rc = sqlite3_step(walk);
        if (rc != SQLITE_ROW)
            break;
        rc = take_event(it, op, &deleted);
        if (rc != SQLITE_OK)
            break;
    }
    (void)sqlite3_reset(walk);
    op->is_end = rc == SQLITE_DONE;
    return rc == SQLITE_DONE || rc == SQLITE_ROW ? SQLITE_OK : rc;
}

/* Expired keys of kv and of events, expired secrets, and when nobody waits, pages back to the file
 * system. */
static int retain_rest(struct sqlite_engine *it, struct store_retain_op *op)
{
    sqlite3_stmt *expire = it->statements[SQL_KV_EXPIRE];
    (void)sqlite3_bind_int64(expire, 1, clock_due_ms());
    (void)sqlite3_bind_int64(expire, 2, (int64_t)op->count_max);
    int rc = sqlite_run(it, SQL_KV_EXPIRE);
    const bool is_kv_end = sqlite3_changes(it->db) < (int)op->count_max;
    bool is_secret_end = false;
    if (rc == SQLITE_OK)
        rc = sqlite_expire_secrets(it, clock_due_ms(), op->count_max, &is_secret_end);
    if (rc == SQLITE_OK)
        rc = sqlite_dedupe_retain(it, op, &op->is_end);
    bool is_expunge_end = true;
    if (rc == SQLITE_OK)
        rc = sqlite_expunge_old(it, op->count_max, &is_expunge_end);
    op->is_end = op->is_end && is_kv_end && is_secret_end && is_expunge_end;
    if (rc != SQLITE_OK || !op->is_idle)
        return rc;
    sqlite3_stmt *free_pages = it->statements[SQL_FREE_PAGES];
    rc = sqlite3_step(free_pages);
    const bool is_large = rc == SQLITE_ROW && sqlite3_column_int(free_pages, 0) > FREE_PAGES_KEPT;
    (void)sqlite3_reset(free_pages);
    if (rc != SQLITE_ROW || !is_large)
        return rc == SQLITE_ROW ? SQLITE_OK : rc;
    op->is_end = false;
    while ((rc = sqlite_step(it, SQL_VACUUM)) == SQLITE_ROW)
        ;
    sqlite_reset(it, SQL_VACUUM);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int sqlite_retain(struct sqlite_engine *engine, struct store_retain_op *retain)
{
    retain->first_skipped = 0;
    retain->is_end = false;
    return retain->class_index < retain->class_count ? retain_events(engine, retain)
                                                     : retain_rest(engine, retain);
}
