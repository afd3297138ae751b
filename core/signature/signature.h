/* SPDX-License-Identifier: MIT */
/* Signatures: the primitives (digests, HMAC, asymmetric keys, constant-time compare, base64, hex),
 * the recipes that say how a sender signs, and what verifies and signs by them. Pure functions, any
 * thread; a verifier or signer is immutable once made. OpenSSL is known only here.
 * Standard Webhooks: github.com/standard-webhooks/standard-webhooks, spec/standard-webhooks.md. */
#ifndef SIGNATURE_SIGNATURE_H
#define SIGNATURE_SIGNATURE_H

#include "base/buf.h"
#include "base/err.h"
#include "base/head.h"
#include "base/limits.h"

#include <stdatomic.h>

#define DIGEST_BYTES_MAX 64
#define SIGNATURE_KEYS_MAX (1 + LIMIT_OLD_SECRETS) /* keys of one set, while a secret rotates */
#define SIGNATURE_CANDIDATES_MAX 16                /* signatures tried of one request */
#define SIGNATURE_PUBLIC_CHECKS_MAX 16 /* checks by public keys for one request: each is dear */
#define SIGNATURE_BYTES_MAX 1024       /* of one signature: RSA with 8192 bits */
#define SIGNATURE_TOLERANCE_S 300      /* Standard Webhooks: allowable difference of the clocks */
#define SIGNATURE_KEY_BYTES_SHORT 16   /* below: anzol check warns */
#define SIGNATURE_KEY_BYTES_MAX 16384  /* as text: PEM */

enum digest { DIGEST_SHA1, DIGEST_SHA256, DIGEST_SHA384, DIGEST_SHA512, DIGEST_COUNT };
enum encoding {
    ENCODING_HEX,
    ENCODING_BASE64,
    ENCODING_TEXT, /* of a token: as it is */
    ENCODING_COUNT
};

/* "sha1" "sha256" "sha384" "sha512"; "hex" "base64". */
bool digest_parse(struct slice name, enum digest *digest);
bool encoding_parse(struct slice name, enum encoding *encoding);
const char *encoding_name(enum encoding encoding);
size_t digest_bytes(enum digest digest);

/* Digest of the parts one after another. Returns how many bytes out got. */
size_t hmac(enum digest digest, struct slice key, const struct slice *parts, size_t part_count,
            unsigned char out[DIGEST_BYTES_MAX]);
size_t hash(enum digest digest, struct slice data, unsigned char out[DIGEST_BYTES_MAX]);
size_t hash_parts(enum digest digest, const struct slice *parts, size_t part_count,
                  unsigned char out[DIGEST_BYTES_MAX]);
/* As zlib and PayPal have it. */
uint32_t checksum_crc32(struct slice data);
/* Constant time for equal lengths. */
bool bytes_equal(struct slice a, struct slice b);
/* OpenSSL waits for memory (base/memory.h): a lack of it makes no signature wrong. Before anything
 * else of this folder, at start. */
void signature_use_memory(void);
/* Unpredictable bytes; ends the process if the system has none. */
void random_bytes(void *out, size_t len);
/* Of them: uniform in [0, 1). */
double random_unit(void);
/* For specs: from now on the bytes follow from *state alone; NULL: from chance again. One thread.
 */
void random_fake(uint64_t *state);

MUST_USE enum status hex_encode(struct slice in, struct buf *out);
/* Canonical: even count of [0-9a-f] or [0-9A-F]; E_INVALID otherwise, nothing added. */
MUST_USE enum status hex_decode(struct slice in, struct buf *out);
MUST_USE enum status base64_encode(struct slice in, struct buf *out);
/* The URL-safe alphabet without padding. */
MUST_USE enum status base64url_encode(struct slice in, struct buf *out);
/* Canonical standard alphabet with padding (unused bits zero); lenient also takes the URL-safe
 * alphabet and missing padding. E_INVALID otherwise, nothing added. */
MUST_USE enum status base64_decode(struct slice in, bool lenient, struct buf *out);

/* ---- Asymmetric keys (pair.c) ---- */

enum algorithm {
    ALGORITHM_HMAC,
    ALGORITHM_TOKEN, /* the header holds the secret itself */
    ALGORITHM_ED25519,
    ALGORITHM_ECDSA,     /* P-256 or P-384; the signature is DER */
    ALGORITHM_ECDSA_RAW, /* the signature is r || s */
    ALGORITHM_RSA,       /* PKCS #1 v1.5 */
    ALGORITHM_RSA_PSS,
    ALGORITHM_COUNT
};

