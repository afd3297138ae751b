/* SPDX-License-Identifier: MIT */
/* Fuzzes verifiers, signers, keys and encodings. The first byte chooses which. Properties: what is
 * signed is accepted and refused with one bit changed; an HMAC header is accepted exactly where a
 * plain reading of its scheme says so; what decodes has one spelling; structured fields read again
 * as they were written. */
#include "signature/signature.h"
#include "signature/structured_int.h"

#include <stdio.h>
#include <stdlib.h>

#define OUT_BYTES_MAX (1024 * 1024)
#define NOW_S 1767225600
#define KEY "a secret of some length"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

/* The first len bytes, taken away. */
static struct slice take(struct slice *rest, size_t len)
{
    const struct slice part = slice_of(rest->data, len < rest->len ? len : rest->len);
    *rest = slice_of(rest->data + part.len, rest->len - part.len);
    return part;
}

/* Up to the next zero byte. */
static struct slice take_text(struct slice *rest)
{
    const char *zero = rest->len > 0 ? memchr(rest->data, 0, rest->len) : NULL;
    const struct slice part = take(rest, zero ? (size_t)(zero - rest->data) : rest->len);
    (void)take(rest, 1);
    return part;
}

/* ---- Encodings ---- */

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static void fuzz_encodings(struct slice raw)
{
    struct buf bytes;
    struct buf text;
    buf_init(&bytes, OUT_BYTES_MAX);
    buf_init(&text, OUT_BYTES_MAX);
    if (base64_decode(raw, false, &bytes) == OK) {
        check(base64_encode(buf_slice(&bytes), &text) == OK);
        check(slice_equal(buf_slice(&text), raw));
    } else {
        check(bytes.len == 0);
    }
    buf_clear(&bytes);
    buf_clear(&text);
    if (hex_decode(raw, &bytes) == OK) {
        check(hex_encode(buf_slice(&bytes), &text) == OK && text.len == raw.len);
        for (size_t i = 0; i < raw.len; i++)
            check(text.data[i] == lower(raw.data[i]));
    } else {
        check(bytes.len == 0);
    }
    buf_clear(&bytes);
    buf_clear(&text);
    check(base64url_encode(raw, &text) == OK);
    check(base64_decode(buf_slice(&text), true, &bytes) == OK);
    check(slice_equal(buf_slice(&bytes), raw));
    buf_finish(&bytes);
    buf_finish(&text);
}

/* ---- Recipes ---- */

enum scheme { SCHEME_GITHUB, SCHEME_STRIPE, SCHEME_STANDARD, SCHEME_TWILIO, SCHEME_COUNT };

static void make_recipe(enum scheme scheme, struct recipe *recipe)
{
    if (scheme == SCHEME_STANDARD) {
        recipe_standard(recipe);
        return;
    }
    *recipe = (struct recipe){.digest = DIGEST_SHA256, .names = {{"X-S", "", ""}}, .name_count = 1};
    recipe->parts[0].kind = PART_BODY;
    recipe->part_count = 1;
    if (scheme == SCHEME_GITHUB)
        (void)snprintf(recipe->prefix, sizeof recipe->prefix, "sha256=");
    if (scheme == SCHEME_STRIPE) {
        recipe->item_separator = ',';
        recipe->field_separator = '=';
        (void)snprintf(recipe->field, sizeof recipe->field, "v1");
        (void)snprintf(recipe->timestamp_field, sizeof recipe->timestamp_field, "t");
        recipe->tolerance_s = SIGNATURE_TOLERANCE_S;
        recipe->parts[0].kind = PART_TIMESTAMP;
        recipe->parts[1].literal[0] = '.';
        recipe->parts[2].kind = PART_BODY;
        recipe->part_count = 3;
    }
    if (scheme == SCHEME_TWILIO) {
        recipe->digest = DIGEST_SHA1;
        recipe->encoding = ENCODING_BASE64;
        recipe->parts[0].kind = PART_URL;
        recipe->parts[1].kind = PART_FORM;
        recipe->part_count = 2;
    }
    check(recipe_check(recipe, NULL) == OK);
}

static bool accepts(const struct recipe *recipe, struct slice head, struct slice body)
{
    struct verifier *verifier = verifier_create(VERIFIER_RECIPE);
    verifier->recipe = *recipe;
    check(key_set_add(&verifier->keys, slice_str(KEY)) == OK);
    struct err err = {0};
    const struct verify_input input = {.head = head,
                                       .body = body,
                                       .now_ms = INT64_C(1000) * NOW_S,
                                       .method = {"POST", 4},
                                       .url = {"https://a.example/b?c=d", 23}};
    const bool is_genuine = verifier_check(verifier, &input, &err);
    check(is_genuine || (err.text[0] != '\0' && !strstr(err.text, KEY)));
    verifier_unref(verifier);
    return is_genuine;
}

