/* SPDX-License-Identifier: MIT */
/* What somebody gets to know of registered endpoints: events that are published in the commit of
 * the change. Store thread, inside a group. */
#include "store/sqlite_published_int.h"

#include "base/clock.h"
#include "model/operational.h"

#include <stdlib.h>

static int put(struct sqlite_engine *it, const struct store_telling *telling,
               const struct event *event)
{
    const struct published what = {.application = telling->application,
                                   .payload_until_ms = clock_due_ms() + OPERATIONAL_PAYLOAD_MS};
    const int rc = sqlite_put_event(it, event, true);
    return rc == SQLITE_OK ? sqlite_insert_published(it, event, &what) : rc;
}

int sqlite_tell(struct sqlite_engine *engine, struct store_telling *telling,
                const struct resource *endpoint, bool is_removed)
{
    struct event *event = telling ? telling->make(endpoint, is_removed, telling->ctx) : NULL;
    if (!event)
        return SQLITE_OK;
    uint64_t *events = array_grow(telling->events, telling->event_count, sizeof *events);
    int rc = SQLITE_NOMEM;
    if (events) {
        telling->events = events;
        events[telling->event_count++] = event->id;
        rc = put(engine, telling, event);
    }
    event_unref(event);
    return rc;
}

void store_telling_finish(struct store_telling *telling)
{
    free(telling->events);
    telling->events = NULL;
    telling->event_count = 0;
}
