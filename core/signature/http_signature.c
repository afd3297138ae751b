/* SPDX-License-Identifier: MIT */
/* HTTP message signatures (RFC 9421): Signature-Input says what is signed, Signature is the
 * signature. */
#include "signature/http_base_int.h"
#include "signature/verifier_int.h"

#include <stdio.h>

#define FIELD_BYTES_MAX 16384
#define BASE_BYTES_MAX 131072
#define NONCE_BYTES 18
#define LABELS_MAX 8

struct algorithm_row {
    const char *name;
    enum algorithm algorithm;
    enum digest digest;
};
static const struct algorithm_row algorithms[] = {
    {"ecdsa-p256-sha256", ALGORITHM_ECDSA_RAW, DIGEST_SHA256},
    {"ecdsa-p384-sha384", ALGORITHM_ECDSA_RAW, DIGEST_SHA384},
    {"ed25519", ALGORITHM_ED25519, DIGEST_SHA512},
    {"hmac-sha256", ALGORITHM_HMAC, DIGEST_SHA256},
    {"rsa-pss-sha512", ALGORITHM_RSA_PSS, DIGEST_SHA512},
    {"rsa-v1_5-sha256", ALGORITHM_RSA, DIGEST_SHA256},
};

const char *http_algorithm_name(enum algorithm algorithm, enum digest digest)
{
    for (size_t i = 0; i < array_count(algorithms); i++)
        if (algorithms[i].algorithm == algorithm && algorithms[i].digest == digest)
            return algorithms[i].name;
    return "";
}

bool http_algorithm_parse(struct slice name, enum algorithm *algorithm, enum digest *digest)
{
    for (size_t i = 0; i < array_count(algorithms); i++)
        if (slice_is(name, algorithms[i].name)) {
            *algorithm = algorithms[i].algorithm;
            *digest = algorithms[i].digest;
            return true;
        }
    return false;
}

/* ---- Verifying ---- */

struct claims {
    int64_t created_s; /* -1: not said */
    int64_t expires_s;
    struct slice algorithm;
    struct slice key_id;
    struct slice tag;
};

static bool read_claim(struct slice key, const struct structured_item *item, struct claims *claims)
{
    const struct {
        const char *name;
        struct slice *text;
        int64_t *number;
    } rows[] = {{"alg", &claims->algorithm, NULL},
                {"created", NULL, &claims->created_s},
                {"expires", NULL, &claims->expires_s},
                {"keyid", &claims->key_id, NULL},
                {"tag", &claims->tag, NULL}};
    for (size_t i = 0; i < array_count(rows); i++) {
        if (!slice_is(key, rows[i].name))
            continue;
        if (rows[i].text)
            *rows[i].text = item->text;
        else
            *rows[i].number = item->integer;
        return rows[i].text ? item->type == STRUCTURED_STRING
                            : item->type == STRUCTURED_INTEGER && item->integer >= 0;
    }
    return true;
}

static bool read_claims(struct slice parameters, struct claims *claims)
{
    *claims = (struct claims){.created_s = -1, .expires_s = -1};
    struct structured_item item;
    bool is_bad = false;
    for (struct slice key; structured_next_parameter(&parameters, &key, &item, &is_bad);)
        if (!read_claim(key, &item, claims))
            return false;
    return !is_bad;
}

/* "name" + ";parameters" of a component against how options write it. */
static bool is_component(const struct structured_item *item, const char *wanted)
{
    const size_t len = strlen(wanted);
    return len == item->text.len + item->parameters.len &&
           memcmp(wanted, item->text.data, item->text.len) == 0 &&
           slice_equal(slice_of(wanted + item->text.len, item->parameters.len), item->parameters);
}

static bool covers(struct slice list, const char *wanted)
{
    struct structured_item item;
    bool is_bad = false;
    while (structured_next_element(&list, &item, &is_bad))
        if (item.type == STRUCTURED_STRING && is_component(&item, wanted))
            return true;
    return false;
}

