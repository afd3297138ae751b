/* SPDX-License-Identifier: MIT */
#include "base/buf.h"

#include "base/memory.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>

#define CAPACITY_MIN 64u
#define SMALL_BYTES 4096u /* a signature, a header: waits for memory instead of failing */

void buf_init(struct buf *buf, size_t bytes_max)
{
    *buf = (struct buf){.bytes_max = bytes_max};
}

void buf_init_secret(struct buf *buf, size_t bytes_max)
{
    *buf = (struct buf){.bytes_max = bytes_max, .is_secret = true};
}

static void give_up(struct buf *buf)
{
    if (buf->is_secret && buf->data)
        explicit_bzero(buf->data, buf->capacity);
    free(buf->data);
}

void buf_finish(struct buf *buf)
{
    if (!buf)
        return;
    give_up(buf);
    *buf = (struct buf){.bytes_max = buf->bytes_max, .is_secret = buf->is_secret};
}

void buf_clear(struct buf *buf)
{
    buf->len = 0;
    if (buf->data)
        buf->data[0] = '\0';
}

enum status buf_reserve(struct buf *buf, size_t extra)
{
    if (extra > buf->bytes_max || buf->len > buf->bytes_max - extra)
        return E_LIMIT;
    const size_t needed = buf->len + extra + 1;
    if (needed <= buf->capacity)
        return OK;
    size_t capacity = buf->capacity ? buf->capacity : CAPACITY_MIN;
    while (capacity < needed)
        capacity *= 2;
    char *old = buf->is_secret ? NULL : buf->data;
    char *data = capacity <= SMALL_BYTES ? memory_realloc(old, capacity) : realloc(old, capacity);
    if (!data)
        return E_NOMEM;
    if (buf->is_secret && buf->data) {
        memcpy(data, buf->data, buf->len + 1);
        give_up(buf);
    }
    buf->data = data;
    buf->capacity = capacity;
    return OK;
}

enum status buf_add(struct buf *buf, const void *data, size_t len)
{
    const enum status status = buf_reserve(buf, len);
    if (status != OK)
        return status;
    if (len > 0)
        memcpy(buf->data + buf->len, data, len);
    buf->len += len;
    buf->data[buf->len] = '\0';
    return OK;
}

enum status buf_add_slice(struct buf *buf, struct slice slice)
{
    return buf_add(buf, slice.data, slice.len);
}

enum status buf_add_str(struct buf *buf, const char *text)
{
    return buf_add(buf, text, strlen(text));
}

enum status buf_add_byte(struct buf *buf, char byte)
{
    return buf_add(buf, &byte, 1);
}

enum status buf_printf(struct buf *buf, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    const int len = vsnprintf(NULL, 0, format, args);
    va_end(args);
    enum status status = len < 0 ? E_INVALID : buf_reserve(buf, (size_t)len);
    if (status == OK) {
        (void)vsnprintf(buf->data + buf->len, (size_t)len + 1, format, again);
        buf->len += (size_t)len;
    }
    va_end(again);
    return status;
}

static enum status add_escaped(struct buf *buf, unsigned char c)
{
    switch (c) {
    case '"':
        return buf_add_str(buf, "\\\"");
    case '\\':
        return buf_add_str(buf, "\\\\");
    case '\n':
        return buf_add_str(buf, "\\n");
    case '\r':
        return buf_add_str(buf, "\\r");
    case '\t':
        return buf_add_str(buf, "\\t");
    default:
        return buf_printf(buf, "\\u%04x", c);
    }
}

enum status buf_add_json_string(struct buf *buf, struct slice text)
{
    const unsigned char *bytes = (const unsigned char *)text.data;
    enum status status = buf_add_byte(buf, '"');
    size_t start = 0;
    size_t i = 0;
    while (status == OK && i < text.len) {
        const unsigned char c = bytes[i];
        const size_t len = text_utf8_len(slice_of(text.data + i, text.len - i));
        if (len > 0 && c >= 0x20 && c != '"' && c != '\\') {
            i += len;
            continue;
        }
        status = buf_add(buf, bytes + start, i - start);
        if (status == OK)
            status = len == 0 ? buf_add_str(buf, "\xef\xbf\xbd") : add_escaped(buf, c);
        i++;
        start = i;
    }
    if (status == OK)
        status = buf_add(buf, bytes + start, text.len - start);
    return status == OK ? buf_add_byte(buf, '"') : status;
}

char *buf_take(struct buf *buf, size_t *len)
{
    char *data = buf->data;
    if (len)
        *len = buf->len;
    *buf = (struct buf){.bytes_max = buf->bytes_max, .is_secret = buf->is_secret};
    return data;
}
