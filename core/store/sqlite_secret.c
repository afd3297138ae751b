/* SPDX-License-Identifier: MIT */
/* The rows of secrets, sealed on the way in and opened on the way out, so that nobody else can
 * forget to: written on the store thread, inside the group of what they belong to; read by reader
 * threads. */
#include "store/sqlite_int.h"

#include "base/limits.h"
#include "signature/signature.h"

#include <stdio.h>
#include <stdlib.h>

/* "OWNER/KIND/VERSION": what a sealed text opens for. */
#define PLACE_BYTES 64
#define ID_TEXT (2 * SEAL_ID_BYTES + 1)
#define IDS_TEXT (SEAL_KEYS_MAX * (ID_TEXT + 1))

static struct slice place_of(char text[PLACE_BYTES], uint64_t owner, enum secret_kind kind,
                             uint32_t version)
{
    const int len = snprintf(text, PLACE_BYTES, "%llu/%d/%u", (unsigned long long)owner, (int)kind,
                             (unsigned)version);
    return slice_of(text, (size_t)len);
}

static void format_id(const unsigned char *id, char text[ID_TEXT])
{
    for (size_t i = 0; i < SEAL_ID_BYTES; i++)
        (void)snprintf(text + 2 * i, 3, "%02x", id[i]);
}

/* ---- At start -------------------------------------------------------------------------------- */

static bool is_in_ring(struct seal_ring *ring, const unsigned char *id)
{
    unsigned char ids[SEAL_KEYS_MAX][SEAL_ID_BYTES];
    const size_t count = seal_ring_ids(ring, ids);
    for (size_t i = 0; i < count; i++)
        if (memcmp(ids[i], id, SEAL_ID_BYTES) == 0)
            return true;
    return false;
}

static enum status refuse_key(struct sqlite_engine *it, const unsigned char *id, int64_t count,
                              struct err *err)
{
    unsigned char ids[SEAL_KEYS_MAX][SEAL_ID_BYTES];
    const size_t given = seal_ring_ids(it->ring, ids);
    char wanted[ID_TEXT];
    char text[IDS_TEXT] = "none";
    format_id(id, wanted);
    for (size_t i = 0; i < given; i++) {
        text[i == 0 ? 0 : i * ID_TEXT - 1] = i == 0 ? '\0' : ' ';
        format_id(ids[i], text + i * ID_TEXT);
    }
    return err_set(err, E_INVALID,
                   "%s: %lld %s sealed with the key %s, which is not given (given: %s); give that "
                   "key too, behind the one that is to seal from now on: secrets_key, "
                   "ANZOL_SECRETS_KEY or the file that ANZOL_SECRETS_KEY_FILE names",
                   it->path, (long long)count, count == 1 ? "secret is" : "secrets are", wanted,
                   text);
}

enum status sqlite_check_secrets(struct sqlite_engine *engine, struct err *err)
{
    static const char sql[] = "SELECT substr(sealed, 1, 8), count(*) FROM secret GROUP BY 1";
    sqlite3_stmt *statement = NULL;
    int rc = sqlite3_prepare_v2(engine->db, sql, -1, &statement, NULL);
    enum status status = OK;
    while (rc == SQLITE_OK && status == OK && (rc = sqlite3_step(statement)) == SQLITE_ROW) {
        const unsigned char *id = seal_key_id(column_blob(statement, 0));
        if (id && !seal_is_plain(id) && !is_in_ring(engine->ring, id))
            status = refuse_key(engine, id, sqlite3_column_int64(statement, 1), err);
        rc = SQLITE_OK;
    }
    (void)sqlite3_finalize(statement);
    if (status == OK && rc != SQLITE_DONE)
        return err_set(err, E_IO, "%s: %s", engine->path, sqlite3_errmsg(engine->db));
    return status;
}

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
    char place[PLACE_BYTES];
    struct buf sealed;
    check(write->text.len > 0 && write->text.len <= LIMIT_SECRET_BYTES);
    buf_init(&sealed, LIMIT_SECRET_BYTES + SEAL_EXTRA_BYTES);
    const enum status status =
        seal_close(it->ring, place_of(place, owner, write->kind, version), write->text, &sealed);
    int rc = SQLITE_NOMEM;
    if (status == OK) {
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

static int refuse_secret(struct sqlite_reader *reader, uint64_t owner, const struct secret *secret,
                         enum status status, struct err *err)
{
    (void)err_set(err, E_IO, "%s: the secret %llu/%d/%u %s", reader->path,
                  (unsigned long long)owner, (int)secret->kind, (unsigned)secret->version,
                  status == E_NOTFOUND
                      ? "is sealed with a key that this process does not have"
                      : "does not open: its row was changed by another program; restore a backup, "
                        "or give the endpoint a new secret");
    return SECRET_UNREADABLE;
}

static int read_secret(struct sqlite_reader *reader, sqlite3_stmt *statement, uint64_t owner,
                       struct secret *secret, struct err *err)
{
    char place[PLACE_BYTES];
    struct buf plain;
    secret->kind = (enum secret_kind)sqlite3_column_int(statement, 0);
    secret->version = (uint32_t)sqlite3_column_int64(statement, 1);
    secret->created_ms = sqlite3_column_int64(statement, 2);
    secret->expires_ms = sqlite3_column_int64(statement, 3);
    buf_init(&plain, LIMIT_SECRET_BYTES + 1);
    const enum status status =
        seal_open(reader->ring, place_of(place, owner, secret->kind, secret->version),
                  column_blob(statement, 4), &plain);
    if (status == OK)
        secret->text = buf_take(&plain, &secret->len);
    buf_finish(&plain);
    if (status == E_NOMEM)
        return SQLITE_NOMEM;
    return status == OK ? SQLITE_OK : refuse_secret(reader, owner, secret, status, err);
}

int sqlite_read_secrets(struct sqlite_reader *reader, uint64_t owner, int64_t now_ms,
                        struct secret **secrets, size_t *count, struct err *err)
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
        const int read = read_secret(reader, statement, owner, &rows[(*count)++], err);
        rc = read == SQLITE_OK ? SQLITE_ROW : read;
    }
    (void)sqlite3_reset(statement);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}
