/* SPDX-License-Identifier: MIT */
/* Operational webhooks: the operator's application, which is there whenever it is set, and what is
 * published to it of changes of endpoints, before they are answered. What becomes of attempts is
 * published by their senders, with their outcome. Main thread. */
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

struct telling {
    struct publishing publishing;
    void (*on_done)(void *ctx);
    void *ctx;
};

static void on_published(struct publishing *publishing)
{
    struct telling *it = container_of(publishing, struct telling, publishing);
    void (*on_done)(void *ctx) = it->on_done;
    void *ctx = it->ctx;
    if (publishing->status != OK)
        log_error("operational webhook not stored", "type=%s status=%s",
                  publishing->event->type.data, status_name(publishing->status));
    event_unref(publishing->event);
    free(it);
    on_done(ctx);
}

void server_operational_tell(struct server *server, const struct api_registered *changed,
                             void (*on_done)(void *ctx), void *ctx)
{
    const struct resource *row = changed->row;
    const uint64_t to = directory_operator(server->directory);
    size_t attempt_at;
    struct event *event = NULL;
    if (to != 0 && to != row->owner && row->kind == RESOURCE_ENDPOINT)
        event = operational_event(
            &(struct operational_news){
                .type = changed->is_removed ? OPERATIONAL_ENDPOINT_DELETED
                        : row->version == 1 ? OPERATIONAL_ENDPOINT_CREATED
                                            : OPERATIONAL_ENDPOINT_UPDATED,
                .operator_application = to,
                .application = row->owner,
                .application_uid = changed->application_uid,
                .endpoint = row->id,
                .endpoint_uid = row->uid,
            },
            &attempt_at);
    if (!event) {
        on_done(ctx);
        return;
    }
    struct telling *it = must_alloc(sizeof *it);
    *it = (struct telling){
        .publishing = {.event = event,
                       .what = {.application = to,
                                .payload_until_ms = clock_due_ms() + OPERATIONAL_PAYLOAD_MS},
                       .on_done = on_published},
        .on_done = on_done,
        .ctx = ctx,
    };
    server_publish(&it->publishing, server);
}