static bool covers_all(const struct http_scheme *scheme, struct slice list, struct err *err)
{
    for (size_t i = 0; i < scheme->component_count; i++)
        if (!covers(list, scheme->components[i])) {
            (void)err_set(err, E_INVALID, "the signature does not cover %s", scheme->components[i]);
            return false;
        }
    return true;
}

static bool matches(const struct verifier *verifier, struct slice base, struct slice signature,
                    unsigned *checks)
{
    const struct http_scheme *scheme = &verifier->http;
    bool is_genuine = false;
    for (size_t i = 0; i < verifier->keys.count; i++) {
        const struct key *key = &verifier->keys.keys[i];
        if ((*checks)++ >= SIGNATURE_PUBLIC_CHECKS_MAX)
            break;
        if (key->pair) {
            is_genuine |=
                pair_verify(key->pair, key->algorithm, scheme->digest, &base, 1, signature);
        } else {
            unsigned char digest[DIGEST_BYTES_MAX];
            const size_t len = hmac(scheme->digest, key->secret, &base, 1, digest);
            is_genuine |= bytes_equal(signature, slice_of((const char *)digest, len));
        }
    }
    return is_genuine;
}

static bool check_claims(const struct http_scheme *scheme, const struct claims *claims,
                         struct err *err)
{
    const char *name = http_algorithm_name(scheme->algorithm, scheme->digest);
    const char *why = NULL;
    if (claims->algorithm.data && !slice_is(claims->algorithm, name))
        why = "the signature names another algorithm than the source's";
    else if (scheme->key_id[0] != '\0' && !slice_is(claims->key_id, scheme->key_id))
        why = "the signature names another keyid than the source's";
    else if (scheme->tag[0] != '\0' && !slice_is(claims->tag, scheme->tag))
        why = "the signature has another tag than the source's";
    else if (claims->created_s < 0 && scheme->tolerance_s > 0)
        why = "the signature does not say when it was created";
    if (why)
        (void)err_set(err, E_INVALID, "%s", why);
    return !why;
}

static bool check_times(const struct http_scheme *scheme, const struct claims *claims,
                        int64_t now_ms, struct err *err)
{
    if (claims->expires_s >= 0 && now_ms / 1000 > claims->expires_s) {
        (void)err_set(err, E_INVALID, SIGNATURE_GENUINE_BUT "expired %lld s ago",
                      (long long)(now_ms / 1000 - claims->expires_s));
        return false;
    }
    return scheme->tolerance_s == 0 ||
           check_clock(claims->created_s * 1000, now_ms, scheme->tolerance_s, "created", err);
}

struct http_fields {
    struct buf input;
    struct buf signatures;
};

static bool check_label(const struct verifier *verifier, const struct verify_input *input,
                        const struct structured_item *list, struct slice signature,
                        unsigned *checks, struct err *err)
{
    const struct http_request request = {
        .head = input->head, .body = input->body, .method = input->method, .url = input->url};
    struct claims claims;
    if (list->type != STRUCTURED_LIST || !read_claims(list->parameters, &claims)) {
        (void)err_set(err, E_INVALID, "Signature-Input is malformed");
        return false;
    }
    if (!check_claims(&verifier->http, &claims, err) ||
        !covers_all(&verifier->http, list->text, err))
        return false;
    struct buf base;
    buf_init(&base, BASE_BYTES_MAX);
    bool is_genuine = http_base(&request, list->text, list->raw, &base, err) == OK;
    if (is_genuine && !matches(verifier, buf_slice(&base), signature, checks)) {
        (void)err_set(err, E_INVALID, "no signature in Signature matches");
        is_genuine = false;
    }
    buf_finish(&base);
    if (is_genuine && covers(list->text, "content-digest"))
        is_genuine = http_check_digest(input->head, input->body, err);
    return is_genuine && check_times(&verifier->http, &claims, input->now_ms, err);
}

