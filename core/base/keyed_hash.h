/* SPDX-License-Identifier: MIT */
/* A keyed hash (SipHash-2-4): who can choose what is hashed, but not the key, cannot choose
 * collisions. Pure. */
#ifndef BASE_KEYED_HASH_H
#define BASE_KEYED_HASH_H

#include "base/base.h"

#define KEYED_HASH_KEY_BYTES 16

/* Of the parts with their lengths: no two lists of parts read alike. */
uint64_t keyed_hash(const uint8_t key[KEYED_HASH_KEY_BYTES], const struct slice *parts,
                    size_t part_count);

#endif
