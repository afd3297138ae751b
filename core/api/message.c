/* SPDX-License-Identifier: MIT */
/* /api/v1/app/{app}/msg: what an application publishes, and what it published, found by its message
 * id or by the caller's own eventId. */
#include "api/resource_int.h"
#include "api/sent_int.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>

#define DAY_MS INT64_C(86400000)
#define EXPIRED "{\"expired\":true}" /* it went */
#define NO_PAYLOAD "{}"              /* as it is shown when it is not asked for */
#define RAW "transformationsParams"

static const struct field_form raw_rows[] = {
    {.name = "rawPayload", .type = FIELD_TEXT, .has_zeros = true},
    {.name = "headers", .type = FIELD_TEXTS}};
static const struct field_forms raw_fields = {raw_rows, array_count(raw_rows)};
/* The last counts only if the path's application is not there. */
static const struct field_form rows[] = {
    {.name = "eventType",
     .type = FIELD_NAME,
     .min = 1,
     .max = LIMIT_UID_BYTES,
     .is_required = true},
    {.name = "eventId", .type = FIELD_NAME, .min = 1, .max = LIMIT_UID_BYTES},
    {.name = "channels",
     .type = FIELD_NAMES,
     .min = 1,
     .max = LIMIT_CHANNEL_BYTES,
     .items_min = 1,
     .items_max = LIMIT_CHANNELS_PER_MESSAGE},
    {.name = "tags",
     .type = FIELD_NAMES,
     .min = 1,
     .max = LIMIT_CHANNEL_BYTES,
     .items_min = 1,
     .items_max = LIMIT_CHANNELS_PER_MESSAGE},
    {.name = "payload", .alias = "data", .type = FIELD_OBJECT, .is_required = true},
    {.name = "payloadRetentionPeriod", .type = FIELD_INTEGER, .min = 5, .max = 90, .absent = "90"},
    {.name = RAW, .type = FIELD_FORM, .forms = &raw_fields},
    {.name = "deliverAt",
     .type = FIELD_INSTANT,
     .refusal = "messages are sent at once: leave it out, and publish it when it is due"},
    {.name = "payloadRetentionHours",
     .type = FIELD_INTEGER,
     .refusal = "payloads are kept for days: say payloadRetentionPeriod, 5 to 90, or DELETE its "
                "content"},
    {.name = "application", .type = FIELD_FORM, .forms = &application_fields},
};
const struct field_forms message_fields = {rows, array_count(rows)};
static const struct field_forms fields_without_application = {rows, array_count(rows) - 1};

struct message_call {
    struct buf body;   /* its fields */
    struct slice type; /* these two are JSON, in body */
    struct slice payload;
    int64_t kept_days;
    struct buf raw; /* what is sent instead of it */
    bool is_raw;
    struct buf media_type; /* of raw; empty: it is called JSON */
    uint64_t endpoint;     /* it is an example, for this one; 0: it is none */
    struct publishing publishing;
    bool with_content;
};

void message_call_free(struct message_call *message)
{
    if (!message)
        return;
    event_unref(message->publishing.event);
    free(message->publishing.what.uid);
    free(message->publishing.what.channels);
    free(message->publishing.what.tags);
    buf_finish(&message->body);
    buf_finish(&message->raw);
    buf_finish(&message->media_type);
    free(message);
}

/* ---- Answers -----------------------------------------------------------------------------------
 */

void show_message(const struct published_row *row, struct document *out)
{
    const struct published *what = &row->what;
    const struct slice kept =
        row->payload ? slice_of(row->payload, row->payload_len) : slice_str(NO_PAYLOAD);
    const struct slice payload = kept.len > 0 ? kept : slice_str(EXPIRED);
    if (what->channels) {
        document_key(out, "channels");
        document_json(out, slice_str(what->channels));
    }
    if (what->uid) {
        document_key(out, "eventId");
        document_str(out, what->uid);
    }
    document_key(out, "eventType");
    document_str(out, row->type);
    show_id(out, "id", ID_MESSAGE, published_message(row->id));
    document_key(out, "payload");
    document_json(out, payload);
    document_key(out, "data");
    document_json(out, payload);
    if (what->tags) {
        document_key(out, "tags");
        document_json(out, slice_str(what->tags));
    }
    document_key(out, "timestamp");
    document_due(out, id_event_ms(row->id));
}

static void write_row(const struct published_row *row, struct document *out)
{
    document_open(out, '{');
    show_message(row, out);
    document_close(out, '}');
}

