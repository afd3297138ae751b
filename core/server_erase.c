/* SPDX-License-Identifier: MIT */
/* What the API asks to erase: one event after another, with those that they led to. Deliveries that
 * are open are cancelled by their owners first, and runs end where they are; in the end nothing of
 * it is left in the files. The main thread. */
#include "base/clock.h"
#include "base/log.h"
#include "server_int.h"

#include <stdlib.h>

#define ROUNDS_MAX 10u /* in which deliveries of one event turn out to be open */

struct erasing {
    struct server *server;
    struct api_erasure *asked;
    struct store_scrub scrub;
    struct api_change cancel;
    struct worker_forget forget;
    uint64_t first;   /* what was asked for; 0: it is not known yet */
    uint64_t *events; /* still to be erased, the last first: so they are few at a time */
    size_t event_count;
    size_t done_count;   /* that are erased, those that were before too */
    size_t erased_count; /* of them, now */
    size_t delivery;     /* that is cancelled now */
    unsigned rounds;     /* of the event under way */
};

static void submit(struct erasing *it);

static void finish(struct erasing *it, enum status status)
{
    struct api_erasure *asked = it->asked;
    asked->event_count = it->done_count;
    asked->what.event = it->first;
    asked->what.op.status = status;
    store_erase_finish(&asked->what);
    if (it->done_count > 0)
        log_info("erased", "events=%zu complete=%s", it->done_count,
                 status == OK ? "true" : "false");
    free(it->events);
    free(it);
    asked->on_done(asked);
}

static bool is_stopping(const struct erasing *it)
{
    return it->server->state != SERVER_SERVING;
}

/* ---- The files ------------------------------------------------------------------------------- */

static void on_scrubbed(struct store_op *op)
{
    struct erasing *it = op->ctx;
    if (op->status == OK && !it->scrub.is_end && !is_stopping(it))
        check(store_submit(it->server->store, it->server->client, op) == OK);
    else
        finish(it, op->status != OK ? op->status : it->scrub.is_end ? OK : E_CANCELLED);
}

static void begin_scrub(struct erasing *it)
{
    it->scrub =
        (struct store_scrub){.op = {.kind = STORE_SCRUB, .on_done = on_scrubbed, .ctx = it}};
    check(store_submit(it->server->store, it->server->client, &it->scrub.op) == OK);
}

/* ---- Deliveries that are open ---------------------------------------------------------------- */

static void cancel_next(struct erasing *it);

/* Whatever came of it: the store says whether it is open still. */
static void on_cancelled(struct api_change *change)
{
    struct erasing *it = change->ctx;
    it->delivery++;
    cancel_next(it);
}

static void cancel_next(struct erasing *it)
{
    const struct store_erase *what = &it->asked->what;
    if (is_stopping(it)) {
        finish(it, E_CANCELLED);
        return;
    }
    if (it->delivery == what->delivery_count) {
        submit(it);
        return;
    }
    it->cancel = (struct api_change){
        .what = {.verb = CHANGE_CANCEL,
                 .kind = ID_DELIVERY,
                 .id = what->deliveries[it->delivery].id},
        .reason = STORE_ERASED,
        .on_done = on_cancelled,
        .ctx = it,
    };
    server_change(&it->cancel, it->server);
}

/* ---- Events ---------------------------------------------------------------------------------- */

static void add_children(struct erasing *it)
{
    const struct store_erase *what = &it->asked->what;
    const size_t count = it->event_count + what->child_count;
    uint64_t *grown = realloc(it->events, (count + 1) * sizeof *grown);
    check(grown != NULL);
    if (what->child_count > 0)
        memcpy(grown + it->event_count, what->children, what->child_count * sizeof *grown);
    it->events = grown;
    it->event_count = count;
}

/* Of those that were erased before only what they led to is looked at: so each request comes
 * further. */
static void go_on(struct erasing *it)
{
    struct store_erase *what = &it->asked->what;
    add_children(it);
    it->done_count++;
    it->erased_count += !what->was_erased;
    it->rounds = 0;
    if (is_stopping(it)) {
        finish(it, E_CANCELLED);
    } else if (it->event_count == 0) {
        begin_scrub(it);
    } else if (it->erased_count >= LIMIT_ERASED_EVENTS) {
        finish(it, E_LIMIT);
    } else {
        what->id = it->events[--it->event_count];
        submit(it);
    }
}

/* The owner's thread. */
static void on_forgotten(struct worker_forget *forget)
{
    server_post_letter(forget->ctx,
                       (struct server_letter){.kind = LETTER_FORGOTTEN, .forget = forget});
}

void server_forgotten(struct worker_forget *forget)
{
    go_on(container_of(forget, struct erasing, forget));
}

static void on_erased(struct store_op *op)
{
    struct erasing *it = op->ctx;
    const struct store_erase *what = &it->asked->what;
    const bool is_first = it->first == 0;
    for (size_t i = 0; i < what->released_count; i++)
        worker_event_due(it->server->workers[0], what->released[i], 0);
    if (is_first)
        it->first = it->asked->what.id = what->event;
    if (op->status == OK && !is_stopping(it)) {
        it->forget = (struct worker_forget){
            .event = what->event, .on_done = on_forgotten, .ctx = it->server};
        worker_forget(it->server->workers[0], &it->forget);
    } else if (op->status == OK || (op->status == E_NOTFOUND && !is_first)) {
        go_on(it); /* one that retention took meanwhile is gone as well */
    } else if (op->status == E_CONFLICT && it->rounds++ < ROUNDS_MAX) {
        it->delivery = 0;
        cancel_next(it);
    } else {
        finish(it, op->status == E_CONFLICT ? E_BUSY : op->status);
    }
}

static void submit(struct erasing *it)
{
    struct store_erase *what = &it->asked->what;
    what->op = (struct store_op){.kind = STORE_ERASE, .on_done = on_erased, .ctx = it};
    what->now_ms = clock_now_ms();
    check(store_submit(it->server->store, it->server->client, &what->op) == OK);
}

void server_erase(struct api_erasure *asked, void *ctx)
{
    struct erasing *it = must_alloc(sizeof *it);
    it->server = ctx;
    it->asked = asked;
    if (is_stopping(it))
        finish(it, E_CANCELLED);
    else
        submit(it);
}
