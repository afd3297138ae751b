/* SPDX-License-Identifier: MIT */
/* Where published messages went, and what went to registered endpoints. Reader threads. */
#include "store/sqlite_published_int.h"

#include <stdlib.h>

/* ---- What its deliveries came to ------------------------------------------------------------- */

struct standing {
    bool has_succeeded;
    size_t retrying, pending;
    int64_t next_ms; /* 0: none */
};

static enum sent_state state_of(const struct standing *standing)
{
    if (standing->has_succeeded)
        return SENT_SUCCESS;
    if (standing->retrying > 0)
        return SENT_AGAIN;
    return standing->pending > 0 ? SENT_PENDING : SENT_FAILED;
}

/* ---- By message ------------------------------------------------------------------------------ */

int sqlite_message_deliveries(struct sqlite_reader *reader, uint64_t message, uint64_t **ids,
                              size_t *count)
{
    sqlite3_stmt *statement = reader->statements[READ_MESSAGE_DELIVERIES];
    bind_id(statement, 1, message);
    *ids = NULL;
    *count = 0;
    int rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW && column_id(statement, 0) != 0) {
        const struct slice others = column_blob(statement, 1);
        const size_t other_count = others.len / DELIVERY_ID_BYTES;
        uint64_t *all = malloc((1 + other_count) * sizeof *all);
        if (all) {
            all[0] = column_id(statement, 0);
            for (size_t i = 0; i < other_count; i++)
                all[1 + i] = sqlite_read_word(others.data + i * DELIVERY_ID_BYTES);
            *count = 1 + other_count;
        }
        *ids = all;
        rc = all ? SQLITE_DONE : SQLITE_NOMEM;
    }
    (void)sqlite3_reset(statement);
    return rc == SQLITE_DONE || rc == SQLITE_ROW ? SQLITE_OK : rc;
}

struct target {
    uint64_t endpoint;
    struct standing standing;
};

static int compare(const void *a, const void *b)
{
    const uint64_t left = ((const struct target *)a)->endpoint;
    const uint64_t right = ((const struct target *)b)->endpoint;
    return (left > right) - (left < right);
}

static void add_to(struct standing *standing, const struct standing *more)
{
    standing->has_succeeded = standing->has_succeeded || more->has_succeeded;
    standing->retrying += more->retrying;
    standing->pending += more->pending;
    if (more->next_ms > 0 && (standing->next_ms == 0 || more->next_ms < standing->next_ms))
        standing->next_ms = more->next_ms;
}

