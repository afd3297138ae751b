/* SPDX-License-Identifier: MIT */
/* Sets of keys: several while a secret rotates. */
#include "signature/signature.h"

#include <openssl/crypto.h>
#include <stdlib.h>

#define STANDARD_PREFIX "whsec_"
#define PUBLIC_PREFIX "whpk_"
#define PRIVATE_PREFIX "whsk_"
#define KEY_BYTES_MAX 4096

enum status key_set_add(struct key_set *set, struct slice key)
{
    if (key.len == 0)
        return E_INVALID;
    if (set->count == SIGNATURE_KEYS_MAX || key.len > KEY_BYTES_MAX)
        return E_LIMIT;
    char *copy = malloc(key.len);
    if (!copy)
        return E_NOMEM;
    memcpy(copy, key.data, key.len);
    set->keys[set->count++] = slice_of(copy, key.len);
    return OK;
}

static bool begins_with(struct slice text, const char *prefix)
{
    const size_t len = strlen(prefix);
    return text.len >= len && memcmp(text.data, prefix, len) == 0;
}

enum status key_set_add_standard(struct key_set *set, struct slice secret)
{
    /* The keys of v1a: as a key of v1 the public one would let anybody sign. */
    if (begins_with(secret, PUBLIC_PREFIX) || begins_with(secret, PRIVATE_PREFIX))
        return E_INVALID;
    if (!begins_with(secret, STANDARD_PREFIX))
        return key_set_add(set, secret);
    const size_t prefix_len = strlen(STANDARD_PREFIX);
    struct buf key;
    buf_init(&key, KEY_BYTES_MAX);
    enum status status =
        base64_decode(slice_of(secret.data + prefix_len, secret.len - prefix_len), true, &key);
    if (status == OK)
        status = key_set_add(set, buf_slice(&key));
    if (key.data)
        OPENSSL_cleanse(key.data, key.len);
    buf_finish(&key);
    return status;
}

void key_set_finish(struct key_set *set)
{
    if (!set)
        return;
    for (size_t i = 0; i < set->count; i++) {
        char *bytes = (char *)(uintptr_t)set->keys[i].data;
        OPENSSL_cleanse(bytes, set->keys[i].len);
        free(bytes);
    }
    *set = (struct key_set){0};
}
