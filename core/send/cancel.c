/* SPDX-License-Identifier: MIT */
/* Deliveries taken back by hand. The store says whether one is still open; memory must not bring it
 * back: while a delivery is in `cancels`, nothing of it is taken up, however it comes; and one in
 * `cancelled` is not either that the worker which made it hands over only now. Whatever else brings
 * it then knows of the cancel: it was given a fresh chance since. */
#include "send/sender_int.h"

#include "base/clock.h"
#include "base/log.h"

static void finish(struct sender_cancel *cancel)
{
    struct sender *sender = cancel->sender;
    sender->settling--;
    cancel->on_done(cancel);
    sender_check_idle(sender);
}

static void on_changed(struct store_op *op)
{
    struct sender_cancel *cancel = op->ctx;
    struct sender *sender = cancel->sender;
    struct outlet *outlet = outlet_get(sender, cancel->endpoint);
    const struct change *change = &cancel->change;
    cancel->status = op->status == OK ? change->status : op->status;
    cancel->state = (enum delivery_state)change->state;
    if (op->status != OK)
        log_error("delivery not cancelled, left to the next start", "delivery=%llu status=%s",
                  (unsigned long long)cancel->delivery, status_name(op->status));
    if (outlet)
        claim_note_settled(outlet, cancel->delivery);
    if (outlet && cancel->status == OK)
        lease_let_go(outlet, cancel->delivery);
    (void)map_remove(&sender->cancels, cancel->delivery);
    if (cancel->status == OK && change->was_held && !cancel->has_come &&
        map_put(&sender->cancelled, cancel->delivery, sender) != OK)
        log_warn("cancelled delivery not noted", "delivery=%llu",
                 (unsigned long long)cancel->delivery);
    if (change->has_released)
        sender_hint(sender, cancel->endpoint, LIMIT_PRIORITY);
    finish(cancel);
}

static void submit(struct sender_cancel *cancel)
{
    struct sender *sender = cancel->sender;
    cancel->change =
        (struct change){.verb = CHANGE_CANCEL, .kind = ID_DELIVERY, .id = cancel->delivery};
    cancel->op = (struct store_change){
        .op = {.kind = STORE_CHANGE, .on_done = on_changed, .ctx = cancel},
        .now_ms = clock_due_ms(),
        .reason = cancel->reason,
        .changes = &cancel->change,
        .change_count = 1,
    };
    /* Without a credit: as many as requests of the API. */
    check(store_submit(sender->options.store, sender->options.client, &cancel->op.op) == OK);
}

bool cancel_is_under_way(const struct sender *sender, uint64_t delivery)
{
    return map_get(&sender->cancels, delivery) != NULL;
}

bool cancel_keeps_out(struct sender *sender, uint64_t delivery)
{
    struct sender_cancel *cancel = map_get(&sender->cancels, delivery);
    if (cancel)
        cancel->has_come = true;
    return map_remove(&sender->cancelled, delivery) || cancel;
}

void cancel_go_on(struct sender *sender, uint64_t delivery)
{
    struct sender_cancel *cancel = map_get(&sender->cancels, delivery);
    if (cancel)
        submit(cancel);
}

void sender_cancel(struct sender *sender, struct sender_cancel *cancel)
{
    cancel->sender = sender;
    cancel->has_come = false;
    cancel->status = sender->is_stopping ? E_CANCELLED
                     : map_get(&sender->cancels, cancel->delivery)
                         ? E_BUSY
                         : map_put(&sender->cancels, cancel->delivery, cancel);
    sender->settling++;
    if (cancel->status != OK) {
        finish(cancel);
        return;
    }
    struct delivery *delivery = map_get(&sender->held, cancel->delivery);
    cancel->has_come = delivery != NULL;
    if (delivery && !node_is_linked(&delivery->node))
        return; /* an attempt is under way: until the delivery leaves memory */
    if (delivery) {
        struct outlet *outlet = outlet_get(sender, delivery->endpoint);
        queue_remove(&outlet->waiting, &delivery->node);
        outlet_release(outlet, delivery);
    }
    submit(cancel);
}
