/* SPDX-License-Identifier: MIT */
/* The outbox: everything that a run of a handler asked for, kept apart until it commits with the
 * run or goes with it. Made by script/ on the job's worker, taken by worker/ for the store. */
#ifndef MODEL_OUTBOX_H
#define MODEL_OUTBOX_H

#include "base/limits.h"
#include "model/delivery.h"
#include "model/event.h"
#include "model/registry.h"

struct outbox_delivery {
    const struct endpoint_spec *endpoint; /* borrowed from the run's registry */
    struct delivery *delivery;            /* owned */
    int64_t delay_ms;
};

struct kv_write {
    char *ns, *key; /* owned */
    char *value;    /* JSON text, owned; NULL: delete */
    int64_t delta;  /* if is_delta: added at commit */
    bool is_delta;
    int64_t expires_ms; /* 0: never */
};

struct kv_read {
    char *ns, *key;   /* owned */
    uint64_t version; /* seen; 0: absent */
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
    struct kv_read *kv_reads;
    size_t kv_read_count;
};

/* Frees what is still there and empties it; taken pointers are set NULL by the taker. */
void outbox_finish(struct outbox *outbox);
/* Each takes the argument over. E_NOMEM: still the caller's. */
MUST_USE enum status outbox_add_message(struct outbox *outbox, struct message *message);
MUST_USE enum status outbox_add_delivery(struct outbox *outbox,
                                         const struct outbox_delivery *delivery);
MUST_USE enum status outbox_add_emit(struct outbox *outbox, struct event *event);

#endif
