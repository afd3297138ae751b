/* SPDX-License-Identifier: MIT */
/* The rows of secrets, which lie sealed: written on the store thread, inside the group of what they
 * belong to; read by reader threads. */
#include "store/sqlite_int.h"

#include "base/limits.h"

#include <stdlib.h>

/* ---- Written --------------------------------------------------------------------------------- */

/* What is there of that kind. */
struct standing {
    uint32_t version; /* the highest; 0: there is none */
    int64_t old_count;
    bool is_there; /* a current one */
};

static sqlite3_stmt *prepare(struct sqlite_engine *it, enum write_sql which, uint64_t owner,
                             enum secret_kind kind)
{
    sqlite3_stmt *statement = it->statements[which];
    bind_id(statement, 1, owner);
    (void)sqlite3_bind_int(statement, 2, (int)kind);
    return statement;
}

static int find_standing(struct sqlite_engine *it, uint64_t owner, enum secret_kind kind,
                         int64_t now_ms, struct standing *standing)
{
    sqlite3_stmt *statement = prepare(it, SQL_SECRET_NEWEST, owner, kind);
    (void)sqlite3_bind_int64(statement, 3, now_ms);
    const int rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW)
        *standing = (struct standing){.version = (uint32_t)sqlite3_column_int64(statement, 0),
                                      .old_count = sqlite3_column_int64(statement, 1),
                                      .is_there = sqlite3_column_int(statement, 2) > 0};
    (void)sqlite3_reset(statement);
    return rc == SQLITE_ROW ? SQLITE_OK : rc;
}

int sqlite_secrets_fit(struct sqlite_engine *engine, uint64_t owner,
                       const struct secret_write *writes, size_t count, int64_t now_ms,
                       bool *is_crowded)
{
    *is_crowded = false;
    for (size_t i = 0; i < count && !*is_crowded; i++) {
        struct standing standing = {0};
        if (!writes[i].text.data || writes[i].keep_ms == 0)
            continue;
        const int rc = find_standing(engine, owner, writes[i].kind, now_ms, &standing);
        if (rc != SQLITE_OK)
            return rc;
        *is_crowded = standing.is_there && standing.old_count >= LIMIT_OLD_SECRETS;
    }
    return SQLITE_OK;
}

static int insert(struct sqlite_engine *it, uint64_t owner, const struct secret_write *write,
                  uint32_t version, int64_t now_ms)
{
    const struct sealed_place place = sealed_secret(owner, write->kind, version);
    struct buf sealed;
    check(write->text.len > 0 && write->text.len <= LIMIT_SECRET_BYTES);
    buf_init(&sealed, LIMIT_SECRET_BYTES + SEAL_EXTRA_BYTES);
    int rc = sqlite_seal(it->ring, &place, write->text, &sealed);
    if (rc == SQLITE_OK) {
        sqlite3_stmt *statement = prepare(it, SQL_SECRET_PUT, owner, write->kind);
        (void)sqlite3_bind_int64(statement, 3, version);
        (void)sqlite3_bind_int64(statement, 4, now_ms);
        bind_blob(statement, 5, buf_slice(&sealed));
        rc = sqlite_run(it, SQL_SECRET_PUT);
    }
    buf_finish(&sealed);
    return rc;
}

static int put(struct sqlite_engine *it, uint64_t owner, const struct secret_write *write,
               int64_t now_ms)
{
    if (!write->text.data) {
        (void)prepare(it, SQL_SECRET_DELETE, owner, write->kind);
        return sqlite_run(it, SQL_SECRET_DELETE);
    }
    struct standing standing = {0};
    int rc = find_standing(it, owner, write->kind, now_ms, &standing);
    if (rc == SQLITE_OK && write->keep_ms > 0) {
        sqlite3_stmt *keep = prepare(it, SQL_SECRET_KEEP, owner, write->kind);
        (void)sqlite3_bind_int64(keep, 3, now_ms + write->keep_ms);
        rc = sqlite_run(it, SQL_SECRET_KEEP);
    }
    if (rc == SQLITE_OK) {
        sqlite3_stmt *end = prepare(it, SQL_SECRET_END, owner, write->kind);
        (void)sqlite3_bind_int64(end, 3, now_ms);
        rc = sqlite_run(it, SQL_SECRET_END);
    }
    return rc == SQLITE_OK ? insert(it, owner, write, standing.version + 1, now_ms) : rc;
}

int sqlite_put_secrets(struct sqlite_engine *engine, uint64_t owner,
                       const struct secret_write *writes, size_t count, int64_t now_ms)
{
    int rc = SQLITE_OK;
    for (size_t i = 0; i < count && rc == SQLITE_OK; i++)
        rc = put(engine, owner, &writes[i], now_ms);
    return rc;
}

int sqlite_delete_secrets(struct sqlite_engine *engine, uint64_t owner)
{
    bind_id(engine->statements[SQL_SECRET_DELETE_ALL], 1, owner);
    return sqlite_run(engine, SQL_SECRET_DELETE_ALL);
}

int sqlite_expire_secrets(struct sqlite_engine *engine, int64_t now_ms, size_t count_max,
                          bool *is_end)
{
    sqlite3_stmt *statement = engine->statements[SQL_SECRET_EXPIRE];
    (void)sqlite3_bind_int64(statement, 1, now_ms);
    (void)sqlite3_bind_int64(statement, 2, (int64_t)count_max);
    const int rc = sqlite_run(engine, SQL_SECRET_EXPIRE);
    *is_end = sqlite3_changes(engine->db) < (int)count_max;
    return rc;
}

/* ---- Read ------------------------------------------------------------------------------------ */

static int read_secret(struct sqlite_reader *reader, sqlite3_stmt *statement, uint64_t owner,
                       struct secret *secret)
{
    struct buf plain;
    secret->kind = (enum secret_kind)sqlite3_column_int(statement, 0);
    secret->version = (uint32_t)sqlite3_column_int64(statement, 1);
    secret->created_ms = sqlite3_column_int64(statement, 2);
    secret->expires_ms = sqlite3_column_int64(statement, 3);
    const struct sealed_place place = sealed_secret(owner, secret->kind, secret->version);
    buf_init_secret(&plain, LIMIT_SECRET_BYTES + 1);
    const int rc = sqlite_unseal(reader->ring, &place, column_blob(statement, 4), &plain);
    if (rc == SQLITE_OK)
        secret->text = buf_take(&plain, &secret->len);
    buf_finish(&plain);
    return rc;
}

int sqlite_read_secrets(struct sqlite_reader *reader, uint64_t owner, int64_t now_ms,
                        struct secret **secrets, size_t *count)
{
    sqlite3_stmt *statement = reader->statements[READ_SECRETS];
    bind_id(statement, 1, owner);
    (void)sqlite3_bind_int64(statement, 2, now_ms);
    int rc = SQLITE_ROW;
    while (rc == SQLITE_ROW && (rc = sqlite3_step(statement)) == SQLITE_ROW) {
        struct secret *rows = array_grow(*secrets, *count, sizeof *rows);
        if (!rows) {
            rc = SQLITE_NOMEM;
            break;
        }
        *secrets = rows;
        rows[*count] = (struct secret){0};
        const int read = read_secret(reader, statement, owner, &rows[(*count)++]);
        rc = read == SQLITE_OK ? SQLITE_ROW : read;
    }
    (void)sqlite3_reset(statement);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}
