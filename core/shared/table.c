/* SPDX-License-Identifier: MIT */
/* The table: 64 stripes with a lock, a hash and an order of use each. */
#include "shared/table_int.h"

#include "base/clock.h"
#include "base/memory.h"

#include <fcntl.h>
#include <stdlib.h>
#include <sys/random.h>

#define EVICT_TRIES                                                                                \
    32 /* entries looked at that must stay, before the stripe goes over its bytes                  \
        */

/* ---- Life cycle ---- */

struct shared *shared_create(size_t bytes_max)
{
    struct shared *shared = must_alloc(sizeof *shared);
    check(getrandom(shared->hash_key, sizeof shared->hash_key, 0) ==
          (ssize_t)sizeof shared->hash_key);
    shared->stripe_bytes_max = bytes_max / STRIPE_COUNT;
    for (size_t i = 0; i < STRIPE_COUNT; i++) {
        struct stripe *stripe = &shared->stripes[i];
        check(pthread_mutex_init(&stripe->mutex, NULL) == 0);
        queue_init(&stripe->used);
    }
    for (size_t i = 0; i < METRIC_OWNER_COUNT; i++)
        shared->metrics[i] = metrics_create(
            shared->hash_key, i == METRIC_OF_CORE ? METRIC_CORE_SERIES_MAX : METRIC_SERIES_MAX);
    return shared;
}

void shared_destroy(struct shared *shared)
{
    if (!shared)
        return;
    for (size_t i = 0; i < STRIPE_COUNT; i++) {
        struct stripe *stripe = &shared->stripes[i];
        struct node *node;
        while ((node = queue_pop(&stripe->used)))
            free(container_of(node, struct entry, used));
        free(stripe->buckets);
        check(pthread_mutex_destroy(&stripe->mutex) == 0);
    }
    for (size_t i = 0; i < METRIC_OWNER_COUNT; i++)
        metrics_destroy(shared->metrics[i]);
    free(shared);
}

size_t shared_bytes(struct shared *shared)
{
    size_t bytes = 0;
    for (size_t i = 0; i < STRIPE_COUNT; i++) {
        struct stripe *stripe = &shared->stripes[i];
        check(pthread_mutex_lock(&stripe->mutex) == 0);
        bytes += stripe->bytes;
        check(pthread_mutex_unlock(&stripe->mutex) == 0);
    }
    return bytes;
}

/* ---- Stripes ---- */

struct stripe *stripe_lock(struct shared *shared, struct entry_name *name)
{
    const char kind = (char)name->kind;
    const struct slice parts[] = {slice_of(&kind, 1), name->ns, name->key};
    name->hash = keyed_hash(shared->hash_key, parts, array_count(parts));
    struct stripe *stripe = &shared->stripes[name->hash % STRIPE_COUNT];
    check(pthread_mutex_lock(&stripe->mutex) == 0);
    return stripe;
}

void stripe_unlock(struct stripe *stripe)
{
    check(pthread_mutex_unlock(&stripe->mutex) == 0);
}

static size_t bytes_of(const struct entry *entry)
{
    return sizeof *entry + entry->payload_bytes + entry->key_bytes;
}

static struct entry **bucket_of(const struct stripe *stripe, uint64_t hash)
{
    return &stripe->buckets[hash / STRIPE_COUNT % stripe->bucket_count];
}

static bool is_named(const struct entry *entry, const struct entry_name *name)
{
    const char *key = entry->bytes + entry->payload_bytes;
    return entry->hash == name->hash && entry->kind == name->kind &&
           entry->key_bytes == name->ns.len + 1 + name->key.len &&
           memcmp(key, name->ns.data, name->ns.len) == 0 && key[name->ns.len] == '\0' &&
           memcmp(key + name->ns.len + 1, name->key.data, name->key.len) == 0;
}

static bool is_expired(const struct entry *entry)
{
    return entry->expires_ms != 0 && entry->expires_ms <= clock_mono_ms();
}

