/* SPDX-License-Identifier: MIT */
/* Key and value, inside a group: versions that a run has seen are checked, deltas are worked out,
 * then everything is written. Store thread. */
#include "store/sqlite_int.h"

#include "base/clock.h"

#include <stdlib.h>

/* The value as of now, opened; an expired one is absent: version 0, *value NULL (owned). */
static int get(struct sqlite_engine *it, const char *ns, const char *key, uint64_t *version,
               char **value)
{
    sqlite3_stmt *statement = it->statements[SQL_KV_GET];
    bind_text(statement, 1, slice_str(ns));
    bind_text(statement, 2, slice_str(key));
    (void)sqlite3_bind_int64(statement, 3, clock_due_ms());
    int rc = sqlite3_step(statement);
    *version = 0;
    if (rc == SQLITE_ROW) {
        *version = column_id(statement, 1);
        const int read = value ? sqlite_value_of(it->ring, ns, key, column_blob(statement, 0),
                                                 sqlite3_column_int(statement, 2), value)
                               : SQLITE_OK;
        rc = read == SQLITE_OK ? rc : read;
    }
    (void)sqlite3_reset(statement);
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static bool is_same_key(const struct kv_write *a, const struct kv_write *b)
{
    return strcmp(a->key, b->key) == 0 && strcmp(a->ns, b->ns) == 0;
}

/* Sets the value of a delta: from an earlier write of this outbox, or from the store. */
static int work_out(struct sqlite_engine *it, const struct outbox *outbox, size_t index,
                    enum status *status)
{
    struct kv_write *write = &outbox->kv_writes[index];
    const struct kv_write *earlier = NULL;
    for (size_t i = index; i-- > 0 && !earlier;)
        if (is_same_key(&outbox->kv_writes[i], write))
            earlier = &outbox->kv_writes[i];
    char *stored = NULL;
    uint64_t version = 0;
    if (!earlier) {
        const int rc = get(it, write->ns, write->key, &version, &stored);
        if (rc == SEALED_UNREADABLE) /* as what is no number */
            *status = E_INVALID;
        if (rc != SQLITE_OK)
            return rc == SEALED_UNREADABLE ? SQLITE_OK : rc;
    }
    char *sum = kv_add(earlier ? earlier->value : stored, write->delta);
    free(stored);
    free(write->value);
    write->value = sum;
    if (!sum)
        *status = E_INVALID;
    return SQLITE_OK;
}

/* FNV-1a: versions never come back, so what it tells apart is more than chance. */
static uint64_t fold(uint64_t hash, const void *bytes, size_t len)
{
    const uint8_t *byte = bytes;
    for (size_t i = 0; i < len; i++)
        hash = (hash ^ byte[i]) * UINT64_C(0x100000001b3);
    return hash;
}

void sqlite_kv_walk_begin(struct kv_walk *walk, sqlite3_stmt *statement)
{
    bind_text(statement, 1, slice_str(walk->ns));
    bind_text(statement, 2, slice_str(walk->prefix));
    bind_text(statement, 3, slice_str(walk->after));
    (void)sqlite3_bind_int64(statement, 4, walk->now_ms);
    walk->version = UINT64_C(0xcbf29ce484222325);
}

int sqlite_kv_walk_step(struct kv_walk *walk, sqlite3_stmt *statement)
{
    const int rc = sqlite3_step(statement);
    if (rc != SQLITE_ROW)
        return rc;
    const struct slice key = column_text(statement, 0);
    const size_t len = strlen(walk->prefix);
    if (key.len < len || memcmp(key.data, walk->prefix, len) != 0)
        return SQLITE_DONE;
    const uint64_t version = column_id(statement, 1);
    walk->version = fold(walk->version, key.data, key.len);
    walk->version = fold(walk->version, &version, sizeof version);
    return SQLITE_ROW;
}

static int list_version(struct sqlite_engine *it, const struct kv_read *read, uint64_t *version)
{
    sqlite3_stmt *statement = it->statements[SQL_KV_LIST];
    struct kv_walk walk = {read->ns, read->key, read->after, clock_due_ms(), 0};
    int rc = SQLITE_ROW;
    sqlite_kv_walk_begin(&walk, statement);
    for (size_t i = 0; i < read->limit && rc == SQLITE_ROW; i++)
        rc = sqlite_kv_walk_step(&walk, statement);
    (void)sqlite3_reset(statement);
    *version = walk.version;
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int check_reads(struct sqlite_engine *it, const struct outbox *outbox, enum status *status,
                       size_t *conflict)
{
    for (size_t i = 0; i < outbox->kv_read_count; i++) {
        const struct kv_read *read = &outbox->kv_reads[i];
        uint64_t version = 0;
        const int rc = read->after ? list_version(it, read, &version)
                                   : get(it, read->ns, read->key, &version, NULL);
        if (rc != SQLITE_OK)
            return rc;
        if (version != read->version) {
            *status = E_CONFLICT;
            *conflict = i;
            return SQLITE_OK;
        }
    }
    return SQLITE_OK;
}

int sqlite_kv_check(struct sqlite_engine *engine, const struct outbox *outbox, enum status *status,
                    size_t *conflict)
{
    int rc = check_reads(engine, outbox, status, conflict);
    for (size_t i = 0; i < outbox->kv_write_count && rc == SQLITE_OK; i++) {
        if (*status != OK)
            break;
        if (outbox->kv_writes[i].is_delta)
            rc = work_out(engine, outbox, i, status);
    }
    return rc;
}

static int seal_value(struct sqlite_engine *it, const struct kv_write *write, struct buf *sealed)
{
    const struct sealed_place place = sealed_value(write->ns, write->key);
    return sqlite_seal(it->ring, &place, slice_str(write->value), sealed);
}

static int put(struct sqlite_engine *it, const struct kv_write *write)
{
    const struct slice value = slice_str(write->value);
    sqlite3_stmt *statement = it->statements[SQL_KV_PUT];
    struct buf sealed;
    buf_init(&sealed, value.len + SEAL_EXTRA_BYTES);
    int rc = write->is_sealed ? seal_value(it, write, &sealed) : SQLITE_OK;
    if (write->is_sealed)
        bind_blob(statement, 3, buf_slice(&sealed));
    else
        bind_text(statement, 3, value);
    bind_text(statement, 1, slice_str(write->ns));
    bind_text(statement, 2, slice_str(write->key));
    bind_id(statement, 4, id_next_row(&it->last_row));
    bind_id_or_null(statement, 5, (uint64_t)write->expires_ms);
    /* A delta keeps the expiry of a value that lives. */
    (void)sqlite3_bind_int64(statement, 6, write->is_delta);
    (void)sqlite3_bind_int64(statement, 7, clock_due_ms());
    (void)sqlite3_bind_int(statement, 8, write->is_sealed);
    if (rc == SQLITE_OK)
        rc = sqlite_run(it, SQL_KV_PUT);
    buf_finish(&sealed);
    return rc;
}

int sqlite_kv_apply(struct sqlite_engine *engine, struct outbox *outbox)
{
    int rc = SQLITE_OK;
    for (size_t i = 0; i < outbox->kv_write_count && rc == SQLITE_OK; i++) {
        const struct kv_write *write = &outbox->kv_writes[i];
        if (write->value) {
            rc = put(engine, write);
            continue;
        }
        sqlite3_stmt *statement = engine->statements[SQL_KV_DELETE];
        bind_text(statement, 1, slice_str(write->ns));
        bind_text(statement, 2, slice_str(write->key));
        rc = sqlite_run(engine, SQL_KV_DELETE);
    }
    return rc;
}
