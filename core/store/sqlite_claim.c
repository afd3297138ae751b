/* SPDX-License-Identifier: MIT */
/* Taking up work: events and deliveries that are due, those that nobody holds any more after a
 * start. Reader threads. */
#include "store/sqlite_int.h"

#include <stdlib.h>

#define LOOK_NS INT64_C(50000000) /* a claim ends after this, also short of its count */
#define ROWS_PER_LOOK 256u        /* between two looks at the clock */

static bool is_time_up(int64_t start_ns, size_t rows)
{
    return rows % ROWS_PER_LOOK == 0 && (int64_t)uv_hrtime() - start_ns > LOOK_NS;
}

/* ---- Events ---------------------------------------------------------------------------------- */

static struct content *make_content(struct slice head, struct slice body)
{
    struct content *content = content_create(head, body.len);
    if (content && content_append(&content, body.data, body.len, body.len) != OK) {
        content_unref(content);
        return NULL;
    }
    return content;
}

/* Of the row of that id. Not SQLITE_OK: no memory, or SEALED_UNREADABLE. */
static int content_of(struct seal_ring *ring, uint64_t id, struct slice head, struct slice body,
                      bool is_sealed, struct content **content)
{
    struct buf plain;
    if (!is_sealed) {
        *content = make_content(head, body);
        return *content ? SQLITE_OK : SQLITE_NOMEM;
    }
    const struct sealed_place place = sealed_body(id);
    buf_init_secret(&plain, body.len);
    int rc = sqlite_unseal(ring, &place, body, &plain);
    *content = rc == SQLITE_OK ? make_content(head, buf_slice(&plain)) : NULL;
    buf_finish(&plain);
    if (rc == SQLITE_OK && !*content)
        rc = SQLITE_NOMEM;
    if (rc == SQLITE_OK)
        (*content)->is_sealed = true;
    return rc;
}

struct event *sqlite_event_of(sqlite3_stmt *statement, uint64_t id, struct content *content)
{
    if (!content)
        return NULL;
    struct event_options options = {
        .source = column_text(statement, 0),
        .type = column_text(statement, 1),
        .key = column_text(statement, 2),
        .content = content,
        .parent = column_id(statement, 3),
        .depth = (uint32_t)sqlite3_column_int64(statement, 4),
        .received_ms = sqlite3_column_int64(statement, 6),
    };
    (void)trace_load(column_blob(statement, 5), &options.trace);
    struct event *event = event_create(&options);
    if (!event) {
        content_unref(content);
        return NULL;
    }
    event->id = id;
    return event;
}

static int make_event(struct seal_ring *ring, sqlite3_stmt *statement, uint64_t id,
                      struct event **event)
{
    struct content *content = NULL;
    const int rc = content_of(ring, id, column_blob(statement, 7), column_blob(statement, 8),
                              sqlite3_column_int(statement, 9), &content);
    if (rc != SQLITE_OK)
        return rc;
    *event = sqlite_event_of(statement, id, content);
    return *event ? SQLITE_OK : SQLITE_NOMEM;
}

