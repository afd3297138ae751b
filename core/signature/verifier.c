/* SPDX-License-Identifier: MIT */
/* Verifying by a recipe. Every candidate signature is held against every key, whatever matched
 * before, so that the time says nothing; each compare is constant-time. */
#include "signature/content_int.h"
#include "signature/verifier_int.h"

#include "base/clock.h"
#include "base/url.h"

#include <stdio.h>
#include <stdlib.h>

#define DIGITS_MAX 15

struct verifier *verifier_create(enum verifier_kind kind)
{
    struct verifier *verifier = calloc(1, sizeof *verifier);
    if (!verifier)
        return NULL;
    atomic_init(&verifier->references, 1);
    verifier->kind = kind;
    return verifier;
}

struct verifier *verifier_ref(struct verifier *verifier)
{
    atomic_fetch_add_explicit(&verifier->references, 1, memory_order_relaxed);
    return verifier;
}

void verifier_unref(struct verifier *verifier)
{
    if (!verifier || atomic_fetch_sub_explicit(&verifier->references, 1, memory_order_acq_rel) != 1)
        return;
    key_set_finish(&verifier->keys);
    free(verifier);
}

bool find_one(struct slice head, const char *name, struct slice *value, struct err *err)
{
    const unsigned count = head_count(head, name);
    if (count == 1)
        return head_find(head, name, value);
    (void)err_set(err, E_INVALID, count == 0 ? "header %s is missing" : "header %s came twice",
                  name);
    return false;
}

bool parse_digits(struct slice text, int64_t *number)
{
    if (text.len == 0 || text.len > DIGITS_MAX)
        return false;
    *number = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        *number = *number * 10 + (text.data[i] - '0');
    }
    return true;
}

bool check_clock(int64_t instant_ms, int64_t now_ms, int64_t tolerance_s, const char *name,
                 struct err *err)
{
    const int64_t difference_ms = now_ms - instant_ms;
    const int64_t distance_s = (difference_ms < 0 ? -difference_ms : difference_ms) / 1000;
    if (distance_s <= tolerance_s)
        return true;
    (void)err_set(err, E_INVALID,
                  SIGNATURE_GENUINE_BUT "%s: the clock differs by %lld s, of which %s may be %lld",
                  difference_ms > 0 ? "too old" : "from the future", (long long)distance_s, name,
                  (long long)tolerance_s);
    return false;
}

/* ---- What the headers say ---- */

struct candidate {
    size_t offset; /* of its bytes in reading.decoded */
    size_t len;
    bool is_public;
};

struct reading {
    const struct recipe_names *names;
    struct slice id;
    struct slice timestamp;
    int64_t instant_ms;
    bool has_time;
    struct candidate candidates[SIGNATURE_CANDIDATES_MAX];
    size_t count;
    size_t seen;        /* also those of another encoding */
    struct buf decoded; /* the bytes of all candidates */
};

/* What is no signature at all is passed over: it only counts. */
static void add_candidate(const struct recipe *recipe, struct slice text, bool is_public,
                          struct reading *reading)
{
    if (reading->seen == SIGNATURE_CANDIDATES_MAX)
        return;
    reading->seen++;
    const size_t offset = reading->decoded.len;
    enum status status;
    if (recipe->encoding == ENCODING_TEXT)
        status = buf_add_slice(&reading->decoded, text);
    else if (recipe->encoding == ENCODING_HEX)
        status = hex_decode(text, &reading->decoded);
    else
        status = base64_decode(text, recipe->is_lenient, &reading->decoded);
    if (status == OK)
        reading->candidates[reading->count++] =
            (struct candidate){offset, reading->decoded.len - offset, is_public};
}

static struct slice trim(struct slice text)
{
    while (text.len > 0 && text.data[0] == ' ')
        text = slice_of(text.data + 1, text.len - 1);
    while (text.len > 0 && text.data[text.len - 1] == ' ')
        text.len--;
    return text;
}

