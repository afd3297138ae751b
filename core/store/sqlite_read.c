/* SPDX-License-Identifier: MIT */
/* The readers' connections: read-only, one a thread; the statements; what an error means. */
#include "store/sqlite_published_int.h"

#include "base/log.h"

#include <stdlib.h>

#define BUSY_MS 1000

#define DELIVERY_ROW                                                                               \
    "SELECT d.id, d.message, d.endpoint, p.name, m.type, iif(d.leased_ms IS NULL, d.state, 2),"    \
    " d.attempts, d.due_ms, d.reason,"                                                             \
    " a.status, a.error, d.attempt, d.order_key, d.priority FROM delivery d"
#define DELIVERY_ROW_JOINS                                                                         \
    " LEFT JOIN message m ON m.id = d.message LEFT JOIN endpoint p ON p.id = d.endpoint"           \
    " LEFT JOIN attempt a ON a.id = d.attempt"

#define RESOURCE_ROW                                                                               \
    "SELECT id, uid, is_archived, version, body, created_ms, updated_ms FROM resource"
#define TOKEN_ROW                                                                                  \
    "SELECT id, application, scope, hash, label, flags, created_ms, expires_ms FROM api_token"
#define TASK_ROW                                                                                   \
    "SELECT id, verb, kind, state, ids, source, type, endpoint, wanted, contains, subscription,"   \
    " reason, has_new_ids, rate_per_s, since_ms, until_ms, cursor, done, skipped, created_ms,"     \
    " ended_ms FROM task"

/* Whether it is not deleted comes last. */
#define ENDPOINTS_WALK                                                                             \
    "SELECT id, name, state, reason, failing_since_ms, url = '', id < (1 << 40)"                   \
    " OR EXISTS (SELECT 1 FROM resource WHERE id = p.id) FROM endpoint p WHERE id < ? AND id > ?"
/* Of registered endpoints, as the index says. */
#define SENT_SPAN                                                                                  \
    "SELECT span FROM sent_count WHERE endpoint = ? AND span <= ? AND span >= ?"                   \
    " AND iif(?, pending, succeeded) > 0"
#define SENT_WALK                                                                                  \
    "SELECT DISTINCT d.message FROM delivery d INDEXED BY delivery_registered"                     \
    " WHERE d.message < ? AND d.message > ? AND d.endpoint = ? AND d.endpoint >= 1099511627776"
#define NEXT_FAILED                                                                                \
    "SELECT message FROM delivery INDEXED BY delivery_failed WHERE message < ? AND message > ?"    \
    " AND endpoint = ? AND state = ? AND endpoint >= 1099511627776 AND state IN (1, 4, 5)"
#define TRIED_ROW                                                                                  \
    "SELECT a.id, d.message, d.endpoint, p.url, a.status, a.state, a.started_ms, a.duration_ms,"   \
    " a.body, d.fresh_ms IS NOT NULL AND a.number > coalesce(d.fresh_attempts, 0),"                \
    " a.error FROM attempt a"
#define TRIED_JOINS                                                                                \
    " CROSS JOIN delivery d ON d.id = a.delivery CROSS JOIN endpoint p ON p.id = d.endpoint"
#define NEXT_TRIED                                                                                 \
    "SELECT id FROM attempt INDEXED BY attempt_registered WHERE id < ? AND id > ?"                 \
    " AND endpoint = ? AND state = ? AND status / 100 = ? AND endpoint IS NOT NULL"
#define PUBLISHED_COLUMNS                                                                          \
    "SELECT p.id, p.application, p.uid, p.channels, p.tags, p.payload_until_ms, p.type, c.head,"   \
    " c.body FROM published p"
#define PUBLISHED_JOINS " CROSS JOIN content c ON c.id = p.id"
#define PUBLISHED_ROW PUBLISHED_COLUMNS PUBLISHED_JOINS
#define PUBLISHED_RANGE " WHERE p.id < ? AND p.id > ? AND p.application = ?"
#define PUBLISHED_WALK                                                                             \
    PUBLISHED_COLUMNS " INDEXED BY published_place" PUBLISHED_JOINS PUBLISHED_RANGE
