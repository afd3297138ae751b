/* SPDX-License-Identifier: MIT */
/* Letters to the worker that an event or endpoint belongs to, among this one and its peers. Any
 * thread, except where worker.h says otherwise. */
#include "worker/worker_int.h"

#include "base/limits.h"

void worker_event_due(struct worker *worker, uint64_t event, int64_t due_ms)
{
    worker_post(worker->options.peers[worker_of_shard(worker, id_shard(event))],
                &(struct worker_letter){.kind = LETTER_EVENT_DUE, .of.due = {event, due_ms}});
}

void worker_endpoint_due(struct worker *worker, uint64_t endpoint)
{
    worker_post(worker->options.peers[worker_of_shard(worker, id_shard_of_number(endpoint))],
                &(struct worker_letter){.kind = LETTER_DELIVERY_HINT,
                                        .of.hint = {endpoint, LIMIT_PRIORITY}});
}

void worker_cancel(struct worker *worker, struct sender_cancel *cancel)
{
    const uint8_t shard = id_shard_of_number(cancel->endpoint);
    worker_post(worker->options.peers[worker_of_shard(worker, shard)],
                &(struct worker_letter){.kind = LETTER_CANCEL, .of.cancel = cancel});
}

void worker_forget(struct worker *worker, struct worker_forget *forget)
{
    worker_post(worker->options.peers[worker_of_shard(worker, id_shard(forget->event))],
                &(struct worker_letter){.kind = LETTER_FORGET, .of.forget = forget});
}

void worker_readdress(struct worker *worker, struct sender_readdress *readdress)
{
    const uint8_t shard = id_shard_of_number(readdress->delivery->endpoint);
    worker_post(worker->options.peers[worker_of_shard(worker, shard)],
                &(struct worker_letter){.kind = LETTER_READDRESS, .of.readdress = readdress});
}

/* Any thread. */
static void go_home(struct lease_errand *errand)
{
    worker_post(errand->home, &(struct worker_letter){.kind = LETTER_HOME, .of.errand = errand});
}

void worker_lend(struct worker *worker, struct lease_errand *errand)
{
    errand->home = worker;
    errand->go_home = go_home;
    worker->errands++;
}

void worker_errand(struct worker *worker, struct lease_errand *errand)
{
    const uint8_t shard = id_shard_of_number(errand->endpoint);
    worker_lend(worker, errand);
    worker_post(worker->options.peers[worker_of_shard(worker, shard)],
                &(struct worker_letter){.kind = LETTER_ERRAND, .of.errand = errand});
}

void worker_publish(struct worker *worker, struct publishing *publishing)
{
    worker_post(worker,
                &(struct worker_letter){.kind = LETTER_PUBLISH, .of.publishing = publishing});
}

void worker_set_endpoint(struct worker *worker, struct worker_endpoint *change)
{
    const uint8_t shard = id_shard_of_number(change->endpoint);
    worker_post(worker->options.peers[worker_of_shard(worker, shard)],
                &(struct worker_letter){.kind = LETTER_ENDPOINT, .of.change = change});
}

void worker_run_routine(struct worker *worker, uint64_t routine)
{
    worker_post(worker->options.peers[worker_of_shard(worker, (uint8_t)routine)],
                &(struct worker_letter){.kind = LETTER_ROUTINE, .of.routine = routine});
}
