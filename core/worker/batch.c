/* SPDX-License-Identifier: MIT */
/* Batches: a run that stands for several events. They lie in the store, whoever owns them, until
 * the run starts; while it lasts their bytes count as held by this worker. */
#include "worker/worker_int.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"

#include <stdlib.h>

#define RETRY_MS 1000

struct batch_claim {
    struct store_claim_batch claim;
    struct run *run;
};

void batch_finish(struct run *run)
{
    struct worker *worker = run->work->worker;
    for (size_t i = 0; i < run->member_count; i++) {
        atomic_fetch_sub(&worker->held_bytes, event_bytes(run->members[i].event));
        event_unref(run->members[i].event);
    }
    free(run->members);
    free(run->member_ids);
    run->members = NULL;
    run->member_ids = NULL;
    run->member_count = 0;
}

static void take_members(struct run *run, struct store_claim_batch *claim)
{
    struct worker *worker = run->work->worker;
    run->members = must_alloc(claim->member_count * sizeof *run->members);
    run->member_ids = must_alloc(claim->member_count * sizeof *run->member_ids);
    for (size_t i = 0; i < claim->member_count; i++) {
        struct batch_member *member = &claim->members[i];
        run->members[i] = (struct run_member){
            .event = member->event,
            .first_ordinal = member->first_ordinal,
            .ordinal_count = (uint8_t)(LIMIT_MESSAGES_PER_EVENT / member->run_count),
        };
        run->member_ids[i] = member->event->id;
        atomic_fetch_add(&worker->held_bytes, event_bytes(member->event));
        member->event = NULL;
    }
    run->member_count = claim->member_count;
}

static void go_later(struct run *run, int64_t due_ms)
{
    run->due_ms = due_ms;
    commit_nothing(run, RUN_LATER);
}

static void on_claimed(struct store_read *read)
{
    struct batch_claim *it = read->ctx;
    struct run *run = it->run;
    const struct worker *worker = run->work->worker;
    const int64_t now_ms = clock_due_ms();
    if (worker->state != WORKER_RUNNING || run->generation != worker->generation) {
        commit_result(run, &(struct job_result){.outcome = JOB_CANCELLED});
    } else if (read->status != OK) {
        log_error("batch not claimed", "status=%s error=\"%s\"", status_name(read->status),
                  read->err.text);
        go_later(run, now_ms + RETRY_MS);
    } else if (it->claim.member_count == 0) {
        commit_nothing(run, RUN_ENDED);
    } else if (it->claim.close_ms > now_ms) {
        go_later(run, it->claim.close_ms);
    } else {
        take_members(run, &it->claim);
        run_start_job(run);
    }
    store_read_finish(read);
    free(it);
}

void batch_start(struct run *run)
{
    const struct work *work = run->work;
    struct worker *worker = work->worker;
    struct batch_claim *it = must_alloc(sizeof *it);
    batch_finish(run); /* of a try before */
    *it = (struct batch_claim){
        .claim = {.read = {.kind = STORE_CLAIM_BATCH, .on_done = on_claimed, .ctx = it},
                  .batch = run->batch,
                  .event = work->event->id,
                  .subscription = work->list[run - work->runs]},
        .run = run,
    };
    if (store_read(worker->options.store, worker->client, &it->claim.read) == OK)
        return;
    free(it);
    go_later(run, clock_due_ms() + RETRY_MS);
}
