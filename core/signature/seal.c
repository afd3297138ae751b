/* SPDX-License-Identifier: MIT */
/* Sealed texts: AES-256-GCM by OpenSSL, under the keys of a ring. A sealed text is the id of its
 * key (zeros: none, the plain text follows), a nonce, what was sealed, the tag. */
#include "signature/signature.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <pthread.h>
#include <stdlib.h>

#define NONCE_BYTES 12u
#define TAG_BYTES 16u
#define KEY_SEPARATORS " \t\r\n,"

struct seal_key {
    unsigned char id[SEAL_ID_BYTES];
    unsigned char bytes[SEAL_KEY_BYTES];
};

struct seal_ring {
    pthread_rwlock_t lock; /* for all of it */
    size_t count;
    struct seal_key keys[SEAL_KEYS_MAX]; /* the first seals */
};

/* ---- The ring -------------------------------------------------------------------------------- */

struct seal_ring *seal_ring_create(void)
{
    struct seal_ring *ring = calloc(1, sizeof *ring);
    check(ring && pthread_rwlock_init(&ring->lock, NULL) == 0);
    return ring;
}

void seal_ring_destroy(struct seal_ring *ring)
{
    if (!ring)
        return;
    check(pthread_rwlock_destroy(&ring->lock) == 0);
    OPENSSL_cleanse(ring, sizeof *ring);
    free(ring);
}

/* Tells nothing of the key, and is no other's. */
static void name_key(struct seal_key *key)
{
    const struct slice part = slice_str("anzol seal key id");
    unsigned char digest[DIGEST_BYTES_MAX];
    (void)hmac(DIGEST_SHA256, slice_of((const char *)key->bytes, SEAL_KEY_BYTES), &part, 1, digest);
    memcpy(key->id, digest, SEAL_ID_BYTES);
}

static bool read_key(struct slice text, struct seal_key *key)
{
    struct buf bytes;
    buf_init_secret(&bytes, SIGNATURE_KEY_BYTES_MAX);
    if (hex_decode(text, &bytes) != OK && base64_decode(text, true, &bytes) != OK)
        buf_clear(&bytes);
    const bool is_key = bytes.len == SEAL_KEY_BYTES;
    if (is_key) {
        memcpy(key->bytes, bytes.data, SEAL_KEY_BYTES);
        name_key(key);
    }
    buf_finish(&bytes);
    return is_key;
}

static const struct seal_key *find_key(const struct seal_key *keys, size_t count,
                                       const unsigned char *id)
{
    for (size_t i = 0; i < count; i++)
        if (memcmp(keys[i].id, id, SEAL_ID_BYTES) == 0)
            return &keys[i];
    return NULL;
}

/* Adds what text holds. */
static enum status read_keys(struct slice text, struct seal_ring *to, struct err *err)
{
    size_t number = 0;
    for (size_t at = 0; at < text.len;) {
        size_t len = 0;
        while (at + len < text.len && !strchr(KEY_SEPARATORS, text.data[at + len]))
            len++;
        struct seal_key key;
        if (len > 0 && !read_key(slice_of(text.data + at, len), &key))
            return err_set(err, E_INVALID,
                           "key %zu is not 32 bytes as 64 digits of hex or as base64; make one "
                           "with `openssl rand -hex 32`",
                           number + 1);
        at += len + (len == 0);
        if (len == 0)
            continue;
        number++;
        if (find_key(to->keys, to->count, key.id))
            continue;
        if (to->count == SEAL_KEYS_MAX)
            return err_set(err, E_LIMIT, "more than %u keys; leave those out that seal nothing",
                           SEAL_KEYS_MAX);
        to->keys[to->count++] = key;
    }
    return number > 0 ? OK : err_set(err, E_INVALID, "there is no key");
}

enum status seal_ring_add(struct seal_ring *ring, struct slice text, struct err *err)
{
    struct seal_ring next = {.count = 0};
    enum status status = read_keys(text, &next, err);
    check(pthread_rwlock_wrlock(&ring->lock) == 0);
    for (size_t i = 0; i < ring->count && status == OK; i++) {
        if (find_key(next.keys, next.count, ring->keys[i].id))
            continue;
        if (next.count == SEAL_KEYS_MAX)
            status = err_set(err, E_LIMIT,
                             "more than %u keys with those in use; end the rotation under way "
                             "first",
                             SEAL_KEYS_MAX);
        else
            next.keys[next.count++] = ring->keys[i];
    }
    if (status == OK) {
        memcpy(ring->keys, next.keys, sizeof ring->keys);
        ring->count = next.count;
    }
    check(pthread_rwlock_unlock(&ring->lock) == 0);
    OPENSSL_cleanse(next.keys, sizeof next.keys);
    return status;
}

void seal_ring_forget(struct seal_ring *ring)
{
    check(pthread_rwlock_wrlock(&ring->lock) == 0);
    if (ring->count > 1) {
        OPENSSL_cleanse(ring->keys + 1, sizeof ring->keys - sizeof ring->keys[0]);
        ring->count = 1;
    }
    check(pthread_rwlock_unlock(&ring->lock) == 0);
}

static void format_id(const unsigned char *id, char text[SEAL_ID_TEXT_BYTES])
{
    static const char digits[] = "0123456789abcdef";
    for (size_t i = 0; i < SEAL_ID_BYTES; i++) {
        text[2 * i] = digits[id[i] >> 4];
        text[2 * i + 1] = digits[id[i] & 15];
    }
    text[2 * SEAL_ID_BYTES] = '\0';
}

