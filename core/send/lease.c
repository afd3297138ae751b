/* SPDX-License-Identifier: MIT */
/* Receivers that wait at a queue, and what they are given. Messages lie in the store, none is held
 * in memory: a hint says that some may be due, a claim reads as many as the receivers take, their
 * leases are written, and only then are they told. One claim at a time, and the next when all
 * leases of the one before are written: so no message is claimed for two. */
#include "send/sender_int.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"

#include <stdlib.h>

#define CLAIM_COUNT_MAX 1024
#define CLAIM_AGAIN_MS 1000 /* after a failure */
#define LOOK_AFTER_MS 1000

/* What one receiver gets. */
struct giving {
    struct store_lease lease;
    struct outlet *outlet;
    struct lease_take *take;
    struct store_lease_row rows[];
};

bool outlet_is_queue(const struct outlet *outlet)
{
    return outlet->spec && outlet->spec->queue;
}

static bool is_open(const struct outlet *outlet)
{
    return outlet_is_queue(outlet) && outlet->state == ENDPOINT_ENABLED &&
           !outlet->sender->is_stopping;
}

void lease_take_finish(struct lease_take *take)
{
    for (size_t i = 0; i < take->delivery_count; i++)
        delivery_destroy(take->deliveries[i]);
    free(take->deliveries);
    take->deliveries = NULL;
    take->delivery_count = 0;
}

static void go_home(struct lease_take *take, enum status status)
{
    timers_stop(&take->sender->take_timers, &take->timer);
    take->errand.status = status;
    take->errand.go_home(&take->errand);
}

/* The number is shown to those who ask from other threads. */
static void show_receivers(struct outlet *outlet)
{
    const struct leases *leases = &outlet->leases;
    atomic_store(&outlet->gate->receivers, (int)(leases->takes.count + leases->parked.count));
}

static void come(struct outlet *outlet, struct lease_take *take, struct node *before)
{
    if (take->stream)
        take->count_max = stream_room(take->stream);
    if (take->count_max == 0) {
        check(take->stream != NULL); /* others ask for one at least */
        queue_push(&outlet->leases.parked, &take->node);
        take->stream->parked = take;
    } else {
        queue_insert_before(&outlet->leases.takes, before, &take->node);
        outlet->leases.asked += take->count_max;
    }
    show_receivers(outlet);
}

static void step_out(struct outlet *outlet, struct lease_take *take)
{
    if (take->stream && take->stream->parked == take) {
        queue_remove(&outlet->leases.parked, &take->node);
        take->stream->parked = NULL;
    } else {
        queue_remove(&outlet->leases.takes, &take->node);
        outlet->leases.asked -= take->count_max;
    }
    if (node_is_linked(&take->late_node))
        queue_remove(&outlet->leases.late, &take->late_node);
    show_receivers(outlet);
}

static void claim(struct outlet *outlet);

/* ---- Giving
 * ------------------------------------------------------------------------------------------- */

/* What was leased otherwise meanwhile, or is over, is not given. */
static void keep_leased(const struct giving *it)
{
    struct lease_take *take = it->take;
    size_t kept = 0;
    for (size_t i = 0; i < take->delivery_count; i++) {
        if (it->lease.op.status == OK && it->rows[i].is_done)
            take->deliveries[kept++] = take->deliveries[i];
        else
            delivery_destroy(take->deliveries[i]);
    }
    take->delivery_count = kept;
}

static void on_given(struct store_op *op)
{
    struct giving *it = op->ctx;
    struct outlet *outlet = it->outlet;
    struct sender *sender = outlet->sender;
    struct lease_take *take = it->take;
    keep_leased(it);
    stream_hold(outlet, take);
    if (op->status != OK)
        log_error("leases not stored", "endpoint=%llu status=%s", (unsigned long long)outlet->id,
                  status_name(op->status));
    if (take->delivery_count > 0)
        claim_due(outlet, it->lease.due_ms);
    atomic_fetch_add(&outlet->gate->given, take->delivery_count);
    if (take->delivery_count > 0 || op->status != OK)
        go_home(take, op->status);
    else if (take->has_left || take->is_late || !is_open(outlet))
        go_home(take, take->has_left ? E_CANCELLED : OK);
    else
        come(outlet, take, outlet->leases.takes.head.next);
    free(it);
    outlet->leases.giving--;
    sender->settling--;
    claim(outlet);
    sender_check_idle(sender);
}

static void give(struct outlet *outlet, struct lease_take *take)
{
    const size_t count = take->delivery_count;
    struct giving *it = must_alloc(sizeof *it + count * sizeof it->rows[0]);
    const int64_t now_ms = clock_due_ms();
    it->outlet = outlet;
    it->take = take;
    for (size_t i = 0; i < count; i++)
        it->rows[i] = (struct store_lease_row){.delivery = take->deliveries[i]->id,
                                               .number = take->deliveries[i]->attempts + 1};
    it->lease = (struct store_lease){
        .op = {.kind = STORE_LEASE, .on_done = on_given, .ctx = it},
        .verb = LEASE_GIVE,
        .endpoint = outlet->id,
        .now_ms = now_ms,
        .due_ms = now_ms + outlet->spec->queue->lease_ms,
        .rows = it->rows,
        .row_count = count,
    };
    take->until_ms = it->lease.due_ms;
    outlet->leases.giving++;
    outlet->sender->settling++;
    /* Without a credit: as many as receivers. */
    check(store_submit(outlet->sender->options.store, outlet->sender->options.client,
                       &it->lease.op) == OK);
}