static int read_target(struct sqlite_reader *reader, uint64_t delivery, struct target *target)
{
    sqlite3_stmt *statement = reader->statements[READ_SENT];
    bind_id(statement, 1, delivery);
    const int rc = sqlite3_step(statement);
    *target = (struct target){0};
    if (rc == SQLITE_ROW) {
        const int state = sqlite3_column_int(statement, 1);
        const int64_t due_ms = sqlite3_column_int64(statement, 2);
        target->endpoint = column_id(statement, 0);
        target->standing = (struct standing){
            .has_succeeded = state == DELIVERY_SUCCEEDED,
            .retrying = state == DELIVERY_RETRYING,
            .pending = state == DELIVERY_PENDING,
            .next_ms = state < DELIVERY_SUCCEEDED && due_ms < STORE_HELD_MS ? due_ms : 0,
        };
    }
    (void)sqlite3_reset(statement);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* Each endpoint of the message once, by id; owned by the caller, with an error too. */
static int read_targets(struct sqlite_reader *reader, uint64_t message, struct target **targets,
                        size_t *count)
{
    uint64_t *ids;
    size_t id_count;
    size_t kept = 0;
    int rc = sqlite_message_deliveries(reader, message, &ids, &id_count);
    struct target *all = calloc(id_count + 1, sizeof *all);
    for (size_t i = 0; all && i < id_count && rc == SQLITE_OK; i++)
        rc = read_target(reader, ids[i], &all[i]);
    free(ids);
    *targets = all;
    if (!all)
        return SQLITE_NOMEM;
    if (rc != SQLITE_OK)
        return rc;
    qsort(all, id_count, sizeof *all, compare);
    for (size_t i = 0; i < id_count; i++)
        if (kept > 0 && all[kept - 1].endpoint == all[i].endpoint)
            add_to(&all[kept - 1].standing, &all[i].standing);
        else if (all[i].endpoint != 0) /* deleted meanwhile */
            all[kept++] = all[i];
    *count = kept;
    return SQLITE_OK;
}

static int fill_destination(struct sqlite_reader *reader, uint64_t application,
                            struct destination_row *row)
{
    sqlite3_stmt *statement = reader->statements[READ_RESOURCE];
    (void)sqlite3_bind_int(statement, 1, (int)RESOURCE_ENDPOINT);
    bind_id(statement, 2, application);
    bind_id(statement, 3, row->endpoint);
    row->resource = (struct resource){.kind = RESOURCE_ENDPOINT, .owner = application};
    int rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW)
        rc = sqlite_resource_of(statement, &row->resource) ? SQLITE_DONE : SQLITE_NOMEM;
    (void)sqlite3_reset(statement);
    if (rc != SQLITE_DONE)
        return rc;
    statement = reader->statements[READ_SENT_URL];
    bind_id(statement, 1, row->endpoint);
    rc = sqlite3_step(statement);
    row->url = rc == SQLITE_ROW ? column_copy(statement, 0) : NULL;
    (void)sqlite3_reset(statement);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static bool is_in_range(const struct store_list_destinations *list, uint64_t endpoint)
{
    const struct store_list_query *query = &list->query;
    return (list->endpoint == 0 || endpoint == list->endpoint) &&
           (query->before == 0 || endpoint < query->before) && endpoint > query->after;
}

static int add_destination(struct sqlite_reader *reader, struct store_list_destinations *list,
                           const struct target *target)
{
    struct destination_row *rows = array_grow(list->rows, list->row_count, sizeof *rows);
    if (!rows)
        return SQLITE_NOMEM;
    list->rows = rows;
    struct destination_row *row = &rows[list->row_count++];
    *row = (struct destination_row){
        .endpoint = target->endpoint,
        .state = state_of(&target->standing),
        .next_ms = target->standing.next_ms,
    };
    return fill_destination(reader, list->application, row);
}

int sqlite_list_destinations(struct sqlite_reader *reader, struct store_list_destinations *list)
{
    const struct published_filter filter = {.application = list->application};
    struct target *targets = NULL;
    size_t count = 0;
    int rc = sqlite_find_wanted(reader, list->event, &filter);
    if (rc == SQLITE_DONE)
        list->read.status = E_NOTFOUND;
    if (rc != SQLITE_ROW)
        return rc == SQLITE_DONE ? SQLITE_OK : rc;
    rc = read_targets(reader, published_message(list->event), &targets, &count);
    list->is_end = true;
    for (size_t i = 0; i < count && rc == SQLITE_OK; i++) {
        const struct target *target = &targets[list->query.is_backward ? i : count - 1 - i];
        if (!is_in_range(list, target->endpoint))
            continue;
        list->is_end = list->row_count < list->query.limit;
        if (!list->is_end)
            break;
        rc = add_destination(reader, list, target);
    }
    free(targets);
    return rc;
}

/* ---- By endpoint ----------------------------------------------------------------------------- */

/* *is_there: it went to the endpoint. */
static int read_standing(struct sqlite_reader *reader, uint64_t endpoint, uint64_t message,
                         struct standing *standing, bool *is_there)
{
    sqlite3_stmt *statement = reader->statements[READ_STANDING];
    bind_id(statement, 1, endpoint);
    bind_id(statement, 2, message);
    const int rc = sqlite3_step(statement);
    *standing = (struct standing){
        .has_succeeded = sqlite3_column_int(statement, 0) != 0,
        .retrying = (size_t)sqlite3_column_int64(statement, 1),
        .pending = (size_t)sqlite3_column_int64(statement, 2),
        .next_ms = sqlite3_column_int64(statement, 3),
    };
    *is_there = sqlite3_column_int(statement, 4) > 0;
    (void)sqlite3_reset(statement);
    return rc == SQLITE_ROW ? SQLITE_OK : rc;
}

/* Adds the message if it is wanted: SQLITE_ROW, or the error. */
static int look_at_message(struct sqlite_reader *reader, struct store_list_sent *list,
                           uint64_t message)
{
    struct standing standing;
    bool is_there = false;
    if (id_ordinal(message) != ID_ORDINAL_MAX) /* a copy, replayed under another id */
        return SQLITE_ROW;
    int rc = read_standing(reader, list->endpoint, message, &standing, &is_there);
    if (rc != SQLITE_OK)
        return rc;
    const enum sent_state state = state_of(&standing);
    if (!is_there || (list->query.state >= 0 && (int)state != list->query.state))
        return SQLITE_ROW;
    struct sent_row *rows = array_grow(list->rows, list->row_count, sizeof *rows);
    if (!rows)
        return SQLITE_NOMEM;
    list->rows = rows;
    struct sent_row *row = &rows[list->row_count];
    rc = sqlite_read_published(reader, id_event_of(message), &list->filter, &row->published);
    row->state = state;
    row->next_ms = standing.next_ms;
    list->row_count += rc == SQLITE_ROW;
    return rc == SQLITE_DONE ? SQLITE_ROW : rc;
}

/* A message may be in two ways: one of its deliveries died, another was cancelled. */
static int look_at_sent(struct sqlite_reader *reader, struct walk *walk)
{
    struct store_list_sent *list = walk->list;
    if (walk->id == list->last)
        return SQLITE_ROW;
    list->last = walk->id;
    return look_at_message(reader, list, walk->id);
}

static int look_at_event(struct sqlite_reader *reader, struct walk *walk)
{
    return look_at_message(reader, walk->list, published_message(walk->id));
}

static const enum delivery_state failed_states[] = {DELIVERY_RETRYING, DELIVERY_DEAD,
                                                    DELIVERY_CANCELLED};

/* What is to be tried again has the first way alone. */
static void bind_failed(sqlite3_stmt *seek, size_t way, const void *ctx)
{
    const struct store_list_sent *list = ctx;
    bind_id(seek, 3, list->endpoint);
    (void)sqlite3_bind_int(seek, 4, (int)failed_states[way + (list->query.state == SENT_FAILED)]);
}

/* ---- Which messages are looked at ------------------------------------------------------------ */

/* The next span that counts one of the state. SQLITE_DONE: there is none. */
static int find_span(struct sqlite_reader *reader, const struct store_list_sent *list, uint64_t low,
                     uint64_t high, uint64_t *span)
{
    sqlite3_stmt *statement =
        reader->statements[list->query.is_backward ? READ_SENT_SPAN_BACKWARD : READ_SENT_SPAN];
    if (low >= high)
        return SQLITE_DONE;
    bind_id(statement, 1, list->endpoint);
    bind_id(statement, 2, (high - 1) >> SENT_SPAN_BITS);
    bind_id(statement, 3, low >> SENT_SPAN_BITS);
    (void)sqlite3_bind_int(statement, 4, list->query.state == SENT_PENDING);
    const int rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW)
        *span = column_id(statement, 0);
    (void)sqlite3_reset(statement);
    return rc;
}

