/* SPDX-License-Identifier: MIT */
/* Fuzzes the parser of server-sent events: "cut (1 byte) stream". The stream is fed whole, and in
 * pieces of `cut` bytes with an id before it. Properties: the same messages either way; no message
 * is larger than its limits, has a NUL in its id or ends in the middle of a line; the wait that a
 * stream asks for is no less than nothing; it goes on after any bytes but those over the limit. */
#include "base/limits.h"
#include "model/sse.h"

#include <stdlib.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define RETRY_MS_MOST INT64_C(999999999)

/* What came, written out: its length, then its bytes. */
struct heard {
    struct buf text;
    size_t count;
};

static void add(struct heard *heard, struct slice text)
{
    check(buf_printf(&heard->text, "%zu:", text.len) == OK);
    check(buf_add_slice(&heard->text, text) == OK);
}

static void on_message(const struct sse_message *message, void *ctx)
{
    struct heard *heard = ctx;
    check(message->id.len <= LIMIT_KEY_BYTES && message->type.len <= LIMIT_TYPE_BYTES);
    check(message->data.len <= LIMIT_SSE_BYTES && message->type.len > 0);
    check(message->id.len == 0 || !memchr(message->id.data, '\0', message->id.len));
    check(message->data.len == 0 || !memchr(message->data.data, '\r', message->data.len));
    add(heard, message->id);
    add(heard, message->type);
    add(heard, message->data);
    heard->count++;
}

static enum status feed(struct slice stream, size_t cut, struct heard *heard, int64_t *retry_ms)
{
    struct sse_parser parser = {0};
    enum status status = OK;
    buf_init(&heard->text, 64u * 1024 * 1024);
    sse_open(&parser, slice_str("before"), on_message, heard);
    for (size_t at = 0; at < stream.len && status == OK; at += cut) {
        const size_t rest = stream.len - at;
        status = sse_feed(&parser, slice_of(stream.data + at, rest < cut ? rest : cut));
    }
    *retry_ms = parser.retry_ms;
    sse_close(&parser);
    return status;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    const struct slice stream = slice_of((const char *)data + 1, size - 1);
    const size_t cut = data[0] == 0 ? stream.len : data[0];
    struct heard whole = {0};
    struct heard pieces = {0};
    int64_t retry_ms;
    int64_t again_ms;
    const enum status status = feed(stream, stream.len, &whole, &retry_ms);
    check(status == OK || status == E_LIMIT);
    check(feed(stream, cut, &pieces, &again_ms) == status);
    check(retry_ms >= 0 && retry_ms <= RETRY_MS_MOST && retry_ms == again_ms);
    check(whole.count == pieces.count);
    check(slice_equal(buf_slice(&whole.text), buf_slice(&pieces.text)));
    buf_finish(&whole.text);
    buf_finish(&pieces.text);
    return 0;
}
