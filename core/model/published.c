/* SPDX-License-Identifier: MIT */
#include "model/published.h"

#include "base/json.h"

bool event_is_published(const struct event *event)
{
    struct slice application;
    return slice_is(event->source, PUBLISHED_SOURCE) &&
           head_find(content_head(event->content), PUBLISHED_APPLICATION, &application);
}

struct slice published_type(struct slice type)
{
    const size_t len = sizeof PUBLISHED_TYPE_PREFIX - 1;
    const bool has_prefix = type.len >= len && memcmp(type.data, PUBLISHED_TYPE_PREFIX, len) == 0;
    return has_prefix ? slice_of(type.data + len, type.len - len) : type;
}

size_t published_channels(struct slice json, struct slice channels[LIMIT_CHANNELS_PER_MESSAGE])
{
    size_t count = 0;
    struct slice item;
    /* Names have no escapes. */
    for (size_t offset = 0; json.len > 0 && count < LIMIT_CHANNELS_PER_MESSAGE &&
                            json_next_item(json, &offset, &item);)
        channels[count++] = slice_of(item.data + 1, item.len - 2);
    return count;
}
