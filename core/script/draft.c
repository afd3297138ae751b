/* SPDX-License-Identifier: MIT */
/* The registry while it is being filled, and the digest by which states are compared. */
#include "script/script_int.h"

#include <stdlib.h>

#define DIGEST_START UINT64_C(14695981039346656037) /* FNV-1a */
#define DIGEST_PRIME UINT64_C(1099511628211)

static void *grow(void *items, size_t count, size_t size)
{
    char *new = realloc(items, (count + 1) * size);
    if (new)
        memset(new + count *size, 0, size);
    return new;
}

struct source_spec *draft_add_source(struct draft *draft)
{
    struct registry *registry = draft->registry;
    struct source_spec *sources =
        grow(registry->sources, registry->source_count, sizeof *registry->sources);
    if (!sources)
        return NULL;
    registry->sources = sources;
    return &sources[registry->source_count++];
}

struct init_spec *draft_add_init(struct draft *draft)
{
    struct registry *registry = draft->registry;
    struct init_spec *inits = grow(registry->inits, registry->init_count, sizeof *registry->inits);
    if (!inits)
        return NULL;
    registry->inits = inits;
    return &inits[registry->init_count++];
}

struct transform_spec *draft_add_transform(struct draft *draft)
{
    struct registry *registry = draft->registry;
    struct transform_spec *transforms =
        grow(registry->transforms, registry->transform_count, sizeof *registry->transforms);
    if (!transforms)
        return NULL;
    registry->transforms = transforms;
    return &transforms[registry->transform_count++];
}

struct routine_spec *draft_add_routine(struct draft *draft)
{
    struct registry *registry = draft->registry;
    struct routine_spec *routines =
        grow(registry->routines, registry->routine_count, sizeof *registry->routines);
    if (!routines)
        return NULL;
    registry->routines = routines;
    return &routines[registry->routine_count++];
}

struct endpoint_spec *draft_add_endpoint(struct draft *draft)
{
    struct registry *registry = draft->registry;
    struct endpoint_spec *endpoints =
        grow(registry->endpoints, registry->endpoint_count, sizeof *registry->endpoints);
    if (!endpoints)
        return NULL;
    registry->endpoints = endpoints;
    return &endpoints[registry->endpoint_count++];
}

struct subscription_spec *draft_add_subscription(struct draft *draft)
{
    struct registry *registry = draft->registry;
    struct subscription_spec *subscriptions = grow(
        registry->subscriptions, registry->subscription_count, sizeof *registry->subscriptions);
    if (!subscriptions)
        return NULL;
    registry->subscriptions = subscriptions;
    return &subscriptions[registry->subscription_count++];
}

struct handler_name *draft_add_handler(struct draft *draft)
{
    struct handler_name *handlers =
        grow(draft->handlers, draft->handler_count, sizeof *draft->handlers);
    if (!handlers)
        return NULL;
    draft->handlers = handlers;
    return &handlers[draft->handler_count++];
}

void draft_finish(struct draft *draft)
{
    for (size_t i = 0; i < draft->handler_count; i++) {
        free(draft->handlers[i].file);
        free(draft->handlers[i].parameter);
    }
    free(draft->handlers);
    registry_unref(draft->registry);
    *draft = (struct draft){0};
}

/* ---- Digest ---- */

static void mix(uint64_t *digest, const void *data, size_t len)
{
    const unsigned char *bytes = data;
    for (size_t i = 0; i < len; i++)
        *digest = (*digest ^ bytes[i]) * DIGEST_PRIME;
}

static void mix_number(uint64_t *digest, int64_t number)
{
    mix(digest, &number, sizeof number);
}

static void mix_real(uint64_t *digest, double number)
{
    mix(digest, &number, sizeof number);
}

static void mix_text(uint64_t *digest, const char *text)
{
    mix_number(digest, text ? (int64_t)strlen(text) : -1);
    if (text)
        mix(digest, text, strlen(text));
}

static void mix_texts(uint64_t *digest, char *const *texts, size_t count)
{
    mix_number(digest, (int64_t)count);
    for (size_t i = 0; i < count; i++)
        mix_text(digest, texts[i]);
}

static void mix_keys(uint64_t *digest, const struct key_set *keys)
{
    mix_number(digest, (int64_t)keys->count);
    for (size_t i = 0; i < keys->count; i++) {
        mix_number(digest, keys->keys[i].algorithm);
        mix(digest, keys->keys[i].secret.data, keys->keys[i].secret.len);
    }
}

static void mix_recipe(uint64_t *digest, const struct recipe *recipe)
{
    mix_number(digest, recipe->algorithm);
    mix_number(digest, recipe->digest);
    mix_number(digest, recipe->encoding);
    mix_number(digest, recipe->is_lenient);
    for (size_t i = 0; i < recipe->name_count; i++) {
        mix_text(digest, recipe->names[i].signature);
        mix_text(digest, recipe->names[i].id);
        mix_text(digest, recipe->names[i].timestamp);
    }
    mix_number(digest, recipe->is_numbered);
    mix_text(digest, recipe->prefix);
    mix_number(digest, recipe->item_separator);
    mix_number(digest, recipe->field_separator);
    mix_text(digest, recipe->field);
    mix_text(digest, recipe->public_field);
    mix_text(digest, recipe->timestamp_field);
    mix_number(digest, recipe->time_unit);
    mix_number(digest, recipe->tolerance_s);
    mix_text(digest, recipe->body_hash_query);
    for (size_t i = 0; i < recipe->part_count; i++) {
        mix_number(digest, recipe->parts[i].kind);
        mix_text(digest, recipe->parts[i].literal);
    }
}

