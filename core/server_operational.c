/* SPDX-License-Identifier: MIT */
/* Operational webhooks: the operator's application, which is there whenever it is set, and what is
 * published to it of changes of endpoints, in the commit of each. What becomes of attempts is
 * published by their senders, with their outcome. Main thread, except where a comment says. */
#include "base/clock.h"
#include "base/log.h"
#include "model/operational.h"
#include "server_int.h"

#include <stdio.h>
#include <stdlib.h>

#define BODY_BYTES (LIMIT_UID_BYTES + 128)

/* ---- The application --------------------------------------------------------------------------
 */

struct making {
    struct server *server;
    void (*on_made)(struct server *server); /* NULL: nobody waits */
    char body[BODY_BYTES];
    struct resource row;
    struct store_resource op;
    struct store_list_resources list;
};

static void finish(struct making *it, uint64_t application)
{
    struct server *server = it->server;
    void (*on_made)(struct server * server) = it->on_made;
    if (application == 0)
        log_error("no operational webhooks", "application=%s reason=\"it could not be made\"",
                  server->config.operational_application);
    directory_set_operator(server->directory, application);
    free(it);
    server->refreshes--;
    if (on_made)
        on_made(server);
    else
        server_end_if_quiet(server);
}

static void on_found(struct store_read *read)
{
    struct making *it = read->ctx;
    const uint64_t application = read->status == OK ? it->list.rows[0].id : 0;
    store_read_finish(read);
    finish(it, application);
}

/* It was there before. */
static void find(struct making *it)
{
    struct server *server = it->server;
    it->list = (struct store_list_resources){
        .read = {.kind = STORE_LIST_RESOURCES, .on_done = on_found, .ctx = it},
        .kind = RESOURCE_APPLICATION,
        .only_uid = server->config.operational_application,
    };
    if (store_read(server->store, server->client, &it->list.read) != OK)
        finish(it, 0);
}

static void on_made(struct store_op *op)
{
    struct making *it = op->ctx;
    if (op->status == E_CONFLICT)
        find(it);
    else
        finish(it, op->status == OK ? it->row.id : 0);
}

void server_operational_make(struct server *server, void (*on_ready)(struct server *server))
{
    char *uid = server->config.operational_application;
    if (!uid) {
        if (on_ready)
            on_ready(server);
        return;
    }
    struct making *it = must_alloc(sizeof *it);
    it->server = server;
    it->on_made = on_ready;
    (void)snprintf(it->body, sizeof it->body,
                   "{\"uid\":\"%s\",\"name\":\"Operational webhooks\",\"metadata\":{}}", uid);
    it->row = (struct resource){.kind = RESOURCE_APPLICATION, .uid = uid, .body = it->body};
    it->op = (struct store_resource){
        .op = {.kind = STORE_RESOURCE, .on_done = on_made, .ctx = it},
        .resource = &it->row,
        .is_new = true,
        .now_ms = clock_due_ms(),
    };
    server->refreshes++;
    check(store_submit(server->store, server->client, &it->op.op) == OK);
}

void server_operational_removed(struct server *server, uint64_t application)
{
    if (application != directory_operator(server->directory))
        return;
    directory_set_operator(server->directory, 0);
    server_operational_make(server, NULL);
}

/* ---- Changes of endpoints ----------------------------------------------------------------------
 */

/* The store thread. */
static struct event *make_event(const struct resource *endpoint, bool is_removed, void *ctx)
{
    const struct server *server = ctx;
    const uint64_t to = directory_operator(server->directory);
    char uid[LIMIT_UID_BYTES + 1];
    size_t attempt_at;
    if (to == 0)
        return NULL;
    struct event *event = operational_event(
        &(struct operational_news){
            .type = is_removed               ? OPERATIONAL_ENDPOINT_DELETED
                    : endpoint->version == 1 ? OPERATIONAL_ENDPOINT_CREATED
                                             : OPERATIONAL_ENDPOINT_UPDATED,
            .operator_application = to,
            .application = endpoint->owner,
            .application_uid =
                directory_application_uid(server->directory, endpoint->owner, uid) ? uid : NULL,
            .endpoint = endpoint->id,
            .endpoint_uid = endpoint->uid,
        },
        &attempt_at);
    if (event)
        event->id = store_next_event_id(server->store, (uint8_t)endpoint->id);
    return event;
}

bool server_telling(const struct resource *row, struct store_telling *telling, void *ctx)
{
    struct server *server = ctx;
    const uint64_t to = directory_operator(server->directory);
    const uint64_t application = row->kind == RESOURCE_ENDPOINT ? row->owner : row->id;
    *telling = (struct store_telling){.make = make_event, .ctx = server, .application = to};
    return to != 0 && application != to;
}

void server_told(struct server *server, const struct store_telling *telling)
{
    for (unsigned i = 0; telling && telling->event_count > 0 && i < server->worker_count; i++)
        worker_hint(server->workers[i]);
}
