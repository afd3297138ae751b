/* SPDX-License-Identifier: MIT */
/* The SQLite engine's life: lock file, connection, settings, statements. */
#include "store/sqlite_int.h"

#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

/* The specs build the engine once with OFF, to see their power cuts find what that loses. */
#ifndef STORE_SYNCHRONOUS
#define STORE_SYNCHRONOUS "FULL"
#endif

#define CHECKPOINT_FRAMES 1000u /* 4 MB: README.md of the core says why */

static const char *const write_sql[WRITE_SQL_COUNT] = {
    [SQL_BEGIN] = "BEGIN IMMEDIATE",
    [SQL_COMMIT] = "COMMIT",
    [SQL_ROLLBACK] = "ROLLBACK",
    [SQL_PROBE] = "REPLACE INTO meta(key, value) VALUES ('probe', ?)",
    [SQL_SOURCE_ID] = "SELECT id FROM source WHERE name = ?",
    [SQL_SOURCE_INSERT] = "INSERT INTO source(name) VALUES (?) RETURNING id",
    [SQL_KEY_OF_EVENT] = "SELECT key, erased_ms FROM event WHERE id = ? AND source = ?",
    [SQL_DEDUPE_FIND] =
        "SELECT d.event, e.key, e.erased_ms FROM dedupe d JOIN event e ON e.id = d.event"
        " WHERE d.run = ? AND d.hash = ? AND d.event >= ? AND e.source = ?"
        " ORDER BY d.event DESC",
    [SQL_DEDUPE_INSERT] = "INSERT OR IGNORE INTO dedupe(run, hash, event) VALUES (?, ?, ?)",
    [SQL_DEDUPE_EXPIRE] =
        "DELETE FROM dedupe WHERE run = ?1 AND hash <= coalesce((SELECT hash"
        " FROM dedupe WHERE run = ?1 ORDER BY hash LIMIT 1 OFFSET ?2 - 1), 9223372036854775807)",
    [SQL_DEDUPE_RUN_INSERT] = "INSERT INTO dedupe_run(run, newest_ms, filter) VALUES (?, ?, ?)",
    [SQL_DEDUPE_RUN_DELETE] = "DELETE FROM dedupe_run WHERE run = ?",
    [SQL_DEDUPE_LOG_INSERT] = "INSERT INTO dedupe_log(data) VALUES (?)",
    [SQL_DEDUPE_LOG_DELETE] = "DELETE FROM dedupe_log WHERE seq <= ?",
    [SQL_KEY_WINDOW_PUT] = "REPLACE INTO meta(key, value) VALUES ('key_window_ms', ?)",
    [SQL_EVENT_DEPTH] = "SELECT depth FROM event WHERE id = ?",
    [SQL_EVENT_INSERT] = "INSERT INTO event(id, source, type, key, parent, depth, trace, bytes,"
                         " received_ms, late) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [SQL_CONTENT_INSERT] = "INSERT INTO content(id, head, body, sealed) VALUES (?, ?, ?, ?)",
    [SQL_EVENT_DUE_INSERT] = "INSERT INTO event_due(id, due_ms) VALUES (?, ?)",
    [SQL_EVENT_DUE_FIND] = "SELECT 1 FROM event_due WHERE id = ?",
    [SQL_EVENT_DUE_UPDATE] = "UPDATE event_due SET due_ms = ?2 WHERE id = ?1",
    [SQL_EVENT_DUE_DELETE] = "DELETE FROM event_due WHERE id = ?",
    [SQL_RUN_ANY] = "SELECT 1 FROM run WHERE event = ? LIMIT 1",
    [SQL_RUN_INSERT] = "INSERT INTO run(event, subscription, state, number, due_ms, first_ordinal)"
                       " VALUES (?, ?, 0, 0, 0, ?)",
    [SQL_RUN_UPSERT] = "INSERT INTO run(event, subscription, state, number, due_ms, error,"
                       " first_ordinal) VALUES (?1, ?2, ?3, ?4, ?5, ?6, 1)"
                       " ON CONFLICT DO UPDATE SET state = ?3, number = ?4, due_ms = ?5,"
                       " error = ?6",
    [SQL_RUN_UPDATE] = "UPDATE run SET state = ?3, number = ?4, due_ms = ?5, error = ?6"
                       " WHERE event = ?1 AND subscription = ?2 AND state < 2",
    [SQL_RUN_NEXT] = "SELECT event, due_ms FROM run INDEXED BY run_order WHERE subscription = ?1"
                     " AND order_key = (SELECT order_key FROM run WHERE event = ?2"
                     " AND subscription = ?1) AND state < 2 ORDER BY event LIMIT 1",
    [SQL_RUN_ORDER_FIND] = "SELECT 1 FROM run INDEXED BY run_order WHERE subscription = ?"
                           " AND order_key = ? AND state < 2 LIMIT 1",
    [SQL_RUN_PLAN] = "INSERT INTO run(event, subscription, state, number, due_ms, first_ordinal,"
                     " order_key, batch) VALUES (?, ?, 0, 0, ?, ?, ?, ?)",
    [SQL_RUN_RELEASE] = "UPDATE run SET due_ms = ?3 WHERE event = ?1 AND subscription = ?2",
    [SQL_RUN_LEAST_DUE] = "SELECT min(due_ms) FROM run WHERE event = ? AND state < 2",
    [SQL_BATCH_NEWEST] = "SELECT id, leader, count, bytes, opened_ms, close_ms FROM batch"
                         " INDEXED BY batch_key WHERE subscription = ? AND key = ?"
                         " ORDER BY id DESC LIMIT 1",
    [SQL_BATCH_FIRST] = "SELECT id, leader, close_ms FROM batch INDEXED BY batch_key"
                        " WHERE subscription = ? AND key = ? ORDER BY id LIMIT 1",
    [SQL_BATCH_FIND] = "SELECT key FROM batch WHERE id = ? AND leader = ?",
    [SQL_BATCH_INSERT] = "INSERT INTO batch(subscription, key, leader, count, bytes, opened_ms,"
                         " close_ms) VALUES (?, ?, ?, ?, ?, ?, ?) RETURNING id",
    [SQL_BATCH_UPDATE] =
        "UPDATE batch SET leader = ?2, count = ?3, bytes = ?4, close_ms = ?5 WHERE id = ?1",
    [SQL_BATCH_DELETE] = "DELETE FROM batch WHERE id = ?",
    [SQL_BATCH_RUN] = "SELECT event FROM run INDEXED BY run_batch WHERE batch = ? AND state < 2"
                      " ORDER BY event LIMIT 1",
    [SQL_STEP_OPEN] = "SELECT 1 FROM event_due WHERE id = ?1 AND NOT EXISTS (SELECT 1 FROM run"
                      " WHERE event = ?1 AND subscription = ?2 AND state >= 2)",
    [SQL_STEP_FIND] = "SELECT result FROM step WHERE event = ? AND subscription = ? AND name = ?",
    [SQL_STEP_INSERT] = "INSERT INTO step(event, subscription, name, result) VALUES (?, ?, ?, ?)",
    [SQL_STEP_END] = "DELETE FROM step WHERE event = ? AND subscription = ?",
    [SQL_MESSAGE_INSERT] =
        "INSERT INTO message(id, type, content, delivery, deliveries) VALUES (?, ?, ?, ?, ?)",
    [SQL_DELIVERY_INSERT] = "INSERT INTO delivery(id, message, endpoint, state, attempts, due_ms,"
                            " expires_ms, order_key, priority) VALUES (?, ?, ?, 0, 0, ?, ?, ?, ?)",
    [SQL_DELIVERY_ATTEMPT] = "SELECT attempt FROM delivery WHERE id = ? AND state < 3",
    [SQL_DELIVERY_SETTLE] =
        "UPDATE delivery SET state = ?2, attempts = attempts + 1, attempt = ?3,"
        " due_ms = ?4, reason = ?5, leased_ms = NULL WHERE id = ?1 AND state < 3",
    [SQL_DELIVERY_KEEP] = "UPDATE delivery SET attempts = attempts + 1, attempt = ?2, due_ms = ?3"
                          " WHERE id = ?1 AND state < 3",
    [SQL_DELIVERY_END] = "UPDATE delivery SET state = ?2, due_ms = ?3, reason = ?4"
                         " WHERE id = ?1 AND state < 3",
    [SQL_CLEAR_FIND] = "SELECT id FROM delivery INDEXED BY delivery_due WHERE endpoint = ?"
                       " AND state < 3 AND due_ms IS NOT NULL LIMIT 1",
    /* One that is held was not released: the outcome before it was not written. */
    [SQL_DELIVERY_SPILL] = "UPDATE delivery SET due_ms = ?2 WHERE id = ?1 AND state < 3"
                           " AND (due_ms IS NULL OR due_ms < (1 << 62))",
    [SQL_LEASE_FIND] = "SELECT attempt, leased_ms FROM delivery WHERE id = ? AND endpoint = ?"
                       " AND attempts = ? AND state < 3 AND leased_ms IS NOT NULL",
    [SQL_LEASE_GIVE] = "UPDATE delivery SET due_ms = ?4, leased_ms = ?5 WHERE id = ?1"
                       " AND endpoint = ?2 AND attempts = ?3 AND state < 3"
                       " AND leased_ms IS NULL AND due_ms <= ?5",
    [SQL_LEASE_MOVE] = "UPDATE delivery SET due_ms = ?4, leased_ms = iif(?5, leased_ms, NULL)"
                       " WHERE id = ?1 AND endpoint = ?2 AND attempts = ?3 AND state < 3"
                       " AND leased_ms IS NOT NULL",
    [SQL_CHANGE_FIND] = "SELECT state, endpoint, due_ms, order_key IS NOT NULL, order_key IS NOT"
                        " NULL AND (ifnull(is_blocking, 0) OR state < 3 AND (due_ms IS NULL OR"
                        " due_ms < (1 << 62))) FROM delivery WHERE id = ?",
    [SQL_CHANGE_REVIVE] = "UPDATE delivery SET state = 0, due_ms = ?2, fresh_ms = ?3,"
                          " fresh_attempts = attempts, expires_ms = NULL, reason = NULL,"
                          " is_blocking = NULL, leased_ms = NULL WHERE id = ?1",
    [SQL_CHANGE_IS_HELD] =
        "SELECT 1 FROM delivery e CROSS JOIN delivery d INDEXED BY delivery_order"
        " ON d.endpoint = e.endpoint AND d.order_key = e.order_key"
        " AND (d.state < 3 OR d.is_blocking) AND d.id <> e.id WHERE e.id = ?"
        " AND (d.is_blocking OR d.due_ms IS NULL OR d.due_ms < (1 << 62)) LIMIT 1",
    [SQL_CHANGE_DROP] = "UPDATE delivery SET state = 5, due_ms = NULL, reason = ?2,"
                        " is_blocking = NULL, leased_ms = NULL WHERE id = ?1",
    [SQL_CHANGE_RUNS] =
        "SELECT subscription, state, first_ordinal, order_key, number, batch FROM run"
        " WHERE event = ? ORDER BY first_ordinal, subscription",
    [SQL_CHANGE_RUN] = "UPDATE run SET state = ?3, number = ?4, due_ms = ?5, error = ?6"
                       " WHERE event = ?1 AND subscription = ?2",
    [SQL_REPLAY_RUN] = "INSERT INTO run(event, subscription, state, number, due_ms,"
                       " first_ordinal) VALUES (?1, ?2, 0, 0, ?3, ?4)"
                       " ON CONFLICT DO UPDATE SET state = 0, number = 0, due_ms = ?3,"
                       " first_ordinal = ?4, error = NULL",
    [SQL_REPLAY_FIND] = "SELECT message, endpoint FROM delivery WHERE id = ?",
    [SQL_REPLAY_DELIVERY] = "INSERT INTO delivery(id, message, endpoint, state, attempts, due_ms,"
                            " order_key, priority) SELECT ?1, ?2, endpoint, 0, 0, ?4, order_key,"
                            " priority FROM delivery WHERE id = ?3",
    [SQL_REPLAY_IDS] = "SELECT id FROM message WHERE id BETWEEN ?1 AND ?1 | 255 ORDER BY id DESC",
    [SQL_REPLAY_COPY] = "INSERT INTO message(id, type, content) SELECT ?2, type, content"
                        " FROM message WHERE id = ?1",
    [SQL_MESSAGE_FIND] = "SELECT delivery, deliveries FROM message WHERE id = ?",
    [SQL_MESSAGE_REPLACE] = "UPDATE message SET type = ?2, content = ?3 WHERE id = ?1",
    [SQL_MESSAGE_ADD] =
        "UPDATE message SET delivery = coalesce(delivery, ?2), deliveries = iif(delivery IS NULL,"
        " deliveries, CAST(coalesce(deliveries, x'') || ?3 AS BLOB)) WHERE id = ?1",
    [SQL_CONTENT_REPLACE] = "REPLACE INTO content(id, head, body, sealed) VALUES (?, ?, ?, ?)",
    [SQL_TASK_INSERT] =
        "INSERT INTO task(id, verb, kind, state, ids, source, type, endpoint, wanted, contains,"
        " subscription, reason, has_new_ids, rate_per_s, since_ms, until_ms, cursor, done, skipped,"
        " created_ms) VALUES (?, ?, ?, 0, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, 0, 0, 0, ?)",
    [SQL_TASK_FIND] = "SELECT state, cursor FROM task WHERE id = ?",
    [SQL_TASK_MOVE] = "UPDATE task SET cursor = ?2, done = done + ?3, skipped = skipped + ?4,"
                      " state = ?5, ended_ms = ?6 WHERE id = ?1",
    [SQL_TASK_END] = "UPDATE task SET state = 2, ended_ms = ?2 WHERE id = ?1",
    [SQL_TASK_EXPIRE] = "DELETE FROM task WHERE state > 0 AND ended_ms < ?",
    [SQL_RESOURCE_FIND] = "SELECT version, created_ms FROM resource WHERE id = ?",
    [SQL_RESOURCE_OF_UID] =
        "SELECT id, body FROM resource WHERE kind = ? AND owner = ? AND uid = ?",
    [SQL_RESOURCE_PUT] =
        "INSERT INTO resource(id, uid, is_archived, version, body, created_ms, updated_ms, kind,"
        " owner) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT(id) DO UPDATE SET"
        " uid = excluded.uid, is_archived = excluded.is_archived, version = excluded.version,"
        " body = excluded.body, updated_ms = excluded.updated_ms",
    [SQL_RESOURCE_DELETE] = "DELETE FROM resource WHERE id = ?",
    [SQL_RESOURCE_OWNED] = "SELECT id, uid FROM resource INDEXED BY resource_place WHERE kind = ?"
                           " AND owner = ? ORDER BY id LIMIT 1",
    [SQL_RESOURCE_COUNT] = "SELECT count(*) FROM (SELECT 1 FROM resource INDEXED BY resource_place"
                           " WHERE kind = ? AND owner = ? LIMIT ?)",
    [SQL_RESOURCE_DISABLED] = "UPDATE resource SET body = json_set(body, '$.disabled', json(?2)),"
                              " version = version + 1, updated_ms = ?3 WHERE id = ?1",
    [SQL_SECRET_NEWEST] = "SELECT coalesce(max(version), 0), count(iif(expires_ms > ?3, 1, NULL)),"
                          " count(iif(expires_ms IS NULL, 1, NULL)) FROM secret"
                          " WHERE owner = ?1 AND kind = ?2",
    [SQL_SECRET_KEEP] = "UPDATE secret SET expires_ms = ?3 WHERE owner = ?1 AND kind = ?2"
                        " AND expires_ms IS NULL",
    [SQL_SECRET_END] = "DELETE FROM secret WHERE owner = ?1 AND kind = ?2"
                       " AND coalesce(expires_ms, 0) <= ?3",
    [SQL_SECRET_PUT] = "INSERT INTO secret(owner, kind, version, created_ms, sealed)"
                       " VALUES (?, ?, ?, ?, ?)",
    [SQL_SECRET_DELETE] = "DELETE FROM secret WHERE owner = ? AND kind = ?",
    [SQL_SECRET_DELETE_ALL] = "DELETE FROM secret WHERE owner = ?",
    [SQL_SECRET_EXPIRE] = "DELETE FROM secret WHERE (owner, kind, version) IN (SELECT owner, kind,"
                          " version FROM secret WHERE expires_ms IS NOT NULL AND expires_ms <= ?"
                          " LIMIT ?)",
    [SQL_PUBLISHED_OF_UID] = "SELECT id FROM published WHERE application = ? AND uid = ?",
    [SQL_PUBLISHED_INSERT] = "INSERT INTO published(id, application, uid, channels, tags,"
                             " payload_until_ms, type) VALUES (?, ?, ?, ?, ?, ?, ?)",
    [SQL_PUBLISHED_DELETE] = "DELETE FROM published WHERE id = ?",
    [SQL_PUBLISHED_FORGOTTEN] = "SELECT 1 FROM published WHERE id = ? AND payload_until_ms IS NULL",
    [SQL_PUBLISHED_EXPUNGE] = "UPDATE published SET payload_until_ms = NULL WHERE id = ?",
    [SQL_PUBLISHED_OLD] = "SELECT id FROM published INDEXED BY published_payload"
                          " WHERE payload_until_ms IS NOT NULL AND payload_until_ms <= ? LIMIT 1",
    [SQL_CONTENT_EXPUNGE] = "UPDATE content SET body = CAST('{\"expired\":true}' AS BLOB)"
                            " WHERE id = ?1 OR id = ?1 | 255",
    [SQL_ATTEMPT_EXPUNGE] = "UPDATE attempt SET body = CAST('EXPUNGED' AS BLOB), head = x'',"
                            " detail = NULL WHERE id = ?",
    [SQL_RESEND_MESSAGE] = "INSERT INTO message(id, type, content)"
                           " SELECT ?1, substr(type, 5), id FROM event WHERE id = ?2",
    [SQL_RESEND_DELIVERY] = "INSERT INTO delivery(id, message, endpoint, state, attempts, due_ms,"
                            " priority, fresh_ms, fresh_attempts)"
                            " SELECT ?1, ?2, ?3, 0, 0, ?4, 0, ?4, 0 WHERE NOT EXISTS (SELECT 1 FROM"
                            " published WHERE id = ?5 AND payload_until_ms IS NULL)",
    [SQL_SENT_OTHERS] =
        "SELECT state FROM delivery INDEXED BY delivery_registered WHERE endpoint = ?"
        " AND endpoint >= 1099511627776 AND message = ? AND id <> ?",
    [SQL_SENT_FIND] = "SELECT endpoint, message, state, is_repeated FROM delivery WHERE id = ?",
    [SQL_SENT_REPEATED] =
        "UPDATE delivery INDEXED BY delivery_registered SET is_repeated = 1 WHERE endpoint = ?"
        " AND endpoint >= 1099511627776 AND message = ?",
    [SQL_SENT_COUNT_ADD] =
        "INSERT INTO sent_count(endpoint, span, succeeded, pending, failed, again, cancelled)"
        " VALUES (?, ?, ?, ?, ?, ?, ?) ON CONFLICT DO UPDATE SET"
        " succeeded = succeeded + excluded.succeeded, pending = pending + excluded.pending,"
        " failed = failed + excluded.failed, again = again + excluded.again,"
        " cancelled = cancelled + excluded.cancelled",
    [SQL_SENT_COUNT_END] =
        "DELETE FROM sent_count WHERE endpoint = ? AND span = ? AND succeeded = 0 AND pending = 0"
        " AND failed = 0 AND again = 0 AND cancelled = 0",
    [SQL_TOKEN_INSERT] =
        "INSERT INTO api_token(id, application, scope, hash, label, flags, created_ms, expires_ms)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?) ON CONFLICT(hash) DO NOTHING",
    [SQL_TOKEN_END] = "UPDATE api_token SET expires_ms = ?2 WHERE id = ?1 AND expires_ms > ?2",
    [SQL_TOKEN_EXPIRE] = "DELETE FROM api_token WHERE expires_ms <= ?",
    [SQL_TOKEN_DELETE] = "DELETE FROM api_token WHERE application = ?",
    [SQL_ERASE_FIND] = "SELECT erased_ms IS NOT NULL FROM event WHERE id = ?",
    [SQL_ERASE_CONTENT_OF] = "SELECT content FROM message WHERE id = ?",
    [SQL_ERASE_COPIES] = "SELECT id, content, delivery, deliveries FROM message"
                         " INDEXED BY message_copy WHERE content BETWEEN ?1 AND ?1 | 255"
                         " AND content <> id AND content <> id & -256",
    [SQL_ERASE_CHILDREN] = "SELECT id FROM event INDEXED BY event_parent WHERE parent = ?",
    [SQL_ERASE_ATTEMPT] = "UPDATE attempt SET detail = '', head = x'', body = x'', request = x''"
                          " WHERE id = ?",
    [SQL_ERASE_DELIVERY] = "UPDATE delivery SET reason = '" STORE_ERASED "', order_key = NULL"
                           " WHERE id = ?",
    [SQL_ERASE_CONTENT] =
        "UPDATE content SET head = x'', body = x'', sealed = 0 WHERE id BETWEEN ?1"
        " AND ?1 | 255",
    [SQL_ERASE_RUNS] = "UPDATE run SET state = iif(state = 4, 3, state), order_key = NULL,"
                       " error = iif(error IS NULL, NULL, '" STORE_ERASED "') WHERE event = ?",
    [SQL_ERASE_PUBLISHED] = "UPDATE published SET channels = NULL, tags = NULL,"
                            " payload_until_ms = NULL WHERE id = ?",
    [SQL_ERASE_EVENT] = "UPDATE event SET key = NULL, trace = NULL, bytes = 0,"
                        " erased_ms = coalesce(erased_ms, ?2) WHERE id = ?1",
    [SQL_IS_ERASED_EVENT] = "SELECT 1 FROM event WHERE id = ? AND erased_ms IS NOT NULL",
    [SQL_IS_ERASED_MESSAGE] = "SELECT 1 FROM message m JOIN event e ON e.id = m.content & -256"
                              " WHERE m.id = ? AND e.erased_ms IS NOT NULL",
    [SQL_IS_ERASED_DELIVERY] = "SELECT 1 FROM delivery d JOIN message m ON m.id = d.message"
                               " JOIN event e ON e.id = m.content & -256 WHERE d.id = ?"
                               " AND e.erased_ms IS NOT NULL",
    [SQL_SEALED_SECRET] = "SELECT owner, kind, version, sealed FROM secret WHERE (owner, kind,"
                          " version) > (?, ?, ?) ORDER BY owner, kind, version LIMIT 1",
    [SQL_SEALED_VALUE] = "SELECT ns, key, value FROM kv INDEXED BY kv_sealed WHERE sealed = 1"
                         " AND (ns, key) > (?, ?) ORDER BY ns, key LIMIT 1",
    [SQL_SEALED_BODY] = "SELECT id, body FROM content INDEXED BY content_sealed WHERE sealed = 1"
                        " AND id > ? ORDER BY id LIMIT 1",
    [SQL_RESEAL_SECRET] = "UPDATE secret SET sealed = ?4 WHERE owner = ?1 AND kind = ?2"
                          " AND version = ?3",
    [SQL_RESEAL_VALUE] = "UPDATE kv SET value = ?3 WHERE ns = ?1 AND key = ?2",
    [SQL_RESEAL_BODY] = "UPDATE content SET body = ?2 WHERE id = ?1",
    [SQL_ANSWER_FIND] = "SELECT id, uid, is_archived, version, body, created_ms, updated_ms"
                        " FROM answer WHERE key = ? AND until_ms > ?",
    [SQL_ANSWER_PUT] =
        "INSERT OR REPLACE INTO answer(key, until_ms, id, uid, is_archived, version, body,"
        " created_ms, updated_ms) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [SQL_ANSWER_EXPIRE] = "DELETE FROM answer WHERE until_ms <= ?",
    [SQL_ROUTINE_FIND] = "SELECT version FROM routine WHERE kind = ? AND name = ?",
    [SQL_ROUTINE_PUT] =
        "INSERT OR REPLACE INTO routine(kind, name, version, rule, due_ms, tick_ms, previous_ms,"
        " interval_ms, wait_ms, why, answer_ms, failures, error, last_ms, duration_ms, last_items,"
        " runs, items, place)"
        " VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
    [SQL_EVENT_FIND] = "SELECT 1 FROM event WHERE id = ?",
    [SQL_EVENT_DUE_PUT] = "INSERT OR IGNORE INTO event_due(id, due_ms) VALUES (?, ?)",
    [SQL_ATTEMPT_INSERT] = "INSERT INTO attempt(id, delivery, number, previous, state, status,"
                           " error, started_ms, duration_ms, dns_us, connect_us, tls_us,"
                           " first_byte_us, next_ms, is_cut, detail, head, body, decided,"
                           " request, endpoint) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?,"
                           " ?, ?, ?, ?, ?, ?, ?)",
    [SQL_ORDER_FIND] = "SELECT 1 FROM delivery INDEXED BY delivery_order WHERE endpoint = ?"
                       " AND order_key = ? AND (state < 3 OR is_blocking) LIMIT 1",
    [SQL_ORDER_BLOCK] = "UPDATE delivery SET is_blocking = 1 WHERE id = ?",
    [SQL_ORDER_BLOCKING] = "SELECT id FROM delivery INDEXED BY delivery_blocking WHERE endpoint = ?"
                           " AND id > ? AND is_blocking ORDER BY id LIMIT 1",
    [SQL_ORDER_UNBLOCK] = "UPDATE delivery SET is_blocking = NULL WHERE id = ?",
    [SQL_ORDER_NEXT] = "SELECT d.id, d.due_ms FROM delivery e CROSS JOIN delivery d"
                       " INDEXED BY delivery_order ON d.endpoint = e.endpoint"
                       " AND d.order_key = e.order_key AND (d.state < 3 OR d.is_blocking)"
                       " WHERE e.id = ? ORDER BY d.id LIMIT 1",
    [SQL_ORDER_LOAD] = SQL_TEXT_DELIVERY SQL_TEXT_DELIVERY_JOINS " WHERE d.id = ?",
    [SQL_ORDER_RELEASE] = "UPDATE delivery SET due_ms = ?2 WHERE id = ?1",
    [SQL_ENDPOINT_FIND] = "SELECT id, url, state, failing_since_ms FROM endpoint WHERE name = ?",
    [SQL_ENDPOINT_INSERT] =
        /* Numbers below those of what applications registered: ID_ENDPOINT_REGISTERED. */
    "INSERT INTO endpoint(id, name, url, state, reason) VALUES ((SELECT coalesce(max(id), 0) + 1"
    " FROM endpoint WHERE id < (1 << 40)), ?, ?, ?, ?) RETURNING id",
    [SQL_ENDPOINT_PUT] = "INSERT INTO endpoint(id, name, url, state) VALUES (?, ?, ?, ?)",
    [SQL_ENDPOINT_STANDING] = "SELECT state, failing_since_ms FROM endpoint WHERE id = ?",
    [SQL_ENDPOINT_UPDATE] =
        "UPDATE endpoint SET url = coalesce(?2, url), state = ?3, reason = CASE WHEN ?3 = state "
        "THEN coalesce(?4, reason) ELSE ?4 END,"
        " failing_since_ms = CASE ?3 WHEN 0 THEN NULL ELSE failing_since_ms END WHERE id = ?1",
    [SQL_ENDPOINT_FAILING] = "UPDATE endpoint SET failing_since_ms = ?2 WHERE id = (SELECT endpoint"
                             " FROM delivery WHERE id = ?1)",
    [SQL_KV_GET] = "SELECT value, version, sealed FROM kv WHERE ns = ? AND key = ?"
                   " AND (expires_ms IS NULL OR expires_ms > ?)",
    [SQL_KV_LIST] = SQL_TEXT_KV_LIST,
    [SQL_KV_PUT] = "INSERT INTO kv(ns, key, value, version, expires_ms, sealed)"
                   " VALUES (?1, ?2, ?3, ?4, ?5, ?8)"
                   " ON CONFLICT DO UPDATE SET value = ?3, version = ?4, sealed = ?8,"
                   " expires_ms = iif(?6 AND expires_ms > ?7, coalesce(?5, expires_ms), ?5)",
    [SQL_KV_DELETE] = "DELETE FROM kv WHERE ns = ? AND key = ?",
    [SQL_KV_EXPIRE] = "DELETE FROM kv WHERE (ns, key) IN (SELECT ns, key FROM kv"
                      " WHERE expires_ms IS NOT NULL AND expires_ms <= ? LIMIT ?)",
    [SQL_RETAIN_EVENTS] = "SELECT e.id, s.name FROM event e JOIN source s ON s.id = e.source"
                          " WHERE e.id > ? AND e.id < ? ORDER BY e.id",
    [SQL_RETAIN_MESSAGES] =
        "SELECT id, content, delivery, deliveries FROM message WHERE id BETWEEN ?1 AND ?1 | 255",
    /* A dead one that its key waits for is not over. */
    [SQL_RETAIN_DELIVERY] = "SELECT iif(is_blocking, 0, state), attempt FROM delivery WHERE id = ?",
    [SQL_RETAIN_ATTEMPT] = "SELECT previous FROM attempt WHERE id = ?",
    [SQL_DELETE_ATTEMPT] = "DELETE FROM attempt WHERE id = ?",
    [SQL_DELETE_DELIVERY] = "DELETE FROM delivery WHERE id = ?",
    [SQL_DELETE_MESSAGE] = "DELETE FROM message WHERE id = ?",
    [SQL_DELETE_CONTENT] = "DELETE FROM content WHERE id = ?",
    [SQL_DELETE_RUNS] = "DELETE FROM run WHERE event = ?",
    [SQL_DELETE_STEPS] = "DELETE FROM step WHERE event = ?",
    [SQL_DELETE_EVENT] = "DELETE FROM event WHERE id = ?",
    [SQL_VACUUM] = "PRAGMA incremental_vacuum(256)",
    [SQL_FREE_PAGES] = "PRAGMA freelist_count",
};

