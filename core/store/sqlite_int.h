/* SPDX-License-Identifier: MIT */
/* Inside of the SQLite engine: one connection that writes, on the store thread; one for each reader
 * thread. Prepared statements are tables of SQL indexed by an enum. */
#ifndef STORE_SQLITE_INT_H
#define STORE_SQLITE_INT_H

#include "store/dedupe_int.h"
#include "store/sqlite_sent_count_int.h"
#include "store/store_int.h"

#include <sqlite3.h>

/* Made by schema/embed.cmake: each text takes the schema one version further. */
extern const char *const schema_steps[];
extern const unsigned schema_step_count;

/* The statements of the store thread. */
enum write_sql {
    SQL_BEGIN,
    SQL_COMMIT,
    SQL_ROLLBACK,
    SQL_PROBE,
    SQL_SOURCE_ID,
    SQL_SOURCE_INSERT,
    SQL_KEY_OF_EVENT,
    SQL_DEDUPE_FIND,
    SQL_DEDUPE_INSERT,
    SQL_DEDUPE_EXPIRE,
    SQL_DEDUPE_RUN_INSERT,
    SQL_DEDUPE_RUN_DELETE,
    SQL_DEDUPE_LOG_INSERT,
    SQL_DEDUPE_LOG_DELETE,
    SQL_KEY_WINDOW_PUT,
    SQL_EVENT_DEPTH,
    SQL_EVENT_INSERT,
    SQL_CONTENT_INSERT,
    SQL_EVENT_DUE_INSERT,
    SQL_EVENT_DUE_FIND,
    SQL_EVENT_DUE_UPDATE,
    SQL_EVENT_DUE_DELETE,
    SQL_RUN_ANY,
    SQL_RUN_INSERT,
    SQL_RUN_UPSERT,
    SQL_RUN_UPDATE,
    SQL_RUN_NEXT,
    SQL_RUN_ORDER_FIND,
    SQL_RUN_PLAN,
    SQL_RUN_RELEASE,
    SQL_RUN_LEAST_DUE,
    SQL_BATCH_NEWEST,
    SQL_BATCH_FIRST,
    SQL_BATCH_FIND,
    SQL_BATCH_INSERT,
    SQL_BATCH_UPDATE,
    SQL_BATCH_DELETE,
    SQL_BATCH_RUN,
    SQL_STEP_OPEN,
    SQL_STEP_FIND,
    SQL_STEP_INSERT,
    SQL_STEP_END,
    SQL_MESSAGE_INSERT,
    SQL_DELIVERY_INSERT,
    SQL_DELIVERY_ATTEMPT,
    SQL_DELIVERY_SETTLE,
    SQL_DELIVERY_KEEP,
    SQL_DELIVERY_END,
    SQL_CLEAR_FIND,
    SQL_DELIVERY_SPILL,
    SQL_LEASE_FIND,
    SQL_LEASE_GIVE,
    SQL_LEASE_MOVE,
    SQL_CHANGE_FIND,
    SQL_CHANGE_REVIVE,
    SQL_CHANGE_IS_HELD,
    SQL_CHANGE_DROP,
    SQL_CHANGE_RUNS,
    SQL_CHANGE_RUN,
    SQL_REPLAY_RUN,
    SQL_REPLAY_FIND,
    SQL_REPLAY_DELIVERY,
    SQL_REPLAY_IDS,
    SQL_REPLAY_COPY,
    SQL_MESSAGE_FIND,
    SQL_MESSAGE_REPLACE,
    SQL_MESSAGE_ADD,
    SQL_CONTENT_REPLACE,
    SQL_TASK_INSERT,
    SQL_TASK_FIND,
    SQL_TASK_MOVE,
    SQL_TASK_END,
    SQL_TASK_EXPIRE,
    SQL_RESOURCE_FIND,
    SQL_RESOURCE_OF_UID,
    SQL_RESOURCE_PUT,
    SQL_RESOURCE_DELETE,
    SQL_TOKEN_INSERT,
    SQL_TOKEN_END,
    SQL_TOKEN_EXPIRE,
    SQL_TOKEN_DELETE,
    SQL_RESOURCE_OWNED,
    SQL_RESOURCE_COUNT,
    SQL_RESOURCE_DISABLED,
    SQL_SECRET_NEWEST,
    SQL_SECRET_KEEP,
    SQL_SECRET_END,
    SQL_SECRET_PUT,
    SQL_SECRET_DELETE,
    SQL_SECRET_DELETE_ALL,
    SQL_SECRET_EXPIRE,
    SQL_PUBLISHED_OF_UID,
    SQL_PUBLISHED_INSERT,
    SQL_PUBLISHED_DELETE,
    SQL_ERASE_FIND,
    SQL_ERASE_CONTENT_OF,
    SQL_ERASE_COPIES,
    SQL_ERASE_CHILDREN,
    SQL_ERASE_ATTEMPT,
    SQL_ERASE_DELIVERY,
    SQL_ERASE_CONTENT,
    SQL_ERASE_RUNS,
    SQL_ERASE_PUBLISHED,
    SQL_ERASE_EVENT,
    SQL_IS_ERASED_EVENT,
    SQL_IS_ERASED_MESSAGE,
    SQL_IS_ERASED_DELIVERY,
    SQL_PUBLISHED_EXPUNGE,
    SQL_PUBLISHED_FORGOTTEN,
    SQL_PUBLISHED_OLD,
    SQL_CONTENT_EXPUNGE,
    SQL_ATTEMPT_EXPUNGE,
    SQL_RESEND_MESSAGE,
    SQL_RESEND_DELIVERY,
    SQL_SENT_FIND,
    SQL_SENT_OTHERS,
    SQL_SENT_REPEATED,
    SQL_SENT_COUNT_ADD,
    SQL_SENT_COUNT_END,
    SQL_SEALED_SECRET,
    SQL_SEALED_VALUE,
    SQL_SEALED_BODY,
    SQL_RESEAL_SECRET,
    SQL_RESEAL_VALUE,
    SQL_RESEAL_BODY,
    SQL_ANSWER_FIND,
    SQL_ANSWER_PUT,
    SQL_ANSWER_EXPIRE,
    SQL_ROUTINE_FIND,
    SQL_ROUTINE_PUT,
    SQL_EVENT_FIND,
    SQL_EVENT_DUE_PUT,
    SQL_ATTEMPT_INSERT,
    SQL_ORDER_FIND,
    SQL_ORDER_BLOCK,
    SQL_ORDER_BLOCKING,
    SQL_ORDER_UNBLOCK,
    SQL_ORDER_NEXT,
    SQL_ORDER_LOAD,
    SQL_ORDER_RELEASE,
    SQL_ENDPOINT_FIND,
    SQL_ENDPOINT_INSERT,
    SQL_ENDPOINT_PUT,
    SQL_ENDPOINT_STANDING,
    SQL_ENDPOINT_UPDATE,
    SQL_ENDPOINT_FAILING,
    SQL_KV_GET,
    SQL_KV_LIST,
    SQL_KV_PUT,
    SQL_KV_DELETE,
    SQL_KV_EXPIRE,
    SQL_RETAIN_EVENTS,
    SQL_RETAIN_MESSAGES,
    SQL_RETAIN_DELIVERY,
    SQL_RETAIN_ATTEMPT,
    SQL_DELETE_ATTEMPT,
    SQL_DELETE_DELIVERY,
    SQL_DELETE_MESSAGE,
    SQL_DELETE_CONTENT,
    SQL_DELETE_RUNS,
    SQL_DELETE_STEPS,
    SQL_DELETE_EVENT,
    SQL_VACUUM,
    SQL_FREE_PAGES,
    WRITE_SQL_COUNT
};

