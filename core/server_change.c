/* SPDX-License-Identifier: MIT */
/* What the API asks for of one delivery or event: committed, then whoever owns it takes it up. An
 * open delivery is cancelled by its owner, which may have it in memory. The main thread, except
 * where a comment says. */
#include "base/clock.h"
#include "server_int.h"

#include <stdlib.h>

#define HINTED_AT_ONCE 64

struct server_change {
    struct server *server;
    struct api_change *asked;
    union {
        struct store_change op;
        struct store_get_delivery get;
        struct sender_cancel cancel;
    };
};

static void finish(struct server_change *it, enum status status)
{
    struct api_change *asked = it->asked;
    free(it);
    asked->status = status;
    asked->on_done(asked);
}

static void hint_registered(struct server *server)
{
    struct registry *rows[HINTED_AT_ONCE];
    uint64_t after = 0;
    for (size_t count = HINTED_AT_ONCE; count == HINTED_AT_ONCE;) {
        count = directory_list(server->directory, 0, after, rows, HINTED_AT_ONCE);
        for (size_t i = 0; i < count; i++) {
            after = rows[i]->endpoints[0].id;
            worker_endpoint_due(server->workers[0], after);
            registry_unref(rows[i]);
        }
    }
}

/* A message that went to several. */
static void hint_all(struct server *server)
{
    const struct registry *registry = generation_registry(server->generation);
    for (size_t i = 0; i < registry->endpoint_count; i++)
        worker_endpoint_due(server->workers[0], registry->endpoints[i].id);
    hint_registered(server);
}

void server_hint_change(struct server *server, const struct change *what)
{
    const bool is_due = what->verb == CHANGE_RETRY || what->verb == CHANGE_REPLAY;
    if (what->status != OK || what->verb == CHANGE_EXPUNGE || (!is_due && !what->has_released))
        return;
    if (what->kind == ID_EVENT)
        worker_event_due(server->workers[0], what->id, 0);
    else if (what->endpoint == 0)
        hint_all(server);
    else
        worker_endpoint_due(server->workers[0], what->endpoint);
}

static void on_changed(struct store_op *op)
{
    struct server_change *it = op->ctx;
    const struct change *what = &it->asked->what;
    if (op->status == OK && what->status == OK && what->verb == CHANGE_EXPUNGE &&
        what->kind == ID_MESSAGE) {
        server_withdraw(it->server, it->asked);
        free(it);
        return;
    }
    if (op->status == OK)
        server_hint_change(it->server, what);
    finish(it, op->status);
}

static void submit(struct server_change *it)
{
    it->op = (struct store_change){
        .op = {.kind = STORE_CHANGE, .on_done = on_changed, .ctx = it},
        .now_ms = clock_due_ms(),
        .reason = it->asked->reason,
        .changes = &it->asked->what,
        .change_count = 1,
        .answer_key = it->asked->answer_key,
    };
    /* Without a credit: as many as the API has connections. */
    check(store_submit(it->server->store, it->server->client, &it->op.op) == OK);
}

/* ---- Cancel: by the owner
 * ------------------------------------------------------------------------- */

void server_cancelled(struct sender_cancel *cancel)
{
    struct server_change *it = container_of(cancel, struct server_change, cancel);
    struct change *what = &it->asked->what;
    const bool is_about_it = cancel->status == E_CONFLICT || cancel->status == E_NOTFOUND;
    what->status = cancel->status;
    what->state = (int)cancel->state;
    finish(it, is_about_it ? OK : cancel->status);
}

/* The owner's thread. */
static void on_cancelled(struct sender_cancel *cancel)
{
    server_post_letter(cancel->ctx,
                       (struct server_letter){.kind = LETTER_CANCELLED, .cancel = cancel});
}

static void on_found(struct store_read *read)
{
    struct server_change *it = read->ctx;
    struct server *server = it->server;
    struct change *what = &it->asked->what;
    const enum status status = read->status;
    const uint64_t endpoint = it->get.row.endpoint_id;
    what->state = (int)it->get.row.state;
    store_read_finish(read);
    what->status = status == OK && what->state >= DELIVERY_SUCCEEDED ? E_CONFLICT : status;
    if (what->status == E_CONFLICT || what->status == E_NOTFOUND) {
        finish(it, OK);
    } else if (status != OK || server->state != SERVER_SERVING) {
        finish(it, status != OK ? status : E_CANCELLED);
    } else {
        it->cancel = (struct sender_cancel){
            .delivery = what->id,
            .endpoint = endpoint,
            .reason = it->asked->reason,
            .on_done = on_cancelled,
            .ctx = server,
        };
        worker_cancel(server->workers[0], &it->cancel);
    }
}

static void find_owner(struct server_change *it)
{
    it->get = (struct store_get_delivery){
        .read = {.kind = STORE_GET_DELIVERY, .on_done = on_found, .ctx = it},
        .id = it->asked->what.id,
    };
    if (store_read(it->server->store, it->server->client, &it->get.read) != OK)
        finish(it, E_BUSY);
}

void server_change(struct api_change *change, void *ctx)
{
    struct server_change *it = must_alloc(sizeof *it);
    it->server = ctx;
    it->asked = change;
    if (it->server->state != SERVER_SERVING)
        finish(it, E_CANCELLED);
    else if (change->what.verb == CHANGE_CANCEL)
        find_owner(it);
    else
        submit(it);
}
