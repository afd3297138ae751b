/* SPDX-License-Identifier: MIT */
/* A growing buffer that is born with a maximum: going past it is E_LIMIT, never growth.
 * Any thread, one at a time. The owner calls buf_finish; a zeroed buf with a maximum is empty.
 * data is always terminated with a 0 byte (not counted) once anything was added. */
#ifndef BASE_BUF_H
#define BASE_BUF_H

#include "base/base.h"

#include <stdarg.h>

struct buf {
    char *data;
    size_t len;
    size_t capacity;
    size_t bytes_max; /* the most that len may become */
    bool is_secret;   /* what it held is overwritten before its memory is given up */
};

void buf_init(struct buf *buf, size_t bytes_max);
/* For secrets: nothing of them is left behind, neither when it grows nor when it is finished. */
void buf_init_secret(struct buf *buf, size_t bytes_max);
void buf_finish(struct buf *buf);
/* Empties, keeps the memory. */
void buf_clear(struct buf *buf);
/* Makes room for extra more bytes at data + len. */
MUST_USE enum status buf_reserve(struct buf *buf, size_t extra);
MUST_USE enum status buf_add(struct buf *buf, const void *data, size_t len);
MUST_USE enum status buf_add_slice(struct buf *buf, struct slice slice);
MUST_USE enum status buf_add_str(struct buf *buf, const char *text);
MUST_USE enum status buf_add_byte(struct buf *buf, char byte);
MUST_USE enum status buf_printf(struct buf *buf, const char *format, ...) PRINTF_LIKE(2, 3);
/* Adds text as a JSON string with its quotes: bytes that are no UTF-8 become U+FFFD. */
MUST_USE enum status buf_add_json_string(struct buf *buf, struct slice text);
/* Gives the bytes away: free() them. The buf is empty afterwards. NULL if it was empty. */
char *buf_take(struct buf *buf, size_t *len);

static inline struct slice buf_slice(const struct buf *buf)
{
    return slice_of(buf->data ? buf->data : "", buf->len);
}

#endif
