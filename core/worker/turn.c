/* SPDX-License-Identifier: MIT */
/* Turns: runs that lost a key of kv to others too often go one after another, over all workers.
 *
 * The store refuses a run whose reads are not true any more, so of runs that meet one always
 * commits. A run that was refused LIMIT_KV_CONFLICTS times takes the turn of its key, in the order
 * of coming, and keeps it until it ended; meanwhile no other run commits a write to that key but
 * waits behind it. What was at the store already may beat it once more; then it wins. Who has a
 * turn never waits for another one, so turns cannot lock each other. Keys share 256 slots. */
#include "worker/worker_int.h"

#include "base/id.h"
#include "base/limits.h"

#include <stdlib.h>

#define SLOTS ID_SHARD_COUNT

struct turns {
    pthread_mutex_t mutex;
    struct turn *holders[SLOTS];
    struct queue waiting[SLOTS];
    atomic_size_t held; /* slots with a holder */
};

struct turns *turns_create(void)
{
    struct turns *turns = must_alloc(sizeof *turns);
    check(pthread_mutex_init(&turns->mutex, NULL) == 0);
    for (size_t i = 0; i < SLOTS; i++)
        queue_init(&turns->waiting[i]);
    return turns;
}

void turns_destroy(struct turns *turns)
{
    if (!turns)
        return;
    check(pthread_mutex_destroy(&turns->mutex) == 0);
    free(turns);
}

static uint8_t slot_of(const char *ns, const char *key)
{
    return id_shard_of_name(slice_str(ns)) ^ id_shard_of_name(slice_str(key));
}

static struct turns *turns_of(const struct run *run)
{
    return run->work->worker->options.turns;
}

/* False: it waits in the queue of the slot. */
static bool take(struct run *run, uint8_t slot)
{
    struct turns *turns = turns_of(run);
    struct turn *turn = &run->turn;
    *turn = (struct turn){.worker = run->work->worker,
                          .event = run->work->event->id,
                          .index = (size_t)(run - run->work->runs),
                          .slot = slot};
    run->has_turn = true;
    check(pthread_mutex_lock(&turns->mutex) == 0);
    turn->is_holder = turns->holders[slot] == NULL;
    if (turn->is_holder) {
        turns->holders[slot] = turn;
        atomic_fetch_add(&turns->held, 1);
    } else {
        queue_push(&turns->waiting[slot], &turn->node);
    }
    const bool is_holder = turn->is_holder;
    check(pthread_mutex_unlock(&turns->mutex) == 0);
    return is_holder;
}

/* The next one's turn: its worker looks. */
static void pass_on_locked(struct turns *turns, uint8_t slot)
{
    struct node *node = queue_pop(&turns->waiting[slot]);
    struct turn *next = node ? container_of(node, struct turn, node) : NULL;
    turns->holders[slot] = next;
    if (!next) {
        atomic_fetch_sub(&turns->held, 1);
        return;
    }
    next->is_holder = true;
    worker_post(next->worker, &(struct worker_letter){.kind = LETTER_TURN,
                                                      .of.turn = {next->event, next->index}});
}

void turn_put(struct run *run)
{
    struct turns *turns = turns_of(run);
    struct turn *turn = &run->turn;
    if (!run->has_turn)
        return;
    run->has_turn = false;
    check(pthread_mutex_lock(&turns->mutex) == 0);
    if (turn->is_holder)
        pass_on_locked(turns, turn->slot);
    else
        queue_remove(&turns->waiting[turn->slot], &turn->node);
    check(pthread_mutex_unlock(&turns->mutex) == 0);
}

bool turn_has_come(struct run *run)
{
    struct turns *turns = turns_of(run);
    check(pthread_mutex_lock(&turns->mutex) == 0);
    const bool is_holder = run->has_turn && run->turn.is_holder;
    check(pthread_mutex_unlock(&turns->mutex) == 0);
    return is_holder;
}

bool turn_may_commit(struct run *run)
{
    struct turns *turns = turns_of(run);
    const struct outbox *outbox = run->outbox;
    if (run->has_turn || !outbox || outbox->kv_write_count == 0 || atomic_load(&turns->held) == 0)
        return true;
    for (size_t i = 0; i < outbox->kv_write_count; i++) {
        const uint8_t slot = slot_of(outbox->kv_writes[i].ns, outbox->kv_writes[i].key);
        check(pthread_mutex_lock(&turns->mutex) == 0);
        const bool is_held = turns->holders[slot] != NULL;
        check(pthread_mutex_unlock(&turns->mutex) == 0);
        if (is_held)
            return take(run, slot);
    }
    return true;
}

bool turn_after_conflict(struct run *run, const struct kv_read *lost)
{
    if (run->has_turn || ++run->conflicts < LIMIT_KV_CONFLICTS)
        return true;
    return take(run, slot_of(lost->ns, lost->key));
}
