/* SPDX-License-Identifier: MIT */
/* The applications whose endpoints a worker owns: which endpoints they are, and how heavy what they
 * hold is. What they take besides is counted in places.c. */
#include "send/sender_int.h"

#include "base/limits.h"
#include "base/memory.h"

#include <stdlib.h>

static struct tenant *create(struct sender *sender, uint64_t application)
{
    struct tenant *tenant = must_alloc(sizeof *tenant);
    queue_init(&tenant->outlets);
    for (unsigned i = 0; i < 2; i++) {
        queue_init(&tenant->starved[i]);
        queue_init(&tenant->crowds[i]);
    }
    tenant->application = application;
    check(map_put(&sender->tenants, application, tenant) == OK);
    return tenant;
}

void tenant_join(struct outlet *outlet, uint64_t application)
{
    if (outlet->tenant || outlet->held > 0 || outlet->use.places > 0)
        return; /* what it has was counted before it was known whose it is */
    struct sender *sender = outlet->sender;
    struct tenant *tenant = map_get(&sender->tenants, application);
    tenant = tenant ? tenant : create(sender, application);
    queue_push(&tenant->outlets, &outlet->tenant_node);
    outlet->tenant = tenant;
}

void tenant_leave(struct outlet *outlet)
{
    struct tenant *tenant = outlet->tenant;
    if (!tenant)
        return;
    outlet->tenant = NULL;
    queue_remove(&tenant->outlets, &outlet->tenant_node);
    if (tenant->outlets.count > 0)
        return;
    (void)map_remove(&outlet->sender->tenants, tenant->application);
    free(tenant);
}

void tenant_note(struct tenant *tenant, struct sender *sender)
{
    const bool is_hungry = queue_first(&tenant->starved[0]) || queue_first(&tenant->starved[1]) ||
                           queue_first(&tenant->crowds[0]) || queue_first(&tenant->crowds[1]);
    if (is_hungry == node_is_linked(&tenant->node))
        return;
    if (is_hungry)
        queue_push(&sender->hungry, &tenant->node);
    else
        queue_remove(&sender->hungry, &tenant->node);
}

/* ---- Weight --------------------------------------------------------------------------------- */

static void go_on_all(struct sender *sender)
{
    size_t place = 0;
    uint64_t id;
    void *outlet;
    while (map_next(&sender->outlets, &place, &id, &outlet))
        claim_go_on(outlet);
}

static void go_on(struct tenant *tenant)
{
    const struct node *next;
    for (const struct node *node = queue_first(&tenant->outlets); node; node = next) {
        next = queue_next(&tenant->outlets, node);
        claim_go_on(container_of(node, struct outlet, tenant_node));
    }
}

/* It has as much as it leaves for the others; it is light again with half of that, or nothing. */
static void weigh_tenant(struct sender *sender, struct tenant *tenant, size_t bytes, bool is_held)
{
    tenant->held_bytes += is_held ? bytes : -bytes;
    if (is_held && sender->held_bytes + tenant->held_bytes > LIMIT_DELIVERY_CONTENT_BYTES)
        tenant->is_heavy = true;
    if (!tenant->is_heavy ||
        (tenant->held_bytes > 0 &&
         sender->held_bytes + 2 * tenant->held_bytes > LIMIT_DELIVERY_CONTENT_BYTES))
        return;
    tenant->is_heavy = false;
    go_on(tenant);
}

void outlet_weigh(struct outlet *outlet, const struct delivery *delivery, bool is_held)
{
    struct sender *sender = outlet->sender;
    const size_t bytes = delivery->message->content->body_len;
    sender->held_bytes += is_held ? bytes : -bytes;
    if (outlet->tenant)
        weigh_tenant(sender, outlet->tenant, bytes, is_held);
    if (sender->held_bytes > LIMIT_DELIVERY_CONTENT_BYTES)
        sender->is_heavy = true;
    if (!sender->is_heavy || sender->held_bytes > LIMIT_DELIVERY_CONTENT_BYTES / 2)
        return;
    sender->is_heavy = false;
    go_on_all(sender);
}

bool outlet_is_heavy(const struct outlet *outlet)
{
    return outlet->tenant ? outlet->tenant->is_heavy : outlet->sender->is_heavy;
}

void tenants_free(struct sender *sender)
{
    size_t place = 0;
    uint64_t application;
    void *tenant;
    while (map_next(&sender->tenants, &place, &application, &tenant))
        free(tenant);
    map_finish(&sender->tenants);
}
