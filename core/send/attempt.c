/* SPDX-License-Identifier: MIT */
/* One attempt: transform, sign, send, decide, settle. */
#include "send/sender_int.h"

#include "base/clock.h"
#include "base/crash.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/memory.h"
#include "model/published.h"
#include "signature/signature.h"

#include <stdio.h>
#include <stdlib.h>

#define UNSETTLED_DELAY_MS 1000
#define STATUS_UNAUTHORIZED 401

/* Lives from the start of an attempt to its settlement. */
struct running {
    struct node node; /* in sender->attempts while the transfer runs */
    struct outlet *outlet;
    struct delivery *delivery;
    struct registry *registry; /* reference that keeps spec */
    const struct endpoint_spec *spec;
    struct transfer *transfer; /* NULL: there was none */
    struct target *target;     /* reference: where it goes */
    struct target *proxy;      /* reference: by which way; NULL: straight */
    struct content *content;   /* what transform made; NULL: the message's own */
    struct token_wait token;   /* linked: the attempt waits for a token */
    uint64_t token_number;     /* that it was sent with; 0: none */
    struct outgoing_request request;
    struct attempt attempt; /* if there was no transfer */
    struct err err;
    char reason[DECISION_REASON_BYTES];
    struct pace_mark mark;
    struct store_settle settle;
    struct store_spill spill;             /* if the settlement was not stored */
    struct store_spill_row spill_rows[2]; /* it, and the one that it may have let go */
};

static void free_running(struct running *running)
{
    if (running->transfer)
        transfer_release(running->transfer);
    target_unref(running->target);
    target_unref(running->proxy);
    outgoing_request_finish(&running->request);
    content_unref(running->content);
    registry_unref(running->registry);
    attempts_put(running->outlet);
    free(running);
}

/* ---- Settlement
 * --------------------------------------------------------------------------------------- */

/* The delivery leaves memory. A claim whose snapshot is older must not bring it back. */
static void leave(struct running *running, int64_t due_ms)
{
    struct outlet *outlet = running->outlet;
    struct sender *sender = outlet->sender;
    store_credit_put(sender->options.store);
    sender->settling--;
    const uint64_t delivery = running->delivery->id;
    claim_note_settled(outlet, delivery);
    outlet_release(outlet, running->delivery);
    cancel_go_on(sender, delivery);
    if (due_ms > 0)
        claim_due(outlet, due_ms);
    free_running(running);
    sender_pump(sender);
    sender_check_idle(sender);
}

/* ---- News: events of what scripts may want to know
 * ------------------------------------------------------------ */

static struct event *tell(const struct running *running, enum sender_news_kind kind,
                          const struct attempt *attempt, const char *reason)
{
    const struct sender_options *options = &running->outlet->sender->options;
    if (!options->hooks->tell)
        return NULL;
    return options->hooks->tell(options->ctx, &(struct sender_news){.kind = kind,
                                                                    .endpoint = running->spec,
                                                                    .delivery = running->delivery,
                                                                    .attempt = attempt,
                                                                    .reason = reason});
}

/* Since when there was nothing but failures. */
static int64_t failing_for_ms(const struct outlet *outlet)
{
    return outlet->failing_ms > 0 ? clock_mono_ms() - outlet->failing_ms : 0;
}

static void publish(const struct running *running, enum operational_type type,
                    const struct attempt *attempt, struct store_news *news)
{
    const struct sender_options *options = &running->outlet->sender->options;
    const struct endpoint_spec *spec = running->spec;
    const struct message *message = running->delivery->message;
    if (!options->hooks->publish || !spec->membership)
        return;
    struct operational_news it = {
        .type = type,
        .application = spec->membership->application,
        .endpoint = spec->id,
        .endpoint_uid = spec->membership->uid,
        .failing_since_ms = clock_due_ms() - failing_for_ms(running->outlet),
        .message = message->id,
        .status = attempt->status,
        .started_ms = attempt->started_ms,
        .trace = &message->trace,
    };
    if (!head_find(content_head(message->content), PUBLISHED_UID, &it.message_uid))
        it.message_uid = slice_of("", 0);
    news->published = options->hooks->publish(options->ctx, &it, &news->attempt_at);
    news->application = it.operator_application;
}