/* "v1=0123": a signature, the time, or something to pass over. */
static bool read_item(const struct recipe *recipe, struct slice item, struct reading *reading,
                      struct err *err)
{
    if (recipe->field[0] == '\0') {
        add_candidate(recipe, item, false, reading);
        return true;
    }
    const char *mark = item.len > 0 ? memchr(item.data, recipe->field_separator, item.len) : NULL;
    if (!mark)
        return true;
    const struct slice name = slice_of(item.data, (size_t)(mark - item.data));
    const struct slice value = slice_of(mark + 1, item.len - name.len - 1);
    if (slice_is(name, recipe->field)) {
        add_candidate(recipe, value, false, reading);
    } else if (recipe->public_field[0] != '\0' && slice_is(name, recipe->public_field)) {
        add_candidate(recipe, value, true, reading);
    } else if (recipe->timestamp_field[0] != '\0' && slice_is(name, recipe->timestamp_field)) {
        if (reading->timestamp.data) {
            (void)err_set(err, E_INVALID, "%s has %s twice", reading->names->signature,
                          recipe->timestamp_field);
            return false;
        }
        reading->timestamp = value;
    }
    return true;
}

static bool read_signatures(const struct recipe *recipe, struct slice value,
                            struct reading *reading, struct err *err)
{
    const size_t prefix_len = strlen(recipe->prefix);
    const struct slice prefix = slice_of(value.data, prefix_len);
    /* The name of an authorization scheme is of any case. */
    const bool has_prefix =
        value.len >= prefix_len && (recipe->algorithm == ALGORITHM_TOKEN
                                        ? slice_equal_nocase(prefix, slice_str(recipe->prefix))
                                        : slice_is(prefix, recipe->prefix));
    if (!has_prefix) {
        (void)err_set(err, E_INVALID, "%s does not begin with \"%s\"", reading->names->signature,
                      recipe->prefix);
        return false;
    }
    struct slice rest = slice_of(value.data + prefix_len, value.len - prefix_len);
    if (recipe->item_separator == '\0') {
        add_candidate(recipe, rest, false, reading);
        return true;
    }
    while (rest.len > 0) {
        const char *end = memchr(rest.data, recipe->item_separator, rest.len);
        const size_t len = end ? (size_t)(end - rest.data) : rest.len;
        if (!read_item(recipe, trim(slice_of(rest.data, len)), reading, err))
            return false;
        rest = end ? slice_of(end + 1, rest.len - len - 1) : slice_of("", 0);
    }
    return true;
}

/* header-1, header-2, … header-100: one a key of the sender. */
static bool read_numbered(const struct recipe *recipe, struct slice head, struct reading *reading,
                          struct err *err)
{
    const char *name = recipe->names[0].signature;
    for (int i = 1; i <= RECIPE_NUMBERED_MAX; i++) {
        char numbered[RECIPE_NAME_BYTES + 16];
        struct slice value;
        (void)snprintf(numbered, sizeof numbered, "%s-%d", name, i);
        if (head_count(head, numbered) == 0)
            break;
        if (!find_one(head, numbered, &value, err) || !read_signatures(recipe, value, reading, err))
            return false;
    }
    if (reading->seen == 0)
        (void)err_set(err, E_INVALID, "header %s-1 is missing", name);
    return reading->seen > 0;
}

static bool read_time(const struct recipe *recipe, struct reading *reading, struct err *err)
{
    static const char *const unit_words[TIME_UNIT_COUNT] = {
        "a number of seconds", "a number of milliseconds", "an instant of RFC 3339"};
    const char *name =
        recipe->timestamp_field[0] != '\0' ? recipe->timestamp_field : reading->names->timestamp;
    if (!reading->timestamp.data) {
        (void)err_set(err, E_INVALID, "%s has no %s", reading->names->signature, name);
        return false;
    }
    char text[CLOCK_ISO_BYTES + 16];
    bool is_good;
    if (recipe->time_unit == TIME_ISO) {
        is_good = reading->timestamp.len < sizeof text;
        if (is_good) {
            memcpy(text, reading->timestamp.data, reading->timestamp.len);
            text[reading->timestamp.len] = '\0';
            is_good = clock_parse_iso(text, &reading->instant_ms);
        }
    } else {
        is_good = parse_digits(reading->timestamp, &reading->instant_ms) &&
                  (recipe->time_unit == TIME_MS || reading->timestamp.len <= 12);
        if (recipe->time_unit == TIME_S)
            reading->instant_ms *= 1000;
    }
    if (!is_good)
        (void)err_set(err, E_INVALID, "%s is not %s", name, unit_words[recipe->time_unit]);
    return is_good;
}

