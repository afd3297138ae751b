/* SPDX-License-Identifier: MIT */
#include "base/json.h"

#include "base/limits.h"
#include "base/text.h"

struct reader {
    const char *at;
    const char *end;
};

static bool take(struct reader *reader, char c)
{
    if (reader->at == reader->end || *reader->at != c)
        return false;
    reader->at++;
    return true;
}

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '\n';
}

static void skip_space(struct reader *reader)
{
    while (reader->at < reader->end && is_space(*reader->at))
        reader->at++;
}

static bool skip_word(struct reader *reader, const char *word)
{
    const size_t len = strlen(word);
    if ((size_t)(reader->end - reader->at) < len || memcmp(reader->at, word, len) != 0)
        return false;
    reader->at += len;
    return true;
}

static size_t skip_digits(struct reader *reader)
{
    const char *start = reader->at;
    while (reader->at < reader->end && *reader->at >= '0' && *reader->at <= '9')
        reader->at++;
    return (size_t)(reader->at - start);
}

static bool skip_number(struct reader *reader)
{
    (void)take(reader, '-');
    if (!take(reader, '0') && skip_digits(reader) == 0)
        return false;
    if (take(reader, '.') && skip_digits(reader) == 0)
        return false;
    if (!take(reader, 'e') && !take(reader, 'E'))
        return true;
    if (!take(reader, '+'))
        (void)take(reader, '-');
    return skip_digits(reader) > 0;
}

static bool skip_escape(struct reader *reader)
{
    if (reader->at == reader->end)
        return false;
    const char c = *reader->at++;
    if (c != 'u')
        return c != '\0' && strchr("\"\\/bfnrt", c) != NULL;
    for (unsigned i = 0; i < 4; i++, reader->at++)
        if (reader->at == reader->end || *reader->at == '\0' ||
            !strchr("0123456789abcdefABCDEF", *reader->at))
            return false;
    return true;
}

/* Most of what strings say. */
static void skip_plain(struct reader *reader)
{
    const char *at = reader->at;
    while (at < reader->end && *at >= 0x20 && *at < 0x7f && *at != '"' && *at != '\\')
        at++;
    reader->at = at;
}

static bool skip_string(struct reader *reader)
{
    if (!take(reader, '"'))
        return false;
    for (skip_plain(reader); reader->at < reader->end && (unsigned char)*reader->at >= 0x20;
         skip_plain(reader)) {
        if (take(reader, '"'))
            return true;
        if (take(reader, '\\')) {
            if (!skip_escape(reader))
                return false;
            continue;
        }
        const size_t len = text_utf8_len(slice_of(reader->at, (size_t)(reader->end - reader->at)));
        if (len == 0)
            return false;
        reader->at += len;
    }
    return false;
}

static bool skip_scalar(struct reader *reader)
{
    if (reader->at == reader->end)
        return false;
    switch (*reader->at) {
    case '"':
        return skip_string(reader);
    case 't':
        return skip_word(reader, "true");
    case 'f':
        return skip_word(reader, "false");
    case 'n':
        return skip_word(reader, "null");
    default:
        return skip_number(reader);
    }
}

/* The name of a member and its colon. */
static bool skip_name(struct reader *reader)
{
    skip_space(reader);
    if (!skip_string(reader))
        return false;
    skip_space(reader);
    return take(reader, ':');
}

/* The containers that are open, the innermost last. */
struct nesting {
    char close[LIMIT_JSON_DEPTH];
    size_t depth;
};

/* Behind a value: closes what ends here, and goes on to the next value of what stays open. False:
 * malformed. */
static bool go_on(struct reader *reader, struct nesting *nesting)
{
    while (nesting->depth > 0) {
        const char close = nesting->close[nesting->depth - 1];
        skip_space(reader);
        if (take(reader, ','))
            return close == ']' || skip_name(reader);
        if (!take(reader, close))
            return false;
        nesting->depth--;
    }
    return true;
}

/* A value, or the first one within it. */
static bool enter(struct reader *reader, struct nesting *nesting)
{
    for (;;) {
        skip_space(reader);
        const bool is_object = take(reader, '{');
        if (!is_object && !take(reader, '['))
            return skip_scalar(reader);
        const char close = is_object ? '}' : ']';
        if (nesting->depth == LIMIT_JSON_DEPTH)
            return false;
        skip_space(reader);
        if (take(reader, close))
            return true;
        nesting->close[nesting->depth++] = close;
        if (is_object && !skip_name(reader))
            return false;
    }
}

static bool skip_value(struct reader *reader)
{
    struct nesting nesting = {.depth = 0};
    do {
        if (!enter(reader, &nesting) || !go_on(reader, &nesting))
            return false;
    } while (nesting.depth > 0);
    return true;
}

bool json_is_valid(struct slice text)
{
    struct reader reader = {text.data, text.data + text.len};
    if (!skip_value(&reader))
        return false;
    skip_space(&reader);
    return reader.at == reader.end;
}

/* ---- Looking into text that is valid ----------------------------------------------------------
 */

enum json_kind json_kind_of(struct slice value)
{
    struct reader reader = {value.data, value.data + value.len};
    skip_space(&reader);
    switch (reader.at < reader.end ? *reader.at : 'n') {
    case '{':
        return JSON_OBJECT;
    case '[':
        return JSON_ARRAY;
    case '"':
        return JSON_STRING;
    case 't':
    case 'f':
        return JSON_BOOL;
    case 'n':
        return JSON_NULL;
    default:
        return JSON_NUMBER;
    }
}

