/* SPDX-License-Identifier: MIT */
/* What the sender asks of its worker: the functions of endpoints, in Lua, and who wants to know of
 * an outcome. On the worker's thread. */
#include "worker/worker_int.h"

#include "base/clock.h"
#include "model/directory.h"

#include <stdio.h>

static enum status on_transform(void *ctx, const struct endpoint_spec *endpoint,
                                const struct delivery *delivery, struct outgoing *outgoing,
                                struct err *err)
{
    struct worker *worker = ctx;
    struct outgoing_parts parts = {0};
    const enum status status =
        script_transform(worker->script, endpoint, delivery->message, &parts, err);
    if (status != OK)
        return status;
    outgoing->is_skipped = parts.is_skipped;
    (void)snprintf(outgoing->reason, sizeof outgoing->reason, "%s", parts.reason);
    if (parts.content) {
        outgoing->replaced = parts.content;
        outgoing->head = content_head(parts.content);
        outgoing->body = content_body(parts.content);
    }
    return OK;
}

static bool on_success(void *ctx, const struct endpoint_spec *endpoint, int status)
{
    const struct worker *worker = ctx;
    return script_success(worker->script, endpoint, status);
}

static void on_retry(void *ctx, const struct endpoint_spec *endpoint, const struct attempt *attempt,
                     const struct delivery *delivery, struct retry_decision *decision)
{
    struct worker *worker = ctx;
    struct retry_answer answer = {.is_default = true};
    script_retry(worker->script, endpoint, attempt, delivery,
                 delivery_age_ms(delivery, clock_due_ms()), &answer);
    decision->verdict = answer.is_default ? RETRY_DEFAULT
                        : answer.is_stop  ? RETRY_STOP
                                          : RETRY_AFTER;
    decision->delay_ms = answer.delay_ms;
    (void)snprintf(decision->reason, sizeof decision->reason, "%s", answer.reason);
}

static struct event *on_tell(void *ctx, const struct sender_news *news)
{
    struct worker *worker = ctx;
    struct event *event = sender_news_event(worker->registry, news);
    if (event) {
        event->id = worker_next_event_id(worker);
        script_plan(worker->script, event);
    }
    return event;
}

static struct event *on_publish(void *ctx, struct operational_news *news, size_t *attempt_at)
{
    struct worker *worker = ctx;
    news->operator_application = directory_operator(worker->options.directory);
    char uid[LIMIT_UID_BYTES + 1];
    if (news->operator_application == 0 || news->operator_application == news->application)
        return NULL;
    if (directory_application_uid(worker->options.directory, news->application, uid))
        news->application_uid = uid;
    struct event *event = operational_event(news, attempt_at);
    if (event) {
        event->id = worker_next_event_id(worker);
        script_plan(worker->script, event);
    }
    return event;
}

static void on_told(void *ctx, struct event *event, bool is_made)
{
    struct worker *worker = ctx;
    if (!is_made) {
        event_unref(event);
        return;
    }
    const bool has_room = gate_take(&worker->gate);
    worker_placed(worker, (struct placement){id_shard(event->id), has_room}, event, true);
}

static void on_settled(void *ctx, const struct endpoint_spec *endpoint,
                       const struct delivery *delivery, const struct attempt *attempt)
{
    struct worker *worker = ctx;
    struct sender_counts counts;
    sender_counts(worker->sender, &counts);
    atomic_store(&worker->attempts, counts.attempts);
    atomic_store(&worker->deliveries_held, counts.held);
    atomic_store(&worker->in_flight, counts.in_flight);
    if (worker->options.hooks->on_settled)
        worker->options.hooks->on_settled(endpoint, delivery, attempt, worker->options.ctx);
}

static void on_disabled(void *ctx, uint64_t endpoint)
{
    const struct worker *worker = ctx;
    worker->options.hooks->on_disabled(endpoint, worker->options.ctx);
}

/* One that was just registered is known there before anything can come for it. */
static bool is_gone(void *ctx, uint64_t endpoint)
{
    const struct worker *worker = ctx;
    if (endpoint < ID_ENDPOINT_REGISTERED)
        return false;
    struct registry *one = directory_get(worker->options.directory, endpoint);
    registry_unref(one);
    return !one;
}

const struct sender_hooks sending_hooks = {
    .transform = on_transform,
    .success = on_success,
    .retry = on_retry,
    .tell = on_tell,
    .publish = on_publish,
    .told = on_told,
    .disabled = on_disabled,
    .is_gone = is_gone,
    .on_settled = on_settled,
};
