/* SPDX-License-Identifier: MIT */
/* Idempotency keys at start: the tail from the log, the filters of the runs (dedupe_int.h
 * explains). Before there is a store thread. */
#include "store/sqlite_int.h"

#include <stdlib.h>

/* A full tail, less the group that fills it: so its memory is 131,072 entries and never doubles. */
#define RUN_KEYS (128u * 1024 - LIMIT_GROUP_OPERATIONS)
#define WINDOW_MS_MIN INT64_C(86400000) /* the usual window of a source */
#define WORD_BYTES 8u

static uint64_t read_word(const char *place)
{
    uint64_t word = 0;
    for (unsigned i = 0; i < WORD_BYTES; i++)
        word |= (uint64_t)(unsigned char)place[i] << 8 * i;
    return word;
}

/* Handles one row: SQLITE_OK or the error. */
typedef int (*row_fn)(struct sqlite_engine *it, sqlite3_stmt *row, void *ctx);

/* A statement that runs once. number: its parameter, if it has one. */
static int each_row(struct sqlite_engine *it, const char *sql, int64_t number, row_fn fn, void *ctx)
{
    sqlite3_stmt *statement = NULL;
    int rc = sqlite3_prepare_v2(it->db, sql, -1, &statement, NULL);
    if (rc == SQLITE_OK && sqlite3_bind_parameter_count(statement) > 0)
        rc = sqlite3_bind_int64(statement, 1, number);
    while (rc == SQLITE_OK && (rc = sqlite3_step(statement)) == SQLITE_ROW)
        rc = fn(it, statement, ctx);
    const int end = sqlite3_finalize(statement);
    return rc == SQLITE_DONE ? end : rc;
}

/* ---- Runs ------------------------------------------------------------------------------------ */

static int take_count(struct sqlite_engine *it, sqlite3_stmt *row, void *ctx)
{
    (void)it;
    *(size_t *)ctx = (size_t)sqlite3_column_int64(row, 0);
    return SQLITE_OK;
}

static int take_hash(struct sqlite_engine *it, sqlite3_stmt *row, void *ctx)
{
    (void)it;
    key_filter_add(ctx, sqlite3_column_int64(row, 0));
    return SQLITE_OK;
}

static int store_filter(struct sqlite_engine *it, const struct key_run *run)
{
    sqlite3_stmt *statement = NULL;
    int rc = sqlite3_prepare_v2(it->db, "UPDATE dedupe_run SET filter = ? WHERE run = ?", -1,
                                &statement, NULL);
    if (rc == SQLITE_OK) {
        bind_blob(statement, 1, key_filter_bytes(&run->filter));
        (void)sqlite3_bind_int64(statement, 2, run->number);
        (void)sqlite3_step(statement);
    }
    return sqlite3_finalize(statement);
}

/* The keys of an older database came without a filter. */
static int make_filter(struct sqlite_engine *it, struct key_run *run)
{
    size_t count = 0;
    int rc =
        each_row(it, "SELECT count(*) FROM dedupe WHERE run = ?", run->number, take_count, &count);
    if (rc == SQLITE_OK && !key_filter_init(&run->filter, count))
        rc = SQLITE_NOMEM;
    if (rc == SQLITE_OK)
        rc = each_row(it, "SELECT hash FROM dedupe WHERE run = ?", run->number, take_hash,
                      &run->filter);
    return rc == SQLITE_OK ? store_filter(it, run) : rc;
}

static int take_run(struct sqlite_engine *it, sqlite3_stmt *row, void *ctx)
{
    struct dedupe *dedupe = &it->dedupe;
    (void)ctx;
    struct key_run *runs = array_grow(dedupe->runs, dedupe->run_count, sizeof *runs);
    if (!runs)
        return SQLITE_NOMEM;
    dedupe->runs = runs;
    struct key_run *run = &runs[dedupe->run_count++];
    *run = (struct key_run){
        .number = sqlite3_column_int64(row, 0),
        .newest_ms = sqlite3_column_int64(row, 1),
    };
    if (sqlite3_column_type(row, 2) == SQLITE_NULL)
        return SQLITE_OK;
    return key_filter_load(&run->filter, column_blob(row, 2)) ? SQLITE_OK : SQLITE_CORRUPT;
}

static int make_filters(struct sqlite_engine *it)
{
    int rc = SQLITE_OK;
    for (size_t i = 0; i < it->dedupe.run_count && rc == SQLITE_OK; i++)
        if (!it->dedupe.runs[i].filter.bytes)
            rc = make_filter(it, &it->dedupe.runs[i]);
    return rc;
}

/* ---- Tail ------------------------------------------------------------------------------------ */

/* A full tail is frozen at once, so that it is merged in the portions in which it came. */
static int take_log_row(struct sqlite_engine *it, sqlite3_stmt *row, void *ctx)
{
    struct dedupe *dedupe = &it->dedupe;
    const struct slice data = column_blob(row, 1);
    (void)ctx;
    for (size_t at = 0; at + KEY_BYTES <= data.len; at += KEY_BYTES) {
        const struct key_entry entry = {
            .hash = (int64_t)read_word(data.data + at),
            .event = read_word(data.data + at + WORD_BYTES),
        };
        if (!key_tail_add(&dedupe->tail, entry))
            return SQLITE_NOMEM;
    }
    dedupe->synced_count = dedupe->tail.count;
    dedupe->synced_seq = dedupe->written_seq = sqlite3_column_int64(row, 0);
    if (dedupe->tail.count >= dedupe->run_keys)
        sqlite_merge_start(dedupe);
    return SQLITE_OK;
}

/* ---- Life cycle ------------------------------------------------------------------------------ */

static int take_window(struct sqlite_engine *it, sqlite3_stmt *row, void *ctx)
{
    (void)ctx;
    it->dedupe.synced_window_ms = sqlite3_column_int64(row, 0);
    return SQLITE_OK;
}

enum status sqlite_dedupe_open(struct sqlite_engine *engine, unsigned run_keys, struct err *err)
{
    struct dedupe *dedupe = &engine->dedupe;
    dedupe->run_keys = run_keys ? run_keys : RUN_KEYS;
    dedupe->synced_window_ms = WINDOW_MS_MIN;
    int rc = each_row(engine, "SELECT value FROM meta WHERE key = 'key_window_ms'", 0, take_window,
                      NULL);
    dedupe->window_ms = dedupe->synced_window_ms;
    if (rc == SQLITE_OK)
        rc = each_row(engine, "SELECT run, newest_ms, filter FROM dedupe_run ORDER BY run", 0,
                      take_run, NULL);
    if (rc == SQLITE_OK)
        rc = make_filters(engine);
    if (rc == SQLITE_OK)
        rc = each_row(engine, "SELECT seq, data FROM dedupe_log ORDER BY seq", 0, take_log_row,
                      NULL);
    return rc == SQLITE_OK ? OK
                           : err_set(err, E_IO, "%s: the idempotency keys cannot be read: %s",
                                     engine->path, sqlite3_errstr(rc));
}

void sqlite_dedupe_close(struct sqlite_engine *engine)
{
    struct dedupe *dedupe = &engine->dedupe;
    for (size_t i = 0; i < dedupe->run_count; i++)
        key_filter_finish(&dedupe->runs[i].filter);
    free(dedupe->runs);
    key_tail_finish(&dedupe->tail);
    key_tail_finish(&dedupe->merge.tail);
    key_filter_finish(&dedupe->merge.run.filter);
    free(dedupe->merge.sorted);
}