#define CHANNELS_WALK                                                                              \
    "SELECT p.id, p.channels FROM published p INDEXED BY published_place" PUBLISHED_RANGE
#define NEXT_OF_TYPE                                                                               \
    "SELECT id FROM published INDEXED BY published_type WHERE id < ? AND id > ?"                   \
    " AND application = ? AND type = ?"
#define ATTEMPT_COLUMNS(contents)                                                                  \
    "SELECT a.number, a.previous, a.state, a.status, a.error, a.started_ms, a.duration_ms,"        \
    " a.dns_us, a.connect_us, a.tls_us, a.first_byte_us, a.next_ms, a.is_cut, a.detail, " contents
#define ATTEMPT_OWNER ", a.id, a.delivery, d.message, d.endpoint, p.name, m.type FROM attempt a"
#define ATTEMPT_JOINS                                                                              \
    " LEFT JOIN delivery d ON d.id = a.delivery LEFT JOIN message m ON m.id = d.message"           \
    " LEFT JOIN endpoint p ON p.id = d.endpoint"

static const char *const read_sql[READ_SQL_COUNT] = {
    [READ_DUE_EVENTS] = "SELECT id, due_ms FROM event_due WHERE id > ? ORDER BY id",
    [READ_TIMED_EVENTS] = "SELECT id, due_ms FROM event_due INDEXED BY event_due_time"
                          " WHERE due_ms > 0 AND (due_ms, id) > (?2, ?1) ORDER BY due_ms, id",
    [READ_DUE_EVENT] = "SELECT due_ms FROM event_due WHERE id = ?",
    [READ_EVENT] = "SELECT s.name, e.type, e.key, e.parent, e.depth, e.trace, e.received_ms,"
                   " c.head, c.body, c.sealed FROM event e JOIN source s ON s.id = e.source"
                   " JOIN content c ON c.id = e.id WHERE e.id = ?",
    [READ_RUNS] = "SELECT subscription, state, number, due_ms, first_ordinal, error,"
                  " order_key IS NOT NULL, batch FROM run"
                  " WHERE event = ? ORDER BY first_ordinal, subscription",
    [READ_BATCH] = "SELECT leader, close_ms FROM batch WHERE id = ?",
    [READ_BATCH_RUN] = "SELECT event, first_ordinal, (SELECT count(*) FROM run a WHERE a.event ="
                       " r.event) FROM run r WHERE event = ? AND subscription = ? AND state < 2",
    [READ_BATCH_RUNS] = "SELECT event, first_ordinal, (SELECT count(*) FROM run a WHERE a.event ="
                        " r.event) FROM run r INDEXED BY run_batch WHERE batch = ? AND state < 2"
                        " ORDER BY event LIMIT ?",
    [READ_DUE_DELIVERIES] =
        SQL_TEXT_DELIVERY " INDEXED BY delivery_due" SQL_TEXT_DELIVERY_JOINS
                          " WHERE d.endpoint = ? AND d.priority = ? AND d.due_ms <= ?"
                          " AND d.state < 3 AND d.due_ms IS NOT NULL ORDER BY d.due_ms",
    [READ_NEXT_DUE] = "SELECT due_ms FROM delivery INDEXED BY delivery_due WHERE endpoint = ?"
                      " AND priority = ? AND due_ms > ? AND state < 3 AND due_ms IS NOT NULL"
                      " ORDER BY due_ms LIMIT 1",
    [READ_LEASE_ENDS] = SQL_TEXT_DELIVERY " INDEXED BY delivery_leased" SQL_TEXT_DELIVERY_JOINS
                                          " WHERE d.endpoint = ? AND d.due_ms <= ?"
                                          " AND d.leased_ms IS NOT NULL ORDER BY d.due_ms",
    [READ_NEXT_LEASE_END] = "SELECT due_ms FROM delivery INDEXED BY delivery_leased"
                            " WHERE endpoint = ? AND due_ms > ? AND leased_ms IS NOT NULL"
                            " ORDER BY due_ms LIMIT 1",
    [READ_EXPIRED] = SQL_TEXT_DELIVERY " INDEXED BY delivery_expiry" SQL_TEXT_DELIVERY_JOINS
                                       " WHERE d.endpoint = ? AND d.expires_ms <= ?"
                                       " AND d.expires_ms IS NOT NULL AND d.state < 3"
                                       " AND d.leased_ms IS NULL AND d.due_ms < (1 << 62)"
                                       " ORDER BY d.expires_ms",
    [READ_NEXT_EXPIRY] = "SELECT expires_ms FROM delivery INDEXED BY delivery_expiry"
                         " WHERE endpoint = ? AND expires_ms > ? AND expires_ms IS NOT NULL"
                         " AND state < 3 ORDER BY expires_ms LIMIT 1",
    [READ_LEASED] = SQL_TEXT_DELIVERY SQL_TEXT_DELIVERY_JOINS
    " WHERE d.id = ? AND d.endpoint = ? AND d.state < 3 AND d.leased_ms IS NOT NULL",
    [READ_NEXT_PRIORITY] = "SELECT priority, due_ms FROM delivery INDEXED BY delivery_due"
                           " WHERE endpoint = ? AND priority < ? AND state < 3"
                           " AND due_ms IS NOT NULL ORDER BY priority DESC, due_ms LIMIT 1",
    /* Only a fresh delivery is held in memory without a due time: its state is pending. */
    [READ_OPEN_DELIVERIES] =
        SQL_TEXT_DELIVERY " INDEXED BY delivery_open" SQL_TEXT_DELIVERY_JOINS
                          " WHERE d.state = 0 AND d.due_ms IS NULL AND d.state < 3 AND d.id > ?"
                          " AND (d.endpoint & 255) % ? = ? ORDER BY d.id",
    [READ_BACKLOG] = "SELECT endpoint FROM delivery INDEXED BY delivery_due"
                     " WHERE endpoint > ? AND state < 3 AND due_ms IS NOT NULL"
                     " ORDER BY endpoint LIMIT 1",
    [READ_LIST_EVENTS] = "SELECT id FROM event WHERE id < ? AND id > ? ORDER BY id DESC",
    [READ_LIST_EVENTS_BACKWARD] = "SELECT id FROM event WHERE id < ? AND id > ? ORDER BY id",
    [READ_LIST_LATE_EVENTS] = "SELECT id, late FROM event INDEXED BY event_late WHERE late < ?"
                              " AND late > ? ORDER BY late DESC",
    [READ_LIST_LATE_EVENTS_BACKWARD] = "SELECT id, late FROM event INDEXED BY event_late"
                                       " WHERE late < ? AND late > ? ORDER BY late",
    [READ_LIST_DUE_EVENTS] = "SELECT id FROM event_due WHERE id < ? AND id > ? ORDER BY id DESC",
    [READ_LIST_DEAD_EVENTS] = "SELECT DISTINCT event FROM run INDEXED BY run_dead WHERE state = 4"
                              " AND event < ? AND event > ? ORDER BY event DESC",
    [READ_LIST_DEAD_EVENTS_BACKWARD] =
        "SELECT DISTINCT event FROM run INDEXED BY run_dead WHERE state = 4"
        " AND event < ? AND event > ? ORDER BY event",
    [READ_EVENT_ROW] = "SELECT s.name, e.type, e.key, e.parent, e.depth, e.trace, e.received_ms,"
                       " e.bytes, e.late FROM event e JOIN source s ON s.id = e.source"
                       " WHERE e.id = ?",
    [READ_IS_DUE] = "SELECT 1 FROM event_due WHERE id = ?",
    [READ_IS_ERASED] = "SELECT 1 FROM event WHERE id = ? AND erased_ms IS NOT NULL",
    [READ_LIST_DELIVERIES] =
        DELIVERY_ROW DELIVERY_ROW_JOINS " WHERE d.id < ? AND d.id > ? ORDER BY d.id DESC",
    [READ_LIST_DELIVERIES_BACKWARD] =
        DELIVERY_ROW DELIVERY_ROW_JOINS " WHERE d.id < ? AND d.id > ? ORDER BY d.id",
    [READ_LIST_DEAD_DELIVERIES] =
        DELIVERY_ROW " INDEXED BY delivery_dead" DELIVERY_ROW_JOINS
                     " WHERE d.state = 4 AND d.id < ? AND d.id > ? ORDER BY d.id DESC",
    [READ_LIST_DEAD_DELIVERIES_BACKWARD] =
        DELIVERY_ROW " INDEXED BY delivery_dead" DELIVERY_ROW_JOINS
                     " WHERE d.state = 4 AND d.id < ? AND d.id > ? ORDER BY d.id",
    [READ_EVENT_DELIVERIES] = "SELECT delivery, deliveries FROM message WHERE id BETWEEN ? AND ?",
    [READ_DELIVERY_ROW] = DELIVERY_ROW DELIVERY_ROW_JOINS " WHERE d.id = ?",
    [READ_DELIVERY] = SQL_TEXT_DELIVERY SQL_TEXT_DELIVERY_JOINS " WHERE d.id = ?",
    [READ_ATTEMPT] = ATTEMPT_COLUMNS("a.head, a.body, a.decided, a.request") " FROM attempt a"
                                                                             " WHERE a.id = ?",
    [READ_ATTEMPT_ROW] = ATTEMPT_COLUMNS("a.head, a.body, a.decided, a.request")
        ATTEMPT_OWNER ATTEMPT_JOINS " WHERE a.id = ?",
    [READ_SECRET_COUNTS] = SQL_TEXT_SEALED_COUNTS,
    [READ_SECRETS] = "SELECT kind, version, created_ms, expires_ms, sealed FROM secret"
                     " WHERE owner = ? AND (expires_ms IS NULL OR expires_ms > ?)"
                     " ORDER BY kind, version DESC",
    [READ_LIST_ATTEMPTS] = ATTEMPT_COLUMNS("NULL, NULL, a.decided, NULL")
        ATTEMPT_OWNER ATTEMPT_JOINS " WHERE a.id < ? AND a.id > ? ORDER BY a.id DESC",
    [READ_LIST_ATTEMPTS_BACKWARD] = ATTEMPT_COLUMNS("NULL, NULL, a.decided, NULL")
        ATTEMPT_OWNER ATTEMPT_JOINS " WHERE a.id < ? AND a.id > ? ORDER BY a.id",
    [READ_ENDPOINTS] = ENDPOINTS_WALK " ORDER BY id DESC",
    [READ_ENDPOINTS_BACKWARD] = ENDPOINTS_WALK " ORDER BY id",
    [READ_DUE_COUNT] = "SELECT count(*), min(id) FROM (SELECT id FROM delivery"
                       " INDEXED BY delivery_due WHERE endpoint = ? AND state < 3"
                       " AND due_ms IS NOT NULL LIMIT ?)",
    [READ_LEASED_COUNT] = "SELECT count(*) FROM (SELECT 1 FROM delivery INDEXED BY delivery_leased"
                          " WHERE endpoint = ? AND leased_ms IS NOT NULL LIMIT ?)",
    [READ_BLOCKING_COUNT] = "SELECT count(*) FROM (SELECT 1 FROM delivery INDEXED BY"
                            " delivery_blocking WHERE endpoint = ? AND is_blocking LIMIT ?)",
    [READ_OPEN_COUNTS] = "SELECT endpoint, count(*) FROM delivery INDEXED BY delivery_open"
                         " WHERE state < 3 AND due_ms IS NULL GROUP BY endpoint",
    [READ_ENDPOINT] = "SELECT id FROM endpoint WHERE name = ?",
    [READ_ROUTINES] =
        "SELECT kind, name, version, rule, due_ms, tick_ms, previous_ms, interval_ms, wait_ms, why,"
        " answer_ms, failures, error, last_ms, duration_ms, last_items, runs, items, place"
        " FROM routine",
    [READ_STEPS] = "SELECT name, result FROM step WHERE event = ? AND subscription = ?",
    [READ_LIST_TASKS] = TASK_ROW " WHERE id < ? AND id > ? ORDER BY id DESC",
    [READ_LIST_TASKS_BACKWARD] = TASK_ROW " WHERE id < ? AND id > ? ORDER BY id",
    [READ_TASK] = TASK_ROW " WHERE id = ?",
    [READ_LIST_TOKENS] = TOKEN_ROW " WHERE id < ? AND id > ? AND expires_ms > ? ORDER BY id DESC",
    [READ_LIST_TOKENS_BACKWARD] =
        TOKEN_ROW " WHERE id < ? AND id > ? AND expires_ms > ? ORDER BY id",
    [READ_LIST_TOKENS_OF] = TOKEN_ROW " WHERE application = ?4 AND id < ?1 AND id > ?2"
                                      " AND expires_ms > ?3 ORDER BY id DESC",
    [READ_LIST_TOKENS_OF_BACKWARD] = TOKEN_ROW " WHERE application = ?4 AND id < ?1 AND id > ?2"
                                               " AND expires_ms > ?3 ORDER BY id",
    [READ_TOKEN] = TOKEN_ROW " WHERE hash = ? AND expires_ms > ?",
    [READ_ANSWER] = "SELECT id, uid, is_archived, version, body, created_ms, updated_ms"
                    " FROM answer WHERE key = ? AND until_ms > ?",
    [READ_RESOURCE] = RESOURCE_ROW " WHERE kind = ? AND owner = ? AND id = ?",
    [READ_RESOURCE_OF_UID] = RESOURCE_ROW " WHERE kind = ? AND owner = ? AND uid = ?",
    [READ_REGISTERED] =
        "SELECT r.id, r.uid, r.is_archived, r.version, r.body, r.created_ms, r.updated_ms, r.owner,"
        " p.state, p.failing_since_ms FROM resource r CROSS JOIN endpoint p ON p.id = r.id"
        " WHERE r.kind = ? AND r.id > ? ORDER BY r.id",
    [READ_LIST_RESOURCES] =
        RESOURCE_ROW " INDEXED BY resource_place WHERE kind = ? AND owner = ? AND id > ?"
                     " AND is_archived <= ? ORDER BY id",
    [READ_LIST_RESOURCES_DOWN] =
        RESOURCE_ROW " INDEXED BY resource_place WHERE kind = ? AND owner = ? AND id < ?"
                     " AND is_archived <= ? ORDER BY id DESC",
    [READ_LIST_RESOURCES_BY_UID] =
        RESOURCE_ROW " INDEXED BY resource_uid WHERE kind = ? AND owner = ? AND uid > ?"
                     " AND is_archived <= ? ORDER BY uid",
    [READ_LIST_RESOURCES_BY_UID_DOWN] =
        RESOURCE_ROW " INDEXED BY resource_uid WHERE kind = ? AND owner = ? AND uid < ?"
                     " AND is_archived <= ? ORDER BY uid DESC",
    [READ_PUBLISHED] = PUBLISHED_ROW " WHERE p.application = ? AND p.id = ?",
    [READ_PUBLISHED_OF_UID] = PUBLISHED_ROW " WHERE p.application = ? AND p.uid = ?",
    [READ_LIST_PUBLISHED] = PUBLISHED_WALK " ORDER BY p.id DESC",
    [READ_LIST_PUBLISHED_BACKWARD] = PUBLISHED_WALK " ORDER BY p.id",
    [READ_LIST_CHANNELS] = CHANNELS_WALK " ORDER BY p.id DESC",
    [READ_LIST_CHANNELS_BACKWARD] = CHANNELS_WALK " ORDER BY p.id",
    [READ_NEXT_OF_TYPE] = NEXT_OF_TYPE " ORDER BY id DESC LIMIT 1",
    [READ_NEXT_OF_TYPE_BACKWARD] = NEXT_OF_TYPE " ORDER BY id LIMIT 1",
    [READ_PUBLISHED_WANTED] =
        "SELECT channels, type, tags FROM published WHERE application = ? AND id = ?",
    [READ_BEGIN] = "BEGIN",
    [READ_END] = "COMMIT",
    [READ_LIST_SENT] = SENT_WALK " ORDER BY d.message DESC",
    [READ_LIST_SENT_BACKWARD] = SENT_WALK " ORDER BY d.message",
    [READ_NEXT_FAILED] = NEXT_FAILED " ORDER BY message DESC LIMIT 1",
    [READ_NEXT_FAILED_BACKWARD] = NEXT_FAILED " ORDER BY message LIMIT 1",
    [READ_STANDING] = "SELECT max(d.state = 3), count(iif(d.state = 1, 1, NULL)),"
                      " count(iif(d.state = 0, 1, NULL)),"
                      " min(iif(d.state < 3 AND d.due_ms < (1 << 62), d.due_ms, NULL)), count(*)"
                      " FROM delivery d INDEXED BY delivery_registered WHERE d.endpoint = ?"
                      " AND d.endpoint >= 1099511627776 AND d.message = ?",
    [READ_COUNT_SENT] =
        "SELECT max(d.state = 3), count(iif(d.state = 1, 1, NULL)),"
        " count(iif(d.state = 0, 1, NULL)), count(iif(d.state = 5, 1, NULL)), d.message"
        " FROM delivery d INDEXED BY delivery_registered WHERE d.endpoint = ?"
        " AND d.endpoint >= 1099511627776 AND d.message >= ? AND d.message < ?"
        " GROUP BY d.message ORDER BY d.message",
    [READ_SENT_COUNTS] =
        "SELECT coalesce(sum(succeeded), 0), coalesce(sum(pending), 0), coalesce(sum(failed), 0),"
        " coalesce(sum(again), 0), coalesce(sum(cancelled), 0) FROM sent_count WHERE endpoint = ?"
        " AND span >= ? AND span < ?",
    [READ_SENT_SPAN] = SENT_SPAN " ORDER BY span DESC LIMIT 1",
    [READ_SENT_SPAN_BACKWARD] = SENT_SPAN " ORDER BY span LIMIT 1",
    [READ_SENT] = "SELECT endpoint, state, due_ms FROM delivery WHERE id = ?",
    [READ_SENT_URL] = "SELECT url FROM endpoint WHERE id = ?",
    [READ_MESSAGE_DELIVERIES] = "SELECT delivery, deliveries FROM message WHERE id = ?",
    [READ_DELIVERY_ATTEMPT] = "SELECT attempt FROM delivery WHERE id = ?",
    [READ_PREVIOUS_ATTEMPT] = "SELECT previous FROM attempt WHERE id = ?",
    [READ_TRIED] = TRIED_ROW TRIED_JOINS " WHERE a.id = ?",
    [READ_NEXT_TRIED] = NEXT_TRIED " ORDER BY id DESC LIMIT 1",
    [READ_NEXT_TRIED_BACKWARD] = NEXT_TRIED " ORDER BY id LIMIT 1",
    [READ_KV_LIST] = SQL_TEXT_KV_LIST,
    [READ_KV] = "SELECT value, version, sealed FROM kv WHERE ns = ? AND key = ?"
                " AND (expires_ms IS NULL OR expires_ms > ?)",
};

