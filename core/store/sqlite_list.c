/* SPDX-License-Identifier: MIT */
/* What the API shows: pages of events and deliveries, newest first, and single ones. A page that
 * has to pass over too much comes short. Reader threads. */
#include "store/sqlite_int.h"

#include <stdlib.h>

/* Whether `text` holds what the query wants to see in it. */
static bool is_contained(const struct store_list_query *query, const char *text)
{
    return !query->contains || (text && strstr(text, query->contains));
}

/* ---- Events ---------------------------------------------------------------------------------- */

/* The worst of its runs: that is what somebody has to look at. */
static enum run_state worst_state(const struct claimed_run *runs, size_t count, bool is_due)
{
    static const int badness[RUN_STATE_COUNT] = {
        [RUN_DEAD] = 5, [RUN_RETRYING] = 4, [RUN_PENDING] = 3, [RUN_SKIPPED] = 2, [RUN_HANDLED] = 1,
    };
    if (count == 0)
        return is_due ? RUN_PENDING : RUN_HANDLED;
    enum run_state worst = RUN_HANDLED;
    for (size_t i = 0; i < count; i++)
        if (badness[runs[i].state] > badness[worst])
            worst = runs[i].state;
    return worst;
}

static int find_state(struct sqlite_reader *reader, uint64_t id, struct event_row *row)
{
    sqlite3_stmt *statement = reader->statements[READ_IS_DUE];
    bind_id(statement, 1, id);
    const int due = sqlite3_step(statement);
    (void)sqlite3_reset(statement);
    if (due != SQLITE_ROW && due != SQLITE_DONE)
        return due;
    const int rc = sqlite_read_runs(reader, id, &row->runs, &row->errors, &row->run_count);
    row->state = worst_state(row->runs, row->run_count, due == SQLITE_ROW);
    statement = reader->statements[READ_IS_ERASED];
    bind_id(statement, 1, id);
    const int erased = sqlite3_step(statement);
    (void)sqlite3_reset(statement);
    if (erased == SQLITE_ROW)
        row->state = RUN_ERASED;
    return erased == SQLITE_ROW || erased == SQLITE_DONE ? rc : erased;
}

/* The event of a list: without its bytes. */
static int make_listed_event(sqlite3_stmt *statement, uint64_t id, struct event_row *row)
{
    row->event = sqlite_event_of(statement, id, content_create(slice_of("", 0), 0));
    if (!row->event)
        return SQLITE_NOMEM;
    row->body_bytes = (size_t)sqlite3_column_int64(statement, 7);
    row->late = column_id(statement, 8);
    return SQLITE_OK;
}

static bool event_fits(const struct store_list_query *query, const struct event_row *row)
{
    const struct event *event = row->event;
    return (query->lateness != LATE_LEFT_OUT || row->late == 0) &&
           (!query->source || slice_is(event->source, query->source)) &&
           (!query->type || event_pattern_matches(slice_str(query->type), event->type));
}

static bool has_error(const struct store_list_query *query, const struct event_row *row)
{
    for (size_t i = 0; query->contains && i < row->run_count; i++)
        if (is_contained(query, row->errors[i]))
            return true;
    return !query->contains;
}

/* Adds the event to the list if the query wants it. */
static int look_at_event(struct sqlite_reader *reader, struct store_list_events *list, uint64_t id)
{
    struct event_row *rows = array_grow(list->rows, list->row_count, sizeof *rows);
    if (!rows)
        return SQLITE_NOMEM;
    list->rows = rows;
    struct event_row *row = &rows[list->row_count];
    *row = (struct event_row){0};
    sqlite3_stmt *statement = reader->statements[READ_EVENT_ROW];
    bind_id(statement, 1, id);
    int rc = sqlite3_step(statement);
    rc = rc == SQLITE_ROW ? make_listed_event(statement, id, row) : rc;
    (void)sqlite3_reset(statement);
    if (rc == SQLITE_DONE) /* deleted meanwhile */
        return SQLITE_OK;
    list->row_count++;
    if (row->event && event_fits(&list->query, row)) {
        rc = find_state(reader, id, row);
        if ((list->query.state < 0 || (int)row->state == list->query.state) &&
            has_error(&list->query, row))
            return rc;
    }
    event_row_finish(row);
    list->row_count--;
    return rc;
}

