/* SPDX-License-Identifier: MIT */
#include "bench/fields_int.h"

#define LENGTH_DIGITS_MAX 12

static bool is_word(struct slice value, const char *word)
{
    return slice_equal_nocase(value, slice_str(word));
}

static bool parse_length(struct slice value, size_t *length)
{
    *length = 0;
    if (value.len == 0 || value.len > LENGTH_DIGITS_MAX)
        return false;
    for (size_t i = 0; i < value.len; i++) {
        if (value.data[i] < '0' || value.data[i] > '9')
            return false;
        *length = *length * 10 + (size_t)(value.data[i] - '0');
    }
    return true;
}

/* Most fields are none of these four: their first letter tells. */
static bool take_field(struct slice name, struct slice value, struct fields *fields)
{
    switch (name.data[0] | 0x20) {
    case 'c':
        if (is_word(name, "content-length")) {
            fields->has_content_length = true;
            return parse_length(value, &fields->content_length);
        }
        if (is_word(name, "connection"))
            fields->is_closing = is_word(value, "close");
        return true;
    case 'e':
        if (is_word(name, "expect"))
            fields->wants_continue = is_word(value, "100-continue");
        return true;
    case 't':
        if (is_word(name, "transfer-encoding"))
            fields->is_chunked = true;
        return true;
    default:
        return true;
    }
}

bool fields_parse(struct slice head, struct fields *fields)
{
    *fields = (struct fields){0};
    const char *end = head.data + head.len;
    const char *line = memchr(head.data, '\n', head.len);
    while (line && ++line < end) {
        const char *next = memchr(line, '\n', (size_t)(end - line));
        if (!next || next == line || next[-1] != '\r')
            return false;
        if (next - 1 == line)
            return true;
        const char *colon = memchr(line, ':', (size_t)(next - line));
        if (!colon || colon == line)
            return false;
        const struct slice value = slice_of(colon + 1, (size_t)(next - 1 - (colon + 1)));
        if (!take_field(slice_of(line, (size_t)(colon - line)), slice_trim(value), fields))
            return false;
        line = next;
    }
    return false;
}