/* ---- Lock file ------------------------------------------------------------------------------- */

/* What a link leads to: by either name it is one store. */
static char *follow(const char *path)
{
    struct stat status;
    char *real = lstat(path, &status) == 0 && S_ISLNK(status.st_mode) ? realpath(path, NULL) : NULL;
    return real ? real : strdup(path);
}

/* anzol.db is locked by anzol.lock, any other name by name.lock. */
static char *make_lock_path(const char *given)
{
    char *path = follow(given);
    check(path != NULL);
    size_t len = strlen(path);
    if (len > 3 && strcmp(path + len - 3, ".db") == 0)
        len -= 3;
    const size_t size = len + sizeof ".lock";
    char *lock_path = must_alloc(size);
    (void)snprintf(lock_path, size, "%.*s.lock", (int)len, path);
    free(path);
    return lock_path;
}

static enum status name_holder(const struct sqlite_engine *it, struct err *err)
{
    char pid[24] = {0};
    const ssize_t len = pread(it->lock_fd, pid, sizeof pid - 1, 0);
    pid[len > 0 ? strcspn(pid, "\n") : 0] = '\0';
    return err_set(err, E_CONFLICT,
                   "%s: %s is in use by another process (pid %s); stop that one, or give this one "
                   "another --store",
                   it->lock_path, it->path, pid[0] ? pid : "unknown");
}

