/* SPDX-License-Identifier: MIT */
/* What endpoints take of a worker's memory: places for deliveries, and attempts. Those that do not
 * answer share a part of each: however many they are, and however long they keep what they have,
 * those that answer find theirs. And those of one application take no more together than they leave
 * for the others. Who finds no places to claim, or no slot, waits for those that came before: in
 * the sender's queue if all have taken too much, in that of its application if that has. */
#include "send/sender_int.h"

#include "base/limits.h"

/* That each application has, of those that do not answer too, whatever others have taken. */
#define TENANT_PLACES 8

static struct queue *crowds_of(const struct outlet *outlet, bool is_own)
{
    return is_own ? outlet->tenant->crowds : outlet->sender->crowds;
}

static size_t all_places(const struct use uses[2])
{
    return uses[false].places + uses[true].places;
}

static size_t subtract(size_t most, size_t taken)
{
    return taken < most ? most - taken : 0;
}

/* ---- Places --------------------------------------------------------------------------------- */

/* What they have who take of the same as the outlet does. */
static size_t places_beside(const struct outlet *outlet, const struct use uses[2])
{
    return outlet->is_answering ? all_places(uses) : uses[false].places;
}

/* own: places of its application, all together. */
static size_t count_left(const struct outlet *outlet, size_t own)
{
    const size_t most =
        outlet->is_answering ? LIMIT_DELIVERIES_PER_WORKER : LIMIT_SILENT_DELIVERIES_PER_WORKER;
    return subtract(most, places_beside(outlet, outlet->sender->uses) + own);
}

static size_t own_places(const struct outlet *outlet)
{
    return outlet->tenant ? places_beside(outlet, outlet->tenant->uses) : 0;
}

static size_t count_free(const struct outlet *outlet)
{
    return count_left(outlet, own_places(outlet));
}

bool places_are_full(const struct outlet *outlet)
{
    return count_free(outlet) == 0;
}

void places_take(struct outlet *outlet, size_t count)
{
    outlet->use.places += count;
    outlet->sender->uses[outlet->is_answering].places += count;
    if (outlet->tenant)
        outlet->tenant->uses[outlet->is_answering].places += count;
}

void places_put(struct outlet *outlet, size_t count)
{
    outlet->use.places -= count;
    outlet->sender->uses[outlet->is_answering].places -= count;
    if (outlet->tenant)
        outlet->tenant->uses[outlet->is_answering].places -= count;
}

static void leave_crowd(struct outlet *outlet)
{
    queue_remove(outlet->crowded_in, &outlet->crowd_node);
    outlet->crowded_in = NULL;
    if (outlet->tenant)
        tenant_note(outlet->tenant, outlet->sender);
}

/* It waits for its own application if there would be enough without what that has. */
static void join_crowd(struct outlet *outlet)
{
    const bool is_own = outlet->tenant && outlet->wanted <= count_left(outlet, 0);
    outlet->crowded_in = &crowds_of(outlet, is_own)[outlet->is_answering];
    queue_push(outlet->crowded_in, &outlet->crowd_node);
    if (is_own)
        tenant_note(outlet->tenant, outlet->sender);
}

static bool is_crowded(const struct outlet *outlet)
{
    return queue_first(&crowds_of(outlet, false)[outlet->is_answering]) ||
           (outlet->tenant && queue_first(&crowds_of(outlet, true)[outlet->is_answering]));
}

size_t places_ask(struct outlet *outlet, size_t wanted)
{
    const bool is_turn = outlet->is_next || !is_crowded(outlet);
    size_t count = is_turn && wanted <= count_free(outlet) ? wanted : 0;
    if (count == 0 && outlet->is_answering && outlet->use.places == 0 &&
        all_places(outlet->sender->uses) + own_places(outlet) <
            2 * (size_t)LIMIT_DELIVERIES_PER_WORKER)
        count = 1;
    if (count == 0 && outlet->tenant && own_places(outlet) < TENANT_PLACES)
        count = 1;
    if (count > 0) {
        places_take(outlet, count);
        return count;
    }
    outlet->wanted = wanted;
    if (!outlet->crowded_in)
        join_crowd(outlet);
    return 0;
}

static struct outlet *first_of(const struct queue *crowd)
{
    struct node *node = queue_first(crowd);
    return node ? container_of(node, struct outlet, crowd_node) : NULL;
}

static void let_claim(struct outlet *outlet)
{
    leave_crowd(outlet);
    outlet->is_next = true;
    claim_go_on(outlet);
    outlet->is_next = false;
}

/* Who is first and waits for its own application only holds up nobody else. */
static void feed(struct queue *crowd)
{
    struct outlet *outlet;
    while ((outlet = first_of(crowd))) {
        const bool has_places = outlet->wanted <= count_free(outlet);
        if (has_places) {
            let_claim(outlet);
        } else if (outlet->tenant && outlet->wanted <= count_left(outlet, 0)) {
            leave_crowd(outlet);
            join_crowd(outlet);
        } else {
            return;
        }
    }
}

static void feed_tenant(struct tenant *tenant, bool is_answering)
{
    struct outlet *outlet;
    while ((outlet = first_of(&tenant->crowds[is_answering])) &&
           outlet->wanted <= count_free(outlet))
        let_claim(outlet);
}

