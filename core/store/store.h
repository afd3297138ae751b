/* SPDX-License-Identifier: MIT */
/* The store: everything durable goes through here; no SQL outside. One const vtable, one engine
 * per file (sqlite.c), decorators (store_trace.c, store_fault.c).
 *
 * Threads: one store thread takes operations from all loops, commits them in groups and wakes the
 * submitters; 2-4 reader threads answer claims and look-ups. Every call here is for any thread
 * unless said otherwise; every completion runs on the loop of the client that asked, in order, with
 * one wake-up a group. Nothing here blocks a loop.
 *
 * Promise: a completion with OK means that the commit was synced to disk. */
#ifndef STORE_STORE_H
#define STORE_STORE_H

#include "base/err.h"
#include "base/id.h"
#include "base/inbox.h"
#include "model/api_token.h"
#include "model/outbox.h"
#include "model/published.h"
#include "model/resource.h"
#include "model/routine.h"
#include "model/task.h"

struct seal_ring;
struct store;

/* Where the completions of one loop arrive. */
struct store_client;

/* ---- Life cycle ------------------------------------------------------------------------------ */

/* The store cannot go on (sync error, corruption): the process must end with exit code 74. Runs on
 * the store thread, once; the group's completions (E_IO) were posted before. */
typedef void (*store_fatal_cb)(const char *why, void *ctx);

struct store_options {
    const char *path;       /* sqlite: the database file */
    unsigned reader_count;  /* 3-4 */
    const char *vfs;        /* sqlite: a VFS by name; NULL: the system's. For specs. */
    struct seal_ring *ring; /* for secrets; outlives the store. NULL: they are stored as they are */
    store_fatal_cb on_fatal;
    void *ctx;
};

/* Opens, migrates forward, recovers, starts the threads. E_CONFLICT: another process holds it (err
 * names the lock file); E_INVALID: newer schema than this program knows, no database, or secrets
 * are sealed with a key that is not in the ring (err says what to do). At start only: blocks. */
MUST_USE enum status store_open(const struct store_options *options, struct store **store,
                                struct err *err);
/* Stops the threads, closes. All clients must be gone, and so every operation has ended. */
void store_close(struct store *store);

/* On the loop's thread. */
struct store_client *store_client_create(struct store *store, uv_loop_t *loop);
/* On the loop's thread: nothing that it asked for is under way. */
bool store_client_is_idle(const struct store_client *client);
/* On the loop's thread, when it is idle; the loop must run once more. */
void store_client_destroy(struct store_client *client);

struct store_health {
    bool is_writable; /* false: disk full or busy, intake is refused */
    uint64_t commits;
    uint64_t operations;
    uint64_t queued; /* operations waiting now */
    int64_t last_sync_us;
};
/* Never blocks. */
void store_health(struct store *store, struct store_health *health);

/* Fresh event ids (and so message ids) above everything stored. */
uint64_t store_next_event_id(struct store *store, uint8_t shard);

/* The event that was stored last (its id need not be the highest); 0: none is. Never blocks. */
uint64_t store_last_event(struct store *store);

/* An event that is stored more than this after its id was given is late: it has a place in the
 * order in which late ones are stored, and lists tell them from the others (enum store_lateness).
 */
#define STORE_LATE_MS 500
/* Above the event ids that a reader may pass, at least 1: an event below it that is not seen by
 * reads from now on will be late. Never blocks. */
uint64_t store_settled(struct store *store);

/* Somebody who waits for another event to be stored. */
struct store_watch;
/* On the loop of its client. */
typedef void (*store_watch_cb)(struct store_watch *watch);
struct store_watch {
    struct letter letter;
    uint64_t known; /* the last event that its owner knows of */
    store_watch_cb on_stored;
    void *ctx;
    struct store_client *client; /* set by store_watch_start */
    struct store_watch *next;    /* under the store's lock */
};
/* On the client's loop: on_stored runs once, when an event other than `known` is the last, at once
 * if one is. Until then the watch belongs to the store. */
void store_watch_start(struct store *store, struct store_client *client, struct store_watch *watch);
/* On the client's loop. False: on_stored is on its way. */
bool store_watch_stop(struct store *store, struct store_watch *watch);

