/* SPDX-License-Identifier: MIT */
/* Deliveries that lie in the store. While an endpoint is behind, its gate is closed: what is
 * committed gets a due time and is claimed in turn, least due first. When a claim comes short the
 * gate opens, and one more claim looks for what was committed in between. Whoever commits a
 * delivery with a due time hints the owner, so nothing is missed. */
#include "send/sender_int.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/memory.h"

#include <limits.h>
#include <stdlib.h>

#define CLAIM_BYTES_MAX (8u * 1024 * 1024)
#define URGENT_PART 4 /* of a window: more than that, for what overtakes */
#define OPEN_COUNT 1024
#define TIMER_MS_MAX 3600000

static void claim(struct outlet *outlet);

void claim_close_gate(struct outlet *outlet)
{
    if (outlet->is_closed || !outlet->gate)
        return;
    outlet->is_closed = true;
    gate_close(outlet->gate);
}

void claim_fall_behind(struct outlet *outlet)
{
    claim_close_gate(outlet);
    outlet->is_behind = true;
    outlet->is_last_look = false;
}

static void open_gate(struct outlet *outlet)
{
    if (!outlet->is_closed || !outlet->gate)
        return;
    outlet->is_closed = false;
    gate_open(outlet->gate);
}

void claim_note_settled(struct outlet *outlet, uint64_t delivery)
{
    struct sender *sender = outlet->sender;
    /* Without memory for the note the worst is one attempt more. */
    if (outlet->claim && map_put(&outlet->settled_meanwhile, delivery, outlet) != OK)
        log_warn("settled delivery not noted", "delivery=%llu", (unsigned long long)delivery);
    if (sender->is_recovering && map_put(&sender->settled_meanwhile, delivery, outlet) != OK)
        log_warn("settled delivery not noted", "delivery=%llu", (unsigned long long)delivery);
}

void claim_due(struct outlet *outlet, int64_t due_ms)
{
    if (outlet->is_deleted) {
        clear_hint(outlet);
        return;
    }
    if (outlet->next_due_ms == 0 || due_ms < outlet->next_due_ms)
        outlet->next_due_ms = due_ms;
    int64_t delay_ms = outlet->next_due_ms - clock_due_ms();
    if (delay_ms > TIMER_MS_MAX)
        delay_ms = TIMER_MS_MAX;
    outlet_set_timer(outlet, delay_ms);
}

void claim_hint(struct outlet *outlet, int priority)
{
    if (outlet->is_deleted) {
        clear_hint(outlet);
        return;
    }
    if (priority > outlet->urgent)
        outlet->urgent = priority;
    if (outlet->is_behind && !outlet->is_last_look) {
        outlet->is_rescan = true;
        claim(outlet);
        return;
    }
    claim_fall_behind(outlet);
    outlet->is_rescan = outlet->claim != NULL;
    claim(outlet);
}

void claim_go_on(struct outlet *outlet)
{
    if (outlet->is_deleted)
        clear_hint(outlet);
    else if (outlet->is_behind)
        claim(outlet);
}

static void end_pass(struct outlet *outlet)
{
    if (outlet->is_rescan) {
        outlet->is_rescan = false;
    } else if (outlet->is_last_look) {
        outlet->is_last_look = false;
        outlet->is_behind = false;
    } else {
        open_gate(outlet);
        outlet->is_last_look = true;
    }
}

static void take(struct outlet *outlet, struct delivery **place)
{
    struct delivery *delivery = *place;
    struct sender *sender = outlet->sender;
    if (map_get(&sender->held, delivery->id) || map_get(&outlet->settled_meanwhile, delivery->id) ||
        cancel_is_under_way(sender, delivery->id))
        return; /* the read frees it */
    *place = NULL;
    outlet_hold(outlet, delivery, false);
}

static void on_claimed(struct store_read *read)
{
    struct store_claim_deliveries *result = container_of(read, struct store_claim_deliveries, read);
    struct outlet *outlet = read->ctx;
    struct sender *sender = outlet->sender;
    outlet->claim = NULL;
    places_put(outlet, result->count_max);
    if (read->status != OK)
        log_error("deliveries not claimed", "endpoint=%llu reason=\"%s\"",
                  (unsigned long long)outlet->id, read->err.text);
    else
        for (size_t i = 0; i < result->delivery_count; i++)
            take(outlet, &result->deliveries[i]);
    if (outlet->is_deleted)
        claim_give_back(outlet);
    const bool is_ok = read->status == OK;
    const bool is_end = result->is_end;
    const bool is_urgent = result->is_urgent;
    const int64_t next_due_ms = result->next_due_ms;
    if (is_urgent && (!is_ok || !is_end))
        outlet->urgent = LIMIT_PRIORITY; /* some may be left */
    store_read_finish(read);
    free(result);
    map_clear(&outlet->settled_meanwhile);
    sender->reads--;
    if (is_ok && next_due_ms > 0)
        claim_due(outlet, next_due_ms);
    if (is_ok && is_end && !is_urgent)
        end_pass(outlet);
    if (!is_ok)
        claim_due(outlet, clock_due_ms() + 1000);
    else if (outlet->is_behind)
        claim(outlet);
    places_feed(sender);
    sender_check_idle(sender);
}