/* What the operator's application gets to know of the end of an attempt. */
static void publish_end(struct running *running, enum delivery_state state)
{
    const struct attempt *attempt = running->settle.attempt;
    struct store_news *news = &running->settle.news;
    if (!attempt)
        return;
    if (state == DELIVERY_DEAD)
        publish(running, OPERATIONAL_ATTEMPT_EXHAUSTED, attempt, news);
    else if (state == DELIVERY_RETRYING && attempt->number == OPERATIONAL_FAILING_AFTER)
        publish(running, OPERATIONAL_ATTEMPT_FAILING, attempt, news);
    else if (state == DELIVERY_SUCCEEDED && attempt->number > OPERATIONAL_FAILING_AFTER)
        publish(running, OPERATIONAL_ATTEMPT_RECOVERED, attempt, news);
}

static void end_news(const struct sender *sender, const struct store_op *op,
                     const struct store_news *news)
{
    if (news->published)
        sender->options.hooks->told(sender->options.ctx, news->published,
                                    op->status == OK && news->is_published);
    if (news->event)
        sender->options.hooks->told(sender->options.ctx, news->event,
                                    op->status == OK && news->is_made);
}

/* ---- Settlement, committed
 * --------------------------------------------------------------------------------------- */

static void on_spilled(struct store_op *op)
{
    struct running *running = op->ctx;
    if (op->status != OK)
        log_error("delivery left to the next start", "delivery=%llu status=%s",
                  (unsigned long long)running->delivery->id, status_name(op->status));
    leave(running, running->spill_rows[0].due_ms);
}

/* The store says it could not take the outcome: the delivery is due again soon, unless the outcome
 * is there after all. */
static void spill(struct running *running)
{
    struct sender *sender = running->outlet->sender;
    const int64_t due_ms = clock_due_ms() + UNSETTLED_DELAY_MS;
    running->spill_rows[0] =
        (struct store_spill_row){.delivery = running->delivery->id, .due_ms = due_ms};
    running->spill_rows[1] =
        (struct store_spill_row){.delivery = running->settle.released, .due_ms = due_ms};
    running->spill = (struct store_spill){
        .op = {.kind = STORE_SPILL, .on_done = on_spilled, .ctx = running},
        .rows = running->spill_rows,
        .row_count = running->settle.released ? 2 : 1,
    };
    check(store_submit(sender->options.store, sender->options.client, &running->spill.op) == OK);
}

static void on_settled(struct store_op *op)
{
    struct running *running = op->ctx;
    struct sender *sender = running->outlet->sender;
    const struct sender_hooks *hooks = sender->options.hooks;
    crash_point("outcome_written");
    end_news(sender, op, &running->settle.news);
    struct delivery *next = running->settle.next;
    if (op->status != OK) {
        delivery_destroy(next);
        log_error("outcome of an attempt not stored", "delivery=%llu status=%s",
                  (unsigned long long)running->delivery->id, status_name(op->status));
        spill(running);
        return;
    }
    if (hooks->on_settled && running->settle.attempt)
        hooks->on_settled(sender->options.ctx, running->spec, running->delivery,
                          running->settle.attempt);
    struct outlet *outlet = running->outlet;
    if (running->settle.released && !next)
        claim_due(outlet, running->settle.released_due_ms);
    leave(running, running->settle.due_ms);
    if (next && cancel_is_under_way(sender, next->id))
        delivery_destroy(next);
    else if (next)
        outlet_hold(outlet, next, false);
}

static void settle(struct running *running, enum delivery_state state, int64_t due_ms)
{
    struct sender *sender = running->outlet->sender;
    struct delivery *delivery = running->delivery;
    machine_move(delivery_states, &delivery->state, state);
    running->settle.op =
        (struct store_op){.kind = STORE_SETTLE, .on_done = on_settled, .ctx = running};
    running->settle.delivery = delivery->id;
    running->settle.state = state;
    running->settle.due_ms = due_ms;
    running->settle.reason = running->reason[0] ? running->reason : NULL;
    running->settle.is_ordered = delivery->is_ordered;
    /* One that expired died without an attempt: nobody waits for it. */
    running->settle.is_blocking = running->spec->blocks_on_dead && running->settle.attempt;
    running->settle.takes_next = true;
    running->settle.registered = running->spec->membership ? running->spec->id : 0;
    if (state == DELIVERY_DEAD)
        running->settle.news.event =
            tell(running, SENDER_DELIVERY_DEAD, running->settle.attempt, running->reason);
    else if (state == DELIVERY_SUCCEEDED && running->spec->tells_success)
        running->settle.news.event =
            tell(running, SENDER_DELIVERY_SUCCEEDED, running->settle.attempt, running->reason);
    publish_end(running, state);
    sender->settling++;
    /* Holds a credit: always taken. */
    check(store_submit(sender->options.store, sender->options.client, &running->settle.op) == OK);
}

/* ---- Verdict
 * ------------------------------------------------------------------------------------------- */

