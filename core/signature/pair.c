/* SPDX-License-Identifier: MIT */
/* Asymmetric keys, and what they sign and verify. OpenSSL's key is immutable once read, so threads
 * share it; what works with it is made for each call. */
#include "signature/signature.h"

#include <openssl/core_names.h>
#include <openssl/crypto.h>
#include <openssl/ec.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/objects.h>
#include <openssl/pem.h>
#include <openssl/rsa.h>
#include <openssl/x509.h>
#include <stdlib.h>

#define ED25519_BYTES 32
#define ED25519_SIGNATURE_BYTES 64
#define RSA_BITS_MIN 2048
#define RSA_BITS_MAX 8192
#define PUBLIC_PREFIX "whpk_"
#define PRIVATE_PREFIX "whsk_"

struct pair {
    atomic_uint references;
    bool is_private;
    EVP_PKEY *pkey;
};

struct pair *pair_ref(struct pair *pair)
{
    atomic_fetch_add_explicit(&pair->references, 1, memory_order_relaxed);
    return pair;
}

void pair_unref(struct pair *pair)
{
    if (!pair || atomic_fetch_sub_explicit(&pair->references, 1, memory_order_acq_rel) != 1)
        return;
    EVP_PKEY_free(pair->pkey);
    free(pair);
}

bool pair_is_private(const struct pair *pair)
{
    return pair->is_private;
}

enum status pair_add_public(const struct pair *pair, struct buf *out)
{
    unsigned char half[ED25519_BYTES];
    size_t len = sizeof half;
    if (EVP_PKEY_get_raw_public_key(pair->pkey, half, &len) != 1)
        return E_INVALID;
    return buf_add(out, half, len);
}

/* ---- Reading ---- */

static const unsigned char *bytes_of(struct slice slice)
{
    return (const unsigned char *)slice.data;
}

static bool begins_with(struct slice text, const char *prefix)
{
    const size_t len = strlen(prefix);
    return text.len >= len && memcmp(text.data, prefix, len) == 0;
}

/* A key that is asked for its pass phrase is refused, not waited for. */
static int refuse_phrase(char *text, int size, int is_writing, void *ctx)
{
    (void)text, (void)size, (void)is_writing, (void)ctx;
    return -1;
}

static EVP_PKEY *read_certificate(BIO *bio)
{
    X509 *certificate = PEM_read_bio_X509(bio, NULL, refuse_phrase, NULL);
    EVP_PKEY *pkey = certificate ? X509_get_pubkey(certificate) : NULL;
    X509_free(certificate);
    return pkey;
}

static EVP_PKEY *read_pem(struct slice text, bool is_private)
{
    BIO *bio = BIO_new_mem_buf(text.data, (int)text.len);
    if (!bio)
        return NULL;
    EVP_PKEY *pkey = NULL;
    if (begins_with(text, "-----BEGIN CERTIFICATE-----") && !is_private)
        pkey = read_certificate(bio);
    else if (is_private)
        pkey = PEM_read_bio_PrivateKey(bio, NULL, refuse_phrase, NULL);
    else
        pkey = PEM_read_bio_PUBKEY(bio, NULL, refuse_phrase, NULL);
    BIO_free(bio);
    return pkey;
}

/* The DER of a public key, whole and in its only spelling. */
static EVP_PKEY *read_der(struct slice der)
{
    const unsigned char *at = bytes_of(der);
    EVP_PKEY *pkey = d2i_PUBKEY(NULL, &at, (long)der.len);
    unsigned char *again = NULL;
    const int len = pkey ? i2d_PUBKEY(pkey, &again) : -1;
    const bool is_canonical =
        len > 0 && slice_equal(der, slice_of((const char *)again, (size_t)len));
    OPENSSL_free(again);
    if (is_canonical)
        return pkey;
    EVP_PKEY_free(pkey);
    return NULL;
}

/* The public half that whsk_ has behind the seed must be the seed's. */
static EVP_PKEY *read_seed(struct slice bytes)
{
    unsigned char half[ED25519_BYTES];
    size_t len = sizeof half;
    EVP_PKEY *pkey =
        EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, bytes_of(bytes), ED25519_BYTES);
    const bool is_whole = bytes.len == ED25519_BYTES ||
                          (pkey && EVP_PKEY_get_raw_public_key(pkey, half, &len) == 1 &&
                           memcmp(half, bytes_of(bytes) + ED25519_BYTES, sizeof half) == 0);
    if (is_whole)
        return pkey;
    EVP_PKEY_free(pkey);
    return NULL;
}