/* A dot would move the border between id and time in what is signed. */
static bool check_id(const struct recipe *recipe, const struct reading *reading, struct err *err)
{
    const bool has_border = recipe->part_count > 1 && recipe->parts[0].kind == PART_ID &&
                            recipe->parts[1].kind == PART_LITERAL;
    const bool is_clear =
        reading->id.len > 0 &&
        !(has_border && memchr(reading->id.data, recipe->parts[1].literal[0], reading->id.len));
    if (!is_clear)
        (void)err_set(err, E_INVALID, "%s is empty or has a \"%s\"", reading->names->id,
                      has_border ? recipe->parts[1].literal : "");
    return is_clear;
}

/* The token as a parameter of the URL. False: it has none. */
static bool read_query(const struct recipe *recipe, struct slice head, struct reading *reading)
{
    struct slice query;
    struct slice raw;
    if (recipe->token_query[0] == '\0' || head_count(head, reading->names->signature) > 0 ||
        !head_find(head, ":query", &query) ||
        !content_find_parameter(query, recipe->token_query, &raw))
        return false;
    const size_t offset = reading->decoded.len;
    enum status status = OK;
    for (size_t at = 0; at < raw.len && status == OK;)
        status = buf_add_byte(&reading->decoded, form_byte(raw, &at));
    reading->seen++;
    if (status == OK)
        reading->candidates[reading->count++] =
            (struct candidate){offset, reading->decoded.len - offset, false};
    return true;
}

static const struct recipe_names *names_of(const struct recipe *recipe, struct slice head)
{
    for (size_t i = 1; i < recipe->name_count; i++)
        if (head_count(head, recipe->names[i].signature) > 0 &&
            head_count(head, recipe->names[0].signature) == 0)
            return &recipe->names[i];
    return &recipe->names[0];
}

static bool read_head(const struct recipe *recipe, struct slice head, struct reading *reading,
                      struct err *err)
{
    struct slice value;
    reading->names = names_of(recipe, head);
    if (recipe->is_numbered) {
        if (!read_numbered(recipe, head, reading, err))
            return false;
    } else if (!read_query(recipe, head, reading) &&
               (!find_one(head, reading->names->signature, &value, err) ||
                !read_signatures(recipe, value, reading, err))) {
        return false;
    }
    if (reading->names->id[0] != '\0' &&
        (!find_one(head, reading->names->id, &reading->id, err) || !check_id(recipe, reading, err)))
        return false;
    if (reading->names->timestamp[0] != '\0' &&
        !find_one(head, reading->names->timestamp, &reading->timestamp, err))
        return false;
    reading->has_time = reading->names->timestamp[0] != '\0' || recipe->timestamp_field[0] != '\0';
    return !reading->has_time || read_time(recipe, reading, err);
}

/* ---- Keys against candidates ---- */

static struct slice candidate_bytes(const struct reading *reading, size_t i)
{
    return slice_of(buf_slice(&reading->decoded).data + reading->candidates[i].offset,
                    reading->candidates[i].len);
}

static bool match_token(const struct key *key, const struct reading *reading)
{
    /* Digests of both: not even the length of the secret shows. */
    unsigned char expected[DIGEST_BYTES_MAX];
    unsigned char given[DIGEST_BYTES_MAX];
    const size_t len = hash(DIGEST_SHA256, key->secret, expected);
    bool is_genuine = false;
    for (size_t i = 0; i < reading->count; i++) {
        (void)hash(DIGEST_SHA256, candidate_bytes(reading, i), given);
        is_genuine |=
            bytes_equal(slice_of((const char *)given, len), slice_of((const char *)expected, len));
    }
    return is_genuine;
}

/* One HMAC a key, however many candidates came. */
static bool match_secret(const struct recipe *recipe, const struct key *key,
                         const struct reading *reading, const struct content *content)
{
    unsigned char digest[DIGEST_BYTES_MAX];
    const size_t len = hmac(recipe->digest, key->secret, content->parts, content->count, digest);
    bool is_genuine = false;
    for (size_t i = 0; i < reading->count; i++)
        is_genuine |= !reading->candidates[i].is_public &&
                      bytes_equal(candidate_bytes(reading, i), slice_of((const char *)digest, len));
    return is_genuine;
}

static bool match_pair(const struct recipe *recipe, const struct key *key,
                       const struct reading *reading, const struct content *content,
                       unsigned *checks)
{
    bool is_genuine = false;
    for (size_t i = 0; i < reading->count; i++) {
        const bool is_public = recipe->public_field[0] == '\0' || reading->candidates[i].is_public;
        if (is_public && (*checks)++ < SIGNATURE_PUBLIC_CHECKS_MAX)
            is_genuine |= pair_verify(key->pair, key->algorithm, recipe->digest, content->parts,
                                      content->count, candidate_bytes(reading, i));
    }
    return is_genuine;
}

