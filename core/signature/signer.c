/* SPDX-License-Identifier: MIT */
/* Signing by a recipe: the mirror of the verifier. */
#include "signature/content_int.h"
#include "signature/verifier_int.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>

#define SIGNATURES_BYTES_MAX (SIGNATURE_KEYS_MAX * 2 * SIGNATURE_BYTES_MAX)

struct signer *signer_create(enum signer_kind kind)
{
    struct signer *signer = calloc(1, sizeof *signer);
    struct http_scheme *http = kind == SIGNER_HTTP ? calloc(1, sizeof *http) : NULL;
    if (!signer || (kind == SIGNER_HTTP && !http)) {
        free(signer);
        free(http);
        return NULL;
    }
    signer->http = http;
    atomic_init(&signer->references, 1);
    signer->kind = kind;
    return signer;
}

struct signer *signer_ref(struct signer *signer)
{
    atomic_fetch_add_explicit(&signer->references, 1, memory_order_relaxed);
    return signer;
}

void signer_unref(struct signer *signer)
{
    if (!signer || atomic_fetch_sub_explicit(&signer->references, 1, memory_order_acq_rel) != 1)
        return;
    key_set_finish(&signer->keys);
    free(signer->http);
    free(signer);
}

static struct slice write_time(enum time_unit unit, int64_t timestamp_s, char text[CLOCK_ISO_BYTES])
{
    if (unit == TIME_ISO)
        clock_iso(timestamp_s * 1000, text);
    else
        (void)snprintf(text, CLOCK_ISO_BYTES, "%lld",
                       (long long)(unit == TIME_MS ? timestamp_s * 1000 : timestamp_s));
    return slice_str(text);
}

/* The bytes of one key's signature, encoded. */
static enum status add_signature(const struct recipe *recipe, const struct key *key,
                                 const struct content *content, struct buf *value)
{
    struct buf bytes;
    buf_init(&bytes, SIGNATURE_KEY_BYTES_MAX);
    enum status status;
    if (recipe->algorithm == ALGORITHM_TOKEN) {
        status = buf_add_slice(&bytes, key->secret);
    } else if (key->pair) {
        status = pair_sign(key->pair, key->algorithm, recipe->digest, content->parts,
                           content->count, &bytes);
    } else {
        unsigned char digest[DIGEST_BYTES_MAX];
        const size_t len =
            hmac(recipe->digest, key->secret, content->parts, content->count, digest);
        status = buf_add(&bytes, digest, len);
    }
    if (status == OK)
        status = recipe->encoding == ENCODING_TEXT  ? buf_add_slice(value, buf_slice(&bytes))
                 : recipe->encoding == ENCODING_HEX ? hex_encode(buf_slice(&bytes), value)
                                                    : base64_encode(buf_slice(&bytes), value);
    buf_finish(&bytes);
    return status;
}

static bool is_over(const struct key *key, int64_t timestamp_s)
{
    return key->until_s > 0 && key->until_s <= timestamp_s;
}

static enum status add_item(const struct recipe *recipe, const struct key *key,
                            const struct content *content, struct buf *value)
{
    enum status status = OK;
    if (value->len > strlen(recipe->prefix))
        status = buf_add_byte(value, recipe->item_separator);
    if (status == OK && recipe->field[0] != '\0') {
        const bool is_public = key->pair && recipe->public_field[0] != '\0';
        status = buf_printf(value, "%s%c", is_public ? recipe->public_field : recipe->field,
                            recipe->field_separator);
    }
    return status == OK ? add_signature(recipe, key, content, value) : status;
}

/* The header's value: one signature a key where there may be several. */
static enum status add_value(const struct signer *signer, int64_t timestamp_s,
                             struct slice timestamp, const struct content *content,
                             struct buf *value)
{
    const struct recipe *recipe = &signer->recipe;
    check(signer->keys.count > 0);
    enum status status = buf_add_str(value, recipe->prefix);
    if (status != OK || recipe->item_separator == '\0')
        return status != OK ? status : add_signature(recipe, &signer->keys.keys[0], content, value);
    if (recipe->timestamp_field[0] != '\0')
        status = buf_printf(value, "%s%c%.*s", recipe->timestamp_field, recipe->field_separator,
                            (int)timestamp.len, timestamp.data);
    for (size_t i = 0; i < signer->keys.count && status == OK; i++)
        if (!is_over(&signer->keys.keys[i], timestamp_s))
            status = add_item(recipe, &signer->keys.keys[i], content, value);
    return status;
}

static enum status add_header(struct buf *head, const char *name, struct slice value)
{
    return name[0] != '\0' ? head_add(head, slice_str(name), value) : OK;
}

static enum status add_numbered(const struct signer *signer, const struct content *content,
                                struct buf *value, struct buf *head)
{
    enum status status = OK;
    for (size_t i = 0; i < signer->keys.count && status == OK; i++) {
        char name[RECIPE_NAME_BYTES + 16];
        (void)snprintf(name, sizeof name, "%s-%u", signer->recipe.names[0].signature,
                       (unsigned)i + 1);
        buf_clear(value);
        status = add_signature(&signer->recipe, &signer->keys.keys[i], content, value);
        if (status == OK)
            status = add_header(head, name, buf_slice(value));
    }
    return status;
}

static enum status add_headers(const struct signer *signer, const struct sign_input *input,
                               struct slice timestamp, const struct content *content,
                               struct buf *head)
{
    const struct recipe_names *names = &signer->recipe.names[0];
    struct buf value;
    buf_init(&value, SIGNATURES_BYTES_MAX);
    enum status status = add_header(head, names->id, input->id);
    if (status == OK)
        status = add_header(head, names->timestamp, timestamp);
    if (status == OK && signer->recipe.is_numbered) {
        status = add_numbered(signer, content, &value, head);
    } else if (status == OK) {
        status = add_value(signer, input->timestamp_s, timestamp, content, &value);
        if (status == OK)
            status = add_header(head, names->signature, buf_slice(&value));
    }
    buf_finish(&value);
    return status;
}

static enum status sign_recipe(const struct signer *signer, const struct sign_input *input,
                               struct buf *head)
{
    char text[CLOCK_ISO_BYTES];
    const struct slice timestamp = write_time(signer->recipe.time_unit, input->timestamp_s, text);
    const struct content_input parts = {
        .id = input->id,
        .timestamp = timestamp,
        .method = input->method,
        .url = input->url,
        .body = input->body,
        .head = buf_slice(head),
    };
    struct content content;
    enum status status = content_make(&signer->recipe, &parts, &content, NULL);
    if (status == OK)
        status = add_headers(signer, input, timestamp, &content, head);
    content_finish(&content);
    return status;
}

bool signer_needs_url(const struct signer *signer)
{
    if (signer->kind != SIGNER_RECIPE)
        return signer->kind == SIGNER_HTTP;
    for (size_t i = 0; i < signer->recipe.part_count; i++)
        if (signer->recipe.parts[i].kind == PART_URL ||
            signer->recipe.parts[i].kind == PART_DECODED_URL)
            return true;
    return false;
}

enum status signer_sign(const struct signer *signer, const struct sign_input *input,
                        struct buf *head)
{
    switch (signer->kind) {
    case SIGNER_NONE:
        return OK;
    case SIGNER_RECIPE:
        return sign_recipe(signer, input, head);
    case SIGNER_HTTP:
        return http_sign(signer, input, head);
    }
    return E_INVALID;
}