void api_write_message(const struct call *call, struct document *out)
{
    write_row(&call->list_published.rows[0], out);
}

/* ---- What is published -------------------------------------------------------------------------
 */

/* Visible ASCII, blanks within: it becomes a header. */
static bool is_media_type(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] < ' ' || text.data[i] > '~')
            return false;
    return text.len > 0 && slice_trim(text).len == text.len;
}

/* Of headers the Content-Type counts. E_INVALID: it is none. */
static enum status take_media_type(struct message_call *message, struct slice headers)
{
    struct slice name;
    struct slice value;
    buf_clear(&message->media_type);
    for (size_t offset = 0; json_next_member(headers, &offset, &name, &value);)
        if (slice_equal_nocase(name, slice_str("\"content-type\"")))
            return json_add_text(value, &message->media_type) == OK &&
                           is_media_type(buf_slice(&message->media_type))
                       ? OK
                       : E_INVALID;
    return OK;
}

/* A string that is sent byte for byte instead of the payload, and what it is. */
static enum status take_raw(struct message_call *message, struct slice params)
{
    struct slice raw;
    struct slice headers;
    message->is_raw = json_find(params, "rawPayload", &raw);
    enum status status = message->is_raw ? json_add_text(raw, &message->raw) : OK;
    if (status == OK && message->is_raw && json_find(params, "headers", &headers))
        status = take_media_type(message, headers);
    return status;
}

/* Owned text of a small value: what a string says, anything else as it is. */
static char *copy_value(struct slice value)
{
    struct buf text;
    buf_init(&text, LIMIT_API_BODY_BYTES);
    if (json_kind_of(value) == JSON_STRING)
        check(json_add_text(value, &text) == OK);
    else
        check(buf_add_slice(&text, value) == OK);
    return buf_take(&text, NULL);
}

static void refuse_media_type(struct call *call)
{
    struct complaints complaints;
    complaints_begin(&complaints);
    complain_of_member(&complaints, RAW, slice_str("\"headers\""),
                       "the content-type must be visible ASCII: application/xml");
    (void)complaints_end(call, &complaints);
}

static void refuse_fields(struct call *call, enum status status)
{
    if (status == E_INVALID) {
        refuse_media_type(call);
        return;
    }
    call_refuse(call, status == E_LIMIT ? 413 : 503, status == E_LIMIT ? "too_large" : "memory",
                status == E_LIMIT
                    ? "the payload is over 1 MiB, compact as it is sent, or its application "
                      "over 128 KiB"
                    : "no memory; try again");
}

/* What was read, in one pass: the payload may be large. */
static enum status take_fields(struct message_call *message)
{
    struct published *what = &message->publishing.what;
    struct slice name;
    struct slice value;
    enum status status = OK;
    for (size_t offset = 0;
         status == OK && json_next_member(buf_slice(&message->body), &offset, &name, &value);) {
        if (slice_is(name, "\"eventType\""))
            message->type = value;
        else if (slice_is(name, "\"eventId\""))
            what->uid = copy_value(value);
        else if (slice_is(name, "\"channels\""))
            what->channels = copy_value(value);
        else if (slice_is(name, "\"tags\""))
            what->tags = copy_value(value);
        else if (slice_is(name, "\"payload\""))
            message->payload = value;
        else if (slice_is(name, "\"payloadRetentionPeriod\""))
            message->kept_days = strtoll(value.data, NULL, 10);
        else if (slice_is(name, "\"" RAW "\""))
            status = take_raw(message, value);
    }
    const bool is_large =
        message->payload.len > LIMIT_PAYLOAD_BYTES || message->raw.len > LIMIT_PAYLOAD_BYTES;
    return status == OK && is_large ? E_LIMIT : status;
}

/* False: refused and answered. */
static bool read_message(struct call *call, bool has_application, struct complaints *complaints)
{
    struct message_call *message = call->message;
    const struct fields_input input = {
        .forms = has_application ? &fields_without_application : &message_fields,
        .mode = FIELDS_MADE,
        .body = http_body(call->request),
    };
    enum status status = fields_read(&input, complaints, &message->body);
    if (status == OK && !has_application && complaints->count == 0)
        status = api_take_brought(call, buf_slice(&message->body), complaints);
    if (status == OK && !complaints_end(call, complaints))
        return false;
    if (status == OK)
        status = take_fields(message);
    else
        complaints_drop(complaints);
    if (status != OK)
        refuse_fields(call, status);
    return status == OK;
}

