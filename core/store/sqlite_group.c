/* SPDX-License-Identifier: MIT */
/* One group of operations, one transaction, one sync; and the checkpoint between groups. What an
 * error of SQLite means for the group is decided here alone. */
#include "store/sqlite_int.h"

#include "base/clock.h"
#include "base/crash.h"
#include "base/log.h"

#include <errno.h>

#define SHORTEN_MS 500                          /* readers end within 100 ms */
#define CHECKPOINT_RETRY_NS INT64_C(1000000000) /* a reader held it up */

int sqlite_run(struct sqlite_engine *engine, enum write_sql which)
{
    sqlite3_stmt *statement = engine->statements[which];
    int rc = sqlite3_step(statement);
    if (rc == SQLITE_DONE || rc == SQLITE_ROW)
        rc = SQLITE_OK;
    const int reset = sqlite3_reset(statement);
    return rc == SQLITE_OK ? reset : rc;
}

void sqlite_reset(struct sqlite_engine *engine, enum write_sql which)
{
    (void)sqlite3_reset(engine->statements[which]);
}

void bind_text(sqlite3_stmt *statement, int index, struct slice text)
{
    (void)sqlite3_bind_text64(statement, index, text.len ? text.data : "", text.len, SQLITE_STATIC,
                              SQLITE_UTF8);
}

void bind_text_or_null(sqlite3_stmt *statement, int index, const char *text)
{
    if (text)
        bind_text(statement, index, slice_str(text));
    else
        (void)sqlite3_bind_null(statement, index);
}

void bind_blob(sqlite3_stmt *statement, int index, struct slice bytes)
{
    (void)sqlite3_bind_blob64(statement, index, bytes.len ? bytes.data : "", bytes.len,
                              SQLITE_STATIC);
}

void bind_id(sqlite3_stmt *statement, int index, uint64_t id)
{
    (void)sqlite3_bind_int64(statement, index, (int64_t)id);
}

void bind_id_or_null(sqlite3_stmt *statement, int index, uint64_t id)
{
    if (id)
        bind_id(statement, index, id);
    else
        (void)sqlite3_bind_null(statement, index);
}

/* ---- Errors ---------------------------------------------------------------------------------- */

/* What failed: a group writes the log, a checkpoint the database. */
enum written_file { FILE_LOG, FILE_DATABASE };

static bool is_no_room(int error)
{
    return error == ENOSPC || error == EFBIG || error == EDQUOT;
}

/* errno of the last failure on that file. sqlite3_system_errno does not have it after a COMMIT. */
static int file_errno(struct sqlite_engine *it, enum written_file which)
{
    const int op = which == FILE_LOG ? SQLITE_FCNTL_JOURNAL_POINTER : SQLITE_FCNTL_FILE_POINTER;
    sqlite3_file *file = NULL;
    int error = 0;
    if (sqlite3_file_control(it->db, "main", op, &file) == SQLITE_OK && file && file->pMethods)
        (void)file->pMethods->xFileControl(file, SQLITE_FCNTL_LAST_ERRNO, &error);
    return error;
}

static enum group_result result_of_io_error(int rc, int error)
{
    switch (rc) {
    case SQLITE_IOERR_NOMEM:
        return GROUP_REFUSED;
    case SQLITE_IOERR_WRITE:
    case SQLITE_IOERR_SHMSIZE:
    case SQLITE_IOERR_TRUNCATE:
        return is_no_room(error) ? GROUP_FULL : GROUP_FATAL;
    default:
        return GROUP_FATAL;
    }
}

static enum group_result result_of(int rc, int error)
{
    switch (rc & 0xff) {
    case SQLITE_FULL:
        return GROUP_FULL;
    case SQLITE_BUSY:
    case SQLITE_LOCKED:
    case SQLITE_PROTOCOL:
    case SQLITE_READONLY:
        return GROUP_BUSY;
    case SQLITE_IOERR:
        return result_of_io_error(rc, error);
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_CANTOPEN:
        return GROUP_FATAL;
    default:
        return GROUP_REFUSED;
    }
}

