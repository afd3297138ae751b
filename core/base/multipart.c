/* SPDX-License-Identifier: MIT */
#include "base/multipart.h"

#define TYPE "multipart/form-data"

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

static struct slice skip(struct slice text, size_t len)
{
    return slice_of(text.data + len, text.len - len);
}

static const char *find(struct slice text, struct slice wanted)
{
    return text.len > 0 ? memmem(text.data, text.len, wanted.data, wanted.len) : NULL;
}

/* ---- Parameters: the text behind "form-data" or the content type ---- */

/* To the next semicolon that is not in quotes. */
static size_t parameter_len(struct slice text)
{
    bool is_quoted = false;
    for (size_t i = 0; i < text.len; i++) {
        if (is_quoted && text.data[i] == '\\')
            i++;
        else if (text.data[i] == '"')
            is_quoted = !is_quoted;
        else if (text.data[i] == ';' && !is_quoted)
            return i;
    }
    return text.len;
}

static struct slice unquote(struct slice value)
{
    if (value.len < 2 || value.data[0] != '"' || value.data[value.len - 1] != '"')
        return value;
    return slice_of(value.data + 1, value.len - 2);
}

/* text: "form-data; name=\"a\"". */
static bool find_parameter(struct slice text, const char *name, struct slice *value)
{
    size_t len = parameter_len(text);
    while (len < text.len) {
        text = skip(text, len + 1);
        len = parameter_len(text);
        const struct slice pair = slice_of(text.data, len);
        const char *equals = len > 0 ? memchr(pair.data, '=', len) : NULL;
        if (!equals)
            continue;
        const size_t name_len = (size_t)(equals - pair.data);
        if (!slice_equal_nocase(slice_trim(slice_of(pair.data, name_len)), slice_str(name)))
            continue;
        *value = unquote(slice_trim(skip(pair, name_len + 1)));
        return true;
    }
    return false;
}

/* ---- Parts ---- */

static bool fail(struct multipart *it, const char *why)
{
    it->why = why;
    return false;
}

bool multipart_is(struct slice content_type)
{
    const struct slice type = slice_of(content_type.data, parameter_len(content_type));
    return slice_equal_nocase(slice_trim(type), slice_str(TYPE));
}

/* Behind a delimiter: true if a part follows. */
static bool begin_part(struct multipart *it)
{
    if (it->rest.len >= 2 && memcmp(it->rest.data, "--", 2) == 0) {
        it->rest = slice_str("");
        return false;
    }
    while (it->rest.len > 0 && is_blank(it->rest.data[0]))
        it->rest = skip(it->rest, 1);
    if (it->rest.len < 2 || memcmp(it->rest.data, "\r\n", 2) != 0)
        return fail(it, "the boundary is followed by neither a line nor the end");
    it->rest = skip(it->rest, 2);
    return true;
}

bool multipart_open(struct multipart *it, struct slice content_type, struct slice body)
{
    struct slice boundary;
    *it = (struct multipart){.rest = body};
    if (!find_parameter(content_type, "boundary", &boundary) || boundary.len == 0 ||
        boundary.len > MULTIPART_BOUNDARY_BYTES)
        return fail(it, "the content type names no boundary of at most 70 characters");
    memcpy(it->delimiter, "\r\n--", 4);
    memcpy(it->delimiter + 4, boundary.data, boundary.len);
    it->delimiter_len = 4 + boundary.len;
    /* At the start of the body the delimiter has no line before it. */
    const struct slice first = slice_of(it->delimiter + 2, it->delimiter_len - 2);
    if (body.len >= first.len && memcmp(body.data, first.data, first.len) == 0) {
        it->rest = skip(body, first.len);
        return true;
    }
    const char *start = find(body, slice_of(it->delimiter, it->delimiter_len));
    if (!start)
        return fail(it, "the boundary is not in the body");
    it->rest = skip(body, (size_t)(start - body.data) + it->delimiter_len);
    return true;
}

/* One line of a part's head. */
static void read_line(struct slice line, struct multipart_part *part)
{
    const char *colon = line.len > 0 ? memchr(line.data, ':', line.len) : NULL;
    if (!colon)
        return;
    const size_t len = (size_t)(colon - line.data);
    if (slice_equal_nocase(slice_of(line.data, len), slice_str("content-disposition")))
        (void)find_parameter(skip(line, len + 1), "name", &part->name);
}

/* False: the empty line behind the head is missing. */
static bool read_head(struct multipart *it, struct multipart_part *part)
{
    for (;;) {
        const char *end = find(it->rest, slice_str("\r\n"));
        if (!end)
            return false;
        const size_t len = (size_t)(end - it->rest.data);
        read_line(slice_of(it->rest.data, len), part);
        it->rest = skip(it->rest, len + 2);
        if (len == 0)
            return true;
    }
}

bool multipart_next(struct multipart *it, struct multipart_part *part)
{
    *part = (struct multipart_part){0};
    if (it->why || !begin_part(it))
        return false;
    if (!read_head(it, part))
        return fail(it, "a part's head has no end");
    if (!part->name.data)
        return fail(it, "a part has no name");
    const char *end = find(it->rest, slice_of(it->delimiter, it->delimiter_len));
    if (!end)
        return fail(it, "a part has no end");
    const size_t len = (size_t)(end - it->rest.data);
    part->value = slice_of(it->rest.data, len);
    it->rest = skip(it->rest, len + it->delimiter_len);
    return true;
}
