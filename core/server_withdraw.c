/* SPDX-License-Identifier: MIT */
/* A published message whose payload was forgotten: what is still to be sent of it is taken back by
 * its owners, who may have it in memory; only then the API answers. What is being sent is awaited.
 * The main thread. */
#include "server_int.h"

#include <stdlib.h>

#define ROUNDS_MAX 10u /* in which deliveries of it turn out to be open */
#define PAGE_ROWS 250u
#define REASON "its payload was forgotten"

struct withdrawal {
    struct server *server;
    struct api_change *asked;
    struct store_list_deliveries list;
    struct api_change cancel;
    uint64_t *open; /* of the page */
    size_t open_count;
    size_t next;
    bool was_open; /* some were, in this round */
    unsigned rounds;
};

static void read_page(struct withdrawal *it, uint64_t before);

static void finish(struct withdrawal *it, enum status status)
{
    struct api_change *asked = it->asked;
    free(it->open);
    free(it);
    asked->status = status;
    asked->on_done(asked);
}

static void end_page(struct withdrawal *it)
{
    if (!it->list.is_end) {
        read_page(it, it->list.last);
    } else if (it->was_open && ++it->rounds < ROUNDS_MAX) {
        it->was_open = false;
        read_page(it, 0);
    } else {
        finish(it, it->was_open ? E_BUSY : OK);
    }
}

static void cancel_next(struct withdrawal *it);

/* Whatever came of it: the store says whether it is open still. */
static void on_cancelled(struct api_change *change)
{
    struct withdrawal *it = change->ctx;
    it->next++;
    cancel_next(it);
}

static void cancel_next(struct withdrawal *it)
{
    if (it->next == it->open_count) {
        end_page(it);
        return;
    }
    it->was_open = true;
    it->cancel = (struct api_change){
        .what = {.verb = CHANGE_CANCEL, .kind = ID_DELIVERY, .id = it->open[it->next]},
        .reason = REASON,
        .on_done = on_cancelled,
        .ctx = it,
    };
    if (it->server->state == SERVER_SERVING)
        server_change(&it->cancel, it->server);
    else
        finish(it, E_CANCELLED);
}

static void on_page(struct store_read *read)
{
    struct withdrawal *it = read->ctx;
    const enum status status = read->status;
    it->open_count = it->next = 0;
    for (size_t i = 0; i < it->list.row_count; i++)
        if (it->list.rows[i].state < DELIVERY_SUCCEEDED)
            it->open[it->open_count++] = it->list.rows[i].id;
    store_read_finish(read);
    if (status == OK)
        cancel_next(it);
    else
        finish(it, status);
}

static void read_page(struct withdrawal *it, uint64_t before)
{
    it->list = (struct store_list_deliveries){
        .read = {.kind = STORE_LIST_DELIVERIES, .on_done = on_page, .ctx = it},
        .query = {.limit = PAGE_ROWS,
                  .before = before,
                  .event = id_event_of(it->asked->what.id),
                  .state = -1},
    };
    if (store_read(it->server->store, it->server->client, &it->list.read) != OK)
        finish(it, E_BUSY);
}

void server_withdraw(struct server *server, struct api_change *asked)
{
    struct withdrawal *it = must_alloc(sizeof *it);
    it->server = server;
    it->asked = asked;
    it->open = must_alloc(PAGE_ROWS * sizeof *it->open);
    read_page(it, 0);
}