static void on_disabled(struct store_op *op)
{
    struct store_endpoint *disable = container_of(op, struct store_endpoint, op);
    if (op->status != OK)
        log_error("endpoint not disabled", "endpoint=%s status=%s", disable->name,
                  status_name(op->status));
    struct outlet *outlet = op->ctx;
    outlet->is_disabling = false;
    if (op->status == OK)
        outlet_learn_state(outlet, disable->state, disable->turn);
    outlet_take_state(outlet);
    if (op->status == OK && outlet->sender->options.hooks->disabled)
        outlet->sender->options.hooks->disabled(outlet->sender->options.ctx, outlet->id);
    end_news(outlet->sender, op, &disable->news);
    outlet->sender->settling--;
    sender_check_idle(outlet->sender);
    free((char *)(uintptr_t)disable->name);
    free((char *)(uintptr_t)disable->reason);
    free(disable);
}

/* The receiver wants no more, or takes nothing: that holds though the endpoint is paused. Its other
 * deliveries are held as if it were. */
static void disable(const struct running *running, const struct attempt *attempt,
                    const char *reason)
{
    struct outlet *outlet = running->outlet;
    const char *name = running->spec->name;
    struct sender *sender = outlet->sender;
    if (outlet->state == ENDPOINT_DISABLED)
        return;
    outlet->is_disabling = true;
    outlet_take_state(outlet);
    struct store_endpoint *it = must_alloc(sizeof *it);
    *it = (struct store_endpoint){
        .op = {.kind = STORE_ENDPOINT, .on_done = on_disabled, .ctx = outlet},
        .name = must_copy(name, strlen(name)),
        .state = ENDPOINT_DISABLED,
        .reason = must_copy(reason, strlen(reason)),
        .news = {.event = tell(running, SENDER_ENDPOINT_DISABLED, attempt, reason)},
    };
    publish(running, OPERATIONAL_ENDPOINT_DISABLED, attempt, &it->news);
    log_warn("endpoint disabled", "endpoint=%s reason=\"%s\" mend=\"enable it, or change its url\"",
             it->name, reason);
    sender->settling++;
    check(store_submit(sender->options.store, sender->options.client, &it->op) == OK);
}

static bool is_success(const struct running *running, const struct attempt *attempt)
{
    const struct sender_options *options = &running->outlet->sender->options;
    if (attempt->error != ATTEMPT_OK || !running->spec->success_function)
        return decision_is_success(attempt);
    return options->hooks->success(options->ctx, running->spec, attempt->status);
}

/* The endpoint got another url while the attempt was under way: what it says of the endpoint is
 * said of one that is not asked any more. */
static bool is_elsewhere(const struct running *running)
{
    const struct endpoint_spec *spec = running->outlet->spec;
    return spec && strcmp(spec->url, running->spec->url) != 0;
}

static void decide(struct running *running, const struct attempt *attempt,
                   struct decision *decision)
{
    const struct sender *sender = running->outlet->sender;
    const struct delivery *delivery = running->delivery;
    const int64_t now_ms = clock_due_ms();
    const int64_t expires_ms = delivery->message->expires_ms;
    const bool succeeded = is_success(running, attempt);
    const bool asks_policy = decision_asks_policy(attempt, succeeded);
    struct retry_decision retry = {.verdict = RETRY_DEFAULT};
    if (asks_policy && running->spec->retry_function)
        sender->options.hooks->retry(sender->options.ctx, running->spec, attempt, delivery, &retry);
    decision_make(
        &(struct decision_input){.endpoint = running->spec,
                                 .attempt = attempt,
                                 .is_success = succeeded,
                                 .retry = &retry,
                                 .age_ms = delivery_age_ms(delivery, now_ms),
                                 .expires_in_ms = expires_ms ? expires_ms - now_ms : 0,
                                 .fresh_attempts = delivery->fresh_attempts,
                                 .is_single = running->spec->membership && delivery->fresh_ms != 0,
                                 .is_elsewhere = is_elsewhere(running),
                                 /* Chance costs: only where it is asked for. */
                                 .random = asks_policy ? random_unit() : 0},
        decision);
    (void)snprintf(running->reason, sizeof running->reason, "%s", decision->reason);
}

static void log_outcome(const struct running *running, const struct attempt *attempt,
                        const struct decision *decision)
{
    char id[ID_TEXT_BYTES];
    id_format(ID_DELIVERY, running->delivery->id, id);
    if (decision->state != DELIVERY_SUCCEEDED)
        log_debug("attempt failed", "delivery=%s endpoint=%s attempt=%u status=%d error=%s", id,
                  running->spec->name, attempt->number, attempt->status,
                  attempt_error_name(attempt->error));
}

