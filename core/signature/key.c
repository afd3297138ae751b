/* SPDX-License-Identifier: MIT */
/* Sets of keys: several while a secret rotates. */
#include "signature/signature.h"

#include <openssl/crypto.h>
#include <stdlib.h>

#define STANDARD_PREFIX "whsec_"
#define PUBLIC_PREFIX "whpk_"
#define PRIVATE_PREFIX "whsk_"

static const char *const form_names[KEY_FORM_COUNT] = {
    [KEY_TEXT] = "text", [KEY_BASE64] = "base64", [KEY_HEX] = "hex", [KEY_STANDARD] = "standard"};

bool key_form_parse(struct slice name, enum key_form *form)
{
    for (unsigned i = 0; i < KEY_FORM_COUNT; i++)
        if (slice_is(name, form_names[i])) {
            *form = (enum key_form)i;
            return true;
        }
    return false;
}

enum status key_set_add(struct key_set *set, struct slice key)
{
    if (key.len == 0)
        return E_INVALID;
    if (set->count == SIGNATURE_KEYS_MAX || key.len > SIGNATURE_KEY_BYTES_MAX)
        return E_LIMIT;
    char *copy = malloc(key.len);
    if (!copy)
        return E_NOMEM;
    memcpy(copy, key.data, key.len);
    set->keys[set->count++] =
        (struct key){.secret = slice_of(copy, key.len), .algorithm = ALGORITHM_HMAC};
    return OK;
}

enum status key_set_add_pair(struct key_set *set, enum algorithm algorithm, struct pair *pair)
{
    if (set->count == SIGNATURE_KEYS_MAX) {
        pair_unref(pair);
        return E_LIMIT;
    }
    set->keys[set->count++] = (struct key){.pair = pair, .algorithm = algorithm};
    return OK;
}

static void forget(struct slice secret)
{
    char *bytes = (char *)(uintptr_t)secret.data;
    if (bytes)
        OPENSSL_cleanse(bytes, secret.len);
    free(bytes);
}

static void finish(struct key *key)
{
    forget(key->secret);
    forget(key->text);
    pair_unref(key->pair);
}

static bool begins_with(struct slice text, const char *prefix)
{
    const size_t len = strlen(prefix);
    return text.len >= len && memcmp(text.data, prefix, len) == 0;
}

static enum status add_decoded(struct key_set *set, bool is_hex, struct slice text)
{
    struct buf key;
    buf_init_secret(&key, SIGNATURE_KEY_BYTES_MAX);
    enum status status = is_hex ? hex_decode(text, &key) : base64_decode(text, true, &key);
    if (status == OK)
        status = key_set_add(set, buf_slice(&key));
    buf_finish(&key);
    return status;
}

/* As a key of v1, a public one would let anybody sign. */
static enum status add_standard(struct key_set *set, struct slice text, bool is_private)
{
    const size_t prefix_len = strlen(STANDARD_PREFIX);
    if (begins_with(text, STANDARD_PREFIX))
        return add_decoded(set, false, slice_of(text.data + prefix_len, text.len - prefix_len));
    if (!begins_with(text, PUBLIC_PREFIX) && !begins_with(text, PRIVATE_PREFIX))
        return key_set_add(set, text);
    if (begins_with(text, PRIVATE_PREFIX) != is_private)
        return E_INVALID;
    struct pair *pair = NULL;
    const enum status status = pair_parse(ALGORITHM_ED25519, text, is_private, &pair, NULL);
    return status == OK ? key_set_add_pair(set, ALGORITHM_ED25519, pair) : status;
}

static enum status add_text(struct key_set *set, enum key_form form, struct slice text,
                            bool is_private)
{
    switch (form) {
    case KEY_BASE64:
    case KEY_HEX:
        return add_decoded(set, form == KEY_HEX, text);
    case KEY_STANDARD:
        return add_standard(set, text, is_private);
    case KEY_TEXT:
    case KEY_FORM_COUNT:
        break;
    }
    return key_set_add(set, text);
}

enum status key_set_add_text(struct key_set *set, enum key_form form, struct slice text,
                             bool is_private)
{
    const enum status status = add_text(set, form, text, is_private);
    if (status != OK || set->keys[set->count - 1].pair)
        return status;
    struct key *key = &set->keys[set->count - 1];
    char *copy = malloc(text.len);
    if (!copy) {
        finish(key);
        set->count--;
        return E_NOMEM;
    }
    memcpy(copy, text.data, text.len);
    key->text = slice_of(copy, text.len);
    return OK;
}

enum status key_add_shown(struct slice text, struct buf *out)
{
    struct pair *pair = NULL;
    struct buf half;
    if (!begins_with(text, PRIVATE_PREFIX))
        return buf_add_slice(out, text);
    enum status status = pair_parse(ALGORITHM_ED25519, text, true, &pair, NULL);
    buf_init(&half, SIGNATURE_KEY_BYTES_MAX);
    if (status == OK)
        status = pair_add_public(pair, &half);
    if (status == OK)
        status = buf_add_str(out, PUBLIC_PREFIX);
    if (status == OK)
        status = base64_encode(buf_slice(&half), out);
    buf_finish(&half);
    pair_unref(pair);
    return status;
}

void key_set_finish(struct key_set *set)
{
    if (!set)
        return;
    for (size_t i = 0; i < set->count; i++)
        finish(&set->keys[i]);
    *set = (struct key_set){0};
}
