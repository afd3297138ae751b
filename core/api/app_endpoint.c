/* SPDX-License-Identifier: MIT */
/* /api/v1/app/{app}/endpoint: the endpoints of an application, which its owner registers. Each is
 * sent to as any endpoint is; what its fields mean is said by send/registered.c. */
#include "api/app_endpoint_int.h"
#include "api/token_int.h"

#include "base/clock.h"

#include <stdlib.h>

#define KEY_PREFIX "whsec_"
#define PRIVATE_PREFIX "whsk_"
#define KEY_BYTES 24
#define KEY_TEXT_MIN 32
#define KEY_TEXT_MAX 100

static const struct field_form rows[] = {
    {.name = "uid",
     .type = FIELD_NAME,
     .min = 1,
     .patch_min = 1,
     .max = LIMIT_UID_BYTES,
     .is_nullable = true},
    {.name = "url",
     .type = FIELD_TEXT,
     .min = 1,
     .patch_min = 1,
     .max = LIMIT_URL_BYTES,
     .is_required = true},
    {.name = "description", .type = FIELD_TEXT, .absent = "\"\""},
    {.name = "disabled", .type = FIELD_FLAG, .absent = "false"},
    {.name = "eventTypes",
     .alias = "filterTypes",
     .type = FIELD_NAMES,
     .min = 1,
     .patch_min = 1,
     .max = LIMIT_UID_BYTES,
     .items_min = 1,
     .is_nullable = true},
    {.name = "channels",
     .type = FIELD_NAMES,
     .min = 1,
     .patch_min = 1,
     .max = LIMIT_CHANNEL_BYTES,
     .items_min = 1,
     .items_max = LIMIT_ENDPOINT_CHANNELS,
     .is_nullable = true},
    {.name = "throttleRate",
     .alias = "rateLimit",
     .type = FIELD_INTEGER,
     .min = 1,
     .max = UINT16_MAX,
     .is_nullable = true},
    {.name = "metadata", .type = FIELD_TEXTS, .absent = "{}"},
    {.name = "version",
     .type = FIELD_INTEGER,
     .min = 1,
     .patch_min = 1,
     .max = UINT16_MAX,
     .absent = "1"},
    {.name = OWNERSHIP_VERIFICATION, .type = FIELD_TEXT, .is_only_shown = true},
    {.name = OWNERSHIP_ORIGIN, .type = FIELD_TEXT, .is_only_shown = true},
    {.name = OWNERSHIP_RATE, .type = FIELD_INTEGER, .is_only_shown = true},
    {.name = "secret", .type = FIELD_SECRET, .is_apart = true},
    {.name = "headers", .type = FIELD_TEXTS, .is_apart = true},
};
const struct field_forms app_endpoint_fields = {rows, array_count(rows)};

/* ---- Secrets --------------------------------------------------------------------------------- */

static bool is_key_text(struct slice text)
{
    static const char letters[] =
        "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789+/=";
    if (text.len < KEY_TEXT_MIN || text.len > KEY_TEXT_MAX)
        return false;
    for (size_t i = 0; i < text.len; i++)
        if (!memchr(letters, text.data[i], sizeof letters - 1))
            return false;
    return true;
}

static bool begins_with(struct slice text, const char *prefix)
{
    const size_t len = strlen(prefix);
    return text.len >= len && memcmp(text.data, prefix, len) == 0;
}

/* Of that many signs behind its prefix, and one that signs. */
static bool is_key(struct slice text)
{
    struct key_set keys = {0};
    const char *prefix = begins_with(text, PRIVATE_PREFIX) ? PRIVATE_PREFIX : KEY_PREFIX;
    const size_t len = strlen(prefix);
    const bool is_key = is_key_text(slice_of(text.data + len, text.len - len)) &&
                        key_set_add_text(&keys, KEY_STANDARD, text, true) == OK;
    key_set_finish(&keys);
    return is_key;
}