/* ---- Claims
 * ------------------------------------------------------------------------------------------- */

static size_t bytes_of(const struct delivery *delivery)
{
    return delivery->message->content->head_len + delivery->message->content->body_len;
}

/* Fills the receiver's hands from what was claimed, from *next on. */
static void fill(struct lease_take *take, struct store_claim_deliveries *claimed, size_t *next)
{
    size_t bytes = 0;
    const size_t left = claimed->delivery_count - *next;
    const size_t count_max = take->count_max < left ? take->count_max : left;
    take->deliveries = must_alloc((count_max + 1) * sizeof(struct delivery *));
    while (*next < claimed->delivery_count && take->delivery_count < count_max) {
        struct delivery *delivery = claimed->deliveries[*next];
        if (delivery) {
            bytes += bytes_of(delivery);
            if (take->delivery_count > 0 && bytes > LIMIT_QUEUE_BYTES)
                return;
            take->deliveries[take->delivery_count++] = delivery;
            claimed->deliveries[*next] = NULL;
        }
        (*next)++;
    }
}

/* Those that are not for receivers go: leases that ended are settled first, what expired is dead.
 */
static bool sift(struct outlet *outlet, struct store_claim_deliveries *claimed)
{
    bool has_ended = false;
    for (size_t i = 0; i < claimed->delivery_count; i++) {
        struct delivery *delivery = claimed->deliveries[i];
        if (delivery->leased_ms > 0) {
            has_ended = true;
            delivery_destroy(delivery);
        } else if (message_is_expired(delivery->message, claimed->now_ms)) {
            lease_bury(outlet, delivery);
        } else {
            continue;
        }
        claimed->deliveries[i] = NULL;
    }
    return has_ended;
}

static void hand_out(struct outlet *outlet, struct store_claim_deliveries *claimed)
{
    struct queue *takes = &outlet->leases.takes;
    size_t next = 0;
    while (is_open(outlet)) {
        while (next < claimed->delivery_count && !claimed->deliveries[next])
            next++;
        struct node *node = next < claimed->delivery_count ? queue_first(takes) : NULL;
        if (!node)
            break;
        struct lease_take *take = container_of(node, struct lease_take, node);
        step_out(outlet, take);
        fill(take, claimed, &next);
        give(outlet, take);
    }
    outlet->leases.is_due |= next < claimed->delivery_count;
}

/* Receivers whose time was over while the claim was under way. */
static void dismiss_late(struct outlet *outlet)
{
    struct node *node;
    while ((node = queue_first(&outlet->leases.late))) {
        struct lease_take *take = container_of(node, struct lease_take, late_node);
        step_out(outlet, take);
        go_home(take, OK);
    }
}

static void look_for_ended(struct outlet *outlet);

static void on_claimed(struct store_read *read)
{
    struct store_claim_deliveries *claimed =
        container_of(read, struct store_claim_deliveries, read);
    struct outlet *outlet = read->ctx;
    struct sender *sender = outlet->sender;
    outlet->leases.is_claiming = false;
    sender->reads--;
    if (read->status != OK) {
        log_error("messages not claimed", "endpoint=%llu reason=\"%s\"",
                  (unsigned long long)outlet->id, read->err.text);
        outlet->leases.is_due = true;
        claim_due(outlet, clock_due_ms() + CLAIM_AGAIN_MS);
    } else {
        outlet->leases.is_due |= !claimed->is_end;
        if (claimed->next_due_ms > 0)
            claim_due(outlet, claimed->next_due_ms);
        if (sift(outlet, claimed))
            look_for_ended(outlet);
        hand_out(outlet, claimed);
    }
    for (size_t i = 0; i < claimed->delivery_count; i++)
        if (claimed->deliveries[i])
            delivery_destroy(claimed->deliveries[i]);
    claimed->delivery_count = 0;
    const bool is_ok = read->status == OK;
    store_read_finish(read);
    free(claimed);
    dismiss_late(outlet);
    if (is_ok)
        claim(outlet);
    sender_check_idle(sender);
}

static bool ask(struct outlet *outlet, const struct store_claim_deliveries *wanted)
{
    struct sender *sender = outlet->sender;
    struct store_claim_deliveries *it = memory_calloc(1, sizeof *it);
    if (!it)
        return false;
    *it = *wanted;
    it->read.kind = STORE_CLAIM_DELIVERIES;
    it->read.ctx = outlet;
    it->endpoint = outlet->id;
    it->now_ms = clock_due_ms();
    it->bytes_max = LIMIT_QUEUE_BYTES;
    if (store_read(sender->options.store, sender->options.client, &it->read) != OK) {
        free(it);
        return false;
    }
    sender->reads++;
    return true;
}