static bool check_label_of(const struct verifier *verifier, const struct verify_input *input,
                           const struct http_fields *fields, struct slice label,
                           const struct structured_item *list, unsigned *checks, struct err *err)
{
    struct structured_item item;
    struct buf signature;
    buf_init(&signature, SIGNATURE_BYTES_MAX);
    bool is_genuine = structured_find(buf_slice(&fields->signatures), label, &item) &&
                      item.type == STRUCTURED_BYTES &&
                      base64_decode(item.text, false, &signature) == OK;
    if (!is_genuine)
        (void)err_set(err, E_INVALID, "Signature has no bytes for the label \"%.*s\"",
                      (int)(label.len < HTTP_LABEL_BYTES ? label.len : HTTP_LABEL_BYTES),
                      label.data);
    else
        is_genuine = check_label(verifier, input, list, buf_slice(&signature), checks, err);
    buf_finish(&signature);
    return is_genuine;
}

/* All fields of that name as one. */
static bool join_fields(struct slice head, const char *name, struct buf *out, struct err *err)
{
    struct field field;
    unsigned count = 0;
    enum status status = OK;
    for (size_t offset = 0; status == OK && head_next(head, &offset, &field);)
        if (slice_equal_nocase(field.name, slice_str(name))) {
            status = count++ > 0 ? buf_add_str(out, ", ") : OK;
            if (status == OK)
                status = buf_add_slice(out, field.value);
        }
    if (count == 0)
        (void)err_set(err, E_INVALID, "header %s is missing", name);
    else if (status != OK)
        (void)err_set(err, E_INVALID, "header %s is too large", name);
    return count > 0 && status == OK;
}

static bool check_labels(const struct verifier *verifier, const struct verify_input *input,
                         const struct http_fields *fields, struct err *err)
{
    const struct http_scheme *scheme = &verifier->http;
    struct slice rest = buf_slice(&fields->input);
    struct structured_item list;
    bool is_bad = false;
    bool is_genuine = false;
    unsigned checks = 0;
    unsigned tried = 0;
    for (struct slice label; structured_next_member(&rest, &label, &list, &is_bad);) {
        if (scheme->label[0] != '\0' && !slice_is(label, scheme->label))
            continue;
        if (tried++ == LABELS_MAX)
            break;
        is_genuine |= check_label_of(verifier, input, fields, label, &list, &checks, err);
    }
    if (is_bad)
        (void)err_set(err, E_INVALID, "Signature-Input is malformed");
    else if (tried == 0)
        (void)err_set(err, E_INVALID, "Signature-Input has no label \"%s\"", scheme->label);
    return is_genuine && !is_bad;
}

bool http_verify(const struct verifier *verifier, const struct verify_input *input, struct err *err)
{
    struct http_fields fields;
    buf_init(&fields.input, FIELD_BYTES_MAX);
    buf_init(&fields.signatures, FIELD_BYTES_MAX);
    const bool is_genuine = join_fields(input->head, "Signature-Input", &fields.input, err) &&
                            join_fields(input->head, "Signature", &fields.signatures, err) &&
                            check_labels(verifier, input, &fields, err);
    buf_finish(&fields.input);
    buf_finish(&fields.signatures);
    return is_genuine;
}

/* ---- Signing ---- */

/* "@query-param;name=\"a\"" -> "\"@query-param\";name=\"a\"" */
static enum status add_list(const struct http_scheme *scheme, struct buf *out)
{
    enum status status = buf_add_byte(out, '(');
    for (size_t i = 0; i < scheme->component_count && status == OK; i++) {
        const char *name = scheme->components[i];
        const size_t len = strcspn(name, ";");
        status = buf_printf(out, "%s\"%.*s\"%s", i > 0 ? " " : "", (int)len, name, name + len);
    }
    return status == OK ? buf_add_byte(out, ')') : status;
}