/* ---- Giving back ---- */

struct give_back {
    struct store_spill spill;
    struct outlet *outlet;
    struct store_spill_row rows[];
};

/* A failure leaves them in memory, but for what is being taken back. */
static void on_given_back(struct store_op *op)
{
    struct give_back *it = op->ctx;
    struct outlet *outlet = it->outlet;
    for (size_t i = 0; i < it->spill.row_count; i++) {
        const uint64_t id = it->rows[i].delivery;
        struct delivery *delivery = map_get(&outlet->sender->held, id);
        if (op->status == OK || cancel_is_under_way(outlet->sender, id)) {
            outlet_release(outlet, delivery);
            cancel_go_on(outlet->sender, id);
        } else {
            outlet_wait(outlet, delivery);
        }
    }
    outlet->sender->settling--;
    sender_check_idle(outlet->sender);
    const bool is_given_back = op->status == OK;
    free(it);
    /* A claim in between, if it flows again, did not see them. */
    if (is_given_back)
        sender_hint(outlet->sender, outlet->id, LIMIT_PRIORITY);
    outlet_schedule(outlet);
}

void claim_give_back(struct outlet *outlet)
{
    struct sender *sender = outlet->sender;
    const size_t count = outlet->waiting.count;
    struct give_back *it =
        count > 0 ? memory_calloc(1, sizeof *it + count * sizeof(struct store_spill_row)) : NULL;
    if (!it)
        return;
    for (size_t i = 0; i < count; i++) {
        const struct delivery *delivery =
            container_of(queue_pop(&outlet->waiting), struct delivery, node);
        /* As it came: the order stays. */
        it->rows[i] = (struct store_spill_row){
            .delivery = delivery->id,
            .due_ms = delivery->due_ms > 0 ? delivery->due_ms : delivery->created_ms,
        };
    }
    it->outlet = outlet;
    it->spill = (struct store_spill){
        .op = {.kind = STORE_SPILL, .on_done = on_given_back, .ctx = it},
        .rows = it->rows,
        .row_count = count,
    };
    sender->settling++;
    check(store_submit(sender->options.store, sender->options.client, &it->spill.op) == OK);
}

/* How many to ask for of those that go before the last one that waits, with the window full: a few
 * at a time; 0: none. */
static size_t count_urgent(const struct outlet *outlet, int *above)
{
    const struct queue *waiting = &outlet->waiting;
    if (waiting->count == 0)
        return 0;
    *above = container_of(waiting->head.previous, struct delivery, node)->priority;
    if (outlet->urgent <= *above)
        return 0;
    size_t ahead = 0;
    for (struct node *node = queue_first(waiting);
         container_of(node, struct delivery, node)->priority > *above;
         node = queue_next(waiting, node))
        ahead++;
    const size_t part = outlet->window / URGENT_PART;
    return ahead < part ? part + ahead + outlet->held - waiting->count : 0;
}

/* At half the window, so that a claim is worth its price; or for what overtakes; or one, if the
 * circuit has no use for more. What is held may still be due in the store: it comes again and is
 * skipped. 0: none. */
static size_t count_wanted(const struct outlet *outlet, bool *is_urgent, int *above)
{
    *is_urgent = false;
    if (outlet->pace.circuit.state == CIRCUIT_HALF_OPEN)
        return outlet->waiting.count > 0 ? 0 : outlet->held + 1;
    *is_urgent = outlet->held > outlet->window / 2;
    return *is_urgent ? count_urgent(outlet, above) : outlet->window + outlet->held;
}

static void ask(struct outlet *outlet, size_t count, bool is_urgent, int above)
{
    struct sender *sender = outlet->sender;
    struct store_claim_deliveries *it = memory_calloc(1, sizeof *it);
    if (!it) {
        places_put(outlet, count);
        claim_due(outlet, clock_due_ms() + 1000);
        return;
    }
    *it = (struct store_claim_deliveries){
        .read = {.kind = STORE_CLAIM_DELIVERIES, .on_done = on_claimed, .ctx = outlet},
        .endpoint = outlet->id,
        .now_ms = clock_due_ms(),
        .count_max = count,
        .is_urgent = is_urgent,
        .above = above,
        .bytes_max = CLAIM_BYTES_MAX,
    };
    if (store_read(sender->options.store, sender->options.client, &it->read) != OK) {
        free(it);
        places_put(outlet, count);
        claim_due(outlet, clock_due_ms() + 20);
        return;
    }
    outlet->claim = it;
    outlet->urgent = INT_MIN;
    sender->reads++;
}