static enum status take_lock(struct sqlite_engine *it, struct err *err)
{
    it->lock_fd = open(it->lock_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (it->lock_fd < 0 && errno == ENOENT)
        return err_set(err, E_IO,
                       "the folder of %s is not there; make it, or say where the store is to be: "
                       "--state-dir, --store",
                       it->lock_path);
    if (it->lock_fd < 0)
        return err_set(err, E_IO, "cannot open the lock file %s: %s", it->lock_path,
                       strerror(errno));
    if (flock(it->lock_fd, LOCK_EX | LOCK_NB) != 0)
        return errno == EWOULDBLOCK
                   ? name_holder(it, err)
                   : err_set(err, E_IO, "cannot lock %s: %s", it->lock_path, strerror(errno));
    char pid[24];
    const int len = snprintf(pid, sizeof pid, "%ld\n", (long)getpid());
    /* Only a help for people: a full disk must not keep the store from opening. */
    if (ftruncate(it->lock_fd, 0) != 0 || pwrite(it->lock_fd, pid, (size_t)len, 0) != len)
        log_debug("lock file without pid", "path=\"%s\"", it->lock_path);
    return OK;
}

/* The database's name in its folder must survive a power cut as its contents do. */
static enum status sync_folder(const char *path, struct err *err)
{
    char *folder = strdup(path);
    check(folder != NULL);
    char *slash = strrchr(folder, '/');
    if (slash)
        slash[slash == folder] = '\0';
    const int fd = open(slash ? folder : ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    const bool is_synced = fd >= 0 && fsync(fd) == 0;
    const int error = errno;
    if (fd >= 0)
        (void)close(fd);
    free(folder);
    return is_synced
               ? OK
               : err_set(err, E_IO, "cannot sync the folder of %s: %s", path, strerror(error));
}

/* ---- Connection ------------------------------------------------------------------------------ */

static enum status fail(struct sqlite_engine *it, struct err *err)
{
    const int rc = it->db ? sqlite3_errcode(it->db) : SQLITE_NOMEM;
    if (rc == SQLITE_NOTADB)
        return err_set(err, E_INVALID,
                       "%s is no SQLite database; name another file with --store, or restore a "
                       "backup over it",
                       it->path);
    if (rc == SQLITE_CANTOPEN)
        return err_set(err, E_IO,
                       "cannot open %s: %s; the folder must exist and be writable for this user",
                       it->path, strerror(sqlite3_system_errno(it->db)));
    return err_set(err, E_IO, "%s: %s", it->path, it->db ? sqlite3_errmsg(it->db) : "no memory");
}

static int on_log(void *ctx, sqlite3 *db, const char *name, int frames)
{
    struct sqlite_engine *it = ctx;
    (void)db;
    (void)name;
    it->log_frames = frames;
    return SQLITE_OK;
}

static enum status connect_writer(struct sqlite_engine *it, struct err *err)
{
    static const char settings[] = "PRAGMA page_size = 4096; PRAGMA auto_vacuum = INCREMENTAL;"
                                   "PRAGMA journal_mode = WAL;"
                                   "PRAGMA synchronous = " STORE_SYNCHRONOUS ";"
                                   "PRAGMA wal_autocheckpoint = 0;"
                                   "PRAGMA journal_size_limit = 67108864;"
                                   "PRAGMA mmap_size = 0; PRAGMA cache_size = -8192;"
                                   "PRAGMA secure_delete = FAST; PRAGMA temp_store = MEMORY;"
                                   "PRAGMA foreign_keys = OFF; PRAGMA trusted_schema = OFF;";
    const int flags =
        SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_EXRESCODE;
    if (sqlite3_open_v2(it->path, &it->db, flags, it->vfs) != SQLITE_OK ||
        sqlite3_busy_timeout(it->db, WRITER_BUSY_MS) != SQLITE_OK ||
        sqlite3_exec(it->db, settings, NULL, NULL, NULL) != SQLITE_OK)
        return fail(it, err);
    return OK;
}

static enum status prepare(struct sqlite_engine *it, struct err *err)
{
    for (unsigned i = 0; i < WRITE_SQL_COUNT; i++)
        if (sqlite3_prepare_v3(it->db, write_sql[i], -1, SQLITE_PREPARE_PERSISTENT,
                               &it->statements[i], NULL) != SQLITE_OK)
            return fail(it, err);
    return OK;
}

static bool read_id(sqlite3 *db, const char *sql, uint64_t *id)
{
    sqlite3_stmt *statement = NULL;
    if (sqlite3_prepare_v2(db, sql, -1, &statement, NULL) != SQLITE_OK)
        return false;
    const bool is_found = sqlite3_step(statement) == SQLITE_ROW;
    if (is_found)
        *id = column_id(statement, 0);
    (void)sqlite3_finalize(statement);
    return is_found;
}

static uint64_t highest_event(struct engine *engine)
{
    struct sqlite_engine *it = container_of(engine, struct sqlite_engine, engine);
    uint64_t id = 0;
    return read_id(it->db, "SELECT coalesce(max(id), 0) FROM event", &id) ? id : 0;
}

/* Row ids and the due clock go on above everything stored, also when the wall clock was set back.
 */
static enum status find_last_row(struct sqlite_engine *it, struct err *err)
{
    static const char *const queries[] = {
        "SELECT coalesce(max(id), 0) FROM delivery",
        "SELECT coalesce(max(id), 0) FROM attempt",
        "SELECT coalesce(max(id), 0) FROM resource",
        "SELECT coalesce(max(id), 0) FROM task",
        "SELECT coalesce(max(late), 0) FROM event WHERE late IS NOT NULL",
    };
    const uint64_t event = highest_event(&it->engine);
    it->last_row = event == 0 ? 0 : id_row_at(id_event_ms(event));
    for (size_t i = 0; i < array_count(queries); i++) {
        uint64_t id = 0;
        if (!read_id(it->db, queries[i], &id))
            return fail(it, err);
        if (id > it->last_row)
            it->last_row = id;
    }
    sqlite_clock_go_on(it->db, id_row_ms(it->last_row));
    return OK;
}

/* The log of the last process goes into the database, so that this one starts with a short one. */
static enum status recover(struct sqlite_engine *it, struct err *err)
{
    return sqlite3_wal_checkpoint_v2(it->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL) ==
                   SQLITE_OK
               ? OK
               : fail(it, err);
}

static void close_engine(struct engine *engine)
{
    struct sqlite_engine *it = container_of(engine, struct sqlite_engine, engine);
    for (unsigned i = 0; i < WRITE_SQL_COUNT; i++)
        (void)sqlite3_finalize(it->statements[i]);
    if (it->db && it->is_failed)
        (void)sqlite3_db_config(it->db, SQLITE_DBCONFIG_NO_CKPT_ON_CLOSE, 1, NULL);
    (void)sqlite3_close_v2(it->db);
    sqlite_dedupe_close(it);
    sqlite_sent_count_close(it);
    if (it->lock_fd >= 0)
        (void)close(it->lock_fd);
    free(it->lock_path);
    free(it->path);
    free(it->vfs);
    free(it);
}

static const struct engine_vtable vtable = {
    .commit_group = sqlite_commit_group,
    .probe = sqlite_probe,
    .upkeep = sqlite_upkeep,
    .reader_open = sqlite_reader_open,
    .reader_close = sqlite_reader_close,
    .read = sqlite_read,
    .highest_event = highest_event,
    .close = close_engine,
};

static enum status start(struct sqlite_engine *it, const struct sqlite_tuning *tuning,
                         struct err *err)
{
    enum status status = take_lock(it, err);
    if (status == OK)
        status = connect_writer(it, err);
    if (status == OK)
        status = sqlite_migrate(it->db, it->path, err);
    if (status == OK)
        status = recover(it, err);
    if (status == OK)
        status = sync_folder(it->path, err);
    if (status == OK)
        status = sqlite_hash_key(it->db, it->hash_key, err);
    if (status == OK)
        status = find_last_row(it, err);
    if (status == OK)
        status = sqlite_dedupe_open(it, tuning->run_keys, err);
    if (status == OK)
        status = sqlite_check_secrets(it, err);
    if (status == OK)
        status = prepare(it, err);
    return status;
}

enum status sqlite_engine_open(const struct store_options *options,
                               const struct sqlite_tuning *tuning, struct engine **engine,
                               struct err *err)
{
    /* Refused when SQLite runs already (in a spec): only a bit slower then. */
    (void)sqlite3_config(SQLITE_CONFIG_MEMSTATUS, 0);
    (void)sqlite3_config(SQLITE_CONFIG_MALLOC, &sqlite_memory);
    struct sqlite_engine *it = must_alloc(sizeof *it);
    it->engine.vtable = &vtable;
    it->lock_fd = -1;
    it->path = strdup(options->path);
    it->ring = options->ring;
    it->vfs = options->vfs ? strdup(options->vfs) : NULL;
    check(it->path && (it->vfs || !options->vfs));
    it->lock_path = make_lock_path(it->path);
    it->checkpoint_frames =
        tuning->checkpoint_frames ? tuning->checkpoint_frames : CHECKPOINT_FRAMES;
    const enum status status = start(it, tuning, err);
    if (status != OK) {
        it->is_failed = true;
        close_engine(&it->engine);
        return status;
    }
    (void)sqlite3_wal_hook(it->db, on_log, it);
    *engine = &it->engine;
    return OK;
}
