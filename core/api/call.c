/* SPDX-License-Identifier: MIT */
/* The life of a call. A client may leave while a read is under way, and a read may end after the
 * client left: the call goes with the later of the two. */
#include "api/token_int.h"

#include "base/log.h"

#include <stdlib.h>

#define HEADERS_MAX 4

void api_respond(struct http_request *request, int status, struct slice body,
                 const struct field *more, size_t more_count)
{
    struct field headers[HEADERS_MAX] = {
        {slice_str("X-Content-Type-Options"), slice_str("nosniff")},
        {slice_str("Cache-Control"), slice_str("no-store")},
    };
    size_t count = more_count > 0 && slice_is(more[0].name, "Cache-Control") ? 1 : 2;
    for (size_t i = 0; i < more_count; i++) {
        check(count < HEADERS_MAX);
        headers[count++] = more[i];
    }
    const struct http_response response = {
        .status = status, .body = body, .headers = headers, .header_count = count};
    http_respond(request, &response);
}

static void write_error(struct document *out, const char *code, const char *detail)
{
    document_init(out, SMALL_ANSWER_BYTES_MAX);
    document_open(out, '{');
    document_key(out, "code");
    document_str(out, code);
    document_key(out, "detail");
    document_str(out, detail);
    document_close(out, '}');
}

void api_respond_error(struct http_request *request, int status, const char *code,
                       const char *detail, const struct field *more)
{
    struct document out;
    write_error(&out, code, detail);
    api_respond(request, status, buf_slice(&out.buf), more, more ? 1 : 0);
    document_finish(&out);
}

struct call *call_create(struct api *api, struct http_request *request, const struct route *route)
{
    struct call *call = calloc(1, sizeof *call);
    if (!call)
        return NULL;
    call->api = api;
    call->request = request;
    call->route = route;
    call->id = slice_of("", 0);
    buf_init(&call->source, LIMIT_REQUEST_LINE_BYTES);
    buf_init(&call->type, LIMIT_REQUEST_LINE_BYTES);
    buf_init(&call->endpoint, LIMIT_REQUEST_LINE_BYTES);
    buf_init(&call->reason, LIMIT_REQUEST_LINE_BYTES);
    buf_init(&call->contains, LIMIT_REQUEST_LINE_BYTES);
    buf_init(&call->subscription, LIMIT_REQUEST_LINE_BYTES);
    buf_init(&call->to, LIMIT_REQUEST_LINE_BYTES);
    buf_init(&call->drain, LIMIT_REQUEST_LINE_BYTES);
    buf_init(&call->kind, LIMIT_REQUEST_LINE_BYTES);
    buf_init(&call->secrets, LIMIT_REQUEST_LINE_BYTES);
    return call;
}

void call_take_path(struct call *call)
{
    check(api_match_path(call->route, http_path(call->request), &call->parts));
    if (call->parts.count > 0)
        call->id = call->parts.rows[call->parts.count - 1];
}

static void destroy(struct call *call)
{
    buf_finish(&call->source);
    buf_finish(&call->type);
    buf_finish(&call->endpoint);
    buf_finish(&call->reason);
    buf_finish(&call->contains);
    buf_finish(&call->subscription);
    buf_finish(&call->to);
    buf_finish(&call->drain);
    buf_finish(&call->kind);
    call_put_key(call);
    message_call_free(call->message);
    sent_call_free(call->sent);
    buf_finish(&call->secrets);
    token_call_finish(&call->minting);
    api_token_finish(&call->token);
    document_finish(&call->refusal);
    buf_finish(&call->resource.place);
    resource_finish(&call->resource.row);
    registered_call_destroy(call->resource.registered);
    store_telling_finish(&call->resource.telling);
    free(call->application_fields);
    free(call);
}

void call_leave(struct call *call)
{
    call->request = NULL;
    stream_leave(call);
    if (call->wait.is_waiting)
        wait_leave(call);
    else if (!call->is_pending)
        destroy(call);
}

