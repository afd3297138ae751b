/* SPDX-License-Identifier: MIT */
/* How long what is finished is kept: what the store is told every few seconds. The main thread. */
#include "base/clock.h"
#include "server_int.h"

/* A key is forgotten with its event, so an event stays as long as its key counts. */
static int64_t retention_of(const struct server *server, const struct source_spec *source)
{
    const int64_t wanted_ms =
        source->retention_ms > 0 ? source->retention_ms : server->config.retention_ms;
    return wanted_ms > source->key_window_ms ? wanted_ms : source->key_window_ms;
}

void server_retain(struct server *server)
{
    const struct registry *registry = generation_registry(server->generation);
    const int64_t now_ms = clock_due_ms();
    struct store_retention classes[LIMIT_RETENTION_CLASSES];
    size_t count = 0;
    for (size_t i = 0; i < registry->source_count && count + 1 < array_count(classes); i++) {
        const struct source_spec *source = &registry->sources[i];
        const int64_t retention_ms = retention_of(server, source);
        if (retention_ms != server->config.retention_ms)
            classes[count++] = (struct store_retention){source->name, now_ms - retention_ms};
    }
    classes[count++] = (struct store_retention){NULL, now_ms - server->config.retention_ms};
    store_retain(server->store, classes, count);
}
