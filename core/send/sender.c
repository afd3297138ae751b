/* SPDX-License-Identifier: MIT */
#include "send/sender_int.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/memory.h"

#include <arpa/inet.h>
#include <stdlib.h>

void sender_use_memory(void)
{
    check(curl_global_init_mem(CURL_GLOBAL_DEFAULT, memory_malloc, memory_free, memory_realloc,
                               memory_strdup, memory_calloc) == CURLE_OK);
}

enum status sender_create(const struct sender_options *options, struct sender **sender,
                          struct err *err)
{
    struct sender *it = must_alloc(sizeof *it);
    it->options = *options;
    queue_init(&it->ready);
    for (unsigned i = 0; i < 2; i++) {
        queue_init(&it->starved[i]);
        queue_init(&it->crowds[i]);
    }
    queue_init(&it->hungry);
    queue_init(&it->attempts);
    const enum status status =
        transport_create(options->loop, options->user_agent, options->guard, &it->transport, err);
    if (status != OK) {
        free(it);
        return status;
    }
    check(uv_timer_init(options->loop, &it->retry) == 0);
    check(uv_timer_init(options->loop, &it->deadline) == 0);
    timers_open(&it->take_timers, options->loop);
    it->open_handles = 3;
    *sender = it;
    return OK;
}

/* ---- Endpoints
 * ------------------------------------------------------------------------------------------ */

static bool is_address(const char *host)
{
    unsigned char address[sizeof(struct in6_addr)];
    return host[0] == '[' || inet_pton(AF_INET, host, address) == 1;
}