bool call_may_write(struct call *call)
{
    struct store_health health;
    store_health(call->api->store, &health);
    if (!health.is_writable)
        call_refuse(call, 503, "store_full", "the store cannot write now; try again later");
    return health.is_writable;
}

void call_begin_wait(struct call *call)
{
    check(!call->is_pending);
    call->is_pending = true;
    call->api->pending_count++;
}

bool call_end_wait(struct call *call)
{
    struct api *api = call->api;
    check(call->is_pending);
    call->is_pending = false;
    check(api->pending_count > 0);
    api->pending_count--;
    if (call->request)
        return true;
    destroy(call);
    api_check_closed(api);
    return false;
}

/* It may be kept, and asked for again by its tag. False: no memory. */
static bool answer_tagged(struct call *call, struct slice body)
{
    struct buf tag;
    buf_init(&tag, SMALL_ANSWER_BYTES_MAX);
    const bool is_made = api_make_etag(body, &tag) == OK;
    const struct field more[] = {{slice_str("Cache-Control"), slice_str("private, no-cache")},
                                 {slice_str("ETag"), buf_slice(&tag)}};
    if (is_made && api_has_etag(call->request, buf_slice(&tag)))
        api_respond(call->request, 304, slice_of("", 0), more, array_count(more));
    else if (is_made)
        api_respond(call->request, 200, body, more, array_count(more));
    buf_finish(&tag);
    return is_made;
}

void call_answer(struct call *call, int status, struct document *out)
{
    const bool is_tagged = status == 200 && slice_is(http_method(call->request), "GET") &&
                           !call->route->is_untagged && out->status == OK;
    if (is_tagged && answer_tagged(call, buf_slice(&out->buf)))
        ;
    else if (out->status == OK)
        api_respond(call->request, status, buf_slice(&out->buf), NULL, 0);
    else
        call_refuse(call, 500, "answer_failed",
                    out->status == E_LIMIT ? "the answer is larger than this API sends"
                                           : "no memory for the answer");
    document_finish(out);
}

void call_refuse(struct call *call, int status, const char *code, const char *detail)
{
    struct document out;
    write_error(&out, code, detail);
    if (first_is_looked_for(call, status, &out))
        return;
    api_respond(call->request, status, buf_slice(&out.buf), NULL, 0);
    document_finish(&out);
}

/* What a failed read means to the client. */
static void refuse_read(struct call *call, enum status status)
{
    if (status == E_NOTFOUND)
        call_refuse(call, 404, "not_found",
                    "there is nothing of this id; it may have been removed after its retention");
    else
        call_refuse(call, 500, "store", "the store could not be read; see the server's log");
}

static void on_read(struct store_read *read)
{
    struct call *call = read->ctx;
    if (read->status != OK && read->status != E_NOTFOUND)
        log_error("read of the store failed", "route=\"%s\" error=\"%s\"", call->route->path,
                  read->err.text);
    if (!call->request) {
        store_read_finish(read);
        (void)call_end_wait(call);
        return;
    }
    const enum status status = read->status;
    struct document out;
    document_init(&out, LIMIT_API_ANSWER_BYTES);
    if (status == OK)
        call->route->write(call, &out);
    store_read_finish(read);
    check(call_end_wait(call));
    if (status == OK)
        call_answer(call, 200, &out);
    else
        refuse_read(call, status);
    document_finish(&out);
}

void call_refuse_busy(struct call *call, const char *detail)
{
    static const struct field soon = {{"Retry-After", 11}, {"1", 1}};
    api_respond_error(call->request, 503, "busy", detail, &soon);
}

bool call_ask(struct call *call, struct store_read *read)
{
    read->owner = call->token.application;
    call_begin_wait(call);
    if (store_read(call->api->store, call->api->client, read) == OK)
        return true;
    check(call_end_wait(call));
    call_refuse_busy(call, "too many reads are under way; try again");
    return false;
}

void call_read(struct call *call, enum store_read_kind kind)
{
    call->read.kind = kind;
    call->read.on_done = on_read;
    call->read.ctx = call;
    (void)call_ask(call, &call->read);
}
