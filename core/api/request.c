/* SPDX-License-Identifier: MIT */
/* GET /api/v1/delivery/{id}/request: what would be sent for a delivery to another URL, freshly
 * signed; whoever asks sends it. */
#include "api/api_int.h"

#include "base/limits.h"

static void write_left_out(struct document *out, struct slice left_out)
{
    struct field field;
    document_key(out, "leftOut");
    document_open(out, '[');
    for (size_t offset = 0; head_next(left_out, &offset, &field);)
        document_text(out, field.name);
    document_close(out, ']');
}

static void answer(struct call *call, const struct api_request *request)
{
    struct document out;
    document_init(&out, LIMIT_API_ANSWER_BYTES);
    document_open(&out, '{');
    show_id(&out, "id", ID_DELIVERY, request->delivery);
    document_key(&out, "method");
    document_text(&out, request->method);
    document_key(&out, "url");
    document_text(&out, request->url);
    show_sent_headers(&out, "headers", request->head);
    write_left_out(&out, request->left_out);
    document_bytes(&out, "body", request->body);
    document_close(&out, '}');
    call_answer(call, 200, &out);
}

static void refuse(struct call *call, const struct api_request *request)
{
    if (request->status == E_INVALID)
        call_refuse(call, 422, "to", request->detail);
    else if (request->status == E_NOTFOUND)
        call_refuse(call, 404, "not_found",
                    "there is nothing of this id; it may have been removed after its retention");
    else if (request->status == E_CONFLICT)
        call_refuse(call, 409, "no_request", request->detail);
    else if (request->status == E_CANCELLED)
        call_refuse(call, 503, "stopping", "the server is starting or draining");
    else if (request->status == E_BUSY)
        call_refuse(call, 503, "busy", "too many reads are under way; try again");
    else
        call_refuse(call, 500, "store", "the store could not be read; see the server's log");
}

static void on_done(struct api_request *request)
{
    struct call *call = request->ctx;
    if (!call_end_wait(call))
        return;
    if (request->status == OK)
        answer(call, request);
    else
        refuse(call, request);
}

void api_show_request(struct call *call)
{
    const struct text_form form = {"to", &call->to, LIMIT_URL_BYTES, NULL};
    struct api_request *request = &call->asked_request;
    *request = (struct api_request){.on_done = on_done, .ctx = call};
    if (!paging_parse_id(call, ID_DELIVERY, "a delivery", &request->delivery) ||
        !paging_parse_texts(call, &form, 1))
        return;
    if (call->to.len == 0) {
        call_refuse(call, 422, "to", "say where it goes: to=https://host/path");
        return;
    }
    request->to = call->to.data;
    call_begin_wait(call);
    call->api->hooks.request(request, call->api->hooks.ctx);
}