/* Fills key with what a member of the body says, with its prefix. False: complained of. */
static bool read_key(struct slice value, const char *name, struct buf *key,
                     struct complaints *complaints)
{
    struct buf text;
    buf_init(&text, LIMIT_API_BODY_BYTES);
    bool is_good = json_kind_of(value) == JSON_STRING && json_add_text(value, &text) == OK;
    const struct slice given = buf_slice(&text);
    const bool is_bare = !begins_with(given, KEY_PREFIX) && !begins_with(given, PRIVATE_PREFIX);
    is_good = is_good && (!is_bare || buf_add_str(key, KEY_PREFIX) == OK) &&
              buf_add_slice(key, given) == OK && is_key(buf_slice(key));
    if (!is_good)
        complain(complaints, "body", slice_str(name),
                 "whsec_ and base64 of 24 to 75 bytes is wanted, or whsk_ and base64 of an Ed25519 "
                 "key");
    buf_finish(&text);
    return is_good;
}

static void make_key(struct buf *key)
{
    char bytes[KEY_BYTES];
    random_bytes(bytes, sizeof bytes);
    check(buf_add_str(key, KEY_PREFIX) == OK &&
          base64_encode(slice_of(bytes, sizeof bytes), key) == OK);
    explicit_bzero(bytes, sizeof bytes);
}

static void make_grant(struct buf *grant)
{
    char bytes[(OWNERSHIP_TOKEN_BYTES - 1) / 2];
    random_bytes(bytes, sizeof bytes);
    check(hex_encode(slice_of(bytes, sizeof bytes), grant) == OK);
    explicit_bzero(bytes, sizeof bytes);
}

/* ---- What is stored beside the fields -------------------------------------------------------- */

static void forget(struct registered_call *it)
{
    for (size_t i = 0; it->types && i < it->stored.type_count; i++)
        free(it->types[i]);
    free(it->types);
    free(it->url);
    ownership_finish(&it->ownership);
    buf_clear(&it->grant);
    it->types = NULL;
    it->url = NULL;
    it->stored = (struct store_registered){0};
}

void registered_call_destroy(struct registered_call *it)
{
    if (!it)
        return;
    forget(it);
    buf_finish(&it->key);
    buf_finish(&it->grant);
    buf_finish(&it->headers);
    free(it);
}

struct registered_call *registered_call_of(struct call *call)
{
    if (!call->resource.registered) {
        call->resource.registered = must_alloc(sizeof *call->resource.registered);
        buf_init_secret(&call->resource.registered->key, LIMIT_API_BODY_BYTES);
        buf_init_secret(&call->resource.registered->grant, OWNERSHIP_TOKEN_BYTES);
        buf_init_secret(&call->resource.registered->headers, LIMIT_SECRET_BYTES);
    }
    return call->resource.registered;
}

static void take_types(struct registered_call *it, const char *fields)
{
    struct slice list;
    struct slice item;
    if (!json_find(slice_str(fields), "eventTypes", &list))
        return;
    it->types = must_alloc((LIMIT_API_NAMES + 1) * sizeof *it->types);
    /* Judged: names without escapes. */
    for (size_t offset = 0; json_next_item(list, &offset, &item);)
        it->types[it->stored.type_count++] = must_copy(item.data + 1, item.len - 2);
    it->stored.types = (const char *const *)it->types;
}

void endpoint_take_key(struct call *call, const char *field, struct complaints *complaints)
{
    struct registered_call *it = registered_call_of(call);
    const struct slice body = http_body(call->request);
    struct slice value;
    if (it->key.len > 0)
        return; /* in a try before */
    if (body.len > 0 && call->resource.verb != RESOURCE_REPLACE && json_find(body, field, &value) &&
        json_kind_of(value) != JSON_NULL)
        (void)read_key(value, field, &it->key, complaints);
    else
        make_key(&it->key);
}

static bool is_same(const char *fields, const char *old, const char *name)
{
    struct slice value;
    struct slice before;
    return json_find(slice_str(fields), name, &value) && json_find(slice_str(old), name, &before) &&
           slice_equal(value, before);
}

/* One that is new or has another URL has to prove itself if its application says so; any other is
 * as it was, unless its application says no more so. */
static struct ownership own(const struct call *call, const char *fields, const char *old)
{
    struct ownership wanted = {0};
    if (call->application_fields)
        wanted = ownership_wanted(call->application_fields);
    if (!wanted.verification || !is_same(fields, old, "url"))
        return wanted;
    ownership_finish(&wanted);
    return ownership_read(old);
}