static void mix_http(uint64_t *digest, const struct http_scheme *http)
{
    for (size_t i = 0; i < http->component_count; i++)
        mix_text(digest, http->components[i]);
    mix_number(digest, http->algorithm);
    mix_number(digest, http->digest);
    mix_text(digest, http->label);
    mix_text(digest, http->key_id);
    mix_text(digest, http->tag);
    mix_number(digest, http->tolerance_s);
    mix_number(digest, http->expires_s);
    mix_number(digest, http->with_nonce);
}

static void mix_verifier(uint64_t *digest, const struct verifier *verifier)
{
    if (!verifier)
        return;
    mix_number(digest, verifier->kind);
    mix_recipe(digest, &verifier->recipe);
    mix_http(digest, &verifier->http);
    mix_keys(digest, &verifier->keys);
}

static void mix_source(uint64_t *digest, const struct source_spec *source)
{
    mix_text(digest, source->name);
    mix_text(digest, source->path);
    mix_text(digest, source->methods);
    mix_text(digest, source->public_url);
    mix_text(digest, source->type);
    mix_text(digest, source->script);
    mix_number(digest, source->challenge_function);
    mix_number(digest, source->handshake ? (int64_t)source->handshake->origin_count : -1);
    mix_number(digest, source->verify_function);
    mix_number(digest, source->respond_function);
    mix_number(digest, (int64_t)source->allowed_count);
    mix_number(digest, source->type_function);
    mix_number(digest, source->key_function);
    mix_number(digest, source->key_window_ms);
    mix_number(digest, source->retention_ms);
    mix_number(digest, (int64_t)source->body_bytes_max);
    mix_number(digest, source->seals_body);
    mix_number(digest, source->status);
    mix_texts(digest, source->hidden_headers, source->hidden_header_count);
    mix_verifier(digest, source->verifier);
}

static void mix_queue(uint64_t *digest, const struct queue_spec *queue)
{
    mix_text(digest, queue ? queue->path : NULL);
    if (!queue)
        return;
    mix_verifier(digest, queue->verifier);
    mix_number(digest, queue->wait_ms);
    mix_number(digest, queue->batch);
    mix_number(digest, queue->lease_ms);
}

static void mix_backoff(uint64_t *digest, const struct backoff *backoff)
{
    mix_number(digest, backoff->kind);
    mix_number(digest, backoff->jitter);
    mix_real(digest, backoff->factor);
    mix_number(digest, backoff->base_ms);
    mix_number(digest, backoff->max_ms);
    mix_number(digest, backoff->max_age_ms);
    mix_number(digest, backoff->attempts_max);
    mix_number(digest, backoff->step_count);
    for (uint32_t i = 0; i < backoff->step_count; i++)
        mix_number(digest, backoff->steps_ms[i]);
}

static void mix_endpoint(uint64_t *digest, const struct endpoint_spec *endpoint)
{
    mix_text(digest, endpoint->name);
    mix_queue(digest, endpoint->queue);
    mix_text(digest, endpoint->url);
    mix_text(digest, endpoint->method);
    mix_text(digest, endpoint->script);
    mix(digest, endpoint->head.data, endpoint->head.len);
    mix_number(digest, endpoint->transform_function);
    mix_number(digest, endpoint->retry_function);
    mix_number(digest, endpoint->order_function);
    mix_number(digest, endpoint->blocks_on_dead);
    mix_backoff(digest, &endpoint->retry);
    mix_number(digest, endpoint->success_function);
    mix_number(digest, endpoint->timeouts.connect_ms);
    mix_number(digest, endpoint->timeouts.first_byte_ms);
    mix_number(digest, endpoint->timeouts.whole_ms);
    mix_number(digest, endpoint->concurrency);
    mix_real(digest, endpoint->rate_per_s);
    mix_real(digest, endpoint->burst);
    mix_number(digest, endpoint->circuit.failures);
    mix_real(digest, endpoint->circuit.rate);
    mix_number(digest, endpoint->circuit.window_ms);
    mix_number(digest, endpoint->circuit.cooldown_ms);
    mix_number(digest, endpoint->slows_down);
    mix_number(digest, endpoint->disable_after_ms);
    mix_number(digest, endpoint->allow_private);
    mix_number(digest, endpoint->tells_success);
    mix_text(digest, endpoint->proxy);
    if (endpoint->oauth) {
        mix_text(digest, endpoint->oauth->token_url);
        mix(digest, endpoint->oauth->head.data, endpoint->oauth->head.len);
        mix(digest, endpoint->oauth->body.data, endpoint->oauth->body.len);
    }
    mix_text(digest, endpoint->tls ? endpoint->tls->authorities : NULL);
    mix_text(digest, endpoint->tls ? endpoint->tls->certificate : NULL);
    mix_text(digest, endpoint->tls ? endpoint->tls->key : NULL);
    mix_number(digest, endpoint->is_compressed);
    mix_number(digest, endpoint->cloudevents);
    mix_text(digest, endpoint->cloudevents_source);
    const struct signer *signer = endpoint->signer;
    if (!signer)
        return;
    mix_number(digest, signer->kind);
    mix_recipe(digest, &signer->recipe);
    if (signer->http)
        mix_http(digest, signer->http);
    mix_keys(digest, &signer->keys);
}

