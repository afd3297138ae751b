/* SPDX-License-Identifier: MIT */
#include "model/registry.h"

#include "base/limits.h"
#include "base/memory.h"
#include "model/event.h"

#include <stdlib.h>

struct registry *registry_create(uint64_t generation)
{
    struct registry *registry = calloc(1, sizeof *registry);
    if (!registry)
        return NULL;
    atomic_init(&registry->references, 1);
    registry->generation = generation;
    return registry;
}

struct registry *registry_ref(struct registry *registry)
{
    atomic_fetch_add_explicit(&registry->references, 1, memory_order_relaxed);
    return registry;
}

static void free_list(char **list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        free(list[i]);
    free(list);
}

static void finish_handshake(struct handshake_spec *handshake)
{
    if (handshake)
        free_list(handshake->origins, handshake->origin_count);
    free(handshake);
}

static void finish_source(struct registry *registry, struct source_spec *source)
{
    if (source->verifier)
        registry->verifier_destroy(source->verifier);
    finish_handshake(source->handshake);
    free(source->name);
    free(source->path);
    free(source->public_url);
    free(source->methods);
    free(source->allowed);
    free(source->type);
    free(source->script);
    free_list(source->hidden_headers, source->hidden_header_count);
}

static void destroy_tls(struct tls_spec *tls)
{
    if (!tls)
        return;
    free(tls->authorities);
    free(tls->certificate);
    memory_free_secret_text(tls->key);
    free(tls);
}

static void free_bytes(struct slice bytes)
{
    memory_free_secret((char *)(uintptr_t)bytes.data, bytes.len);
}

static void destroy_oauth(struct oauth_spec *oauth)
{
    if (!oauth)
        return;
    free(oauth->token_url);
    free_bytes(oauth->head);
    free_bytes(oauth->body);
    free(oauth);
}

static void destroy_queue(struct registry *registry, struct queue_spec *queue)
{
    if (!queue)
        return;
    if (queue->verifier)
        registry->verifier_destroy(queue->verifier);
    free(queue->path);
    free(queue);
}

static void destroy_membership(struct membership *membership)
{
    if (!membership)
        return;
    free(membership->uid);
    free_list(membership->types, membership->type_count);
    free_list(membership->channels, membership->channel_count);
    free(membership->metadata);
    free(membership->origin);
    if (membership->grant)
        explicit_bzero(membership->grant, strlen(membership->grant));
    free(membership->grant);
    free(membership->transform);
    free(membership);
}

static void finish_endpoint(struct registry *registry, struct endpoint_spec *endpoint)
{
    if (endpoint->membership)
        gate_unref(endpoint->gate);
    destroy_membership(endpoint->membership);
    destroy_queue(registry, endpoint->queue);
    if (endpoint->signer)
        registry->signer_destroy(endpoint->signer);
    free(endpoint->name);
    free(endpoint->url);
    free(endpoint->method);
    free(endpoint->cloudevents_source);
    destroy_tls(endpoint->tls);
    destroy_oauth(endpoint->oauth);
    memory_free_secret_text(endpoint->proxy);
    free_bytes(endpoint->head);
    free((void *)(uintptr_t)endpoint->secret_names.data);
    free(endpoint->script);
}

static void finish_subscription(struct subscription_spec *subscription)
{
    free(subscription->name);
    free(subscription->source);
    free(subscription->script);
    free_list(subscription->patterns, subscription->pattern_count);
}

void registry_unref(struct registry *registry)
{
    if (!registry || atomic_fetch_sub_explicit(&registry->references, 1, memory_order_acq_rel) != 1)
        return;
    for (size_t i = 0; i < registry->source_count; i++)
        finish_source(registry, &registry->sources[i]);
    for (size_t i = 0; i < registry->endpoint_count; i++)
        finish_endpoint(registry, &registry->endpoints[i]);
    for (size_t i = 0; i < registry->subscription_count; i++)
        finish_subscription(&registry->subscriptions[i]);
    for (size_t i = 0; i < registry->routine_count; i++)
        routine_spec_finish(&registry->routines[i]);
    for (size_t i = 0; i < registry->init_count; i++)
        free(registry->inits[i].script);
    for (size_t i = 0; i < registry->transform_count; i++) {
        free(registry->transforms[i].name);
        free(registry->transforms[i].script);
    }
    free(registry->transforms);
    free(registry->routines);
    map_finish(&registry->routine_places);
    free(registry->inits);
    free(registry->sources);
    free(registry->endpoints);
    free(registry->subscriptions);
    free(registry);
}

