/* SPDX-License-Identifier: MIT */
/* What is wrong with a request, all of it in one 422: each with its place, in words. */
#include "api/api_int.h"

/* Of a body of any size, escaped. */
#define COMPLAINT_BYTES_MAX (8u * LIMIT_API_BODY_BYTES)

void complaints_begin(struct complaints *complaints)
{
    complaints->count = 0;
    document_init(&complaints->out, COMPLAINT_BYTES_MAX);
}

static void open_item(struct complaints *complaints, const char *where)
{
    struct document *out = &complaints->out;
    if (complaints->count++ == 0) {
        document_open(out, '{');
        document_key(out, "detail");
        document_open(out, '[');
    }
    document_open(out, '{');
    document_key(out, "loc");
    document_open(out, '[');
    document_str(out, where);
}

static void close_item(struct complaints *complaints, const char *message)
{
    struct document *out = &complaints->out;
    document_close(out, ']');
    document_key(out, "msg");
    document_str(out, message);
    document_key(out, "type");
    document_str(out, "value_error");
    document_close(out, '}');
}

void complain(struct complaints *complaints, const char *where, struct slice name,
              const char *message)
{
    open_item(complaints, where);
    if (name.len > 0)
        document_text(&complaints->out, name);
    close_item(complaints, message);
}

void complain_of_member(struct complaints *complaints, const char *field, struct slice member,
                        const char *message)
{
    if (complaints->count >= COMPLAINTS_MAX)
        return;
    open_item(complaints, "body");
    document_str(&complaints->out, field);
    document_json(&complaints->out, member);
    close_item(complaints, message);
}

void complain_of_query(struct complaints *complaints, const char *parameter, const char *message)
{
    complain(complaints, "query", slice_str(parameter), message);
}

void complaints_drop(struct complaints *complaints)
{
    document_finish(&complaints->out);
}

bool complaints_end(struct call *call, struct complaints *complaints)
{
    if (complaints->count > 0) {
        document_close(&complaints->out, ']');
        document_close(&complaints->out, '}');
        if (!first_is_looked_for(call, 422, &complaints->out))
            call_answer(call, 422, &complaints->out);
        return false;
    }
    document_finish(&complaints->out);
    return true;
}

const char *complaints_query_get(struct call *call, const char *name, struct buf *value,
                                 struct complaints *complaints)
{
    if (!http_query_get(http_query(call->request), name, value))
        return NULL;
    /* Whoever names a filter does not mean all. */
    if (value->len == 0) {
        if (strcmp(name, "reason") != 0)
            complain_of_query(complaints, name,
                              "it is empty: give it a value, or leave it out for all");
        return NULL;
    }
    if (strlen(value->data) == value->len)
        return value->data;
    complain_of_query(complaints, name, "a zero byte cannot be part of it");
    return NULL;
}

bool api_query_flag(struct call *call, const char *name, bool absent, struct complaints *complaints)
{
    struct buf text;
    buf_init(&text, LIMIT_REQUEST_LINE_BYTES);
    bool flag = absent;
    const char *value = complaints_query_get(call, name, &text, complaints);
    if (value && (strcmp(value, "true") == 0 || strcmp(value, "false") == 0))
        flag = strcmp(value, "true") == 0;
    else if (value)
        complain_of_query(complaints, name, "true or false is wanted");
    buf_finish(&text);
    return flag;
}
