/* SPDX-License-Identifier: MIT */
/* The rows of secrets, sealed on the way in and opened on the way out, so that nobody else can
 * forget to: written on the store thread, inside the group of what they belong to; read by reader
 * threads. */
#include "store/sqlite_int.h"

#include "base/limits.h"
#include "base/log.h"
#include "signature/signature.h"

#include <stdio.h>
#include <stdlib.h>

/* "OWNER/KIND/VERSION": what a sealed text opens for. */
#define PLACE_BYTES 64
static struct slice place_of(char text[PLACE_BYTES], uint64_t owner, enum secret_kind kind,
                             uint32_t version)
{
    const int len = snprintf(text, PLACE_BYTES, "%llu/%d/%u", (unsigned long long)owner, (int)kind,
                             (unsigned)version);
    return slice_of(text, (size_t)len);
}

/* ---- At start -------------------------------------------------------------------------------- */

#define IDS_BYTES (SEAL_KEYS_MAX * SEAL_ID_TEXT_BYTES + 1)

/* "ID, ID" of the keys that are given; "none". Whether id is one of them. */
static bool list_keys(struct seal_ring *ring, const char *id, char text[IDS_BYTES])
{
    char ids[SEAL_KEYS_MAX][SEAL_ID_TEXT_BYTES];
    const size_t count = seal_ring_ids(ring, ids);
    bool is_there = false;
    size_t len = (size_t)snprintf(text, IDS_BYTES, "%s", count == 0 ? "none" : ids[0]);
    for (size_t i = 0; i < count; i++) {
        is_there |= strcmp(ids[i], id) == 0;
        if (i > 0)
            len += (size_t)snprintf(text + len, IDS_BYTES - len, " %s", ids[i]);
    }
    return is_there;
}

static enum status check_key(struct sqlite_engine *it, const char *id, int64_t count,
                             struct err *err)
{
    char given[IDS_BYTES];
    if (list_keys(it->ring, id, given))
        return OK;
    return err_set(err, E_INVALID,
                   "%s: %lld %s sealed with the key %s, which is not given (given: %s); give that "
                   "key too, behind the one that is to seal from now on: ANZOL_SECRETS_KEY, or the "
                   "file of ANZOL_SECRETS_KEY_FILE or secrets_key.file",
                   it->path, (long long)count, count == 1 ? "secret is" : "secrets are", id, given);
}

enum status sqlite_check_secrets(struct sqlite_engine *engine, struct err *err)
{
    sqlite3_stmt *statement = NULL;
    int rc = sqlite3_prepare_v2(engine->db, SQL_TEXT_SECRET_COUNTS, -1, &statement, NULL);
    enum status status = OK;
    while (rc == SQLITE_OK && status == OK && (rc = sqlite3_step(statement)) == SQLITE_ROW) {
        char id[SEAL_ID_TEXT_BYTES];
        if (seal_key_id(column_blob(statement, 0), id) && id[0] != '\0')
            status = check_key(engine, id, sqlite3_column_int64(statement, 1), err);
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

/* ---- Sealed anew ----------------------------------------------------------------------------- */

/* *is_there: a row is behind that place; then at is its own, and sealed what lies there, until the
 * statement is reset. */
static int find_next(struct sqlite_engine *it, struct secret_place *at, struct slice *sealed,
                     bool *is_there)
{
    sqlite3_stmt *statement = prepare(it, SQL_RESEAL_NEXT, at->owner, at->kind);
    (void)sqlite3_bind_int64(statement, 3, at->version);
    const int rc = sqlite3_step(statement);
    *is_there = rc == SQLITE_ROW;
    if (rc == SQLITE_ROW) {
        at->owner = column_id(statement, 0);
        at->kind = (enum secret_kind)sqlite3_column_int(statement, 1);
        at->version = (uint32_t)sqlite3_column_int64(statement, 2);
        *sealed = column_blob(statement, 3);
    }
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int write_sealed(struct sqlite_engine *it, const struct secret_place *at,
                        struct slice sealed)
{
    sqlite3_stmt *statement = prepare(it, SQL_RESEAL, at->owner, at->kind);
    (void)sqlite3_bind_int64(statement, 3, at->version);
    bind_blob(statement, 4, sealed);
    return sqlite_run(it, SQL_RESEAL);
}

/* One that another key sealed, or none. */
static int reseal(struct sqlite_engine *it, const struct secret_place *at, struct slice sealed,
                  struct store_reseal *op)
{
    char text[PLACE_BYTES];
    const struct slice place = place_of(text, at->owner, at->kind, at->version);
    struct buf plain;
    struct buf anew;
    buf_init(&plain, LIMIT_SECRET_BYTES + 1);
    buf_init(&anew, LIMIT_SECRET_BYTES + SEAL_EXTRA_BYTES);
    int rc = SQLITE_OK;
    enum status status = seal_open(it->ring, place, sealed, &plain);
    sqlite_reset(it, SQL_RESEAL_NEXT);
    if (status == OK)
        status = seal_close(it->ring, place, buf_slice(&plain), &anew);
    if (status == OK) {
        rc = sqlite_wipe(it);
        if (rc == SQLITE_OK)
            rc = write_sealed(it, at, buf_slice(&anew));
        op->sealed_count++;
    } else {
        op->failed_count++;
        log_error("a secret cannot be sealed anew", "secret=%s reason=\"%s\"", text,
                  status == E_NOTFOUND
                      ? "its key is not given"
                      : "it does not open: its row was changed by another program");
    }
    if (plain.data)
        explicit_bzero(plain.data, plain.len);
    buf_finish(&plain);
    buf_finish(&anew);
    return rc;
}

int sqlite_reseal(struct sqlite_engine *engine, struct store_reseal *op)
{
    char ids[SEAL_KEYS_MAX][SEAL_ID_TEXT_BYTES];
    const size_t key_count = seal_ring_ids(engine->ring, ids);
    op->last = op->behind;
    op->looked_at_count = op->sealed_count = op->failed_count = 0;
    op->is_end = key_count == 0;
    int rc = SQLITE_OK;
    while (rc == SQLITE_OK && !op->is_end && op->looked_at_count < op->count_max) {
        char id[SEAL_ID_TEXT_BYTES];
        struct slice sealed = {NULL, 0};
        bool is_there;
        rc = find_next(engine, &op->last, &sealed, &is_there);
        op->is_end = !is_there;
        op->looked_at_count += is_there;
        if (rc == SQLITE_OK && is_there && !(seal_key_id(sealed, id) && strcmp(id, ids[0]) == 0))
            rc = reseal(engine, &op->last, sealed, op);
        sqlite_reset(engine, SQL_RESEAL_NEXT);
    }
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

int sqlite_count_secrets(struct sqlite_reader *reader, struct store_count_secrets *list)
{
    sqlite3_stmt *statement = reader->statements[READ_SECRET_COUNTS];
    int rc = SQLITE_ROW;
    while (rc == SQLITE_ROW && (rc = sqlite3_step(statement)) == SQLITE_ROW) {
        struct secret_count *rows = array_grow(list->rows, list->row_count, sizeof *rows);
        if (!rows) {
            rc = SQLITE_NOMEM;
            break;
        }
        list->rows = rows;
        struct secret_count *row = &rows[list->row_count++];
        (void)seal_key_id(column_blob(statement, 0), row->key);
        row->count = column_id(statement, 1);
    }
    (void)sqlite3_reset(statement);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}
