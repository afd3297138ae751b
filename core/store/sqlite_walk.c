/* SPDX-License-Identifier: MIT */
#include "store/sqlite_walk_int.h"

/* So long a reader is held by one page: with what it takes to answer it is less than 5 ms. */
#define LOOK_NS INT64_C(4000000)
#define ROWS_PER_LOOK 64u

bool sqlite_is_time_up(int64_t start_ns, size_t rows)
{
    return rows % ROWS_PER_LOOK == 0 && (int64_t)uv_hrtime() - start_ns > LOOK_NS;
}

static uint64_t upper(const struct store_list_query *query)
{
    return query->before ? query->before : INT64_MAX;
}

void sqlite_bind_range(sqlite3_stmt *statement, const struct store_list_query *query)
{
    bind_id(statement, 1, upper(query));
    bind_id(statement, 2, query->after);
}

/* ---- Merged ways ----------------------------------------------------------------------------- */

static int seek(struct merge *merge, size_t way, uint64_t before, uint64_t after)
{
    bind_id(merge->seek, 1, before);
    bind_id(merge->seek, 2, after);
    merge->bind_way(merge->seek, way, merge->ctx);
    const int rc = sqlite3_step(merge->seek);
    merge->next[way] = rc == SQLITE_ROW ? column_id(merge->seek, 0) : 0;
    (void)sqlite3_reset(merge->seek);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int run(struct sqlite_reader *reader, enum read_sql which)
{
    const int rc = sqlite3_step(reader->statements[which]);
    (void)sqlite3_reset(reader->statements[which]);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

/* As of one commit, and one lock for all seeks. */
static int begin_merge(struct sqlite_reader *reader, const struct walk *walk)
{
    int rc = run(reader, READ_BEGIN);
    check(walk->merge->way_count <= MERGE_WAYS_MAX);
    for (size_t i = 0; i < walk->merge->way_count && rc == SQLITE_OK; i++)
        rc = seek(walk->merge, i, upper(walk->query), walk->query->after);
    return rc;
}

/* The way whose next comes first; way_count: all are over. */
static size_t first_way(const struct walk *walk)
{
    const struct merge *merge = walk->merge;
    size_t first = merge->way_count;
    for (size_t i = 0; i < merge->way_count; i++) {
        const uint64_t id = merge->next[i];
        if (id != 0 &&
            (first == merge->way_count || (id < merge->next[first]) == walk->query->is_backward))
            first = i;
    }
    return first;
}

static int next_merged(struct walk *walk)
{
    struct merge *merge = walk->merge;
    const size_t way = first_way(walk);
    if (way == merge->way_count)
        return SQLITE_DONE;
    const uint64_t id = merge->next[way];
    const bool is_up = walk->query->is_backward;
    const int rc =
        seek(merge, way, is_up ? upper(walk->query) : id, is_up ? id : walk->query->after);
    walk->id = id;
    return rc == SQLITE_OK ? SQLITE_ROW : rc;
}

/* ---- Walking --------------------------------------------------------------------------------- */

static int next(struct walk *walk)
{
    if (walk->merge)
        return next_merged(walk);
    const int rc = sqlite3_step(walk->statement);
    if (rc == SQLITE_ROW)
        walk->id = column_id(walk->statement, 0);
    return rc;
}

int sqlite_walk(struct sqlite_reader *reader, struct walk *walk)
{
    const int64_t start_ns = walk->start_ns ? walk->start_ns : (int64_t)uv_hrtime();
    const size_t limit = walk->query->limit;
    int rc = SQLITE_ROW;
    if (walk->merge) {
        const int begun = begin_merge(reader, walk);
        rc = begun == SQLITE_OK ? SQLITE_ROW : begun;
    }
    for (size_t rows = 1; rc == SQLITE_ROW && *walk->row_count < limit; rows++) {
        rc = next(walk);
        if (rc != SQLITE_ROW)
            break;
        walk->last = walk->id;
        rc = walk->look(reader, walk);
        if (rc != SQLITE_ROW || (!walk->is_whole && sqlite_is_time_up(start_ns, rows)))
            break;
    }
    /* Whether it goes on: a page that is full says so. */
    if (rc == SQLITE_ROW && *walk->row_count == limit)
        rc = next(walk);
    if (walk->merge)
        (void)run(reader, READ_END);
    else
        (void)sqlite3_reset(walk->statement);
    walk->is_end = rc == SQLITE_DONE;
    return rc == SQLITE_DONE || rc == SQLITE_ROW ? SQLITE_OK : rc;
}
