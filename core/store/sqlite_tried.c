/* SPDX-License-Identifier: MIT */
/* Attempts of what was published, by endpoint and by message. Reader threads. */
#include "store/sqlite_published_int.h"

#include <stdlib.h>

/* As the API counts: a failed one is to be repeated, or is the end. */
static enum sent_state state_of(enum delivery_state state)
{
    if (state == DELIVERY_SUCCEEDED)
        return SENT_SUCCESS;
    return state < DELIVERY_SUCCEEDED ? SENT_AGAIN : SENT_FAILED;
}

static bool is_wanted(const struct store_list_tried *list, sqlite3_stmt *statement)
{
    const int status = sqlite3_column_int(statement, 4);
    const enum sent_state state = state_of((enum delivery_state)sqlite3_column_int(statement, 5));
    const int64_t started_ms = sqlite3_column_int64(statement, 6);
    return started_ms >= list->from_ms && (list->before_ms == 0 || started_ms < list->before_ms) &&
           (list->endpoint == 0 || column_id(statement, 2) == list->endpoint) &&
           (list->query.state < 0 || (int)state == list->query.state) &&
           (list->class_to == 0 || (status >= list->class_from && status <= list->class_to));
}

/* Adds the attempt that the statement stands on, if it is wanted. SQLITE_ROW, or the error. */
static int look_at(struct sqlite_reader *reader, sqlite3_stmt *statement,
                   struct store_list_tried *list)
{
    const uint64_t event = id_event_of(column_id(statement, 1));
    if (!is_wanted(list, statement))
        return SQLITE_ROW;
    const int found = sqlite_find_wanted(reader, event, &list->filter);
    if (found != SQLITE_ROW)
        return found == SQLITE_DONE ? SQLITE_ROW : found;
    struct tried_row *rows = array_grow(list->rows, list->row_count, sizeof *rows);
    if (!rows)
        return SQLITE_NOMEM;
    list->rows = rows;
    struct tried_row *row = &rows[list->row_count++];
    *row = (struct tried_row){
        .id = column_id(statement, 0),
        .event = event,
        .endpoint = column_id(statement, 2),
        .url = column_copy(statement, 3),
        .status = sqlite3_column_int(statement, 4),
        .state = (enum delivery_state)sqlite3_column_int(statement, 5),
        .started_ms = sqlite3_column_int64(statement, 6),
        .duration_ms = sqlite3_column_int64(statement, 7),
        .is_manual = sqlite3_column_int(statement, 9) != 0,
        .error = (enum attempt_error)sqlite3_column_int(statement, 10),
    };
    if (list->filter.with_payload) {
        row->body = column_copy(statement, 8);
        row->body_len = column_blob(statement, 8).len;
    }
    return SQLITE_ROW;
}

static int read_one(struct sqlite_reader *reader, struct store_list_tried *list, uint64_t id)
{
    sqlite3_stmt *statement = reader->statements[READ_TRIED];
    bind_id(statement, 1, id);
    int rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW)
        rc = look_at(reader, statement, list);
    (void)sqlite3_reset(statement);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* ---- Of a message ---------------------------------------------------------------------------- */

struct attempt_ids {
    uint64_t *rows; /* owned */
    size_t count;
};

