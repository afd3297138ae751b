/* SPDX-License-Identifier: MIT */
/* What the API publishes: handed to the workers in turn, which give it its place, and back. The
 * main thread, except where a comment says. */
#include "server_int.h"

#include "base/clock.h"

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

#define SETTLING_MS 1000 /* what senders publish with an outcome is stored by then */

uint64_t server_published_before(void *ctx)
{
    struct server *server = ctx;
    uint64_t before = id_event_at(clock_due_ms() - SETTLING_MS);
    for (unsigned i = 0; i < server->worker_count; i++) {
        const uint64_t oldest = worker_published_before(server->workers[i]);
        if (oldest != 0 && oldest < before)
            before = oldest;
    }
    return before;
}

/* The worker's thread. */
void server_published(struct publishing *publishing, void *ctx)
{
    server_post_letter(ctx,
                       (struct server_letter){.kind = LETTER_PUBLISHED, .publishing = publishing});
}
