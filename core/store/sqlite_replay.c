/* SPDX-License-Identifier: MIT */
/* Replays: one more delivery of a message, one more run of an event's handlers. A message keeps its
 * id, so that receivers can drop repeats, unless new ones are asked for. Store thread, inside a
 * group. */
#include "store/sqlite_int.h"

#include <stdlib.h>

#define ORDINALS_END 255u /* of runs; what follows is for copies */

/* ---- Deliveries ------------------------------------------------------------------------------ */

static int find_delivery(struct sqlite_engine *it, uint64_t id, uint64_t *message,
                         uint64_t *endpoint)
{
    sqlite3_stmt *statement = it->statements[SQL_REPLAY_FIND];
    bind_id(statement, 1, id);
    const int rc = sqlite3_step(statement);
    *message = rc == SQLITE_ROW ? column_id(statement, 0) : 0;
    *endpoint = rc == SQLITE_ROW ? column_id(statement, 1) : 0;
    (void)sqlite3_reset(statement);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* The highest ordinal that no message of the event has; 0: none. The last is not for copies: it is
 * what an event is published as. */
static int find_free_ordinal(struct sqlite_engine *it, uint64_t event, unsigned *ordinal)
{
    sqlite3_stmt *statement = it->statements[SQL_REPLAY_IDS];
    bind_id(statement, 1, event);
    int rc;
    *ordinal = LIMIT_MESSAGES_PER_EVENT;
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW &&
           id_ordinal(column_id(statement, 0)) >= *ordinal)
        if (id_ordinal(column_id(statement, 0)) == *ordinal)
            (*ordinal)--;
    (void)sqlite3_reset(statement);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* *message: the copy's id from now on. */
static int copy_message(struct sqlite_engine *it, uint64_t *message, enum status *status)
{
    unsigned ordinal = 0;
    int rc = find_free_ordinal(it, id_event_of(*message), &ordinal);
    if (ordinal == 0)
        *status = E_LIMIT;
    if (rc != SQLITE_OK || ordinal == 0)
        return rc;
    const uint64_t copy = id_event_of(*message) | ordinal;
    sqlite3_stmt *statement = it->statements[SQL_REPLAY_COPY];
    bind_id(statement, 1, *message);
    bind_id(statement, 2, copy);
    rc = sqlite_run(it, SQL_REPLAY_COPY);
    *message = copy;
    return rc;
}

/* One more delivery like `like`, of that message; in the line of its order key it is the last. */
static int add_delivery(struct sqlite_engine *it, uint64_t message, uint64_t like, int64_t now_ms)
{
    const uint64_t id = id_next_row(&it->last_row);
    sqlite3_stmt *statement = it->statements[SQL_REPLAY_DELIVERY];
    int64_t due_ms = now_ms;
    bind_id(statement, 1, id);
    bind_id(statement, 2, message);
    bind_id(statement, 3, like);
    (void)sqlite3_bind_int64(statement, 4, due_ms);
    int rc = sqlite_run(it, SQL_REPLAY_DELIVERY);
    if (rc == SQLITE_OK)
        rc = sqlite_sent_repeated(it, id);
    if (rc == SQLITE_OK)
        rc = sqlite_line_due(it, id, now_ms, &due_ms);
    if (rc == SQLITE_OK && due_ms != now_ms) {
        bind_id(it->statements[SQL_DELIVERY_SPILL], 1, id);
        (void)sqlite3_bind_int64(it->statements[SQL_DELIVERY_SPILL], 2, due_ms);
        rc = sqlite_run(it, SQL_DELIVERY_SPILL);
    }
    return rc == SQLITE_OK ? sqlite_add_delivery(it, message, id) : rc;
}

static int replay_delivery(struct sqlite_engine *it, const struct store_change *op,
                           struct change *change)
{
    uint64_t message = 0;
    int rc = find_delivery(it, change->id, &message, &change->endpoint);
    change->status = message ? OK : E_NOTFOUND;
    if (rc == SQLITE_OK && message && change->has_new_ids)
        rc = copy_message(it, &message, &change->status);
    if (rc != SQLITE_OK || change->status != OK)
        return rc;
    return add_delivery(it, message, change->id, op->now_ms);
}

/* ---- To one endpoint ---------------------------------------------------------------------------
 */

/* A published message that went nowhere yet has no row. */
static int put_published(struct sqlite_engine *it, uint64_t message, bool *is_there)
{
    sqlite3_stmt *statement = it->statements[SQL_MESSAGE_FIND];
    bind_id(statement, 1, message);
    int rc = sqlite3_step(statement);
    (void)sqlite3_reset(statement);
    *is_there = rc == SQLITE_ROW;
    if (rc != SQLITE_DONE)
        return rc == SQLITE_ROW ? SQLITE_OK : rc;
    statement = it->statements[SQL_RESEND_MESSAGE];
    bind_id(statement, 1, message);
    bind_id(statement, 2, id_event_of(message));
    rc = sqlite_run(it, SQL_RESEND_MESSAGE);
    *is_there = rc == SQLITE_OK && sqlite3_changes(it->db) > 0;
    return rc;
}

/* E_CONFLICT: its payload was forgotten. */
static int resend(struct sqlite_engine *it, const struct store_change *op, struct change *change)
{
    bool is_there = false;
    int rc = put_published(it, change->id, &is_there);
    change->status = is_there ? OK : E_NOTFOUND;
    change->endpoint = change->to;
    if (rc != SQLITE_OK || !is_there)
        return rc;
    const uint64_t id = id_next_row(&it->last_row);
    sqlite3_stmt *statement = it->statements[SQL_RESEND_DELIVERY];
    bind_id(statement, 1, id);
    bind_id(statement, 2, change->id);
    bind_id(statement, 3, change->to);
    (void)sqlite3_bind_int64(statement, 4, op->now_ms);
    bind_id(statement, 5, id_event_of(change->id));
    rc = sqlite_run(it, SQL_RESEND_DELIVERY);
    const bool is_made = rc == SQLITE_OK && sqlite3_changes(it->db) > 0;
    if (rc == SQLITE_OK && !is_made)
        change->status = E_CONFLICT;
    if (is_made)
        rc = sqlite_sent_repeated(it, id);
    return is_made && rc == SQLITE_OK ? sqlite_add_delivery(it, change->id, id) : rc;
}

/* ---- Messages -------------------------------------------------------------------------------- */

/* Where the message went, each endpoint once, and the first delivery there. */
struct destination {
    uint64_t endpoint;
    uint64_t delivery;
};
struct endpoints {
    struct destination *rows; /* owned */
    size_t count;
};

/* False: no memory. */
static bool add_endpoint(struct endpoints *endpoints, uint64_t id, uint64_t delivery)
{
    for (size_t i = 0; i < endpoints->count; i++)
        if (endpoints->rows[i].endpoint == id)
            return true;
    struct destination *rows = array_grow(endpoints->rows, endpoints->count, sizeof *rows);
    if (!rows)
        return false;
    endpoints->rows = rows;
    rows[endpoints->count++] = (struct destination){id, delivery};
    return true;
}

static int find_endpoints(struct sqlite_engine *it, uint64_t message, struct endpoints *endpoints,
                          bool *is_found)
{
    sqlite3_stmt *statement = it->statements[SQL_MESSAGE_FIND];
    bind_id(statement, 1, message);
    int rc = sqlite3_step(statement);
    *is_found = rc == SQLITE_ROW;
    if (rc == SQLITE_ROW) {
        const struct slice others = column_blob(statement, 1);
        uint64_t id = column_id(statement, 0);
        rc = SQLITE_OK;
        for (size_t i = 0; id && rc == SQLITE_OK; i++) {
            uint64_t of = 0;
            uint64_t endpoint = 0;
            rc = find_delivery(it, id, &of, &endpoint);
            if (rc == SQLITE_OK && of && !add_endpoint(endpoints, endpoint, id))
                rc = SQLITE_NOMEM;
            id = (i + 1) * DELIVERY_ID_BYTES <= others.len
                     ? sqlite_read_word(others.data + i * DELIVERY_ID_BYTES)
                     : 0;
        }
    }
    (void)sqlite3_reset(statement);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int replay_message(struct sqlite_engine *it, const struct store_change *op,
                          struct change *change)
{
    struct endpoints endpoints = {.count = 0};
    uint64_t message = change->id;
    bool is_found = false;
    int rc = find_endpoints(it, message, &endpoints, &is_found);
    change->status = is_found ? OK : E_NOTFOUND;
    if (rc == SQLITE_OK && is_found && change->has_new_ids)
        rc = copy_message(it, &message, &change->status);
    for (size_t i = 0; i < endpoints.count && rc == SQLITE_OK && change->status == OK; i++)
        rc = add_delivery(it, message, endpoints.rows[i].delivery, op->now_ms);
    change->endpoint = endpoints.count == 1 ? endpoints.rows[0].endpoint : 0;
    free(endpoints.rows);
    return rc;
}

/* ---- Events ---------------------------------------------------------------------------------- */

/* Which message ids of the event are used, and by which run's range they may be. */
struct ordinals {
    bool is_used[ID_ORDINAL_MAX + 1];
    bool is_first[ID_ORDINAL_MAX + 2]; /* a range begins there */
};

static int read_ordinals(struct sqlite_engine *it, uint64_t event, const struct stored_runs *runs,
                         struct ordinals *ordinals)
{
    sqlite3_stmt *statement = it->statements[SQL_REPLAY_IDS];
    int rc;
    *ordinals = (struct ordinals){.is_first = {[1] = true, [ORDINALS_END] = true}};
    for (size_t i = 0; i < runs->count; i++)
        ordinals->is_first[runs->rows[i].first_ordinal] = true;
    bind_id(statement, 1, event);
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW)
        ordinals->is_used[id_ordinal(column_id(statement, 0))] = true;
    (void)sqlite3_reset(statement);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* The upper half of the largest range that is free: the rest stays with the run that has it. 0:
 * there is none. */
static unsigned take_ordinals(struct ordinals *ordinals)
{
    unsigned best = 0;
    unsigned best_count = 0;
    unsigned free_from = 1;
    for (unsigned i = 1; i <= ORDINALS_END; i++) {
        if (ordinals->is_first[i] || ordinals->is_used[i]) {
            if (i - free_from > best_count) {
                best = free_from;
                best_count = i - free_from;
            }
            free_from = ordinals->is_used[i] ? i + 1 : i;
        }
    }
    if (best_count == 0)
        return 0;
    const unsigned first = best + best_count / 2;
    ordinals->is_first[first] = true;
    return first;
}

static const struct stored_run *find_run(const struct stored_runs *runs, const char *subscription)
{
    for (size_t i = 0; i < runs->count; i++)
        if (strcmp(runs->rows[i].subscription, subscription) == 0)
            return &runs->rows[i];
    return NULL;
}

/* The run's first message id. One that the event has keeps it; the only one of an event without
 * rows begins where it began; any other gets ids that nothing has. */
static unsigned find_first(const struct change *change, const struct stored_runs *runs,
                           const struct stored_run *run, struct ordinals *ordinals)
{
    if (change->has_new_ids)
        return take_ordinals(ordinals);
    if (run)
        return run->first_ordinal;
    return runs->count == 0 && change->subscription_count == 1 ? 1 : take_ordinals(ordinals);
}

static int open_run(struct sqlite_engine *it, const struct store_change *op, struct change *change,
                    const char *subscription, const struct stored_run *run, unsigned first)
{
    int64_t due_ms = op->now_ms;
    const int rc = run ? sqlite_reopened_due(it, run, op->now_ms, &due_ms) : SQLITE_OK;
    if (rc != SQLITE_OK)
        return rc;
    sqlite3_stmt *statement = it->statements[SQL_REPLAY_RUN];
    bind_id(statement, 1, change->id);
    bind_text(statement, 2, slice_str(subscription));
    (void)sqlite3_bind_int64(statement, 3, due_ms);
    (void)sqlite3_bind_int64(statement, 4, first);
    return sqlite_run(it, SQL_REPLAY_RUN);
}

static int open_runs(struct sqlite_engine *it, const struct store_change *op, struct change *change,
                     const struct stored_runs *runs)
{
    struct ordinals ordinals;
    size_t opened = 0;
    int rc = read_ordinals(it, change->id, runs, &ordinals);
    for (size_t i = 0; i < change->subscription_count && rc == SQLITE_OK; i++) {
        const char *subscription = change->subscriptions[i];
        const struct stored_run *run = find_run(runs, subscription);
        if ((change->subscription && strcmp(subscription, change->subscription) != 0) ||
            (run && run->state < RUN_HANDLED))
            continue;
        const unsigned first = find_first(change, runs, run, &ordinals);
        if (first == 0) {
            change->status = E_LIMIT;
            continue;
        }
        rc = open_run(it, op, change, subscription, run, first);
        opened++;
    }
    if (opened > 0)
        change->status = OK;
    else if (change->status == OK)
        change->status = E_CONFLICT;
    return rc == SQLITE_OK && opened > 0 ? sqlite_open_event(it, change->id, op->now_ms) : rc;
}

static int is_due(struct sqlite_engine *it, uint64_t event, bool *is_it)
{
    sqlite3_stmt *statement = it->statements[SQL_EVENT_DUE_FIND];
    bind_id(statement, 1, event);
    const int rc = sqlite3_step(statement);
    (void)sqlite3_reset(statement);
    *is_it = rc == SQLITE_ROW;
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int replay_event(struct sqlite_engine *it, const struct store_change *op,
                        struct change *change)
{
    struct stored_runs runs = {0};
    bool is_open = false;
    int rc = sqlite_find_event(it, change->id, &change->status);
    if (rc == SQLITE_OK && change->status == OK)
        rc = is_due(it, change->id, &is_open);
    if (rc == SQLITE_OK && change->status == OK)
        rc = sqlite_stored_runs(it, change->id, &runs);
    /* Its first runs are still to come: with all that match. */
    if (is_open && runs.count == 0)
        change->status = E_CONFLICT;
    if (rc == SQLITE_OK && change->status == OK)
        rc = open_runs(it, op, change, &runs);
    sqlite_stored_runs_finish(&runs);
    return rc;
}

int sqlite_replay(struct sqlite_engine *engine, const struct store_change *op,
                  struct change *change)
{
    if (change->kind == ID_EVENT)
        return replay_event(engine, op, change);
    if (change->kind == ID_MESSAGE && change->to != 0)
        return resend(engine, op, change);
    if (change->kind == ID_MESSAGE)
        return replay_message(engine, op, change);
    if (change->kind == ID_DELIVERY)
        return replay_delivery(engine, op, change);
    change->status = E_INVALID;
    return SQLITE_OK;
}
