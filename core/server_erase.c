/* SPDX-License-Identifier: MIT */
/* What the API asks to erase: one event after another, with those that they led to. Deliveries that
 * are open are cancelled by their owners first; in the end nothing of it is left in the files. The
 * main thread. */
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
    uint64_t *events; /* still to be erased are those from `next` on */
    size_t event_count;
    size_t next;
    size_t delivery; /* that is cancelled now */
    unsigned rounds; /* of the event under way */
};

static void submit(struct erasing *it);

static void finish(struct erasing *it, enum status status)
{
    struct api_erasure *asked = it->asked;
    asked->event_count = it->next;
    if (it->event_count > 0)
        asked->what.event = it->events[0];
    asked->what.op.status = status;
    store_erase_finish(&asked->what);
    if (it->next > 0)
        log_info("erased", "events=%zu complete=%s", it->next, status == OK ? "true" : "false");
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

/* False: they are too many. */
static bool add_children(struct erasing *it)
{
    const struct store_erase *what = &it->asked->what;
    if (it->event_count + what->child_count > LIMIT_ERASED_EVENTS)
        return false;
    if (what->child_count == 0)
        return true;
    uint64_t *grown = realloc(it->events, (it->event_count + what->child_count) * sizeof *grown);
    check(grown != NULL);
    memcpy(grown + it->event_count, what->children, what->child_count * sizeof *grown);
    it->events = grown;
    it->event_count += what->child_count;
    return true;
}

static void go_on(struct erasing *it)
{
    const bool fits = add_children(it);
    it->next++;
    it->rounds = 0;
    if (!fits || is_stopping(it))
        finish(it, fits ? E_CANCELLED : E_LIMIT);
    else if (it->next == it->event_count)
        begin_scrub(it);
    else
        submit(it);
}

static void on_erased(struct store_op *op)
{
    struct erasing *it = op->ctx;
    const struct store_erase *what = &it->asked->what;
    for (size_t i = 0; i < what->released_count; i++)
        worker_event_due(it->server->workers[0], what->released[i], 0);
    if (it->event_count == 0) { /* what was asked for */
        it->events = must_alloc(sizeof *it->events);
        it->events[0] = what->event;
        it->event_count = 1;
    }
    if (op->status == OK || (op->status == E_NOTFOUND && it->next > 0)) {
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
    if (it->event_count > 0)
        what->id = it->events[it->next];
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