/* ---- Credits: room for an outcome, taken before a job or attempt starts  --------------------- */

/* E_BUSY: LIMIT_CREDITS are out; try again when something finished. */
MUST_USE enum status store_credit_take(struct store *store);
void store_credit_put(struct store *store);

/* ---- Operations ------------------------------------------------------------------------------ */

enum store_op_kind {
    STORE_INGEST,   /* a new event */
    STORE_HANDLED,  /* a run's effects and its end */
    STORE_RUN,      /* a run that failed */
    STORE_STEP,     /* a step of a run that goes on */
    STORE_SETTLE,   /* the end of an attempt */
    STORE_SPILL,    /* deliveries given back from memory: they get a due time */
    STORE_CLEAR,    /* deliveries of an endpoint that was deleted: cancelled */
    STORE_LEASE,    /* deliveries of a long-poll endpoint: given to a receiver, for longer, back */
    STORE_ENDPOINT, /* an endpoint's row: made, or its state changed */
    STORE_CHANGE,   /* what is done by hand, or a step of a task */
    STORE_TASK,     /* a task begins, or is cancelled */
    STORE_RESOURCE, /* what is registered over the API: made, changed or gone */
    STORE_TOKEN,    /* a token of the API: minted, or it ends */
    STORE_ERASE,    /* what is known of an event goes */
    STORE_SCRUB,    /* the files: what was replaced or deleted leaves them */
    STORE_RESEAL,   /* secrets: sealed with the key that seals now */
    STORE_ROUTINE,  /* a run of a routine ended, or its place in time changed */
    STORE_OP_KIND_COUNT
};

struct store_op;
/* On the submitter's loop. The operation is the submitter's again; see op->status. */
typedef void (*store_done_cb)(struct store_op *op);

/* First member of every operation below. Zeroed but for kind, on_done and ctx before submit. The
 * operation and what it points to stay untouched until on_done. */
struct store_op {
    struct letter letter;
    enum store_op_kind kind;
    store_done_cb on_done;
    void *ctx;
    enum status status; /* OK, E_CONFLICT (done before: nothing was written), E_IO, E_BUSY */
    struct store_client *client; /* set by store_submit */
    size_t bytes;                /* set by store_submit: weight in a group */
    int64_t queued_ns;           /* set by store_submit */
};

/* Checks the key, then INSERT event, content, event_due (due at event->due_ms). With event->plan
 * its runs are written too; one whose key an earlier event has that is not done with is held, and
 * so is one in a batch: the run of the batch's first event is due when it closes, and is all of it.
 * is_duplicate: an event of the same source
 * with the same key is younger than key_window_ms: nothing was written, duplicate_of is its id and
 * it is synced. Keys of events that were emitted (parent is set) are apart from those of senders,
 * and by type. E_IO: not stored. With `published` that row is written too; E_CONFLICT: another of
 * its application has the uid, nothing was written. With an answer key (as of struct
 * store_resource) who comes again within LIMIT_ANSWER_KEPT_MS is a duplicate as well. */
struct store_ingest {
    struct store_op op;
    struct event *event; /* reference held by the submitter; id set */
    int64_t key_window_ms;
    bool is_finished;        /* no subscription matches: no event_due row is written */
    const char *dead_reason; /* of a finished event: it gets a dead run, "type"; NULL: none */
    const struct published *published; /* borrowed; NULL: it is not */
    const unsigned char *answer_key;   /* borrowed; of what is published. NULL: none */
    bool is_duplicate;
    uint64_t duplicate_of;
};

/* A run or delivery that waits for those of its order key before it has this much added to its due
 * time. */
#define STORE_HELD_MS (INT64_C(1) << 62)

/* Which run of which event an outcome belongs to. n = subscription_count subscriptions match the
 * event. n <= 1: the guard is the event_due row; a run row is written only for a skip, a failure or
 * a death. n > 1: the first commit writes a run row for each name, with first_ordinal = 1 + i *
 * (254 / n), and so fixes the list; the last run to end deletes event_due. */
