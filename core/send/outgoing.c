/* SPDX-License-Identifier: MIT */
/* What goes out for a message: method, URL, headers, body, signature. */
#include "send/outgoing_int.h"
#include "send/sender_int.h"

#include "base/clock.h"
#include "base/limits.h"
#include "model/hops.h"
#include "signature/signature.h"

#include <stdio.h>

#define HEAD_BYTES_MAX (128u * 1024)
#define URL_BYTES_MAX (4 * LIMIT_URL_BYTES) /* path and query may be the message's */

/* A forwarded body goes as it came: what its own head says of method, path and query is about the
 * request that brought it. */
static bool is_own(const struct message *message, const struct outgoing *outgoing)
{
    return !message->is_forwarded || outgoing->replaced;
}

static struct slice outgoing_method(const struct endpoint_spec *endpoint,
                                    const struct message *message, const struct outgoing *outgoing)
{
    struct slice method;
    return is_own(message, outgoing) && head_find(outgoing->head, ":method", &method) &&
                   method.len > 0
               ? method
               : slice_str(endpoint->method);
}

/* A forwarded body takes its Content-Type and Content-Encoding along, nothing else of its head. */
static enum status add_message_fields(const struct message *message,
                                      const struct outgoing *outgoing, struct buf *out)
{
    struct field field;
    enum status status = OK;
    for (size_t offset = 0; status == OK && head_next(outgoing->head, &offset, &field);) {
        if (field.name.len == 0 || field.name.data[0] == ':')
            continue;
        if (!is_own(message, outgoing) &&
            !slice_equal_nocase(field.name, slice_str("content-type")) &&
            !slice_equal_nocase(field.name, slice_str("content-encoding")))
            continue;
        status = head_add(out, field.name, field.value);
    }
    return status;
}

/* W3C trace context: the event's trace, a span of this attempt's own, and what other tracers said
 * along the way. */
static enum status add_trace(const struct message *message, struct buf *out)
{
    static const struct slice parent = {"traceparent", sizeof "traceparent" - 1};
    static const struct slice state = {"tracestate", sizeof "tracestate" - 1};
    if (trace_is_none(&message->trace) || head_has(buf_slice(out), parent))
        return OK;
    struct trace trace = message->trace;
    char text[TRACE_TEXT_BYTES];
    trace_continue(&trace);
    trace_format(&trace, text);
    enum status status = head_add(out, parent, slice_of(text, sizeof text - 1));
    const struct slice head = content_head(message->content);
    const bool came = message->is_forwarded && head_count(head, "traceparent") > 0;
    const char *kept = came ? "tracestate" : TRACE_STATE_FIELD;
    struct field field;
    if (head_has(buf_slice(out), state))
        return status;
    for (size_t offset = 0; status == OK && head_next(head, &offset, &field);)
        if (slice_equal_nocase(field.name, slice_str(kept)))
            status = head_add(out, state, field.value);
    return status;
}

/* One more than what the event came with; that this is the first is told by our User-Agent, unless
 * another one is set. */
static enum status add_hops(const struct message *message, struct buf *out)
{
    const unsigned hops = hops_of_head(content_head(message->content)) + 1;
    char text[16];
    if (head_has(buf_slice(out), slice_str(HOPS_HEADER)) ||
        (hops == 1 && !head_has(buf_slice(out), slice_str("user-agent"))))
        return OK;
    (void)snprintf(text, sizeof text, "%u", hops);
    return head_add(out, slice_str(HOPS_HEADER), slice_str(text));
}

/* A signature is of the body that the receiver's verifier gets, which is the one before it was
 * compressed; but what signs a Content-Digest signs the coded one (RFC 9530). */
static enum status sign(const struct endpoint_spec *endpoint, const struct message *message,
                        const struct outgoing *outgoing, struct outgoing_request *request)
{
    char id[ID_TEXT_BYTES];
    id_format(ID_MESSAGE, message->id, id);
    struct buf url;
    buf_init(&url, URL_BYTES_MAX);
    enum status status = OK;
    if (signer_needs_url(endpoint->signer))
        status = outgoing_add_url(endpoint, message, outgoing, &url, NULL);
    if (status == OK)
        status = signer_sign(
            endpoint->signer,
            &(struct sign_input){
                .id = slice_str(id),
                .timestamp_s = clock_now_ms() / 1000,
                .method = request->method,
                .url = buf_slice(&url),
                .body = endpoint->signer->kind == SIGNER_HTTP ? request->body : request->plain_body,
            },
            &request->head);
    buf_finish(&url);
    return status;
}