/* Sources have small numbers; the store thread remembers them. */
struct source_entry {
    int64_t id;
    size_t name_len;
    char name[LIMIT_NAME_BYTES];
};
#define SOURCE_CACHE_COUNT 64u

#define WRITER_BUSY_MS 5000

struct sqlite_engine {
    struct engine engine;
    char *path;
    char *lock_path;
    char *vfs;
    int lock_fd;
    struct seal_ring *ring; /* not owned; NULL: none */
    sqlite3 *db;
    sqlite3_stmt *statements[WRITE_SQL_COUNT];
    uint8_t hash_key[HASH_KEY_BYTES];
    struct dedupe dedupe;
    struct sent_changes sent; /* of the group */
    uint64_t last_row;        /* the last delivery, attempt or kv version id */
    int64_t group_ms;         /* on the due clock: when the group under way began to be written */
    uint64_t last_turn;       /* of endpoints */
    unsigned endpoint_turn;
    struct source_entry sources[SOURCE_CACHE_COUNT];
    unsigned source_count;
    unsigned checkpoint_frames;
    int log_frames;        /* in the log after the last commit */
    int64_t checkpoint_ns; /* not before */
    int last_failure;      /* logged; 0: the last group went well */
    bool is_failed;        /* the file is not touched any more */
    bool is_wiping;        /* pages that this group frees are overwritten */
    bool wants_short_log;  /* the log is to be emptied, before the group is answered if it can be */
};

