/* SPDX-License-Identifier: MIT */
/* Inside of the SQLite engine: how a page of a list is filled. A walk goes over candidates by id,
 * in one direction, and asks of each whether the page wants it; a page that has to pass over too
 * much comes short. Reader threads. */
#ifndef STORE_SQLITE_WALK_INT_H
#define STORE_SQLITE_WALK_INT_H

#include "store/sqlite_int.h"

/* Several ranges of one index, walked as one: each way is asked for its next id alone, so rows of
 * other ways are passed over for nothing. */
#define MERGE_WAYS_MAX 64u
struct merge {
    sqlite3_stmt *seek; /* ?1 below this id, ?2 above that: the next of a way, or no row */
    /* Binds what a way is, from ?3 on. */
    void (*bind_way)(sqlite3_stmt *seek, size_t way, const void *ctx);
    const void *ctx;
    size_t way_count;
    uint64_t next[MERGE_WAYS_MAX]; /* 0: that way is over */
};

struct walk {
    const struct store_list_query *query; /* limit, before, after, is_backward */
    sqlite3_stmt *statement; /* bound; its first column is the candidate. NULL: merge has them */
    struct merge *merge;
    /* Adds the candidate to the list if it is wanted: SQLITE_ROW, or the error. */
    int (*look)(struct sqlite_reader *reader, struct walk *walk);
    void *list;
    const size_t *row_count; /* of the list */
    int64_t start_ns;        /* when the page began; 0: now */
    bool is_whole;           /* it never comes short */
    uint64_t id;             /* of the candidate */
    uint64_t last;           /* that was looked at; 0: none */
    bool is_end;             /* there is none behind it */
};

/* SQLITE_OK, or the error. The statements are reset. */
int sqlite_walk(struct sqlite_reader *reader, struct walk *walk);

#endif
