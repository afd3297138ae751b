/* SPDX-License-Identifier: MIT */
/* The rows of one webhook's life in SQLite, with prepared statements and nothing around them. One
 * thread. Tables grow at the right edge; the keys of a group are one packed row. */
#ifndef TEST_BENCH_BARE_STORE_H
#define TEST_BENCH_BARE_STORE_H

#include <stddef.h>
#include <stdint.h>

struct bare_store;

struct bare_store *bare_store_open(const char *path);
void bare_store_close(struct bare_store *store);
void bare_store_begin(struct bare_store *store);
/* Returns when the group is on disk. */
void bare_store_commit(struct bare_store *store);
/* INSERT event, content, event_due; its key goes into the group's row. */
void bare_store_ingest(struct bare_store *store, int64_t id, const char *body, size_t len);
/* DELETE event_due; INSERT message, delivery. */
void bare_store_handled(struct bare_store *store, int64_t id);
/* UPDATE delivery, INSERT attempt. */
void bare_store_settle(struct bare_store *store, int64_t id);

#endif
