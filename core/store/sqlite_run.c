/* SPDX-License-Identifier: MIT */
/* The end of a run: its guard, its outbox, the list of an event's runs. Store thread, inside a
 * group. Everything is checked before the first write. */
#include "store/sqlite_int.h"

#include "base/clock.h"

#include <stdlib.h>

#define ORDINALS_FOR_RUNS 254u

static int find(struct sqlite_engine *it, enum write_sql which, uint64_t id, bool *is_found)
{
    bind_id(it->statements[which], 1, id);
    const int rc = sqlite3_step(it->statements[which]);
    (void)sqlite3_reset(it->statements[which]);
    *is_found = rc == SQLITE_ROW;
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* With several subscriptions the event's first commit writes a row for each, and so fixes the
 * list. */
static int fix_list(struct sqlite_engine *it, const struct store_run_ref *run)
{
    bool is_fixed = false;
    int rc = find(it, SQL_RUN_ANY, run->event, &is_fixed);
    if (rc != SQLITE_OK || is_fixed)
        return rc;
    const size_t part = ORDINALS_FOR_RUNS / run->subscription_count;
    for (size_t i = 0; i < run->subscription_count && rc == SQLITE_OK; i++) {
        sqlite3_stmt *statement = it->statements[SQL_RUN_INSERT];
        bind_id(statement, 1, run->event);
        bind_text(statement, 2, slice_str(run->subscriptions[i]));
        (void)sqlite3_bind_int64(statement, 3, (int64_t)(1 + i * part));
        rc = sqlite_run(it, SQL_RUN_INSERT);
    }
    return rc;
}

int sqlite_is_order_taken(struct sqlite_engine *engine, struct slice subscription,
                          struct slice order_key, bool *is_taken)
{
    sqlite3_stmt *statement = engine->statements[SQL_RUN_ORDER_FIND];
    bind_text(statement, 1, subscription);
    bind_blob(statement, 2, order_key);
    const int rc = sqlite3_step(statement);
    (void)sqlite3_reset(statement);
    *is_taken = rc == SQLITE_ROW;
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int sqlite_put_plan(struct sqlite_engine *engine, const struct event *event, int64_t *due_ms)
{
    struct run_plan *plan = event->plan;
    *due_ms = INT64_MAX;
    for (size_t i = 0; i < plan->count; i++) {
        struct planned_run *run = &plan->runs[i];
        bool is_held = false;
        uint64_t batch = 0;
        int64_t run_due_ms = event->due_ms;
        int rc = SQLITE_OK;
        if (run->order_key.data)
            rc = sqlite_is_order_taken(engine, slice_str(run->subscription), run->order_key,
                                       &is_held);
        else if (run->batch_key.data)
            rc = sqlite_batch_join(engine, event, run, &batch, &run_due_ms);
        if (rc != SQLITE_OK)
            return rc;
        if (is_held)
            run_due_ms += STORE_HELD_MS;
        sqlite3_stmt *statement = engine->statements[SQL_RUN_PLAN];
        bind_id(statement, 1, event->id);
        bind_text(statement, 2, slice_str(run->subscription));
        (void)sqlite3_bind_int64(statement, 3, run_due_ms);
        (void)sqlite3_bind_int64(statement, 4,
                                 (int64_t)(1 + i * (ORDINALS_FOR_RUNS / plan->count)));
        if (run->order_key.data)
            bind_blob(statement, 5, run->order_key);
        else
            (void)sqlite3_bind_null(statement, 5);
        bind_id_or_null(statement, 6, batch);
        rc = sqlite_run(engine, SQL_RUN_PLAN);
        if (rc != SQLITE_OK)
            return rc;
        if (run_due_ms < *due_ms)
            *due_ms = run_due_ms;
    }
    return SQLITE_OK;
}

static int put_row(struct sqlite_engine *it, uint64_t event, const char *subscription,
                   const struct run_end *end, enum write_sql which)
{
    sqlite3_stmt *statement = it->statements[which];
    bind_id(statement, 1, event);
    bind_text(statement, 2, slice_str(subscription));
    (void)sqlite3_bind_int64(statement, 3, (int64_t)end->state);
    (void)sqlite3_bind_int64(statement, 4, end->number);
    (void)sqlite3_bind_int64(statement, 5, end->due_ms);
    bind_text_or_null(statement, 6, end->error);
    return sqlite_run(it, which);
}

static int put_run(struct sqlite_engine *it, const struct store_run_ref *run,
                   const struct run_end *end, enum write_sql which)
{
    return put_row(it, run->event, run->subscriptions[run->index], end, which);
}

int sqlite_end_row(struct sqlite_engine *engine, uint64_t event, const char *subscription,
                   const struct run_end *end, bool *is_open)
{
    const int rc = put_row(engine, event, subscription, end, SQL_RUN_UPDATE);
    *is_open = rc == SQLITE_OK && sqlite3_changes(engine->db) > 0;
    return rc;
}

int sqlite_put_dead_run(struct sqlite_engine *engine, uint64_t event, const char *name,
                        const char *error)
{
    const struct store_run_ref run = {
        .event = event, .subscriptions = &name, .subscription_count = 1};
    const struct run_end end = {.state = RUN_DEAD, .number = 1, .error = error};
    return put_run(engine, &run, &end, SQL_RUN_UPSERT);
}

static int delete_due(struct sqlite_engine *it, uint64_t event, bool *is_deleted)
{
    bind_id(it->statements[SQL_EVENT_DUE_DELETE], 1, event);
    const int rc = sqlite_run(it, SQL_EVENT_DUE_DELETE);
    *is_deleted = rc == SQLITE_OK && sqlite3_changes(it->db) > 0;
    return rc;
}

static int move_due(struct sqlite_engine *it, uint64_t event, int64_t due_ms)
{
    sqlite3_stmt *statement = it->statements[SQL_EVENT_DUE_UPDATE];
    bind_id(statement, 1, event);
    (void)sqlite3_bind_int64(statement, 2, due_ms);
    return sqlite_run(it, SQL_EVENT_DUE_UPDATE);
}

/* The only run of its event, guarded by the event_due row. */
static int end_only_run(struct sqlite_engine *it, const struct store_run_ref *run,
                        const struct run_end *end, enum status *status)
{
    bool is_open = false;
    int rc = end->state == RUN_RETRYING ? find(it, SQL_EVENT_DUE_FIND, run->event, &is_open)
                                        : delete_due(it, run->event, &is_open);
    if (rc == SQLITE_OK && !is_open)
        *status = E_CONFLICT;
    if (rc != SQLITE_OK || !is_open || run->subscription_count == 0)
        return rc;
    if (end->state == RUN_HANDLED) {
        /* A row is there only after a failure, if it was planned, or if it was retried by hand. */
        return end->number > 1 || run->is_ordered || run->is_stored
                   ? put_run(it, run, end, SQL_RUN_UPDATE)
                   : SQLITE_OK;
    }
    rc = put_run(it, run, end, SQL_RUN_UPSERT);
    return rc == SQLITE_OK && end->state == RUN_RETRYING ? move_due(it, run->event, end->due_ms)
                                                         : rc;
}

int sqlite_follow_runs(struct sqlite_engine *engine, uint64_t event)
{
    sqlite3_stmt *statement = engine->statements[SQL_RUN_LEAST_DUE];
    bind_id(statement, 1, event);
    const int rc = sqlite3_step(statement);
    const bool is_open = rc == SQLITE_ROW && sqlite3_column_type(statement, 0) != SQLITE_NULL;
    const int64_t due_ms = is_open ? sqlite3_column_int64(statement, 0) : 0;
    (void)sqlite3_reset(statement);
    if (rc != SQLITE_ROW)
        return rc;
    bool is_deleted = false;
    return is_open ? move_due(engine, event, due_ms) : delete_due(engine, event, &is_deleted);
}

/* One of several, guarded by its run row. */
static int end_one_run(struct sqlite_engine *it, const struct store_run_ref *run,
                       const struct run_end *end, enum status *status)
{
    bool is_open = false;
    int rc = find(it, SQL_EVENT_DUE_FIND, run->event, &is_open);
    if (rc == SQLITE_OK && is_open)
        rc = fix_list(it, run);
    if (rc == SQLITE_OK && is_open) {
        rc = put_run(it, run, end, SQL_RUN_UPDATE);
        is_open = sqlite3_changes(it->db) > 0;
    }
    if (rc == SQLITE_OK && !is_open)
        *status = E_CONFLICT;
    return rc == SQLITE_OK && is_open ? sqlite_follow_runs(it, run->event) : rc;
}

int sqlite_release_run(struct sqlite_engine *engine, uint64_t event, const char *subscription,
                       int64_t due_ms)
{
    sqlite3_stmt *statement = engine->statements[SQL_RUN_RELEASE];
    bind_id(statement, 1, event);
    bind_text(statement, 2, slice_str(subscription));
    (void)sqlite3_bind_int64(statement, 3, due_ms);
    const int rc = sqlite_run(engine, SQL_RUN_RELEASE);
    return rc == SQLITE_OK ? sqlite_follow_runs(engine, event) : rc;
}

/* The run that waited behind this one is due. */
static int release_next(struct sqlite_engine *it, struct store_run_ref *run)
{
    const char *subscription = run->subscriptions[run->index];
    sqlite3_stmt *statement = it->statements[SQL_RUN_NEXT];
    bind_text(statement, 1, slice_str(subscription));
    bind_id(statement, 2, run->event);
    int rc = sqlite3_step(statement);
    const uint64_t event = rc == SQLITE_ROW ? column_id(statement, 0) : 0;
    const int64_t due_ms = rc == SQLITE_ROW ? sqlite3_column_int64(statement, 1) : 0;
    (void)sqlite3_reset(statement);
    if (due_ms < STORE_HELD_MS)
        return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
    run->released = event;
    return sqlite_release_run(it, event, subscription, due_ms - STORE_HELD_MS);
}

static int end_run(struct sqlite_engine *it, struct store_run_ref *run, const struct run_end *end,
                   enum status *status)
{
    check(run->subscription_count == 0 || run->index < run->subscription_count);
    run->released = 0;
    if (run->batch != 0)
        return sqlite_batch_end(it, run, end, status);
    const int rc = run->subscription_count > 1 ? end_one_run(it, run, end, status)
                                               : end_only_run(it, run, end, status);
    if (rc != SQLITE_OK || *status != OK || !run->is_ordered || end->state == RUN_RETRYING)
        return rc;
    return release_next(it, run);
}

/* ---- Outbox ---------------------------------------------------------------------------------- */

#define EMIT_KEY_WINDOW_MS INT64_C(86400000) /* as a source's default */
#define POLL_KEY_WINDOW_MS                                                                         \
    (7 * INT64_C(86400000)) /* sources that are polled show items for long                         \
                             */

/* is_again: of a message that is there. */
static int put_delivery(struct sqlite_engine *it, struct outbox_delivery *entry, bool is_again)
{
    const struct delivery *delivery = entry->delivery;
    int64_t due_ms = delivery->due_ms;
    entry->is_held = false;
    if (entry->order_key.data) {
        const int rc = sqlite_order_find(it, delivery->endpoint, entry->order_key, &entry->is_held);
        if (rc != SQLITE_OK)
            return rc;
    }
    if (entry->is_held)
        due_ms = (due_ms ? due_ms : delivery->created_ms) + STORE_HELD_MS;
    sqlite3_stmt *statement = it->statements[SQL_DELIVERY_INSERT];
    bind_id(statement, 1, delivery->id);
    bind_id(statement, 2, delivery->message->id);
    bind_id(statement, 3, delivery->endpoint);
    bind_id_or_null(statement, 4, (uint64_t)due_ms);
    bind_id_or_null(statement, 5, (uint64_t)delivery->message->expires_ms);
    if (entry->order_key.data)
        bind_blob(statement, 6, entry->order_key);
    else
        (void)sqlite3_bind_null(statement, 6);
    (void)sqlite3_bind_int(statement, 7, delivery->priority);
    const int rc = sqlite_run(it, SQL_DELIVERY_INSERT);
    if (rc != SQLITE_OK || delivery->endpoint < ID_ENDPOINT_REGISTERED)
        return rc;
    const struct sent_delivery made = {.id = delivery->id,
                                       .endpoint = delivery->endpoint,
                                       .message = delivery->message->id,
                                       .state = SENT_NO_DELIVERY};
    return is_again ? sqlite_sent_repeated(it, delivery->id)
                    : sqlite_sent_moved(it, &made, DELIVERY_PENDING);
}

/* The deliveries of a message, numbered; the ids of all but the first are packed into others. */
static int put_deliveries(struct sqlite_engine *it, const struct outbox *outbox,
                          const struct message *message, uint64_t *first, struct buf *others)
{
    for (size_t i = 0; i < outbox->delivery_count; i++) {
        struct delivery *delivery = outbox->deliveries[i].delivery;
        if (delivery->message != message)
            continue;
        delivery->id = id_next_row(&it->last_row);
        delivery->created_ms = id_row_ms(delivery->id);
        if (*first == 0) {
            *first = delivery->id;
        } else {
            char word[DELIVERY_ID_BYTES];
            sqlite_put_word(word, delivery->id);
            if (buf_add(others, word, sizeof word) != OK)
                return SQLITE_NOMEM;
        }
        const int rc = put_delivery(it, &outbox->deliveries[i], false);
        if (rc != SQLITE_OK)
            return rc;
    }
    return SQLITE_OK;
}

int sqlite_add_delivery(struct sqlite_engine *engine, uint64_t message, uint64_t delivery)
{
    char word[DELIVERY_ID_BYTES];
    sqlite3_stmt *statement = engine->statements[SQL_MESSAGE_ADD];
    sqlite_put_word(word, delivery);
    bind_id(statement, 1, message);
    bind_id(statement, 2, delivery);
    bind_blob(statement, 3, slice_of(word, sizeof word));
    return sqlite_run(engine, SQL_MESSAGE_ADD);
}

/* The run was there before and made a message in this position: what it says now is what is sent
 * from now on, under the same id. */
static int put_again(struct sqlite_engine *it, const struct outbox *outbox,
                     const struct message *message)
{
    sqlite3_stmt *statement = it->statements[SQL_MESSAGE_REPLACE];
    bind_id(statement, 1, message->id);
    bind_text(statement, 2, message->type);
    bind_id(statement, 3, message->is_forwarded ? id_event_of(message->id) : message->id);
    int rc = sqlite_run(it, SQL_MESSAGE_REPLACE);
    if (rc == SQLITE_OK && !message->is_forwarded)
        rc = sqlite_replace_content(it, message->id, message->content);
    for (size_t i = 0; i < outbox->delivery_count && rc == SQLITE_OK; i++) {
        struct delivery *delivery = outbox->deliveries[i].delivery;
        if (delivery->message != message)
            continue;
        delivery->id = id_next_row(&it->last_row);
        delivery->created_ms = id_row_ms(delivery->id);
        rc = put_delivery(it, &outbox->deliveries[i], true);
        if (rc == SQLITE_OK)
            rc = sqlite_add_delivery(it, message->id, delivery->id);
    }
    return rc;
}

static int put_message(struct sqlite_engine *it, const struct outbox *outbox,
                       const struct message *message)
{
    struct buf others;
    uint64_t first = 0;
    buf_init(&others, outbox->delivery_count * DELIVERY_ID_BYTES);
    int rc = put_deliveries(it, outbox, message, &first, &others);
    if (rc == SQLITE_OK && !message->is_forwarded)
        rc = sqlite_put_content(it, message->id, message->content);
    if (rc == SQLITE_OK) {
        sqlite3_stmt *statement = it->statements[SQL_MESSAGE_INSERT];
        bind_id(statement, 1, message->id);
        bind_text(statement, 2, message->type);
        bind_id(statement, 3, message->is_forwarded ? id_event_of(message->id) : message->id);
        bind_id_or_null(statement, 4, first);
        if (others.len > 0)
            bind_blob(statement, 5, buf_slice(&others));
        else
            (void)sqlite3_bind_null(statement, 5);
        rc = sqlite_run(it, SQL_MESSAGE_INSERT);
    }
    buf_finish(&others);
    return rc;
}

/* An emit with a key that is there already makes nothing, as a repeated webhook does. */
static int put_emit(struct sqlite_engine *it, struct event *event, bool *is_duplicate)
{
    struct store_ingest ingest = {
        .event = event, .key_window_ms = event->parent ? EMIT_KEY_WINDOW_MS : POLL_KEY_WINDOW_MS};
    const int rc = sqlite_ingest(it, &ingest);
    *is_duplicate = ingest.is_duplicate;
    return rc;
}

/* One that its state does not allow is none. */
static int put_change(struct sqlite_engine *it, struct outbox_change *change)
{
    struct store_change op = {
        .now_ms = clock_due_ms(),
        .reason = change->reason,
        .changes = &change->what,
        .change_count = 1,
    };
    return sqlite_change(it, &op);
}

/* Whether it would send a payload that was forgotten meanwhile. */
static int look_if_forgotten(struct sqlite_engine *it, const struct message *message,
                             bool *is_forgotten)
{
    const bool is_published = id_ordinal(message->id) == ID_ORDINAL_MAX;
    *is_forgotten = false;
    return is_published || (message->is_forwarded && event_type_is_reserved(message->type))
               ? find(it, SQL_PUBLISHED_FORGOTTEN, id_event_of(message->id), is_forgotten)
               : SQLITE_OK;
}

/* The first of its runs that published an event has said what of it goes to whom; what was
 * forgotten goes to nobody. */
static void drop_deliveries(const struct outbox *outbox, const struct message *message)
{
    for (size_t i = 0; i < outbox->delivery_count; i++)
        if (outbox->deliveries[i].delivery->message == message)
            outbox->deliveries[i].is_dropped = true;
}

int sqlite_put_outbox(struct sqlite_engine *engine, struct outbox *outbox, bool may_be_again)
{
    int rc = SQLITE_OK;
    for (size_t i = 0; i < outbox->delivery_count; i++)
        outbox->deliveries[i].is_dropped = false; /* of a group that was taken back */
    for (size_t i = 0; i < outbox->message_count && rc == SQLITE_OK; i++) {
        bool is_there = false;
        bool is_forgotten;
        const bool is_published = id_ordinal(outbox->messages[i]->id) == ID_ORDINAL_MAX;
        rc = look_if_forgotten(engine, outbox->messages[i], &is_forgotten);
        if (rc == SQLITE_OK && (may_be_again || is_published))
            rc = find(engine, SQL_MESSAGE_FIND, outbox->messages[i]->id, &is_there);
        if (is_forgotten || (is_there && !may_be_again))
            drop_deliveries(outbox, outbox->messages[i]);
        else if (rc == SQLITE_OK)
            rc = is_there ? put_again(engine, outbox, outbox->messages[i])
                          : put_message(engine, outbox, outbox->messages[i]);
    }
    for (size_t i = 0; i < outbox->emit_count && rc == SQLITE_OK; i++)
        rc = put_emit(engine, outbox->emits[i], &outbox->emit_is_duplicate[i]);
    for (size_t i = 0; i < outbox->change_count && rc == SQLITE_OK; i++)
        rc = put_change(engine, &outbox->changes[i]);
    for (size_t i = 0; i < outbox->task_count && rc == SQLITE_OK; i++)
        rc = sqlite_task_begin(engine, &outbox->tasks[i], clock_due_ms());
    return rc == SQLITE_OK ? sqlite_kv_apply(engine, outbox) : rc;
}

/* ---- Operations ------------------------------------------------------------------------------ */

int sqlite_handled(struct sqlite_engine *engine, struct store_handled *handled)
{
    struct store_op *op = &handled->op;
    const struct run_end end = {
        .state = handled->skip_reason ? RUN_SKIPPED : RUN_HANDLED,
        .number = handled->number,
        .error = handled->skip_reason,
    };
    size_t conflict = KV_NO_CONFLICT;
    int rc = handled->outbox ? sqlite_kv_check(engine, handled->outbox, &op->status, &conflict)
                             : SQLITE_OK;
    handled->is_kv_conflict = conflict != KV_NO_CONFLICT;
    handled->kv_conflict = conflict;
    if (rc != SQLITE_OK || op->status != OK)
        return rc;
    rc = end_run(engine, &handled->run, &end, &op->status);
    if (rc == SQLITE_OK && op->status == OK && handled->run.has_steps)
        rc = sqlite_end_steps(engine, &handled->run);
    if (rc != SQLITE_OK || op->status != OK || !handled->outbox)
        return rc;
    return sqlite_put_outbox(engine, handled->outbox, handled->run.is_stored);
}

int sqlite_run_failed(struct sqlite_engine *engine, struct store_run *run)
{
    const struct run_end end = {
        .state = run->due_ms ? RUN_RETRYING : RUN_DEAD,
        .number = run->number,
        .due_ms = run->due_ms,
        .error = run->error,
    };
    check(run->run.subscription_count > 0);
    return end_run(engine, &run->run, &end, &run->op.status);
}
