/* SPDX-License-Identifier: MIT */
/* A worker: one thread with one libuv loop that owns a script state, a sender and the events and
 * endpoints of its shards (shard % worker count == index). It takes due work, runs handlers,
 * commits what they asked for, hands deliveries to their owners.
 *
 * Threads: calls marked "any thread" post a letter; all others are for the worker's own thread. */
#ifndef WORKER_WORKER_H
#define WORKER_WORKER_H

#include "base/err.h"
#include "model/event.h"
#include "script/script.h"
#include "send/send.h"
#include "store/store.h"

#include <uv.h>

struct black_box;
struct directory;
struct worker;

/* Given by server.c; all run on the worker's thread. */
struct worker_hooks {
    /* A first generation serves: the listener can be opened on the loop. */
    void (*on_start)(struct worker *worker, void *ctx);
    /* Stop taking requests in; those that are open go on. */
    void (*on_quiesce)(struct worker *worker, void *ctx);
    /* No request is open any more. */
    bool (*is_quiet)(struct worker *worker, void *ctx);
    /* The worker, the last of all, is about to end: close what was opened on its loop. */
    void (*on_end)(struct worker *worker, void *ctx);
    /* Nothing runs here any more (once after worker_stop); worker_finish may come. */
    void (*on_quiet)(struct worker *worker, void *ctx);
    /* Generation `number` is ready to serve here, or why not (NULL: it is), as script_init says. */
    void (*on_prepared)(struct worker *worker, uint64_t number, const char *problem, void *ctx);
    /* Generation `number` serves on this worker. */
    void (*on_adopted)(struct worker *worker, uint64_t number, void *ctx);
    /* A run that was committed began tasks. */
    void (*on_tasks)(void *ctx);
    /* What worker_publish was given is committed, or is not: see its status. */
    void (*on_published)(struct publishing *publishing, void *ctx);
    /* The endpoint was disabled by what its receiver answers. */
    void (*on_disabled)(uint64_t endpoint, void *ctx);
    /* Every settled attempt; may be NULL. */
    void (*on_settled)(const struct endpoint_spec *endpoint, const struct delivery *delivery,
                       const struct attempt *attempt, void *ctx);
};

/* The order of runs that want the same keys of kv; one for all workers. */
struct turns;
struct turns *turns_create(void);
/* After the last worker. */
void turns_destroy(struct turns *turns);

struct worker_options {
    unsigned index;
    unsigned count;
    struct worker *const *peers; /* all workers by index; filled before the first starts */
    struct store *store;
    struct shared *shared;       /* of the process */
    struct turns *turns;         /* outlives the workers */
    struct black_box *box;       /* outlives the workers; NULL: none */
    struct directory *directory; /* of what applications registered; outlives the workers */
    const struct worker_hooks *hooks;
    void *ctx;
    int64_t drain_ms; /* how long the jobs of an old generation may go on */
    const char *user_agent;
    const struct guard_rules *guard; /* of all that goes out */
};

MUST_USE enum status worker_create(const struct worker_options *options, struct worker **worker,
                                   struct err *err);
/* Starts the thread, without a generation. */
MUST_USE enum status worker_start(struct worker *worker, struct err *err);
/* Any thread: attaches this generation's state (a reference is taken) and runs its anzol.init, then
 * on_prepared. What serves goes on. One at a time: worker_adopt or worker_abandon follows. */
void worker_prepare(struct worker *worker, struct generation *generation);
/* Any thread: swaps to the generation that was prepared, then on_adopted. standings: as
 * sender_set_registry says, copied. */
void worker_adopt(struct worker *worker, struct generation *generation,
                  const struct endpoint_standing *standings);
/* A stored change of an endpoint on its way to the owner: of its state, or of one that an
 * application registered. */
struct worker_endpoint {
    uint64_t endpoint;
    struct registry *one;              /* a version of it, a reference; NULL: only the state */
    bool is_removed;                   /* it is no more */
    struct endpoint_standing standing; /* as the store answered */
    void (*on_done)(struct worker_endpoint *change); /* the owner's thread: it took it */
    void *ctx;
};
/* Any thread: to the owner among this worker and its peers. */
void worker_set_endpoint(struct worker *worker, struct worker_endpoint *change);
/* Any thread: the routine of this id (routine_id) runs now, by its owner, unless it runs already or
 * is not registered there. */
