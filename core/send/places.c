/* SPDX-License-Identifier: MIT */
/* What endpoints take of a worker's memory: places for deliveries, and attempts. Those that do not
 * answer share a part of each: however many they are, and however long they keep what they have,
 * those that answer find theirs. Who finds no places to claim waits for those that came before. */
#include "send/sender_int.h"

#include "base/limits.h"

static struct queue *crowd_of(const struct outlet *outlet)
{
    return &outlet->sender->crowds[outlet->is_answering];
}

static size_t all_places(const struct sender *sender)
{
    return sender->uses[false].places + sender->uses[true].places;
}

static size_t subtract(size_t most, size_t taken)
{
    return taken < most ? most - taken : 0;
}

static size_t count_free(const struct outlet *outlet)
{
    const struct sender *sender = outlet->sender;
    if (outlet->is_answering)
        return subtract(LIMIT_DELIVERIES_PER_WORKER, all_places(sender));
    return subtract(LIMIT_SILENT_DELIVERIES_PER_WORKER, sender->uses[false].places);
}

bool places_are_full(const struct outlet *outlet)
{
    return count_free(outlet) == 0;
}

void places_take(struct outlet *outlet, size_t count)
{
    outlet->use.places += count;
    outlet->sender->uses[outlet->is_answering].places += count;
}

void places_put(struct outlet *outlet, size_t count)
{
    outlet->use.places -= count;
    outlet->sender->uses[outlet->is_answering].places -= count;
}

size_t places_ask(struct outlet *outlet, size_t wanted)
{
    struct queue *crowd = crowd_of(outlet);
    const bool is_turn = outlet->is_next || !queue_first(crowd);
    size_t count = is_turn && wanted <= count_free(outlet) ? wanted : 0;
    if (count == 0 && outlet->is_answering && outlet->use.places == 0 &&
        all_places(outlet->sender) < 2 * (size_t)LIMIT_DELIVERIES_PER_WORKER)
        count = 1;
    if (count > 0) {
        places_take(outlet, count);
        return count;
    }
    outlet->wanted = wanted;
    if (!node_is_linked(&outlet->crowd_node))
        queue_push(crowd, &outlet->crowd_node);
    return 0;
}

static void feed(struct queue *crowd)
{
    struct node *node;
    while ((node = queue_first(crowd))) {
        struct outlet *outlet = container_of(node, struct outlet, crowd_node);
        if (outlet->wanted > count_free(outlet))
            return;
        queue_remove(crowd, node);
        outlet->is_next = true;
        claim_go_on(outlet);
        outlet->is_next = false;
    }
}

void places_feed(struct sender *sender)
{
    feed(&sender->crowds[true]);
    feed(&sender->crowds[false]);
}

void attempts_take(struct outlet *outlet)
{
    outlet->use.attempts++;
    outlet->sender->uses[outlet->is_answering].attempts++;
}

void attempts_put(struct outlet *outlet)
{
    outlet->use.attempts--;
    outlet->sender->uses[outlet->is_answering].attempts--;
}

size_t attempts_beside(const struct sender *sender, bool is_answering)
{
    return sender->uses[false].attempts + (is_answering ? sender->uses[true].attempts : 0);
}

size_t attempts_left(const struct sender *sender, bool is_answering)
{
    return subtract(is_answering ? LIMIT_ATTEMPTS_PER_WORKER : LIMIT_SILENT_ATTEMPTS_PER_WORKER,
                    attempts_beside(sender, is_answering));
}

static void move(struct node *node, struct queue *from, struct queue *to)
{
    queue_remove(from, node);
    queue_push(to, node);
}

void outlet_set_answering(struct outlet *outlet, bool is_answering)
{
    struct sender *sender = outlet->sender;
    const bool was_answering = outlet->is_answering;
    if (was_answering == is_answering)
        return;
    outlet->is_answering = is_answering;
    sender->uses[was_answering].places -= outlet->use.places;
    sender->uses[was_answering].attempts -= outlet->use.attempts;
    sender->uses[is_answering].places += outlet->use.places;
    sender->uses[is_answering].attempts += outlet->use.attempts;
    if (node_is_linked(&outlet->crowd_node))
        move(&outlet->crowd_node, &sender->crowds[was_answering], &sender->crowds[is_answering]);
    if (outlet->is_starved)
        move(&outlet->ready_node, &sender->starved[was_answering], &sender->starved[is_answering]);
    places_feed(sender);
}