static EVP_PKEY *read_raw(enum algorithm algorithm, struct slice bytes, bool is_private)
{
    if (algorithm == ALGORITHM_ED25519 && is_private &&
        (bytes.len == ED25519_BYTES || bytes.len == 2 * (size_t)ED25519_BYTES))
        return read_seed(bytes);
    if (is_private)
        return NULL;
    if (algorithm == ALGORITHM_ED25519 && bytes.len == ED25519_BYTES)
        return EVP_PKEY_new_raw_public_key(EVP_PKEY_ED25519, NULL, bytes_of(bytes), bytes.len);
    return read_der(bytes);
}

/* Hex only where it cannot be base64 of something else: 64 digits. */
static EVP_PKEY *read_text(enum algorithm algorithm, struct slice text, bool is_private)
{
    struct buf bytes;
    buf_init_secret(&bytes, SIGNATURE_KEY_BYTES_MAX);
    const char *prefix = is_private ? PRIVATE_PREFIX : PUBLIC_PREFIX;
    const bool has_prefix = algorithm == ALGORITHM_ED25519 && begins_with(text, prefix);
    if (has_prefix)
        text = slice_of(text.data + strlen(prefix), text.len - strlen(prefix));
    enum status status = E_INVALID;
    if (!has_prefix && algorithm == ALGORITHM_ED25519 && text.len == 2 * (size_t)ED25519_BYTES)
        status = hex_decode(text, &bytes);
    if (status != OK)
        status = base64_decode(text, true, &bytes);
    EVP_PKEY *pkey = status == OK ? read_raw(algorithm, buf_slice(&bytes), is_private) : NULL;
    buf_finish(&bytes);
    return pkey;
}

static bool has_curve(const EVP_PKEY *pkey)
{
    char name[32];
    size_t len = 0;
    if (EVP_PKEY_get_group_name(pkey, name, sizeof name, &len) != 1)
        return false;
    return strcmp(name, SN_X9_62_prime256v1) == 0 || strcmp(name, SN_secp384r1) == 0;
}

static const char *why_unfit(enum algorithm algorithm, const EVP_PKEY *pkey)
{
    switch (algorithm) {
    case ALGORITHM_ED25519:
        return EVP_PKEY_is_a(pkey, "ED25519") ? NULL : "the key is none of Ed25519";
    case ALGORITHM_ECDSA:
    case ALGORITHM_ECDSA_RAW:
        return EVP_PKEY_is_a(pkey, "EC") && has_curve(pkey) ? NULL
                                                            : "the key is none of P-256 or P-384";
    case ALGORITHM_RSA:
    case ALGORITHM_RSA_PSS:
        if (!EVP_PKEY_is_a(pkey, "RSA") &&
            !(algorithm == ALGORITHM_RSA_PSS && EVP_PKEY_is_a(pkey, "RSA-PSS")))
            return "the key is none of RSA";
        return EVP_PKEY_get_bits(pkey) >= RSA_BITS_MIN && EVP_PKEY_get_bits(pkey) <= RSA_BITS_MAX
                   ? NULL
                   : "the RSA key has fewer than 2048 or more than 8192 bits";
    case ALGORITHM_HMAC:
    case ALGORITHM_TOKEN:
    case ALGORITHM_COUNT:
        break;
    }
    return "the algorithm has no such keys";
}

static enum status unreadable(enum algorithm algorithm, bool is_private, struct err *err)
{
    const char *form = algorithm == ALGORITHM_ED25519
                           ? (is_private ? "PEM (PRIVATE KEY), whsk_…, or the seed as hex or base64"
                                         : "PEM (PUBLIC KEY), whpk_…, or 32 bytes as hex or base64")
                           : (is_private ? "PEM (PRIVATE KEY, without a pass phrase)"
                                         : "PEM (PUBLIC KEY or CERTIFICATE) or base64 of its DER");
    return err_set(err, E_INVALID, "the %s key cannot be read: write %s",
                   is_private ? "private" : "public", form);
}

enum status pair_parse(enum algorithm algorithm, struct slice text, bool is_private,
                       struct pair **pair, struct err *err)
{
    while (text.len > 0 && strchr(" \t\r\n", text.data[text.len - 1]))
        text.len--;
    if (text.len == 0 || text.len > SIGNATURE_KEY_BYTES_MAX)
        return unreadable(algorithm, is_private, err);
    EVP_PKEY *pkey = begins_with(text, "-----BEGIN ") ? read_pem(text, is_private)
                                                      : read_text(algorithm, text, is_private);
    ERR_clear_error();
    if (!pkey)
        return unreadable(algorithm, is_private, err);
    const char *why = why_unfit(algorithm, pkey);
    struct pair *made = why ? NULL : calloc(1, sizeof *made);
    if (!made) {
        EVP_PKEY_free(pkey);
        return why ? err_set(err, E_INVALID, "%s", why) : err_set(err, E_NOMEM, "out of memory");
    }
    atomic_init(&made->references, 1);
    made->is_private = is_private;
    made->pkey = pkey;
    *pair = made;
    return OK;
}

