/* SPDX-License-Identifier: MIT */
/* The outbox: everything that a run of a handler asked for, kept apart until it commits with the
 * run or goes with it. Made by script/ on the job's worker, taken by worker/ for the store. */
#ifndef MODEL_OUTBOX_H
#define MODEL_OUTBOX_H

#include "base/limits.h"
#include "model/delivery.h"
#include "model/event.h"
#include "model/registry.h"
#include "model/task.h"

struct outbox_delivery {
    const struct endpoint_spec *endpoint; /* borrowed from the run's registry, or the one below */
    struct registry *registry;            /* owned reference; NULL: the run keeps its own */
    struct delivery *delivery;            /* owned */
    struct slice order_key;               /* owned; data NULL: in no order */
    int64_t delay_ms;
    bool is_held;    /* by the store: others of its key go first */
    bool is_dropped; /* by the store: its event was published before, or forgotten */
};

struct kv_write {
    char *ns, *key; /* owned */
    char *value;    /* JSON text, owned; NULL: delete */
    int64_t delta;  /* if is_delta: added at commit */
    bool is_delta;
    bool is_sealed;     /* the value: in the store */
    int64_t expires_ms; /* 0: never */
};

/* What the run saw of one key, or of the first `limit` keys of a list: its commit is refused if it
 * is not so any more. */
struct kv_read {
    char *ns, *key;   /* owned; of a list: its prefix */
    char *after;      /* owned; of a list: only keys behind this one. NULL: no list */
    size_t limit;     /* of a list */
    uint64_t version; /* seen; 0: absent. Of a list: of all that it showed */
};

/* What the run does by hand to an event or delivery. */
struct outbox_change {
    struct change what;
    char *reason;       /* owned; NULL: none */
    const char **names; /* owned, with the texts in one piece: what.subscriptions; NULL: none */
};

struct outbox {
    struct message **messages; /* owned references; ids already given */
    size_t message_count;
    struct outbox_delivery *deliveries;
    size_t delivery_count;
    struct event **emits; /* owned references; ids already given */
    size_t emit_count;
    bool emit_is_duplicate[LIMIT_EMITS_PER_RUN]; /* by the store: its key was there, nothing made */
    struct kv_write *kv_writes;
    size_t kv_write_count;
    size_t kv_write_bytes; /* values */
    struct kv_read *kv_reads;
    size_t kv_read_count;
    struct outbox_change *changes;
    size_t change_count;
    struct task *tasks; /* that begin; texts owned, ids from the store */
    size_t task_count;
};

/* Frees what is still there and empties it; taken pointers are set NULL by the taker. */
void outbox_finish(struct outbox *outbox);
/* Frees the messages and deliveries behind the first so many. */
void outbox_cut(struct outbox *outbox, size_t message_count, size_t delivery_count);
/* Each takes the argument over. E_NOMEM: still the caller's. */
MUST_USE enum status outbox_add_message(struct outbox *outbox, struct message *message);
MUST_USE enum status outbox_add_delivery(struct outbox *outbox,
                                         const struct outbox_delivery *delivery);
MUST_USE enum status outbox_add_emit(struct outbox *outbox, struct event *event);
MUST_USE enum status outbox_add_kv_write(struct outbox *outbox, const struct kv_write *write);
/* A JSON number (NULL: 0) plus a whole one, owned. NULL: it is no number, the sum is out of range,
 * or no memory. */
char *kv_add(const char *value, int64_t delta);
MUST_USE enum status outbox_add_change(struct outbox *outbox, const struct outbox_change *change);
MUST_USE enum status outbox_add_task(struct outbox *outbox, const struct task *task);
MUST_USE enum status outbox_add_kv_read(struct outbox *outbox, const struct kv_read *read);

#endif
