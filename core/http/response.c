/* SPDX-License-Identifier: MIT */
#include "http/http_int.h"

#include "base/limits.h"
#include "base/log.h"

#include <stdio.h>

#define REFUSAL_BYTES_MAX 8192
#define HEADER_BYTES_MAX 8192

static void add_header(struct MHD_Response *response, const char *name, const char *value)
{
    if (MHD_add_response_header(response, name, value) != MHD_YES)
        log_warn("answer without a header", "name=%s", name);
}

/* The library wants terminated text. */
static void add_fields(struct MHD_Response *response, const struct field *fields, size_t count)
{
    struct buf text;
    buf_init(&text, HEADER_BYTES_MAX);
    for (size_t i = 0; i < count; i++) {
        buf_clear(&text);
        if (buf_add_slice(&text, fields[i].name) != OK || buf_add_byte(&text, '\0') != OK ||
            buf_add_slice(&text, fields[i].value) != OK) {
            log_warn("answer without a header", "name=%.*s", (int)fields[i].name.len,
                     fields[i].name.data);
            continue;
        }
        add_header(response, text.data, text.data + fields[i].name.len + 1);
    }
    buf_finish(&text);
}

void response_make(struct http_request *request, const struct http_response *response)
{
    const char *type = response->content_type;
    if (!type && response->body.len > 0)
        type = HTTP_USUAL_TYPE;
    /* The library copies, and does not write through the pointer. */
    struct MHD_Response *made = MHD_create_response_from_buffer(
        response->body.len, (void *)(uintptr_t)response->body.data, MHD_RESPMEM_MUST_COPY);
    request->response = made;
    request->status = response->status;
    if (!made)
        return;
    if (type && type[0])
        add_header(made, MHD_HTTP_HEADER_CONTENT_TYPE, type);
    if (response->close || exchange_connection(request)->listener->is_quiet)
        add_header(made, MHD_HTTP_HEADER_CONNECTION, "close");
    if (response->header_count > 0)
        add_fields(made, response->headers, response->header_count);
}

static enum status put_body(struct buf *body, const struct http_refusal *refusal)
{
    enum status status = buf_add_str(body, "{\"code\":");
    if (status == OK)
        status = buf_add_json_string(body, slice_str(refusal->code));
    if (status == OK)
        status = buf_add_str(body, ",\"detail\":");
    if (status == OK)
        status = buf_add_json_string(body, slice_str(refusal->detail));
    return status == OK ? buf_add_byte(body, '}') : status;
}

/* Builds the answer of a refusal and gives it to one of the two ways out. */
static void with_refusal(struct http_request *request, const struct http_refusal *refusal,
                         void (*give)(struct http_request *request,
                                      const struct http_response *response))
{
    struct buf body;
    buf_init(&body, REFUSAL_BYTES_MAX);
    const bool is_built = put_body(&body, refusal) == OK;
    char seconds[16];
    struct field headers[2];
    size_t count = 0;
    if (refusal->allow)
        headers[count++] = (struct field){slice_str("Allow"), slice_str(refusal->allow)};
    if (refusal->retry_after_s > 0) {
        (void)snprintf(seconds, sizeof seconds, "%d", refusal->retry_after_s);
        headers[count++] = (struct field){slice_str("Retry-After"), slice_str(seconds)};
    }
    give(request, &(struct http_response){.status = refusal->status,
                                          .body = is_built ? buf_slice(&body) : slice_str("{}"),
                                          .headers = headers,
                                          .header_count = count,
                                          .close = refusal->close});
    buf_finish(&body);
}

void http_refuse(struct http_request *request, const struct http_refusal *refusal)
{
    with_refusal(request, refusal, http_respond);
}

void response_refuse(struct http_request *request, const struct http_fault *fault)
{
    const struct http_refusal refusal = {.status = fault->status,
                                         .code = fault->code,
                                         .detail = fault->detail,
                                         .retry_after_s =
                                             fault->status == 503 ? LIMIT_RETRY_AFTER_S : 0,
                                         .close = true};
    with_refusal(request, &refusal, response_make);
}
