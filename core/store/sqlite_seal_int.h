/* SPDX-License-Identifier: MIT */
/* What lies sealed in the database, and the rows of secrets. Part of sqlite_int.h. */
#ifndef STORE_SQLITE_SEAL_INT_H
#define STORE_SQLITE_SEAL_INT_H

#include "store/sqlite_int.h"

/* ---- Sealed texts (sqlite_seal.c) ------------------------------------------------------------ */

/* What a text is sealed for. Names are borrowed by a copy. */
struct sealed_place sealed_secret(uint64_t owner, enum secret_kind kind, uint32_t version);
struct sealed_place sealed_value(const char *ns, const char *key);
struct sealed_place sealed_body(uint64_t content);

/* Adds plain to sealed. SQLITE_OK or SQLITE_NOMEM. */
int sqlite_seal(struct seal_ring *ring, const struct sealed_place *place, struct slice plain,
                struct buf *sealed);
/* Adds what sealed holds to plain. SQLITE_NOMEM, or SEALED_UNREADABLE: it does not open, which is
 * logged. */
#define SEALED_UNREADABLE SQLITE_AUTH
int sqlite_unseal(struct seal_ring *ring, const struct sealed_place *place, struct slice sealed,
                  struct buf *plain);
/* A column of kv's values, opened if it is sealed. *value is owned. */
int sqlite_value_of(struct seal_ring *ring, const char *ns, const char *key, struct slice stored,
                    bool is_sealed, char **value);

/* At start: everything can be opened; E_INVALID: err says which key is missing. */
MUST_USE enum status sqlite_check_secrets(struct sqlite_engine *engine, struct err *err);
int sqlite_count_secrets(struct sqlite_reader *reader, struct store_count_secrets *list);
/* How many each key sealed, by the first bytes of what lies there. */
#define SQL_TEXT_SEALED_COUNTS                                                                     \
    "SELECT id, count(*) FROM (SELECT substr(sealed, 1, 8) AS id FROM secret"                      \
    " UNION ALL SELECT substr(value, 1, 8) FROM kv INDEXED BY kv_sealed WHERE sealed = 1"          \
    " UNION ALL SELECT substr(body, 1, 8) FROM content INDEXED BY content_sealed WHERE sealed = 1" \
    ") GROUP BY 1"

/* ---- Rows of secrets (sqlite_secret.c) ------------------------------------------------------- */

/* Whether the writes can be made; then makes them. owner: the id of a row that is there. */
int sqlite_secrets_fit(struct sqlite_engine *engine, uint64_t owner,
                       const struct secret_write *writes, size_t count, int64_t now_ms,
                       bool *is_crowded);
int sqlite_put_secrets(struct sqlite_engine *engine, uint64_t owner,
                       const struct secret_write *writes, size_t count, int64_t now_ms);
/* They go with their owner. */
int sqlite_delete_secrets(struct sqlite_engine *engine, uint64_t owner);
/* Deletes up to so many that have expired. *is_end: there are no more. */
int sqlite_expire_secrets(struct sqlite_engine *engine, int64_t now_ms, size_t count_max,
                          bool *is_end);
/* Those that are good at now_ms, by kind, the newest first; owned by the caller, with an error
 * too. */
int sqlite_read_secrets(struct sqlite_reader *reader, uint64_t owner, int64_t now_ms,
                        struct secret **secrets, size_t *count);

#endif