struct store_run_ref {
    uint64_t event;
    const char *const *subscriptions; /* names of all matching, in order of registration */
    size_t subscription_count;        /* 0: no subscription, finished at once */
    size_t index;                     /* which of them this outcome is of */
    bool is_ordered; /* it has an order key: its end lets the next run of that key go */
    bool is_stored;  /* its row is known to be there */
    bool has_steps;  /* they go with its end, unless it is dead */
    uint64_t batch;  /* it is a batch (claimed_run.batch); 0: none */
    const uint64_t
        *members; /* events whose runs are handled or skipped with it; its own among them */
    size_t member_count;
    uint64_t
        released; /* out: the event of the run that may go now, of its order or batch; 0: none */
};

/* The run ended well: its outbox commits with it. E_CONFLICT: the run had ended before, or a kv
 * version changed (is_kv_conflict); E_INVALID: a kv delta on what is no number: nothing was
 * written. On OK every delivery has its id. */
struct store_handled {
    struct store_op op;
    struct store_run_ref run;
    const char *skip_reason; /* NULL: handled */
    uint32_t number;         /* of the run: 1, 2, … */
    /* Borrowed. A delivery with due_ms 0 is held in memory, else due then; but one of whose order
     * key another is open waits in the store (is_held), whatever its due_ms. */
    struct outbox *outbox;
    bool is_kv_conflict;
    size_t kv_conflict; /* which of the outbox's reads is not true any more */
};

/* The run failed: again at due_ms, or dead (due_ms 0). E_CONFLICT: it had ended before. */
struct store_run {
    struct store_op op;
    struct store_run_ref run;
    uint32_t number;
    int64_t due_ms;    /* Unix ms; 0: dead */
    const char *error; /* traceback, <= LIMIT_TRACEBACK_BYTES */
};

/* A step of a run that is not over: its result is kept until the run is. If an earlier try of the
 * run had committed one under this name, that one stays and comes back in earlier. E_CONFLICT: the
 * run had ended. It needs no credit: a run does few at a time, and waits for them. */
struct store_step {
    struct store_op op;
    uint64_t event;
    const char *subscription;
    const char *name;   /* <= LIMIT_STEP_NAME_BYTES */
    const char *result; /* a JSON array, <= LIMIT_STEP_RESULT_BYTES */
    char *earlier;      /* out: owned by the submitter; NULL: there was none */
};

/* An event that the server makes of an outcome: it commits with it. It gets its parent's depth and
 * one more; none is made if that is over LIMIT_CHAIN_DEPTH, or if the outcome changed nothing. */
struct store_news {
    struct event *event; /* reference held by the submitter; id set. NULL: none */
    bool is_made;        /* out */
    /* The same, of one that is published to the operator's application (model/operational.h). */
    struct event *published;
    uint64_t application;
    size_t attempt_at; /* where the attempt's id is written in it; 0: nowhere */
    bool is_published; /* out */
};

/* An attempt ended (or, attempt NULL, the delivery without one: state DEAD or CANCELLED).
 * The delivery's row changes only while it is open: otherwise nothing is written and the status is
 * still OK (settled or cancelled before: harmless). state RETRYING needs due_ms. The attempt gets
 * its id. */
struct store_settle {
    struct store_op op;
    uint64_t delivery;
    enum delivery_state state; /* SUCCEEDED, RETRYING, DEAD, CANCELLED or PENDING (as it was) */
    int64_t due_ms;            /* RETRYING and PENDING: Unix ms */
    const char *reason;        /* why it died, or NULL */
    struct attempt *attempt;   /* borrowed */
    bool is_ordered;           /* it has an order key: its end lets the next of that key go */
    bool is_blocking;          /* if it dies, its key waits for it instead */
    bool takes_next;           /* the submitter owns the endpoint and has room for that one */
    uint64_t leased_of;        /* it ends the lease attempt->number of this endpoint, if that is the
                                * delivery's; the attempt gets its times. 0: none */
    uint64_t registered;       /* its endpoint, if an application registered that; 0: it did not */
    bool is_settled;           /* out: the row has changed */
    bool notes_failing;        /* its endpoint gets failing_since_ms; 0: that is well */
    int64_t failing_since_ms;
    struct store_news news;
    uint64_t released;       /* out: the delivery that may go now; 0: none */
    int64_t released_due_ms; /* out: when that one is due */
    struct delivery *next;   /* out, owned: that one, held in memory from now on. NULL: it is due in
                              * the store. Unless OK: whether it was released is not known */
};

