/* SPDX-License-Identifier: MIT */
#include "model/content.h"

#include <stdlib.h>

struct content *content_create(struct slice head, size_t body_capacity)
{
    if (head.len > UINT32_MAX)
        return NULL;
    struct content *content = malloc(sizeof *content + head.len + body_capacity);
    if (!content)
        return NULL;
    *content = (struct content){.head_len = (uint32_t)head.len,
                                .body_offset = (uint32_t)head.len,
                                .body_capacity = body_capacity};
    atomic_init(&content->references, 1);
    if (head.len > 0)
        memcpy(content->bytes, head.data, head.len);
    return content;
}

enum status content_append(struct content **content, const void *data, size_t len, size_t bytes_max)
{
    struct content *it = *content;
    if (len > bytes_max || it->body_len > bytes_max - len)
        return E_LIMIT;
    if (it->body_len + len > it->body_capacity) {
        size_t capacity = it->body_capacity * 2;
        if (capacity < it->body_len + len)
            capacity = it->body_len + len;
        it = realloc(it, sizeof *it + it->body_offset + capacity);
        if (!it)
            return E_NOMEM;
        it->body_capacity = capacity;
        *content = it;
    }
    if (len > 0)
        memcpy(it->bytes + it->body_offset + it->body_len, data, len);
    it->body_len += len;
    return OK;
}

static bool is_named(struct slice name, char *const *names, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (slice_equal_nocase(name, slice_str(names[i])))
            return true;
    return false;
}

void content_hide(struct content *content, char *const *names, size_t count)
{
    const struct slice head = content_head(content);
    struct field field;
    size_t kept = 0;
    size_t start = 0;
    for (size_t offset = 0; head_next(head, &offset, &field); start = offset) {
        if (is_named(field.name, names, count))
            continue;
        if (kept != start)
            memmove(content->bytes + kept, content->bytes + start, offset - start);
        kept += offset - start;
    }
    content->head_len = (uint32_t)kept;
}

struct content *content_ref(struct content *content)
{
    atomic_fetch_add_explicit(&content->references, 1, memory_order_relaxed);
    return content;
}

void content_unref(struct content *content)
{
    if (content && atomic_fetch_sub_explicit(&content->references, 1, memory_order_acq_rel) == 1)
        free(content);
}