/* The walk that passes over the least. */
static enum read_sql events_walk(const struct store_list_query *query)
{
    if (query->lateness == LATE_ONLY)
        return query->is_backward ? READ_LIST_LATE_EVENTS_BACKWARD : READ_LIST_LATE_EVENTS;
    if (query->is_backward)
        return query->state == RUN_DEAD ? READ_LIST_DEAD_EVENTS_BACKWARD
                                        : READ_LIST_EVENTS_BACKWARD;
    switch (query->state) {
    case RUN_DEAD:
        return READ_LIST_DEAD_EVENTS;
    case RUN_PENDING:
    case RUN_RETRYING:
        return READ_LIST_DUE_EVENTS;
    default:
        return READ_LIST_EVENTS;
    }
}

int sqlite_list_events(struct sqlite_reader *reader, struct store_list_events *list)
{
    sqlite3_stmt *walk = reader->statements[events_walk(&list->query)];
    const int64_t start_ns = (int64_t)uv_hrtime();
    int rc = SQLITE_OK;
    sqlite_bind_range(walk, &list->query);
    list->last = list->query.before;
    for (size_t rows = 1; list->row_count < list->query.limit; rows++) {
        rc = sqlite3_step(walk);
        if (rc != SQLITE_ROW)
            break;
        list->last = column_id(walk, list->query.lateness == LATE_ONLY);
        rc = look_at_event(reader, list, column_id(walk, 0));
        if (rc != SQLITE_OK || sqlite_is_time_up(start_ns, rows))
            break;
    }
    (void)sqlite3_reset(walk);
    list->is_end = rc == SQLITE_DONE;
    return rc == SQLITE_DONE || rc == SQLITE_ROW ? SQLITE_OK : rc;
}

