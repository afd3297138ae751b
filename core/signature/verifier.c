/* SPDX-License-Identifier: MIT */
/* The declarative verifiers. Every candidate signature is held against every key, whatever matched
 * before, so that the time says nothing; each compare is constant-time. */
#include "signature/signature.h"

#include "signature/standard_int.h"

#include <stdlib.h>

void verifier_destroy(struct verifier *verifier)
{
    if (!verifier)
        return;
    free(verifier->header);
    free(verifier->prefix);
    key_set_finish(&verifier->keys);
    free(verifier);
}

/* The one header of that name, or why not. */
static bool find_one(struct slice head, const char *name, struct slice *value)
{
    return head_count(head, name) == 1 && head_find(head, name, value);
}

static const char *why_not_one(struct slice head, const char *name)
{
    return head_count(head, name) == 0 ? "the signature header is missing"
                                       : "the signature header came twice";
}

static enum status decode(enum encoding encoding, struct slice text, struct buf *out)
{
    return encoding == ENCODING_HEX ? hex_decode(text, out) : base64_decode(text, false, out);
}

static bool check_hmac(const struct verifier *verifier, const struct verify_input *input,
                       const char **reason)
{
    struct slice value;
    if (!find_one(input->head, verifier->header, &value)) {
        *reason = why_not_one(input->head, verifier->header);
        return false;
    }
    const size_t prefix_len = strlen(verifier->prefix);
    if (value.len < prefix_len || memcmp(value.data, verifier->prefix, prefix_len) != 0) {
        *reason = "the signature does not begin with the prefix of its scheme";
        return false;
    }
    struct buf given;
    buf_init(&given, 2 * DIGEST_BYTES_MAX);
    const bool is_readable =
        decode(verifier->encoding, slice_of(value.data + prefix_len, value.len - prefix_len),
               &given) == OK;
    bool is_genuine = false;
    for (size_t i = 0; i < verifier->keys.count; i++) {
        unsigned char digest[DIGEST_BYTES_MAX];
        const size_t len = hmac(verifier->digest, verifier->keys.keys[i], &input->body, 1, digest);
        is_genuine |= bytes_equal(buf_slice(&given), slice_of((const char *)digest, len));
    }
    buf_finish(&given);
    *reason = !is_readable ? "the signature is not in the encoding of its scheme"
                           : "the signature does not match the body";
    return is_genuine;
}

/* Digits only, as the specification has it. */
static bool parse_timestamp(struct slice text, int64_t *seconds)
{
    if (text.len == 0 || text.len > 12)
        return false;
    *seconds = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        *seconds = *seconds * 10 + (text.data[i] - '0');
    }
    return true;
}

/* One "v1,<base64>" of the list against all keys. */
static bool matches(const struct verifier *verifier, struct slice candidate,
                    const struct slice content[5])
{
    if (candidate.len < 3 || memcmp(candidate.data, "v1,", 3) != 0)
        return false;
    struct buf given;
    buf_init(&given, 2 * DIGEST_BYTES_MAX);
    bool is_genuine = false;
    if (base64_decode(slice_of(candidate.data + 3, candidate.len - 3), true, &given) == OK)
        for (size_t i = 0; i < verifier->keys.count; i++) {
            unsigned char digest[DIGEST_BYTES_MAX];
            const size_t len = hmac(DIGEST_SHA256, verifier->keys.keys[i], content, 5, digest);
            is_genuine |= bytes_equal(buf_slice(&given), slice_of((const char *)digest, len));
        }
    buf_finish(&given);
    return is_genuine;
}

static bool matches_any(const struct verifier *verifier, struct slice list,
                        const struct slice content[5])
{
    bool is_genuine = false;
    size_t tried = 0;
    while (list.len > 0 && tried < SIGNATURE_CANDIDATES_MAX) {
        const char *space = memchr(list.data, ' ', list.len);
        const size_t len = space ? (size_t)(space - list.data) : list.len;
        is_genuine |= matches(verifier, slice_of(list.data, len), content);
        list = space ? slice_of(space + 1, list.len - len - 1) : slice_of("", 0);
        tried++;
    }
    return is_genuine;
}

/* Standard Webhooks, or the same under Svix's header names. */
static bool check_standard(const struct verifier *verifier, const struct verify_input *input,
                           const char **reason)
{
    const struct standard_names *names = &standard_names;
    if (head_count(input->head, names->signature) == 0)
        names = &svix_names;
    struct slice id;
    struct slice timestamp;
    struct slice list;
    int64_t seconds;
    if (!find_one(input->head, names->signature, &list)) {
        *reason = why_not_one(input->head, names->signature);
        return false;
    }
    if (!find_one(input->head, names->id, &id) ||
        !find_one(input->head, names->timestamp, &timestamp)) {
        *reason = "webhook-id or webhook-timestamp is missing or came twice";
        return false;
    }
    /* A dot would move the border between id and time in what is signed. */
    if (id.len == 0 || memchr(id.data, '.', id.len)) {
        *reason = "webhook-id is empty or has a dot";
        return false;
    }
    if (!parse_timestamp(timestamp, &seconds)) {
        *reason = "webhook-timestamp is not a number of seconds";
        return false;
    }
    const struct slice dot = slice_of(".", 1);
    const struct slice content[5] = {id, dot, timestamp, dot, input->body};
    if (!matches_any(verifier, list, content)) {
        *reason = "no signature matches";
        return false;
    }
    const int64_t now_s = input->now_ms / 1000;
    *reason = seconds < now_s ? "webhook-timestamp is too old (or the clocks differ)"
                              : "webhook-timestamp is in the future (or the clocks differ)";
    return seconds >= now_s - verifier->tolerance_s && seconds <= now_s + verifier->tolerance_s;
}

bool verifier_check(const struct verifier *verifier, const struct verify_input *input,
                    const char **reason)
{
    *reason = "";
    switch (verifier->kind) {
    case VERIFIER_NONE:
        return true;
    case VERIFIER_HMAC:
        return check_hmac(verifier, input, reason);
    case VERIFIER_STANDARD:
        return check_standard(verifier, input, reason);
    }
    return false;
}