const struct source_spec *registry_source_by_path(const struct registry *registry,
                                                  struct slice path)
{
    for (size_t i = 0; i < registry->source_count; i++)
        if (slice_is(path, registry->sources[i].path))
            return &registry->sources[i];
    return NULL;
}

const struct endpoint_spec *registry_queue_by_path(const struct registry *registry,
                                                   struct slice path, struct slice *rest)
{
    for (size_t i = 0; i < registry->endpoint_count; i++) {
        const struct queue_spec *queue = registry->endpoints[i].queue;
        const size_t len = queue && queue->path ? strlen(queue->path) : 0;
        if (len == 0 || path.len < len || memcmp(path.data, queue->path, len) != 0)
            continue;
        *rest = slice_of(path.data + len, path.len - len);
        if (rest->len == 0 || rest->data[0] == '/')
            return &registry->endpoints[i];
    }
    return NULL;
}

const struct source_spec *registry_source(const struct registry *registry, struct slice name)
{
    for (size_t i = 0; i < registry->source_count; i++)
        if (slice_is(name, registry->sources[i].name))
            return &registry->sources[i];
    return NULL;
}

const struct endpoint_spec *registry_endpoint(const struct registry *registry, struct slice name)
{
    for (size_t i = 0; i < registry->endpoint_count; i++)
        if (slice_is(name, registry->endpoints[i].name))
            return &registry->endpoints[i];
    return NULL;
}

const struct endpoint_spec *registry_endpoint_by_id(const struct registry *registry, uint64_t id)
{
    for (size_t i = 0; i < registry->endpoint_count; i++)
        if (registry->endpoints[i].id == id)
            return &registry->endpoints[i];
    return NULL;
}

const struct subscription_spec *registry_subscription(const struct registry *registry,
                                                      struct slice name)
{
    for (size_t i = 0; i < registry->subscription_count; i++)
        if (slice_is(name, registry->subscriptions[i].name))
            return &registry->subscriptions[i];
    return NULL;
}

const struct transform_spec *registry_transform(const struct registry *registry, const char *name)
{
    for (size_t i = 0; i < registry->transform_count; i++)
        if (registry->transforms[i].name && strcmp(registry->transforms[i].name, name) == 0)
            return &registry->transforms[i];
    return NULL;
}

enum status registry_index_routine(struct registry *registry)
{
    const struct routine_spec *last = &registry->routines[registry->routine_count - 1];
    return map_put(&registry->routine_places, routine_id(last->kind, last->name),
                   (void *)(uintptr_t)registry->routine_count);
}

const struct routine_spec *registry_routine(const struct registry *registry, enum routine_kind kind,
                                            struct slice name)
{
    char text[LIMIT_NAME_BYTES + 1];
    if (name.len >= sizeof text)
        return NULL;
    memcpy(text, name.data, name.len);
    text[name.len] = '\0';
    const uintptr_t place = (uintptr_t)map_get(&registry->routine_places, routine_id(kind, text));
    const struct routine_spec *routine = place > 0 ? &registry->routines[place - 1] : NULL;
    return routine && routine->kind == kind && slice_is(name, routine->name) ? routine : NULL;
}

static bool matches_one(const struct subscription_spec *subscription, struct slice source,
                        struct slice type)
{
    if (subscription->source && !slice_is(source, subscription->source))
        return false;
    for (size_t i = 0; i < subscription->pattern_count; i++)
        if (event_pattern_matches(slice_str(subscription->patterns[i]), type))
            return true;
    return false;
}

size_t registry_match(const struct registry *registry, struct slice source, struct slice type,
                      const struct subscription_spec **matches, size_t max)
{
    size_t count = 0;
    for (size_t i = 0; i < registry->subscription_count; i++) {
        if (!matches_one(&registry->subscriptions[i], source, type))
            continue;
        if (count < max)
            matches[count] = &registry->subscriptions[i];
        count++;
    }
    return count;
}
