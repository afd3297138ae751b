/* SPDX-License-Identifier: MIT */
/* Linear probing at most two thirds full; a removal moves the followers back, so there are no
 * tombstones and a long-lived map never slows down. */
#include "base/map.h"

#include "base/memory.h"

#include <stdlib.h>

#define CAPACITY_MIN 64u

static size_t home_of(const struct map *map, uint64_t key)
{
    key ^= key >> 32;
    key *= UINT64_C(0x9e3779b97f4a7c15);
    return (size_t)(key >> 32) & (map->capacity - 1);
}

static size_t find(const struct map *map, uint64_t key)
{
    size_t i = home_of(map, key);
    while (map->slots[i].key != 0 && map->slots[i].key != key)
        i = (i + 1) & (map->capacity - 1);
    return i;
}

static enum status grow(struct map *map)
{
    struct map bigger = {.capacity = map->capacity ? map->capacity * 2 : CAPACITY_MIN,
                         .count = map->count};
    bigger.slots = memory_calloc(bigger.capacity, sizeof *bigger.slots);
    if (!bigger.slots)
        return E_NOMEM;
    for (size_t i = 0; i < map->capacity; i++)
        if (map->slots[i].key != 0)
            bigger.slots[find(&bigger, map->slots[i].key)] = map->slots[i];
    free(map->slots);
    *map = bigger;
    return OK;
}

void map_finish(struct map *map)
{
    if (!map)
        return;
    free(map->slots);
    *map = (struct map){0};
}

enum status map_put(struct map *map, uint64_t key, void *value)
{
    check(key != 0 && value);
    if ((map->count + 1) * 3 > map->capacity * 2) {
        const enum status status = grow(map);
        if (status != OK)
            return status;
    }
    const size_t i = find(map, key);
    map->count += map->slots[i].key == 0;
    map->slots[i] = (struct map_slot){key, value};
    return OK;
}

void *map_get(const struct map *map, uint64_t key)
{
    return map->count == 0 ? NULL : map->slots[find(map, key)].value;
}

void *map_remove(struct map *map, uint64_t key)
{
    if (map->count == 0)
        return NULL;
    size_t hole = find(map, key);
    void *value = map->slots[hole].value;
    if (!value)
        return NULL;
    map->count--;
    for (size_t i = (hole + 1) & (map->capacity - 1); map->slots[i].key != 0;
         i = (i + 1) & (map->capacity - 1)) {
        const size_t home = home_of(map, map->slots[i].key);
        const size_t distance = (i - home) & (map->capacity - 1);
        if (distance >= ((i - hole) & (map->capacity - 1))) {
            map->slots[hole] = map->slots[i];
            hole = i;
        }
    }
    map->slots[hole] = (struct map_slot){0};
    return value;
}

bool map_next(const struct map *map, size_t *place, uint64_t *key, void **value)
{
    while (*place < map->capacity) {
        const struct map_slot *slot = &map->slots[(*place)++];
        if (slot->key != 0) {
            *key = slot->key;
            *value = slot->value;
            return true;
        }
    }
    return false;
}

void map_clear(struct map *map)
{
    if (map->slots)
        memset(map->slots, 0, map->capacity * sizeof *map->slots);
    map->count = 0;
}