/* Says what happened, takes the transaction back unless the file is given up. */
static enum group_result give_up(struct sqlite_engine *it, int rc, enum written_file file)
{
    const int error = file_errno(it, file);
    const enum group_result result = result_of(rc, error);
    if (rc != it->last_failure) /* tried again four times a second: said once */
        log_write(result == GROUP_FATAL ? LOG_ERROR : LOG_WARN, "store group failed",
                  "writing=%s code=%d errno=%d reason=\"%s\" file=\"%s\"",
                  file == FILE_LOG ? "log" : "database", rc, error, sqlite3_errmsg(it->db),
                  it->path);
    it->last_failure = rc;
    it->source_count = 0; /* a source may be one that is taken back */
    sqlite_dedupe_rolled_back(it);
    sqlite_sent_count_forget(it);
    if (result == GROUP_FATAL) {
        it->is_failed = true;
        return result;
    }
    if (!sqlite3_get_autocommit(it->db) && sqlite_run(it, SQL_ROLLBACK) != SQLITE_OK &&
        !sqlite3_get_autocommit(it->db)) {
        it->is_failed = true;
        return GROUP_FATAL;
    }
    return result;
}

/* ---- Overwriting -----------------------------------------------------------------------------
 */

int sqlite_wipe(struct sqlite_engine *engine)
{
    if (engine->is_wiping)
        return SQLITE_OK;
    engine->is_wiping = true;
    return sqlite3_exec(engine->db, "PRAGMA secure_delete = ON", NULL, NULL, NULL);
}

/* The log goes into the database and is emptied, if no reader holds it up for long; else the upkeep
 * does it. */
static void shorten_log(struct sqlite_engine *it)
{
    (void)sqlite3_busy_timeout(it->db, SHORTEN_MS);
    const int rc = sqlite3_wal_checkpoint_v2(it->db, NULL, SQLITE_CHECKPOINT_TRUNCATE, NULL, NULL);
    (void)sqlite3_busy_timeout(it->db, WRITER_BUSY_MS);
    it->wants_short_log = rc != SQLITE_OK;
    if (rc == SQLITE_OK)
        it->log_frames = 0;
}

static void end_wipe(struct sqlite_engine *it, enum group_result result)
{
    it->is_wiping = false;
    if (result == GROUP_FATAL)
        return;
    (void)sqlite3_exec(it->db, "PRAGMA secure_delete = FAST", NULL, NULL, NULL);
}

/* ---- Groups ---------------------------------------------------------------------------------- */

static int apply(struct sqlite_engine *it, struct store_op *op)
{
    op->status = OK;
    if (op->kind == STORE_RETAIN)
        return sqlite_retain(it, container_of(op, struct store_retain_op, op));
    switch (op->kind) {
    case STORE_INGEST:
        return sqlite_ingest(it, container_of(op, struct store_ingest, op));
    case STORE_HANDLED:
        return sqlite_handled(it, container_of(op, struct store_handled, op));
    case STORE_RUN:
        return sqlite_run_failed(it, container_of(op, struct store_run, op));
    case STORE_STEP:
        return sqlite_step_done(it, container_of(op, struct store_step, op));
    case STORE_SETTLE:
        return sqlite_settle(it, container_of(op, struct store_settle, op));
    case STORE_SPILL:
        return sqlite_spill(it, container_of(op, struct store_spill, op));
    case STORE_CLEAR:
        return sqlite_clear(it, container_of(op, struct store_clear, op));
    case STORE_LEASE:
        return sqlite_lease(it, container_of(op, struct store_lease, op));
    case STORE_ENDPOINT:
        return sqlite_endpoint(it, container_of(op, struct store_endpoint, op));
    case STORE_CHANGE:
        return sqlite_change(it, container_of(op, struct store_change, op));
    case STORE_TASK:
        return sqlite_task(it, container_of(op, struct store_task, op));
    case STORE_RESOURCE:
        return sqlite_resource(it, container_of(op, struct store_resource, op));
    case STORE_TOKEN:
        return sqlite_token(it, container_of(op, struct store_token, op));
    case STORE_ERASE:
        return sqlite_erase(it, container_of(op, struct store_erase, op));
    case STORE_SCRUB:
        return sqlite_scrub(it, container_of(op, struct store_scrub, op));
    case STORE_RESEAL:
        return sqlite_reseal(it, container_of(op, struct store_reseal, op));
    case STORE_ROUTINE:
        return sqlite_routine(it, container_of(op, struct store_routine, op));
    case STORE_OP_KIND_COUNT:
        break;
    }
    return SQLITE_MISUSE;
}