static enum status add_parameters(const struct http_scheme *scheme, const struct sign_input *input,
                                  struct buf *out)
{
    enum status status = buf_printf(out, ";created=%lld", (long long)input->timestamp_s);
    if (status == OK && scheme->expires_s > 0)
        status = buf_printf(out, ";expires=%lld",
                            (long long)input->timestamp_s + (long long)scheme->expires_s);
    if (status == OK && scheme->key_id[0] != '\0')
        status = buf_printf(out, ";keyid=\"%s\"", scheme->key_id);
    if (status == OK)
        status =
            buf_printf(out, ";alg=\"%s\"", http_algorithm_name(scheme->algorithm, scheme->digest));
    if (status == OK && scheme->with_nonce) {
        char bytes[NONCE_BYTES];
        random_bytes(bytes, sizeof bytes);
        status = buf_add_str(out, ";nonce=\"");
        if (status == OK)
            status = base64url_encode(slice_of(bytes, sizeof bytes), out);
        if (status == OK)
            status = buf_add_byte(out, '"');
    }
    if (status == OK && scheme->tag[0] != '\0')
        status = buf_printf(out, ";tag=\"%s\"", scheme->tag);
    return status;
}

static enum status add_digest(const struct http_scheme *scheme, const struct sign_input *input,
                              struct buf *head)
{
    bool is_wanted = false;
    for (size_t i = 0; i < scheme->component_count; i++)
        is_wanted |= strcmp(scheme->components[i], "content-digest") == 0;
    if (!is_wanted || head_count(buf_slice(head), "content-digest") > 0)
        return OK;
    struct buf value;
    buf_init(&value, SIGNATURE_BYTES_MAX);
    enum status status = http_digest(input->body, &value);
    if (status == OK)
        status = head_add(head, slice_str("Content-Digest"), buf_slice(&value));
    buf_finish(&value);
    return status;
}

static enum status sign_base(const struct signer *signer, struct slice base, struct buf *value)
{
    const struct key *key = &signer->keys.keys[0];
    struct buf signature;
    buf_init(&signature, SIGNATURE_BYTES_MAX);
    unsigned char digest[DIGEST_BYTES_MAX];
    enum status status;
    if (key->pair)
        status = pair_sign(key->pair, key->algorithm, signer->http->digest, &base, 1, &signature);
    else
        status =
            buf_add(&signature, digest, hmac(signer->http->digest, key->secret, &base, 1, digest));
    if (status == OK)
        status = buf_printf(value, "%s=:", signer->http->label);
    if (status == OK)
        status = base64_encode(buf_slice(&signature), value);
    buf_finish(&signature);
    return status == OK ? buf_add_byte(value, ':') : status;
}

static enum status add_signature(const struct signer *signer, struct slice raw, struct slice base,
                                 struct buf *head)
{
    struct buf value;
    buf_init(&value, FIELD_BYTES_MAX);
    enum status status = buf_printf(&value, "%s=%.*s", signer->http->label, (int)raw.len, raw.data);
    if (status == OK)
        status = head_add(head, slice_str("Signature-Input"), buf_slice(&value));
    buf_clear(&value);
    if (status == OK)
        status = sign_base(signer, base, &value);
    if (status == OK)
        status = head_add(head, slice_str("Signature"), buf_slice(&value));
    buf_finish(&value);
    return status;
}

enum status http_sign(const struct signer *signer, const struct sign_input *input, struct buf *head)
{
    check(signer->keys.count > 0);
    struct buf raw;
    struct buf base;
    buf_init(&raw, FIELD_BYTES_MAX);
    buf_init(&base, BASE_BYTES_MAX);
    enum status status = add_digest(signer->http, input, head);
    if (status == OK)
        status = add_list(signer->http, &raw);
    const size_t list_len = raw.len;
    if (status == OK)
        status = add_parameters(signer->http, input, &raw);
    const struct http_request request = {
        .head = buf_slice(head), .body = input->body, .method = input->method, .url = input->url};
    if (status == OK)
        status = http_base(&request, slice_of(buf_slice(&raw).data, list_len), buf_slice(&raw),
                           &base, NULL);
    if (status == OK)
        status = add_signature(signer, buf_slice(&raw), buf_slice(&base), head);
    buf_finish(&raw);
    buf_finish(&base);
    return status == E_NOTFOUND ? E_INVALID : status;
}
