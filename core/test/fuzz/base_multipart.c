/* SPDX-License-Identifier: MIT */
/* Fuzzes the parts of a form: the first line is the content type, the rest the body. Properties:
 * what is returned lies in the body, in order and apart, holds no delimiter, and a body made of the
 * parts that were found reads as the same parts again. */
#include "base/buf.h"
#include "base/multipart.h"

#define OUT_BYTES_MAX (1024u * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static void put(struct buf *out, struct slice text)
{
    check(buf_add_slice(out, text) == OK);
}

/* Reads all parts, writes them anew with the same delimiter. False: the body is malformed. */
static bool read(struct slice type, struct slice body, struct buf *again)
{
    struct multipart it;
    struct multipart_part part;
    const char *at = body.data;
    if (!multipart_open(&it, type, body)) {
        check(it.why != NULL);
        return false;
    }
    const struct slice delimiter = slice_of(it.delimiter, it.delimiter_len);
    put(again, slice_of(it.delimiter + 2, it.delimiter_len - 2));
    while (multipart_next(&it, &part)) {
        check(part.name.data >= at && part.name.data + part.name.len <= part.value.data);
        at = part.value.data + part.value.len;
        check(at + it.delimiter_len <= body.data + body.len);
        check(part.value.len == 0 ||
              !memmem(part.value.data, part.value.len, delimiter.data, delimiter.len));
        put(again, slice_str("\r\nContent-Disposition: form-data; name=\""));
        put(again, part.name);
        put(again, slice_str("\"\r\n\r\n"));
        put(again, part.value);
        put(again, delimiter);
    }
    put(again, slice_str("--"));
    return it.why == NULL;
}

/* Names that are plain: no quote and no backslash, whose meaning depends on what stands around. */
static bool is_plain(struct slice body)
{
    return !memchr(body.data, '"', body.len) && !memchr(body.data, '\\', body.len);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    const char *line = size > 0 ? memchr(data, '\n', size) : NULL;
    if (!line || size > 65536)
        return 0;
    const struct slice type = slice_of((const char *)data, (size_t)(line - (const char *)data));
    const struct slice body = slice_of(line + 1, size - type.len - 1);
    (void)multipart_is(type);
    struct buf once;
    struct buf twice;
    buf_init(&once, OUT_BYTES_MAX);
    buf_init(&twice, OUT_BYTES_MAX);
    if (read(type, body, &once) && body.len > 0 && is_plain(body)) {
        check(read(type, buf_slice(&once), &twice));
        check(slice_equal(buf_slice(&once), buf_slice(&twice)));
    }
    buf_finish(&once);
    buf_finish(&twice);
    return 0;
}
