/* SPDX-License-Identifier: MIT */
/* The rows of what was published over the API: written on the store thread, inside a group; read by
 * reader threads. */
#include "store/sqlite_published_int.h"

#include "base/json.h"
#include "base/limits.h"

#include <stdlib.h>

#define RAW_SHOWN "{}" /* of a payload that is no JSON of the caller's */

/* ---- Written --------------------------------------------------------------------------------- */

static int find_taken(struct sqlite_engine *it, struct store_ingest *ingest)
{
    const struct published *published = ingest->published;
    sqlite3_stmt *statement = it->statements[SQL_PUBLISHED_OF_UID];
    bind_id(statement, 1, published->application);
    bind_text(statement, 2, slice_str(published->uid));
    const int rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW)
        ingest->op.status = E_CONFLICT;
    (void)sqlite3_reset(statement);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int sqlite_find_published(struct sqlite_engine *engine, struct store_ingest *ingest)
{
    struct resource first = {0};
    int rc = SQLITE_OK;
    if (ingest->answer_key)
        rc = sqlite_find_answer(engine, ingest->answer_key, id_event_ms(ingest->event->id), &first,
                                &ingest->is_duplicate);
    ingest->duplicate_of = first.id;
    resource_finish(&first);
    return rc == SQLITE_OK && !ingest->is_duplicate && ingest->published->uid
               ? find_taken(engine, ingest)
               : rc;
}

int sqlite_insert_published(struct sqlite_engine *engine, uint64_t id,
                            const struct published *published)
{
    sqlite3_stmt *statement = engine->statements[SQL_PUBLISHED_INSERT];
    bind_id(statement, 1, id);
    bind_id(statement, 2, published->application);
    bind_text_or_null(statement, 3, published->uid);
    bind_text_or_null(statement, 4, published->channels);
    bind_text_or_null(statement, 5, published->tags);
    (void)sqlite3_bind_int64(statement, 6, published->payload_until_ms);
    return sqlite_run(engine, SQL_PUBLISHED_INSERT);
}

int sqlite_put_published(struct sqlite_engine *engine, const struct store_ingest *ingest)
{
    const uint64_t id = ingest->event->id;
    const int rc = sqlite_insert_published(engine, id, ingest->published);
    static char nothing[] = "";
    const struct resource first = {.id = id, .body = nothing};
    return rc == SQLITE_OK && ingest->answer_key
               ? sqlite_put_answer(engine, ingest->answer_key, id_event_ms(id), &first)
               : rc;
}

/* ---- Read ------------------------------------------------------------------------------------ */

static bool has_channel(const struct published_filter *filter, sqlite3_stmt *statement)
{
    struct slice item;
    const struct slice channels = column_text(statement, 3);
    if (!filter->channel)
        return true;
    for (size_t offset = 0; channels.len > 0 && json_next_item(channels, &offset, &item);)
        if (slice_is(slice_of(item.data + 1, item.len - 2), filter->channel))
            return true;
    return false;
}

static bool has_type(const struct published_filter *filter, sqlite3_stmt *statement)
{
    const struct slice type = published_type(column_text(statement, 6));
    for (size_t i = 0; i < filter->type_count; i++)
        if (slice_equal(type, filter->types[i]))
            return true;
    return filter->type_count == 0;
}

/* False: no memory. */
static bool read_payload(sqlite3_stmt *statement, struct published_row *row)
{
    struct slice raw;
    const bool is_kept = sqlite3_column_type(statement, 5) != SQLITE_NULL;
    const bool is_raw = is_kept && head_find(column_blob(statement, 7), PUBLISHED_RAW, &raw);
    if (is_raw)
        row->payload = strdup(RAW_SHOWN);
    else
        row->payload = column_copy(statement, 8);
    if (row->payload)
        row->payload_len = strlen(row->payload);
    return row->payload != NULL;
}

static bool is_copied(sqlite3_stmt *statement, int column, const char *copy)
{
    return copy || sqlite3_column_type(statement, column) == SQLITE_NULL;
}

/* SQLITE_ROW, or no memory. */
static int fill_row(sqlite3_stmt *statement, bool with_payload, struct published_row *row)
{
    const struct slice type = published_type(column_text(statement, 6));
    *row = (struct published_row){
        .id = column_id(statement, 0),
        .what = {.application = column_id(statement, 1),
                 .uid = column_copy(statement, 2),
                 .channels = column_copy(statement, 3),
                 .tags = column_copy(statement, 4),
                 .payload_until_ms = sqlite3_column_int64(statement, 5)},
        .type = strndup(type.data, type.len),
    };
    const bool is_whole = is_copied(statement, 2, row->what.uid) &&
                          is_copied(statement, 3, row->what.channels) &&
                          is_copied(statement, 4, row->what.tags) && row->type;
    return is_whole && (!with_payload || read_payload(statement, row)) ? SQLITE_ROW : SQLITE_NOMEM;
}

