/* SPDX-License-Identifier: MIT */
/* A block is eight words of 64 bits as little-endian bytes, which is also how it is stored. The top
 * 32 bits of a hash choose the block, its low 48 bits one bit in each word. */
#include "store/dedupe_int.h"

#include <stdlib.h>

#define HASH_BITS 63u
#define BITS_PER_KEY 16u
#define KEYS_PER_BLOCK (FILTER_BLOCK_BYTES * 8 / BITS_PER_KEY)
#define WORDS 8u
#define WORD_BYTES 8u
#define BITS_PER_CHOICE 6u /* of 64 */

static uint8_t *block_of(const struct key_filter *filter, int64_t hash)
{
    const uint64_t top = (uint64_t)hash >> (HASH_BITS - 32);
    return filter->bytes + (top * filter->block_count >> 32) * FILTER_BLOCK_BYTES;
}

static unsigned bit_of(int64_t hash, unsigned word)
{
    return (unsigned)((uint64_t)hash >> word * BITS_PER_CHOICE) & 63u;
}

bool key_filter_init(struct key_filter *filter, size_t key_count)
{
    filter->block_count = key_count / KEYS_PER_BLOCK + 1;
    filter->bytes = calloc(filter->block_count, FILTER_BLOCK_BYTES);
    return filter->bytes != NULL;
}

void key_filter_add(struct key_filter *filter, int64_t hash)
{
    uint8_t *block = block_of(filter, hash);
    for (unsigned word = 0; word < WORDS; word++) {
        const unsigned bit = bit_of(hash, word);
        block[word * WORD_BYTES + bit / 8] |= (uint8_t)(1u << bit % 8);
    }
}

/* Without a branch for each bit: the blocks of many filters are then fetched side by side. */
bool key_filter_may_have(const struct key_filter *filter, int64_t hash)
{
    const uint8_t *block = block_of(filter, hash);
    unsigned found = 1;
    for (unsigned word = 0; word < WORDS; word++) {
        const unsigned bit = bit_of(hash, word);
        found &= (unsigned)block[word * WORD_BYTES + bit / 8] >> bit % 8;
    }
    return found != 0;
}

bool key_filter_load(struct key_filter *filter, struct slice bytes)
{
    if (bytes.len == 0 || bytes.len % FILTER_BLOCK_BYTES != 0)
        return false;
    filter->block_count = bytes.len / FILTER_BLOCK_BYTES;
    filter->bytes = malloc(bytes.len);
    if (filter->bytes)
        memcpy(filter->bytes, bytes.data, bytes.len);
    return filter->bytes != NULL;
}

struct slice key_filter_bytes(const struct key_filter *filter)
{
    return slice_of((const char *)filter->bytes, filter->block_count * FILTER_BLOCK_BYTES);
}

void key_filter_finish(struct key_filter *filter)
{
    free(filter->bytes);
    *filter = (struct key_filter){0};
}
