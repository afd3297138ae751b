/* SPDX-License-Identifier: MIT */
/* The endpoint that an application registered over the API, made of its row: its fields, which the
 * API has judged, its keys and its headers. */
#include "send/send.h"

#include "base/json.h"
#include "base/log.h"
#include "base/memory.h"
#include "model/ownership.h"
#include "signature/signature.h"

#include <stdlib.h>

static void destroy_signer(struct signer *signer)
{
    signer_unref(signer);
}

/* ---- Fields ---------------------------------------------------------------------------------- */

/* Owned; NULL: it has none, or an empty one. */
static char *copy_text(const char *fields, const char *name)
{
    struct slice value;
    struct buf text;
    if (!json_find(slice_str(fields), name, &value) || json_kind_of(value) != JSON_STRING ||
        value.len <= 2)
        return NULL;
    buf_init(&text, value.len + 1);
    check(json_add_text(value, &text) == OK);
    char *copy = must_copy(text.data, text.len);
    buf_finish(&text);
    return copy;
}

/* Owned, with its texts; NULL: none. */
static char **copy_list(const char *fields, const char *name, size_t *count)
{
    struct slice list;
    struct slice item;
    *count = 0;
    if (!json_find(slice_str(fields), name, &list) || json_kind_of(list) != JSON_ARRAY)
        return NULL;
    for (size_t offset = 0; json_next_item(list, &offset, &item);)
        ++*count;
    char **texts = must_alloc((*count + 1) * sizeof *texts);
    size_t at = 0;
    /* Names have no escapes. */
    for (size_t offset = 0; json_next_item(list, &offset, &item);)
        texts[at++] = must_copy(item.data + 1, item.len - 2);
    return texts;
}

double registered_rate(const char *fields)
{
    struct slice value;
    if (!json_find(slice_str(fields), "throttleRate", &value) || json_kind_of(value) != JSON_NUMBER)
        return 0;
    return strtod(value.data, NULL);
}

static bool read_flag(const char *fields, const char *name)
{
    struct slice value;
    return json_find(slice_str(fields), name, &value) && slice_is(value, "true");
}

/* Owned; NULL: there is none. */
static char *copy_grant(const struct resource *row)
{
    for (size_t i = 0; i < row->secret_count; i++)
        if (row->secrets[i].kind == SECRET_GRANT && row->secrets[i].expires_ms == 0)
            return must_copy(row->secrets[i].text, row->secrets[i].len);
    return NULL;
}

static struct membership *make_membership(const struct resource *row, struct throttle *throttle)
{
    struct membership *membership = must_alloc(sizeof *membership);
    struct slice metadata;
    const struct ownership ownership = ownership_read(row->body);
    *membership = (struct membership){
        .application = row->owner,
        .throttle = throttle,
        .version = row->version,
        .is_disabled = read_flag(row->body, "disabled"),
        .is_unverified =
            ownership.verification && strcmp(ownership.verification, OWNERSHIP_VERIFIED) != 0,
        .origin = ownership.origin,
        .grant = copy_grant(row),
        .granted_per_min = ownership.rate_per_min,
        .changed_ms = row->updated_ms,
    };
    if (row->uid)
        membership->uid = must_copy(row->uid, strlen(row->uid));
    membership->types = copy_list(row->body, "eventTypes", &membership->type_count);
    membership->channels = copy_list(row->body, "channels", &membership->channel_count);
    if (json_find(slice_str(row->body), "metadata", &metadata))
        membership->metadata = must_copy(metadata.data, metadata.len);
    if (membership->metadata)
        membership->transform = copy_text(membership->metadata, "transform");
    return membership;
}

/* ---- Secrets --------------------------------------------------------------------------------- */

/* All that are good, the newest first: each signs. */
static struct signer *make_signer(const struct resource *row)
{
    struct signer *signer = signer_create(SIGNER_RECIPE);
    check(signer != NULL);
    recipe_standard(&signer->recipe);
    for (size_t i = 0; i < row->secret_count; i++) {
        const struct secret *secret = &row->secrets[i];
        struct key_set *keys = &signer->keys;
        if (secret->kind != SECRET_KEY || keys->count == SIGNATURE_KEYS_MAX)
            continue;
        if (key_set_add_text(keys, KEY_STANDARD, slice_of(secret->text, secret->len), true) == OK)
            keys->keys[keys->count - 1].until_s = secret->expires_ms / 1000;
        else
            log_error("a key of an endpoint is not to be used", "endpoint=%llu version=%u",
                      (unsigned long long)row->id, (unsigned)secret->version);
    }
    if (signer->keys.count > 0)
        return signer;
    signer_unref(signer);
    return NULL;
}