static int add_row(sqlite3_stmt *statement, struct store_list_published *list)
{
    struct published_row *rows = array_grow(list->rows, list->row_count, sizeof *rows);
    if (!rows)
        return SQLITE_NOMEM;
    list->rows = rows;
    return fill_row(statement, list->filter.with_payload, &rows[list->row_count++]);
}

/* Stands on the event if the filter wants it: SQLITE_ROW. The caller resets. */
static int stand_on(struct sqlite_reader *reader, uint64_t event,
                    const struct published_filter *filter)
{
    sqlite3_stmt *statement = reader->statements[READ_PUBLISHED];
    bind_id(statement, 1, filter->application);
    bind_id(statement, 2, event);
    const int rc = sqlite3_step(statement);
    const bool is_wanted =
        rc == SQLITE_ROW && has_channel(filter, statement) && has_type(filter, statement);
    return rc == SQLITE_ROW && !is_wanted ? SQLITE_DONE : rc;
}

int sqlite_read_published(struct sqlite_reader *reader, uint64_t event,
                          const struct published_filter *filter, struct published_row *row)
{
    sqlite3_stmt *statement = reader->statements[READ_PUBLISHED];
    int rc = stand_on(reader, event, filter);
    *row = (struct published_row){0};
    if (rc == SQLITE_ROW)
        rc = fill_row(statement, filter->with_payload, row);
    if (rc == SQLITE_NOMEM)
        published_row_finish(row);
    (void)sqlite3_reset(statement);
    return rc;
}

int sqlite_find_wanted(struct sqlite_reader *reader, uint64_t event,
                       const struct published_filter *filter)
{
    const int rc = stand_on(reader, event, filter);
    (void)sqlite3_reset(reader->statements[READ_PUBLISHED]);
    return rc;
}

static int get_one(sqlite3_stmt *statement, struct store_list_published *list)
{
    int rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW)
        rc = add_row(statement, list);
    (void)sqlite3_reset(statement);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int get_published(struct sqlite_reader *reader, struct store_list_published *list)
{
    int rc = SQLITE_OK;
    if (list->only) {
        sqlite3_stmt *statement = reader->statements[READ_PUBLISHED];
        bind_id(statement, 1, list->filter.application);
        bind_id(statement, 2, list->only);
        rc = get_one(statement, list);
    }
    if (rc == SQLITE_OK && list->row_count == 0 && list->only_uid) {
        sqlite3_stmt *statement = reader->statements[READ_PUBLISHED_OF_UID];
        bind_id(statement, 1, list->filter.application);
        bind_text(statement, 2, slice_str(list->only_uid));
        rc = get_one(statement, list);
    }
    list->read.status = list->row_count > 0 ? OK : E_NOTFOUND;
    return rc;
}

int sqlite_list_published(struct sqlite_reader *reader, struct store_list_published *list)
{
    if (list->only || list->only_uid)
        return get_published(reader, list);
    sqlite3_stmt *walk = reader->statements[list->query.is_backward ? READ_LIST_PUBLISHED_BACKWARD
                                                                    : READ_LIST_PUBLISHED];
    const int64_t start_ns = (int64_t)uv_hrtime();
    bind_id(walk, 1, list->filter.application);
    bind_id(walk, 2, list->query.before ? list->query.before : INT64_MAX);
    bind_id(walk, 3, list->query.after);
    int rc = SQLITE_ROW;
    for (size_t rows = 1; list->row_count < list->query.limit; rows++) {
        rc = sqlite3_step(walk);
        if (rc != SQLITE_ROW)
            break;
        list->last = column_id(walk, 0);
        if (has_channel(&list->filter, walk) && has_type(&list->filter, walk))
            rc = add_row(walk, list);
        if (rc != SQLITE_ROW || sqlite_is_time_up(start_ns, rows))
            break;
    }
    if (rc == SQLITE_ROW && list->row_count == list->query.limit)
        rc = sqlite3_step(walk);
    (void)sqlite3_reset(walk);
    list->is_end = rc == SQLITE_DONE;
    return rc == SQLITE_DONE || rc == SQLITE_ROW ? SQLITE_OK : rc;
}
