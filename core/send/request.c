/* SPDX-License-Identifier: MIT */
/* What goes out: the header lines and the method of a transfer, as curl wants them. */
#include "send/transfer_int.h"

#include "base/limits.h"
#include "base/text.h"

#include <stdio.h>

static bool is_clean(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] == '\r' || text.data[i] == '\n' || text.data[i] == '\0')
            return false;
    return true;
}

bool request_is_framing(struct slice name)
{
    static const char *const names[] = {"host", "content-length", "transfer-encoding", "connection",
                                        "expect"};
    for (size_t i = 0; i < array_count(names); i++)
        if (slice_equal_nocase(name, slice_str(names[i])))
            return true;
    return false;
}

/* One "Name: value" line; "Name;" is curl's way to say an empty value. */
static enum status add_line(struct transfer *transfer, const struct field *field, struct err *err)
{
    if (!text_is_token(field->name) || !is_clean(field->value))
        return err_set(err, E_INVALID,
                       "header \"%.*s\" cannot be sent: its name is no token or its "
                       "value holds a line break",
                       (int)(field->name.len < 64 ? field->name.len : 64), field->name.data);
    struct buf *lines = &transfer->request_head;
    enum status status = buf_add_slice(lines, field->name);
    if (status == OK)
        status = field->value.len > 0 ? buf_add_str(lines, ": ") : buf_add_str(lines, ";");
    if (status == OK)
        status = buf_add_slice(lines, field->value);
    if (status == OK)
        status = buf_add_byte(lines, '\0');
    return status == OK ? OK : err_set(err, status, "the headers are too large to send");
}

/* For the record only: what does not fit is left out, secrets are told by name. */
static void record(struct transfer *transfer, const struct field *field, bool is_secret)
{
    if (head_add(&transfer->sent, field->name, is_secret ? slice_str(HEAD_MASKED) : field->value) ==
        OK)
        transfer->attempt.request = buf_slice(&transfer->sent);
}

void request_record_line(struct transfer *transfer, struct slice method, struct slice url)
{
    record(transfer, &(struct field){slice_str(":method"), method}, false);
    record(transfer, &(struct field){slice_str(":url"), url}, false);
}

/* The list of header lines, in memory of our own: nothing is allocated for a header. */
enum status request_make_lines(struct transfer *transfer, struct slice head,
                               struct slice secret_names, struct err *err)
{
    /* Curl's own additions; a name without a value takes one out. */
    static const char no_expect[] = "Expect:";
    static const char no_type[] = "Content-Type:";
    size_t starts[TRANSFER_HEADERS_MAX];
    size_t count = 0;
    struct field field;
    starts[count++] = 0;
    enum status status = buf_add(&transfer->request_head, no_expect, sizeof no_expect);
    if (status == OK && head_count(head, "content-type") == 0) {
        starts[count++] = transfer->request_head.len;
        status = buf_add(&transfer->request_head, no_type, sizeof no_type);
    }
    for (size_t offset = 0; status == OK && head_next(head, &offset, &field);) {
        if (field.name.len == 0 || field.name.data[0] == ':' || request_is_framing(field.name))
            continue;
        if (count == TRANSFER_HEADERS_MAX)
            return err_set(err, E_LIMIT, "more than %d headers", TRANSFER_HEADERS_MAX - 1);
        starts[count++] = transfer->request_head.len;
        status = add_line(transfer, &field, err);
        record(transfer, &field, head_is_secret(field.name) || head_has(secret_names, field.name));
    }
    if (status == OK)
        status = buf_reserve(&transfer->lines, count * sizeof(struct curl_slist));
    if (status != OK)
        return status;
    struct curl_slist *lines = (struct curl_slist *)(void *)transfer->lines.data;
    for (size_t i = 0; i < count; i++)
        lines[i] = (struct curl_slist){.data = transfer->request_head.data + starts[i],
                                       .next = i + 1 < count ? &lines[i + 1] : NULL};
    return OK;
}

enum status request_set_method(struct transfer *transfer, struct slice method, struct slice body,
                               struct err *err)
{
    char name[LIMIT_METHOD_BYTES + 1];
    if (!text_is_token(method) || method.len > LIMIT_METHOD_BYTES)
        return err_set(err, E_INVALID, "the method is no token of at most %d bytes",
                       LIMIT_METHOD_BYTES);
    (void)snprintf(name, sizeof name, "%.*s", (int)method.len, method.data);
    CURL *easy = transfer->easy;
    const bool is_head = slice_is(method, "HEAD");
    const bool is_bare = is_head || (body.len == 0 && slice_is(method, "GET"));
#define SET(option, value) check(curl_easy_setopt(easy, option, value) == CURLE_OK)
    SET(CURLOPT_NOBODY, 0L);
    if (is_bare) {
        SET(CURLOPT_HTTPGET, 1L);
        if (is_head)
            SET(CURLOPT_NOBODY, 1L);
        SET(CURLOPT_CUSTOMREQUEST, NULL);
    } else {
        SET(CURLOPT_POST, 1L);
        SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len);
        SET(CURLOPT_POSTFIELDS, body.len > 0 ? body.data : "");
        SET(CURLOPT_CUSTOMREQUEST, slice_is(method, "POST") ? NULL : name);
    }
#undef SET
    return OK;
}
