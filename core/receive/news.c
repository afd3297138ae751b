/* SPDX-License-Identifier: MIT */
/* Requests that are not genuine, and handshakes that nobody consented to yet, as the log and
 * scripts learn of them. All workers count together, in the table that they share. */
#include "receive/receive_int.h"

#include "base/log.h"
#include "model/meta.h"
#include "shared/shared.h"
#include "signature/signature.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

/* No script's cache or limiter has such a name. */
#define NAMESPACE "requests unverified"
#define PER_S (1000.0 / META_UNVERIFIED_MS)
#define ASKED "handshakes asked"

/* On its way into the store. */
struct telling {
    struct receiver *receiver;
    struct receive_placement placement;
    struct store_ingest ingest;
};

static void on_told(struct store_op *op)
{
    struct telling *telling = op->ctx;
    struct receiver *receiver = telling->receiver;
    const struct receive_options *options = &receiver->options;
    options->hooks->placed(options->ctx, telling->placement, telling->ingest.event,
                           op->status == OK);
    receiver->news_count--;
    free(telling);
}

/* Takes the event. Without room for it nothing is told: whoever floods must not fill the store. */
static void submit(struct receiver *receiver, struct event *event)
{
    const struct receive_options *options = &receiver->options;
    struct telling *telling = calloc(1, sizeof *telling);
    if (!telling) {
        event_unref(event);
        return;
    }
    telling->receiver = receiver;
    telling->placement = options->hooks->place(options->ctx);
    event->id = store_next_event_id(options->store, telling->placement.shard);
    script_plan(options->hooks->script(options->ctx), event);
    telling->ingest = (struct store_ingest){
        .op = {.kind = STORE_INGEST, .on_done = on_told, .ctx = telling}, .event = event};
    receiver->news_count++;
    if (store_submit(options->store, options->client, &telling->ingest.op) == OK)
        return;
    receiver->news_count--;
    options->hooks->placed(options->ctx, telling->placement, event, false);
    free(telling);
}

static const struct registry *registry_of(const struct receiver *receiver)
{
    return script_registry(receiver->options.hooks->script(receiver->options.ctx));
}

static void tell(struct receiver *receiver, const struct meta_unverified *unverified)
{
    struct event *event = meta_create_unverified(registry_of(receiver), unverified);
    if (event)
        submit(receiver, event);
}

/* Counts one more. False: it is not time to tell. */
static bool is_time(struct shared *shared, struct slice source, int64_t *count)
{
    char name[sizeof NAMESPACE + 1 + LIMIT_NAME_BYTES];
    const struct limiter_rate rate = {PER_S, 1};
    struct cache_number sum = {.whole = 1};
    int64_t wait_ms;
    (void)snprintf(name, sizeof name, NAMESPACE " %.*s", (int)source.len, source.data);
    const bool is_counted = cache_incr(shared, slice_str(NAMESPACE), source,
                                       &(struct cache_number){.whole = 1}, 0, &sum) == OK;
    if (!limiter_take(shared, slice_str(name), &rate, 1, 0, &wait_ms))
        return false;
    *count = sum.whole;
    /* Not set to 0: another worker may have counted meanwhile. */
    return !is_counted || cache_incr(shared, slice_str(NAMESPACE), source,
                                     &(struct cache_number){.whole = -sum.whole}, 0, &sum) == OK;
}

void news_unverified(struct receiver *receiver, const struct source_spec *source,
                     const char *reason, struct slice remote)
{
    char address[64];
    int64_t count = 0;
    const bool is_clock =
        strncmp(reason, SIGNATURE_GENUINE_BUT, strlen(SIGNATURE_GENUINE_BUT)) == 0;
    metric_count(receiver->options.shared, "requests_unverified_total", "reason",
                 is_clock ? "clock" : "signature");
    if (!is_time(receiver->options.shared, slice_str(source->name), &count))
        return;
    (void)snprintf(address, sizeof address, "%.*s", (int)remote.len, remote.data);
    log_warn("request not verified", "source=%s reason=\"%s\" remote=%s count=%" PRId64,
             source->name, reason, address, count);
    tell(receiver,
         &(struct meta_unverified){
             .source = source->name, .reason = reason, .remote_ip = address, .count = count});
}

void news_asked(struct receiver *receiver, const struct source_spec *source,
                const struct handshake_request *asked)
{
    char name[sizeof ASKED + 1 + LIMIT_NAME_BYTES];
    const struct limiter_rate rate = {LIMIT_HANDSHAKES_TOLD_PER_MIN / 60.0,
                                      LIMIT_HANDSHAKES_TOLD_PER_MIN};
    int64_t wait_ms;
    (void)snprintf(name, sizeof name, ASKED " %s", source->name);
    if (!limiter_take(receiver->options.shared, slice_str(name), &rate, 1, 0, &wait_ms))
        return;
    log_warn("handshake not consented to", "source=%s origin=%.*s", source->name,
             (int)asked->origin.len, asked->origin.data);
    struct event *event = meta_create_handshake(registry_of(receiver), source->name, asked);
    if (event)
        submit(receiver, event);
}
