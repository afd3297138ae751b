/* SPDX-License-Identifier: MIT */
#include "store/dedupe_int.h"

#include <stdlib.h>

#define HASH_BITS 63u
#define TAIL_BITS_MIN 10u

/* By the top bits: ascending buckets are ascending hashes. */
static size_t bucket_of(const struct key_tail *tail, int64_t hash)
{
    return (size_t)((uint64_t)hash >> (HASH_BITS - tail->bits));
}

static void link_entry(struct key_tail *tail, size_t index)
{
    uint32_t *head = &tail->heads[bucket_of(tail, tail->entries[index].hash)];
    tail->next[index] = *head;
    *head = (uint32_t)index + 1;
}

static bool grow(struct key_tail *tail)
{
    const unsigned bits = tail->bits ? tail->bits + 1 : TAIL_BITS_MIN;
    const size_t room = (size_t)1 << bits;
    check(bits < 32);
    struct key_entry *entries = realloc(tail->entries, room * sizeof *entries);
    tail->entries = entries ? entries : tail->entries;
    uint32_t *next = realloc(tail->next, room * sizeof *next);
    tail->next = next ? next : tail->next;
    uint32_t *heads = entries && next ? calloc(room, sizeof *heads) : NULL;
    if (!heads)
        return false;
    free(tail->heads);
    tail->heads = heads;
    tail->bits = bits;
    for (size_t i = 0; i < tail->count; i++)
        link_entry(tail, i);
    return true;
}

bool key_tail_add(struct key_tail *tail, struct key_entry entry)
{
    const bool is_full = tail->bits == 0 || tail->count == (size_t)1 << tail->bits;
    if (is_full && !grow(tail))
        return false;
    tail->entries[tail->count] = entry;
    link_entry(tail, tail->count++);
    return true;
}

void key_tail_cut(struct key_tail *tail, size_t count)
{
    while (tail->count > count) {
        const size_t last = --tail->count;
        uint32_t *head = &tail->heads[bucket_of(tail, tail->entries[last].hash)];
        check(*head == last + 1);
        *head = tail->next[last];
    }
}

const struct key_entry *key_tail_find(const struct key_tail *tail, int64_t hash,
                                      const struct key_entry *before)
{
    if (tail->count == 0)
        return NULL;
    uint32_t place =
        before ? tail->next[before - tail->entries] : tail->heads[bucket_of(tail, hash)];
    while (place && tail->entries[place - 1].hash != hash)
        place = tail->next[place - 1];
    return place ? &tail->entries[place - 1] : NULL;
}

size_t key_tail_bucket_count(const struct key_tail *tail)
{
    return tail->bits ? (size_t)1 << tail->bits : 0;
}

size_t key_tail_bucket(const struct key_tail *tail, size_t bucket, struct key_entry *entries,
                       size_t room)
{
    size_t count = 0;
    for (uint32_t place = tail->heads[bucket]; place; place = tail->next[place - 1]) {
        if (count < room)
            entries[count] = tail->entries[place - 1];
        count++;
    }
    return count;
}

void key_tail_finish(struct key_tail *tail)
{
    free(tail->entries);
    free(tail->next);
    free(tail->heads);
    *tail = (struct key_tail){0};
}
