/* SPDX-License-Identifier: MIT */
/* Idempotency keys, from a full tail to a run, and a run's end: in slices that ride in groups
 * (dedupe_int.h explains). */
#include "store/sqlite_int.h"

#include "base/clock.h"

#include <stdlib.h>

#define RUN_AGE_MS INT64_C(3600000) /* a tail this old becomes a run before it is full … */
#define AGED_PART 32u               /* … when it has this part of its keys at least */
#define SLICE_PART 256u             /* of the keys of a run: less is not worth a page */
#define HASTE 8u /* slices at once, when nobody waits or the tail is full again */
/* Rows written for each key that comes: a merge ends before the next tail is full. */
#define ROWS_PER_KEY 2u
/* Rows of an expired run deleted for each event that retention may delete. */
#define EXPIRED_PER_EVENT 64u
/* An event commits a little after its id was made. */
#define EXPIRE_SLACK_MS 60000

static bool is_merging(const struct dedupe *dedupe)
{
    return dedupe->merge.tail.count > 0;
}

static size_t slice_rows(const struct dedupe *dedupe)
{
    return dedupe->run_keys / SLICE_PART + 1;
}

/* ---- Freeze ---------------------------------------------------------------------------------- */

static bool is_due(const struct dedupe *dedupe)
{
    const struct key_tail *tail = &dedupe->tail;
    if (tail->count >= dedupe->run_keys)
        return true;
    return tail->count > dedupe->run_keys / AGED_PART &&
           id_event_ms(tail->entries[0].event) <= clock_due_ms() - RUN_AGE_MS;
}

/* Without memory the tail waits: it is tried again after each group. */
void sqlite_merge_start(struct dedupe *dedupe)
{
    struct key_merge *merge = &dedupe->merge;
    if (is_merging(dedupe) || !is_due(dedupe))
        return;
    struct key_run *runs = array_grow(dedupe->runs, dedupe->run_count, sizeof *runs);
    if (!runs)
        return;
    dedupe->runs = runs;
    struct key_run run = {
        .number = dedupe->run_count ? runs[dedupe->run_count - 1].number + 1 : 1,
    };
    if (!key_filter_init(&run.filter, dedupe->tail.count))
        return;
    *merge = (struct key_merge){
        .tail = dedupe->tail,
        .last_seq = dedupe->synced_seq,
        .run = run,
        .sorted = merge->sorted,
        .sorted_room = merge->sorted_room,
    };
    dedupe->tail = (struct key_tail){0};
    dedupe->synced_count = 0;
}

/* ---- Slices ---------------------------------------------------------------------------------- */

static int compare(const void *left, const void *right)
{
    const struct key_entry *a = left;
    const struct key_entry *b = right;
    if (a->hash != b->hash)
        return a->hash < b->hash ? -1 : 1;
    return (a->event > b->event) - (a->event < b->event);
}

/* *count entries of the bucket in merge->sorted. False: no memory. */
static bool sort_bucket(struct key_merge *merge, size_t *count)
{
    *count = key_tail_bucket(&merge->tail, merge->bucket, merge->sorted, merge->sorted_room);
    if (*count > merge->sorted_room) {
        struct key_entry *sorted = realloc(merge->sorted, *count * sizeof *sorted);
        if (!sorted)
            return false;
        merge->sorted = sorted;
        merge->sorted_room = *count;
        (void)key_tail_bucket(&merge->tail, merge->bucket, sorted, *count);
    }
    if (*count > 1)
        qsort(merge->sorted, *count, sizeof *merge->sorted, compare);
    return true;
}

static int write_row(struct sqlite_engine *it, struct key_run *run, const struct key_entry *entry)
{
    sqlite3_stmt *statement = it->statements[SQL_DEDUPE_INSERT];
    const int64_t event_ms = id_event_ms(entry->event);
    key_filter_add(&run->filter, entry->hash);
    if (event_ms > run->newest_ms)
        run->newest_ms = event_ms;
    (void)sqlite3_bind_int64(statement, 1, run->number);
    (void)sqlite3_bind_int64(statement, 2, entry->hash);
    bind_id(statement, 3, entry->event);
    return sqlite_run(it, SQL_DEDUPE_INSERT);
}

static int write_slice(struct sqlite_engine *it, size_t rows)
{
    struct key_merge *merge = &it->dedupe.merge;
    const size_t bucket_count = key_tail_bucket_count(&merge->tail);
    for (size_t written = 0; written < rows && merge->bucket < bucket_count; merge->bucket++) {
        size_t count = 0;
        if (!sort_bucket(merge, &count))
            return SQLITE_NOMEM;
        for (size_t i = 0; i < count; i++) {
            const int rc = write_row(it, &merge->run, &merge->sorted[i]);
            if (rc != SQLITE_OK)
                return rc;
        }
        written += count;
    }
    merge->is_ending = merge->bucket == bucket_count;
    return SQLITE_OK;
}

