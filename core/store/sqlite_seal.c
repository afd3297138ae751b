/* SPDX-License-Identifier: MIT */
/* Sealed texts in the database: secrets, values of kv and bodies of content that are to be no
 * plain text there. The store itself seals them on the way in and opens them on the way out, so
 * that nobody else can forget to: each for its own row. On the store thread inside a group, and on
 * reader threads; the check at start, before any thread. */
#include "store/sqlite_int.h"

#include "base/limits.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>

#define RESEAL_BYTES ((size_t)4 * 1024 * 1024) /* of one step, about */

/* ---- Places ---------------------------------------------------------------------------------- */

struct sealed_place sealed_secret(uint64_t owner, enum secret_kind kind, uint32_t version)
{
    return (struct sealed_place){
        .what = SEALED_SECRET, .id = owner, .kind = kind, .version = version};
}

struct sealed_place sealed_value(const char *ns, const char *key)
{
    struct sealed_place place = {.what = SEALED_VALUE};
    (void)snprintf(place.ns, sizeof place.ns, "%s", ns);
    (void)snprintf(place.key, sizeof place.key, "%s", key);
    return place;
}

struct sealed_place sealed_body(uint64_t content)
{
    return (struct sealed_place){.what = SEALED_BODY, .id = content};
}

/* What a sealed text opens for. Up to its first zero byte it may be shown: a key of kv is not. */
#define PLACE_BYTES (8 + LIMIT_KV_NS_BYTES + LIMIT_KV_KEY_BYTES)
static struct slice text_of(const struct sealed_place *place, char text[PLACE_BYTES])
{
    int len;
    if (place->what == SEALED_SECRET)
        len = snprintf(text, PLACE_BYTES, "%llu/%d/%u", (unsigned long long)place->id,
                       (int)place->kind, (unsigned)place->version);
    else if (place->what == SEALED_BODY)
        len = snprintf(text, PLACE_BYTES, "body/%llu", (unsigned long long)place->id);
    else
        len = snprintf(text, PLACE_BYTES, "kv/%s%c%s", place->ns, '\0', place->key);
    return slice_of(text, (size_t)len);
}

/* ---- In and out ------------------------------------------------------------------------------ */

int sqlite_seal(struct seal_ring *ring, const struct sealed_place *place, struct slice plain,
                struct buf *sealed)
{
    char text[PLACE_BYTES];
    return seal_close(ring, text_of(place, text), plain, sealed) == OK ? SQLITE_OK : SQLITE_NOMEM;
}

int sqlite_unseal(struct seal_ring *ring, const struct sealed_place *place, struct slice sealed,
                  struct buf *plain)
{
    char text[PLACE_BYTES];
    const enum status status = seal_open(ring, text_of(place, text), sealed, plain);
    if (status == OK || status == E_NOMEM)
        return status == OK ? SQLITE_OK : SQLITE_NOMEM;
    log_error("a secret does not open", "secret=%s reason=\"%s\"", text,
              status == E_NOTFOUND ? "it is sealed with a key that is not given"
                                   : "its row was changed by another program; restore a backup, or "
                                     "give a new one in its place");
    return SEALED_UNREADABLE;
}

