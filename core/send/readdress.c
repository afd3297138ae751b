/* SPDX-License-Identifier: MIT */
/* A delivery's request as it would be sent now, made for another URL and handed out: nothing is
 * sent from here. What is secret in its headers stays here, told by name. */
#include "send/sender_int.h"

#define HEAD_BYTES_MAX (128u * 1024)

void sender_readdress_finish(struct sender_readdress *it)
{
    buf_finish(&it->method);
    buf_finish(&it->url);
    buf_finish(&it->head);
    buf_finish(&it->left_out);
    buf_finish(&it->body);
}

static enum status add_field(const struct endpoint_spec *endpoint, const struct field *field,
                             struct sender_readdress *it)
{
    if (field->name.len == 0 || field->name.data[0] == ':' || request_is_framing(field->name))
        return OK;
    if (!head_is_secret(field->name) && !head_has(endpoint->secret_names, field->name))
        return head_add(&it->head, field->name, field->value);
    return head_add(&it->left_out, field->name, slice_str(""));
}

/* An endpoint with tokens: nobody is asked for one. */
static enum status add_head(const struct sender *sender, const struct endpoint_spec *endpoint,
                            struct slice head, struct sender_readdress *it)
{
    struct field field;
    enum status status = OK;
    for (size_t offset = 0; status == OK && head_next(head, &offset, &field);)
        status = add_field(endpoint, &field, it);
    if (status == OK && head_count(head, "user-agent") == 0)
        status =
            head_add(&it->head, slice_str("user-agent"), slice_str(sender->options.user_agent));
    if (status == OK && endpoint->oauth && head_count(head, "authorization") == 0)
        status = head_add(&it->left_out, slice_str("authorization"), slice_str(""));
    return status;
}

static enum status make(const struct sender *sender, const struct endpoint_spec *endpoint,
                        const struct outgoing *outgoing, struct sender_readdress *it)
{
    const struct message *message = it->delivery->message;
    struct outgoing_request request;
    enum status status = outgoing_make(endpoint, message, outgoing, &request, &it->err);
    if (status == OK)
        status = outgoing_add_url(endpoint, message, outgoing, &it->url, &it->err);
    if (status == OK)
        status = buf_add_slice(&it->method, request.method);
    if (status == OK)
        status = add_head(sender, endpoint, buf_slice(&request.head), it);
    if (status == OK)
        status = buf_add_slice(&it->body, request.body);
    outgoing_request_finish(&request);
    return status;
}

static enum status transform_and_make(const struct sender *sender, const struct endpoint_spec *spec,
                                      struct sender_readdress *it)
{
    const struct content *content = it->delivery->message->content;
    struct outgoing outgoing = {.head = content_head(content), .body = content_body(content)};
    enum status status = OK;
    if (content->is_sealed)
        return err_set(&it->err, E_CONFLICT,
                       "its source seals the body (seal_body): it is sent to "
                       "its endpoint and shown to nobody");
    if (spec->transform_function)
        status = sender->options.hooks->transform(sender->options.ctx, spec, it->delivery,
                                                  &outgoing, &it->err);
    if (status == OK && outgoing.is_skipped)
        status = err_set(&it->err, E_CONFLICT, "the endpoint's transform does not send it: %s",
                         outgoing.reason);
    struct endpoint_spec elsewhere = *spec;
    elsewhere.url = (char *)(uintptr_t)it->to;
    if (status == OK)
        status = make(sender, &elsewhere, &outgoing, it);
    content_unref(outgoing.replaced);
    return status;
}

void sender_readdress(struct sender *sender, struct sender_readdress *it)
{
    const struct outlet *outlet = outlet_get(sender, it->delivery->endpoint);
    it->err = (struct err){0};
    buf_init(&it->method, LIMIT_METHOD_BYTES);
    buf_init(&it->url, LIMIT_REQUEST_LINE_BYTES);
    buf_init(&it->head, HEAD_BYTES_MAX);
    buf_init(&it->left_out, HEAD_BYTES_MAX);
    buf_init(&it->body, LIMIT_API_ANSWER_BYTES);
    it->status = outlet && outlet->spec
                     ? transform_and_make(sender, outlet->spec, it)
                     : err_set(&it->err, E_CONFLICT, "its endpoint is not in the scripts any more");
    if (it->status != OK && it->err.text[0] == '\0')
        (void)err_set(&it->err, it->status, "the request cannot be made: %s",
                      status_name(it->status));
    it->on_done(it);
}
