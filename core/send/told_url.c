/* SPDX-License-Identifier: MIT */
/* A URL as it may be told to whoever looks at attempts. Pure, any thread. */
#include "send/transfer_int.h"

/* The length of what begins text and has none of the marks. */
static size_t span(struct slice text, const char *marks)
{
    size_t len = 0;
    while (len < text.len && !strchr(marks, text.data[len]))
        len++;
    return len;
}

static struct slice take(struct slice *text, size_t len)
{
    const struct slice part = slice_of(text->data, len);
    *text = slice_of(text->data + len, text->len - len);
    return part;
}

/* As of a header, and what some services call theirs. */
static bool may_be_secret(struct slice name)
{
    return slice_equal_nocase(name, slice_str("key")) ||
           slice_equal_nocase(name, slice_str("sig")) || head_is_secret(name);
}

/* "name=value&…" */
static enum status add_query(struct slice query, struct buf *out)
{
    enum status status = OK;
    while (status == OK && query.len > 0) {
        struct slice field = take(&query, span(query, "&"));
        const struct slice name = take(&field, span(field, "="));
        const bool is_masked = field.len > 0 && may_be_secret(name);
        status = buf_add_slice(out, name);
        if (status == OK)
            status = is_masked ? buf_add_str(out, "=" HEAD_MASKED) : buf_add_slice(out, field);
        if (status == OK)
            status = buf_add_slice(out, take(&query, query.len > 0 ? 1 : 0));
    }
    return status;
}

enum status told_url_add(struct slice url, bool is_secret, struct buf *out)
{
    const struct slice scheme = take(&url, span(url, ":"));
    (void)take(&url, url.len < 3 ? url.len : 3);
    struct slice host = take(&url, span(url, "/?"));
    for (size_t at; (at = span(host, "@")) < host.len;) /* who we are is nobody's business */
        (void)take(&host, at + 1);
    const struct slice path = take(&url, span(url, "?"));
    const struct slice mark = take(&url, url.len > 0 ? 1 : 0);
    enum status status = buf_add_slice(out, scheme);
    if (status == OK)
        status = buf_add_str(out, "://");
    if (status == OK)
        status = buf_add_slice(out, host);
    if (status == OK && is_secret)
        return buf_add_str(out, "/" HEAD_MASKED);
    if (status == OK)
        status = buf_add_slice(out, path);
    if (status == OK)
        status = buf_add_slice(out, mark);
    return status == OK ? add_query(url, out) : status;
}

void told_url_add_own(const struct endpoint_spec *spec, CURLU *own, struct buf *told)
{
    char *text = NULL;
    if (own && curl_url_get(own, CURLUPART_URL, &text, 0) != CURLUE_OK)
        return;
    if (told_url_add(slice_str(text ? text : spec->url), spec->is_url_secret, told) != OK)
        buf_clear(told);
    curl_free(text);
}