/* Deliveries that their owner no longer holds: due at due_ms each. One that waits for its order key
 * is left alone. */
struct store_spill_row {
    uint64_t delivery;
    int64_t due_ms;
};
struct store_spill {
    struct store_op op;
    struct store_spill_row *rows; /* borrowed */
    size_t row_count;
};

/* Cancels open deliveries of an endpoint that was deleted, with STORE_DELETED_REASON: up to
 * count_max of those that have a due time, be it far off. */
struct store_clear {
    struct store_op op;
    uint64_t endpoint;
    size_t count_max;
    size_t cleared_count; /* out: fewer: there are no more */
};

/* Leases of deliveries of one endpoint. The n-th lease of a delivery is its n-th attempt. */
enum lease_verb {
    LEASE_GIVE,   /* to a receiver, until due_ms: what is due at now_ms and not leased */
    LEASE_EXTEND, /* until due_ms: what is leased under that number */
    LEASE_RETURN  /* back, due at due_ms, as if it had not been given */
};
struct store_lease_row {
    uint64_t delivery;
    uint32_t number; /* of the lease: 1, 2, … */
    bool is_done;    /* out */
};
struct store_lease {
    struct store_op op;
    enum lease_verb verb;
    uint64_t endpoint;
    int64_t now_ms;
    int64_t due_ms;
    struct store_lease_row *rows; /* borrowed */
    size_t row_count;
};

/* As stored. Never renumber. */
enum endpoint_state { ENDPOINT_ENABLED = 0, ENDPOINT_DISABLED = 1, ENDPOINT_PAUSED = 2 };

struct endpoint_standing {
    enum endpoint_state state;
    int64_t failing_since_ms; /* Unix ms: nothing but failures since; 0: is not known to fail */
    uint64_t turn;            /* as of struct store_endpoint */
};

/* By name (application default): makes the row if there is none (id is set), and writes url and
 * state. With keep_state, the stored state stays (and comes back in state), unless it was disabled
 * and the url changed: then it is enabled. With from, the row must be there and in one of those
 * states: else E_NOTFOUND, or E_CONFLICT with state as it is. What is enabled fails no more. */
struct store_endpoint {
    struct store_op op;
    const char *name;
    const char *url; /* NULL: as stored; empty: it is a queue */
    bool keep_state;
    enum endpoint_state state;
    unsigned from;            /* bits 1 << enum endpoint_state; 0: any, and the row is made */
    const char *reason;       /* why paused or disabled; NULL */
    bool unblocks;            /* order keys wait for none of its dead any more */
    uint64_t id;              /* out */
    int64_t failing_since_ms; /* out, with keep_state */
    uint64_t turn;            /* out: a greater one is of a later commit: its state holds */
    size_t released_count;    /* out: deliveries that may go now; due in the store */
    struct store_news news;
};

/* Each change is made or not, by itself: see its status. As a step of a task it moves the task's
 * cursor in the same commit; E_CONFLICT: the task does not stand there any more, or is over, and
 * nothing was changed. */
struct store_change {
    struct store_op op;
    int64_t now_ms;
    const char *reason;     /* of DROP and CANCEL */
    struct change *changes; /* borrowed */
    size_t change_count;
    uint64_t task;        /* 0: no step */
    uint64_t cursor;      /* where the task stands */
    uint64_t next_cursor; /* where it stands then */
    bool is_last;         /* and then it is done */
    uint64_t done_count;  /* out: changes with status OK */
    /* Of a single change, as of struct store_resource: who comes again is told OK, and nothing is
     * changed. NULL: none. */
    const unsigned char *answer_key;
};

/* Makes the row of a task (it gets its id), or with is_end cancels the one of that id: E_NOTFOUND,
 * or E_CONFLICT if it was over. With an answer key, as of struct store_resource, who comes again
 * gets the id of the first, and no row is made (is_repeat). */
