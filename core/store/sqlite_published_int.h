/* SPDX-License-Identifier: MIT */
/* Inside of the SQLite engine: what is published over the API, as it is written (store thread,
 * inside a group) and read (reader threads). */
#ifndef STORE_SQLITE_PUBLISHED_INT_H
#define STORE_SQLITE_PUBLISHED_INT_H

#include "store/sqlite_walk_int.h"

/* sqlite_published.c: whether it may be written: else the ingest is a duplicate, or has E_CONFLICT;
 * and its row. */
int sqlite_find_published(struct sqlite_engine *engine, struct store_ingest *ingest);
int sqlite_insert_published(struct sqlite_engine *engine, const struct event *event,
                            const struct published *published);
int sqlite_put_published(struct sqlite_engine *engine, const struct store_ingest *ingest);
int sqlite_list_published(struct sqlite_reader *reader, struct store_list_published *list);
/* Fills the row (owned) with what the filter wants of this event: SQLITE_ROW; SQLITE_DONE: it is
 * not wanted, or not there. */
int sqlite_read_published(struct sqlite_reader *reader, uint64_t event,
                          const struct published_filter *filter, struct published_row *row);
/* The same without a row. */
int sqlite_find_wanted(struct sqlite_reader *reader, uint64_t event,
                       const struct published_filter *filter);
/* The ways of the types that are wanted, by event. False: there are none, or too many. */
bool sqlite_merge_types(struct sqlite_reader *reader, const struct published_filter *filter,
                        bool is_backward, struct merge *merge);
int sqlite_list_destinations(struct sqlite_reader *reader, struct store_list_destinations *list);
int sqlite_list_sent(struct sqlite_reader *reader, struct store_list_sent *list);
int sqlite_count_sent(struct sqlite_reader *reader, struct store_count_sent *count);
int sqlite_list_tried(struct sqlite_reader *reader, struct store_list_tried *list);
/* sqlite_sent.c: the ids of a message's deliveries; owned by the caller, with an error too. */
int sqlite_message_deliveries(struct sqlite_reader *reader, uint64_t message, uint64_t **ids,
                              size_t *count);

/* sqlite_expunge.c: sets change->status. */
int sqlite_expunge(struct sqlite_engine *engine, struct change *change);
/* Payloads that were kept as long as they were to be, at most so many. *is_end: that is all. */
int sqlite_expunge_old(struct sqlite_engine *engine, size_t count_max, bool *is_end);
/* sqlite_resource.c: what the first request with this key wrote. */
int sqlite_find_answer(struct sqlite_engine *engine, const unsigned char *key, int64_t now_ms,
                       struct resource *first, bool *is_repeat);
int sqlite_put_answer(struct sqlite_engine *engine, const unsigned char *key, int64_t now_ms,
                      const struct resource *first);

#endif
