/* SPDX-License-Identifier: MIT */
/* Idempotency keys, group by group: looking them up, logging them (dedupe_int.h explains). */
#include "store/sqlite_int.h"

#define WORD_BYTES 8u

static void put_word(uint8_t *place, uint64_t word)
{
    for (unsigned i = 0; i < WORD_BYTES; i++)
        place[i] = (uint8_t)(word >> 8 * i);
}

/* ---- Look-up --------------------------------------------------------------------------------- */

/* What is looked for, and the youngest event that has it. */
struct key_search {
    int64_t hash;
    int64_t source;
    struct slice key;
    uint64_t from;
    uint64_t first; /* 0: none yet */
};

/* Is the row's key (then erased_ms) the one, and not only its hash? Of one that was erased nothing
 * but the hash is left: 63 bits that only this store knows how to make. */
static bool is_key(sqlite3_stmt *statement, int column, struct slice key)
{
    return sqlite3_column_type(statement, column + 1) != SQLITE_NULL ||
           slice_equal(column_text(statement, column), key);
}

/* Deleted events have none. */
static int check_event(struct sqlite_engine *it, struct key_search *search, uint64_t event)
{
    sqlite3_stmt *statement = it->statements[SQL_KEY_OF_EVENT];
    bind_id(statement, 1, event);
    (void)sqlite3_bind_int64(statement, 2, search->source);
    const int rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW && is_key(statement, 0, search->key))
        search->first = event;
    (void)sqlite3_reset(statement);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int search_tail(struct sqlite_engine *it, const struct key_tail *tail,
                       struct key_search *search)
{
    int rc = SQLITE_OK;
    for (const struct key_entry *entry = key_tail_find(tail, search->hash, NULL);
         entry && rc == SQLITE_OK; entry = key_tail_find(tail, search->hash, entry))
        if (entry->event >= search->from && entry->event > search->first)
            rc = check_event(it, search, entry->event);
    return rc;
}

static int search_run(struct sqlite_engine *it, const struct key_run *run,
                      struct key_search *search)
{
    sqlite3_stmt *statement = it->statements[SQL_DEDUPE_FIND];
    (void)sqlite3_bind_int64(statement, 1, run->number);
    (void)sqlite3_bind_int64(statement, 2, search->hash);
    bind_id(statement, 3, search->from);
    (void)sqlite3_bind_int64(statement, 4, search->source);
    bool is_found = false;
    int rc = SQLITE_DONE;
    while (!is_found && (rc = sqlite3_step(statement)) == SQLITE_ROW) {
        is_found = is_key(statement, 1, search->key);
        if (is_found && column_id(statement, 0) > search->first)
            search->first = column_id(statement, 0);
    }
    (void)sqlite3_reset(statement);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

int sqlite_dedupe_find(struct sqlite_engine *engine, const struct event *event, int64_t source,
                       uint64_t from, uint64_t *first)
{
    const struct dedupe *dedupe = &engine->dedupe;
    struct key_search search = {
        .hash = dedupe_hash(engine->hash_key, event),
        .source = source,
        .key = event->key,
        .from = from,
    };
    const int64_t from_ms = id_event_ms(from);
    int rc = search_tail(engine, &dedupe->tail, &search);
    if (rc == SQLITE_OK)
        rc = search_tail(engine, &dedupe->merge.tail, &search);
    for (size_t i = 0; i < dedupe->run_count && rc == SQLITE_OK; i++) {
        const struct key_run *run = &dedupe->runs[i];
        if (run->newest_ms >= from_ms && key_filter_may_have(&run->filter, search.hash))
            rc = search_run(engine, run, &search);
    }
    *first = search.first;
    return rc;
}

/* ---- Groups ---------------------------------------------------------------------------------- */

int sqlite_dedupe_add(struct sqlite_engine *engine, const struct event *event, int64_t window_ms)
{
    struct dedupe *dedupe = &engine->dedupe;
    const struct key_entry entry = {
        .hash = dedupe_hash(engine->hash_key, event),
        .event = event->id,
    };
    if (window_ms > dedupe->window_ms)
        dedupe->window_ms = window_ms;
    return key_tail_add(&dedupe->tail, entry) ? SQLITE_OK : SQLITE_NOMEM;
}

static int write_log_row(struct sqlite_engine *it, const struct key_entry *entries, size_t count)
{
    struct dedupe *dedupe = &it->dedupe;
    for (size_t i = 0; i < count; i++) {
        put_word(dedupe->packed + i * KEY_BYTES, (uint64_t)entries[i].hash);
        put_word(dedupe->packed + i * KEY_BYTES + WORD_BYTES, entries[i].event);
    }
    bind_blob(it->statements[SQL_DEDUPE_LOG_INSERT], 1,
              slice_of((const char *)dedupe->packed, count * KEY_BYTES));
    const int rc = sqlite_run(it, SQL_DEDUPE_LOG_INSERT);
    if (rc == SQLITE_OK)
        dedupe->written_seq = sqlite3_last_insert_rowid(it->db);
    return rc;
}

/* One row, but for runs that emit a great deal. */
static int write_log(struct sqlite_engine *it)
{
    const struct dedupe *dedupe = &it->dedupe;
    int rc = SQLITE_OK;
    for (size_t at = dedupe->synced_count; at < dedupe->tail.count && rc == SQLITE_OK;
         at += KEYS_PER_LOG_ROW) {
        const size_t left = dedupe->tail.count - at;
        rc = write_log_row(it, dedupe->tail.entries + at,
                           left < KEYS_PER_LOG_ROW ? left : KEYS_PER_LOG_ROW);
    }
    return rc;
}

static int write_window(struct sqlite_engine *it)
{
    const struct dedupe *dedupe = &it->dedupe;
    if (dedupe->window_ms == dedupe->synced_window_ms)
        return SQLITE_OK;
    (void)sqlite3_bind_int64(it->statements[SQL_KEY_WINDOW_PUT], 1, dedupe->window_ms);
    return sqlite_run(it, SQL_KEY_WINDOW_PUT);
}

int sqlite_dedupe_write(struct sqlite_engine *engine)
{
    int rc = write_log(engine);
    if (rc == SQLITE_OK)
        rc = write_window(engine);
    return rc == SQLITE_OK ? sqlite_merge_write(engine) : rc;
}

void sqlite_dedupe_committed(struct sqlite_engine *engine)
{
    struct dedupe *dedupe = &engine->dedupe;
    dedupe->synced_count = dedupe->tail.count;
    dedupe->synced_seq = dedupe->written_seq;
    dedupe->synced_window_ms = dedupe->window_ms;
    sqlite_merge_committed(dedupe);
    sqlite_merge_start(dedupe);
}

void sqlite_dedupe_rolled_back(struct sqlite_engine *engine)
{
    struct dedupe *dedupe = &engine->dedupe;
    key_tail_cut(&dedupe->tail, dedupe->synced_count);
    dedupe->written_seq = dedupe->synced_seq;
    sqlite_merge_rolled_back(dedupe);
}