/* ---- The two forms of an ECDSA signature ---- */

static size_t half_bytes(const EVP_PKEY *pkey)
{
    return ((size_t)EVP_PKEY_get_bits(pkey) + 7) / 8;
}

/* r || s -> DER. Returns its length, 0 if the length is not the curve's. */
static int der_of_raw(const EVP_PKEY *pkey, struct slice raw, unsigned char **der)
{
    const size_t half = half_bytes(pkey);
    if (raw.len != 2 * half)
        return 0;
    ECDSA_SIG *signature = ECDSA_SIG_new();
    BIGNUM *r = BN_bin2bn(bytes_of(raw), (int)half, NULL);
    BIGNUM *s = BN_bin2bn(bytes_of(raw) + half, (int)half, NULL);
    int len = 0;
    if (signature && r && s && ECDSA_SIG_set0(signature, r, s) == 1) {
        len = i2d_ECDSA_SIG(signature, der);
    } else {
        BN_free(r);
        BN_free(s);
    }
    ECDSA_SIG_free(signature);
    return len > 0 ? len : 0;
}

static bool is_canonical_der(struct slice text)
{
    const unsigned char *at = bytes_of(text);
    ECDSA_SIG *signature = d2i_ECDSA_SIG(NULL, &at, (long)text.len);
    unsigned char *again = NULL;
    const int len = signature ? i2d_ECDSA_SIG(signature, &again) : -1;
    const bool is_canonical =
        len > 0 && slice_equal(text, slice_of((const char *)again, (size_t)len));
    OPENSSL_free(again);
    ECDSA_SIG_free(signature);
    return is_canonical;
}

static enum status add_raw(const EVP_PKEY *pkey, struct slice der, struct buf *out)
{
    unsigned char bytes[128];
    const size_t half = half_bytes(pkey);
    const unsigned char *at = bytes_of(der);
    ECDSA_SIG *signature = d2i_ECDSA_SIG(NULL, &at, (long)der.len);
    const bool is_made =
        signature && 2 * half <= sizeof bytes &&
        BN_bn2binpad(ECDSA_SIG_get0_r(signature), bytes, (int)half) == (int)half &&
        BN_bn2binpad(ECDSA_SIG_get0_s(signature), bytes + half, (int)half) == (int)half;
    ECDSA_SIG_free(signature);
    return is_made ? buf_add(out, bytes, 2 * half) : E_INVALID;
}

/* ---- Verifying and signing ---- */

static const char *const digest_names[DIGEST_COUNT] = {
    [DIGEST_SHA1] = "SHA1",
    [DIGEST_SHA256] = "SHA256",
    [DIGEST_SHA384] = "SHA384",
    [DIGEST_SHA512] = "SHA512",
};

/* Ed25519 wants the message in one piece. Owned; NULL: no memory. */
static unsigned char *join(const struct slice *parts, size_t part_count, size_t *len)
{
    *len = 0;
    for (size_t i = 0; i < part_count; i++)
        *len += parts[i].len;
    unsigned char *bytes = malloc(*len + 1);
    size_t used = 0;
    for (size_t i = 0; bytes && i < part_count; used += parts[i++].len)
        if (parts[i].len > 0)
            memcpy(bytes + used, parts[i].data, parts[i].len);
    return bytes;
}

static bool verify_ed25519(EVP_PKEY *pkey, const struct slice *parts, size_t part_count,
                           struct slice signature)
{
    size_t len = 0;
    unsigned char *message = join(parts, part_count, &len);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    const bool is_genuine =
        message && context && signature.len == ED25519_SIGNATURE_BYTES &&
        EVP_DigestVerifyInit(context, NULL, NULL, NULL, pkey) == 1 &&
        EVP_DigestVerify(context, bytes_of(signature), signature.len, message, len) == 1;
    EVP_MD_CTX_free(context);
    free(message);
    return is_genuine;
}

static enum status sign_ed25519(EVP_PKEY *pkey, const struct slice *parts, size_t part_count,
                                struct buf *out)
{
    unsigned char signature[ED25519_SIGNATURE_BYTES];
    size_t signature_len = sizeof signature;
    size_t len = 0;
    unsigned char *message = join(parts, part_count, &len);
    EVP_MD_CTX *context = EVP_MD_CTX_new();
    const bool is_signed = message && context &&
                           EVP_DigestSignInit(context, NULL, NULL, NULL, pkey) == 1 &&
                           EVP_DigestSign(context, signature, &signature_len, message, len) == 1;
    EVP_MD_CTX_free(context);
    free(message);
    return is_signed ? buf_add(out, signature, signature_len) : E_NOMEM;
}

