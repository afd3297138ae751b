/* SPDX-License-Identifier: MIT */
/* Part of sqlite_int.h, which includes it: counts of what became of messages at registered
 * endpoints, as they are kept (store thread) and read (reader threads). */
#ifndef STORE_SQLITE_SENT_COUNT_INT_H
#define STORE_SQLITE_SENT_COUNT_INT_H

#include "base/map.h"
#include "store/store_list.h"

/* A row of sent_count is of so many ids of messages: 4.4 minutes. */
#define SENT_SPAN_BITS 40
/* Its columns: those of enum sent_state, then those that were cancelled. */
#define SENT_COUNT_CANCELLED SENT_STATE_COUNT
#define SENT_COUNTS (SENT_STATE_COUNT + 1u)
#define SENT_CHANGES_KEPT 4096u

/* What a group adds to a row. */
struct sent_change {
    uint64_t endpoint, span;
    int64_t by[SENT_COUNTS];
    bool may_end; /* a delivery was deleted: the row may count nothing any more */
    size_t next;  /* of the same key in places: its index and 1; 0: none */
};
struct sent_changes {
    struct sent_change *rows; /* owned */
    size_t count;
    struct map places; /* by a key of endpoint and span: the index of a row, and 1 */
};

struct sqlite_engine;
void sqlite_sent_count_close(struct sqlite_engine *engine);
/* The group's, at its end; or it is taken back. */
int sqlite_sent_count_write(struct sqlite_engine *engine);
void sqlite_sent_count_forget(struct sqlite_engine *engine);

/* A delivery as it was before it changed. */
#define SENT_NO_DELIVERY (-1)
struct sent_delivery {
    uint64_t id, endpoint, message;
    int state;        /* enum delivery_state, or SENT_NO_DELIVERY */
    bool is_repeated; /* its message has others to the same endpoint */
};
int sqlite_sent_find(struct sqlite_engine *engine, uint64_t id, struct sent_delivery *delivery);
/* It has this state now; SENT_NO_DELIVERY: it is deleted. Others than those of registered endpoints
 * are not counted. */
int sqlite_sent_moved(struct sqlite_engine *engine, const struct sent_delivery *was, int state);
/* It was made beside others of its message, of which some may go to the same endpoint. */
int sqlite_sent_repeated(struct sqlite_engine *engine, uint64_t delivery);

#endif
