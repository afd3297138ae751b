/* SPDX-License-Identifier: MIT */
/* Inside of the SQLite engine: idempotency keys, in its groups and on the store thread. Part of
 * sqlite_int.h, which includes it. */
#ifndef STORE_SQLITE_DEDUPE_INT_H
#define STORE_SQLITE_DEDUPE_INT_H

#include "store/sqlite_int.h"

/* sqlite_dedupe_load.c: the tail and the filters. run_keys: 0 for the usual. */
MUST_USE enum status sqlite_dedupe_open(struct sqlite_engine *engine, unsigned run_keys,
                                        struct err *err);
void sqlite_dedupe_close(struct sqlite_engine *engine);

/* sqlite_dedupe.c. *first: the youngest event with this source and key whose id is at least from;
 * 0: none. source: its number. */
int sqlite_dedupe_find(struct sqlite_engine *engine, const struct event *event, int64_t source,
                       uint64_t from, uint64_t *first);
/* The event's key is known from now on, unless this group is rolled back. */
int sqlite_dedupe_add(struct sqlite_engine *engine, const struct event *event, int64_t window_ms);
/* What the group adds is written as its last step. */
int sqlite_dedupe_write(struct sqlite_engine *engine);
void sqlite_dedupe_committed(struct sqlite_engine *engine);
void sqlite_dedupe_rolled_back(struct sqlite_engine *engine);

/* sqlite_merge.c: freezes the tail when it is time; outside a group. */
void sqlite_merge_start(struct dedupe *dedupe);
/* Writes what is owed of a merge, inside a group; then what became of the group. */
int sqlite_merge_write(struct sqlite_engine *engine);
void sqlite_merge_committed(struct dedupe *dedupe);
void sqlite_merge_rolled_back(struct dedupe *dedupe);
/* Deletes up to that many rows of a run that no window reaches any more, and when nobody waits,
 * lets a merge go on faster. *is_end: nothing is left to do. */
int sqlite_dedupe_retain(struct sqlite_engine *engine, const struct store_retain_op *retain,
                         bool *is_end);

#endif
