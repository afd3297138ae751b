/* SPDX-License-Identifier: MIT */
#include "base/keyed_hash.h"

static uint64_t read_word(const uint8_t *bytes, size_t count)
{
    uint64_t word = 0;
    for (size_t i = 0; i < count; i++)
        word |= (uint64_t)bytes[i] << 8 * i;
    return word;
}

static uint64_t rotate(uint64_t word, unsigned bits)
{
    return word << bits | word >> (64 - bits);
}

struct sip {
    uint64_t v[4];
};

static void mix(struct sip *sip, unsigned rounds)
{
    uint64_t *v = sip->v;
    for (unsigned i = 0; i < rounds; i++) {
        v[0] += v[1];
        v[1] = rotate(v[1], 13) ^ v[0];
        v[0] = rotate(v[0], 32);
        v[2] += v[3];
        v[3] = rotate(v[3], 16) ^ v[2];
        v[0] += v[3];
        v[3] = rotate(v[3], 21) ^ v[0];
        v[2] += v[1];
        v[1] = rotate(v[1], 17) ^ v[2];
        v[2] = rotate(v[2], 32);
    }
}

static void add_word(struct sip *sip, uint64_t word)
{
    sip->v[3] ^= word;
    mix(sip, 2);
    sip->v[0] ^= word;
}

uint64_t keyed_hash(const uint8_t key[KEYED_HASH_KEY_BYTES], const struct slice *parts,
                    size_t part_count)
{
    const uint64_t k0 = read_word(key, 8);
    const uint64_t k1 = read_word(key + 8, 8);
    struct sip sip = {{k0 ^ UINT64_C(0x736f6d6570736575), k1 ^ UINT64_C(0x646f72616e646f6d),
                       k0 ^ UINT64_C(0x6c7967656e657261), k1 ^ UINT64_C(0x7465646279746573)}};
    for (size_t part = 0; part < part_count; part++) {
        const uint8_t *bytes = (const uint8_t *)parts[part].data;
        size_t left = parts[part].len;
        for (; left >= 8; bytes += 8, left -= 8)
            add_word(&sip, read_word(bytes, 8));
        add_word(&sip, read_word(bytes, left) | (uint64_t)parts[part].len << 56);
    }
    sip.v[2] ^= 0xff;
    mix(&sip, 4);
    return sip.v[0] ^ sip.v[1] ^ sip.v[2] ^ sip.v[3];
}