void stripe_remove_locked(struct stripe *stripe, struct entry *entry)
{
    struct entry **place = bucket_of(stripe, entry->hash);
    while (*place != entry)
        place = &(*place)->next;
    *place = entry->next;
    queue_remove(&stripe->used, &entry->used);
    stripe->bytes -= bytes_of(entry);
    free(entry);
}

struct entry *stripe_find_locked(struct stripe *stripe, const struct entry_name *name)
{
    struct entry *entry = stripe->bucket_count > 0 ? *bucket_of(stripe, name->hash) : NULL;
    while (entry && !is_named(entry, name))
        entry = entry->next;
    if (!entry)
        return NULL;
    if (is_expired(entry)) {
        stripe_remove_locked(stripe, entry);
        return NULL;
    }
    queue_remove(&stripe->used, &entry->used);
    queue_push(&stripe->used, &entry->used);
    return entry;
}

static bool may_go(const struct entry *entry)
{
    switch (entry->kind) {
    case ENTRY_CACHE:
        return true;
    case ENTRY_LIMITER:
        return limiter_is_idle(entry);
    case ENTRY_BREAKER:
        return breaker_is_idle(entry);
    }
    return true;
}

/* A limiter that is in use and a breaker that has failures stay: forgetting them would let calls
 * through. They are small. */
static void make_room(const struct shared *shared, struct stripe *stripe, size_t bytes)
{
    unsigned tries = 0;
    struct node *node = queue_first(&stripe->used);
    while (node && stripe->bytes + bytes > shared->stripe_bytes_max && tries < EVICT_TRIES) {
        struct entry *entry = container_of(node, struct entry, used);
        node = queue_next(&stripe->used, node);
        if (may_go(entry))
            stripe_remove_locked(stripe, entry);
        else
            tries++;
    }
}

static bool grow(struct stripe *stripe)
{
    if (stripe->used.count < stripe->bucket_count)
        return true;
    const size_t count = stripe->bucket_count ? stripe->bucket_count * 2 : STRIPE_BUCKETS;
    struct entry **buckets = memory_calloc(count, sizeof(struct entry *));
    if (!buckets)
        return stripe->bucket_count > 0;
    free(stripe->buckets);
    stripe->buckets = buckets;
    stripe->bucket_count = count;
    for (struct node *node = queue_first(&stripe->used); node;
         node = queue_next(&stripe->used, node)) {
        struct entry *entry = container_of(node, struct entry, used);
        struct entry **place = bucket_of(stripe, entry->hash);
        entry->next = *place;
        *place = entry;
    }
    return true;
}

struct entry *stripe_put_locked(struct shared *shared, struct stripe *stripe,
                                const struct entry_name *name, size_t payload_bytes)
{
    const size_t key_bytes = name->ns.len + 1 + name->key.len;
    const size_t bytes = sizeof(struct entry) + payload_bytes + key_bytes;
    struct entry *old = stripe_find_locked(stripe, name);
    if (bytes > shared->stripe_bytes_max)
        return NULL;
    struct entry *entry = calloc(1, bytes);
    if (!entry || !grow(stripe)) {
        free(entry);
        return NULL;
    }
    if (old)
        stripe_remove_locked(stripe, old);
    make_room(shared, stripe, bytes);
    entry->hash = name->hash;
    entry->kind = name->kind;
    entry->payload_bytes = payload_bytes;
    entry->key_bytes = key_bytes;
    char *key = entry->bytes + payload_bytes;
    memcpy(key, name->ns.data, name->ns.len);
    memcpy(key + name->ns.len + 1, name->key.data, name->key.len);
    struct entry **place = bucket_of(stripe, entry->hash);
    entry->next = *place;
    *place = entry;
    queue_push(&stripe->used, &entry->used);
    stripe->bytes += bytes;
    return entry;
}
