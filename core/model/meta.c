/* SPDX-License-Identifier: MIT */
#include "model/meta.h"

#include "base/clock.h"
#include "base/head.h"
#include "base/limits.h"

#include <inttypes.h>
#include <stdio.h>

#define BODY_BYTES_MAX (2u * 1024 * 1024)
#define HEAD_BYTES_MAX 256

static enum status add_field(struct buf *body, const struct meta_field *field, bool is_first)
{
    enum status status = buf_printf(body, "%s\"%s\":", is_first ? "{" : ",", field->name);
    if (status != OK)
        return status;
    if (field->text)
        return buf_add_json_string(body, slice_str(field->text));
    return field->json.data ? buf_add_slice(body, field->json)
                            : buf_printf(body, "%" PRId64, field->number);
}

static enum status add_body(struct buf *body, const struct meta_options *options)
{
    enum status status = OK;
    for (size_t i = 0; i < options->field_count && status == OK; i++)
        status = add_field(body, &options->fields[i], i == 0);
    return status == OK ? buf_add_byte(body, '}') : status;
}

static struct content *make_content(const struct meta_options *options)
{
    struct buf head;
    struct buf body;
    struct content *content = NULL;
    buf_init(&head, HEAD_BYTES_MAX);
    buf_init(&body, BODY_BYTES_MAX);
    if (head_add(&head, slice_str("content-type"), slice_str("application/json")) == OK &&
        add_body(&body, options) == OK)
        content = content_create(buf_slice(&head), body.len);
    if (content && content_append(&content, body.data, body.len, body.len) != OK) {
        content_unref(content);
        content = NULL;
    }
    buf_finish(&head);
    buf_finish(&body);
    return content;
}

struct event *meta_create(const struct registry *registry, const struct meta_options *options)
{
    const struct slice source = slice_str(META_SOURCE);
    const struct slice type = slice_str(options->type);
    if (registry_match(registry, source, type, NULL, 0) == 0)
        return NULL;
    struct trace trace = {0};
    if (options->trace)
        trace = *options->trace;
    trace_continue(&trace);
    struct content *content = make_content(options);
    struct event *event = content ? event_create(&(struct event_options){
                                        .source = source,
                                        .type = type,
                                        .content = content,
                                        .parent = options->parent,
                                        .trace = trace,
                                        .received_ms = clock_now_ms(),
                                    })
                                  : NULL;
    if (!event)
        content_unref(content);
    return event;
}

struct event *meta_create_unverified(const struct registry *registry,
                                     const struct meta_unverified *unverified)
{
    const struct meta_field fields[] = {
        {.name = "source", .text = unverified->source},
        {.name = "reason", .text = unverified->reason},
        {.name = "remote_ip", .text = unverified->remote_ip},
        {.name = "count", .number = unverified->count},
    };
    return meta_create(registry, &(struct meta_options){.type = META_SOURCE_UNVERIFIED,
                                                        .fields = fields,
                                                        .field_count = array_count(fields)});
}

struct event *meta_create_handshake(const struct registry *registry, const char *source,
                                    const struct handshake_request *asked)
{
    char origin[LIMIT_HOST_BYTES + 1];
    char callback[LIMIT_URL_BYTES + 1];
    (void)snprintf(origin, sizeof origin, "%.*s", (int)asked->origin.len, asked->origin.data);
    (void)snprintf(callback, sizeof callback, "%.*s", (int)asked->callback.len,
                   asked->callback.data);
    const struct meta_field fields[] = {
        {.name = "source", .text = source},
        {.name = "origin", .text = origin},
        {.name = "callback", .text = callback},
        {.name = "rate", .number = asked->rate_per_min},
    };
    const size_t count = array_count(fields) - (asked->rate_per_min == 0);
    return meta_create(registry, &(struct meta_options){.type = META_SOURCE_HANDSHAKE,
                                                        .fields = fields,
                                                        .field_count = count});
}

struct event *meta_create_routine(const struct registry *registry,
                                  const struct meta_routine *routine)
{
    const struct meta_field fields[] = {
        {.name = "kind", .text = routine->kind},
        {.name = "name", .text = routine->name},
        {.name = "state", .text = routine->state},
        {.name = "failures", .number = routine->failures},
        {.name = "error", .text = routine->error},
    };
    return meta_create(registry, &(struct meta_options){.type = META_ROUTINE_FAILED,
                                                        .fields = fields,
                                                        .field_count = array_count(fields)});
}