struct slice column_text(sqlite3_stmt *statement, int column)
{
    const char *text = (const char *)sqlite3_column_text(statement, column);
    return slice_of(text ? text : "", (size_t)sqlite3_column_bytes(statement, column));
}

struct slice column_blob(sqlite3_stmt *statement, int column)
{
    const char *bytes = sqlite3_column_blob(statement, column);
    return slice_of(bytes ? bytes : "", (size_t)sqlite3_column_bytes(statement, column));
}

char *column_copy(sqlite3_stmt *statement, int column)
{
    if (sqlite3_column_type(statement, column) == SQLITE_NULL)
        return NULL;
    const struct slice bytes = column_blob(statement, column);
    char *copy = malloc(bytes.len + 1);
    if (!copy)
        return NULL;
    memcpy(copy, bytes.data, bytes.len);
    copy[bytes.len] = '\0';
    return copy;
}

/* ---- Connections ----------------------------------------------------------------------------- */

void sqlite_reader_close(struct engine *engine, void *reader)
{
    struct sqlite_reader *it = reader;
    (void)engine;
    if (!it)
        return;
    for (unsigned i = 0; i < READ_SQL_COUNT; i++)
        (void)sqlite3_finalize(it->statements[i]);
    (void)sqlite3_close_v2(it->db);
    free(it);
}

