/* SPDX-License-Identifier: MIT */
/* HMAC, hashes, constant-time compare and randomness, by OpenSSL 3. The algorithms are fetched once
 * for the process and the contexts kept per thread: fetching at each call costs more than an HMAC
 * over 1 KiB. */
#include "signature/signature.h"

#include "base/memory.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/params.h>
#include <openssl/rand.h>
#include <pthread.h>
#include <zlib.h>

struct digest_row {
    const char *name; /* as users write it */
    const char *openssl_name;
    size_t bytes;
};

static const struct digest_row algorithms[DIGEST_COUNT] = {
    [DIGEST_SHA1] = {"sha1", "SHA1", 20},
    [DIGEST_SHA256] = {"sha256", "SHA256", 32},
    [DIGEST_SHA384] = {"sha384", "SHA384", 48},
    [DIGEST_SHA512] = {"sha512", "SHA512", 64},
};

static const char *const encoding_names[ENCODING_COUNT] = {
    [ENCODING_HEX] = "hex", [ENCODING_BASE64] = "base64", [ENCODING_TEXT] = "text"};

static pthread_once_t once = PTHREAD_ONCE_INIT;
static pthread_key_t contexts_key;
static EVP_MAC *hmac_algorithm;
static EVP_MD *digests[DIGEST_COUNT];

/* One thread's contexts, made when first needed. */
struct contexts {
    EVP_MAC_CTX *hmac[DIGEST_COUNT];
    EVP_MD_CTX *hash;
};

static void destroy_contexts(void *value)
{
    struct contexts *contexts = value;
    for (size_t i = 0; i < DIGEST_COUNT; i++)
        EVP_MAC_CTX_free(contexts->hmac[i]);
    EVP_MD_CTX_free(contexts->hash);
    OPENSSL_free(contexts);
}

static void fetch_all(void)
{
    hmac_algorithm = EVP_MAC_fetch(NULL, "HMAC", NULL);
    check(hmac_algorithm != NULL);
    for (size_t i = 0; i < DIGEST_COUNT; i++) {
        digests[i] = EVP_MD_fetch(NULL, algorithms[i].openssl_name, NULL);
        check(digests[i] != NULL);
    }
    check(pthread_key_create(&contexts_key, destroy_contexts) == 0);
}

static struct contexts *own_contexts(void)
{
    check(pthread_once(&once, fetch_all) == 0);
    struct contexts *contexts = pthread_getspecific(contexts_key);
    if (!contexts) {
        contexts = OPENSSL_zalloc(sizeof *contexts);
        check(contexts && pthread_setspecific(contexts_key, contexts) == 0);
    }
    return contexts;
}

static EVP_MAC_CTX *own_hmac(enum digest digest)
{
    struct contexts *contexts = own_contexts();
    if (contexts->hmac[digest])
        return contexts->hmac[digest];
    char name[16];
    (void)snprintf(name, sizeof name, "%s", algorithms[digest].openssl_name);
    const OSSL_PARAM params[] = {
        OSSL_PARAM_construct_utf8_string(OSSL_MAC_PARAM_DIGEST, name, 0),
        OSSL_PARAM_construct_end(),
    };
    EVP_MAC_CTX *context = EVP_MAC_CTX_new(hmac_algorithm);
    check(context && EVP_MAC_CTX_set_params(context, params) == 1);
    contexts->hmac[digest] = context;
    return context;
}

bool digest_parse(struct slice name, enum digest *digest)
{
    for (unsigned i = 0; i < DIGEST_COUNT; i++)
        if (slice_is(name, algorithms[i].name)) {
            *digest = (enum digest)i;
            return true;
        }
    return false;
}

bool encoding_parse(struct slice name, enum encoding *encoding)
{
    for (unsigned i = 0; i < ENCODING_TEXT; i++)
        if (slice_is(name, encoding_names[i])) {
            *encoding = (enum encoding)i;
            return true;
        }
    return false;
}

const char *encoding_name(enum encoding encoding)
{
    return encoding_names[encoding];
}

size_t digest_bytes(enum digest digest)
{
    return algorithms[digest].bytes;
}

size_t hmac(enum digest digest, struct slice key, const struct slice *parts, size_t part_count,
            unsigned char out[DIGEST_BYTES_MAX])
{
    EVP_MAC_CTX *context = own_hmac(digest);
    size_t len = 0;
    /* A NULL key would mean "the key of before". */
    const unsigned char *bytes = (const unsigned char *)(key.len > 0 ? key.data : "");
    check(EVP_MAC_init(context, bytes, key.len, NULL) == 1);
    for (size_t i = 0; i < part_count; i++)
        check(EVP_MAC_update(context, (const unsigned char *)parts[i].data, parts[i].len) == 1);
    check(EVP_MAC_final(context, out, &len, DIGEST_BYTES_MAX) == 1);
    return len;
}

size_t hash_parts(enum digest digest, const struct slice *parts, size_t part_count,
                  unsigned char out[DIGEST_BYTES_MAX])
{
    struct contexts *contexts = own_contexts();
    if (!contexts->hash)
        contexts->hash = EVP_MD_CTX_new();
    unsigned len = 0;
    check(contexts->hash && EVP_DigestInit_ex2(contexts->hash, digests[digest], NULL) == 1);
    for (size_t i = 0; i < part_count; i++)
        check(EVP_DigestUpdate(contexts->hash, parts[i].data, parts[i].len) == 1);
    check(EVP_DigestFinal_ex(contexts->hash, out, &len) == 1);
    return len;
}

size_t hash(enum digest digest, struct slice data, unsigned char out[DIGEST_BYTES_MAX])
{
    return hash_parts(digest, &data, 1, out);
}

uint32_t checksum_crc32(struct slice data)
{
    return (uint32_t)crc32_z(crc32_z(0, NULL, 0), (const unsigned char *)data.data, data.len);
}

bool bytes_equal(struct slice a, struct slice b)
{
    return a.len == b.len && CRYPTO_memcmp(a.data, b.data, a.len) == 0;
}

static uint64_t *fake_state;

void random_fake(uint64_t *state)
{
    fake_state = state;
}

/* SplitMix64: the next 64 bits of a sequence that *state begins. */
static uint64_t next_fake(uint64_t *state)
{
    uint64_t bits = *state += UINT64_C(0x9e3779b97f4a7c15);
    bits = (bits ^ bits >> 30) * UINT64_C(0xbf58476d1ce4e5b9);
    bits = (bits ^ bits >> 27) * UINT64_C(0x94d049bb133111eb);
    return bits ^ bits >> 31;
}

void random_bytes(void *out, size_t len)
{
    if (fake_state) {
        for (size_t i = 0; i < len; i += sizeof(uint64_t)) {
            const uint64_t bits = next_fake(fake_state);
            memcpy((char *)out + i, &bits, len - i < sizeof bits ? len - i : sizeof bits);
        }
        return;
    }
    check(len <= INT32_MAX && RAND_bytes(out, (int)len) == 1);
}

double random_unit(void)
{
    uint32_t bits;
    random_bytes(&bits, sizeof bits);
    return (double)bits / ((double)UINT32_MAX + 1);
}

static void *openssl_malloc(size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return memory_malloc(size);
}

static void *openssl_realloc(void *old, size_t size, const char *file, int line)
{
    (void)file;
    (void)line;
    return memory_realloc(old, size);
}

static void openssl_free(void *memory, const char *file, int line)
{
    (void)file;
    (void)line;
    memory_free(memory);
}

void signature_use_memory(void)
{
    check(CRYPTO_set_mem_functions(openssl_malloc, openssl_realloc, openssl_free) == 1);
}
