/* SPDX-License-Identifier: MIT */
/* A map from a 64-bit number (an id, never 0) to a pointer. One thread at a time. The map owns
 * nothing but its table; it grows with what is in it. */
#ifndef BASE_MAP_H
#define BASE_MAP_H

#include "base/base.h"

struct map_slot {
    uint64_t key; /* 0: free */
    void *value;
};

struct map {
    struct map_slot *slots; /* NULL while empty */
    size_t capacity;        /* a power of two */
    size_t count;
};

void map_finish(struct map *map);
/* Puts or replaces. value must not be NULL. */
MUST_USE enum status map_put(struct map *map, uint64_t key, void *value);
/* NULL if absent. */
void *map_get(const struct map *map, uint64_t key);
/* Returns what was there, NULL if nothing was. */
void *map_remove(struct map *map, uint64_t key);
/* Goes through all: *place begins at 0. False at the end. The map must not change meanwhile. */
bool map_next(const struct map *map, size_t *place, uint64_t *key, void **value);
void map_clear(struct map *map);

#endif