/* *value: the first column; 0: there is no such row. */
static int read_id(struct sqlite_reader *reader, enum read_sql which, uint64_t id, uint64_t *value)
{
    sqlite3_stmt *statement = reader->statements[which];
    bind_id(statement, 1, id);
    const int rc = sqlite3_step(statement);
    *value = rc == SQLITE_ROW ? column_id(statement, 0) : 0;
    (void)sqlite3_reset(statement);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int add_attempts(struct sqlite_reader *reader, uint64_t delivery, struct attempt_ids *ids)
{
    uint64_t attempt = 0;
    int rc = read_id(reader, READ_DELIVERY_ATTEMPT, delivery, &attempt);
    while (rc == SQLITE_OK && attempt != 0) {
        uint64_t *rows = array_grow(ids->rows, ids->count, sizeof *rows);
        if (!rows)
            return SQLITE_NOMEM;
        ids->rows = rows;
        rows[ids->count++] = attempt;
        rc = read_id(reader, READ_PREVIOUS_ATTEMPT, attempt, &attempt);
    }
    return rc;
}

static int compare(const void *a, const void *b)
{
    const uint64_t left = *(const uint64_t *)a;
    const uint64_t right = *(const uint64_t *)b;
    return (left > right) - (left < right);
}

/* All attempts of the message, in the order of their ids. */
static int read_ids(struct sqlite_reader *reader, uint64_t event, struct attempt_ids *ids)
{
    uint64_t *deliveries;
    size_t count;
    int rc = sqlite_message_deliveries(reader, published_message(event), &deliveries, &count);
    for (size_t i = 0; i < count && rc == SQLITE_OK; i++)
        rc = add_attempts(reader, deliveries[i], ids);
    free(deliveries);
    if (ids->count > 0)
        qsort(ids->rows, ids->count, sizeof *ids->rows, compare);
    return rc;
}

static int list_of_message(struct sqlite_reader *reader, struct store_list_tried *list)
{
    const struct store_list_query *query = &list->query;
    struct attempt_ids ids = {0};
    const struct published_filter any = {.application = list->filter.application};
    int rc = sqlite_find_wanted(reader, list->event, &any);
    if (rc == SQLITE_DONE)
        list->read.status = E_NOTFOUND;
    if (rc != SQLITE_ROW)
        return rc == SQLITE_DONE ? SQLITE_OK : rc;
    rc = read_ids(reader, list->event, &ids);
    list->is_end = true;
    for (size_t i = 0; i < ids.count && rc == SQLITE_OK; i++) {
        const uint64_t id = ids.rows[query->is_backward ? i : ids.count - 1 - i];
        if ((query->before != 0 && id >= query->before) || id <= query->after)
            continue;
        const size_t count = list->row_count;
        rc = read_one(reader, list, id);
        list->is_end = list->row_count <= query->limit;
        if (list->is_end)
            continue;
        /* One more than was asked for tells that it goes on. */
        list->row_count = count;
        free(list->rows[count].url);
        free(list->rows[count].body);
        break;
    }
    free(ids.rows);
    return rc;
}

/* ---- Of an endpoint -------------------------------------------------------------------------- */

/* What an attempt leads to, and classes of statuses; class 0 is of those without an answer. */
static const enum delivery_state states[] = {DELIVERY_PENDING, DELIVERY_RETRYING,
                                             DELIVERY_SUCCEEDED, DELIVERY_DEAD, DELIVERY_CANCELLED};
#define CLASSES 10u /* a status has three digits */

struct tried_ways {
    uint64_t endpoint;
    size_t count;
    struct {
        int state, class;
    } rows[array_count(states) * CLASSES];
};

static void find_ways(const struct store_list_tried *list, struct tried_ways *ways)
{
    const bool is_any = list->class_to == 0;
    const unsigned class_from = is_any ? 0 : (unsigned)list->class_from / 100;
    const unsigned class_to = is_any ? CLASSES - 1 : (unsigned)list->class_to / 100;
    ways->endpoint = list->endpoint;
    ways->count = 0;
    for (size_t i = 0; i < array_count(states); i++) {
        if (list->query.state >= 0 && (int)state_of(states[i]) != list->query.state)
            continue;
        for (unsigned class = class_from; class <= class_to; class ++) {
            ways->rows[ways->count].state = (int)states[i];
            ways->rows[ways->count++].class = (int)class;
        }
    }
}

static void bind_way(sqlite3_stmt *seek, size_t way, const void *ctx)
{
    const struct tried_ways *ways = ctx;
    bind_id(seek, 3, ways->endpoint);
    (void)sqlite3_bind_int(seek, 4, ways->rows[way].state);
    (void)sqlite3_bind_int(seek, 5, ways->rows[way].class);
}

static int look_at_attempt(struct sqlite_reader *reader, struct walk *walk)
{
    const int rc = read_one(reader, walk->list, walk->id);
    return rc == SQLITE_OK ? SQLITE_ROW : rc;
}

static int list_of_endpoint(struct sqlite_reader *reader, struct store_list_tried *list)
{
    const bool is_backward = list->query.is_backward;
    struct tried_ways ways;
    find_ways(list, &ways);
    struct merge merge = {
        .seek = reader->statements[is_backward ? READ_NEXT_TRIED_BACKWARD : READ_NEXT_TRIED],
        .bind_way = bind_way,
        .ctx = &ways,
        .way_count = ways.count,
    };
    struct walk walk = {.query = &list->query,
                        .merge = &merge,
                        .look = look_at_attempt,
                        .list = list,
                        .row_count = &list->row_count};
    const int rc = sqlite_walk(reader, &walk);
    list->last = walk.last;
    list->is_end = walk.is_end;
    return rc;
}

static int get_one(struct sqlite_reader *reader, struct store_list_tried *list)
{
    const int rc = read_one(reader, list, list->only);
    if (rc == SQLITE_OK && (list->row_count == 0 || list->rows[0].event != list->event))
        list->read.status = E_NOTFOUND;
    return rc;
}

int sqlite_list_tried(struct sqlite_reader *reader, struct store_list_tried *list)
{
    if (list->only != 0)
        return get_one(reader, list);
    return list->event != 0 ? list_of_message(reader, list) : list_of_endpoint(reader, list);
}
