/* SPDX-License-Identifier: MIT */
/* Idempotency keys: where they are kept, so that a new one appends and none has an index entry of
 * its own. Store thread only (and the thread that opens the store, before there is one).
 *
 * A key is a keyed hash and the id of its event. Each commit group appends its keys to the table
 * dedupe_log, in the events' own transaction, and to the tail, which holds in memory what the log
 * holds. A tail that is full, or an hour old, is frozen and merged: written in order of hash, a
 * slice in a group now and then, into the table dedupe as a run. The last slice makes the run count
 * (dedupe_run) and deletes its part of the log, at once: so a key is always in the log or in a run
 * that counts, and a merge that was broken off simply starts again over the same rows. A run is
 * asked only when its filter, in memory, says that it may have the hash; it is deleted whole when
 * its youngest key is older than any window. A rollback takes the keys of its group out of the tail
 * and puts the merge back to where it stood. */
#ifndef STORE_DEDUPE_INT_H
#define STORE_DEDUPE_INT_H

#include "base/keyed_hash.h"
#include "base/limits.h"
#include "store/store.h"

#define HASH_KEY_BYTES KEYED_HASH_KEY_BYTES
#define KEY_BYTES 16u /* of a key in dedupe_log: hash and event, little endian */
#define KEYS_PER_LOG_ROW 1024u

/* A hash of 63 bits of source and key, and of the type where a handler emitted the event: a
 * sender's keys are none of an emitted event's, and those of two types are apart. A sender who can
 * choose keys cannot choose collisions. */
static inline int64_t dedupe_hash(const uint8_t key[HASH_KEY_BYTES], const struct event *event)
{
    const struct slice parts[] = {event->source, event->key, event->type};
    const size_t count = array_count(parts) - (event->parent == 0 ? 1 : 0);
    return (int64_t)(keyed_hash(key, parts, count) >> 1);
}

/* ---- The tail: dedupe_tail.c ----------------------------------------------------------------- */

struct key_entry {
    int64_t hash;
    uint64_t event;
};

/* A hash multimap that forgets only what came last. Its buckets are ranges of hashes, ascending,
 * so that a walk through them finds the entries almost in order. Zeroed: empty. */
struct key_tail {
    struct key_entry *entries; /* as they came */
    uint32_t *next;            /* of the same bucket, index + 1; 0: none */
    uint32_t *heads;           /* of the buckets: the last that came, likewise */
    size_t count;
    unsigned bits; /* 1 << bits entries and buckets have room; 0: none yet */
};

/* False: no memory, the tail is as it was. */
MUST_USE bool key_tail_add(struct key_tail *tail, struct key_entry entry);
/* Takes the last ones out again until count are left. */
void key_tail_cut(struct key_tail *tail, size_t count);
/* The entry with that hash that came last before `before` (NULL: of all). NULL: there is none. */
const struct key_entry *key_tail_find(const struct key_tail *tail, int64_t hash,
                                      const struct key_entry *before);
size_t key_tail_bucket_count(const struct key_tail *tail);
/* The number of entries in a bucket; as many of them as there is room for are copied. */
size_t key_tail_bucket(const struct key_tail *tail, size_t bucket, struct key_entry *entries,
                       size_t room);
void key_tail_finish(struct key_tail *tail);

/* ---- The filter of a run: dedupe_filter.c ---------------------------------------------------- */

/* A Bloom filter in blocks of one cache line, 16 bits a key: a hash sets one bit in each of the
 * eight words of its block. A "no" is certain; about one "maybe" in 1,000 is wrong. */
struct key_filter {
    uint8_t *bytes;
    size_t block_count;
};

#define FILTER_BLOCK_BYTES 64u

/* For so many keys, none in it yet. False: no memory. */
MUST_USE bool key_filter_init(struct key_filter *filter, size_t key_count);
void key_filter_add(struct key_filter *filter, int64_t hash);
bool key_filter_may_have(const struct key_filter *filter, int64_t hash);
/* As it was stored. False: these bytes are no filter, or no memory. */
MUST_USE bool key_filter_load(struct key_filter *filter, struct slice bytes);
struct slice key_filter_bytes(const struct key_filter *filter);
void key_filter_finish(struct key_filter *filter);

/* ---- All of it: sqlite_dedupe.c, sqlite_merge.c ---------------------------------------------- */

struct key_run {
    int64_t number;
    int64_t newest_ms;
    struct key_filter filter;
};

/* A frozen tail on its way to a run. */
struct key_merge {
    struct key_tail tail; /* empty: no merge */
    int64_t last_seq;     /* of its part of the log */
    struct key_run run;
    size_t bucket;        /* the next to write */
    size_t synced_bucket; /* as far as committed groups wrote */
    bool is_ending;       /* this group writes the last slice */
    size_t owed;          /* rows to write before long */
    struct key_entry *sorted;
    size_t sorted_room;
};

struct dedupe {
    struct key_tail tail;
    size_t synced_count; /* of the tail: from committed groups */
    int64_t synced_seq;  /* the last row of the log, of committed groups */
    int64_t written_seq; /* this group's included */
    size_t run_keys;     /* that fill a tail */
    struct key_merge merge;
    struct key_run *runs; /* that count, ascending */
    size_t run_count;
    int64_t expiring;  /* a run whose last row goes in this group; 0: none */
    int64_t window_ms; /* the longest ever asked for */
    int64_t synced_window_ms;
    uint8_t packed[KEYS_PER_LOG_ROW * KEY_BYTES]; /* a row of the log in the making */
};

#endif