int sqlite_value_of(struct seal_ring *ring, const char *ns, const char *key, struct slice stored,
                    bool is_sealed, char **value)
{
    if (!is_sealed) {
        *value = strndup(stored.data, stored.len);
        return *value ? SQLITE_OK : SQLITE_NOMEM;
    }
    const struct sealed_place place = sealed_value(ns, key);
    struct buf plain;
    buf_init_secret(&plain, stored.len);
    const int rc = sqlite_unseal(ring, &place, stored, &plain);
    *value = rc == SQLITE_OK ? buf_take(&plain, NULL) : NULL;
    buf_finish(&plain);
    return rc;
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
    int rc = sqlite3_prepare_v2(engine->db, SQL_TEXT_SEALED_COUNTS, -1, &statement, NULL);
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

/* ---- Sealed anew ----------------------------------------------------------------------------- */

/* next: its columns are what the row is found by, then what lies there. */
static const struct {
    enum write_sql next, put;
    int column_count;
} tables[] = {
    [SEALED_SECRET] = {SQL_SEALED_SECRET, SQL_RESEAL_SECRET, 3},
    [SEALED_VALUE] = {SQL_SEALED_VALUE, SQL_RESEAL_VALUE, 2},
    [SEALED_BODY] = {SQL_SEALED_BODY, SQL_RESEAL_BODY, 1},
};

static void bind_place(sqlite3_stmt *statement, const struct sealed_place *place)
{
    if (place->what == SEALED_VALUE) {
        bind_text(statement, 1, slice_str(place->ns));
        bind_text(statement, 2, slice_str(place->key));
        return;
    }
    bind_id(statement, 1, place->id);
    if (place->what == SEALED_BODY)
        return;
    (void)sqlite3_bind_int(statement, 2, (int)place->kind);
    (void)sqlite3_bind_int64(statement, 3, place->version);
}

static struct sealed_place place_of(enum sealed_what what, sqlite3_stmt *statement)
{
    if (what == SEALED_VALUE)
        return sealed_value(column_text(statement, 0).data, column_text(statement, 1).data);
    if (what == SEALED_BODY)
        return sealed_body(column_id(statement, 0));
    return sealed_secret(column_id(statement, 0),
                         (enum secret_kind)sqlite3_column_int(statement, 1),
                         (uint32_t)sqlite3_column_int64(statement, 2));
}

/* *is_there: a row is behind that place, in its table or a later one; then at is its own, and
 * sealed what lies there, until the statement is reset. */
static int find_next(struct sqlite_engine *it, struct sealed_place *at, struct slice *sealed,
                     bool *is_there)
{
    int rc = SQLITE_DONE;
    *is_there = false;
    while (!*is_there && at->what < SEALED_COUNT) {
        sqlite3_stmt *statement = it->statements[tables[at->what].next];
        bind_place(statement, at);
        rc = sqlite3_step(statement);
        if (rc != SQLITE_ROW && rc != SQLITE_DONE)
            return rc;
        *is_there = rc == SQLITE_ROW;
        if (*is_there) {
            *at = place_of(at->what, statement);
            *sealed = column_blob(statement, tables[at->what].column_count);
        } else {
            sqlite_reset(it, tables[at->what].next);
            *at = (struct sealed_place){.what = at->what + 1};
        }
    }
    return SQLITE_OK;
}

static int write_sealed(struct sqlite_engine *it, const struct sealed_place *at,
                        struct slice sealed)
{
    sqlite3_stmt *statement = it->statements[tables[at->what].put];
    bind_place(statement, at);
    bind_blob(statement, tables[at->what].column_count + 1, sealed);
    return sqlite_run(it, tables[at->what].put);
}

/* One that another key sealed, or none. Its statement is reset. */
static int reseal(struct sqlite_engine *it, const struct sealed_place *at, struct slice sealed,
                  struct store_reseal *op)
{
    struct buf plain;
    struct buf anew;
    buf_init_secret(&plain, sealed.len);
    buf_init(&anew, sealed.len + SEAL_EXTRA_BYTES);
    int rc = sqlite_unseal(it->ring, at, sealed, &plain);
    sqlite_reset(it, tables[at->what].next);
    op->failed_count += rc == SEALED_UNREADABLE;
    op->sealed_count += rc == SQLITE_OK;
    if (rc == SQLITE_OK)
        rc = sqlite_seal(it->ring, at, buf_slice(&plain), &anew);
    if (rc == SQLITE_OK)
        rc = sqlite_wipe(it);
    if (rc == SQLITE_OK)
        rc = write_sealed(it, at, buf_slice(&anew));
    buf_finish(&plain);
    buf_finish(&anew);
    return rc == SEALED_UNREADABLE ? SQLITE_OK : rc;
}

int sqlite_reseal(struct sqlite_engine *engine, struct store_reseal *op)
{
    char ids[SEAL_KEYS_MAX][SEAL_ID_TEXT_BYTES];
    const size_t key_count = seal_ring_ids(engine->ring, ids);
    size_t bytes = 0;
    op->last = op->behind;
    op->looked_at_count = op->sealed_count = op->failed_count = 0;
    op->is_end = key_count == 0;
    int rc = SQLITE_OK;
    while (rc == SQLITE_OK && !op->is_end && op->looked_at_count < op->count_max &&
           bytes < RESEAL_BYTES) {
        char id[SEAL_ID_TEXT_BYTES];
        struct slice sealed = {NULL, 0};
        bool is_there;
        rc = find_next(engine, &op->last, &sealed, &is_there);
        op->is_end = !is_there;
        op->looked_at_count += is_there;
        bytes += sealed.len;
        if (rc != SQLITE_OK || !is_there)
            break;
        if (!(seal_key_id(sealed, id) && strcmp(id, ids[0]) == 0))
            rc = reseal(engine, &op->last, sealed, op);
        sqlite_reset(engine, tables[op->last.what].next);
    }
    return rc;
}

/* ---- Counted --------------------------------------------------------------------------------- */

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