struct sqlite_reader;

/* Runs a statement that returns no row, resets it. SQLITE_OK or the error. */
int sqlite_run(struct sqlite_engine *engine, enum write_sql which);
/* Steps: SQLITE_ROW or SQLITE_DONE or the error. The caller resets. */
static inline int sqlite_step(struct sqlite_engine *engine, enum write_sql which)
{
    return sqlite3_step(engine->statements[which]);
}
void sqlite_reset(struct sqlite_engine *engine, enum write_sql which);

/* Binds borrowed bytes; NULL text is SQL NULL. */
void bind_text(sqlite3_stmt *statement, int index, struct slice text);
void bind_text_or_null(sqlite3_stmt *statement, int index, const char *text);
void bind_blob(sqlite3_stmt *statement, int index, struct slice bytes);
void bind_id(sqlite3_stmt *statement, int index, uint64_t id);
/* 0 becomes NULL. */
void bind_id_or_null(sqlite3_stmt *statement, int index, uint64_t id);

/* The column's bytes, until the next step. */
struct slice column_text(sqlite3_stmt *statement, int column);
struct slice column_blob(sqlite3_stmt *statement, int column);
/* Owned copy, NULL for SQL NULL (and without memory). */
char *column_copy(sqlite3_stmt *statement, int column);
static inline uint64_t column_id(sqlite3_stmt *statement, int column)
{
    return (uint64_t)sqlite3_column_int64(statement, column);
}

/* sqlite_schema.c: brings the database to schema_step_count. */
MUST_USE enum status sqlite_migrate(sqlite3 *db, const char *path, struct err *err);
/* The key of the dedupe hash: made once, kept in meta. */
MUST_USE enum status sqlite_hash_key(sqlite3 *db, uint8_t key[HASH_KEY_BYTES], struct err *err);

/* sqlite_clock.c, at start; newest_ms: of what is stored */
void sqlite_clock_go_on(sqlite3 *db, int64_t newest_ms);

/* sqlite_group.c */
enum group_result sqlite_commit_group(struct engine *engine, struct store_op **ops, size_t count);
enum group_result sqlite_probe(struct engine *engine);
enum group_result sqlite_upkeep(struct engine *engine);

/* From here to the end of the group, pages that become free are overwritten too. */
int sqlite_wipe(struct sqlite_engine *engine);

/* The operations: SQLITE_OK with op->status set, or the error, which rolls the group back. */
int sqlite_ingest(struct sqlite_engine *engine, struct store_ingest *ingest);
int sqlite_handled(struct sqlite_engine *engine, struct store_handled *handled);
int sqlite_run_failed(struct sqlite_engine *engine, struct store_run *run);
int sqlite_step_done(struct sqlite_engine *engine, struct store_step *step);
int sqlite_settle(struct sqlite_engine *engine, struct store_settle *settle);
int sqlite_spill(struct sqlite_engine *engine, struct store_spill *spill);
int sqlite_lease(struct sqlite_engine *engine, struct store_lease *lease);
int sqlite_endpoint(struct sqlite_engine *engine, struct store_endpoint *endpoint);
int sqlite_change(struct sqlite_engine *engine, struct store_change *op);
int sqlite_token(struct sqlite_engine *engine, struct store_token *op);
/* Of an application that goes. */
int sqlite_delete_tokens(struct sqlite_engine *engine, uint64_t application);
int sqlite_task(struct sqlite_engine *engine, struct store_task *op);
int sqlite_resource(struct sqlite_engine *engine, struct store_resource *op);
int sqlite_scrub(struct sqlite_engine *engine, struct store_scrub *op);
int sqlite_erase(struct sqlite_engine *engine, struct store_erase *op);
int sqlite_reseal(struct sqlite_engine *engine, struct store_reseal *op);
int sqlite_routine(struct sqlite_engine *engine, struct store_routine *op);
int sqlite_retain(struct sqlite_engine *engine, struct store_retain_op *retain);

/* sqlite_event.c: the rows of an event; is_due: with its row in event_due, and its runs if they are
 * planned. */