static void sign(const struct recipe *recipe, struct slice body, struct buf *head)
{
    struct signer *signer = signer_create(SIGNER_RECIPE);
    signer->recipe = *recipe;
    check(key_set_add(&signer->keys, slice_str(KEY)) == OK);
    const struct sign_input input = {.id = {"msg_1", 5},
                                     .timestamp_s = NOW_S,
                                     .method = {"POST", 4},
                                     .url = {"https://a.example/b?c=d", 23},
                                     .body = body};
    check(signer_sign(signer, &input, head) == OK);
    signer_unref(signer);
}

/* Where in a packed head the last value lies. */
static size_t last_value(struct slice head, size_t *len)
{
    struct field field = {{"", 0}, {"", 0}};
    for (size_t offset = 0; head_next(head, &offset, &field);)
        ;
    *len = field.value.len;
    return (size_t)(field.value.data - head.data);
}

/* scheme, place, bit, body: signed, then one bit of body or signature changed. */
static void fuzz_round_trip(struct slice raw)
{
    const struct slice choice = take(&raw, 4);
    if (choice.len < 4)
        return;
    const unsigned char *bytes = (const unsigned char *)choice.data;
    const enum scheme scheme = (enum scheme)(bytes[0] % SCHEME_COUNT);
    struct recipe recipe;
    struct buf head;
    struct buf body;
    make_recipe(scheme, &recipe);
    buf_init(&head, OUT_BYTES_MAX);
    buf_init(&body, OUT_BYTES_MAX);
    check(buf_add_slice(&body, raw) == OK && buf_add_byte(&body, '!') == OK);
    sign(&recipe, buf_slice(&body), &head);
    check(accepts(&recipe, buf_slice(&head), buf_slice(&body)));
    const size_t place = (size_t)bytes[1] << 8 | bytes[2];
    if (bytes[3] & 8 && scheme != SCHEME_TWILIO) {
        body.data[place % body.len] ^= (char)(1 << (bytes[3] & 7));
        check(!accepts(&recipe, buf_slice(&head), buf_slice(&body)));
    } else {
        size_t len = 0;
        const size_t at = last_value(buf_slice(&head), &len);
        char *changed = &head.data[at + place % len];
        const char before = *changed;
        *changed ^= (char)(1 << (bytes[3] & 7));
        /* A letter's case is a change only beside letters of the other one; base64 may be spelled
         * with - and _. */
        const bool may_be_equal = (scheme != SCHEME_STANDARD && lower(before) == lower(*changed)) ||
                                  strchr("-_+/", *changed) != NULL;
        check(!accepts(&recipe, buf_slice(&head), buf_slice(&body)) || may_be_equal);
    }
    buf_finish(&head);
    buf_finish(&body);
}

/* value 0 body: GitHub's header is accepted iff it is exactly the prefix and the hex of the MAC. */
static void fuzz_header(struct slice raw)
{
    const struct slice value = take_text(&raw);
    struct recipe recipe;
    struct buf head;
    struct buf wanted;
    unsigned char digest[DIGEST_BYTES_MAX];
    make_recipe(SCHEME_GITHUB, &recipe);
    buf_init(&head, OUT_BYTES_MAX);
    buf_init(&wanted, OUT_BYTES_MAX);
    check(head_add(&head, slice_str("x-s"), value) == OK);
    const size_t len = hmac(DIGEST_SHA256, slice_str(KEY), &raw, 1, digest);
    check(buf_add_str(&wanted, "sha256=") == OK &&
          hex_encode(slice_of((const char *)digest, len), &wanted) == OK);
    const bool is_same = slice_equal_nocase(buf_slice(&wanted), value);
    check(!accepts(&recipe, buf_slice(&head), raw) || is_same);
    check(accepts(&recipe, buf_slice(&head), raw) || !slice_equal(buf_slice(&wanted), value));
    buf_finish(&head);
    buf_finish(&wanted);
}

/* Any headers: read without harm, and never genuine, for the key is not known to the fuzzer. */
static void fuzz_headers(struct slice raw)
{
    static const char *const names[] = {"x-s", "webhook-id", "webhook-timestamp",
                                        "webhook-signature", "content-type"};
    const struct slice choice = take(&raw, 1);
    if (choice.len == 0)
        return;
    const enum scheme scheme = (enum scheme)((unsigned char)choice.data[0] % SCHEME_COUNT);
    struct recipe recipe;
    struct buf head;
    make_recipe(scheme, &recipe);
    buf_init(&head, OUT_BYTES_MAX);
    for (size_t i = 0; i < array_count(names) && raw.len > 0; i++)
        check(head_add(&head, slice_str(names[i]), take_text(&raw)) == OK);
    check(!accepts(&recipe, buf_slice(&head), raw));
    buf_finish(&head);
}