static int read_close(struct sqlite_reader *reader, uint64_t batch, int64_t *close_ms)
{
    sqlite3_stmt *statement = reader->statements[READ_BATCH];
    bind_id(statement, 1, batch);
    const int rc = sqlite3_step(statement);
    *close_ms = rc == SQLITE_ROW ? sqlite3_column_int64(statement, 1) : 0;
    (void)sqlite3_reset(statement);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* What the runs have so far. */
static int read_progress(struct sqlite_reader *reader, uint64_t event, struct event_row *row)
{
    int rc = SQLITE_OK;
    row->progress = calloc(row->run_count + 1, sizeof *row->progress);
    if (!row->progress)
        return SQLITE_NOMEM;
    for (size_t i = 0; i < row->run_count && rc == SQLITE_OK; i++) {
        struct store_list_steps steps = {.event = event, .subscription = row->runs[i].subscription};
        rc = sqlite_list_steps(reader, &steps);
        row->progress[i].steps = steps.rows;
        row->progress[i].step_count = steps.row_count;
        if (rc == SQLITE_OK && row->runs[i].batch && row->runs[i].state < RUN_HANDLED)
            rc = read_close(reader, row->runs[i].batch, &row->progress[i].batch_close_ms);
    }
    return rc;
}

int sqlite_get_event(struct sqlite_reader *reader, struct store_get_event *get)
{
    const int rc = sqlite_read_event(reader, get->id, &get->row.event);
    if (rc != SQLITE_OK)
        return rc;
    if (!get->row.event) {
        get->read.status = E_NOTFOUND;
        return SQLITE_OK;
    }
    get->row.body_bytes = get->row.event->content->body_len;
    const int found = find_state(reader, get->id, &get->row);
    return found == SQLITE_OK ? read_progress(reader, get->id, &get->row) : found;
}

/* ---- Deliveries ------------------------------------------------------------------------------ */

static int make_delivery_row(sqlite3_stmt *statement, struct delivery_row *row)
{
    const uint64_t message = column_id(statement, 1);
    const int64_t due_ms = sqlite3_column_int64(statement, 7);
    *row = (struct delivery_row){
        .id = column_id(statement, 0),
        .message = message,
        .event = id_event_of(message),
        .endpoint_id = column_id(statement, 2),
        .endpoint = column_copy(statement, 3),
        .type = column_copy(statement, 4),
        .state = (enum delivery_state)sqlite3_column_int(statement, 5),
        .attempt_count = (uint32_t)sqlite3_column_int64(statement, 6),
        .due_ms = due_ms < STORE_HELD_MS ? due_ms : 0,
        .is_held = due_ms >= STORE_HELD_MS,
        .reason = column_copy(statement, 8),
        .order_key = column_copy(statement, 12),
        .order_key_len = (size_t)sqlite3_column_bytes(statement, 12),
        .priority = sqlite3_column_int(statement, 13),
        .last_status = sqlite3_column_int(statement, 9),
        .last_error = (enum attempt_error)sqlite3_column_int(statement, 10),
    };
    /* An endpoint or message that is gone shows as an empty name. */
    if (!row->endpoint)
        row->endpoint = calloc(1, 1);
    if (!row->type)
        row->type = calloc(1, 1);
    return row->endpoint && row->type ? SQLITE_OK : SQLITE_NOMEM;
}

static int find_source(struct sqlite_reader *reader, uint64_t event, const char *source,
                       bool *is_it)
{
    sqlite3_stmt *statement = reader->statements[READ_EVENT_ROW];
    bind_id(statement, 1, event);
    const int rc = sqlite3_step(statement);
    *is_it = rc == SQLITE_ROW && slice_is(column_text(statement, 0), source);
    (void)sqlite3_reset(statement);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* Adds the row that the statement stands on, if the query wants it. */
static int look_at_delivery(struct sqlite_reader *reader, sqlite3_stmt *statement,
                            struct store_list_deliveries *list, uint64_t endpoint)
{
    const struct store_list_query *query = &list->query;
    if (query->endpoint && column_id(statement, 2) != endpoint)
        return SQLITE_OK;
    if (query->state >= 0 && sqlite3_column_int(statement, 5) != query->state)
        return SQLITE_OK;
    if (query->type && !event_pattern_matches(slice_str(query->type), column_text(statement, 4)))
        return SQLITE_OK;
    if (!is_contained(query, (const char *)sqlite3_column_text(statement, 8)))
        return SQLITE_OK;
    if (query->source) {
        bool is_of_source = false;
        const int rc =
            find_source(reader, id_event_of(column_id(statement, 1)), query->source, &is_of_source);
        if (rc != SQLITE_OK || !is_of_source)
            return rc;
    }
    struct delivery_row *rows = array_grow(list->rows, list->row_count, sizeof *rows);
    if (!rows)
        return SQLITE_NOMEM;
    list->rows = rows;
    return make_delivery_row(statement, &rows[list->row_count++]);
}

int sqlite_find_endpoint(struct sqlite_reader *reader, const char *name, uint64_t *id)
{
    *id = 0;
    if (!name)
        return SQLITE_OK;
    sqlite3_stmt *statement = reader->statements[READ_ENDPOINT];
    bind_text(statement, 1, slice_str(name));
    const int rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW)
        *id = column_id(statement, 0);
    (void)sqlite3_reset(statement);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static enum read_sql deliveries_walk(const struct store_list_query *query)
{
    if (query->is_backward)
        return query->state == DELIVERY_DEAD ? READ_LIST_DEAD_DELIVERIES_BACKWARD
                                             : READ_LIST_DELIVERIES_BACKWARD;
    return query->state == DELIVERY_DEAD ? READ_LIST_DEAD_DELIVERIES : READ_LIST_DELIVERIES;
}

static int walk_deliveries(struct sqlite_reader *reader, struct store_list_deliveries *list,
                           uint64_t endpoint)
{
    sqlite3_stmt *walk = reader->statements[deliveries_walk(&list->query)];
    const int64_t start_ns = (int64_t)uv_hrtime();
    int rc = SQLITE_OK;
    sqlite_bind_range(walk, &list->query);
    for (size_t rows = 1; list->row_count < list->query.limit; rows++) {
        rc = sqlite3_step(walk);
        if (rc != SQLITE_ROW)
            break;
        list->last = column_id(walk, 0);
        rc = look_at_delivery(reader, walk, list, endpoint);
        if (rc != SQLITE_OK || sqlite_is_time_up(start_ns, rows))
            break;
    }
    (void)sqlite3_reset(walk);
    list->is_end = rc == SQLITE_DONE;
    return rc == SQLITE_DONE || rc == SQLITE_ROW ? SQLITE_OK : rc;
}

/* ---- Deliveries of one event ----------------------------------------------------------------- */

struct id_list {
    uint64_t *ids;
    size_t count;
};

static int add_id(struct id_list *list, uint64_t id)
{
    uint64_t *ids = array_grow(list->ids, list->count, sizeof *ids);
    if (!ids)
        return SQLITE_NOMEM;
    list->ids = ids;
    ids[list->count++] = id;
    return SQLITE_OK;
}

static int add_packed(struct id_list *list, struct slice packed)
{
    int rc = SQLITE_OK;
    for (size_t i = 0; i + DELIVERY_ID_BYTES <= packed.len && rc == SQLITE_OK;
         i += DELIVERY_ID_BYTES) {
        rc = add_id(list, sqlite_read_word(packed.data + i));
    }
    return rc;
}

static int newest_first(const void *a, const void *b)
{
    const uint64_t left = *(const uint64_t *)a;
    const uint64_t right = *(const uint64_t *)b;
    return left < right ? 1 : left > right ? -1 : 0;
}

static int find_ids(struct sqlite_reader *reader, const struct store_list_query *query,
                    struct id_list *list)
{
    sqlite3_stmt *statement = reader->statements[READ_EVENT_DELIVERIES];
    bind_id(statement, 1, query->message ? query->message : query->event);
    bind_id(statement, 2, query->message ? query->message : query->event | ID_ORDINAL_MAX);
    int rc;
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
        rc = column_id(statement, 0) ? add_id(list, column_id(statement, 0)) : SQLITE_OK;
        if (rc == SQLITE_OK)
            rc = add_packed(list, column_blob(statement, 1));
        if (rc != SQLITE_OK)
            break;
    }
    (void)sqlite3_reset(statement);
    if (list->count > 1)
        qsort(list->ids, list->count, sizeof *list->ids, newest_first);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int list_of_event(struct sqlite_reader *reader, struct store_list_deliveries *list,
                         uint64_t endpoint)
{
    const struct store_list_query *query = &list->query;
    struct id_list ids = {0};
    int rc = find_ids(reader, query, &ids);
    sqlite3_stmt *statement = reader->statements[READ_DELIVERY_ROW];
    size_t i = 0;
    for (; i < ids.count && rc == SQLITE_OK && list->row_count < query->limit; i++) {
        const uint64_t id = ids.ids[query->is_backward ? ids.count - 1 - i : i];
        if ((query->before && id >= query->before) || id <= query->after)
            continue;
        bind_id(statement, 1, id);
        rc = sqlite3_step(statement);
        list->last = id;
        rc = rc == SQLITE_ROW ? look_at_delivery(reader, statement, list, endpoint) : rc;
        rc = rc == SQLITE_DONE ? SQLITE_OK : rc;
        (void)sqlite3_reset(statement);
    }
    list->is_end = i == ids.count;
    free(ids.ids);
    return rc;
}

int sqlite_list_deliveries(struct sqlite_reader *reader, struct store_list_deliveries *list)
{
    uint64_t endpoint = 0;
    const int rc = sqlite_find_endpoint(reader, list->query.endpoint, &endpoint);
    if (rc != SQLITE_OK)
        return rc;
    list->last = list->query.before;
    if (list->query.endpoint && endpoint == 0) {
        list->is_end = true;
        return SQLITE_OK;
    }
    return list->query.event || list->query.message ? list_of_event(reader, list, endpoint)
                                                    : walk_deliveries(reader, list, endpoint);
}

/* ---- One delivery with its attempts ---------------------------------------------------------- */

static int read_message(struct sqlite_reader *reader, struct store_get_delivery *get)
{
    sqlite3_stmt *statement = reader->statements[READ_DELIVERY];
    bind_id(statement, 1, get->id);
    int rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW) {
        rc = sqlite_delivery_of(reader->ring, statement, &get->delivery);
    } else if (rc == SQLITE_DONE) { /* removed after its retention, meanwhile */
        get->read.status = E_NOTFOUND;
        rc = SQLITE_OK;
    }
    (void)sqlite3_reset(statement);
    return rc;
}

int sqlite_get_delivery(struct sqlite_reader *reader, struct store_get_delivery *get)
{
    sqlite3_stmt *statement = reader->statements[READ_DELIVERY_ROW];
    bind_id(statement, 1, get->id);
    int rc = sqlite3_step(statement);
    const bool is_found = rc == SQLITE_ROW;
    uint64_t attempt = 0;
    if (is_found) {
        rc = make_delivery_row(statement, &get->row);
        attempt = column_id(statement, 11);
    }
    (void)sqlite3_reset(statement);
    if (rc == SQLITE_DONE) {
        get->read.status = E_NOTFOUND;
        return SQLITE_OK;
    }
    if (rc == SQLITE_OK && get->wants_message)
        rc = read_message(reader, get);
    return rc == SQLITE_OK ? sqlite_read_attempts(reader, attempt, &get->row) : rc;
}
