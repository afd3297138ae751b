/* SPDX-License-Identifier: MIT */
/* The inside of shared/: the table with its stripes. A stripe is locked from stripe_lock to
 * stripe_unlock; functions that end in _locked are for that time. */
#ifndef SHARED_TABLE_INT_H
#define SHARED_TABLE_INT_H

#include "base/keyed_hash.h"
#include "base/queue.h"
#include "shared/shared.h"

#include <pthread.h>

#define STRIPE_COUNT 64u
#define STRIPE_BUCKETS 256u /* at first; doubled with the entries */

enum entry_kind { ENTRY_CACHE, ENTRY_LIMITER, ENTRY_BREAKER };

struct entry {
    struct node used;   /* in the stripe's order of use, the longest unused first */
    struct entry *next; /* in its bucket */
    uint64_t hash;
    int64_t expires_ms; /* monotonic; 0: never */
    size_t payload_bytes;
    size_t key_bytes;
    enum entry_kind kind;
    _Alignas(max_align_t) char bytes[]; /* payload, then the key: ns, a zero byte, name */
};

struct stripe {
    pthread_mutex_t mutex;
    struct entry **buckets;
    size_t bucket_count;
    struct queue used;
    size_t bytes;
};

struct metrics;

struct shared {
    uint8_t hash_key[KEYED_HASH_KEY_BYTES];
    size_t stripe_bytes_max;
    struct stripe stripes[STRIPE_COUNT];
    struct metrics *metrics[METRIC_OWNER_COUNT];
};

struct entry_name {
    enum entry_kind kind;
    struct slice ns;
    struct slice key;
    uint64_t hash; /* set by stripe_lock */
};

struct stripe *stripe_lock(struct shared *shared, struct entry_name *name);
void stripe_unlock(struct stripe *stripe);
/* NULL: none that has not expired. It counts as used now. */
struct entry *stripe_find_locked(struct stripe *stripe, const struct entry_name *name);
/* A new entry in the place of one of that name: zeroed payload. What was used least recently makes
 * room. NULL: no memory, or larger than a stripe. */
struct entry *stripe_put_locked(struct shared *shared, struct stripe *stripe,
                                const struct entry_name *name, size_t payload_bytes);
void stripe_remove_locked(struct stripe *stripe, struct entry *entry);

/* True if forgetting it changes nothing: as good as new. */
bool limiter_is_idle(const struct entry *entry);
bool breaker_is_idle(const struct entry *entry);

/* hash_key: borrowed; series_max: of one name. */
struct metrics *metrics_create(const uint8_t *hash_key, size_t series_max);
void metrics_destroy(struct metrics *metrics);

#endif
