/* SPDX-License-Identifier: MIT */
/* What the API publishes: handed to the workers in turn, which give it its place, and back. The
 * main thread, except where a comment says. */
#include "server_int.h"

void server_publish(struct publishing *publishing, void *ctx)
{
    struct server *server = ctx;
    if (server->state == SERVER_SERVING) {
        worker_publish(server->workers[server->publish_turn++ % server->worker_count], publishing);
        return;
    }
    publishing->status = E_CANCELLED;
    publishing->on_done(publishing);
}

/* The worker's thread. */
void server_published(struct publishing *publishing, void *ctx)
{
    server_post_letter(ctx,
                       (struct server_letter){.kind = LETTER_PUBLISHED, .publishing = publishing});
}
