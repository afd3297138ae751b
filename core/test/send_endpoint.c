/* SPDX-License-Identifier: MIT */
/* Endpoints of the rig, as the tables of a spec say them. */
#include "send_rig_int.h"

#include "signature/signature.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define HEAD_BYTES_MAX (1u << 20)

/* sign = a Standard Webhooks secret */
static struct signer *get_signer(lua_State *L, int index)
{
    char *secret = get_copy(L, index, "sign", NULL);
    if (!secret)
        return NULL;
    struct signer *signer = signer_create(SIGNER_RECIPE);
    check(signer != NULL);
    recipe_standard(&signer->recipe);
    check(key_set_add_text(&signer->keys, KEY_STANDARD, slice_str(secret), true) == OK);
    free(secret);
    return signer;
}

/* timeout_ms = of the whole; connect_ms and first_byte_ms beside it. */
static struct timeouts get_timeouts(lua_State *L, int index)
{
    struct timeouts timeouts = timeouts_of(get_integer(L, index, "timeout_ms", 5000));
    timeouts.first_byte_ms = get_integer(L, index, "first_byte_ms", timeouts.first_byte_ms);
    timeouts.connect_ms = get_integer(L, index, "connect_ms", timeouts.connect_ms);
    return timeouts;
}

/* failures = 0: never; failure_rate =, window_ms =, cooldown_ms = */
static struct circuit_spec get_circuit(lua_State *L, int index)
{
    return (struct circuit_spec){
        .failures = (uint32_t)get_integer(L, index, "failures", 0),
        .rate = get_number(L, index, "failure_rate", 0.5),
        .window_ms = get_integer(L, index, "window_ms", 10000),
        .cooldown_ms = get_integer(L, index, "cooldown_ms", 100),
    };
}

/* ca, cert, key: PEM */
static struct tls_spec *get_tls(lua_State *L, int index)
{
    const struct tls_spec tls = {
        .authorities = get_copy(L, index, "ca", NULL),
        .certificate = get_copy(L, index, "cert", NULL),
        .key = get_copy(L, index, "key", NULL),
    };
    if (!tls.authorities && !tls.certificate)
        return NULL;
    struct tls_spec *copy = must_alloc(sizeof *copy);
    *copy = tls;
    return copy;
}

/* token_url; client: a header Authorization */
static struct oauth_spec *get_oauth(lua_State *L, int index)
{
    char *url = get_copy(L, index, "token_url", NULL);
    if (!url)
        return NULL;
    struct oauth_spec *oauth = must_alloc(sizeof *oauth);
    struct buf head;
    char *client = get_copy(L, index, "client", "Basic YTpi");
    *oauth = (struct oauth_spec){
        .token_url = url,
        .body = slice_str(must_copy("grant_type=client_credentials", 29)),
    };
    buf_init(&head, HEAD_BYTES_MAX);
    check(head_add(&head, slice_str("authorization"), slice_str(client)) == OK);
    oauth->head.data = buf_take(&head, &oauth->head.len);
    free(client);
    return oauth;
}

void read_endpoint(lua_State *L, int index, struct endpoint_spec *spec)
{
    struct buf head;
    buf_init(&head, HEAD_BYTES_MAX);
    get_head(L, index, "headers", &head);
    size_t len;
    *spec = (struct endpoint_spec){
        .name = get_copy(L, index, "name", "endpoint"),
        .id = (uint64_t)get_integer(L, index, "id", 1),
        .url = get_copy(L, index, "url", NULL),
        .method = get_copy(L, index, "method", "POST"),
        .signer = get_signer(L, index),
        .transform_function = get_boolean(L, index, "transform"),
        .success_function = get_boolean(L, index, "success"),
        .retry_function = get_boolean(L, index, "retry_function"),
        .blocks_on_dead = get_boolean(L, index, "blocks_on_dead"),
        .timeouts = get_timeouts(L, index),
        .concurrency = (uint32_t)get_integer(L, index, "concurrency", 8),
        .rate_per_s = get_number(L, index, "rate", 0),
        .burst = get_number(L, index, "burst", fmax(get_number(L, index, "rate", 1), 1)),
        .circuit = get_circuit(L, index),
        .disable_after_ms = get_integer(L, index, "disable_after_ms", 0),
        .slows_down = get_boolean(L, index, "slow_down"),
        .allow_private = !get_boolean(L, index, "public_only"),
        .is_compressed = get_boolean(L, index, "compress"),
        .cloudevents = (enum cloudevents_mode)get_integer(L, index, "cloudevents", 0),
        .cloudevents_source = get_copy(L, index, "source", NULL),
        .oauth = get_oauth(L, index),
        .tls = get_tls(L, index),
        .proxy = get_copy(L, index, "proxy", NULL),
        .script = strdup("spec.lua:1"),
        .retry = {.kind = BACKOFF_CONSTANT,
                  .base_ms = get_integer(L, index, "retry_ms", 10),
                  .attempts_max = (uint32_t)get_integer(L, index, "attempts", 3)},
    };
    spec->head = slice_of(NULL, 0);
    const char *bytes = buf_take(&head, &len);
    if (bytes)
        spec->head = slice_of(bytes, len);
}