static void conclude(struct running *running, struct attempt *attempt)
{
    struct sender *sender = running->outlet->sender;
    struct delivery *delivery = running->delivery;
    struct decision decision;
    attempt->number = ++delivery->attempts;
    running->settle.attempt = attempt;
    sender->attempt_count++;
    decide(running, attempt, &decision);
    attempt->decided = decision.by;
    log_outcome(running, attempt, &decision);
    outlet_note(running->outlet, running->spec, &running->mark, attempt,
                decision.state == DELIVERY_SUCCEEDED);
    if (decision.state == DELIVERY_SUCCEEDED)
        sender->succeeded_count++;
    else
        sender->failed_count++;
    const bool is_failing =
        !is_elsewhere(running) &&
        outlet_note_failing(running->outlet, running->spec, attempt,
                            decision.state == DELIVERY_SUCCEEDED, &running->settle);
    if (decision.is_disabling) {
        disable(running, attempt, GONE_REASON);
    } else if (decision.state == DELIVERY_DEAD) {
        char id[ID_TEXT_BYTES];
        id_format(ID_DELIVERY, delivery->id, id);
        log_warn("delivery dead", "delivery=%s endpoint=%s attempts=%u reason=\"%s\"", id,
                 running->spec->name, delivery->attempts, running->reason);
    }
    if (is_failing)
        disable(running, attempt, FAILING_REASON);
    settle(running, decision.state,
           decision.state == DELIVERY_RETRYING ? clock_due_ms() + decision.delay_ms : 0);
}

static void take_down(struct running *running)
{
    struct outlet *outlet = running->outlet;
    queue_remove(&outlet->sender->attempts, &running->node);
    outlet->sender->in_flight--;
    outlet->in_flight--;
}

static void on_transfer_done(struct transfer *transfer, void *ctx)
{
    struct running *running = ctx;
    struct outlet *outlet = running->outlet;
    crash_point("answer_read");
    take_down(running);
    if (transfer->attempt.status == STATUS_UNAUTHORIZED && running->token_number > 0)
        token_drop(outlet->token, running->token_number);
    conclude(running, &transfer->attempt);
    outlet_schedule(outlet);
}

/* ---- Start
 * ---------------------------------------------------------------------------------------------- */

static enum status transform(struct running *running, struct outgoing *outgoing)
{
    const struct sender_options *options = &running->outlet->sender->options;
    if (!endpoint_is_transformed(running->spec))
        return OK;
    const enum status status = options->hooks->transform(
        options->ctx, running->spec, running->delivery, outgoing, &running->err);
    running->content = outgoing->replaced;
    return status;
}

static enum status begin(struct running *running, const struct outgoing *outgoing)
{
    struct outlet *outlet = running->outlet;
    const struct endpoint_spec *spec = running->spec;
    const struct message *message = running->delivery->message;
    struct outgoing_request *request = &running->request;
    enum status status = outgoing_make(spec, message, outgoing, request, &running->err);
    CURLU *url = outgoing_url(running->target->url, message, outgoing, &running->err);
    struct buf told;
    buf_init(&told, TOLD_URL_BYTES_MAX);
    told_url_add_own(spec, url, &told);
    if (url) {
        target_unref(running->target);
        running->target = target_create(url);
    }
    const struct target *asked = running->proxy ? running->proxy : running->target;
    if (status == OK)
        status = running->err.status;
    if (status == OK)
        status = transport_start(outlet->sender->transport,
                                 &(struct transfer_request){
                                     .url = running->target->url,
                                     .told_url = buf_slice(&told),
                                     .method = request->method,
                                     .head = buf_slice(&request->head),
                                     .secret_names = spec->secret_names,
                                     .body = request->body,
                                     .timeouts = spec->timeouts,
                                     .allow_private = spec->allow_private,
                                     .host = asked->host,
                                     .port = asked->port,
                                     .lookups = &outlet->lookups,
                                     .is_secure = running->target->is_secure,
                                     .is_of_endpoint = true,
                                     .tls = spec->tls,
                                     .proxy = running->proxy ? spec->proxy : NULL,
                                     .behind_proxy = running->target,
                                 },
                                 on_transfer_done, running, &running->transfer, &running->err);
    buf_finish(&told);
    return status;
}

/* No exchange: the attempt failed in our own hands. */
static void fail(struct running *running, enum attempt_error error)
{
    running->attempt = (struct attempt){
        .error = error,
        .started_ms = clock_now_ms(),
        .retry_after_ms = -1,
        .detail = running->err.text,
    };
    conclude(running, &running->attempt);
}