int sqlite_put_event(struct sqlite_engine *engine, const struct event *event, bool is_due);
/* sqlite_run.c: writes the planned runs. *due_ms: the least of theirs. */
/* Messages, emits, changes, and keys and values of a run; may_be_again: it may have made messages
 * before. */
int sqlite_put_outbox(struct sqlite_engine *engine, struct outbox *outbox, bool may_be_again);
int sqlite_put_plan(struct sqlite_engine *engine, const struct event *event, int64_t *due_ms);
int sqlite_put_content(struct sqlite_engine *engine, uint64_t id, const struct content *content);
int sqlite_replace_content(struct sqlite_engine *engine, uint64_t id,
                           const struct content *content);
/* What is told of an outcome that was written. */
int sqlite_put_news(struct sqlite_engine *engine, struct store_news *news, uint64_t attempt);

/* 8 bytes, little endian, as the ids of deliveries lie in their message. */
#define DELIVERY_ID_BYTES 8u
static inline uint64_t sqlite_read_word(const char *place)
{
    uint64_t word = 0;
    for (unsigned i = 0; i < DELIVERY_ID_BYTES; i++)
        word |= (uint64_t)(unsigned char)place[i] << 8 * i;
    return word;
}
static inline void sqlite_put_word(char *place, uint64_t word)
{
    for (unsigned i = 0; i < DELIVERY_ID_BYTES; i++)
        place[i] = (char)(unsigned char)(word >> 8 * i);
}
/* sqlite_run.c: one more delivery stands in its message's row. */
int sqlite_add_delivery(struct sqlite_engine *engine, uint64_t message, uint64_t delivery);

/* sqlite_task.c: whether the step's task stands where the step begins; then the task moves on. */
int sqlite_task_check(struct sqlite_engine *engine, struct store_change *step);
int sqlite_task_move(struct sqlite_engine *engine, const struct store_change *step);
/* Makes its row; it gets its id. */
int sqlite_task_begin(struct sqlite_engine *engine, struct task *task, int64_t now_ms);
/* sqlite_replay.c: sets change->status. */
int sqlite_replay(struct sqlite_engine *engine, const struct store_change *op,
                  struct change *change);
/* sqlite_change.c: when a delivery that comes (again) into its line is due: held if another of it
 * may go, or blocks it. */
int sqlite_line_due(struct sqlite_engine *it, uint64_t delivery, int64_t now_ms, int64_t *due_ms);
/* The runs of an event. */
struct stored_run {
    char *subscription; /* owned */
    enum run_state state;
    unsigned first_ordinal;
    uint32_t number;
    uint64_t batch;  /* 0: none */
    char *order_key; /* owned; NULL: none */
    size_t order_key_len;
};
struct stored_runs {
    struct stored_run *rows; /* by first_ordinal */
    size_t count;
};
int sqlite_stored_runs(struct sqlite_engine *it, uint64_t event, struct stored_runs *runs);
void sqlite_stored_runs_finish(struct stored_runs *runs);
/* When a run that is opened again is due: behind one of its key that is open. */
int sqlite_reopened_due(struct sqlite_engine *it, const struct stored_run *run, int64_t now_ms,
                        int64_t *due_ms);
/* The event has work again: its row in event_due follows. */
int sqlite_open_event(struct sqlite_engine *it, uint64_t event, int64_t now_ms);
/* sqlite_erase.c: whether the event behind it was erased. */
int sqlite_is_erased(struct sqlite_engine *engine, enum id_kind kind, uint64_t id, bool *is_it);
int sqlite_find_event(struct sqlite_engine *it, uint64_t event, enum status *status);
/* sqlite_run.c: whether a run of this subscription with this order key is open. */
int sqlite_is_order_taken(struct sqlite_engine *engine, struct slice subscription,
                          struct slice order_key, bool *is_taken);
/* sqlite_step.c: the steps of a run that ended well go. */
int sqlite_end_steps(struct sqlite_engine *engine, const struct store_run_ref *run);

/* sqlite_run.c: rows of runs. */
struct run_end {
    enum run_state state;
    uint32_t number;
    int64_t due_ms;
    const char *error;
};
/* *is_open: it was, and so this is its end now. */
int sqlite_end_row(struct sqlite_engine *engine, uint64_t event, const char *subscription,
                   const struct run_end *end, bool *is_open);
/* event_due follows the runs that are open: the least due time, or no row. */
int sqlite_follow_runs(struct sqlite_engine *engine, uint64_t event);
/* A run that waited is due then. */
int sqlite_release_run(struct sqlite_engine *engine, uint64_t event, const char *subscription,
                       int64_t due_ms);

