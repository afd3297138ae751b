/* SPDX-License-Identifier: MIT */
/* Content: the bytes of an event or message and what came with them, in one block that is never
 * changed once shared. Counted references, any thread. A forwarded body is the event's own content.
 * The head is a packed list (base/head.h) of pseudo fields (":method", ":path", ":query",
 * ":remote") and headers in wire order. */
#ifndef MODEL_CONTENT_H
#define MODEL_CONTENT_H

#include "base/base.h"
#include "base/head.h"

#include <stdatomic.h>

struct content {
    atomic_uint references;
    uint32_t head_len;
    uint32_t body_offset;
    size_t body_len;
    size_t body_capacity; /* while it is being filled */
    bool is_sealed;       /* the body: in the store; nothing shows it */
    char bytes[];         /* head, body at body_offset */
};

/* head is copied; room for body_capacity bytes of body behind it. One reference. NULL: no memory.
 */
struct content *content_create(struct slice head, size_t body_capacity);
/* Before it is shared: appends to the body; may move the content (*content). E_LIMIT past max. */
MUST_USE enum status content_append(struct content **content, const void *data, size_t len,
                                    size_t bytes_max);
/* Before it is shared: drops the fields of these names (lower case) from the head, and from memory.
 * "?name": strikes out the value of that parameter in the query. */
#define CONTENT_PARAMETER "?"
void content_hide(struct content *content, char *const *names, size_t count);
struct content *content_ref(struct content *content);
/* NULL is fine. */
void content_unref(struct content *content);

static inline struct slice content_head(const struct content *content)
{
    return slice_of(content->bytes, content->head_len);
}

static inline struct slice content_body(const struct content *content)
{
    return slice_of(content->bytes + content->body_offset, content->body_len);
}

#endif
