/* SPDX-License-Identifier: MIT */
/* A worker's receiver: opened on its loop when the worker serves, and what it asks of the worker
 * and of the main thread. Each worker's thread. */
#include "server_int.h"

#include "base/log.h"

#include <stdlib.h>
#include <unistd.h>

static struct script *receive_script(void *ctx)
{
    return worker_script(ctx);
}

static struct receive_placement receive_place(void *ctx)
{
    const struct placement placement = worker_place(ctx);
    return (struct receive_placement){placement.shard, placement.has_room};
}

static void receive_placed(void *ctx, struct receive_placement placement, struct event *event,
                           bool is_committed)
{
    worker_placed(ctx, (struct placement){placement.shard, placement.has_room}, event,
                  is_committed);
}

static void receive_errand(void *ctx, struct lease_errand *errand)
{
    worker_errand(ctx, errand);
}

static void receive_grant(void *ctx, struct receive_grant *grant)
{
    worker_lend(ctx, &grant->errand);
    server_post_letter(worker_ctx(ctx),
                       (struct server_letter){.kind = LETTER_GRANTED, .grant = grant});
}

static const struct receive_hooks receive_hooks = {
    .errand = receive_errand,
    .grant = receive_grant,
    .script = receive_script,
    .place = receive_place,
    .placed = receive_placed,
};

void server_receive(struct worker *worker, void *ctx)
{
    struct server *server = ctx;
    const unsigned index = worker_index(worker);
    struct err err;
    const enum status status = receiver_open(
        &(struct receive_options){
            .loop = worker_loop(worker),
            .store = server->store,
            .client = worker_client(worker),
            .fd = server->fds[index],
            .shared = server->shared,
            .proxies = server->proxies,
            .proxy_count = server->config.trusted_proxy_count,
            .intake_bytes = &server->intake_bytes,
            .intake_bytes_max = server->config.intake_bytes,
            .hooks = &receive_hooks,
            .ctx = worker,
        },
        &server->receivers[index], &err);
    if (status != OK) {
        log_error("cannot receive", "reason=\"%s\"", err.text);
        _exit(EXIT_FAILURE);
    }
}

void server_receive_quiesce(struct worker *worker, void *ctx)
{
    struct server *server = ctx;
    receiver_quiesce(server->receivers[worker_index(worker)]);
}

bool server_receive_is_quiet(struct worker *worker, void *ctx)
{
    const struct server *server = ctx;
    return receiver_is_quiet(server->receivers[worker_index(worker)]);
}

void server_receive_end(struct worker *worker, void *ctx)
{
    struct server *server = ctx;
    receiver_close(server->receivers[worker_index(worker)]);
}
