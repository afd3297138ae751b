/* SPDX-License-Identifier: MIT */
/* The versions of the database: which one a file has, and the way to the newest. At start, before
 * any thread. */
#include "store/sqlite_int.h"

#include "base/log.h"

#include <stdio.h>
#include <sys/random.h>

/* "anzl": in the file's header, so that another program's database is not taken for one. */
#define APPLICATION_ID 0x616e7a6c

static int read_int(sqlite3 *db, const char *sql, int64_t *value)
{
    sqlite3_stmt *statement = NULL;
    int rc = sqlite3_prepare_v2(db, sql, -1, &statement, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(statement);
    if (rc == SQLITE_ROW) {
        *value = sqlite3_column_int64(statement, 0);
        rc = SQLITE_OK;
    } else if (rc == SQLITE_DONE) {
        *value = 0;
        rc = SQLITE_OK;
    }
    (void)sqlite3_finalize(statement);
    return rc;
}

static enum status fail(sqlite3 *db, const char *path, struct err *err)
{
    const int rc = sqlite3_errcode(db);
    if (rc == SQLITE_NOTADB)
        return err_set(err, E_INVALID,
                       "%s is no SQLite database; name another file with --store, or restore a "
                       "backup over it",
                       path);
    return err_set(err, rc == SQLITE_NOMEM ? E_NOMEM : E_IO, "%s: %s", path, sqlite3_errmsg(db));
}

static enum status fail_step(sqlite3 *db, const char *path, unsigned version, struct err *err)
{
    (void)fail(db, path, err);
    return err_prefix(err, "migration to schema %u", version);
}

/* *version 0: a new file. */
static enum status find_version(sqlite3 *db, const char *path, int64_t *version, struct err *err)
{
    int64_t application = 0;
    int64_t tables = 0;
    if (read_int(db, "PRAGMA application_id", &application) != SQLITE_OK ||
        read_int(db, "SELECT count(*) FROM sqlite_schema", &tables) != SQLITE_OK)
        return fail(db, path, err);
    *version = 0;
    if (tables == 0)
        return OK;
    if (application != APPLICATION_ID)
        return err_set(err, E_INVALID,
                       "%s is a database of another program; name another file with --store", path);
    if (read_int(db, "SELECT value FROM meta WHERE key = 'schema'", version) != SQLITE_OK)
        return fail(db, path, err);
    if (*version > (int64_t)schema_step_count)
        return err_set(
            err, E_INVALID,
            "%s was written by a newer Anzol (schema %lld, this program knows %u): start "
            "the newer version, or restore a backup made before the upgrade",
            path, (long long)*version, schema_step_count);
    return OK;
}

static int take_step(sqlite3 *db, unsigned version)
{
    char text[160];
    int rc = sqlite3_exec(db, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    if (rc == SQLITE_OK && version == 1) {
        (void)snprintf(text, sizeof text,
                       "PRAGMA application_id = %d; CREATE TABLE meta (key TEXT PRIMARY KEY, value)"
                       " WITHOUT ROWID",
                       APPLICATION_ID);
        rc = sqlite3_exec(db, text, NULL, NULL, NULL);
    }
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(db, schema_steps[version - 1], NULL, NULL, NULL);
    if (rc == SQLITE_OK) {
        (void)snprintf(text, sizeof text, "REPLACE INTO meta(key, value) VALUES ('schema', %u)",
                       version);
        rc = sqlite3_exec(db, text, NULL, NULL, NULL);
    }
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(db, "COMMIT", NULL, NULL, NULL);
    return rc;
}

enum status sqlite_migrate(sqlite3 *db, const char *path, struct err *err)
{
    int64_t version = 0;
    const enum status status = find_version(db, path, &version, err);
    if (status != OK)
        return status;
    for (unsigned next = (unsigned)version + 1; next <= schema_step_count; next++) {
        if (take_step(db, next) != SQLITE_OK)
            return fail_step(db, path, next, err);
        if (version > 0)
            log_info("store migrated", "schema=%u path=\"%s\"", next, path);
    }
    return OK;
}

enum status sqlite_hash_key(sqlite3 *db, uint8_t key[HASH_KEY_BYTES], struct err *err)
{
    static const char insert[] = "INSERT OR IGNORE INTO meta(key, value) VALUES ('hash_key', ?)";
    static const char select[] = "SELECT value FROM meta WHERE key = 'hash_key'";
    uint8_t fresh[HASH_KEY_BYTES];
    check(getrandom(fresh, sizeof fresh, 0) == (ssize_t)sizeof fresh);
    sqlite3_stmt *statement = NULL;
    int rc = sqlite3_prepare_v2(db, insert, -1, &statement, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_bind_blob(statement, 1, fresh, sizeof fresh, SQLITE_STATIC);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(statement);
    (void)sqlite3_finalize(statement);
    statement = NULL;
    if (rc == SQLITE_DONE)
        rc = sqlite3_prepare_v2(db, select, -1, &statement, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(statement);
    const bool is_found = rc == SQLITE_ROW && sqlite3_column_bytes(statement, 0) == HASH_KEY_BYTES;
    if (is_found)
        memcpy(key, sqlite3_column_blob(statement, 0), HASH_KEY_BYTES);
    (void)sqlite3_finalize(statement);
    return is_found ? OK : err_set(err, E_IO, "the store's hash key: %s", sqlite3_errmsg(db));
}
