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

static void skip_space(struct reader *reader)
{
    while (reader->at < reader->end && strchr(" \t\r\n", *reader->at) && *reader->at != '\0')
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

static bool skip_string(struct reader *reader)
{
    if (!take(reader, '"'))
        return false;
    while (reader->at < reader->end && (unsigned char)*reader->at >= 0x20) {
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

bool json_is_valid(struct slice text)
{
    struct reader reader = {text.data, text.data + text.len};
    struct nesting nesting = {.depth = 0};
    do {
        if (!enter(&reader, &nesting) || !go_on(&reader, &nesting))
            return false;
    } while (nesting.depth > 0);
    skip_space(&reader);
    return reader.at == reader.end;
}