/* From this group's commit on the run counts, and its part of the log is gone. */
static int end_merge(struct sqlite_engine *it)
{
    const struct key_merge *merge = &it->dedupe.merge;
    sqlite3_stmt *statement = it->statements[SQL_DEDUPE_RUN_INSERT];
    (void)sqlite3_bind_int64(statement, 1, merge->run.number);
    (void)sqlite3_bind_int64(statement, 2, merge->run.newest_ms);
    bind_blob(statement, 3, key_filter_bytes(&merge->run.filter));
    const int rc = sqlite_run(it, SQL_DEDUPE_RUN_INSERT);
    if (rc != SQLITE_OK)
        return rc;
    (void)sqlite3_bind_int64(it->statements[SQL_DEDUPE_LOG_DELETE], 1, merge->last_seq);
    return sqlite_run(it, SQL_DEDUPE_LOG_DELETE);
}

static void owe(struct dedupe *dedupe, size_t rows)
{
    if (dedupe->merge.owed < rows)
        dedupe->merge.owed = rows;
}

int sqlite_merge_write(struct sqlite_engine *engine)
{
    struct dedupe *dedupe = &engine->dedupe;
    struct key_merge *merge = &dedupe->merge;
    if (!is_merging(dedupe))
        return SQLITE_OK;
    merge->owed += ROWS_PER_KEY * (dedupe->tail.count - dedupe->synced_count);
    if (dedupe->tail.count >= dedupe->run_keys)
        owe(dedupe, HASTE * slice_rows(dedupe));
    if (merge->owed < slice_rows(dedupe))
        return SQLITE_OK;
    const int rc = write_slice(engine, merge->owed);
    merge->owed = 0;
    return rc == SQLITE_OK && merge->is_ending ? end_merge(engine) : rc;
}

/* ---- Expiry ---------------------------------------------------------------------------------- */

static const struct key_run *find_expired(const struct dedupe *dedupe)
{
    const int64_t before_ms = clock_due_ms() - dedupe->window_ms - EXPIRE_SLACK_MS;
    for (size_t i = 0; i < dedupe->run_count; i++)
        if (dedupe->runs[i].newest_ms < before_ms)
            return &dedupe->runs[i];
    return NULL;
}

int sqlite_dedupe_retain(struct sqlite_engine *engine, const struct store_retain_op *retain,
                         bool *is_end)
{
    struct dedupe *dedupe = &engine->dedupe;
    const struct key_run *run = find_expired(dedupe);
    const size_t rows = retain->count_max * EXPIRED_PER_EVENT;
    if (retain->is_idle && is_merging(dedupe))
        owe(dedupe, HASTE * slice_rows(dedupe));
    *is_end = !run && !(retain->is_idle && is_merging(dedupe));
    if (!run)
        return SQLITE_OK;
    sqlite3_stmt *statement = engine->statements[SQL_DEDUPE_EXPIRE];
    (void)sqlite3_bind_int64(statement, 1, run->number);
    (void)sqlite3_bind_int64(statement, 2, (int64_t)rows);
    const int rc = sqlite_run(engine, SQL_DEDUPE_EXPIRE);
    if (rc != SQLITE_OK || (size_t)sqlite3_changes(engine->db) >= rows)
        return rc;
    dedupe->expiring = run->number;
    (void)sqlite3_bind_int64(engine->statements[SQL_DEDUPE_RUN_DELETE], 1, run->number);
    return sqlite_run(engine, SQL_DEDUPE_RUN_DELETE);
}

static void forget_run(struct dedupe *dedupe, int64_t number)
{
    size_t kept = 0;
    for (size_t i = 0; i < dedupe->run_count; i++)
        if (dedupe->runs[i].number == number)
            key_filter_finish(&dedupe->runs[i].filter);
        else
            dedupe->runs[kept++] = dedupe->runs[i];
    dedupe->run_count = kept;
}

/* ---- What became of the group ---------------------------------------------------------------- */

void sqlite_merge_committed(struct dedupe *dedupe)
{
    struct key_merge *merge = &dedupe->merge;
    if (dedupe->expiring)
        forget_run(dedupe, dedupe->expiring);
    dedupe->expiring = 0;
    merge->synced_bucket = merge->bucket;
    if (!merge->is_ending)
        return;
    dedupe->runs[dedupe->run_count++] = merge->run;
    key_tail_finish(&merge->tail);
    free(merge->sorted);
    *merge = (struct key_merge){0};
}

void sqlite_merge_rolled_back(struct dedupe *dedupe)
{
    dedupe->expiring = 0;
    dedupe->merge.bucket = dedupe->merge.synced_bucket;
    dedupe->merge.is_ending = false;
}