static uint64_t greater(uint64_t a, uint64_t b)
{
    return a > b ? a : b;
}

static uint64_t less(uint64_t a, uint64_t b)
{
    return a < b ? a : b;
}

/* Messages of query, which are bounds of messages. */
static int walk_messages(struct sqlite_reader *reader, const struct store_list_sent *list,
                         const struct store_list_query *query, struct walk *walk)
{
    walk->query = query;
    walk->statement =
        reader->statements[query->is_backward ? READ_LIST_SENT_BACKWARD : READ_LIST_SENT];
    sqlite_bind_range(walk->statement, query);
    bind_id(walk->statement, 3, list->endpoint);
    return sqlite_walk(reader, walk);
}

/* The same where the state is counted. */
static int walk_spans(struct sqlite_reader *reader, const struct store_list_sent *list,
                      const struct store_list_query *query, struct walk *walk)
{
    struct store_list_query part = *query;
    uint64_t low = query->after + 1;
    uint64_t high = query->before ? query->before : INT64_MAX;
    walk->start_ns = (int64_t)uv_hrtime();
    for (;;) {
        uint64_t span = 0;
        int rc = find_span(reader, list, low, high, &span);
        walk->is_end = rc == SQLITE_DONE;
        if (rc != SQLITE_ROW || list->row_count == query->limit ||
            sqlite_is_time_up(walk->start_ns, 0))
            return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
        part.after = greater(low, span << SENT_SPAN_BITS) - 1;
        part.before = less(high, (span + 1) << SENT_SPAN_BITS);
        rc = walk_messages(reader, list, &part, walk);
        if (rc != SQLITE_OK || !walk->is_end)
            return rc;
        if (query->is_backward)
            low = part.before;
        else
            high = part.after + 1;
    }
}

static int walk_failed(struct sqlite_reader *reader, const struct store_list_sent *list,
                       const struct store_list_query *query, struct walk *walk)
{
    struct merge merge = {
        .seek =
            reader->statements[query->is_backward ? READ_NEXT_FAILED_BACKWARD : READ_NEXT_FAILED],
        .bind_way = bind_failed,
        .ctx = list,
        .way_count = query->state == SENT_FAILED ? 2 : 1,
    };
    walk->query = query;
    walk->merge = &merge;
    return sqlite_walk(reader, walk);
}