static enum status add_head(const struct call *call, struct buf *head)
{
    const struct message_call *message = call->message;
    const struct published *what = &message->publishing.what;
    char application[ID_TEXT_BYTES];
    id_format(ID_APPLICATION, call->application, application);
    enum status status = head_add(head, slice_str(PUBLISHED_APPLICATION), slice_str(application));
    if (status == OK && what->uid)
        status = head_add(head, slice_str(PUBLISHED_UID), slice_str(what->uid));
    if (status == OK && what->channels)
        status = head_add(head, slice_str(PUBLISHED_CHANNELS), slice_str(what->channels));
    if (status == OK && message->endpoint != 0) {
        char endpoint[ID_TEXT_BYTES];
        id_format(ID_ENDPOINT, message->endpoint, endpoint);
        status = head_add(head, slice_str(PUBLISHED_ENDPOINT), slice_str(endpoint));
    }
    if (status == OK && message->is_raw)
        status = head_add(head, slice_str(PUBLISHED_RAW), slice_str("1"));
    if (status == OK)
        status = head_add(head, slice_str("content-type"),
                          message->media_type.len > 0 ? buf_slice(&message->media_type)
                                                      : slice_str("application/json"));
    return status;
}

static struct content *make_content(const struct call *call)
{
    const struct message_call *message = call->message;
    const struct slice body = message->is_raw ? buf_slice(&message->raw) : message->payload;
    struct buf head;
    buf_init(&head, LIMIT_HEADERS_BYTES);
    struct content *content =
        add_head(call, &head) == OK ? content_create(buf_slice(&head), body.len) : NULL;
    buf_finish(&head);
    if (content)
        check(content_append(&content, body.data, body.len, body.len) == OK);
    return content;
}

/* NULL: no memory. */
static struct event *make_event(const struct call *call)
{
    struct buf type;
    buf_init(&type, LIMIT_TYPE_BYTES);
    struct content *content = make_content(call);
    struct event *event = NULL;
    if (content && buf_add_str(&type, PUBLISHED_TYPE_PREFIX) == OK &&
        json_add_text(call->message->type, &type) == OK)
        event = event_create(&(struct event_options){
            .source = slice_str(PUBLISHED_SOURCE),
            .type = buf_slice(&type),
            .key = slice_str(""),
            .content = content,
            .trace = trace_of_head(http_head(call->request)),
            .received_ms = http_received_ms(call->request),
        });
    if (!event)
        content_unref(content);
    buf_finish(&type);
    return event;
}

static void answer(struct call *call)
{
    const struct message_call *message = call->message;
    const struct event *event = message->publishing.event;
    const bool is_shown = message->with_content && !message->is_raw;
    struct document out;
    document_init(&out, LIMIT_API_ANSWER_BYTES);
    const struct published_row row = {
        .id = event->id,
        .what = message->publishing.what,
        .type = (char *)(uintptr_t)published_type(event->type).data,
        .payload = is_shown ? (char *)(uintptr_t)message->payload.data : NULL,
        .payload_len = message->payload.len,
    };
    write_row(&row, &out);
    call_answer(call, message->endpoint ? 200 : 202, &out);
}

/* The same answer as the first time. */
static void on_first(struct store_read *read)
{
    struct call *call = read->ctx;
    const struct store_list_published *list = container_of(read, struct store_list_published, read);
    const enum status status = read->status;
    struct document out;
    document_init(&out, LIMIT_API_ANSWER_BYTES);
    if (status == OK)
        write_row(&list->rows[0], &out);
    store_read_finish(read);
    if (call_end_wait(call)) {
        if (status == OK)
            call_answer(call, call->message->endpoint ? 200 : 202, &out);
        else if (status == E_NOTFOUND)
            call_refuse(call, 409, "conflict",
                        "the message of this idempotency key is removed; use another key");
        else
            call_refuse(call, 500, "store", "the store could not be read; see the server's log");
    }
    document_finish(&out);
}

static void answer_first(struct call *call, uint64_t first)
{
    call->list_published = (struct store_list_published){
        .read = {.kind = STORE_LIST_PUBLISHED, .on_done = on_first, .ctx = call},
        .filter = {.application = call->application, .with_payload = call->message->with_content},
        .only = first,
    };
    (void)call_ask(call, &call->list_published.read);
}

