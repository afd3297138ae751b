/* SPDX-License-Identifier: MIT */
/* What is published over the API. From the letter to its commit it gets its place and its plans as
 * a webhook does; and what no subscription takes is fanned out by a run that is built in. */
#include "worker/worker_int.h"

#include "base/clock.h"
#include "base/crash.h"
#include "model/fan_out.h"

#include <stdlib.h>

/* On its way into the store. */
struct publication {
    struct node node; /* in worker->publications */
    struct worker *worker;
    struct publishing *publishing;
    struct placement placement;
    struct store_ingest ingest;
};

/* Said before it gets its id, which is then a greater one. */
static void enter(struct publication *it)
{
    struct worker *worker = it->worker;
    if (!queue_first(&worker->publications))
        atomic_store(&worker->oldest_publication, id_event_at(clock_due_ms()));
    queue_push(&worker->publications, &it->node);
}

static void leave(struct publication *it)
{
    struct worker *worker = it->worker;
    queue_remove(&worker->publications, &it->node);
    const struct node *first = queue_first(&worker->publications);
    atomic_store(&worker->oldest_publication,
                 first ? container_of(first, struct publication, node)->publishing->event->id : 0);
    free(it);
}

uint64_t worker_published_before(struct worker *worker)
{
    return atomic_load(&worker->oldest_publication);
}

static void tell(struct worker *worker, struct publishing *publishing, enum status status)
{
    publishing->status = status;
    worker->options.hooks->on_published(publishing, worker->options.ctx);
}

/* Gives the event, of which the publishing keeps a reference, to its owner. */
static void place(struct publication *it, bool is_stored)
{
    struct event *event = it->publishing->event;
    if (!it->ingest.is_finished)
        worker_placed(it->worker, it->placement, event_ref(event), is_stored);
}

static void on_stored(struct store_op *op)
{
    struct publication *it = op->ctx;
    const enum status status = op->status;
    const bool is_stored = status == OK && !it->ingest.is_duplicate;
    crash_point("published");
    struct worker *worker = it->worker;
    struct publishing *publishing = it->publishing;
    publishing->first = it->ingest.is_duplicate ? it->ingest.duplicate_of : 0;
    place(it, is_stored);
    leave(it); /* and op with it */
    tell(worker, publishing, status);
}

/* Nobody gets it: it is finished when it comes in. */
static bool is_for_nobody(const struct worker *worker, const struct event *event)
{
    const struct fan_out what = fan_out_of(event);
    return registry_match(worker->registry, event->source, event->type, NULL, 0) == 0 &&
           !fan_out_has_target(&what, worker->options.directory);
}

void publish_take(struct worker *worker, struct publishing *publishing)
{
    struct event *event = publishing->event;
    struct publication *it = worker->state == WORKER_RUNNING ? calloc(1, sizeof *it) : NULL;
    if (!it) {
        tell(worker, publishing, worker->state == WORKER_RUNNING ? E_BUSY : E_CANCELLED);
        return;
    }
    const bool is_finished = is_for_nobody(worker, event);
    it->worker = worker;
    it->publishing = publishing;
    it->placement = is_finished ? (struct placement){.shard = (uint8_t)worker->options.index}
                                : worker_place(worker);
    enter(it);
    event->id = store_next_event_id(worker->options.store, it->placement.shard);
    if (!is_finished)
        script_plan(worker->script, event);
    it->ingest = (struct store_ingest){
        .op = {.kind = STORE_INGEST, .on_done = on_stored, .ctx = it},
        .event = event,
        .is_finished = is_finished,
        .published = &publishing->what,
        .answer_key = publishing->answer_key,
    };
    if (store_submit(worker->options.store, worker->client, &it->ingest.op) == OK)
        return;
    place(it, false);
    leave(it);
    tell(worker, publishing, E_BUSY);
}

struct outbox *publish_fan_out(struct worker *worker, const struct event *event)
{
    const struct fan_out what = fan_out_of(event);
    struct outbox *outbox = calloc(1, sizeof *outbox);
    size_t count = 0;
    if (outbox && fan_out(&what, worker->options.directory, outbox, &count) == OK)
        return outbox;
    free(outbox);
    return NULL;
}