/* ---- Keys ---- */

static void fuzz_key(struct slice raw)
{
    const struct slice choice = take(&raw, 1);
    if (choice.len == 0)
        return;
    const unsigned char byte = (unsigned char)choice.data[0];
    const enum algorithm algorithm = (enum algorithm)(byte % ALGORITHM_COUNT);
    struct pair *pair = NULL;
    struct err err = {0};
    const struct slice text = take_text(&raw);
    if (pair_parse(algorithm, text, byte & 128, &pair, &err) != OK) {
        check(!pair && err.text[0] != '\0');
        return;
    }
    if (!pair_is_private(pair))
        (void)pair_verify(pair, algorithm, DIGEST_SHA256, &raw, 1, raw);
    pair_unref(pair);
}

/* ---- RFC 9421 ---- */

static void fuzz_structured(struct slice raw)
{
    struct buf again;
    buf_init(&again, OUT_BYTES_MAX);
    struct slice rest = raw;
    struct structured_item item;
    bool is_bad = false;
    size_t count = 0;
    for (struct slice key; structured_next_member(&rest, &key, &item, &is_bad); count++) {
        check(buf_add_str(&again, count > 0 ? ", " : "") == OK);
        check(buf_add_slice(&again, key) == OK);
        check(item.type == STRUCTURED_BOOLEAN || buf_add_byte(&again, '=') == OK);
        check(buf_add_slice(&again, item.raw) == OK);
    }
    if (!is_bad) {
        struct slice second = buf_slice(&again);
        struct slice first = raw;
        struct slice keys[2];
        struct structured_item items[2];
        for (size_t i = 0; i < count; i++) {
            check(structured_next_member(&first, &keys[0], &items[0], &is_bad));
            check(structured_next_member(&second, &keys[1], &items[1], &is_bad));
            check(slice_equal(keys[0], keys[1]) && slice_equal(items[0].raw, items[1].raw));
            check(items[0].type == items[1].type && items[0].integer == items[1].integer);
        }
        check(!structured_next_member(&second, &keys[1], &items[1], &is_bad) && !is_bad);
    }
    buf_finish(&again);
}

static bool http_accepts(struct slice head, struct slice body)
{
    struct verifier *verifier = verifier_create(VERIFIER_HTTP);
    verifier->http = (struct http_scheme){
        .components = {"@method", "content-digest"}, .component_count = 2, .digest = DIGEST_SHA256};
    check(key_set_add(&verifier->keys, slice_str(KEY)) == OK);
    struct err err = {0};
    const struct verify_input input = {.head = head,
                                       .body = body,
                                       .now_ms = INT64_C(1000) * NOW_S,
                                       .method = {"POST", 4},
                                       .url = {"https://a.example/b?c=d", 23}};
    const bool is_genuine = verifier_check(verifier, &input, &err);
    verifier_unref(verifier);
    return is_genuine;
}

/* input 0 signature 0 digest 0 body: not genuine; and what is signed is, until a bit changes. */
static void fuzz_http(struct slice raw)
{
    struct buf head;
    buf_init(&head, OUT_BYTES_MAX);
    struct slice rest = raw;
    check(head_add(&head, slice_str("Signature-Input"), take_text(&rest)) == OK);
    check(head_add(&head, slice_str("Signature"), take_text(&rest)) == OK);
    check(head_add(&head, slice_str("Content-Digest"), take_text(&rest)) == OK);
    check(!http_accepts(buf_slice(&head), rest));
    struct signer *signer = signer_create(SIGNER_HTTP);
    *signer->http = (struct http_scheme){.components = {"@method", "@target-uri", "content-digest"},
                                         .component_count = 3,
                                         .digest = DIGEST_SHA256,
                                         .label = "sig1"};
    check(key_set_add(&signer->keys, slice_str(KEY)) == OK);
    buf_clear(&head);
    const struct sign_input input = {.timestamp_s = NOW_S,
                                     .method = {"POST", 4},
                                     .url = {"https://a.example/b?c=d", 23},
                                     .body = raw};
    check(signer_sign(signer, &input, &head) == OK);
    check(http_accepts(buf_slice(&head), raw));
    struct buf body;
    buf_init(&body, OUT_BYTES_MAX);
    check(buf_add_slice(&body, raw) == OK && buf_add_byte(&body, 'x') == OK);
    check(!http_accepts(buf_slice(&head), buf_slice(&body)));
    signer_unref(signer);
    buf_finish(&body);
    buf_finish(&head);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const targets[])(struct slice raw) = {
        fuzz_encodings, fuzz_round_trip, fuzz_header, fuzz_headers,
        fuzz_key,       fuzz_structured, fuzz_http};
    if (size == 0)
        return 0;
    targets[data[0] % array_count(targets)](slice_of((const char *)data + 1, size - 1));
    return 0;
}