/* A public key, or a private one. Counted references, any thread. */
struct pair;

/* Reads a key: PEM (PUBLIC KEY, CERTIFICATE; PRIVATE KEY if is_private), base64 of the DER of a
 * public key; for Ed25519 also the 32 bytes as hex or base64, whpk_…, and if is_private whsk_… or
 * the base64 of the seed. err says what is wrong, never the key. RSA has 2048 to 8192 bits. */
MUST_USE enum status pair_parse(enum algorithm algorithm, struct slice text, bool is_private,
                                struct pair **pair, struct err *err);
struct pair *pair_ref(struct pair *pair);
void pair_unref(struct pair *pair);
bool pair_is_private(const struct pair *pair);
/* Adds the 32 bytes of the public half of an Ed25519 key. */
MUST_USE enum status pair_add_public(const struct pair *pair, struct buf *out);
/* One signature has one form: DER is canonical, r || s and RSA have their full length. */
bool pair_verify(const struct pair *pair, enum algorithm algorithm, enum digest digest,
                 const struct slice *parts, size_t part_count, struct slice signature);
MUST_USE enum status pair_sign(const struct pair *pair, enum algorithm algorithm,
                               enum digest digest, const struct slice *parts, size_t part_count,
                               struct buf *out);

/* ---- Certificates (certificate.c) ---- */

/* PEM that begins with a certificate; err says what is wrong, never what it holds. */
MUST_USE enum status certificates_check(struct slice pem, struct err *err);
/* PEM of the private key of the first of them. */
MUST_USE enum status certificate_check_key(struct slice certificates, struct slice key,
                                           struct err *err);

/* ---- Handshakes of TLS (handshake.c) ---- */

/* An SSL_CTX of OpenSSL before its handshake: takes a reference and looks on. Goes back to
 * handshake_forget (NULL is fine), on the thread of the handshake. */
void *handshake_watch(void *tls_context);
/* The other side asked for a certificate. */
bool handshake_asked(const void *tls_context);
void handshake_forget(void *tls_context);

/* ---- Sealed texts (seal.c) ----
 * What is kept secret on disk: AES-256-GCM with a random nonce of 96 bits under a key that the
 * sealed text names. Where there is no key, the plain text with a mark that says so: a later key
 * seals it. */

#define SEAL_KEY_BYTES 32u
#define SEAL_ID_BYTES 8u
#define SEAL_ID_TEXT_BYTES (2 * SEAL_ID_BYTES + 1) /* as hex, and the 0 */
#define SEAL_KEYS_MAX 8u
#define SEAL_BYTES_MAX ((size_t)LIMIT_BODY_BYTES_HARD) /* of a plain text, and of its place */
#define SEAL_EXTRA_BYTES 36u                           /* at most so much longer is a sealed text */

/* The keys: the first one seals, all open. Any thread, at any time. */
struct seal_ring;

/* Without a key. */
struct seal_ring *seal_ring_create(void);
/* NULL is fine. */
void seal_ring_destroy(struct seal_ring *ring);
/* Takes the keys in text (one or several, with spaces, newlines or commas between them; 32 bytes
 * each, as hex or base64): the first of them seals from now on, those that were there before come
 * behind them. E_INVALID, E_LIMIT: err says what is wrong, never the key; nothing has changed. */
MUST_USE enum status seal_ring_add(struct seal_ring *ring, struct slice text, struct err *err);
/* Leaves the first one alone: nothing is sealed by the others any more. */
void seal_ring_forget(struct seal_ring *ring);
/* The ids of the keys, in their order; they may be shown. Returns how many; of NULL 0. */
size_t seal_ring_ids(struct seal_ring *ring, char ids[SEAL_KEYS_MAX][SEAL_ID_TEXT_BYTES]);

/* Adds the sealed text. place: what it belongs to; it opens only for the same. ring NULL: as one
 * without a key. E_LIMIT: longer than SEAL_BYTES_MAX. */
MUST_USE enum status seal_close(struct seal_ring *ring, struct slice place, struct slice plain,
                                struct buf *sealed);