static int connect_reader(struct sqlite_reader *it, const char *vfs)
{
    static const char settings[] = "PRAGMA query_only = ON; PRAGMA mmap_size = 0;"
                                   "PRAGMA cache_size = -2048; PRAGMA temp_store = MEMORY;"
                                   "PRAGMA trusted_schema = OFF;";
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    int rc = sqlite3_open_v2(it->path, &it->db, flags, vfs);
    if (rc == SQLITE_OK)
        rc = sqlite3_busy_timeout(it->db, BUSY_MS);
    if (rc == SQLITE_OK)
        rc = sqlite3_db_config(it->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_exec(it->db, settings, NULL, NULL, NULL);
    for (unsigned i = 0; i < READ_SQL_COUNT && rc == SQLITE_OK; i++)
        rc = sqlite3_prepare_v3(it->db, read_sql[i], -1, SQLITE_PREPARE_PERSISTENT,
                                &it->statements[i], NULL);
    return rc;
}

enum status sqlite_reader_open(struct engine *engine, void **reader, struct err *err)
{
    const struct sqlite_engine *writer = container_of(engine, struct sqlite_engine, engine);
    struct sqlite_reader *it = must_alloc(sizeof *it);
    it->path = writer->path;
    it->ring = writer->ring;
    if (connect_reader(it, writer->vfs) != SQLITE_OK) {
        const enum status status =
            err_set(err, E_IO, "%s: cannot open a reader: %s", it->path, sqlite3_errmsg(it->db));
        sqlite_reader_close(engine, it);
        return status;
    }
    *reader = it;
    return OK;
}

/* ---- Reads ----------------------------------------------------------------------------------- */

int sqlite_get_kv(struct sqlite_reader *reader, struct store_get_kv *get)
{
    sqlite3_stmt *statement = reader->statements[READ_KV];
    bind_text(statement, 1, slice_str(get->ns));
    bind_text(statement, 2, slice_str(get->key));
    (void)sqlite3_bind_int64(statement, 3, get->now_ms);
    int rc = sqlite3_step(statement);
    get->value = NULL;
    get->version = 0;
    if (rc == SQLITE_ROW) {
        get->version = column_id(statement, 1);
        rc = sqlite_value_of(reader->ring, get->ns, get->key, column_blob(statement, 0),
                             sqlite3_column_int(statement, 2), &get->value);
        rc = rc == SQLITE_OK ? SQLITE_DONE : rc;
    }
    (void)sqlite3_reset(statement);
    return rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int add_kv_row(struct seal_ring *ring, sqlite3_stmt *statement, struct store_list_kv *list)
{
    struct kv_row *rows = array_grow(list->rows, list->row_count, sizeof *rows);
    if (!rows)
        return SQLITE_NOMEM;
    list->rows = rows;
    struct kv_row *row = &rows[list->row_count++];
    *row = (struct kv_row){.key = column_copy(statement, 0)};
    if (!row->key)
        return SQLITE_NOMEM;
    const int rc = sqlite_value_of(ring, list->ns, row->key, column_blob(statement, 2),
                                   sqlite3_column_int(statement, 3), &row->value);
    return rc == SQLITE_OK ? SQLITE_ROW : rc;
}

int sqlite_list_kv(struct sqlite_reader *reader, struct store_list_kv *list)
{
    sqlite3_stmt *statement = reader->statements[READ_KV_LIST];
    struct kv_walk walk = {list->ns, list->prefix, list->after, list->now_ms, 0};
    size_t bytes = 0;
    int rc = SQLITE_ROW;
    sqlite_kv_walk_begin(&walk, statement);
    while (list->row_count < list->limit && !list->is_cut) {
        rc = sqlite_kv_walk_step(&walk, statement);
        if (rc != SQLITE_ROW)
            break;
        bytes += column_blob(statement, 2).len;
        list->is_cut = bytes > list->bytes_max;
        if (!list->is_cut)
            rc = add_kv_row(reader->ring, statement, list);
        if (rc != SQLITE_ROW)
            break;
    }
    (void)sqlite3_reset(statement);
    list->version = walk.version;
    return rc == SQLITE_ROW || rc == SQLITE_DONE ? SQLITE_OK : rc;
}

static int dispatch(struct sqlite_reader *it, struct store_read *read)
{
    switch (read->kind) {
    case STORE_CLAIM_EVENTS:
        return sqlite_claim_events(it, container_of(read, struct store_claim_events, read));
    case STORE_CLAIM_BATCH:
        return sqlite_claim_batch(it, container_of(read, struct store_claim_batch, read));
    case STORE_CLAIM_DELIVERIES:
        return sqlite_claim_deliveries(it, container_of(read, struct store_claim_deliveries, read));
    case STORE_CLAIM_OPEN:
        return sqlite_claim_open(it, container_of(read, struct store_claim_open, read));
    case STORE_BACKLOG:
        return sqlite_backlog(it, container_of(read, struct store_backlog, read));
    case STORE_LIST_EVENTS:
        return sqlite_list_events(it, container_of(read, struct store_list_events, read));
    case STORE_LIST_DELIVERIES:
        return sqlite_list_deliveries(it, container_of(read, struct store_list_deliveries, read));
    case STORE_LIST_ENDPOINTS:
        return sqlite_list_endpoints(it, container_of(read, struct store_list_endpoints, read));
    case STORE_GET_EVENT:
        return sqlite_get_event(it, container_of(read, struct store_get_event, read));
    case STORE_GET_DELIVERY:
        return sqlite_get_delivery(it, container_of(read, struct store_get_delivery, read));
    case STORE_GET_KV:
        return sqlite_get_kv(it, container_of(read, struct store_get_kv, read));
    case STORE_LIST_KV:
        return sqlite_list_kv(it, container_of(read, struct store_list_kv, read));
    case STORE_LIST_ROUTINES:
        return sqlite_list_routines(it, container_of(read, struct store_list_routines, read));
    case STORE_LIST_STEPS:
        return sqlite_list_steps(it, container_of(read, struct store_list_steps, read));
    case STORE_LIST_ATTEMPTS:
        return sqlite_list_attempts(it, container_of(read, struct store_list_attempts, read));
    case STORE_LIST_RESOURCES:
        return sqlite_list_resources(it, container_of(read, struct store_list_resources, read));
    case STORE_LIST_PUBLISHED:
        return sqlite_list_published(it, container_of(read, struct store_list_published, read));
    case STORE_LIST_DESTINATIONS:
        return sqlite_list_destinations(it,
                                        container_of(read, struct store_list_destinations, read));
    case STORE_LIST_SENT:
        return sqlite_list_sent(it, container_of(read, struct store_list_sent, read));
    case STORE_COUNT_SENT:
        return sqlite_count_sent(it, container_of(read, struct store_count_sent, read));
    case STORE_LIST_TRIED:
        return sqlite_list_tried(it, container_of(read, struct store_list_tried, read));
    case STORE_LIST_TOKENS:
        return sqlite_list_tokens(it, container_of(read, struct store_list_tokens, read));
    case STORE_COUNT_SECRETS:
        return sqlite_count_secrets(it, container_of(read, struct store_count_secrets, read));
    case STORE_LIST_TASKS:
        return sqlite_list_tasks(it, container_of(read, struct store_list_tasks, read));
    case STORE_READ_KIND_COUNT:
        break;
    }
    return SQLITE_MISUSE;
}

void sqlite_read(struct engine *engine, void *reader, struct store_read *read)
{
    struct sqlite_reader *it = reader;
    (void)engine;
    read->status = OK;
    const int rc = dispatch(it, read);
    if (rc == SQLITE_OK)
        return;
    store_read_finish(read);
    if (rc == SEALED_UNREADABLE) {
        read->status = err_set(&read->err, E_IO,
                               "a secret of it does not open; the server's log says which and why");
        return;
    }
    read->status = err_set(&read->err, E_IO, "cannot read %s: %s", it->path, sqlite3_errstr(rc));
    log_error("store read failed", "kind=%d code=%d errno=%d file=\"%s\"", (int)read->kind, rc,
              sqlite3_system_errno(it->db), it->path);
}