static enum status add_token(struct slice token, struct buf *head)
{
    struct buf value;
    if (head_has(buf_slice(head), slice_str("authorization")))
        return OK;
    buf_init(&value, HEAD_BYTES_MAX);
    enum status status = buf_add_str(&value, "Bearer ");
    if (status == OK)
        status = buf_add_slice(&value, token);
    if (status == OK)
        status = head_add(head, slice_str("authorization"), buf_slice(&value));
    buf_finish(&value);
    return status;
}

static enum status add_own_fields(const struct endpoint_spec *endpoint,
                                  const struct message *message, const struct outgoing *outgoing,
                                  struct outgoing_request *request)
{
    struct buf *head = &request->head;
    struct field field;
    enum status status = OK;
    for (size_t offset = 0; status == OK && head_next(endpoint->head, &offset, &field);)
        if (!head_has(buf_slice(head), field.name))
            status = head_add(head, field.name, field.value);
    if (status == OK && !head_has(buf_slice(head), slice_str("content-type")) &&
        request->body.len > 0)
        status = head_add(head, slice_str("content-type"), slice_str("application/octet-stream"));
    if (status == OK && outgoing->token.len > 0)
        status = add_token(outgoing->token, head);
    if (status == OK)
        status = add_trace(message, head);
    return status == OK && !head_has(buf_slice(head), slice_str(HOPS_HEADER))
               ? add_hops(message, head)
               : status;
}

enum status outgoing_make(const struct endpoint_spec *endpoint, const struct message *message,
                          const struct outgoing *outgoing, struct outgoing_request *request,
                          struct err *err)
{
    *request = (struct outgoing_request){.method = outgoing_method(endpoint, message, outgoing)};
    request->body = slice_is(request->method, "HEAD") ? slice_str("") : outgoing->body;
    buf_init_secret(&request->head, HEAD_BYTES_MAX);
    struct err own = {0};
    enum status status = add_message_fields(message, outgoing, &request->head);
    if (status == OK)
        status = format_apply(endpoint, message, request, &own);
    if (status == OK)
        status = add_own_fields(endpoint, message, outgoing, request);
    request->plain_body = request->body;
    if (status == OK)
        status = compress_apply(endpoint, request);
    if (status == OK && endpoint->signer)
        status = sign(endpoint, message, outgoing, request);
    if (status != OK && own.status != OK)
        (void)err_set(err, status, "%s", own.text);
    else if (status != OK)
        (void)err_set(err, status, "the request cannot be made: %s", status_name(status));
    return status;
}

void outgoing_request_finish(struct outgoing_request *request)
{
    buf_finish(&request->head);
    buf_finish(&request->formatted);
    buf_finish(&request->compressed);
}

CURLU *outgoing_url(CURLU *base, const struct message *message, const struct outgoing *outgoing,
                    struct err *err)
{
    static const struct {
        const char *field;
        CURLUPart part;
    } parts[] = {{":path", CURLUPART_PATH}, {":query", CURLUPART_QUERY}};
    CURLU *url = NULL;
    for (size_t i = 0; i < array_count(parts) && is_own(message, outgoing); i++) {
        struct slice value;
        char text[LIMIT_URL_BYTES + 1];
        if (!head_find(outgoing->head, parts[i].field, &value) || value.len == 0 ||
            value.len > LIMIT_URL_BYTES)
            continue;
        (void)snprintf(text, sizeof text, "%.*s", (int)value.len, value.data);
        if (!url)
            url = curl_url_dup(base);
        if (!url || curl_url_set(url, parts[i].part, text, 0) != CURLUE_OK) {
            (void)err_set(err, E_INVALID, "the message's %s does not fit into a URL",
                          parts[i].field + 1);
            break;
        }
    }
    return url;
}

enum status outgoing_add_url(const struct endpoint_spec *endpoint, const struct message *message,
                             const struct outgoing *outgoing, struct buf *out, struct err *err)
{
    CURLU *base = curl_url();
    struct err own = {0};
    char *text = NULL;
    if (!base || curl_url_set(base, CURLUPART_URL, endpoint->url, 0) != CURLUE_OK)
        (void)err_set(&own, E_INVALID, "the endpoint's url cannot be read");
    CURLU *url = own.status == OK ? outgoing_url(base, message, outgoing, &own) : NULL;
    enum status status = own.status;
    if (status == OK && url && curl_url_get(url, CURLUPART_URL, &text, 0) != CURLUE_OK)
        status = err_set(&own, E_NOMEM, "out of memory");
    if (status == OK)
        status = buf_add_str(out, text ? text : endpoint->url);
    else
        (void)err_set(err, status, "%s", own.text);
    curl_free(text);
    curl_url_cleanup(url);
    curl_url_cleanup(base);
    return status;
}
