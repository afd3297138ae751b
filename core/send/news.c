/* SPDX-License-Identifier: MIT */
/* What a sender has to tell scripts, as meta events. */
#include "send/send.h"

#include "model/meta.h"

static struct event *create(const struct registry *registry, const char *type,
                            const struct message *message, const struct meta_field *fields,
                            size_t count)
{
    return meta_create(registry, &(struct meta_options){.type = type,
                                                        .parent = id_event_of(message->id),
                                                        .trace = &message->trace,
                                                        .fields = fields,
                                                        .field_count = count});
}

static struct event *of_endpoint(const struct registry *registry, const struct sender_news *news)
{
    const struct meta_field fields[] = {
        {.name = "endpoint", .text = news->endpoint->name},
        {.name = "reason", .text = news->reason},
        {.name = "status", .number = news->attempt->status},
        {.name = "error", .text = attempt_error_name(news->attempt->error)},
    };
    return create(registry, META_ENDPOINT_DISABLED, news->delivery->message, fields,
                  array_count(fields));
}

static struct event *of_delivery(const struct registry *registry, const struct sender_news *news)
{
    const struct delivery *delivery = news->delivery;
    const struct message *message = delivery->message;
    char id[ID_TEXT_BYTES];
    char message_id[ID_TEXT_BYTES];
    char event_id[ID_TEXT_BYTES];
    id_format(ID_DELIVERY, delivery->id, id);
    id_format(ID_MESSAGE, message->id, message_id);
    id_format(ID_EVENT, id_event_of(message->id), event_id);
    const struct attempt *attempt = news->attempt;
    const struct meta_field fields[] = {
        {.name = "delivery_id", .text = id},
        {.name = "endpoint", .text = news->endpoint->name},
        {.name = "message_id", .text = message_id},
        {.name = "event_id", .text = event_id},
        {.name = "type", .text = message->type.data},
        {.name = "reason", .text = news->reason},
        {.name = "attempts", .number = delivery->attempts},
        {.name = "status", .number = attempt ? attempt->status : 0},
        {.name = "error", .text = attempt ? attempt_error_name(attempt->error) : ""},
    };
    return create(registry, META_DELIVERY_DEAD, message, fields, array_count(fields));
}

struct event *sender_news_event(const struct registry *registry, const struct sender_news *news)
{
    return news->kind == SENDER_ENDPOINT_DISABLED ? of_endpoint(registry, news)
                                                  : of_delivery(registry, news);
}