void worker_run_routine(struct worker *worker, uint64_t routine);
/* Any thread: the generation that was prepared is to go. */
void worker_abandon(struct worker *worker);
/* Any thread, once all workers adopted their first generation: the work begins. */
void worker_open(struct worker *worker);
/* Any thread: no new work; running jobs and attempts may end until deadline_ms from now. */
void worker_stop(struct worker *worker, int64_t deadline_ms);
/* Any thread, after every worker said on_quiet: ends the thread. */
void worker_finish(struct worker *worker);
/* From the thread that created it: waits for the thread, frees. */
void worker_destroy(struct worker *worker);

/* Any thread: the store has an event of this worker's shards that it was not given. */
void worker_hint(struct worker *worker);

/* Any thread: the machine slept; what became due meanwhile is taken up. */
void worker_wake(struct worker *worker);

/* Any thread: the event is in the store only; its owner takes it up when it is due (0: now). */
void worker_event_due(struct worker *worker, uint64_t event, int64_t due_ms);
/* Any thread: gets its place and id, and is committed; then on_published. */
void worker_publish(struct worker *worker, struct publishing *publishing);
/* Any thread: deliveries of this endpoint may be due in the store; its owner looks. */
void worker_endpoint_due(struct worker *worker, uint64_t endpoint);
/* Any thread: the endpoint's owner takes the delivery back (sender_cancel); cancel->on_done runs on
 * the owner's thread. */
void worker_cancel(struct worker *worker, struct sender_cancel *cancel);

/* Any thread: the store has erased the event. Its owner ends what runs of it and starts nothing of
 * it any more; then on_done, on the owner's thread. */
struct worker_forget {
    uint64_t event;
    void (*on_done)(struct worker_forget *forget);
    void *ctx;
};
void worker_forget(struct worker *worker, struct worker_forget *forget);

/* Any thread: by the owner of the delivery's endpoint (sender_readdress); on_done runs on its
 * thread. */
void worker_readdress(struct worker *worker, struct sender_readdress *readdress);

/* This worker's thread: the errand is run by the owner of its endpoint, its on_done here. */
void worker_errand(struct worker *worker, struct lease_errand *errand);
/* The same, but whoever is given it then does what it asks for; its go_home on any thread. */
void worker_lend(struct worker *worker, struct lease_errand *errand);

/* Any thread. Every event that this worker was given to publish and that has a smaller id is
 * stored, or never will be; 0: that is so of all that have an id by now. */
uint64_t worker_published_before(struct worker *worker);

/* Any thread. True if the loop answered a ping within the last within_ms. */
bool worker_is_alive(struct worker *worker, int64_t within_ms);

struct worker_counts {
    uint64_t runs;
    uint64_t runs_failed;
    uint64_t attempts;
    size_t events_held;
    size_t deliveries_held;
    size_t in_flight;
    size_t lua_bytes; /* of the current generation's state, a second old at most */
};
/* Any thread; a moment's figures. */
void worker_counts(struct worker *worker, struct worker_counts *counts);

/* ---- For the listener on this worker's loop ----------------------------------------------------
 */

uv_loop_t *worker_loop(struct worker *worker);
struct store_client *worker_client(struct worker *worker);
unsigned worker_index(const struct worker *worker);
/* What its hooks get. */
void *worker_ctx(const struct worker *worker);
/* The current generation's state. */
struct script *worker_script(struct worker *worker);

/* Where a new event goes: a shard of this worker, or of a less loaded one. */
struct placement {
    uint8_t shard;
    bool has_room; /* room in its owner's memory was taken */
};
struct placement worker_place(struct worker *worker);
/* The event was committed (is_committed) or not: to its owner, or the room back. The event's
 * reference is taken over. */
void worker_placed(struct worker *worker, struct placement placement, struct event *event,
                   bool is_committed);

#endif