size_t seal_ring_ids(struct seal_ring *ring, char ids[SEAL_KEYS_MAX][SEAL_ID_TEXT_BYTES])
{
    if (!ring)
        return 0;
    check(pthread_rwlock_rdlock(&ring->lock) == 0);
    const size_t count = ring->count;
    for (size_t i = 0; i < count; i++)
        format_id(ring->keys[i].id, ids[i]);
    check(pthread_rwlock_unlock(&ring->lock) == 0);
    return count;
}

/* By its id, or the one that seals (id NULL). False: it is not there. */
static bool take_key(struct seal_ring *ring, const unsigned char *id, struct seal_key *key)
{
    if (!ring)
        return false;
    check(pthread_rwlock_rdlock(&ring->lock) == 0);
    const size_t count = id || ring->count == 0 ? ring->count : 1;
    const struct seal_key *found = id ? find_key(ring->keys, count, id) : ring->keys;
    const bool is_there = found && count > 0;
    if (is_there)
        *key = *found;
    check(pthread_rwlock_unlock(&ring->lock) == 0);
    return is_there;
}

/* ---- Sealing --------------------------------------------------------------------------------- */

static const unsigned char *bytes_of(struct slice text)
{
    return (const unsigned char *)text.data;
}

/* One pass of the cipher. Opening: false if the tag is not right. */
static bool run_cipher(bool is_sealing, const struct seal_key *key, const unsigned char *nonce,
                       struct slice place, struct slice in, unsigned char *out, unsigned char *tag)
{
    EVP_CIPHER_CTX *context = EVP_CIPHER_CTX_new();
    int len = 0;
    check(context && in.len <= SEAL_BYTES_MAX && place.len <= SEAL_BYTES_MAX);
    check(EVP_CipherInit_ex(context, EVP_aes_256_gcm(), NULL, key->bytes, nonce, is_sealing) == 1);
    check(EVP_CipherUpdate(context, NULL, &len, bytes_of(place), (int)place.len) == 1);
    check(EVP_CipherUpdate(context, out, &len, bytes_of(in), (int)in.len) == 1);
    if (!is_sealing)
        check(EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_SET_TAG, TAG_BYTES, tag) == 1);
    const bool is_right = EVP_CipherFinal_ex(context, out + len, &len) == 1;
    if (is_sealing)
        check(is_right && EVP_CIPHER_CTX_ctrl(context, EVP_CTRL_AEAD_GET_TAG, TAG_BYTES, tag) == 1);
    EVP_CIPHER_CTX_free(context);
    return is_right;
}

enum status seal_close(struct seal_ring *ring, struct slice place, struct slice plain,
                       struct buf *sealed)
{
    struct seal_key key = {{0}, {0}};
    if (plain.len > SEAL_BYTES_MAX)
        return E_LIMIT;
    if (!take_key(ring, NULL, &key)) {
        const enum status status = buf_add(sealed, key.id, sizeof key.id);
        return status == OK ? buf_add_slice(sealed, plain) : status;
    }
    unsigned char nonce[NONCE_BYTES];
    random_bytes(nonce, sizeof nonce);
    enum status status = buf_reserve(sealed, SEAL_EXTRA_BYTES + plain.len);
    if (status == OK)
        status = buf_add(sealed, key.id, sizeof key.id);
    if (status == OK)
        status = buf_add(sealed, nonce, sizeof nonce);
    if (status == OK) {
        unsigned char *out = (unsigned char *)sealed->data + sealed->len;
        check(run_cipher(true, &key, nonce, place, plain, out, out + plain.len));
        sealed->len += plain.len + TAG_BYTES;
        sealed->data[sealed->len] = '\0';
    }
    OPENSSL_cleanse(&key, sizeof key);
    return status;
}

static bool is_plain(const unsigned char *id)
{
    static const unsigned char none[SEAL_ID_BYTES];
    return memcmp(id, none, SEAL_ID_BYTES) == 0;
}

bool seal_key_id(struct slice sealed, char id[SEAL_ID_TEXT_BYTES])
{
    id[0] = '\0';
    if (sealed.len < SEAL_ID_BYTES)
        return false;
    if (!is_plain(bytes_of(sealed)))
        format_id(bytes_of(sealed), id);
    return true;
}

static enum status open_with(const struct seal_key *key, struct slice place, struct slice sealed,
                             struct buf *plain)
{
    unsigned char tag[TAG_BYTES];
    if (sealed.len < SEAL_EXTRA_BYTES || sealed.len - SEAL_EXTRA_BYTES > SEAL_BYTES_MAX)
        return E_INVALID;
    const struct slice text =
        slice_of(sealed.data + SEAL_ID_BYTES + NONCE_BYTES, sealed.len - SEAL_EXTRA_BYTES);
    memcpy(tag, text.data + text.len, TAG_BYTES);
    const enum status status = buf_reserve(plain, text.len + 1);
    if (status != OK)
        return status;
    unsigned char *out = (unsigned char *)plain->data + plain->len;
    if (!run_cipher(false, key, bytes_of(sealed) + SEAL_ID_BYTES, place, text, out, tag)) {
        OPENSSL_cleanse(out, text.len);
        return E_INVALID;
    }
    plain->len += text.len;
    plain->data[plain->len] = '\0';
    return OK;
}

enum status seal_open(struct seal_ring *ring, struct slice place, struct slice sealed,
                      struct buf *plain)
{
    if (sealed.len < SEAL_ID_BYTES)
        return E_INVALID;
    const unsigned char *id = bytes_of(sealed);
    if (is_plain(id))
        return buf_add(plain, sealed.data + SEAL_ID_BYTES, sealed.len - SEAL_ID_BYTES);
    struct seal_key key;
    if (!take_key(ring, id, &key))
        return E_NOTFOUND;
    const enum status status = open_with(&key, place, sealed, plain);
    OPENSSL_cleanse(&key, sizeof key);
    return status;
}