/* What the call publishes; NULL: no memory, answered. */
static struct message_call *create(struct call *call)
{
    struct message_call *message = calloc(1, sizeof *message);
    call->message = message;
    if (!message) {
        call_refuse(call, 503, "memory", "no memory; try again");
        return NULL;
    }
    buf_init(&message->body, LIMIT_API_MESSAGE_BYTES + LIMIT_API_BODY_BYTES);
    buf_init(&message->raw, LIMIT_API_MESSAGE_BYTES);
    buf_init(&message->media_type, LIMIT_API_BODY_BYTES);
    message->with_content = true;
    return message;
}

void message_repeat(struct call *call, const struct resource *first)
{
    if (!call->message && !create(call))
        return;
    call->message->endpoint = call->sent ? call->sent->endpoint_id : 0;
    answer_first(call, first->id);
}

static void on_published(struct publishing *publishing)
{
    struct call *call = publishing->ctx;
    const enum status status = publishing->status;
    const uint64_t first = publishing->first;
    call_put_key(call);
    if (!call_end_wait(call))
        return;
    if (status == OK && first != 0)
        answer_first(call, first);
    else if (status == OK)
        answer(call);
    else if (status == E_CONFLICT)
        call_refuse(call, 409, "conflict", "another message has this eventId");
    else if (status == E_CANCELLED)
        call_refuse(call, 503, "stopping", "the server is starting or draining; nothing was done");
    else
        call_refuse(call, 503, "not_stored", "the message could not be stored; send it again");
}

static void publish(struct call *call)
{
    struct publishing *publishing = &call->message->publishing;
    publishing->what.application = call->application;
    publishing->what.payload_until_ms = clock_due_ms() + call->message->kept_days * DAY_MS;
    publishing->answer_key = call->has_key ? call->key : NULL;
    publishing->on_done = on_published;
    publishing->ctx = call;
    publishing->event = make_event(call);
    if (!publishing->event) {
        call_refuse(call, 503, "memory", "no memory; try again");
        return;
    }
    call_begin_wait(call);
    call->api->hooks.publish(publishing, call->api->hooks.ctx);
}

void message_publish_example(struct call *call, uint64_t endpoint, const char *type,
                             struct slice payload)
{
    struct message_call *message = create(call);
    if (!message)
        return;
    message->endpoint = endpoint;
    enum status status = buf_printf(&message->body,
                                    "{\"eventType\":\"%s\",\"payloadRetentionPeriod\":90,"
                                    "\"payload\":",
                                    type);
    if (status == OK)
        status = json_add_compact(payload, &message->body);
    if (status == OK)
        status = buf_add_byte(&message->body, '}');
    if (status == OK)
        status = take_fields(message);
    if (status != OK)
        refuse_fields(call, status);
    else if (call_hold_key(call))
        publish(call);
}

static void publish_once(struct call *call)
{
    call_take_key(call, message_repeat);
    if (call_hold_key(call))
        publish(call);
}

static void begin(struct call *call, bool is_found)
{
    struct message_call *message = create(call);
    struct complaints complaints;
    if (!message)
        return;
    if (!is_found && !api_brings_application(call))
        return;
    if (is_found)
        call_take_key(call, message_repeat);
    complaints_begin(&complaints);
    message->with_content = api_query_flag(call, "with_content", true, &complaints);
    if (!read_message(call, is_found, &complaints))
        return;
    if (is_found)
        publish_once(call);
    else
        api_make_brought(call, publish_once);
}

void api_publish(struct call *call)
{
    api_find_application(call, begin);
}

/* ---- What was published ------------------------------------------------------------------------
 */

/* The id of the event that a message's id in a path is of; 0: it is none. */
static uint64_t event_of(const char *text)
{
    uint64_t id;
    return id_parse(ID_MESSAGE, text, &id) && id_ordinal(id) == ID_ORDINAL_MAX ? id_event_of(id)
                                                                               : 0;
}

void api_get_message(struct call *call)
{
    struct complaints complaints;
    complaints_begin(&complaints);
    const bool with_payload = api_query_flag(call, "with_content", true, &complaints);
    if (!complaints_end(call, &complaints))
        return;
    buf_init(&call->resource.place, LIMIT_REQUEST_LINE_BYTES);
    if (buf_add_slice(&call->resource.place, call->id) != OK) {
        call_refuse(call, 503, "memory", "no memory; try again");
        return;
    }
    call->list_published = (struct store_list_published){
        .filter = {.application = call->application, .with_payload = with_payload},
        .only = event_of(call->resource.place.data),
        .only_uid = call->resource.place.data,
    };
    call_read(call, STORE_LIST_PUBLISHED);
}