static void judge(struct call *call, const char *fields, const char *old,
                  struct complaints *complaints)
{
    struct registered_call *it = registered_call_of(call);
    const struct api_hooks *hooks = &call->api->hooks;
    struct buf url;
    struct err err;
    const bool is_elsewhere = !is_same(fields, old, "url");
    forget(it);
    it->ownership = own(call, fields, old);
    buf_init(&url, LIMIT_API_BODY_BYTES);
    check(fields_text(fields, "url", &url) == OK);
    if (strlen(url.data) != url.len)
        complain(complaints, "body", slice_str("url"), "a zero byte cannot be part of it");
    else if (is_elsewhere &&
             hooks->check_url(url.data, it->ownership.origin != NULL, &err, hooks->ctx) != OK)
        complain(complaints, "body", slice_str("url"), err.text);
    it->url = buf_take(&url, NULL);
    it->stored.url = it->url;
    it->stored.is_disabled = fields_flag(fields, "disabled");
    if (it->ownership.origin && is_elsewhere)
        make_grant(&it->grant);
    if (!is_same(fields, old, "eventTypes")) {
        take_types(it, fields);
        token_narrow_types(call, &it->stored);
    }
    if (call->resource.is_new)
        endpoint_take_key(call, "secret", complaints);
    if (call->resource.is_new)
        endpoint_take_headers(call, complaints);
}

/* What the store will have: the others, and this one before them. */
void registered_call_put_secret(struct call *call, enum secret_kind kind, struct slice text,
                                int64_t keep_ms)
{
    struct registered_call *it = registered_call_of(call);
    struct resource *row = &call->resource.row;
    struct secret *old = row->secrets;
    const size_t old_count = row->secret_count;
    check(it->write_count < array_count(it->writes));
    it->writes[it->write_count++] =
        (struct secret_write){.kind = kind, .text = text, .keep_ms = keep_ms};
    row->secrets = must_alloc((old_count + 1) * sizeof *row->secrets);
    row->secret_count = 1;
    row->secrets[0] =
        (struct secret){.kind = kind, .text = must_copy(text.data, text.len), .len = text.len};
    for (size_t i = 0; i < old_count; i++) {
        const bool is_ended = old[i].kind == kind && old[i].expires_ms == 0;
        if (is_ended && keep_ms == 0)
            continue;
        struct secret *kept = &row->secrets[row->secret_count++];
        *kept = old[i];
        old[i].text = NULL;
        if (is_ended)
            kept->expires_ms = clock_due_ms() + keep_ms;
    }
    secrets_free(old, old_count);
}

static void complete(struct call *call, struct store_resource *put)
{
    struct registered_call *it = registered_call_of(call);
    put->endpoint = &it->stored;
    put->owned_max = call->api->endpoints_max;
    struct resource *row = &call->resource.row;
    if (call->resource.verb != RESOURCE_TOUCH) {
        char *body = ownership_mark(row->body, &it->ownership);
        free(row->body);
        row->body = body;
        it->write_count = 0;
    } else {
        it->stored.is_disabled = fields_flag(row->body, "disabled");
    }
    if (it->grant.len > 0)
        registered_call_put_secret(call, SECRET_GRANT, buf_slice(&it->grant), 0);
    if (put->is_new)
        registered_call_put_secret(call, SECRET_KEY, buf_slice(&it->key), 0);
    if (put->is_new && it->headers.len > 0)
        registered_call_put_secret(call, SECRET_HEADERS, buf_slice(&it->headers), 0);
    put->secrets = it->writes;
    put->secret_count = it->write_count;
}

/* ---- The form ----------------------------------------------------------------------------------
 */

const struct resource_form app_endpoint_form = {
    .kind = RESOURCE_ENDPOINT,
    .noun = "endpoint",
    .fields = {rows, array_count(rows)},
    .uid_field = "uid",
    .id_kind = ID_ENDPOINT,
    .is_newest_first = true,
    .has_secrets = true,
    .judge = judge,
    .complete = complete,
    .is_sent_to = true,
};