struct store_task {
    struct store_op op;
    struct task *task; /* borrowed */
    bool is_end;
    int64_t now_ms;
    const unsigned char *answer_key; /* NULL: none */
    bool is_repeat;                  /* out */
};

/* Writes the row of a routine, which must have the version that the row has (0: it is not there):
 * else E_CONFLICT, as if a kv version changed (is_kv_conflict); E_INVALID as of store_handled. The
 * stored row has one version more. What the run asked for commits with it. */
struct store_routine {
    struct store_op op;
    enum routine_kind kind;
    const char *name;
    const struct routine_row *row; /* borrowed */
    struct event *event;           /* borrowed: what the outbox's messages are of. NULL: none */
    struct outbox *outbox;         /* borrowed, as of store_handled; NULL: nothing */
    bool is_kv_conflict;
};

#include "store/store_resource.h"

/* Takes the operation. E_BUSY: the intake queue is full or the store is not writable (ingest only:
 * the other kinds hold a credit or are few, and are always taken); on_done is not called then. */
MUST_USE enum status store_submit(struct store *store, struct store_client *client,
                                  struct store_op *op);

/* ---- Reads: asynchronous, on a reader thread  ------------------------------------------------ */

enum store_read_kind {
    STORE_CLAIM_EVENTS,
    STORE_CLAIM_BATCH,
    STORE_CLAIM_DELIVERIES,
    STORE_CLAIM_OPEN,
    STORE_BACKLOG,
    STORE_LIST_EVENTS,
    STORE_LIST_DELIVERIES,
    STORE_LIST_ENDPOINTS,
    STORE_GET_EVENT,
    STORE_GET_DELIVERY,
    STORE_GET_KV,
    STORE_LIST_KV,
    STORE_LIST_STEPS,
    STORE_LIST_TASKS,
    STORE_LIST_ATTEMPTS,
    STORE_LIST_ROUTINES,
    STORE_LIST_RESOURCES,
    STORE_LIST_PUBLISHED,
    STORE_LIST_DESTINATIONS,
    STORE_LIST_SENT,
    STORE_COUNT_SENT,
    STORE_LIST_TRIED,
    STORE_LIST_TOKENS,
    STORE_COUNT_SECRETS,
    STORE_READ_KIND_COUNT
};

struct store_read;
typedef void (*store_read_cb)(struct store_read *read);

/* First member of every read. Like an operation: the submitter's again at on_done. Results are
 * owned by the read: store_read_finish frees what the submitter did not take (set to NULL). */
struct store_read {
    struct letter letter;
    enum store_read_kind kind;
    store_read_cb on_done;
    void *ctx;
    enum status status; /* OK, E_NOTFOUND (get), E_IO (err says where) */
    struct err err;
    struct store_client *client;
    uint64_t owner; /* the application that it is for; 0: the operator */
};

/* E_BUSY: the readers' queue is full (claims keep a reader of their own). Lists take turns by their
 * owners; and an application has never all readers. */
MUST_USE enum status store_read(struct store *store, struct store_client *client,
                                struct store_read *read);
void store_read_finish(struct store_read *read);

struct claimed_run {
    char *subscription; /* owned */
    enum run_state state;
    uint32_t number; /* runs made so far */
    uint8_t first_ordinal;
    int64_t due_ms;
    bool is_ordered; /* it has an order key */
    uint64_t batch;  /* it is part of one, or was: store_claim_batch; 0: none */
};

/* An event that is not finished, with its run rows (none: nothing committed yet). */
struct claimed_event {
    struct event *event; /* owned reference */
    int64_t due_ms;
    struct claimed_run *runs; /* owned */
    size_t run_count;
};

/* Events of the shards with shard % modulus == remainder, id > after, due_ms <= now_ms, ascending.
 * Repeats allowed: the claimer skips what it holds. is_end: nothing due was left behind the last
 * one. next_due_ms: the least due time in the store of those not yet due (0: none seen). */
