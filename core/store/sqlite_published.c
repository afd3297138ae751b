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

int sqlite_insert_published(struct sqlite_engine *engine, const struct event *event,
                            const struct published *published)
{
    sqlite3_stmt *statement = engine->statements[SQL_PUBLISHED_INSERT];
    bind_id(statement, 1, event->id);
    bind_id(statement, 2, published->application);
    bind_text_or_null(statement, 3, published->uid);
    bind_text_or_null(statement, 4, published->channels);
    bind_text_or_null(statement, 5, published->tags);
    (void)sqlite3_bind_int64(statement, 6, published->payload_until_ms);
    bind_text(statement, 7, published_type(event->type));
    return sqlite_run(engine, SQL_PUBLISHED_INSERT);
}

int sqlite_put_published(struct sqlite_engine *engine, const struct store_ingest *ingest)
{
    const uint64_t id = ingest->event->id;
    const int rc = sqlite_insert_published(engine, ingest->event, ingest->published);
    static char nothing[] = "";
    const struct resource first = {.id = id, .body = nothing};
    return rc == SQLITE_OK && ingest->answer_key
               ? sqlite_put_answer(engine, ingest->answer_key, id_event_ms(id), &first)
               : rc;
}

/* ---- Read ------------------------------------------------------------------------------------ */

enum published_column {
    OF_ID,
    OF_APPLICATION,
    OF_UID,
    OF_CHANNELS,
    OF_TAGS,
    OF_UNTIL,
    OF_TYPE,
    OF_HEAD,
    OF_BODY
};

/* wanted: NULL: any. */
static bool has_name(const char *wanted, struct slice names)
{
    struct slice item;
    if (!wanted)
        return true;
    for (size_t offset = 0; names.len > 0 && json_next_item(names, &offset, &item);)
        if (slice_is(slice_of(item.data + 1, item.len - 2), wanted))
            return true;
    return false;
}

static bool has_type(const struct published_filter *filter, struct slice type)
{
    for (size_t i = 0; i < filter->type_count; i++)
        if (slice_equal(type, filter->types[i]))
            return true;
    return filter->type_count == 0;
}

/* False: no memory. */
static bool read_payload(sqlite3_stmt *statement, struct published_row *row)
{
    struct slice raw;
    const bool is_kept = sqlite3_column_type(statement, OF_UNTIL) != SQLITE_NULL;
    const bool is_raw = is_kept && head_find(column_blob(statement, OF_HEAD), PUBLISHED_RAW, &raw);
    if (is_raw)
        row->payload = strdup(RAW_SHOWN);
    else
        row->payload = column_copy(statement, OF_BODY);
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
    *row = (struct published_row){
        .id = column_id(statement, OF_ID),
        .what = {.application = column_id(statement, OF_APPLICATION),
                 .uid = column_copy(statement, OF_UID),
                 .channels = column_copy(statement, OF_CHANNELS),
                 .tags = column_copy(statement, OF_TAGS),
                 .payload_until_ms = sqlite3_column_int64(statement, OF_UNTIL)},
        .type = column_copy(statement, OF_TYPE),
    };
    const bool is_whole = is_copied(statement, OF_UID, row->what.uid) &&
                          is_copied(statement, OF_CHANNELS, row->what.channels) &&
                          is_copied(statement, OF_TAGS, row->what.tags) && row->type;
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

int sqlite_read_published(struct sqlite_reader *reader, uint64_t event,
                          const struct published_filter *filter, struct published_row *row)
{
    sqlite3_stmt *statement = reader->statements[READ_PUBLISHED];
    bind_id(statement, 1, filter->application);
    bind_id(statement, 2, event);
    int rc = sqlite3_step(statement);
    *row = (struct published_row){0};
    if (rc == SQLITE_ROW && !(has_name(filter->channel, column_text(statement, OF_CHANNELS)) &&
                              has_name(filter->tag, column_text(statement, OF_TAGS)) &&
                              has_type(filter, column_text(statement, OF_TYPE))))
        rc = SQLITE_DONE;
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
    sqlite3_stmt *statement = reader->statements[READ_PUBLISHED_WANTED];
    bind_id(statement, 1, filter->application);
    bind_id(statement, 2, event);
    int rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW && !(has_name(filter->channel, column_text(statement, 0)) &&
                              has_type(filter, column_text(statement, 1)) &&
                              has_name(filter->tag, column_text(statement, 2))))
        rc = SQLITE_DONE;
    (void)sqlite3_reset(statement);
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

/* ---- Lists ----------------------------------------------------------------------------------- */

static void bind_type(sqlite3_stmt *seek, size_t way, const void *ctx)
{
    const struct published_filter *filter = ctx;
    bind_id(seek, 3, filter->application);
    bind_text(seek, 4, filter->types[way]);
}

bool sqlite_merge_types(struct sqlite_reader *reader, const struct published_filter *filter,
                        bool is_backward, struct merge *merge)
{
    merge->seek = reader->statements[is_backward ? READ_NEXT_OF_TYPE_BACKWARD : READ_NEXT_OF_TYPE];
    merge->bind_way = bind_type;
    merge->ctx = filter;
    merge->way_count = filter->type_count;
    return filter->type_count > 0 && filter->type_count <= MERGE_WAYS_MAX;
}

/* Of the walk through all of them, which has the whole row. */
static int look_at_row(struct sqlite_reader *reader, struct walk *walk)
{
    struct store_list_published *list = walk->list;
    (void)reader;
    if (!has_type(&list->filter, column_text(walk->statement, OF_TYPE)))
        return SQLITE_ROW;
    return add_row(walk->statement, list);
}

/* Of walks through an index: the row is read if it is wanted. */
static int look_at_id(struct sqlite_reader *reader, struct walk *walk)
{
    struct store_list_published *list = walk->list;
    if (!walk->merge && !has_name(list->filter.channel, column_text(walk->statement, 1)))
        return SQLITE_ROW;
    struct published_row *rows = array_grow(list->rows, list->row_count, sizeof *rows);
    if (!rows)
        return SQLITE_NOMEM;
    list->rows = rows;
    const int rc = sqlite_read_published(reader, walk->id, &list->filter, &rows[list->row_count]);
    list->row_count += rc == SQLITE_ROW;
    return rc == SQLITE_DONE ? SQLITE_ROW : rc;
}

int sqlite_list_published(struct sqlite_reader *reader, struct store_list_published *list)
{
    static const enum read_sql walks[2][2] = {
        {READ_LIST_PUBLISHED, READ_LIST_PUBLISHED_BACKWARD},
        {READ_LIST_CHANNELS, READ_LIST_CHANNELS_BACKWARD},
    };
    if (list->only || list->only_uid)
        return get_published(reader, list);
    const bool is_backward = list->query.is_backward;
    const bool has_names = list->filter.channel || list->filter.tag;
    struct merge merge;
    struct walk walk = {.query = &list->query,
                        .look = has_names ? look_at_id : look_at_row,
                        .list = list,
                        .row_count = &list->row_count};
    if (sqlite_merge_types(reader, &list->filter, is_backward, &merge)) {
        walk.merge = &merge;
        walk.look = look_at_id;
    } else {
        walk.statement = reader->statements[walks[has_names][is_backward]];
        sqlite_bind_range(walk.statement, &list->query);
        bind_id(walk.statement, 3, list->filter.application);
    }
    const int rc = sqlite_walk(reader, &walk);
    list->last = walk.last;
    list->is_end = walk.is_end;
    return rc;
}