/* The salt is as long as the digest; of others' signatures it may have any length, as some senders
 * take the longest that fits. */
static bool set_scheme(EVP_PKEY_CTX *context, enum algorithm algorithm, enum digest digest,
                       const char *salt_len)
{
    OSSL_PARAM params[4];
    size_t count = 0;
    char digest_name[16];
    char padding[8];
    char salt[8];
    (void)snprintf(salt, sizeof salt, "%s", salt_len);
    (void)snprintf(digest_name, sizeof digest_name, "%s", digest_names[digest]);
    params[count++] = OSSL_PARAM_construct_utf8_string(OSSL_SIGNATURE_PARAM_DIGEST, digest_name, 0);
    if (algorithm == ALGORITHM_RSA || algorithm == ALGORITHM_RSA_PSS) {
        (void)snprintf(padding, sizeof padding, "%s",
                       algorithm == ALGORITHM_RSA ? OSSL_PKEY_RSA_PAD_MODE_PKCSV15
                                                  : OSSL_PKEY_RSA_PAD_MODE_PSS);
        params[count++] =
            OSSL_PARAM_construct_utf8_string(OSSL_SIGNATURE_PARAM_PAD_MODE, padding, 0);
    }
    if (algorithm == ALGORITHM_RSA_PSS)
        params[count++] =
            OSSL_PARAM_construct_utf8_string(OSSL_SIGNATURE_PARAM_PSS_SALTLEN, salt, 0);
    params[count] = OSSL_PARAM_construct_end();
    return EVP_PKEY_CTX_set_params(context, params) == 1;
}

static bool verify_digest(EVP_PKEY *pkey, enum algorithm algorithm, enum digest digest,
                          struct slice hashed, struct slice signature)
{
    unsigned char *der = NULL;
    if (algorithm == ALGORITHM_ECDSA_RAW) {
        const int len = der_of_raw(pkey, signature, &der);
        signature = slice_of((const char *)der, (size_t)len);
    } else if (algorithm == ALGORITHM_ECDSA && !is_canonical_der(signature)) {
        signature = slice_of("", 0);
    }
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(pkey, NULL);
    const bool is_genuine =
        signature.len > 0 && context && EVP_PKEY_verify_init(context) == 1 &&
        set_scheme(context, algorithm, digest, OSSL_PKEY_RSA_PSS_SALT_LEN_AUTO) &&
        EVP_PKEY_verify(context, bytes_of(signature), signature.len, bytes_of(hashed),
                        hashed.len) == 1;
    EVP_PKEY_CTX_free(context);
    OPENSSL_free(der);
    return is_genuine;
}

bool pair_verify(const struct pair *pair, enum algorithm algorithm, enum digest digest,
                 const struct slice *parts, size_t part_count, struct slice signature)
{
    bool is_genuine;
    if (algorithm == ALGORITHM_ED25519) {
        is_genuine = verify_ed25519(pair->pkey, parts, part_count, signature);
    } else {
        unsigned char hashed[DIGEST_BYTES_MAX];
        const size_t len = hash_parts(digest, parts, part_count, hashed);
        is_genuine = verify_digest(pair->pkey, algorithm, digest,
                                   slice_of((const char *)hashed, len), signature);
    }
    ERR_clear_error();
    return is_genuine;
}

enum status pair_sign(const struct pair *pair, enum algorithm algorithm, enum digest digest,
                      const struct slice *parts, size_t part_count, struct buf *out)
{
    check(pair->is_private);
    if (algorithm == ALGORITHM_ED25519)
        return sign_ed25519(pair->pkey, parts, part_count, out);
    unsigned char hashed[DIGEST_BYTES_MAX];
    unsigned char signature[SIGNATURE_BYTES_MAX];
    size_t len = sizeof signature;
    const size_t hashed_len = hash_parts(digest, parts, part_count, hashed);
    EVP_PKEY_CTX *context = EVP_PKEY_CTX_new(pair->pkey, NULL);
    const bool is_signed =
        context && EVP_PKEY_sign_init(context) == 1 &&
        set_scheme(context, algorithm, digest, OSSL_PKEY_RSA_PSS_SALT_LEN_DIGEST) &&
        EVP_PKEY_sign(context, signature, &len, hashed, hashed_len) == 1;
    EVP_PKEY_CTX_free(context);
    ERR_clear_error();
    if (!is_signed)
        return E_INVALID;
    if (algorithm == ALGORITHM_ECDSA_RAW)
        return add_raw(pair->pkey, slice_of((const char *)signature, len), out);
    return buf_add(out, signature, len);
}
