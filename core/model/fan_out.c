/* SPDX-License-Identifier: MIT */
#include "model/fan_out.h"

#include "base/limits.h"

#include <stdlib.h>

#define MATCHES_FIRST 64 /* endpoints that there is room for at first */

struct fan_out fan_out_of(const struct event *event)
{
    struct fan_out what = {.event = event, .type = published_type(event->type)};
    (void)head_find(content_head(event->content), PUBLISHED_CHANNELS, &what.channels);
    return what;
}

/* The id that a field of the event's head has; 0: it has none. */
static uint64_t id_of(const struct event *event, const char *field, enum id_kind kind)
{
    char text[ID_TEXT_BYTES];
    struct slice value;
    uint64_t id = 0;
    if (!head_find(content_head(event->content), field, &value) || value.len >= sizeof text)
        return 0;
    memcpy(text, value.data, value.len);
    text[value.len] = '\0';
    return id_parse(kind, text, &id) ? id : 0;
}

static struct directory_query query_of(const struct fan_out *what,
                                       struct slice channels[LIMIT_CHANNELS_PER_MESSAGE])
{
    struct directory_query query = {.application =
                                        id_of(what->event, PUBLISHED_APPLICATION, ID_APPLICATION),
                                    .type = what->type,
                                    .channels = channels};
    query.channel_count = published_channels(what->channels, channels);
    return query;
}

bool fan_out_has_target(const struct fan_out *what, struct directory *directory)
{
    if (id_of(what->event, PUBLISHED_ENDPOINT, ID_ENDPOINT) != 0)
        return true;
    struct slice channels[LIMIT_CHANNELS_PER_MESSAGE];
    const struct directory_query query = query_of(what, channels);
    return directory_match(directory, &query, NULL, 0) > 0;
}

/* The endpoint that an example is for, whatever else it wants. */
static struct registry **match_one(struct directory *directory, uint64_t endpoint, size_t *count)
{
    struct registry **matches = malloc(sizeof(struct registry *));
    if (matches)
        matches[0] = directory_get(directory, endpoint);
    *count = matches && matches[0] ? 1 : 0;
    return matches;
}

/* The endpoints that match, each a reference; owned. NULL: no memory. */
static struct registry **match(const struct fan_out *what, struct directory *directory,
                               size_t *count)
{
    struct slice channels[LIMIT_CHANNELS_PER_MESSAGE];
    const struct directory_query query = query_of(what, channels);
    const uint64_t only = id_of(what->event, PUBLISHED_ENDPOINT, ID_ENDPOINT);
    if (only != 0)
        return match_one(directory, only, count);
    for (size_t room = MATCHES_FIRST;; room = *count) {
        struct registry **matches = calloc(room, sizeof(struct registry *));
        if (!matches)
            return NULL;
        *count = directory_match(directory, &query, matches, room);
        if (*count <= room)
            return matches;
        for (size_t i = 0; i < room; i++)
            registry_unref(matches[i]);
        free(matches);
    }
}

/* Takes the reference. */
static enum status add_delivery(struct registry *one, struct message *message,
                                struct outbox *outbox)
{
    const struct endpoint_spec *endpoint = &one->endpoints[0];
    struct delivery *delivery = delivery_create(endpoint->id, message_ref(message));
    if (!delivery) {
        message_unref(message);
        registry_unref(one);
        return E_NOMEM;
    }
    const struct outbox_delivery entry = {
        .endpoint = endpoint, .registry = one, .delivery = delivery};
    const enum status status = outbox_add_delivery(outbox, &entry);
    if (status != OK) {
        delivery_destroy(delivery);
        registry_unref(one);
    }
    return status;
}

static enum status add_message(const struct fan_out *what, struct outbox *outbox,
                               struct message **added)
{
    const struct event *event = what->event;
    struct content *content = content_ref(what->content ? what->content : event->content);
    struct message *message =
        message_create(published_message(event->id), what->type, content, !what->content);
    if (!message) {
        content_unref(content);
        return E_NOMEM;
    }
    message->trace = event->trace;
    *added = message;
    const enum status status = outbox_add_message(outbox, message);
    if (status != OK)
        message_unref(message);
    return status;
}

enum status fan_out(const struct fan_out *what, struct directory *directory, struct outbox *outbox,
                    size_t *count)
{
    const size_t message_count = outbox->message_count;
    const size_t delivery_count = outbox->delivery_count;
    size_t match_count = 0;
    struct registry **matches = match(what, directory, &match_count);
    struct message *message = NULL;
    enum status status = matches ? OK : E_NOMEM;
    for (size_t i = 0; matches && i < match_count; i++) {
        const bool is_wanted =
            status == OK && (!what->accepts || what->accepts(&matches[i]->endpoints[0], what->ctx));
        if (is_wanted && !message)
            status = add_message(what, outbox, &message);
        if (is_wanted && status == OK)
            status = add_delivery(matches[i], message, outbox);
        else
            registry_unref(matches[i]);
    }
    free(matches);
    if (status != OK)
        outbox_cut(outbox, message_count, delivery_count);
    *count = outbox->delivery_count - delivery_count;
    return status;
}