struct store_claim_events {
    struct store_read read;
    uint64_t only;        /* this event, if it is due, and no other; 0: all */
    bool is_timed;        /* only those with a due time of their own, by that time and id */
    int64_t after_due_ms; /* is_timed: goes on behind this and after */
    uint64_t after;
    unsigned modulus, remainder;
    int64_t now_ms;
    size_t count_max;
    size_t bytes_max;
    struct claimed_event *events; /* owned */
    size_t event_count;
    uint64_t last; /* id to go on after */
    int64_t last_due_ms;
    bool is_end;
    int64_t next_due_ms;
};

/* The runs that are handled together with this one: those of its batch that are open, by event;
 * only its own if the batch is no more (a dead run that is tried again). None: its own run is over.
 */
struct batch_member {
    struct event *event; /* owned reference */
    uint8_t first_ordinal;
    size_t run_count; /* of the event */
};
struct store_claim_batch {
    struct store_read read;
    uint64_t batch;
    uint64_t event;
    const char *subscription;
    struct batch_member *members; /* owned */
    size_t member_count;
    int64_t close_ms; /* it takes more until then; 0: closed */
};

/* Due deliveries of one endpoint with their messages, those of the highest priority first, each
 * priority by due time. Held ones are not due. is_end: the store has no more that are due.
 * next_due_ms: the least due time behind now (0: none), known if is_end. Of a long-poll endpoint
 * the due ones may be leased: those whose lease has ended. */
struct store_claim_deliveries {
    struct store_read read;
    uint64_t endpoint;
    int64_t now_ms;
    bool is_urgent; /* only those of a priority above this one */
    int above;
    bool is_ended;       /* only those whose lease has ended, and those that expired and are not
                          * leased, whatever their priority */
    const uint64_t *ids; /* only these, while they are leased, due or not; borrowed. NULL: all */
    size_t id_count;
    size_t count_max;
    size_t bytes_max;
    struct delivery **deliveries; /* owned */
    size_t delivery_count;
    bool is_end;
    int64_t next_due_ms;
};

/* After a start: deliveries that some owner held in memory when the process ended (due_ms NULL),
 * of the endpoints with id_shard_of_number(endpoint) % modulus == remainder, id > after. */
struct store_claim_open {
    struct store_read read;
    uint64_t after;
    unsigned modulus, remainder;
    size_t count_max;
    size_t bytes_max;
    struct delivery **deliveries; /* owned */
    size_t delivery_count;
    uint64_t last;
    bool is_end;
};

/* After a start: every endpoint with deliveries that have a due time, and its stored state. */
struct backlog_row {
    uint64_t endpoint;
    int64_t due_ms; /* the least */
};
struct store_backlog {
    struct store_read read;
    struct backlog_row *rows; /* owned */
    size_t row_count;
};

struct store_get_kv {
    struct store_read read;
    const char *ns, *key;
    int64_t now_ms;
    char *value;      /* JSON, owned; NULL: absent or expired */
    uint64_t version; /* 0: absent */
};

/* Keys of a namespace that begin with prefix and come behind `after` ("": all), by their bytes, at
 * most `limit`. version: of what was found, for a kv_read: any change of those keys, one more among
 * them, or one less, is another version. is_cut: more than bytes_max of values; rows fall short. */
struct kv_row {
    char *key, *value; /* owned */
};
struct store_list_kv {
    struct store_read read;
    const char *ns, *prefix, *after;
    size_t limit;
    size_t bytes_max;
    int64_t now_ms;
    struct kv_row *rows; /* owned */
    size_t row_count;
    uint64_t version;
    bool is_cut;
};

/* What a run committed in steps so far, by name. */
struct step_row {
    char *name, *result; /* owned */
};
struct store_list_steps {
    struct store_read read;
    uint64_t event;
    const char *subscription;
    struct step_row *rows; /* owned */
    size_t row_count;
};

/* ---- Upkeep ---------------------------------------------------------------------------------- */

/* Deletes finished events (with their messages, deliveries, attempts, keys) received before
 * before_ms, a few a group, by the store thread between commits; returns at once. Events of sources
 * with their own retention are given apart (source NULL: all others). */
struct store_retention {
    const char *source;
    int64_t before_ms;
};
void store_retain(struct store *store, const struct store_retention *classes, size_t count);

#include "store/store_erase.h"
#include "store/store_list.h"
#include "store/store_secret.h"

#endif
