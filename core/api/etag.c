/* SPDX-License-Identifier: MIT */
/* Tags of what a GET shows (RFC 9110, 8.8.3 and 13.1.2): a digest of the bytes, so that whoever has
 * them already is told so in a few bytes. */
#include "api/api_int.h"

#define TAG_BYTES 16 /* of the digest: enough to tell answers apart */

enum status api_make_etag(struct slice body, struct buf *tag)
{
    unsigned char digest[DIGEST_BYTES_MAX];
    check(hash(DIGEST_SHA256, body, digest) >= TAG_BYTES);
    enum status status = buf_add_byte(tag, '"');
    if (status == OK)
        status = hex_encode(slice_of((const char *)digest, TAG_BYTES), tag);
    return status == OK ? buf_add_byte(tag, '"') : status;
}

/* Takes the next member off a list of tags, without what says that it is a weak one. */
static struct slice next_tag(struct slice *list)
{
    const char *end = memchr(list->data, ',', list->len);
    const size_t len = end ? (size_t)(end - list->data) : list->len;
    struct slice tag = slice_trim(slice_of(list->data, len));
    *list = end ? slice_of(end + 1, list->len - len - 1) : slice_of("", 0);
    if (tag.len >= 2 && memcmp(tag.data, "W/", 2) == 0)
        tag = slice_of(tag.data + 2, tag.len - 2);
    return tag;
}

bool api_has_etag(struct http_request *request, struct slice tag)
{
    struct slice list;
    if (!http_header(request, "if-none-match", &list))
        return false;
    while (list.len > 0) {
        const struct slice one = next_tag(&list);
        if (slice_equal(one, tag) || slice_is(one, "*"))
            return true;
    }
    return false;
}
