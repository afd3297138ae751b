/* SPDX-License-Identifier: MIT */
/* The ends of leases: acknowledged, given back, extended by the receiver; ended by time. A lease
 * that ends is an attempt that is settled as any other. */
#include "send/sender_int.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"
#include "signature/signature.h"

#include <stdio.h>
#include <stdlib.h>

#define ACK_DETAIL "acknowledged"
#define EXPIRED_DETAIL "not acknowledged before its lease ended"
#define NACK_DETAIL "given back by its receiver"
#define AGAIN_MS 1000 /* what could not be settled is looked at again */

/* One lease that is being settled. */
struct ending {
    struct outlet *outlet;
    struct registry *registry; /* reference that keeps spec */
    const struct endpoint_spec *spec;
    struct delivery *delivery; /* owned; NULL: not known, of an ack */
    struct attempt attempt;
    struct store_settle settle;
    char reason[DECISION_REASON_BYTES];
    char detail[LIMIT_REASON_BYTES + 1];
    struct ended *of; /* NULL: its time was over */
    size_t index;     /* of the row in it */
};

/* What a receiver asked, until all of it is settled. */
struct ended {
    struct outlet *outlet;
    struct lease_end *end;
    size_t pending;
    uint64_t *ids; /* of a nack; owned */
    struct store_lease lease;
};

static void go_home(struct lease_end *end, enum status status)
{
    end->errand.status = status;
    end->errand.go_home(&end->errand);
}

static void finish(struct ended *it, enum status status)
{
    struct outlet *outlet = it->outlet;
    go_home(it->end, status);
    free(it->ids);
    free(it);
    lease_hint(outlet);
    sender_check_idle(outlet->sender);
}

/* ---- Settling one
 * ------------------------------------------------------------------------------------- */

static struct event *tell_death(const struct ending *it)
{
    const struct sender_options *options = &it->outlet->sender->options;
    if (!options->hooks->tell)
        return NULL;
    return options->hooks->tell(options->ctx, &(struct sender_news){.kind = SENDER_DELIVERY_DEAD,
                                                                    .endpoint = it->spec,
                                                                    .delivery = it->delivery,
                                                                    .attempt = it->settle.attempt,
                                                                    .reason = it->reason});
}

static void note(const struct ending *it)
{
    struct sender *sender = it->outlet->sender;
    const struct sender_hooks *hooks = sender->options.hooks;
    if (!it->settle.attempt)
        return;
    sender->attempt_count++;
    if (it->settle.state == DELIVERY_SUCCEEDED)
        sender->succeeded_count++;
    else
        sender->failed_count++;
    atomic_fetch_add(it->settle.state == DELIVERY_SUCCEEDED ? &it->outlet->gate->acknowledged
                                                            : &it->outlet->gate->unacknowledged,
                     1);
    if (hooks->on_settled && it->delivery)
        hooks->on_settled(sender->options.ctx, it->spec, it->delivery, it->settle.attempt);
}

static void on_settled(struct store_op *op)
{
    struct ending *it = op->ctx;
    struct outlet *outlet = it->outlet;
    struct sender *sender = outlet->sender;
    struct ended *of = it->of;
    store_credit_put(sender->options.store);
    if (it->settle.news.event)
        sender->options.hooks->told(sender->options.ctx, it->settle.news.event,
                                    op->status == OK && it->settle.news.is_made);
    if (op->status == OK && it->settle.is_settled) {
        note(it);
        lease_let_go(outlet, it->settle.delivery);
    }
    if (op->status != OK) {
        log_error("end of a lease not stored", "endpoint=%s status=%s", it->spec->name,
                  status_name(op->status));
        claim_due(outlet, clock_due_ms() + AGAIN_MS);
    } else if (it->settle.due_ms > 0) {
        claim_due(outlet, it->settle.due_ms);
    }
    if (of)
        of->end->rows[it->index].is_done = op->status == OK && it->settle.is_settled;
    if (of && op->status != OK)
        of->end->errand.status = op->status;
    delivery_destroy(it->delivery);
    registry_unref(it->registry);
    free(it);
    sender->settling--;
    if (!of) {
        outlet->leases.ending--;
        lease_hint(outlet);
    } else if (--of->pending == 0) {
        finish(of, of->end->errand.status);
    }
    sender_check_idle(sender);
}

static struct ending *create(struct outlet *outlet, struct delivery *delivery)
{
    struct sender *sender = outlet->sender;
    if (store_credit_take(sender->options.store) != OK)
        return NULL;
    struct ending *it = memory_calloc(1, sizeof *it);
    if (!it) {
        store_credit_put(sender->options.store);
        return NULL;
    }
    it->outlet = outlet;
    it->spec = outlet->spec;
    it->registry = registry_ref(outlet->registry);
    it->delivery = delivery;
    return it;
}

