/* SPDX-License-Identifier: MIT */
/* What a handler reads of a request. */
#include "http/http_int.h"

#include "base/log.h"

#define REMOTE ":remote"

static const char *head_bytes(const struct http_request *request)
{
    return request->content ? request->content->bytes
                            : exchange_connection(request)->listener->head.data;
}

static struct slice slice_of_part(const struct http_request *request, struct http_part part)
{
    return slice_of(head_bytes(request) + part.offset, part.len);
}

struct slice http_method(const struct http_request *request)
{
    return slice_of_part(request, request->method);
}

struct slice http_path(const struct http_request *request)
{
    return slice_of_part(request, request->path);
}

struct slice http_query(const struct http_request *request)
{
    return slice_of_part(request, request->query);
}

bool http_query_next(struct slice *query, struct slice *name)
{
    if (query->len == 0)
        return false;
    const char *end = memchr(query->data, '&', query->len);
    const size_t len = end ? (size_t)(end - query->data) : query->len;
    const char *equals = memchr(query->data, '=', len);
    *name = slice_of(query->data, equals ? (size_t)(equals - query->data) : len);
    *query = end ? slice_of(end + 1, query->len - len - 1) : slice_of("", 0);
    return true;
}

bool http_query_get(struct slice query, const char *name, struct buf *out)
{
    return query_find(query, slice_str(name), out);
}

struct slice http_head(const struct http_request *request)
{
    return request->content ? content_head(request->content)
                            : buf_slice(&exchange_connection(request)->listener->head);
}

/* Pseudo fields have a colon first, which no header's name has. */
bool http_header(const struct http_request *request, const char *name, struct slice *value)
{
    return head_find(http_head(request), name, value);
}

struct slice http_remote(const struct http_request *request)
{
    struct slice remote = slice_str("");
    (void)head_find(http_head(request), REMOTE, &remote);
    return remote;
}

void http_set_remote(struct http_request *request, struct slice text)
{
    struct buf *head = &exchange_connection(request)->listener->head;
    struct slice old;
    check(!request->content && head_find(buf_slice(head), REMOTE, &old));
    /* A copy of the whole with the one value changed; the fields before it stay where they are. */
    struct buf changed;
    struct field field;
    enum status status = OK;
    buf_init(&changed, head->bytes_max);
    for (size_t offset = 0; status == OK && head_next(buf_slice(head), &offset, &field);)
        status = head_add(&changed, field.name, field.value.data == old.data ? text : field.value);
    if (status == OK) {
        buf_finish(head);
        *head = changed;
    } else {
        buf_finish(&changed);
        log_warn("remote address not set", "reason=%s", status_name(status));
    }
}

int64_t http_received_ms(const struct http_request *request)
{
    return request->received_ms;
}

void http_set_data(struct http_request *request, void *data)
{
    request->data = data;
}

void *http_data(const struct http_request *request)
{
    return request->data;
}

struct slice http_body(const struct http_request *request)
{
    check(request->stage >= STAGE_OPEN);
    return request->content ? content_body(request->content) : slice_of("", 0);
}

/* The request keeps a reference of its own, so that its slices stay until on_over. */
struct content *http_take_content(struct http_request *request)
{
    check(request->stage == STAGE_OPEN);
    return content_ref(request->content);
}
