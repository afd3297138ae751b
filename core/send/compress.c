/* SPDX-License-Identifier: MIT */
/* Bodies of requests made smaller: gzip, for endpoints that ask for it. */
#include "send/outgoing_int.h"

#include <zlib.h>

#define BYTES_MIN 1024 /* below, a packet is saved by nothing */
#define WINDOW_GZIP (16 + MAX_WBITS)
#define MEMORY_LEVEL 8

/* False: it would not be smaller, or there is no memory. */
static bool deflate_into(struct slice body, struct buf *out)
{
    z_stream stream = {.next_in = (Bytef *)(uintptr_t)body.data, .avail_in = (uInt)body.len};
    /* The fastest level: it runs on the worker's loop, and JSON shrinks well at any. */
    if (deflateInit2(&stream, Z_BEST_SPEED, Z_DEFLATED, WINDOW_GZIP, MEMORY_LEVEL,
                     Z_DEFAULT_STRATEGY) != Z_OK)
        return false;
    stream.next_out = (Bytef *)out->data;
    stream.avail_out = (uInt)body.len;
    const int rc = deflate(&stream, Z_FINISH);
    out->len = body.len - stream.avail_out;
    (void)deflateEnd(&stream);
    return rc == Z_STREAM_END;
}

enum status compress_apply(const struct endpoint_spec *endpoint, struct outgoing_request *request)
{
    if (!endpoint->is_compressed || request->body.len < BYTES_MIN ||
        head_count(buf_slice(&request->head), "content-encoding") > 0)
        return OK;
    struct buf *out = &request->compressed;
    buf_init(out, request->body.len);
    if (buf_reserve(out, request->body.len) != OK || !deflate_into(request->body, out)) {
        buf_finish(out);
        return OK;
    }
    request->body = buf_slice(out);
    return head_add(&request->head, slice_str("content-encoding"), slice_str("gzip"));
}
