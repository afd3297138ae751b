/* SPDX-License-Identifier: MIT */
/* What a sender has to tell scripts, as meta events. */
#include "send/outgoing_int.h"

#include "base/json.h"
#include "base/limits.h"
#include "base/text.h"
#include "model/meta.h"
#include "signature/signature.h"

#include <ctype.h>

#define ANSWER_TEXT_BYTES_MAX (512u * 1024) /* headers or a body, escaped */

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

#define OUTCOME_FIELDS 2

/* What a last attempt brought: the status of an answer, or the error that none came by. Gives the
 * number of fields: one, or none where nothing was tried. */
static size_t add_outcome_fields(const struct attempt *attempt, struct meta_field *fields)
{
    size_t count = 0;
    if (attempt && attempt->status > 0)
        fields[count++] = (struct meta_field){.name = "status", .number = attempt->status};
    if (attempt && attempt->error != ATTEMPT_OK)
        fields[count++] =
            (struct meta_field){.name = "error", .text = attempt_error_name(attempt->error)};
    return count;
}

static struct event *of_endpoint(const struct registry *registry, const struct sender_news *news)
{
    struct meta_field fields[2 + OUTCOME_FIELDS] = {
        {.name = "endpoint", .text = news->endpoint->name},
        {.name = "reason", .text = news->reason},
    };
    const size_t count = 2 + add_outcome_fields(news->attempt, fields + 2);
    return create(registry, META_ENDPOINT_DISABLED, news->delivery->message, fields, count);
}

/* What every event of a delivery says first. */
struct delivery_ids {
    char delivery[ID_TEXT_BYTES];
    char message[ID_TEXT_BYTES];
    char event[ID_TEXT_BYTES];
};

#define DELIVERY_FIELDS 6

static void add_delivery_fields(const struct sender_news *news, struct delivery_ids *ids,
                                struct meta_field *fields)
{
    const struct delivery *delivery = news->delivery;
    const struct message *message = delivery->message;
    id_format(ID_DELIVERY, delivery->id, ids->delivery);
    id_format(ID_MESSAGE, message->id, ids->message);
    id_format(ID_EVENT, id_event_of(message->id), ids->event);
    const struct meta_field own[DELIVERY_FIELDS] = {
        {.name = "delivery_id", .text = ids->delivery},
        {.name = "endpoint", .text = news->endpoint->name},
        {.name = "message_id", .text = ids->message},
        {.name = "event_id", .text = ids->event},
        {.name = "type", .text = message->type.data},
        {.name = "attempts", .number = delivery->attempts},
    };
    memcpy(fields, own, sizeof own);
}

static struct event *of_death(const struct registry *registry, const struct sender_news *news)
{
    struct delivery_ids ids;
    struct meta_field fields[DELIVERY_FIELDS + 1 + OUTCOME_FIELDS] = {
        [DELIVERY_FIELDS] = {.name = "reason", .text = news->reason},
    };
    add_delivery_fields(news, &ids, fields);
    const size_t count =
        DELIVERY_FIELDS + 1 + add_outcome_fields(news->attempt, fields + DELIVERY_FIELDS + 1);
    return create(registry, META_DELIVERY_DEAD, news->delivery->message, fields, count);
}

/* ---- The answer ---- */

#define HEADERS_MAX 100 /* that an event of success tells of */

static enum status add_name(struct buf *out, struct slice name)
{
    char lower[LIMIT_TYPE_BYTES];
    const size_t len = name.len < sizeof lower ? name.len : sizeof lower;
    for (size_t i = 0; i < len; i++)
        lower[i] = (char)tolower((unsigned char)name.data[i]);
    return buf_add_json_string(out, slice_of(lower, len));
}