static bool match(const struct verifier *verifier, const struct reading *reading,
                  const struct content *content)
{
    const struct recipe *recipe = &verifier->recipe;
    unsigned checks = 0;
    bool is_genuine = false;
    for (size_t i = 0; i < verifier->keys.count; i++) {
        const struct key *key = &verifier->keys.keys[i];
        if (recipe->algorithm == ALGORITHM_TOKEN)
            is_genuine |= match_token(key, reading);
        else if (key->pair)
            is_genuine |= match_pair(recipe, key, reading, content, &checks);
        else
            is_genuine |= match_secret(recipe, key, reading, content);
    }
    return is_genuine;
}

/* The URL is signed, and in it the digest of the body. */
static bool check_body_hash(const struct recipe *recipe, const struct verify_input *input,
                            struct err *err)
{
    struct slice value;
    if (!content_find_query(input->url, recipe->body_hash_query, &value)) {
        (void)err_set(err, E_INVALID,
                      "the body is no form, and the URL has no %s that would stand for it",
                      recipe->body_hash_query);
        return false;
    }
    unsigned char digest[DIGEST_BYTES_MAX];
    struct buf given;
    buf_init(&given, SIGNATURE_BYTES_MAX);
    const size_t len = hash(DIGEST_SHA256, input->body, digest);
    const bool is_equal = hex_decode(value, &given) == OK &&
                          bytes_equal(buf_slice(&given), slice_of((const char *)digest, len));
    buf_finish(&given);
    if (!is_equal)
        (void)err_set(err, E_INVALID, "%s of the URL is not the digest of the body",
                      recipe->body_hash_query);
    return is_equal;
}

static bool judge(const struct verifier *verifier, const struct verify_input *input,
                  const struct reading *reading, struct err *err)
{
    const struct recipe *recipe = &verifier->recipe;
    const struct content_input parts = {
        .id = reading->id,
        .timestamp = reading->timestamp,
        .method = input->method,
        .url = input->url,
        .body = input->body,
        .head = input->head,
    };
    struct content content;
    const bool is_made = content_make(recipe, &parts, &content, err) == OK;
    const bool is_genuine = is_made && match(verifier, reading, &content);
    content_finish(&content);
    if (is_made && !is_genuine) {
        if (reading->seen == 0)
            (void)err_set(err, E_INVALID, "%s has no signature \"%s\"", reading->names->signature,
                          recipe->field);
        else if (reading->count == 0)
            (void)err_set(err, E_INVALID, "the signature in %s is not %s",
                          reading->names->signature, encoding_name(recipe->encoding));
        else
            (void)err_set(err, E_INVALID, "%s in %s matches",
                          recipe->algorithm == ALGORITHM_TOKEN ? "no secret" : "no signature",
                          reading->names->signature);
    }
    return is_genuine;
}

static bool check_recipe(const struct verifier *verifier, const struct verify_input *input,
                         struct err *err)
{
    const struct recipe *recipe = &verifier->recipe;
    struct reading reading;
    memset(&reading, 0, offsetof(struct reading, candidates));
    reading.count = reading.seen = 0;
    buf_init(&reading.decoded, (size_t)SIGNATURE_CANDIDATES_MAX * SIGNATURE_BYTES_MAX);
    bool is_genuine =
        read_head(recipe, input->head, &reading, err) && judge(verifier, input, &reading, err);
    if (is_genuine && recipe->body_hash_query[0] != '\0' && !content_is_form(input->head))
        is_genuine = check_body_hash(recipe, input, err);
    if (is_genuine && recipe->tolerance_s > 0)
        is_genuine = check_clock(reading.instant_ms, input->now_ms, recipe->tolerance_s,
                                 recipe->timestamp_field[0] != '\0' ? recipe->timestamp_field
                                                                    : reading.names->timestamp,
                                 err);
    buf_finish(&reading.decoded);
    return is_genuine;
}

bool verifier_check(const struct verifier *verifier, const struct verify_input *input,
                    struct err *err)
{
    switch (verifier->kind) {
    case VERIFIER_NONE:
        return true;
    case VERIFIER_RECIPE:
        return check_recipe(verifier, input, err);
    case VERIFIER_HTTP:
        return http_verify(verifier, input, err);
    }
    return false;
}
