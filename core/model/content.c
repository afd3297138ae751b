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

/* Each value of the parameter, byte by byte. */
static void strike_out(struct content *content, struct slice query, const char *name)
{
    const size_t name_len = strlen(name);
    char *at = content->bytes + (query.data - content->bytes);
    char *const end = at + query.len;
    while (at < end) {
        char *next = memchr(at, '&', (size_t)(end - at));
        char *const stop = next ? next : end;
        if ((size_t)(stop - at) > name_len && memcmp(at, name, name_len) == 0 &&
            at[name_len] == '=')
            memset(at + name_len + 1, '*', (size_t)(stop - at) - name_len - 1);
        at = stop + 1;
    }
}

static void strike_out_parameters(struct content *content, char *const *names, size_t count)
{
    struct slice query;
    if (!head_find(content_head(content), ":query", &query))
        return;
    for (size_t i = 0; i < count; i++)
        if (names[i][0] == CONTENT_PARAMETER[0])
            strike_out(content, query, names[i] + 1);
}

void content_hide(struct content *content, char *const *names, size_t count)
{
    const struct slice head = content_head(content);
    struct field field;
    size_t kept = 0;
    size_t start = 0;
    strike_out_parameters(content, names, count);
    for (size_t offset = 0; head_next(head, &offset, &field); start = offset) {
        if (is_named(field.name, names, count))
            continue;
        if (kept != start)
            memmove(content->bytes + kept, content->bytes + start, offset - start);
        kept += offset - start;
    }
    explicit_bzero(content->bytes + kept, content->head_len - kept);
    content->head_len = (uint32_t)kept;
}

struct content *content_ref(struct content *content)
{
    atomic_fetch_add_explicit(&content->references, 1, memory_order_relaxed);
    return content;
}

void content_unref(struct content *content)
{
    if (!content || atomic_fetch_sub_explicit(&content->references, 1, memory_order_acq_rel) != 1)
        return;
    explicit_bzero(content->bytes, content->head_len); /* it may hold tokens */
    if (content->is_sealed)
        explicit_bzero(content->bytes + content->body_offset, content->body_len);
    free(content);
}
