/* SPDX-License-Identifier: MIT */
/* What receivers hold that read a stream: messages that were given to each and have not ended. One
 * that reads on while it works would else be given the whole queue, and its leases would run out.
 */
#include "send/sender_int.h"

#include "base/log.h"
#include "base/memory.h"

#include <stdlib.h>

size_t stream_room(const struct lease_stream *stream)
{
    return stream->limit > stream->held_count ? stream->limit - stream->held_count : 0;
}

void stream_hold(struct outlet *outlet, const struct lease_take *take)
{
    if (!take->stream || take->has_left)
        return;
    for (size_t i = 0; i < take->delivery_count; i++) {
        if (map_put(&outlet->leases.held_by, take->deliveries[i]->id, take->stream) == OK)
            take->stream->held_count++;
        else
            log_warn("message of a stream not counted", "endpoint=%llu",
                     (unsigned long long)outlet->id);
    }
}

struct lease_take *stream_let_go(struct outlet *outlet, uint64_t delivery)
{
    struct lease_stream *stream = map_remove(&outlet->leases.held_by, delivery);
    if (!stream)
        return NULL;
    stream->held_count--;
    return stream->parked;
}

void lease_stream_end(struct sender *sender, struct lease_errand *ending)
{
    struct lease_stream *stream = container_of(ending, struct lease_stream, ending);
    struct outlet *outlet = outlet_get(sender, ending->endpoint);
    uint64_t *ids = outlet ? must_alloc((stream->held_count + 1) * sizeof *ids) : NULL;
    size_t count = 0;
    size_t place = 0;
    uint64_t id;
    void *holder;
    while (outlet && map_next(&outlet->leases.held_by, &place, &id, &holder))
        if (holder == stream)
            ids[count++] = id;
    for (size_t i = 0; i < count; i++)
        (void)map_remove(&outlet->leases.held_by, ids[i]);
    free(ids);
    ending->go_home(ending);
}