/* To the next value of a container; *offset is behind the last one. False: there is none. */
static bool next_place(struct slice container, size_t *offset, struct reader *reader)
{
    *reader = (struct reader){container.data + *offset, container.data + container.len};
    skip_space(reader);
    if (*offset == 0) {
        if (!take(reader, '{') && !take(reader, '['))
            return false;
    } else if (!take(reader, ',')) {
        return false;
    }
    skip_space(reader);
    return reader->at < reader->end && *reader->at != '}' && *reader->at != ']';
}

static bool take_value(struct reader *reader, struct slice *value)
{
    skip_space(reader);
    const char *start = reader->at;
    if (!skip_value(reader))
        return false;
    *value = slice_of(start, (size_t)(reader->at - start));
    return true;
}

bool json_next_member(struct slice object, size_t *offset, struct slice *name, struct slice *value)
{
    struct reader reader;
    if (!next_place(object, offset, &reader))
        return false;
    const char *start = reader.at;
    if (!skip_string(&reader))
        return false;
    *name = slice_of(start, (size_t)(reader.at - start));
    skip_space(&reader);
    if (!take(&reader, ':') || !take_value(&reader, value))
        return false;
    *offset = (size_t)(reader.at - object.data);
    return true;
}

bool json_next_item(struct slice array, size_t *offset, struct slice *value)
{
    struct reader reader;
    if (!next_place(array, offset, &reader) || !take_value(&reader, value))
        return false;
    *offset = (size_t)(reader.at - array.data);
    return true;
}

static unsigned read_hex(const char *digits)
{
    unsigned number = 0;
    for (unsigned i = 0; i < 4; i++) {
        const char c = digits[i];
        const unsigned digit = c <= '9' ? (unsigned)(c - '0') : ((unsigned)c | 0x20u) - 'a' + 10u;
        number = number << 4 | digit;
    }
    return number;
}

static enum status add_point(unsigned point, struct buf *out)
{
    char bytes[4];
    size_t len = 0;
    if (point < 0x80) {
        bytes[len++] = (char)point;
    } else {
        if (point >= 0x10000) {
            bytes[len++] = (char)(0xf0u | point >> 18);
            bytes[len++] = (char)(0x80u | (point >> 12 & 0x3fu));
        } else if (point >= 0x800) {
            bytes[len++] = (char)(0xe0u | point >> 12);
        } else {
            bytes[len++] = (char)(0xc0u | point >> 6);
        }
        if (point >= 0x800)
            bytes[len++] = (char)(0x80u | (point >> 6 & 0x3fu));
        bytes[len++] = (char)(0x80u | (point & 0x3fu));
    }
    return buf_add(out, bytes, len);
}

/* Behind "\u". */
static enum status add_unicode(struct reader *reader, struct buf *out)
{
    unsigned point = read_hex(reader->at);
    reader->at += 4;
    const bool has_low = point >= 0xd800 && point < 0xdc00 && reader->end - reader->at >= 6 &&
                         reader->at[0] == '\\' && reader->at[1] == 'u';
    const unsigned low = has_low ? read_hex(reader->at + 2) : 0;
    if (low >= 0xdc00 && low < 0xe000) {
        point = 0x10000u + ((point - 0xd800u) << 10) + (low - 0xdc00u);
        reader->at += 6;
    } else if (point >= 0xd800 && point < 0xe000) {
        point = 0xfffd;
    }
    return add_point(point, out);
}

static enum status add_escape(struct reader *reader, struct buf *out)
{
    static const char names[] = "bfnrt";
    static const char meanings[] = "\b\f\n\r\t";
    const char c = *reader->at++;
    if (c == 'u')
        return add_unicode(reader, out);
    const char *name = strchr(names, c);
    return buf_add_byte(out, name ? meanings[name - names] : c);
}

enum status json_add_text(struct slice string, struct buf *out)
{
    struct reader reader = {string.data + 1, string.data + string.len - 1};
    enum status status = OK;
    while (status == OK && reader.at < reader.end) {
        const char c = *reader.at++;
        status = c == '\\' ? add_escape(&reader, out) : buf_add_byte(out, c);
    }
    return status;
}

/* Whether a string says this. */
static bool says(struct slice string, const char *text)
{
    if (!memchr(string.data, '\\', string.len))
        return slice_is(slice_of(string.data + 1, string.len - 2), text);
    struct buf said;
    buf_init(&said, string.len);
    const bool is_same = json_add_text(string, &said) == OK && slice_is(buf_slice(&said), text);
    buf_finish(&said);
    return is_same;
}

bool json_find(struct slice object, const char *name, struct slice *value)
{
    struct slice member;
    struct slice found;
    bool is_found = false;
    for (size_t offset = 0; json_next_member(object, &offset, &member, &found);)
        if (says(member, name)) {
            *value = found;
            is_found = true;
        }
    return is_found;
}

enum status json_add_compact(struct slice value, struct buf *out)
{
    struct reader reader = {value.data, value.data + value.len};
    enum status status = OK;
    while (status == OK && reader.at < reader.end) {
        const char *start = reader.at;
        while (reader.at < reader.end && !is_space(*reader.at))
            if (*reader.at == '"')
                (void)skip_string(&reader);
            else
                reader.at++;
        status = buf_add(out, start, (size_t)(reader.at - start));
        skip_space(&reader);
    }
    return status;
}
