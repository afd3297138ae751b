/* SPDX-License-Identifier: MIT */
/* Signatures: the primitives (HMAC, constant-time compare, base64, hex), the declarative verifiers
 * of what comes in, and the declarative signers of what goes out. Pure functions, any thread; a
 * verifier or signer is immutable once made. OpenSSL is known only here.
 * Standard Webhooks: github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md. */
#ifndef SIGNATURE_SIGNATURE_H
#define SIGNATURE_SIGNATURE_H

#include "base/buf.h"
#include "base/err.h"
#include "base/head.h"

#define DIGEST_BYTES_MAX 64
#define SIGNATURE_KEYS_MAX 8         /* keys of one set, while a secret rotates */
#define SIGNATURE_CANDIDATES_MAX 16  /* signatures tried in one header */
#define SIGNATURE_TOLERANCE_S 300    /* Standard Webhooks: allowable difference of the clocks */
#define SIGNATURE_KEY_BYTES_SHORT 16 /* below: anzol check warns */

enum digest { DIGEST_SHA1, DIGEST_SHA256, DIGEST_SHA384, DIGEST_SHA512, DIGEST_COUNT };
enum encoding { ENCODING_HEX, ENCODING_BASE64, ENCODING_COUNT };

/* "sha1" "sha256" "sha384" "sha512"; "hex" "base64". */
bool digest_parse(struct slice name, enum digest *digest);
bool encoding_parse(struct slice name, enum encoding *encoding);
size_t digest_bytes(enum digest digest);

/* Digest of the parts one after another. Returns how many bytes out got. */
size_t hmac(enum digest digest, struct slice key, const struct slice *parts, size_t part_count,
            unsigned char out[DIGEST_BYTES_MAX]);
size_t hash(enum digest digest, struct slice data, unsigned char out[DIGEST_BYTES_MAX]);
/* Constant time for equal lengths. */
bool bytes_equal(struct slice a, struct slice b);
/* OpenSSL waits for memory (base/memory.h): a lack of it makes no signature wrong. Before anything
 * else of this folder, at start. */
void signature_use_memory(void);
/* Unpredictable bytes; ends the process if the system has none. */
void random_bytes(void *out, size_t len);
/* For specs: from now on the bytes follow from *state alone; NULL: from chance again. One thread.
 */
void random_fake(uint64_t *state);

MUST_USE enum status hex_encode(struct slice in, struct buf *out);
/* Canonical: even count of [0-9a-f] or [0-9A-F]; E_INVALID otherwise, nothing added. */
MUST_USE enum status hex_decode(struct slice in, struct buf *out);
MUST_USE enum status base64_encode(struct slice in, struct buf *out);
/* Canonical standard alphabet with padding (unused bits zero); lenient also takes the URL-safe
 * alphabet and missing padding. E_INVALID otherwise, nothing added. */
MUST_USE enum status base64_decode(struct slice in, bool lenient, struct buf *out);

struct key_set {
    struct slice keys[SIGNATURE_KEYS_MAX]; /* owned: malloc'ed bytes */
    size_t count;
};

/* Copies one key. E_LIMIT past SIGNATURE_KEYS_MAX, E_INVALID for an empty one. */
MUST_USE enum status key_set_add(struct key_set *set, struct slice key);
/* The key of a Standard Webhooks secret: "whsec_" + base64 is decoded, other text is the raw key;
 * the keys of its asymmetric scheme (whpk_, whsk_) are E_INVALID. */
MUST_USE enum status key_set_add_standard(struct key_set *set, struct slice secret);
void key_set_finish(struct key_set *set);

enum verifier_kind { VERIFIER_NONE, VERIFIER_HMAC, VERIFIER_STANDARD };

/* How a source checks its sender. Owned by the registry that made it. */
struct verifier {
    enum verifier_kind kind;
    enum digest digest;     /* hmac */
    enum encoding encoding; /* hmac */
    char *header;           /* hmac: the header that holds the signature; owned */
    char *prefix;           /* hmac: what stands before it ("sha256="), "" for nothing; owned */
    int64_t tolerance_s;    /* standard */
    struct key_set keys;
};

void verifier_destroy(struct verifier *verifier);

struct verify_input {
    struct slice head; /* packed */
    struct slice body;
    int64_t now_ms;
};

/* True if genuine. Else *reason says which step failed, in words without secrets ("header
 * x-hub-signature-256 is missing"); static text. All keys and candidates are always tried. Two
 * headers of the signature's name are refused. */
bool verifier_check(const struct verifier *verifier, const struct verify_input *input,
                    const char **reason);

enum signer_kind { SIGNER_NONE, SIGNER_HMAC, SIGNER_STANDARD };

/* How an endpoint's messages are signed. */
struct signer {
    enum signer_kind kind;
    enum digest digest;     /* hmac */
    enum encoding encoding; /* hmac */
    char *header;           /* hmac; owned */
    char *prefix;           /* hmac; owned */
    struct key_set keys;    /* standard: one signature a key; hmac: the first signs */
};

void signer_destroy(struct signer *signer);

struct sign_input {
    struct slice id; /* webhook-id: the message id, the same in every attempt */
    int64_t timestamp_s;
    struct slice body;
};

/* Appends the signature's headers to a head. */
MUST_USE enum status signer_sign(const struct signer *signer, const struct sign_input *input,
                                 struct buf *head);

#endif