/* ---- With a token
 * ----------------------------------------------------------------------------------- */

static enum status begin_granted(struct running *running, struct outgoing *outgoing,
                                 const struct token_grant *grant)
{
    outgoing->token = grant->value;
    running->token_number = grant->number;
    return begin(running, outgoing);
}

static void on_token(struct token_wait *wait, const struct token_grant *grant, const char *problem)
{
    struct running *running = container_of(wait, struct running, token);
    struct outlet *outlet = running->outlet;
    const struct content *content =
        running->content ? running->content : running->delivery->message->content;
    struct outgoing outgoing = {
        .head = content_head(content), .body = content_body(content), .replaced = running->content};
    if (grant && begin_granted(running, &outgoing, grant) == OK)
        return;
    if (!grant)
        (void)err_set(&running->err, E_REMOTE, "%s", problem);
    take_down(running);
    fail(running, grant ? ATTEMPT_SCRIPT : ATTEMPT_AUTH);
    outlet_schedule(outlet);
}

static enum status begin_with_token(struct running *running, struct outgoing *outgoing)
{
    struct outlet *outlet = running->outlet;
    struct token_grant grant;
    if (token_get(outlet->token, running->spec->oauth, &grant))
        return begin_granted(running, outgoing, &grant);
    running->token = (struct token_wait){
        .endpoint = running->spec, .registry = running->registry, .on_done = on_token};
    return token_await(&outlet->token, outlet->sender->transport, &running->token, &running->err);
}

static struct running *create(struct outlet *outlet, struct delivery *delivery)
{
    struct running *running = memory_calloc(1, sizeof *running);
    if (!running)
        return NULL;
    attempts_take(outlet);
    running->outlet = outlet;
    running->delivery = delivery;
    running->spec = outlet->spec;
    running->registry = registry_ref(outlet->registry);
    running->target = target_ref(outlet->target);
    running->proxy = outlet->proxy ? target_ref(outlet->proxy) : NULL;
    return running;
}

static enum start_result run(struct running *running)
{
    struct outlet *outlet = running->outlet;
    struct delivery *delivery = running->delivery;
    const struct message *message = delivery->message;
    struct outgoing outgoing = {.head = content_head(message->content),
                                .body = content_body(message->content)};
    if (message_is_expired(message, clock_due_ms())) {
        (void)snprintf(running->reason, sizeof running->reason, EXPIRED_REASON);
        settle(running, DELIVERY_DEAD, 0);
        return START_SETTLED;
    }
    machine_move(delivery_states, &delivery->state, DELIVERY_IN_FLIGHT);
    enum status status = transform(running, &outgoing);
    if (status == OK && outgoing.is_skipped) {
        (void)snprintf(running->reason, sizeof running->reason, "%s", outgoing.reason);
        machine_move(delivery_states, &delivery->state, DELIVERY_PENDING);
        settle(running, DELIVERY_CANCELLED, 0);
        return START_SETTLED;
    }
    crash_point("before_send");
    if (status == OK)
        status =
            running->spec->oauth ? begin_with_token(running, &outgoing) : begin(running, &outgoing);
    if (status != OK) {
        fail(running, ATTEMPT_SCRIPT);
        return START_SETTLED;
    }
    running->mark = pace_start(&outlet->pace, clock_mono_ms());
    queue_push(&outlet->sender->attempts, &running->node);
    outlet->sender->in_flight++;
    outlet->in_flight++;
    crash_point("sent");
    return START_OK;
}

enum start_result attempt_start(struct outlet *outlet)
{
    struct sender *sender = outlet->sender;
    if (store_credit_take(sender->options.store) != OK)
        return START_NO_CREDIT;
    struct delivery *delivery = container_of(queue_first(&outlet->waiting), struct delivery, node);
    struct running *running = create(outlet, delivery);
    if (!running) {
        store_credit_put(sender->options.store);
        return START_NO_CREDIT;
    }
    queue_remove(&outlet->waiting, &delivery->node);
    return run(running);
}

void attempt_cancel_all(struct sender *sender)
{
    struct node *node;
    while ((node = queue_pop(&sender->attempts))) {
        struct running *running = container_of(node, struct running, node);
        struct outlet *outlet = running->outlet;
        if (running->transfer)
            transfer_cancel(running->transfer);
        else
            token_forget(outlet->token, &running->token);
        running->transfer = NULL;
        sender->in_flight--;
        outlet->in_flight--;
        store_credit_put(sender->options.store);
        const uint64_t delivery = running->delivery->id;
        outlet_release(outlet, running->delivery);
        cancel_go_on(sender, delivery);
        free_running(running);
    }
}