static enum group_result end(struct sqlite_engine *it)
{
    crash_point("after_write");
    const int64_t start_ns = (int64_t)uv_hrtime();
    const int rc = sqlite_run(it, SQL_COMMIT);
    it->engine.sync_us = ((int64_t)uv_hrtime() - start_ns) / 1000;
    if (rc != SQLITE_OK)
        return give_up(it, rc, FILE_LOG);
    it->last_failure = 0;
    return GROUP_OK;
}

static enum group_result commit_group(struct sqlite_engine *it, struct store_op **ops, size_t count)
{
    it->engine.last_event = 0;
    it->group_ms = clock_due_ms();
    int rc = sqlite_run(it, SQL_BEGIN);
    if (rc != SQLITE_OK)
        return give_up(it, rc, FILE_LOG);
    for (size_t i = 0; i < count; i++) {
        rc = apply(it, ops[i]);
        if (rc != SQLITE_OK)
            return give_up(it, rc, FILE_LOG);
    }
    rc = sqlite_sent_count_write(it);
    if (rc == SQLITE_OK)
        rc = sqlite_dedupe_write(it);
    if (rc != SQLITE_OK)
        return give_up(it, rc, FILE_LOG);
    const enum group_result result = end(it);
    if (result == GROUP_OK)
        sqlite_dedupe_committed(it);
    return result;
}

enum group_result sqlite_commit_group(struct engine *engine, struct store_op **ops, size_t count)
{
    struct sqlite_engine *it = container_of(engine, struct sqlite_engine, engine);
    check(!it->is_failed);
    const enum group_result result = commit_group(it, ops, count);
    if (it->is_wiping)
        end_wipe(it, result);
    if (it->wants_short_log && result == GROUP_OK)
        shorten_log(it);
    return result;
}

enum group_result sqlite_probe(struct engine *engine)
{
    struct sqlite_engine *it = container_of(engine, struct sqlite_engine, engine);
    check(!it->is_failed);
    int rc = sqlite_run(it, SQL_BEGIN);
    if (rc != SQLITE_OK)
        return give_up(it, rc, FILE_LOG);
    (void)sqlite3_bind_int64(it->statements[SQL_PROBE], 1, (int64_t)uv_hrtime());
    rc = sqlite_run(it, SQL_PROBE);
    return rc == SQLITE_OK ? end(it) : give_up(it, rc, FILE_LOG);
}

/* Copies the log into the database, so that the log starts over: the store thread alone does it,
 * passively, because a second connection that checkpoints while this one commits can meet SQLite's
 * WAL-reset bug (sqlite.org/wal.html#walresetbug). */
enum group_result sqlite_upkeep(struct engine *engine)
{
    struct sqlite_engine *it = container_of(engine, struct sqlite_engine, engine);
    if (it->log_frames < (int)it->checkpoint_frames && !it->wants_short_log)
        return GROUP_OK;
    const int64_t now_ns = (int64_t)uv_hrtime();
    if (now_ns < it->checkpoint_ns)
        return GROUP_OK;
    int frames = 0;
    int copied = 0;
    if (it->wants_short_log)
        shorten_log(it);
    const int rc =
        sqlite3_wal_checkpoint_v2(it->db, NULL, SQLITE_CHECKPOINT_PASSIVE, &frames, &copied);
    if (rc == SQLITE_OK && copied == frames) {
        it->log_frames = 0;
        return GROUP_OK;
    }
    it->checkpoint_ns = now_ns + CHECKPOINT_RETRY_NS;
    return rc == SQLITE_OK ? GROUP_OK : give_up(it, rc, FILE_DATABASE);
}