/* Without value: the name alone. */
static void add_header(struct slice name, struct slice value, struct buf *head)
{
    struct buf name_text;
    struct buf value_text;
    buf_init(&name_text, name.len + 1);
    buf_init(&value_text, value.len + 1);
    check(json_add_text(name, &name_text) == OK &&
          (value.len == 0 || json_add_text(value, &value_text) == OK));
    check(head_add(head, buf_slice(&name_text), buf_slice(&value_text)) == OK);
    buf_finish(&name_text);
    buf_finish(&value_text);
}

/* What each delivery has after a handshake: the origin that was agreed to, and what keeps a token
 * in the URL out of caches (sections 4.1.2 and 3.2 of the specification). */
static void add_handshaken(const struct resource *row, const struct membership *membership,
                           struct buf *head)
{
    struct slice url;
    check(head_add(head, slice_str("WebHook-Request-Origin"), slice_str(membership->origin)) == OK);
    if (json_find(slice_str(row->body), "url", &url) &&
        (memmem(url.data, url.len, "?access_token=", 14) ||
         memmem(url.data, url.len, "&access_token=", 14)))
        check(head_add(head, slice_str("Cache-Control"), slice_str("no-store")) == OK);
}

/* A packed head, or one of its names alone; owned. */
static struct slice make_head(const struct resource *row, const struct membership *membership,
                              bool with_values)
{
    struct buf head;
    struct slice name;
    struct slice value;
    struct slice packed = {NULL, 0};
    buf_init_secret(&head, 2 * LIMIT_SECRET_BYTES);
    for (size_t i = 0; i < row->secret_count; i++)
        if (row->secrets[i].kind == SECRET_HEADERS && row->secrets[i].expires_ms == 0)
            for (size_t offset = 0;
                 json_next_member(slice_str(row->secrets[i].text), &offset, &name, &value);)
                add_header(name, with_values ? value : slice_of("", 0), &head);
    if (membership->origin && with_values)
        add_handshaken(row, membership, &head);
    packed.data = buf_take(&head, &packed.len);
    return packed;
}

/* Its own, and not more than its receiver granted; 0: no limit. */
static double rate_of(const struct resource *row, const struct membership *membership)
{
    const double own = registered_rate(row->body);
    const double granted = membership->granted_per_min / 60.0;
    return granted > 0 && (own <= 0 || granted < own) ? granted : own;
}

/* ---- All of it ------------------------------------------------------------------------------- */

struct registry *registered_make(const struct resource *row, struct gate *gate,
                                 struct throttle *throttle)
{
    char name[ID_TEXT_BYTES];
    struct registry *one = registry_create(0);
    check(one != NULL);
    one->signer_destroy = destroy_signer;
    one->endpoints = must_alloc(sizeof *one->endpoints);
    one->endpoint_count = 1;
    id_format(ID_ENDPOINT, row->id, name);
    struct membership *membership = make_membership(row, throttle);
    const double rate_per_s = rate_of(row, membership);
    one->endpoints[0] = (struct endpoint_spec){
        .name = must_copy(name, strlen(name)),
        .membership = membership,
        .id = row->id,
        .gate = gate ? gate_ref(gate) : NULL,
        .url = copy_text(row->body, "url"),
        .method = must_copy("POST", 4),
        .head = make_head(row, membership, true),
        .secret_names = make_head(row, membership, false),
        .signer = make_signer(row),
        .retry = backoff_default,
        .timeouts = timeouts_of(ENDPOINT_TIMEOUT_MS),
        .concurrency = ENDPOINT_CONCURRENCY,
        .rate_per_s = rate_per_s,
        .burst = rate_per_s > 1 ? rate_per_s : 1,
        .circuit = {.failures = ENDPOINT_BREAKER_FAILURES,
                    .rate = ENDPOINT_BREAKER_RATE,
                    .window_ms = ENDPOINT_BREAKER_WINDOW_MS,
                    .cooldown_ms = ENDPOINT_BREAKER_COOLDOWN_MS},
        .slows_down = true,
        .disable_after_ms = ENDPOINT_DISABLE_AFTER_MS,
    };
    return one;
}
