/* SPDX-License-Identifier: MIT */
/* The fields of a form as Twilio signs them: sorted by name, then value; the same field once. */
#include "signature/content_int.h"

#include "base/limits.h"
#include "base/url.h"

#include <stdlib.h>

struct form_field {
    struct slice name;
    struct slice value;
};

/* Into the room at *place, which has as many bytes as the text at least. */
static struct slice decode(struct slice text, char **place)
{
    char *const start = *place;
    for (size_t i = 0; i < text.len;)
        *(*place)++ = form_byte(text, &i);
    return slice_of(start, (size_t)(*place - start));
}

static int compare_slices(struct slice a, struct slice b)
{
    const size_t len = a.len < b.len ? a.len : b.len;
    const int order = len > 0 ? memcmp(a.data, b.data, len) : 0;
    return order != 0 ? order : (a.len > b.len) - (a.len < b.len);
}

static int compare(const void *left, const void *right)
{
    const struct form_field *a = left;
    const struct form_field *b = right;
    const int order = compare_slices(a->name, b->name);
    return order != 0 ? order : compare_slices(a->value, b->value);
}

static enum status read(struct slice text, char *place, struct form_field *fields, size_t *count)
{
    while (text.len > 0) {
        const char *end = memchr(text.data, '&', text.len);
        const struct slice pair = slice_of(text.data, end ? (size_t)(end - text.data) : text.len);
        const char *equals = pair.len > 0 ? memchr(pair.data, '=', pair.len) : NULL;
        const size_t name_len = equals ? (size_t)(equals - pair.data) : pair.len;
        if (pair.len > 0) {
            if (*count == LIMIT_FORM_FIELDS)
                return E_LIMIT;
            struct form_field *field = &fields[(*count)++];
            field->name = decode(slice_of(pair.data, name_len), &place);
            field->value = equals ? decode(slice_of(equals + 1, pair.len - name_len - 1), &place)
                                  : slice_str("");
        }
        const size_t used = pair.len + (end ? 1 : 0);
        text = slice_of(text.data + used, text.len - used);
    }
    return OK;
}

enum status form_add_sorted(struct slice body, struct buf *out)
{
    struct form_field *fields = malloc(LIMIT_FORM_FIELDS * sizeof *fields);
    char *decoded = malloc(body.len + 1);
    size_t count = 0;
    enum status status = fields && decoded ? read(body, decoded, fields, &count) : E_NOMEM;
    if (status == OK)
        qsort(fields, count, sizeof *fields, compare);
    for (size_t i = 0; i < count && status == OK; i++) {
        if (i > 0 && compare(&fields[i - 1], &fields[i]) == 0)
            continue;
        status = buf_add_slice(out, fields[i].name);
        if (status == OK)
            status = buf_add_slice(out, fields[i].value);
    }
    free(decoded);
    free(fields);
    return status;
}