/* The values of the field that ends at offset and of all behind it with that name, joined. */
static enum status add_values(struct buf *out, struct slice head, const struct field *first,
                              size_t offset)
{
    struct buf values;
    struct field field;
    buf_init(&values, 2 * LIMIT_ANSWER_HEADERS_BYTES);
    enum status status = buf_add_slice(&values, first->value);
    while (status == OK && head_next(head, &offset, &field)) {
        if (!slice_equal_nocase(field.name, first->name))
            continue;
        status = buf_add_str(&values, ", ");
        if (status == OK)
            status = buf_add_slice(&values, field.value);
    }
    if (status == OK)
        status = buf_add_json_string(out, buf_slice(&values));
    buf_finish(&values);
    return status;
}

static bool came_before(struct slice head, size_t end, struct slice name)
{
    struct field field;
    for (size_t offset = 0; head_next(head, &offset, &field) && offset < end;)
        if (slice_equal_nocase(field.name, name))
            return true;
    return false;
}

/* One JSON object. What an answer sets as the secret of a session stays out. */
static enum status write_headers(struct slice head, struct buf *out)
{
    struct field field;
    size_t count = 0;
    enum status status = buf_add_byte(out, '{');
    for (size_t offset = 0; status == OK && count < HEADERS_MAX && head_next(head, &offset, &field);
         count++) {
        if (slice_equal_nocase(field.name, slice_str("set-cookie")) ||
            came_before(head, offset, field.name))
            continue;
        if (out->len > 1)
            status = buf_add_byte(out, ',');
        if (status == OK)
            status = add_name(out, field.name);
        if (status == OK)
            status = buf_add_byte(out, ':');
        if (status == OK)
            status = add_values(out, head, &field, offset);
    }
    return status == OK ? buf_add_byte(out, '}') : status;
}

/* The body as text, in base64 if it is none, and as JSON if it says that it is some. */
static size_t add_body_fields(const struct attempt *attempt, struct buf *text,
                              struct meta_field *fields)
{
    struct slice type = slice_str("");
    size_t count = 0;
    if (text_is_utf8(attempt->body))
        fields[count++] = (struct meta_field){.name = "body", .json = buf_slice(text)};
    else
        fields[count++] = (struct meta_field){.name = "body_base64", .json = buf_slice(text)};
    if (head_find(attempt->head, "content-type", &type) && content_type_is_json(type) &&
        json_is_valid(attempt->body))
        fields[count++] = (struct meta_field){.name = "json", .json = attempt->body};
    return count;
}

static enum status write_body(struct slice body, struct buf *out)
{
    if (text_is_utf8(body))
        return buf_add_json_string(out, body);
    enum status status = buf_add_byte(out, '"');
    if (status == OK)
        status = base64_encode(body, out);
    return status == OK ? buf_add_byte(out, '"') : status;
}

static struct event *of_success(const struct registry *registry, const struct sender_news *news)
{
    const struct attempt *attempt = news->attempt;
    struct event *event = NULL;
    struct delivery_ids ids;
    struct buf headers;
    struct buf body;
    buf_init(&headers, ANSWER_TEXT_BYTES_MAX);
    buf_init(&body, ANSWER_TEXT_BYTES_MAX);
    if (write_headers(attempt->head, &headers) == OK && write_body(attempt->body, &body) == OK) {
        struct meta_field fields[DELIVERY_FIELDS + 5] = {
            [DELIVERY_FIELDS] = {.name = "status", .number = attempt->status},
            {.name = "headers", .json = buf_slice(&headers)},
            {.name = "is_cut", .json = slice_str(attempt->is_cut ? "true" : "false")},
        };
        add_delivery_fields(news, &ids, fields);
        const size_t count =
            DELIVERY_FIELDS + 3 + add_body_fields(attempt, &body, fields + DELIVERY_FIELDS + 3);
        event = create(registry, META_DELIVERY_SUCCEEDED, news->delivery->message, fields, count);
    }
    buf_finish(&headers);
    buf_finish(&body);
    return event;
}

struct event *sender_news_event(const struct registry *registry, const struct sender_news *news)
{
    switch (news->kind) {
    case SENDER_DELIVERY_DEAD:
        return of_death(registry, news);
    case SENDER_DELIVERY_SUCCEEDED:
        return of_success(registry, news);
    case SENDER_ENDPOINT_DISABLED:
        return of_endpoint(registry, news);
    }
    return NULL;
}