static void claim(struct outlet *outlet)
{
    bool is_urgent;
    int above = 0;
    const size_t wanted = count_wanted(outlet, &is_urgent, &above);
    if (outlet->claim || !outlet_is_open(outlet) || outlet_is_heavy(outlet) || wanted == 0)
        return;
    const size_t count = places_ask(outlet, wanted);
    if (count > 0)
        ask(outlet, count, is_urgent, above);
}

/* ---- Recovery
 * --------------------------------------------------------------------------------------------- */

/* Of this sender, which knows all that applications registered: one that it does not know. */
static bool is_deleted(const struct sender *sender, uint64_t endpoint)
{
    return endpoint >= ID_ENDPOINT_REGISTERED &&
           id_shard_of_number(endpoint) % sender->options.worker_count ==
               sender->options.worker_index;
}

static void on_backlog(struct store_read *read)
{
    struct store_backlog *result = container_of(read, struct store_backlog, read);
    struct sender *sender = read->ctx;
    for (size_t i = 0; read->status == OK && i < result->row_count; i++) {
        const uint64_t endpoint = result->rows[i].endpoint;
        struct outlet *outlet = outlet_get(sender, endpoint);
        if (outlet)
            claim_due(outlet, result->rows[i].due_ms);
        else if (is_deleted(sender, endpoint) && (outlet = outlet_create(sender, endpoint)))
            clear_start(outlet);
    }
    store_read_finish(read);
    free(result);
    sender->reads--;
    sender_check_idle(sender);
}

static void ask_backlog(struct sender *sender)
{
    struct store_backlog *it = must_alloc(sizeof *it);
    it->read = (struct store_read){.kind = STORE_BACKLOG, .on_done = on_backlog, .ctx = sender};
    if (store_read(sender->options.store, sender->options.client, &it->read) == OK)
        sender->reads++;
    else
        free(it); /* each outlet begins behind and claims by itself */
}

static void ask_open(struct sender *sender, uint64_t after);

static void on_open(struct store_read *read)
{
    struct store_claim_open *result = container_of(read, struct store_claim_open, read);
    struct sender *sender = read->ctx;
    const bool is_ok = read->status == OK;
    if (!is_ok)
        log_error("open deliveries not recovered", "reason=\"%s\"", read->err.text);
    sender->is_pumping = true; /* none starts before all are in: the turns are by priority */
    for (size_t i = 0; is_ok && i < result->delivery_count; i++) {
        struct delivery *delivery = result->deliveries[i];
        struct outlet *outlet = outlet_get(sender, delivery->endpoint);
        if (!outlet)
            outlet = outlet_create(sender, delivery->endpoint);
        if (outlet && !map_get(&sender->held, delivery->id) &&
            !map_get(&sender->settled_meanwhile, delivery->id) &&
            !cancel_is_under_way(sender, delivery->id)) {
            result->deliveries[i] = NULL;
            outlet_hold(outlet, delivery, false);
            if (!outlet->spec && is_deleted(sender, outlet->id))
                clear_start(outlet);
            else if (outlet_is_queue(outlet)) /* it was none when they were made */
                claim_give_back(outlet);
        }
    }
    sender->is_pumping = false;
    sender_pump(sender);
    const bool is_end = result->is_end;
    const uint64_t last = result->last;
    store_read_finish(read);
    free(result);
    sender->reads--;
    map_clear(&sender->settled_meanwhile);
    sender->is_recovering = false;
    if (is_ok && !is_end && !sender->is_stopping)
        ask_open(sender, last);
    sender_check_idle(sender);
}

static void ask_open(struct sender *sender, uint64_t after)
{
    struct store_claim_open *it = must_alloc(sizeof *it);
    *it = (struct store_claim_open){
        .read = {.kind = STORE_CLAIM_OPEN, .on_done = on_open, .ctx = sender},
        .after = after,
        .modulus = sender->options.worker_count,
        .remainder = sender->options.worker_index,
        .count_max = OPEN_COUNT,
        .bytes_max = CLAIM_BYTES_MAX,
    };
    if (store_read(sender->options.store, sender->options.client, &it->read) != OK) {
        free(it); /* the claims of all endpoints are before it */
        sender->recovers_after = after;
        sender->is_recovery_due = true;
        sender_wait(sender);
        return;
    }
    sender->reads++;
    sender->is_recovering = true;
}

void claim_go_on_recovering(struct sender *sender)
{
    if (!sender->is_recovery_due || sender->is_stopping)
        return;
    sender->is_recovery_due = false;
    ask_open(sender, sender->recovers_after);
}

void claim_recover(struct sender *sender)
{
    ask_open(sender, 0);
    ask_backlog(sender);
}