static void settle(struct ending *it, enum delivery_state state, int64_t due_ms)
{
    struct sender *sender = it->outlet->sender;
    it->settle.op = (struct store_op){.kind = STORE_SETTLE, .on_done = on_settled, .ctx = it};
    it->settle.state = state;
    it->settle.due_ms = due_ms;
    it->settle.reason = it->reason[0] ? it->reason : NULL;
    /* Whether it has a key is not known of an ack: who has none lets nobody go. */
    it->settle.is_ordered = !it->delivery || it->delivery->is_ordered;
    it->settle.is_blocking = it->spec->blocks_on_dead && it->settle.attempt;
    if (state == DELIVERY_DEAD)
        it->settle.news.event = tell_death(it);
    sender->settling++;
    /* Holds a credit: always taken. */
    check(store_submit(sender->options.store, sender->options.client, &it->settle.op) == OK);
}

static void settle_attempt(struct ending *it, uint64_t delivery, uint32_t number,
                           enum attempt_error error)
{
    it->attempt = (struct attempt){
        .number = number, .error = error, .retry_after_ms = -1, .detail = it->detail};
    it->settle.attempt = &it->attempt;
    it->settle.delivery = delivery;
    it->settle.leased_of = it->outlet->id;
}

/* ---- Failed: by time, or given back
 * ------------------------------------------------------------------- */

/* The policy says whether it comes again. Its delay is for what was given back: a lease that ended
 * has lasted long enough. delay_ms: the receiver's own; -1: none. */
static void fail(struct ending *it, enum attempt_error error, int64_t delay_ms)
{
    const struct sender *sender = it->outlet->sender;
    struct delivery *delivery = it->delivery;
    const int64_t now_ms = clock_due_ms();
    const int64_t expires_ms = delivery->message->expires_ms;
    struct retry_decision retry = {.verdict = RETRY_DEFAULT};
    struct decision decision;
    settle_attempt(it, delivery->id, ++delivery->attempts, error);
    if (it->spec->retry_function)
        sender->options.hooks->retry(sender->options.ctx, it->spec, &it->attempt, delivery, &retry);
    decision_make(&(struct decision_input){.endpoint = it->spec,
                                           .attempt = &it->attempt,
                                           .retry = &retry,
                                           .age_ms = delivery_age_ms(delivery, now_ms),
                                           .expires_in_ms = expires_ms ? expires_ms - now_ms : 0,
                                           .fresh_attempts = delivery->fresh_attempts,
                                           .random = random_unit()},
                  &decision);
    it->attempt.decided = decision.by;
    (void)snprintf(it->reason, sizeof it->reason, "%s", decision.reason);
    if (decision.state == DELIVERY_DEAD)
        log_warn("delivery dead", "endpoint=%s leases=%u reason=\"%s\"", it->spec->name,
                 delivery->attempts, it->reason);
    if (delay_ms < 0)
        delay_ms = error == ATTEMPT_LEASE ? 0 : decision.delay_ms;
    settle(it, decision.state, decision.state == DELIVERY_RETRYING ? now_ms + delay_ms : 0);
}

void lease_bury(struct outlet *outlet, struct delivery *delivery)
{
    struct ending *it = create(outlet, delivery);
    if (!it) {
        delivery_destroy(delivery);
        claim_due(outlet, clock_due_ms() + AGAIN_MS);
        return;
    }
    outlet->leases.ending++;
    it->settle.delivery = delivery->id;
    (void)snprintf(it->reason, sizeof it->reason, EXPIRED_REASON);
    settle(it, DELIVERY_DEAD, 0);
}

void lease_settle_ended(struct outlet *outlet, struct delivery **deliveries, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (deliveries[i]->leased_ms == 0) {
            lease_bury(outlet, deliveries[i]);
            continue;
        }
        struct ending *it = create(outlet, deliveries[i]);
        if (!it) {
            delivery_destroy(deliveries[i]);
            claim_due(outlet, clock_due_ms() + AGAIN_MS);
            continue;
        }
        outlet->leases.ending++;
        (void)snprintf(it->detail, sizeof it->detail, EXPIRED_DETAIL);
        fail(it, ATTEMPT_LEASE, -1);
    }
}

/* ---- What receivers ask
 * ------------------------------------------------------------------------------- */

static void start_row(struct ended *it, size_t index, struct ending *ending)
{
    ending->of = it;
    ending->index = index;
    it->pending++;
}

static void acknowledge(struct ended *it)
{
    struct lease_end *end = it->end;
    it->pending = 1;
    for (size_t i = 0; i < end->row_count; i++) {
        struct ending *ending = create(it->outlet, NULL);
        if (!ending) {
            end->errand.status = E_BUSY;
            break;
        }
        start_row(it, i, ending);
        (void)snprintf(ending->detail, sizeof ending->detail, ACK_DETAIL);
        settle_attempt(ending, end->rows[i].delivery, end->rows[i].number, ATTEMPT_OK);
        settle(ending, DELIVERY_SUCCEEDED, 0);
    }
    if (--it->pending == 0)
        finish(it, end->errand.status);
}