int sqlite_read_event(struct sqlite_reader *reader, uint64_t id, struct event **event)
{
    sqlite3_stmt *statement = reader->statements[READ_EVENT];
    bind_id(statement, 1, id);
    int rc = sqlite3_step(statement);
    *event = NULL;
    if (rc == SQLITE_ROW) {
        rc = make_event(reader->ring, statement, id, event);
        rc = rc == SQLITE_OK ? SQLITE_DONE : rc;
    }
    (void)sqlite3_reset(statement);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static bool read_run(sqlite3_stmt *statement, struct claimed_run *run)
{
    *run = (struct claimed_run){
        .subscription = column_copy(statement, 0),
        .state = (enum run_state)sqlite3_column_int(statement, 1),
        .number = (uint32_t)sqlite3_column_int64(statement, 2),
        .due_ms = sqlite3_column_int64(statement, 3),
        .first_ordinal = (uint8_t)sqlite3_column_int(statement, 4),
        .is_ordered = sqlite3_column_int(statement, 6) != 0,
        .batch = column_id(statement, 7),
    };
    return run->subscription != NULL;
}

/* Makes room, then reads the row. */
static int add_run(sqlite3_stmt *statement, struct claimed_run **runs, char ***errors,
                   size_t *count)
{
    struct claimed_run *more = array_grow(*runs, *count, sizeof *more);
    if (!more)
        return SQLITE_NOMEM;
    *runs = more;
    if (errors) {
        char **more_errors = array_grow(*errors, *count, sizeof *more_errors);
        if (!more_errors)
            return SQLITE_NOMEM;
        *errors = more_errors;
    }
    if (!read_run(statement, &more[*count]))
        return SQLITE_NOMEM;
    if (errors)
        (*errors)[*count] = column_copy(statement, 5);
    (*count)++;
    return SQLITE_OK;
}

int sqlite_read_runs(struct sqlite_reader *reader, uint64_t event, struct claimed_run **runs,
                     char ***errors, size_t *count)
{
    sqlite3_stmt *statement = reader->statements[READ_RUNS];
    bind_id(statement, 1, event);
    int rc;
    while ((rc = sqlite3_step(statement)) == SQLITE_ROW) {
        rc = add_run(statement, runs, errors, count);
        if (rc != SQLITE_OK)
            break;
    }
    (void)sqlite3_reset(statement);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int add_event(struct sqlite_reader *reader, struct store_claim_events *claim, uint64_t id,
                     int64_t due_ms)
{
    struct claimed_event *events =
        array_grow(claim->events, claim->event_count, sizeof *claim->events);
    if (!events)
        return SQLITE_NOMEM;
    claim->events = events;
    struct claimed_event *it = &events[claim->event_count];
    *it = (struct claimed_event){.due_ms = due_ms};
    const int rc = sqlite_read_event(reader, id, &it->event);
    if (rc == SEALED_UNREADABLE) /* it holds up no other */
        return SQLITE_OK;
    if (rc != SQLITE_OK || !it->event) /* finished meanwhile */
        return rc;
    claim->event_count++;
    return sqlite_read_runs(reader, id, &it->runs, NULL, &it->run_count);
}

static bool is_mine(const struct store_claim_events *claim, uint64_t id)
{
    return claim->modulus <= 1 || id_shard(id) % claim->modulus == claim->remainder;
}

/* The row that the walk stands on. */
static int look_at_event(struct sqlite_reader *reader, struct store_claim_events *claim,
                         sqlite3_stmt *walk)
{
    const uint64_t id = column_id(walk, 0);
    const int64_t due_ms = sqlite3_column_int64(walk, 1);
    if (!is_mine(claim, id))
        return SQLITE_OK;
    if (due_ms <= claim->now_ms)
        return add_event(reader, claim, id, due_ms);
    if (due_ms < STORE_HELD_MS && (claim->next_due_ms == 0 || due_ms < claim->next_due_ms))
        claim->next_due_ms = due_ms;
    return SQLITE_OK;
}

static int claim_one(struct sqlite_reader *reader, struct store_claim_events *claim)
{
    sqlite3_stmt *find = reader->statements[READ_DUE_EVENT];
    bind_id(find, 1, claim->only);
    int rc = sqlite3_step(find);
    const int64_t due_ms = rc == SQLITE_ROW ? sqlite3_column_int64(find, 0) : 0;
    const bool is_due = rc == SQLITE_ROW && due_ms <= claim->now_ms;
    (void)sqlite3_reset(find);
    claim->next_due_ms = rc == SQLITE_ROW && !is_due && due_ms < STORE_HELD_MS ? due_ms : 0;
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        return rc;
    return is_due ? add_event(reader, claim, claim->only, due_ms) : SQLITE_OK;
}

/* By their times: the first of ours that is not due yet ends the walk, and so do those that are
 * held. */
static bool is_past(const struct store_claim_events *claim)
{
    return claim->is_timed && (claim->next_due_ms != 0 || claim->last_due_ms >= STORE_HELD_MS);
}

int sqlite_claim_events(struct sqlite_reader *reader, struct store_claim_events *claim)
{
    if (claim->only != 0)
        return claim_one(reader, claim);
    sqlite3_stmt *walk = reader->statements[claim->is_timed ? READ_TIMED_EVENTS : READ_DUE_EVENTS];
    const int64_t start_ns = (int64_t)uv_hrtime();
    size_t bytes = 0;
    int rc = SQLITE_OK;
    claim->last = claim->after;
    claim->next_due_ms = 0;
    bind_id(walk, 1, claim->after);
    if (claim->is_timed)
        (void)sqlite3_bind_int64(walk, 2, claim->after_due_ms);
    for (size_t rows = 1; claim->event_count < claim->count_max && bytes < claim->bytes_max;
         rows++) {
        rc = sqlite3_step(walk);
        if (rc != SQLITE_ROW)
            break;
        const size_t before = claim->event_count;
        claim->last = column_id(walk, 0);
        claim->last_due_ms = sqlite3_column_int64(walk, 1);
        rc = look_at_event(reader, claim, walk);
        if (rc == SQLITE_OK && is_past(claim))
            rc = SQLITE_DONE;
        if (rc != SQLITE_OK || is_time_up(start_ns, rows))
            break;
        if (claim->event_count > before)
            bytes += event_bytes(claim->events[before].event);
    }
    (void)sqlite3_reset(walk);
    claim->is_end = rc == SQLITE_DONE;
    return rc == SQLITE_DONE || rc == SQLITE_ROW ? SQLITE_OK : rc;
}

/* ---- Deliveries ------------------------------------------------------------------------------ */

static int make_message(struct seal_ring *ring, sqlite3_stmt *statement, struct message **message)
{
    const uint64_t id = column_id(statement, 1);
    const uint64_t content_id = column_id(statement, 7);
    struct content *content = NULL;
    const int rc =
        content_of(ring, content_id, column_blob(statement, 8), column_blob(statement, 9),
                   sqlite3_column_int(statement, 18), &content);
    if (rc != SQLITE_OK)
        return rc;
    struct message *made = message_create(id, column_text(statement, 6), content, content_id != id);
    if (!made) {
        content_unref(content);
        return SQLITE_NOMEM;
    }
    made->expires_ms = sqlite3_column_int64(statement, 5);
    (void)trace_load(column_blob(statement, 12), &made->trace);
    *message = made;
    return SQLITE_OK;
}

int sqlite_delivery_of(struct seal_ring *ring, sqlite3_stmt *statement, struct delivery **made)
{
    struct message *message = NULL;
    const int rc = make_message(ring, statement, &message);
    if (rc != SQLITE_OK)
        return rc;
    struct delivery *delivery = delivery_create(column_id(statement, 11), message);
    if (!delivery) {
        message_unref(message);
        return SQLITE_NOMEM;
    }
    delivery->id = column_id(statement, 0);
    delivery->state = (enum delivery_state)sqlite3_column_int(statement, 2);
    delivery->attempts = (uint32_t)sqlite3_column_int64(statement, 3);
    delivery->created_ms = id_row_ms(delivery->id);
    delivery->due_ms = sqlite3_column_int64(statement, 4);
    delivery->previous_delay_ms = sqlite3_column_int64(statement, 10);
    delivery->is_ordered = sqlite3_column_int(statement, 13) != 0;
    delivery->priority = sqlite3_column_int(statement, 14);
    delivery->fresh_ms = sqlite3_column_int64(statement, 15);
    delivery->fresh_attempts = (uint32_t)sqlite3_column_int64(statement, 16);
    delivery->leased_ms = sqlite3_column_int64(statement, 17);
    *made = delivery;
    return SQLITE_OK;
}

struct claimed_list {
    struct delivery **deliveries;
    size_t count;
    size_t count_max;
    size_t bytes_max;
    bool is_end;
};

/* Fills the list from a bound statement; it is kept in the claim, also on an error. */
static int fill(struct sqlite_reader *reader, sqlite3_stmt *statement, struct claimed_list *list)
{
    const int64_t start_ns = (int64_t)uv_hrtime();
    size_t bytes = 0;
    int rc = SQLITE_OK;
    while (list->count < list->count_max && bytes < list->bytes_max) {
        rc = sqlite3_step(statement);
        if (rc != SQLITE_ROW)
            break;
        struct delivery **more =
            array_grow(list->deliveries, list->count, sizeof(struct delivery *));
        if (more)
            list->deliveries = more;
        struct delivery *delivery = NULL;
        rc = more ? sqlite_delivery_of(reader->ring, statement, &delivery) : SQLITE_NOMEM;
        if (rc == SEALED_UNREADABLE) { /* it holds up no other */
            rc = SQLITE_OK;
            continue;
        }
        if (rc != SQLITE_OK)
            break;
        list->deliveries[list->count++] = delivery;
        const struct content *content = delivery->message->content;
        bytes += content->head_len + content->body_len;
        if (is_time_up(start_ns, list->count))
            break;
    }
    (void)sqlite3_reset(statement);
    list->is_end = rc == SQLITE_DONE;
    return rc == SQLITE_DONE || rc == SQLITE_ROW ? SQLITE_OK : rc;
}

/* The priorities of one endpoint's deliveries, the highest first. */
struct priority_walk {
    uint64_t endpoint;
    int priority;
    int64_t due_ms; /* the least of that priority */
};

static struct priority_walk walk_priorities(uint64_t endpoint)
{
    return (struct priority_walk){.endpoint = endpoint, .priority = LIMIT_PRIORITY + 1};
}

/* SQLITE_ROW: on the next priority; SQLITE_DONE: there is none; or the error. */
static int next_priority(struct sqlite_reader *reader, struct priority_walk *walk)
{
    sqlite3_stmt *statement = reader->statements[READ_NEXT_PRIORITY];
    bind_id(statement, 1, walk->endpoint);
    (void)sqlite3_bind_int(statement, 2, walk->priority);
    const int rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW) {
        walk->priority = sqlite3_column_int(statement, 0);
        walk->due_ms = sqlite3_column_int64(statement, 1);
    }
    (void)sqlite3_reset(statement);
    return rc;
}

static void note_due(int64_t *next_due_ms, int64_t due_ms)
{
    if (due_ms < STORE_HELD_MS && (*next_due_ms == 0 || due_ms < *next_due_ms))
        *next_due_ms = due_ms;
}

static int find_next_due(struct sqlite_reader *reader, const struct priority_walk *walk,
                         struct store_claim_deliveries *claim)
{
    sqlite3_stmt *statement = reader->statements[READ_NEXT_DUE];
    bind_id(statement, 1, claim->endpoint);
    (void)sqlite3_bind_int(statement, 2, walk->priority);
    (void)sqlite3_bind_int64(statement, 3, claim->now_ms);
    const int rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW)
        note_due(&claim->next_due_ms, sqlite3_column_int64(statement, 0));
    (void)sqlite3_reset(statement);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* The due ones of the priority that the walk stands on. */
static int claim_priority(struct sqlite_reader *reader, const struct priority_walk *walk,
                          struct store_claim_deliveries *claim, struct claimed_list *list)
{
    if (walk->due_ms > claim->now_ms) {
        note_due(&claim->next_due_ms, walk->due_ms);
        return SQLITE_OK;
    }
    sqlite3_stmt *statement = reader->statements[READ_DUE_DELIVERIES];
    bind_id(statement, 1, claim->endpoint);
    (void)sqlite3_bind_int(statement, 2, walk->priority);
    (void)sqlite3_bind_int64(statement, 3, claim->now_ms);
    const int rc = fill(reader, statement, list);
    return rc == SQLITE_OK ? find_next_due(reader, walk, claim) : rc;
}

static int claim_by_priority(struct sqlite_reader *reader, struct store_claim_deliveries *claim,
                             struct claimed_list *list)
{
    struct priority_walk walk = walk_priorities(claim->endpoint);
    int rc = SQLITE_ROW;
    while (list->is_end && (rc = next_priority(reader, &walk)) == SQLITE_ROW) {
        if (claim->is_urgent && walk.priority <= claim->above)
            break;
        const int claimed = claim_priority(reader, &walk, claim, list);
        if (claimed != SQLITE_OK)
            return claimed;
    }
    return rc == SQLITE_DONE || rc == SQLITE_ROW ? SQLITE_OK : rc;
}

/* What the walk finds up to now, and when the next one is. */
static int claim_past(struct sqlite_reader *reader, struct store_claim_deliveries *claim,
                      struct claimed_list *list, enum read_sql walk, enum read_sql next)
{
    sqlite3_stmt *past = reader->statements[walk];
    bind_id(past, 1, claim->endpoint);
    (void)sqlite3_bind_int64(past, 2, claim->now_ms);
    int rc = fill(reader, past, list);
    if (rc != SQLITE_OK)
        return rc;
    sqlite3_stmt *coming = reader->statements[next];
    bind_id(coming, 1, claim->endpoint);
    (void)sqlite3_bind_int64(coming, 2, claim->now_ms);
    rc = sqlite3_step(coming);
    if (rc == SQLITE_ROW)
        note_due(&claim->next_due_ms, sqlite3_column_int64(coming, 0));
    (void)sqlite3_reset(coming);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int claim_ended(struct sqlite_reader *reader, struct store_claim_deliveries *claim,
                       struct claimed_list *list)
{
    const int rc = claim_past(reader, claim, list, READ_LEASE_ENDS, READ_NEXT_LEASE_END);
    return rc == SQLITE_OK ? claim_past(reader, claim, list, READ_EXPIRED, READ_NEXT_EXPIRY) : rc;
}

static int claim_leased(struct sqlite_reader *reader, const struct store_claim_deliveries *claim,
                        struct claimed_list *list)
{
    sqlite3_stmt *statement = reader->statements[READ_LEASED];
    int rc = SQLITE_OK;
    for (size_t i = 0; i < claim->id_count && rc == SQLITE_OK; i++) {
        bind_id(statement, 1, claim->ids[i]);
        bind_id(statement, 2, claim->endpoint);
        rc = fill(reader, statement, list);
    }
    return rc;
}

int sqlite_claim_deliveries(struct sqlite_reader *reader, struct store_claim_deliveries *claim)
{
    struct claimed_list list = {
        .count_max = claim->count_max, .bytes_max = claim->bytes_max, .is_end = true};
    claim->next_due_ms = 0;
    const int rc = claim->ids        ? claim_leased(reader, claim, &list)
                   : claim->is_ended ? claim_ended(reader, claim, &list)
                                     : claim_by_priority(reader, claim, &list);
    claim->deliveries = list.deliveries;
    claim->delivery_count = list.count;
    claim->is_end = list.is_end;
    return rc;
}

int sqlite_claim_open(struct sqlite_reader *reader, struct store_claim_open *claim)
{
    sqlite3_stmt *statement = reader->statements[READ_OPEN_DELIVERIES];
    struct claimed_list list = {.count_max = claim->count_max, .bytes_max = claim->bytes_max};
    bind_id(statement, 1, claim->after);
    (void)sqlite3_bind_int64(statement, 2, claim->modulus ? claim->modulus : 1);
    (void)sqlite3_bind_int64(statement, 3, claim->remainder);
    const int rc = fill(reader, statement, &list);
    claim->deliveries = list.deliveries;
    claim->delivery_count = list.count;
    claim->is_end = list.is_end;
    claim->last = list.count ? list.deliveries[list.count - 1]->id : claim->after;
    return rc;
}

/* ---- Backlog --------------------------------------------------------------------------------- */

/* The least due time of an endpoint's deliveries, but for those that only wait for their key. */
static int find_least_due(struct sqlite_reader *reader, struct backlog_row *row)
{
    struct priority_walk walk = walk_priorities(row->endpoint);
    int rc;
    while ((rc = next_priority(reader, &walk)) == SQLITE_ROW)
        note_due(&row->due_ms, walk.due_ms);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int add_backlog(struct store_backlog *backlog, const struct backlog_row *row)
{
    if (row->due_ms == 0)
        return SQLITE_OK;
    struct backlog_row *rows = array_grow(backlog->rows, backlog->row_count, sizeof *backlog->rows);
    if (!rows)
        return SQLITE_NOMEM;
    backlog->rows = rows;
    rows[backlog->row_count++] = *row;
    return SQLITE_OK;
}

int sqlite_backlog(struct sqlite_reader *reader, struct store_backlog *backlog)
{
    sqlite3_stmt *statement = reader->statements[READ_BACKLOG];
    uint64_t endpoint = 0;
    for (;;) {
        bind_id(statement, 1, endpoint);
        int rc = sqlite3_step(statement);
        endpoint = column_id(statement, 0);
        (void)sqlite3_reset(statement);
        if (rc != SQLITE_ROW)
            return rc == SQLITE_DONE ? SQLITE_OK : rc;
        struct backlog_row row = {.endpoint = endpoint};
        rc = find_least_due(reader, &row);
        if (rc == SQLITE_OK)
            rc = add_backlog(backlog, &row);
        if (rc != SQLITE_OK)
            return rc;
    }
}