/* Each once: what is fed may make others hungry. */
void places_feed(struct sender *sender)
{
    feed(&sender->crowds[true]);
    feed(&sender->crowds[false]);
    for (size_t left = sender->hungry.count; left > 0 && queue_first(&sender->hungry); left--) {
        struct node *node = queue_pop(&sender->hungry);
        struct tenant *tenant = container_of(node, struct tenant, node);
        queue_push(&sender->hungry, node);
        feed_tenant(tenant, true);
        feed_tenant(tenant, false);
    }
}

/* ---- Attempts ------------------------------------------------------------------------------- */

void attempts_take(struct outlet *outlet)
{
    outlet->use.attempts++;
    outlet->sender->uses[outlet->is_answering].attempts++;
    if (outlet->tenant)
        outlet->tenant->uses[outlet->is_answering].attempts++;
}

void attempts_put(struct outlet *outlet)
{
    outlet->use.attempts--;
    outlet->sender->uses[outlet->is_answering].attempts--;
    if (outlet->tenant)
        outlet->tenant->uses[outlet->is_answering].attempts--;
}

static size_t attempts_beside(const struct use uses[2], bool is_answering)
{
    return uses[false].attempts + (is_answering ? uses[true].attempts : 0);
}

static size_t attempts_left(const struct sender *sender, bool is_answering)
{
    return subtract(is_answering ? LIMIT_ATTEMPTS_PER_WORKER : LIMIT_SILENT_ATTEMPTS_PER_WORKER,
                    attempts_beside(sender->uses, is_answering));
}

/* tenant: as if it had nothing, if NULL. */
static bool has_slot(const struct outlet *outlet, const struct tenant *tenant)
{
    const bool is_answering = outlet->is_answering;
    return pace_has_slot(outlet->in_flight,
                         tenant ? attempts_beside(tenant->uses, is_answering) : 0,
                         attempts_beside(outlet->sender->uses, is_answering), is_answering);
}

bool attempts_have_slot(const struct outlet *outlet)
{
    return has_slot(outlet, outlet->tenant);
}

void attempts_starve(struct outlet *outlet)
{
    struct tenant *tenant = outlet->tenant;
    const bool is_own = tenant && has_slot(outlet, NULL);
    outlet->starved_in = is_own ? &tenant->starved[outlet->is_answering]
                                : &outlet->sender->starved[outlet->is_answering];
    queue_push(outlet->starved_in, &outlet->ready_node);
    if (is_own)
        tenant_note(tenant, outlet->sender);
}

void attempts_unstarve(struct outlet *outlet)
{
    check(outlet->starved_in);
    queue_remove(outlet->starved_in, &outlet->ready_node);
    outlet->starved_in = NULL;
    if (outlet->tenant)
        tenant_note(outlet->tenant, outlet->sender);
}

static void make_ready(struct outlet *outlet)
{
    attempts_unstarve(outlet);
    queue_push(&outlet->sender->ready, &outlet->ready_node);
}

static void feed_starved(struct sender *sender, bool is_answering)
{
    const struct node *node;
    for (size_t left = attempts_left(sender, is_answering);
         left > 0 && (node = queue_first(&sender->starved[is_answering])); left--)
        make_ready(container_of(node, struct outlet, ready_node));
}

/* As many as it may have more of. */
static void feed_own(struct sender *sender, struct tenant *tenant, bool is_answering)
{
    const size_t own = attempts_beside(tenant->uses, is_answering);
    const struct node *node;
    for (size_t left = subtract(attempts_left(sender, is_answering), own);
         left > 0 && (node = queue_first(&tenant->starved[is_answering])); left--)
        make_ready(container_of(node, struct outlet, ready_node));
}

void attempts_feed(struct sender *sender)
{
    feed_starved(sender, true);
    feed_starved(sender, false);
    const struct node *next;
    for (const struct node *node = queue_first(&sender->hungry); node; node = next) {
        struct tenant *tenant = container_of(node, struct tenant, node);
        next = queue_next(&sender->hungry, node);
        feed_own(sender, tenant, true);
        feed_own(sender, tenant, false);
    }
}

/* ---- Who answers ---------------------------------------------------------------------------- */

/* From one of a pair of queues, [is_answering], to the other. */
static void move(struct node *node, struct queue **queue, bool is_answering)
{
    queue_remove(*queue, node);
    *queue += is_answering ? 1 : -1;
    queue_push(*queue, node);
}

static void change_use(struct use uses[2], const struct use *use, bool is_answering)
{
    uses[!is_answering].places -= use->places;
    uses[!is_answering].attempts -= use->attempts;
    uses[is_answering].places += use->places;
    uses[is_answering].attempts += use->attempts;
}

void outlet_set_answering(struct outlet *outlet, bool is_answering)
{
    struct sender *sender = outlet->sender;
    if (outlet->is_answering == is_answering)
        return;
    outlet->is_answering = is_answering;
    change_use(sender->uses, &outlet->use, is_answering);
    if (outlet->tenant)
        change_use(outlet->tenant->uses, &outlet->use, is_answering);
    if (outlet->crowded_in)
        move(&outlet->crowd_node, &outlet->crowded_in, is_answering);
    if (outlet->starved_in)
        move(&outlet->ready_node, &outlet->starved_in, is_answering);
    places_feed(sender);
}