struct target *target_create(CURLU *url)
{
    struct target *target = must_alloc(sizeof *target);
    char *host = NULL;
    char *port = NULL;
    char *scheme = NULL;
    *target = (struct target){.references = 1, .url = url};
    if (curl_url_get(url, CURLUPART_SCHEME, &scheme, 0) == CURLUE_OK)
        target->is_secure = strcmp(scheme, "https") == 0;
    curl_free(scheme);
    if (curl_url_get(url, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
        curl_url_get(url, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) == CURLUE_OK &&
        !is_address(host) && !host_is_local(host)) {
        target->host = host;
        target->port = strtol(port, NULL, 10);
        host = NULL;
    }
    curl_free(host);
    curl_free(port);
    return target;
}

struct target *target_ref(struct target *target)
{
    target->references++;
    return target;
}

void target_unref(struct target *target)
{
    if (!target || --target->references > 0)
        return;
    curl_url_cleanup(target->url);
    curl_free(target->host);
    free(target);
}

struct target *target_of(const char *text)
{
    CURLU *url = curl_url();
    check(url != NULL);
    /* An empty one fails each attempt in words: the registration has checked it. */
    (void)curl_url_set(url, CURLUPART_URL, text, 0);
    return target_create(url);
}

static void set_url(struct outlet *outlet, const struct endpoint_spec *spec)
{
    target_unref(outlet->target);
    target_unref(outlet->proxy);
    outlet->target = target_of(spec->url);
    outlet->proxy = spec->proxy ? target_of(spec->proxy) : NULL;
}

static bool is_own(const struct sender *sender, uint64_t endpoint)
{
    return id_shard_of_number(endpoint) % sender->options.worker_count ==
           sender->options.worker_index;
}

/* A restart does not make it well. */
static void set_failing(struct outlet *outlet, int64_t since_ms)
{
    const int64_t for_ms = clock_due_ms() - since_ms;
    outlet->is_failing_stored = since_ms > 0;
    outlet->failing_ms = since_ms > 0 ? clock_mono_ms() - (for_ms > 0 ? for_ms : 0) : 0;
}

/* It is sent where it was sent before. */
static bool is_same(const struct outlet *outlet, const struct endpoint_spec *spec)
{
    return outlet->gate && outlet->spec && strcmp(outlet->spec->url, spec->url) == 0;
}

static void set_spec(struct outlet *outlet, struct registry *registry,
                     const struct endpoint_spec *spec, size_t window)
{
    struct registry *old = outlet->registry;
    outlet->spec = spec;
    outlet->registry = registry_ref(registry);
    registry_unref(old);
    if (spec->queue) { /* what was to be sent to a url before lies in the store from now on */
        claim_fall_behind(outlet);
        claim_give_back(outlet);
        lease_hint(outlet);
    } else {
        lease_send_home(outlet);
        set_url(outlet, spec);
    }
    if (!outlet->gate) {
        outlet->gate = spec->gate;
        /* The gate begins closed; what recovery found before there was a gate is counted now. */
        atomic_fetch_add(&outlet->gate->room, (int)window - (int)outlet->held - GATE_CLOSED);
    } else {
        atomic_fetch_add(&outlet->gate->room, (int)window - (int)outlet->window);
    }
    outlet->window = window;
}

static size_t window_of(size_t count)
{
    const size_t share = LIMIT_DELIVERIES_PER_WORKER / (count > 0 ? count : 1);
    return share < LIMIT_ENDPOINT_WINDOW_MIN   ? LIMIT_ENDPOINT_WINDOW_MIN
           : share > LIMIT_ENDPOINT_WINDOW_MAX ? LIMIT_ENDPOINT_WINDOW_MAX
                                               : share;
}

/* Endpoints that the new registry does not have: held as if paused, never dropped. */
static void pause_removed(struct sender *sender)
{
    size_t place = 0;
    uint64_t id;
    void *value;
    while (map_next(&sender->outlets, &place, &id, &value)) {
        struct outlet *outlet = value;
        if (!outlet->spec || outlet->spec->membership ||
            registry_endpoint_by_id(sender->registry, id))
            continue;
        const char *name = outlet->spec->name; /* the old registry is there still */
        outlet->spec = NULL;
        lease_send_home(outlet);
        claim_fall_behind(outlet);
        claim_give_back(outlet);
        log_warn("endpoint removed", "endpoint=%s held=%zu deliveries=paused", name, outlet->held);
    }
}

void sender_set_registry(struct sender *sender, struct registry *registry,
                         const struct endpoint_standing *standings)
{
    struct registry *old = sender->registry;
    sender->registry = registry_ref(registry);
    const size_t window = window_of(registry->endpoint_count / sender->options.worker_count +
                                    sender->registered_count);
    for (size_t i = 0; i < registry->endpoint_count; i++) {
        const struct endpoint_spec *spec = &registry->endpoints[i];
        if (!is_own(sender, spec->id))
            continue;
        struct outlet *outlet = outlet_get(sender, spec->id);
        if (!outlet)
            outlet = outlet_create(sender, spec->id);
        check(outlet != NULL);
        if (!is_same(outlet, spec)) {
            outlet_learn_state(outlet, standings[i].state, standings[i].turn);
            outlet->state = outlet_known_state(outlet);
            set_failing(outlet, standings[i].failing_since_ms);
        }
        set_spec(outlet, registry, spec, window);
    }
    pause_removed(sender);
    for (size_t i = 0; i < registry->endpoint_count; i++) {
        struct outlet *outlet = outlet_get(sender, registry->endpoints[i].id);
        if (!outlet || !outlet_is_open(outlet))
            continue;
        claim_go_on(outlet);
        outlet_schedule(outlet);
    }
    registry_unref(old);
}

/* What it holds is sent by the new version from now on, or not sent if it is disabled. */
void sender_set_endpoint(struct sender *sender, struct registry *one,
                         const struct endpoint_standing *standing)
{
    const struct endpoint_spec *spec = &one->endpoints[0];
    struct outlet *outlet = outlet_get(sender, spec->id);
    check(spec->membership && is_own(sender, spec->id));
    if (!outlet)
        outlet = outlet_create(sender, spec->id);
    check(outlet != NULL);
    if (outlet->spec && outlet->spec->membership->version > spec->membership->version)
        return;
    if (!outlet->spec)
        sender->registered_count++;
    tenant_join(outlet, spec->membership->application);
    if (!is_same(outlet, spec))
        set_failing(outlet, standing->failing_since_ms);
    outlet_learn_state(outlet, standing->state, standing->turn);
    set_spec(outlet, one, spec, window_of(sender->registered_count));
    outlet_take_state(outlet);
    if (!outlet_is_open(outlet))
        return;
    claim_go_on(outlet);
    outlet_schedule(outlet);
}

void sender_remove_endpoint(struct sender *sender, uint64_t endpoint)
{
    struct outlet *outlet = outlet_get(sender, endpoint);
    if (!outlet)
        outlet = outlet_create(sender, endpoint);
    check(outlet != NULL);
    if (outlet->spec)
        sender->registered_count--;
    clear_start(outlet);
}

void sender_set_state(struct sender *sender, uint64_t endpoint,
                      const struct endpoint_standing *standing)
{
    struct outlet *outlet = outlet_get(sender, endpoint);
    if (!outlet)
        return;
    outlet_learn_state(outlet, standing->state, standing->turn);
    outlet_take_state(outlet);
}

static void on_outlet_closed(uv_handle_t *handle);

void outlet_close(struct outlet *outlet)
{
    (void)map_remove(&outlet->sender->outlets, outlet->id);
    tenant_leave(outlet);
    uv_close((uv_handle_t *)&outlet->timer, on_outlet_closed);
}

void sender_start(struct sender *sender)
{
    claim_recover(sender);
}

void sender_take(struct sender *sender, struct delivery *delivery)
{
    struct outlet *outlet = clear_late(sender, delivery->endpoint);
    check(outlet != NULL); /* its gate gave room */
    if (cancel_keeps_out(sender, delivery->id) || map_get(&sender->held, delivery->id)) {
        if (outlet->gate)
            gate_put(outlet->gate); /* recovery was faster, or it was cancelled */
        delivery_destroy(delivery);
        return;
    }
    outlet_hold(outlet, delivery, true);
    if (outlet->is_deleted)
        claim_give_back(outlet);
}

void sender_hint(struct sender *sender, uint64_t endpoint, int priority)
{
    struct outlet *outlet = clear_late(sender, endpoint);
    if (outlet && outlet_is_queue(outlet))
        lease_hint(outlet);
    else if (outlet)
        claim_hint(outlet, priority);
}

void sender_wake(struct sender *sender)
{
    size_t place = 0;
    uint64_t id;
    void *value;
    while (map_next(&sender->outlets, &place, &id, &value)) {
        struct outlet *outlet = value;
        if (outlet->next_due_ms != 0)
            claim_due(outlet, outlet->next_due_ms);
    }
}

void sender_counts(const struct sender *sender, struct sender_counts *counts)
{
    *counts = (struct sender_counts){
        .attempts = sender->attempt_count,
        .succeeded = sender->succeeded_count,
        .failed = sender->failed_count,
        .in_flight = sender->in_flight,
        .held = sender->held.count,
    };
}

/* ---- Stop
 * ------------------------------------------------------------------------------------------------
 */

void sender_check_idle(struct sender *sender)
{
    if (!sender->is_stopping || !sender->on_idle || sender->in_flight > 0 || sender->settling > 0 ||
        sender->reads > 0)
        return;
    void (*on_idle)(void *ctx) = sender->on_idle;
    sender->on_idle = NULL;
    (void)uv_timer_stop(&sender->deadline);
    on_idle(sender->idle_ctx);
}

static void on_deadline(uv_timer_t *timer)
{
    struct sender *sender = container_of(timer, struct sender, deadline);
    log_warn("attempts cut off", "count=%zu", sender->in_flight);
    attempt_cancel_all(sender);
    sender_check_idle(sender);
}

void sender_stop(struct sender *sender, int64_t deadline_ms, void (*on_idle)(void *ctx), void *ctx)
{
    check(!sender->is_stopping);
    sender->is_stopping = true;
    sender->on_idle = on_idle;
    sender->idle_ctx = ctx;
    size_t place = 0;
    uint64_t id;
    void *outlet;
    while (map_next(&sender->outlets, &place, &id, &outlet))
        lease_send_home(outlet);
    check(uv_timer_start(&sender->deadline, on_deadline, (uint64_t)deadline_ms, 0) == 0);
    sender_check_idle(sender);
}

static void on_handle_closed(struct sender *sender)
{
    if (--sender->open_handles > 0)
        return;
    registry_unref(sender->registry);
    free(sender);
}

static void on_timer_closed(uv_handle_t *handle)
{
    on_handle_closed(handle->data);
}

static void on_take_timers_closed(uv_handle_t *handle)
{
    const struct timers *timers = container_of((uv_timer_t *)handle, struct timers, handle);
    on_handle_closed(container_of(timers, struct sender, take_timers));
}

static void on_outlet_closed(uv_handle_t *handle)
{
    struct outlet *outlet = container_of(handle, struct outlet, timer);
    struct sender *sender = outlet->sender;
    registry_unref(outlet->registry);
    target_unref(outlet->target);
    target_unref(outlet->proxy);
    token_destroy(outlet->token);
    map_finish(&outlet->settled_meanwhile);
    map_finish(&outlet->leases.held_by);
    free(outlet);
    on_handle_closed(sender);
}

void sender_destroy(struct sender *sender)
{
    size_t place = 0;
    uint64_t id;
    void *value;
    check(sender->in_flight == 0 && sender->settling == 0);
    sender->is_closing = true;
    while (map_next(&sender->outlets, &place, &id, &value)) {
        struct outlet *outlet = value;
        struct node *node;
        while ((node = queue_pop(&outlet->waiting)))
            delivery_destroy(container_of(node, struct delivery, node));
        uv_close((uv_handle_t *)&outlet->timer, on_outlet_closed);
    }
    map_finish(&sender->outlets);
    tenants_free(sender);
    map_finish(&sender->held);
    map_finish(&sender->settled_meanwhile);
    map_finish(&sender->cancels);
    map_finish(&sender->cancelled);
    transport_destroy(sender->transport);
    sender->retry.data = sender->deadline.data = sender;
    uv_close((uv_handle_t *)&sender->retry, on_timer_closed);
    uv_close((uv_handle_t *)&sender->deadline, on_timer_closed);
    timers_close(&sender->take_timers, on_take_timers_closed);
}