/* The row of that lease; row_count: it is another one's by now. */
static size_t find_row(const struct lease_end *end, const struct delivery *delivery)
{
    size_t i = 0;
    while (i < end->row_count &&
           (end->rows[i].delivery != delivery->id || end->rows[i].number != delivery->attempts + 1))
        i++;
    return i;
}

static void give_back(struct ended *it, struct delivery **place)
{
    struct lease_end *end = it->end;
    const size_t index = find_row(end, *place);
    if (index == end->row_count)
        return;
    struct ending *ending = create(it->outlet, *place);
    if (!ending) {
        end->errand.status = E_BUSY;
        return;
    }
    *place = NULL;
    start_row(it, index, ending);
    (void)snprintf(ending->detail, sizeof ending->detail, "%s",
                   end->reason ? end->reason : NACK_DETAIL);
    fail(ending, ATTEMPT_NACK, end->delay_ms);
}

static void on_read(struct store_read *read)
{
    struct store_claim_deliveries *leased = container_of(read, struct store_claim_deliveries, read);
    struct ended *it = read->ctx;
    struct sender *sender = it->outlet->sender;
    struct lease_end *end = it->end;
    end->errand.status = read->status;
    it->pending = 1;
    if (!outlet_is_queue(it->outlet) || sender->is_stopping)
        end->errand.status = E_CANCELLED;
    for (size_t i = 0; end->errand.status == OK && i < leased->delivery_count; i++)
        give_back(it, &leased->deliveries[i]);
    for (size_t i = 0; i < leased->delivery_count; i++)
        if (leased->deliveries[i])
            delivery_destroy(leased->deliveries[i]);
    leased->delivery_count = 0;
    store_read_finish(read);
    free(leased);
    sender->reads--;
    if (--it->pending == 0)
        finish(it, end->errand.status);
}

/* What is given back is read first: the policy wants to know it. */
static enum status read_leased(struct ended *it)
{
    const struct sender *sender = it->outlet->sender;
    const struct lease_end *end = it->end;
    struct store_claim_deliveries *read = memory_calloc(1, sizeof *read);
    it->ids = memory_calloc(end->row_count + 1, sizeof *it->ids);
    if (!read || !it->ids) {
        free(read);
        return E_NOMEM;
    }
    for (size_t i = 0; i < end->row_count; i++)
        it->ids[i] = end->rows[i].delivery;
    *read = (struct store_claim_deliveries){
        .read = {.kind = STORE_CLAIM_DELIVERIES, .on_done = on_read, .ctx = it},
        .endpoint = it->outlet->id,
        .ids = it->ids,
        .id_count = end->row_count,
        .count_max = end->row_count,
        .bytes_max = SIZE_MAX,
    };
    const enum status status =
        store_read(sender->options.store, sender->options.client, &read->read);
    if (status != OK)
        free(read);
    return status;
}

static void on_moved(struct store_op *op)
{
    struct ended *it = op->ctx;
    it->outlet->sender->settling--;
    if (op->status == OK)
        claim_due(it->outlet, it->lease.due_ms);
    for (size_t i = 0; it->lease.verb == LEASE_RETURN && i < it->lease.row_count; i++)
        if (it->lease.rows[i].is_done)
            lease_let_go(it->outlet, it->lease.rows[i].delivery);
    finish(it, op->status);
}

static void move(struct ended *it)
{
    struct sender *sender = it->outlet->sender;
    struct lease_end *end = it->end;
    const bool is_extension = end->verb == LEASE_END_EXTEND;
    const int64_t now_ms = clock_due_ms();
    it->lease = (struct store_lease){
        .op = {.kind = STORE_LEASE, .on_done = on_moved, .ctx = it},
        .verb = is_extension ? LEASE_EXTEND : LEASE_RETURN,
        .endpoint = it->outlet->id,
        .now_ms = now_ms,
        .due_ms = is_extension ? now_ms + end->delay_ms : now_ms,
        .rows = end->rows,
        .row_count = end->row_count,
    };
    sender->settling++;
    /* Without a credit: as many as requests of receivers. */
    check(store_submit(sender->options.store, sender->options.client, &it->lease.op) == OK);
}

void lease_end(struct sender *sender, struct lease_errand *errand)
{
    struct lease_end *end = container_of(errand, struct lease_end, errand);
    struct outlet *outlet = outlet_get(sender, end->errand.endpoint);
    end->errand.status = OK;
    if (!outlet || !outlet_is_queue(outlet) || sender->is_stopping) {
        go_home(end, E_CANCELLED);
        return;
    }
    struct ended *it = must_alloc(sizeof *it);
    *it = (struct ended){.outlet = outlet, .end = end};
    if (end->verb == LEASE_END_ACK) {
        acknowledge(it);
    } else if (end->verb == LEASE_END_NACK) {
        const enum status status = read_leased(it);
        if (status != OK)
            finish(it, status);
        else
            sender->reads++;
    } else {
        move(it);
    }
}
