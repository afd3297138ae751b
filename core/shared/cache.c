/* SPDX-License-Identifier: MIT */
/* Cache entries. A payload is a tag and the value behind it. */
#include "shared/table_int.h"

#include "base/clock.h"

#include <math.h>

struct cached {
    bool is_number;
    struct cache_number number;
    char bytes[];
};

static struct entry_name name_of(struct slice ns, struct slice key)
{
    return (struct entry_name){.kind = ENTRY_CACHE, .ns = ns, .key = key};
}

static struct cached *cached_of(struct entry *entry)
{
    return (struct cached *)(void *)entry->bytes;
}

static int64_t expiry(int64_t ttl_ms)
{
    return ttl_ms > 0 ? clock_mono_ms() + ttl_ms : 0;
}

enum status cache_get(struct shared *shared, struct slice ns, struct slice key,
                      struct cache_value *value, struct buf *text)
{
    struct entry_name name = name_of(ns, key);
    struct stripe *stripe = stripe_lock(shared, &name);
    struct entry *entry = stripe_find_locked(stripe, &name);
    enum status status = E_NOTFOUND;
    if (entry) {
        const struct cached *cached = cached_of(entry);
        *value = (struct cache_value){.is_number = cached->is_number, .number = cached->number};
        buf_clear(text);
        status = buf_add(text, cached->bytes, entry->payload_bytes - sizeof *cached);
        value->bytes = buf_slice(text);
    }
    stripe_unlock(stripe);
    return status;
}

static enum status put(struct shared *shared, struct stripe *stripe, const struct entry_name *name,
                       const struct cache_value *value, int64_t ttl_ms)
{
    const size_t len = value->is_number ? 0 : value->bytes.len;
    const size_t payload = sizeof(struct cached) + len;
    if (payload + name->ns.len + name->key.len + sizeof(struct entry) >= shared->stripe_bytes_max)
        return E_LIMIT;
    struct entry *entry = stripe_put_locked(shared, stripe, name, payload);
    if (!entry)
        return E_NOMEM;
    struct cached *cached = cached_of(entry);
    cached->is_number = value->is_number;
    cached->number = value->number;
    if (len > 0)
        memcpy(cached->bytes, value->bytes.data, len);
    entry->expires_ms = expiry(ttl_ms);
    return OK;
}

enum status cache_set(struct shared *shared, struct slice ns, struct slice key,
                      const struct cache_value *value, int64_t ttl_ms, bool only_new)
{
    struct entry_name name = name_of(ns, key);
    struct stripe *stripe = stripe_lock(shared, &name);
    const enum status status = only_new && stripe_find_locked(stripe, &name)
                                   ? E_CONFLICT
                                   : put(shared, stripe, &name, value, ttl_ms);
    stripe_unlock(stripe);
    return status;
}

/* Whole as long as both are, else real. */
static enum status add(const struct cache_number *a, const struct cache_number *b,
                       struct cache_number *sum)
{
    *sum = (struct cache_number){.is_real = a->is_real || b->is_real};
    if (!sum->is_real)
        return __builtin_add_overflow(a->whole, b->whole, &sum->whole) ? E_LIMIT : OK;
    sum->real =
        (a->is_real ? a->real : (double)a->whole) + (b->is_real ? b->real : (double)b->whole);
    return isfinite(sum->real) ? OK : E_LIMIT;
}

enum status cache_incr(struct shared *shared, struct slice ns, struct slice key,
                       const struct cache_number *delta, int64_t ttl_ms, struct cache_number *sum)
{
    struct entry_name name = name_of(ns, key);
    struct stripe *stripe = stripe_lock(shared, &name);
    struct entry *entry = stripe_find_locked(stripe, &name);
    enum status status;
    if (!entry) {
        *sum = *delta;
        status = put(shared, stripe, &name,
                     &(struct cache_value){.is_number = true, .number = *delta}, ttl_ms);
    } else if (!cached_of(entry)->is_number) {
        status = E_INVALID;
    } else {
        status = add(&cached_of(entry)->number, delta, sum);
        if (status == OK)
            cached_of(entry)->number = *sum;
    }
    stripe_unlock(stripe);
    return status;
}

bool cache_delete(struct shared *shared, struct slice ns, struct slice key)
{
    struct entry_name name = name_of(ns, key);
    struct stripe *stripe = stripe_lock(shared, &name);
    struct entry *entry = stripe_find_locked(stripe, &name);
    if (entry)
        stripe_remove_locked(stripe, entry);
    stripe_unlock(stripe);
    return entry != NULL;
}