/* Adds the plain text. E_NOTFOUND: its key is not in the ring; E_INVALID: it was changed, or is of
 * another place. Nothing is added then. */
MUST_USE enum status seal_open(struct seal_ring *ring, struct slice place, struct slice sealed,
                               struct buf *plain);
/* The id of its key; "": there was none. False: it is no sealed text. */
bool seal_key_id(struct slice sealed, char id[SEAL_ID_TEXT_BYTES]);

/* ---- Sets of keys (key.c) ---- */

struct key {
    struct slice secret; /* owned bytes; empty: a pair */
    struct slice text;   /* as it was given; owned; empty: a pair, or it was bytes */
    struct pair *pair;   /* owned reference */
    enum algorithm algorithm;
    int64_t until_s; /* Unix s: it signs until then; 0: for ever */
};

struct key_set {
    struct key keys[SIGNATURE_KEYS_MAX];
    size_t count;
};

enum key_form { KEY_TEXT, KEY_BASE64, KEY_HEX, KEY_STANDARD, KEY_FORM_COUNT };
bool key_form_parse(struct slice name, enum key_form *form);

/* Copies one key. E_LIMIT past SIGNATURE_KEYS_MAX, E_INVALID for an empty one. */
MUST_USE enum status key_set_add(struct key_set *set, struct slice key);
/* The same, decoded. KEY_STANDARD: "whsec_" + base64 is decoded, whpk_ (whsk_ if is_private) is a
 * pair of Ed25519, other text is the raw key. */
MUST_USE enum status key_set_add_text(struct key_set *set, enum key_form form, struct slice text,
                                      bool is_private);
/* Takes the reference, whatever it returns. */
MUST_USE enum status key_set_add_pair(struct key_set *set, enum algorithm algorithm,
                                      struct pair *pair);
void key_set_finish(struct key_set *set);
/* Adds the text of a KEY_STANDARD as its receivers may have it: of whsk_… the public half, whpk_….
 * E_INVALID: it is none. */
MUST_USE enum status key_add_shown(struct slice text, struct buf *out);

/* ---- Recipes (recipe.c): how one sender signs, as data ---- */

#define RECIPE_NAME_BYTES 65
#define RECIPE_TEXT_BYTES 33
#define RECIPE_NAMES_MAX 3
#define RECIPE_PARTS_MAX 12
#define RECIPE_NUMBERED_MAX 100

enum part_kind {
    PART_LITERAL,
    PART_BODY,
    PART_DECODED_URL, /* with the escapes that HubSpot decodes */
    PART_FORM,        /* name and value of each field of a form, sorted; nothing for other bodies */
    PART_ID,
    PART_METHOD,
    PART_TIMESTAMP, /* as it was sent */
    PART_URL,
    PART_COUNT
};
/* "body" "decoded_url" "form" "id" "method" "timestamp" "url"; other text is a literal. */
enum part_kind part_parse(struct slice text);

struct part {
    enum part_kind kind;
    char literal[RECIPE_TEXT_BYTES];
};

/* Headers of one spelling of a scheme; "": it has none. */
struct recipe_names {
    char signature[RECIPE_NAME_BYTES];
    char id[RECIPE_NAME_BYTES];
    char timestamp[RECIPE_NAME_BYTES];
};

enum time_unit { TIME_S, TIME_MS, TIME_ISO, TIME_UNIT_COUNT };
bool time_unit_parse(struct slice name, enum time_unit *unit);

/* Plain data, copied by value. */
struct recipe {
    enum algorithm algorithm; /* of its keys */
    enum digest digest;
    enum encoding encoding;
    bool is_lenient;                             /* base64 in any spelling */
    struct recipe_names names[RECIPE_NAMES_MAX]; /* the first whose signature came; [0] signs */
    size_t name_count;
    bool is_numbered; /* the signatures lie in header-1, header-2, … */
    char prefix[RECIPE_TEXT_BYTES];
    char item_separator;                     /* between signatures; 0: there is one */
    char field_separator;                    /* between an item's name and value; 0: no names */
    char field[RECIPE_TEXT_BYTES];           /* the name of a signature */
    char public_field[RECIPE_TEXT_BYTES];    /* the name of one by Ed25519 beside HMACs */
    char timestamp_field[RECIPE_TEXT_BYTES]; /* the name of the time, if it lies there */
    enum time_unit time_unit;
    int64_t tolerance_s; /* 0: the time is not judged */
    /* If the body is no form: the parameter of the URL that must be the hex SHA-256 of it. */
    char body_hash_query[RECIPE_TEXT_BYTES];
    /* The parameter of the URL that may hold the token instead of the header; "": none. */
    char token_query[RECIPE_TEXT_BYTES];
    struct part parts[RECIPE_PARTS_MAX];
    size_t part_count;
};

