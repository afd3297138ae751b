/* SPDX-License-Identifier: MIT */
/* The parts of the idempotency keys that need no database, against models. */
#include "store_lua.h"

#include "store/dedupe_int.h"

#include <stdlib.h>

#define MODEL_ENTRIES 4096u
#define MODEL_HASHES 512u

static uint64_t next_random(uint64_t *state)
{
    *state ^= *state << 13;
    *state ^= *state >> 7;
    *state ^= *state << 17;
    return *state * UINT64_C(0x2545f4914f6cdd1d);
}

static int64_t random_hash(uint64_t *state)
{
    return (int64_t)(next_random(state) >> 1);
}

/* key_filter(keys, others, seed) -> how many of the keys it denies, how many others it takes for
 * keys, bytes. Through its stored form. */
static int l_key_filter(lua_State *L)
{
    const lua_Integer count = luaL_checkinteger(L, 1);
    const lua_Integer other_count = luaL_checkinteger(L, 2);
    const uint64_t seed = (uint64_t)luaL_checkinteger(L, 3) | 1;
    struct key_filter made = {0};
    struct key_filter filter = {0};
    lua_Integer denied = 0;
    lua_Integer mistaken = 0;
    uint64_t state = seed;
    check(key_filter_init(&made, (size_t)count));
    for (lua_Integer i = 0; i < count; i++)
        key_filter_add(&made, random_hash(&state));
    check(key_filter_load(&filter, key_filter_bytes(&made)));
    for (lua_Integer i = 0; i < other_count; i++)
        mistaken += key_filter_may_have(&filter, random_hash(&state));
    state = seed;
    for (lua_Integer i = 0; i < count; i++)
        denied += !key_filter_may_have(&filter, random_hash(&state));
    lua_pushinteger(L, denied);
    lua_pushinteger(L, mistaken);
    lua_pushinteger(L, (lua_Integer)key_filter_bytes(&filter).len);
    key_filter_finish(&made);
    key_filter_finish(&filter);
    return 3;
}

/* True if the tail finds exactly what a walk through the model finds, the last first. */
static bool finds_alike(const struct key_tail *tail, const struct key_entry *model, size_t count,
                        int64_t hash)
{
    const struct key_entry *found = key_tail_find(tail, hash, NULL);
    for (size_t i = count; i-- > 0;) {
        if (model[i].hash != hash)
            continue;
        if (!found || found->event != model[i].event)
            return false;
        found = key_tail_find(tail, hash, found);
    }
    return !found;
}

/* True if its buckets hold as many entries, and ascend. */
static bool ascends(const struct key_tail *tail)
{
    struct key_entry entries[MODEL_ENTRIES];
    size_t seen = 0;
    int64_t highest = -1;
    for (size_t bucket = 0; bucket < key_tail_bucket_count(tail); bucket++) {
        const size_t count = key_tail_bucket(tail, bucket, entries, array_count(entries));
        int64_t last = highest;
        for (size_t i = 0; i < count; i++) {
            if (entries[i].hash <= highest)
                return false;
            last = entries[i].hash > last ? entries[i].hash : last;
        }
        highest = last;
        seen += count;
    }
    return seen == tail->count;
}

/* key_tail(steps, seed) -> how many steps went well; adds and takes back by chance. */
static int l_key_tail(lua_State *L)
{
    const lua_Integer steps = luaL_checkinteger(L, 1);
    uint64_t state = (uint64_t)luaL_checkinteger(L, 2) | 1;
    struct key_tail tail = {0};
    struct key_entry model[MODEL_ENTRIES];
    int64_t hashes[MODEL_HASHES];
    size_t count = 0;
    lua_Integer step = 0;
    for (size_t i = 0; i < MODEL_HASHES; i++)
        hashes[i] = random_hash(&state);
    for (; step < steps; step++) {
        const int64_t hash = hashes[next_random(&state) % MODEL_HASHES];
        if (count == MODEL_ENTRIES || next_random(&state) % 100 == 0) {
            count -= next_random(&state) % (count + 1) / 2;
            key_tail_cut(&tail, count);
        } else {
            model[count] = (struct key_entry){hash, (uint64_t)step + 1};
            check(key_tail_add(&tail, model[count++]));
        }
        if (tail.count != count || !finds_alike(&tail, model, count, hash))
            break;
        if (step % 1000 == 0 && !ascends(&tail))
            break;
    }
    key_tail_finish(&tail);
    lua_pushinteger(L, step);
    return 1;
}

const luaL_Reg store_dedupe_functions[] = {
    {"key_filter", l_key_filter},
    {"key_tail", l_key_tail},
    {NULL, NULL},
};
