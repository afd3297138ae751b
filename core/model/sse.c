/* SPDX-License-Identifier: MIT */
#include "model/sse.h"

#include "base/limits.h"

#define RETRY_DIGITS_MAX 9

void sse_open(struct sse_parser *parser, struct slice id, sse_cb on_message, void *ctx)
{
    *parser = (struct sse_parser){.on_message = on_message, .ctx = ctx};
    buf_init(&parser->line, LIMIT_SSE_BYTES);
    buf_init(&parser->data, LIMIT_SSE_BYTES);
    buf_init(&parser->type, LIMIT_TYPE_BYTES);
    buf_init(&parser->id, LIMIT_KEY_BYTES);
    if (buf_add_slice(&parser->id, id) != OK)
        buf_clear(&parser->id);
}

void sse_close(struct sse_parser *parser)
{
    buf_finish(&parser->line);
    buf_finish(&parser->data);
    buf_finish(&parser->type);
    buf_finish(&parser->id);
}

static struct slice text_of(const struct buf *buf)
{
    return buf->len > 0 ? buf_slice(buf) : slice_str("");
}

/* An empty line: the message is whole. */
static void dispatch(struct sse_parser *parser)
{
    if (parser->has_data) {
        struct slice data = text_of(&parser->data);
        data.len--; /* the line feed behind the last line */
        const struct sse_message message = {
            .id = text_of(&parser->id),
            .type = parser->type.len > 0 ? buf_slice(&parser->type) : slice_str(SSE_MESSAGE),
            .data = data,
        };
        parser->on_message(&message, parser->ctx);
    }
    buf_clear(&parser->data);
    buf_clear(&parser->type);
    parser->has_data = false;
}

static void set_retry(struct sse_parser *parser, struct slice value)
{
    int64_t ms = 0;
    for (size_t i = 0; i < value.len; i++) {
        if (value.data[i] < '0' || value.data[i] > '9' || i >= RETRY_DIGITS_MAX)
            return;
        ms = ms * 10 + (value.data[i] - '0');
    }
    if (value.len > 0)
        parser->retry_ms = ms;
}

static enum status take_field(struct sse_parser *parser, struct slice name, struct slice value)
{
    enum status status = OK;
    if (slice_is(name, "data")) {
        parser->has_data = true;
        status = buf_add_slice(&parser->data, value);
        return status == OK ? buf_add_byte(&parser->data, '\n') : status;
    }
    if (slice_is(name, "event")) {
        buf_clear(&parser->type);
        return buf_add_slice(&parser->type, value);
    }
    if (slice_is(name, "id") && (value.len == 0 || !memchr(value.data, '\0', value.len))) {
        buf_clear(&parser->id);
        return buf_add_slice(&parser->id, value);
    }
    if (slice_is(name, "retry"))
        set_retry(parser, value);
    return OK;
}

/* Behind a colon at the beginning is a comment. */
static enum status take_line(struct sse_parser *parser, struct slice line)
{
    if (line.len == 0) {
        dispatch(parser);
        return OK;
    }
    const char *colon = memchr(line.data, ':', line.len);
    const size_t name_len = colon ? (size_t)(colon - line.data) : line.len;
    struct slice value = slice_str("");
    if (colon)
        value = slice_of(colon + 1, line.len - name_len - 1);
    if (value.len > 0 && value.data[0] == ' ')
        value = slice_of(value.data + 1, value.len - 1);
    return name_len == 0 ? OK : take_field(parser, slice_of(line.data, name_len), value);
}

static enum status end_line(struct sse_parser *parser)
{
    static const char mark[] = "\xef\xbb\xbf";
    struct slice line = text_of(&parser->line);
    if (!parser->is_begun && line.len >= 3 && memcmp(line.data, mark, 3) == 0)
        line = slice_of(line.data + 3, line.len - 3);
    parser->is_begun = true;
    const enum status status = take_line(parser, line);
    buf_clear(&parser->line);
    return status;
}

enum status sse_feed(struct sse_parser *parser, struct slice bytes)
{
    enum status status = OK;
    for (size_t i = 0; i < bytes.len && status == OK; i++) {
        const char c = bytes.data[i];
        const bool is_rest_of_end = c == '\n' && parser->is_behind_cr;
        parser->is_behind_cr = c == '\r';
        if (is_rest_of_end)
            continue;
        status = c == '\n' || c == '\r' ? end_line(parser) : buf_add_byte(&parser->line, c);
    }
    return status;
}