static void claim(struct outlet *outlet)
{
    struct leases *leases = &outlet->leases;
    const bool is_busy =
        leases->is_claiming || leases->is_looking || leases->giving > 0 || leases->ending > 0;
    if (is_busy || !leases->is_due || !is_open(outlet) || leases->takes.count == 0)
        return;
    leases->is_claiming =
        ask(outlet, &(struct store_claim_deliveries){.read.on_done = on_claimed,
                                                     .count_max = leases->asked < CLAIM_COUNT_MAX
                                                                      ? leases->asked
                                                                      : CLAIM_COUNT_MAX});
    leases->is_due = !leases->is_claiming;
    if (!leases->is_claiming)
        claim_due(outlet, clock_due_ms() + CLAIM_AGAIN_MS);
}

/* ---- Leases that ended, messages that expired
 * -------------------------------------------------------------------------------- */

static void on_looked(struct store_read *read)
{
    struct store_claim_deliveries *claimed =
        container_of(read, struct store_claim_deliveries, read);
    struct outlet *outlet = read->ctx;
    struct sender *sender = outlet->sender;
    const bool is_ok = read->status == OK;
    outlet->leases.is_looking = false;
    sender->reads--;
    if (is_ok && outlet_is_queue(outlet) && !sender->is_stopping) {
        if (claimed->next_due_ms > 0)
            claim_due(outlet, claimed->next_due_ms);
        lease_settle_ended(outlet, claimed->deliveries, claimed->delivery_count);
        claimed->delivery_count = 0;
    }
    if (!is_ok)
        claim_due(outlet, clock_due_ms() + CLAIM_AGAIN_MS);
    store_read_finish(read);
    free(claimed);
    claim(outlet);
    sender_check_idle(sender);
}

static void look_for_ended(struct outlet *outlet)
{
    struct leases *leases = &outlet->leases;
    if (leases->is_looking || !outlet_is_queue(outlet) || outlet->sender->is_stopping)
        return;
    leases->is_looking =
        ask(outlet, &(struct store_claim_deliveries){
                        .read.on_done = on_looked, .is_ended = true, .count_max = CLAIM_COUNT_MAX});
    if (!leases->is_looking)
        claim_due(outlet, clock_due_ms() + CLAIM_AGAIN_MS);
}

void lease_on_time(struct outlet *outlet)
{
    look_for_ended(outlet);
    outlet->leases.is_due = true;
    claim(outlet);
}

/* With nobody who asks, what came may still expire: that is looked at once in a while. */
void lease_hint(struct outlet *outlet)
{
    outlet->leases.is_due = true;
    if (outlet->leases.takes.count == 0 && outlet_is_queue(outlet))
        claim_due(outlet, clock_due_ms() + LOOK_AFTER_MS);
    claim(outlet);
}

/* ---- Receivers
 * ------------------------------------------------------------------------------------------ */

static void on_late(struct timer *timer)
{
    struct lease_take *take = container_of(timer, struct lease_take, timer);
    struct outlet *outlet = outlet_get(take->sender, take->errand.endpoint);
    take->is_late = true;
    if (!node_is_linked(&take->node))
        return;                       /* it is being given something */
    if (outlet->leases.is_claiming) { /* which may bring something yet */
        queue_push(&outlet->leases.late, &take->late_node);
        return;
    }
    step_out(outlet, take);
    go_home(take, OK);
}

void lease_take(struct sender *sender, struct lease_errand *errand)
{
    struct lease_take *take = container_of(errand, struct lease_take, errand);
    struct outlet *outlet = outlet_get(sender, take->errand.endpoint);
    take->sender = sender;
    take->timer.on_time = on_late;
    if (!outlet || !outlet_is_queue(outlet) || sender->is_stopping) {
        go_home(take, E_CANCELLED);
        return;
    }
    come(outlet, take, &outlet->leases.takes.head);
    claim(outlet);
    timers_start(&sender->take_timers, &take->timer, take->wait_ms);
}

void lease_leave(struct sender *sender, struct lease_errand *leaving)
{
    struct lease_take *take = container_of(leaving, struct lease_take, leaving);
    struct outlet *outlet = outlet_get(sender, take->errand.endpoint);
    take->has_left = true;
    if (outlet && node_is_linked(&take->node)) { /* else it is on its way, or is given something */
        step_out(outlet, take);
        go_home(take, E_CANCELLED);
    }
    take->leaving.go_home(&take->leaving);
}

static void send_home(struct outlet *outlet, const struct queue *takes)
{
    struct node *node;
    while ((node = queue_first(takes))) {
        struct lease_take *take = container_of(node, struct lease_take, node);
        step_out(outlet, take);
        go_home(take, E_CANCELLED);
    }
}

void lease_send_home(struct outlet *outlet)
{
    send_home(outlet, &outlet->leases.takes);
    send_home(outlet, &outlet->leases.parked);
}

void lease_let_go(struct outlet *outlet, uint64_t delivery)
{
    struct lease_take *take = stream_let_go(outlet, delivery);
    if (!take)
        return;
    step_out(outlet, take);
    come(outlet, take, &outlet->leases.takes.head);
    claim(outlet);
}
