/* SPDX-License-Identifier: MIT */
/* Inside of the store: what an engine is, and the parts above every engine (clients, credits, the
 * queues, the store thread, the reader threads). Nothing here knows SQL. */
#ifndef STORE_STORE_INT_H
#define STORE_STORE_INT_H

#include "base/limits.h"
#include "store/store.h"

#include <pthread.h>
#include <stdatomic.h>

/* ---- Engines --------------------------------------------------------------------------------- */

/* How a group ended. */
enum group_result {
    GROUP_OK,      /* synced; every operation has its status */
    GROUP_FULL,    /* nothing written: no room on the disk; try later */
    GROUP_BUSY,    /* nothing written: locked or read-only; try later */
    GROUP_REFUSED, /* nothing written: one operation failed; run them one by one */
    GROUP_FATAL    /* unknown what is written: never touch the file again */
};

/* A step of retention rides in a group as an operation of its own. */
#define STORE_RETAIN STORE_OP_KIND_COUNT

struct retention_class {
    char source[LIMIT_NAME_BYTES + 1]; /* "": all events of sources without a class */
    int64_t before_ms;
    uint64_t cursor;        /* events up to here are deleted, of another class or not finished */
    uint64_t first_skipped; /* the first of them that was not finished, 0: none */
};

struct store_retain_op {
    struct store_op op;
    const struct retention_class *classes;
    size_t class_count;
    size_t class_index;     /* the one whose turn it is; class_count: expired kv rows */
    size_t count_max;       /* events to delete at most */
    bool is_idle;           /* nobody waits: give free pages back too */
    uint64_t cursor;        /* out: of the class */
    uint64_t first_skipped; /* out: the first that was not finished in this step, 0: none */
    bool is_end;            /* out: nothing of this class is left to look at */
};

struct engine;

/* An engine does groups on the store thread and reads on the reader threads; it knows nothing of
 * queues, clients or time. Decorators implement the same table around another engine. */
struct engine_vtable {
    /* Applies the operations in order in one transaction and syncs it. Store thread. */
    enum group_result (*commit_group)(struct engine *engine, struct store_op **ops, size_t count);
    /* Finds out whether writing works again, by a small write. Store thread. */
    enum group_result (*probe)(struct engine *engine);
    /* Between groups: checkpoints when it is time. GROUP_FATAL, or anything else. Store thread. */
    enum group_result (*upkeep)(struct engine *engine);
    /* A connection for one reader thread. At start. */
    enum status (*reader_open)(struct engine *engine, void **reader, struct err *err);
    void (*reader_close)(struct engine *engine, void *reader);
    /* Fills the read with results, status and err. Reader thread. */
    void (*read)(struct engine *engine, void *reader, struct store_read *read);
    /* The highest event id stored. At start. */
    uint64_t (*highest_event)(struct engine *engine);
    /* Readers are closed. After GROUP_FATAL it must not write or sync. */
    void (*close)(struct engine *engine);
};

/* First member of every engine. */
struct engine {
    const struct engine_vtable *vtable;
    int64_t sync_us;     /* of the last commit; store thread */
    uint64_t last_event; /* that the last commit_group wrote; 0: none; store thread */
};

/* sqlite.c. 0: the usual. */
struct sqlite_tuning {
    unsigned checkpoint_frames;
    unsigned run_keys; /* idempotency keys that make a run */
};
MUST_USE enum status sqlite_engine_open(const struct store_options *options,
                                        const struct sqlite_tuning *tuning, struct engine **engine,
                                        struct err *err);

/* published.c: frees a row, and what a read of published messages found. */
void published_row_finish(struct published_row *row);
void published_read_finish(struct store_read *read);

/* store_trace.c: logs every call at level debug. Takes the engine. */
struct engine *store_trace_wrap(struct engine *engine);

/* store.c: starts the threads over an engine, which it takes even when it fails. */
MUST_USE enum status store_start(const struct store_options *options, struct engine *engine,
                                 struct store **store, struct err *err);

/* ---- Queues ---------------------------------------------------------------------------------- */

