/* SPDX-License-Identifier: MIT */
/* Where a new event goes: a shard of this worker or of one that is less loaded, into memory or left
 * to the store. */
#include "worker/worker_int.h"

#include "base/limits.h"

#define BALANCE_SLACK 64 /* events a worker may hold more than twice the least loaded */

static struct worker *least_loaded(struct worker *worker)
{
    struct worker *least = worker;
    size_t least_count = atomic_load_explicit(&worker->held_count, memory_order_relaxed);
    const size_t own_count = least_count;
    for (unsigned i = 0; i < worker->options.count; i++) {
        struct worker *peer = worker->options.peers[i];
        const size_t count = atomic_load_explicit(&peer->held_count, memory_order_relaxed);
        if (count < least_count) {
            least = peer;
            least_count = count;
        }
    }
    return own_count > 2 * least_count + BALANCE_SLACK ? least : worker;
}

struct placement worker_place(struct worker *worker)
{
    const struct worker *owner = least_loaded(worker);
    const unsigned turns = ID_SHARD_COUNT / worker->options.count;
    const unsigned turn = worker->shard_turn++ % turns;
    struct placement placement = {
        .shard = (uint8_t)(owner->options.index + worker->options.count * turn)};
    struct worker *target = worker->options.peers[owner->options.index];
    placement.has_room = atomic_load_explicit(&target->held_bytes, memory_order_relaxed) <
                             LIMIT_EVENT_BYTES_PER_WORKER &&
                         gate_take(&target->gate);
    return placement;
}

/* An event that lies in the store is taken up from there, and so is the batch that it made due. */
static void tell_owners(struct worker *worker, const struct event *event)
{
    const int64_t due_ms = event->plan ? event->plan->due_ms : event->due_ms;
    if (due_ms < STORE_HELD_MS) /* else it is told by the end of what it waits for */
        worker_tell_due(worker, event->id, due_ms);
    for (size_t i = 0; event->plan && i < event->plan->count; i++)
        if (event->plan->runs[i].released != 0)
            worker_tell_due(worker, event->plan->runs[i].released, 0);
}

void worker_placed(struct worker *worker, struct placement placement, struct event *event,
                   bool is_committed)
{
    struct worker *owner = worker->options.peers[worker_of_shard(worker, placement.shard)];
    const bool is_for_store = event->plan || event->due_ms > 0;
    if (!is_committed || is_for_store) {
        if (placement.has_room)
            gate_put(&owner->gate);
        if (is_committed)
            tell_owners(worker, event);
        event_unref(event);
        return;
    }
    if (!placement.has_room) {
        event_unref(event);
        if (owner == worker)
            backlog_hint(worker);
        else
            worker_post(owner, &(struct worker_letter){.kind = LETTER_EVENTS_HINT});
        return;
    }
    if (owner == worker)
        work_take(worker, event);
    else
        worker_post(owner, &(struct worker_letter){.kind = LETTER_EVENT, .of.event = event});
}