/* sqlite_batch.c: a new event comes into the batch of its key. *batch: its id, *due_ms: of the
 * event's run; run->released is set. */
int sqlite_batch_join(struct sqlite_engine *engine, const struct event *event,
                      struct planned_run *run, uint64_t *batch, int64_t *due_ms);
/* The run of a batch ended. */
int sqlite_batch_end(struct sqlite_engine *engine, struct store_run_ref *run,
                     const struct run_end *end, enum status *status);

/* sqlite_run.c: a dead run of an event that is finished. */
int sqlite_put_dead_run(struct sqlite_engine *engine, uint64_t event, const char *name,
                        const char *error);

/* ---- sqlite_order.c: the lines of deliveries with the same order key ---- */

/* Whether somebody stands in that line: who comes is held then. */
int sqlite_order_find(struct sqlite_engine *engine, uint64_t endpoint, struct slice key,
                      bool *is_taken);
/* A delivery that died keeps its place. */
int sqlite_order_block(struct sqlite_engine *engine, uint64_t delivery);
/* The endpoint's keys wait for none of its dead any more; *released: how many others may go now. */
int sqlite_order_unblock(struct sqlite_engine *engine, uint64_t endpoint, size_t *released);
struct order_next {
    uint64_t delivery;      /* 0: nobody waits */
    int64_t due_ms;         /* Unix ms */
    struct delivery *taken; /* owned; NULL: it is due in the store */
};
/* The first of a line has ended, its row says so: the one behind it may go when it is due. That is
 * written as held in memory and given to the caller if it takes_next and it is due now. Not for one
 * that ended while it was held itself. */
int sqlite_order_leave(struct sqlite_engine *engine, uint64_t ended, bool takes_next,
                       struct order_next *next);

/* sqlite_kv.c. Both set op->status when the outbox cannot be applied. */
#define KV_NO_CONFLICT SIZE_MAX
int sqlite_kv_check(struct sqlite_engine *engine, const struct outbox *outbox, enum status *status,
                    size_t *conflict);
/* The same list on the store thread's connection and on a reader's. */
#define SQL_TEXT_KV_LIST                                                                           \
    "SELECT key, version, value, sealed FROM kv WHERE ns = ?1 AND key >= ?2 AND key > ?3"          \
    " AND (expires_ms IS NULL OR expires_ms > ?4) ORDER BY key"
struct kv_walk {
    const char *ns, *prefix, *after;
    int64_t now_ms;
    uint64_t version; /* of all that it stood on */
};
void sqlite_kv_walk_begin(struct kv_walk *walk, sqlite3_stmt *statement);
/* SQLITE_ROW: on a key of the list; SQLITE_DONE: it is over; or the error. The caller resets. */
int sqlite_kv_walk_step(struct kv_walk *walk, sqlite3_stmt *statement);
int sqlite_kv_apply(struct sqlite_engine *engine, struct outbox *outbox);

/* sqlite_registered.c */
int sqlite_clear(struct sqlite_engine *engine, struct store_clear *clear);
/* Whether what it needs is there: sets the status. */
int sqlite_judge_registered(struct sqlite_engine *engine, struct store_resource *op);
/* Its resource is written. */
int sqlite_put_registered(struct sqlite_engine *engine, struct store_resource *op);
/* Its resource goes. */
int sqlite_remove_registered(struct sqlite_engine *engine, uint64_t id);
/* Fills in id and uid (owned) of one of the endpoints of an application; id 0: it has none. */
int sqlite_find_owned(struct sqlite_engine *engine, uint64_t application,
                      struct resource *endpoint);
/* sqlite_telling.c: somebody gets to know that it was made, changed or removed. telling NULL:
 * nobody. */
int sqlite_tell(struct sqlite_engine *engine, struct store_telling *telling,
                const struct resource *endpoint, bool is_removed);
/* An endpoint gets this state: its resource says so. *is_there: it is not deleted. */
int sqlite_tell_registered(struct sqlite_engine *engine, uint64_t id, enum endpoint_state state,
                           bool *is_there);

/* sqlite_memory.c: for SQLITE_CONFIG_MALLOC. */
extern const sqlite3_mem_methods sqlite_memory;

#include "store/sqlite_dedupe_int.h"
#include "store/sqlite_read_int.h"
#include "store/sqlite_seal_int.h"

#endif
