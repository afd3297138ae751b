/* SPDX-License-Identifier: MIT */
/* The run "type" of an event that has none: it was opened again by hand, so its source is asked
 * again. What it says now is emitted as a new event of the same request, in the commit that ends
 * the run. */
#include "worker/worker_int.h"

#include <stdlib.h>

void retype_run(struct run *run)
{
    struct worker *worker = run->work->worker;
    struct err err = {0};
    struct event *event = script_retype(worker->script, run->work->event, &err);
    if (!event) {
        commit_dead(run, err.text);
        return;
    }
    event->id = worker_next_event_id(worker);
    struct outbox *outbox = must_alloc(sizeof *outbox);
    check(outbox_add_emit(outbox, event) == OK);
    commit_outbox(run, outbox);
}