/* Standard Webhooks: the same headers also under the names that Svix used before it. */
void recipe_standard(struct recipe *recipe);
/* Everything a recipe says of keys and headers fits together; err names the option. */
MUST_USE enum status recipe_check(const struct recipe *recipe, struct err *err);

/* ---- RFC 9421, HTTP message signatures (http_signature.c) ---- */

#define HTTP_COMPONENTS_MAX 32
#define HTTP_COMPONENT_BYTES 128
#define HTTP_LABEL_BYTES 65
#define HTTP_KEY_ID_BYTES 257

struct http_scheme {
    /* Names of components as they stand in the signature's input, without quotes: what is signed,
     * or what a signature must cover. */
    char components[HTTP_COMPONENTS_MAX][HTTP_COMPONENT_BYTES];
    size_t component_count;
    enum algorithm algorithm;
    enum digest digest;
    char label[HTTP_LABEL_BYTES];   /* sign: "sig1"; verify: "" for any */
    char key_id[HTTP_KEY_ID_BYTES]; /* "": not said, not asked for */
    char tag[HTTP_KEY_ID_BYTES];
    int64_t tolerance_s;
    int64_t expires_s; /* sign: how long it holds; 0: not said */
    bool with_nonce;   /* sign: a random one */
};

/* The alg of the RFC's registry for it, "" if it has none. */
const char *http_algorithm_name(enum algorithm algorithm, enum digest digest);
bool http_algorithm_parse(struct slice name, enum algorithm *algorithm, enum digest *digest);

/* ---- Verifying (verifier.c) ---- */

enum verifier_kind { VERIFIER_NONE, VERIFIER_RECIPE, VERIFIER_HTTP };

/* How a source checks its sender. Counted references. */
struct verifier {
    atomic_uint references;
    enum verifier_kind kind;
    struct recipe recipe;
    struct http_scheme http;
    struct key_set keys;
};

/* NULL: no memory. */
struct verifier *verifier_create(enum verifier_kind kind);
struct verifier *verifier_ref(struct verifier *verifier);
void verifier_unref(struct verifier *verifier);

struct verify_input {
    struct slice head; /* packed */
    struct slice body;
    int64_t now_ms;
    struct slice method;
    struct slice url; /* as the sender knows it; empty: not known */
};

/* Begins the reason when all is right but the time: one of the two clocks is wrong, or it is a
 * replay. The verifiers of providers in Lua say so too. */
#define SIGNATURE_GENUINE_BUT "the signature is genuine but "

/* True if genuine. Else err says which step failed, in words without secrets ("header
 * X-Hub-Signature-256 is missing"). All keys and candidates are tried whatever matched before. Two
 * headers of the signature's name are refused. */
bool verifier_check(const struct verifier *verifier, const struct verify_input *input,
                    struct err *err);

/* ---- Signing (signer.c) ---- */

enum signer_kind { SIGNER_NONE, SIGNER_RECIPE, SIGNER_HTTP };

/* How an endpoint's messages are signed. Counted references. */
struct signer {
    atomic_uint references;
    enum signer_kind kind;
    struct recipe recipe;
    struct http_scheme
        *http; /* of SIGNER_HTTP, owned: it is large, and there may be many signers */
    struct key_set
        keys; /* one signature a key where the recipe has several; else the first signs */
};

struct signer *signer_create(enum signer_kind kind);
struct signer *signer_ref(struct signer *signer);
void signer_unref(struct signer *signer);

struct sign_input {
    struct slice id; /* the message id, the same in every attempt */
    int64_t timestamp_s;
    struct slice method;
    struct slice url;
    struct slice body;
};

/* The URL is part of what is signed. */
bool signer_needs_url(const struct signer *signer);

/* Appends the signature's headers to a head. E_INVALID: a header that is to be signed is missing.
 */
MUST_USE enum status signer_sign(const struct signer *signer, const struct sign_input *input,
                                 struct buf *head);

#endif
