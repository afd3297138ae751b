/* SPDX-License-Identifier: MIT */
#include "model/operational.h"

#include "base/clock.h"
#include "base/limits.h"
#include "model/published.h"

#include <stdio.h>

#define BODY_BYTES_MAX 4096u

static const char *const types[OPERATIONAL_TYPE_COUNT] = {
    [OPERATIONAL_ENDPOINT_CREATED] = "endpoint.created",
    [OPERATIONAL_ENDPOINT_UPDATED] = "endpoint.updated",
    [OPERATIONAL_ENDPOINT_DELETED] = "endpoint.deleted",
    [OPERATIONAL_ENDPOINT_DISABLED] = "endpoint.disabled",
    [OPERATIONAL_ATTEMPT_EXHAUSTED] = "message.attempt.exhausted",
    [OPERATIONAL_ATTEMPT_FAILING] = "message.attempt.failing",
    [OPERATIONAL_ATTEMPT_RECOVERED] = "message.attempt.recovered",
};

static enum status add_id(struct buf *body, const char *name, enum id_kind kind, uint64_t id)
{
    char text[ID_TEXT_BYTES];
    id_format(kind, id, text);
    return buf_printf(body, ",\"%s\":\"%s\"", name, text);
}

static enum status add_uid(struct buf *body, const char *name, struct slice uid)
{
    if (uid.len == 0)
        return OK;
    const enum status status = buf_printf(body, ",\"%s\":", name);
    return status == OK ? buf_add_json_string(body, uid) : status;
}

static struct slice slice_or_empty(const char *text)
{
    return slice_str(text ? text : "");
}

static enum status add_instant(struct buf *body, const char *name, int64_t ms)
{
    char text[CLOCK_ISO_BYTES];
    clock_iso(ms, text);
    return buf_printf(body, ",\"%s\":\"%s\"", name, text);
}

/* The message, and its last attempt, whose id is not known yet. */
static enum status add_attempt(struct buf *body, const struct operational_news *news,
                               size_t *attempt_at)
{
    char id[ID_TEXT_BYTES];
    enum status status = add_id(body, "msgId", ID_MESSAGE, news->message);
    if (status == OK)
        status = add_uid(body, "msgEventId", news->message_uid);
    if (status == OK)
        status = buf_add_str(body, ",\"lastAttempt\":{\"id\":\"");
    *attempt_at = body->len;
    id_format(ID_ATTEMPT, 0, id);
    if (status == OK)
        status = buf_printf(body, "%s\",\"responseStatusCode\":%d", id, news->status);
    if (status == OK)
        status = add_instant(body, "timestamp", news->started_ms);
    return status == OK ? buf_add_byte(body, '}') : status;
}

static enum status add_body(struct buf *body, const struct operational_news *news,
                            size_t *attempt_at)
{
    char application[ID_TEXT_BYTES];
    id_format(ID_APPLICATION, news->application, application);
    enum status status = buf_printf(body, "{\"type\":\"%s\",\"data\":{\"appId\":\"%s\"",
                                    types[news->type], application);
    if (status == OK)
        status = add_uid(body, "appUid", slice_or_empty(news->application_uid));
    if (status == OK)
        status = add_id(body, "endpointId", ID_ENDPOINT, news->endpoint);
    if (status == OK && news->type < OPERATIONAL_ATTEMPT_EXHAUSTED)
        status = add_uid(body, "endpointUid", slice_or_empty(news->endpoint_uid));
    if (status == OK && news->type == OPERATIONAL_ENDPOINT_DISABLED)
        status = add_instant(body, "failSince", clock_wall_of_due(news->failing_since_ms));
    if (status == OK && news->type >= OPERATIONAL_ATTEMPT_EXHAUSTED)
        status = add_attempt(body, news, attempt_at);
    return status == OK ? buf_add_str(body, "}}") : status;
}

static struct content *make_content(const struct operational_news *news, size_t *attempt_at)
{
    char application[ID_TEXT_BYTES];
    struct buf head;
    struct buf body;
    struct content *content = NULL;
    buf_init(&head, BODY_BYTES_MAX);
    buf_init(&body, BODY_BYTES_MAX);
    id_format(ID_APPLICATION, news->operator_application, application);
    if (head_add(&head, slice_str(PUBLISHED_APPLICATION), slice_str(application)) == OK &&
        head_add(&head, slice_str("content-type"), slice_str("application/json")) == OK &&
        add_body(&body, news, attempt_at) == OK)
        content = content_create(buf_slice(&head), body.len);
    if (content)
        check(content_append(&content, body.data, body.len, body.len) == OK);
    buf_finish(&head);
    buf_finish(&body);
    return content;
}

struct event *operational_event(const struct operational_news *news, size_t *attempt_at)
{
    char type[LIMIT_TYPE_BYTES + 1];
    *attempt_at = 0;
    struct content *content = make_content(news, attempt_at);
    if (!content)
        return NULL;
    (void)snprintf(type, sizeof type, PUBLISHED_TYPE_PREFIX "%s", types[news->type]);
    struct trace trace = {0};
    if (news->trace)
        trace = *news->trace;
    struct event *event = event_create(&(struct event_options){
        .source = slice_str(PUBLISHED_SOURCE),
        .type = slice_str(type),
        .key = slice_str(""),
        .content = content,
        .parent = news->message ? id_event_of(news->message) : 0,
        .trace = trace,
        .received_ms = clock_now_ms(),
    });
    if (!event)
        content_unref(content);
    return event;
}

void operational_set_attempt(struct event *event, size_t attempt_at, uint64_t attempt)
{
    struct content *content = event->content;
    char text[ID_TEXT_BYTES];
    id_format(ID_ATTEMPT, attempt, text);
    check(attempt_at + strlen(text) < content->body_len);
    memcpy(content->bytes + content->body_offset + attempt_at, text, strlen(text));
}