static void mix_subscription(uint64_t *digest, const struct subscription_spec *subscription)
{
    mix_text(digest, subscription->name);
    mix_texts(digest, subscription->patterns, subscription->pattern_count);
    mix_text(digest, subscription->source);
    mix_text(digest, subscription->script);
    mix_number(digest, subscription->filter_function);
    mix_number(digest, subscription->order_function);
    mix_number(digest, subscription->batch_function);
    mix_number(digest, subscription->batch.count_max);
    mix_number(digest, subscription->batch.wait_ms);
    mix_number(digest, subscription->batch.quiet_ms);
    mix_number(digest, subscription->batch.keeps_last);
    mix_number(digest, subscription->handler_function);
    mix_number(digest, subscription->deadline_ms);
    mix_number(digest, subscription->concurrency);
}

/* Mixes the i-th registration of a kind; its place, NULL past the last. */
typedef const char *(*mix_at)(uint64_t *digest, const struct registry *registry, size_t i);

static const char *mix_source_at(uint64_t *digest, const struct registry *registry, size_t i)
{
    if (i == registry->source_count)
        return NULL;
    mix_source(digest, &registry->sources[i]);
    return registry->sources[i].script;
}

static const char *mix_endpoint_at(uint64_t *digest, const struct registry *registry, size_t i)
{
    if (i == registry->endpoint_count)
        return NULL;
    mix_endpoint(digest, &registry->endpoints[i]);
    return registry->endpoints[i].script;
}

static const char *mix_subscription_at(uint64_t *digest, const struct registry *registry, size_t i)
{
    if (i == registry->subscription_count)
        return NULL;
    mix_subscription(digest, &registry->subscriptions[i]);
    return registry->subscriptions[i].script;
}

static const char *mix_init_at(uint64_t *digest, const struct registry *registry, size_t i)
{
    if (i == registry->init_count)
        return NULL;
    mix_text(digest, registry->inits[i].script);
    mix_number(digest, registry->inits[i].function);
    return registry->inits[i].script;
}

static const char *mix_transform_at(uint64_t *digest, const struct registry *registry, size_t i)
{
    if (i == registry->transform_count)
        return NULL;
    mix_text(digest, registry->transforms[i].name);
    mix_text(digest, registry->transforms[i].script);
    mix_number(digest, registry->transforms[i].function);
    return registry->transforms[i].script;
}

static const char *mix_routine_at(uint64_t *digest, const struct registry *registry, size_t i)
{
    if (i == registry->routine_count)
        return NULL;
    const struct routine_spec *routine = &registry->routines[i];
    mix_number(digest, routine->kind);
    mix_text(digest, routine->name);
    mix_text(digest, routine->rule);
    mix_text(digest, routine->script);
    mix_number(digest, routine->missed);
    mix_number(digest, routine->interval.min_ms);
    mix_number(digest, routine->interval.max_ms);
    mix_real(digest, routine->interval.shrink);
    mix_real(digest, routine->interval.grow);
    mix_real(digest, routine->interval.jitter);
    mix_number(digest, routine->is_long);
    mix_backoff(digest, &routine->on_error);
    mix_text(digest, routine->url);
    mix(digest, routine->head.data, routine->head.len);
    mix_number(digest, routine->allow_private);
    mix_number(digest, routine->silence_ms);
    mix_number(digest, routine->function);
    return routine->script;
}

static const mix_at kinds[] = {mix_source_at,  mix_endpoint_at, mix_subscription_at,
                               mix_routine_at, mix_init_at,     mix_transform_at};
#define KIND_COUNT (sizeof kinds / sizeof kinds[0])

uint64_t registry_digest(const struct registry *registry)
{
    uint64_t digest = DIGEST_START;
    for (size_t kind = 0; kind < KIND_COUNT; kind++)
        for (size_t i = 0; kinds[kind](&digest, registry, i); i++)
            continue;
    return digest;
}

const char *registry_difference(const struct registry *registry, const struct registry *other)
{
    for (size_t kind = 0; kind < KIND_COUNT; kind++)
        for (size_t i = 0;; i++) {
            uint64_t digest = DIGEST_START;
            uint64_t other_digest = DIGEST_START;
            const char *place = kinds[kind](&digest, registry, i);
            const char *other_place = kinds[kind](&other_digest, other, i);
            if (digest != other_digest)
                return place ? place : other_place;
            if (!place || !other_place)
                break;
        }
    return NULL;
}