/* This many waiting operations start a group at once, whatever they would linger. */
#define GROUP_START_COUNT 64u

struct op_queue {
    struct store_op *first;
    struct store_op *last;
    size_t count;
};

void op_queue_push(struct op_queue *queue, struct store_op *op);
void op_queue_push_front(struct op_queue *queue, struct store_op *op);
struct store_op *op_queue_pop(struct op_queue *queue);

/* In this order they are applied. */
enum op_class { OP_CLASS_SETTLE, OP_CLASS_RUN, OP_CLASS_LEASE, OP_CLASS_INGEST, OP_CLASS_COUNT };

/* The store thread and what it shares with submitters. */
struct writer {
    pthread_t thread;
    pthread_mutex_t mutex; /* for the fields down to is_stopping */
    pthread_cond_t changed;
    struct op_queue queues[OP_CLASS_COUNT];
    size_t queued;
    struct retention_class next_classes[LIMIT_RETENTION_CLASSES];
    size_t next_class_count;
    bool has_next_classes;
    struct store_watch *watches;
    bool is_stopping;

    /* Store thread only. */
    struct store_op *group[LIMIT_GROUP_OPERATIONS + 1];
    size_t group_count;
    struct store_client *woken;  /* clients with completions to post */
    int64_t ingest_window_ns;    /* start of the window in which ingests are counted */
    uint64_t ingest_count;       /* in it */
    uint64_t ingest_group_count; /* groups with ingests in it */
    int64_t retry_ns;            /* when writing failed: next try */
    int64_t ingest_linger_ns;
    struct retention_class classes[LIMIT_RETENTION_CLASSES];
    size_t class_count;
    size_t class_turn;     /* class_count: kv; above: nothing to do */
    int64_t pass_start_ns; /* of retention */
    struct store_retain_op retain;

    atomic_bool is_writable;
    atomic_bool is_fatal;
    atomic_uint_fast64_t commits;
    atomic_uint_fast64_t operations;
    atomic_int_fast64_t sync_us;
    atomic_uint_fast64_t last_event; /* stored under the mutex */
    atomic_int_fast64_t group_ms; /* on the due clock: when the one under way began; 0: none is */
};

/* One thread of the pool. */
struct reader {
    pthread_t thread;
    struct store *store;
    void *connection;
    bool is_for_claims; /* takes nothing else */
    uint64_t owner;     /* of the list that it reads; 0: none, or the operator's */
};

struct read_queue {
    struct letter *first;
    struct letter *last;
    size_t count;
};

struct reader_pool {
    pthread_mutex_t mutex;
    pthread_cond_t changed_claims; /* the reader of the claims waits here */
    pthread_cond_t changed;        /* the others */
    struct read_queue claims;
    struct read_queue lists;
    bool is_stopping;
    uint64_t last_owner; /* of the list that was taken last */
    struct reader readers[LIMIT_READERS];
    unsigned count;
};

struct store {
    struct engine *engine;
    store_fatal_cb on_fatal;
    void *ctx;
    struct id_source ids;
    atomic_int credits; /* left */
    atomic_uint clients;
    struct writer writer;
    struct reader_pool pool;
};

struct store_client {
    struct inbox operations;
    struct inbox reads;
    struct inbox watches;
    struct store *store;
    uv_loop_t *loop;
    unsigned open_inboxes;
    unsigned under_way; /* loop thread */
    /* Store thread: completions of this group, posted with one wake-up. */
    struct letter *first;
    struct letter *last;
    struct store_client *next_woken;
};

/* writer.c */
enum op_class op_class_of(struct store_op *op);
void writer_init(struct writer *writer);
void writer_start(struct store *store);
/* Ends the thread. */
void writer_stop(struct store *store);
void writer_finish(struct writer *writer);
/* Store thread: this event is the last one from now on; who waits for one is told. */
void watch_tell(struct writer *writer, uint64_t event);

/* reader.c */
MUST_USE enum status reader_pool_start(struct store *store, unsigned count, struct err *err);
void reader_pool_stop(struct store *store);
/* Frees what a row of a list owns and empties it. */
void event_row_finish(struct event_row *row);

#endif