int sqlite_list_sent(struct sqlite_reader *reader, struct store_list_sent *list)
{
    struct store_list_query messages = list->query;
    struct merge types;
    struct walk walk = {.look = look_at_sent, .list = list, .row_count = &list->row_count};
    int rc;
    if (list->query.after)
        messages.after = published_message(list->query.after);
    if (sqlite_merge_types(reader, &list->filter, list->query.is_backward, &types)) {
        walk.query = &list->query;
        walk.merge = &types;
        walk.look = look_at_event;
        rc = sqlite_walk(reader, &walk);
    } else if (list->query.state == SENT_FAILED || list->query.state == SENT_AGAIN) {
        rc = walk_failed(reader, list, &messages, &walk);
    } else if (list->query.state >= 0) {
        rc = walk_spans(reader, list, &messages, &walk);
    } else {
        rc = walk_messages(reader, list, &messages, &walk);
    }
    list->last = id_event_of(walk.last);
    list->is_end = walk.is_end;
    return rc;
}

/* ---- How many -------------------------------------------------------------------------------- */

static void count_one(sqlite3_stmt *walk, struct store_count_sent *count)
{
    const struct standing standing = {
        .has_succeeded = sqlite3_column_int(walk, 0) != 0,
        .retrying = (size_t)sqlite3_column_int64(walk, 1),
        .pending = (size_t)sqlite3_column_int64(walk, 2),
    };
    const enum sent_state state = state_of(&standing);
    if (state == SENT_FAILED && sqlite3_column_int64(walk, 3) > 0)
        count->cancelled++;
    else
        count->counts[state]++;
    count->next = column_id(walk, 4) + 1;
}

/* Of messages from low up to high. *left: so many may be looked at; 0: it may go on. */
static int count_each(struct sqlite_reader *reader, struct store_count_sent *count, uint64_t low,
                      uint64_t high, size_t *left)
{
    sqlite3_stmt *walk = reader->statements[READ_COUNT_SENT];
    int rc = SQLITE_DONE;
    bind_id(walk, 1, count->endpoint);
    bind_id(walk, 2, low);
    bind_id(walk, 3, high);
    while (low<high && * left> 0 && (rc = sqlite3_step(walk)) == SQLITE_ROW) {
        count_one(walk, count);
        --*left;
    }
    (void)sqlite3_reset(walk);
    return rc == SQLITE_DONE || rc == SQLITE_ROW ? SQLITE_OK : rc;
}

static int add_counted(struct sqlite_reader *reader, struct store_count_sent *count, uint64_t first,
                       uint64_t end)
{
    sqlite3_stmt *statement = reader->statements[READ_SENT_COUNTS];
    bind_id(statement, 1, count->endpoint);
    bind_id(statement, 2, first);
    bind_id(statement, 3, end);
    const int rc = sqlite3_step(statement);
    for (int i = 0; rc == SQLITE_ROW && i < (int)SENT_STATE_COUNT; i++)
        count->counts[i] += column_id(statement, i);
    if (rc == SQLITE_ROW)
        count->cancelled += column_id(statement, SENT_COUNT_CANCELLED);
    (void)sqlite3_reset(statement);
    return rc == SQLITE_ROW ? SQLITE_OK : rc;
}

int sqlite_count_sent(struct sqlite_reader *reader, struct store_count_sent *count)
{
    const uint64_t from = count->after ? published_message(count->after) + 1 : 0;
    const uint64_t high = count->before ? count->before : INT64_MAX;
    const uint64_t low = count->next ? count->next : from;
    const uint64_t end = high >> SENT_SPAN_BITS;
    const uint64_t first = low == 0 ? 0 : ((low - 1) >> SENT_SPAN_BITS) + 1;
    size_t left = count->look_max;
    int rc;
    if (first >= end) {
        rc = count_each(reader, count, low, high, &left);
    } else {
        rc = count_each(reader, count, low, first << SENT_SPAN_BITS, &left);
        if (rc == SQLITE_OK && left > 0) {
            rc = add_counted(reader, count, first, end);
            count->next = end << SENT_SPAN_BITS;
        }
        if (rc == SQLITE_OK && left > 0)
            rc = count_each(reader, count, end << SENT_SPAN_BITS, high, &left);
    }
    count->is_end = left > 0;
    return rc;
}
