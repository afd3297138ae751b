/* SPDX-License-Identifier: MIT */
#include "signature/structured_int.h"

#define INTEGER_DIGITS_MAX 15
#define TOKEN_MARKS "!#$%&'*+-.^_`|~:/"
#define MEMBERS_MAX 64

static bool is_lower(char c)
{
    return c >= 'a' && c <= 'z';
}

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_letter(char c)
{
    return is_lower(c) || (c >= 'A' && c <= 'Z');
}

static bool is_one_of(char c, const char *set)
{
    return c != '\0' && strchr(set, c);
}

static void skip(struct slice *text, size_t len)
{
    *text = slice_of(text->data + len, text->len - len);
}

static bool take(struct slice *text, char c)
{
    if (text->len == 0 || text->data[0] != c)
        return false;
    skip(text, 1);
    return true;
}

static bool read_key(struct slice *text, struct slice *key)
{
    size_t len = 0;
    if (text->len == 0 || !(is_lower(text->data[0]) || text->data[0] == '*'))
        return false;
    while (len < text->len && (is_lower(text->data[len]) || is_digit(text->data[len]) ||
                               is_one_of(text->data[len], "_-.*")))
        len++;
    *key = slice_of(text->data, len);
    skip(text, len);
    return true;
}

static bool read_string(struct slice *text, struct structured_item *item)
{
    item->type = STRUCTURED_STRING;
    for (size_t i = 1; i < text->len; i++) {
        const char c = text->data[i];
        if (c == '"') {
            item->text = slice_of(text->data + 1, i - 1);
            skip(text, i + 1);
            return true;
        }
        if (c < 0x20 || c > 0x7e)
            return false;
        if (c == '\\' && (++i == text->len || !is_one_of(text->data[i], "\"\\")))
            return false;
    }
    return false;
}

static bool read_bytes(struct slice *text, struct structured_item *item)
{
    item->type = STRUCTURED_BYTES;
    size_t len = 1;
    while (len < text->len && (is_letter(text->data[len]) || is_digit(text->data[len]) ||
                               is_one_of(text->data[len], "+/=")))
        len++;
    if (len == text->len || text->data[len] != ':')
        return false;
    item->text = slice_of(text->data + 1, len - 1);
    skip(text, len + 1);
    return true;
}

/* "-0", "007" and decimals have no place in signatures. */
static bool read_integer(struct slice *text, struct structured_item *item)
{
    const bool is_negative = text->data[0] == '-';
    size_t len = is_negative;
    int64_t value = 0;
    while (len < text->len && is_digit(text->data[len]) &&
           len - is_negative < INTEGER_DIGITS_MAX + 1)
        value = value * 10 + (text->data[len++] - '0');
    const size_t digits = len - is_negative;
    const bool has_zero = digits > 0 && text->data[is_negative] == '0';
    if (digits == 0 || digits > INTEGER_DIGITS_MAX || (has_zero && (digits > 1 || is_negative)) ||
        (len < text->len && text->data[len] == '.'))
        return false;
    item->type = STRUCTURED_INTEGER;
    item->integer = is_negative ? -value : value;
    skip(text, len);
    return true;
}

static bool read_token(struct slice *text, struct structured_item *item)
{
    size_t len = 1;
    while (len < text->len && (is_letter(text->data[len]) || is_digit(text->data[len]) ||
                               is_one_of(text->data[len], TOKEN_MARKS)))
        len++;
    item->type = STRUCTURED_TOKEN;
    item->text = slice_of(text->data, len);
    skip(text, len);
    return true;
}

static bool read_bare(struct slice *text, struct structured_item *item)
{
    if (text->len == 0)
        return false;
    const char c = text->data[0];
    if (c == '"')
        return read_string(text, item);
    if (c == ':')
        return read_bytes(text, item);
    if (c == '-' || is_digit(c))
        return read_integer(text, item);
    return (is_letter(c) || c == '*') && read_token(text, item);
}

bool structured_next_parameter(struct slice *text, struct slice *key, struct structured_item *item,
                               bool *is_bad)
{
    if (text->len == 0 || text->data[0] != ';')
        return false;
    skip(text, 1);
    *item = (struct structured_item){.type = STRUCTURED_BOOLEAN};
    *is_bad = !read_key(text, key) || (take(text, '=') && !read_bare(text, item));
    return !*is_bad;
}

/* Takes all parameters; no name may be there twice. */
static bool read_parameters(struct slice *text, struct slice *parameters)
{
    struct slice keys[MEMBERS_MAX];
    size_t count = 0;
    struct structured_item item;
    bool is_bad = false;
    const char *start = text->data;
    for (struct slice key; structured_next_parameter(text, &key, &item, &is_bad);) {
        for (size_t i = 0; i < count; i++)
            is_bad |= slice_equal(keys[i], key);
        if (is_bad || count == MEMBERS_MAX)
            return false;
        keys[count++] = key;
    }
    *parameters = slice_of(start, (size_t)(text->data - start));
    return !is_bad;
}

static bool read_item(struct slice *text, struct structured_item *item)
{
    const char *start = text->data;
    *item = (struct structured_item){0};
    if (!read_bare(text, item) || !read_parameters(text, &item->parameters))
        return false;
    item->raw = slice_of(start, (size_t)(text->data - start));
    return true;
}

bool structured_next_element(struct slice *text, struct structured_item *item, bool *is_bad)
{
    /* "(" or the space behind the element before. */
    if (text->len < 2 || (text->data[0] != '(' && text->data[0] != ' ')) {
        *is_bad = !(text->len == 1 && text->data[0] == ')');
        return false;
    }
    if (text->data[0] == '(' && text->data[1] == ')') {
        *is_bad = text->len != 2;
        return false;
    }
    skip(text, 1);
    *is_bad = !read_item(text, item);
    return !*is_bad;
}

static bool read_list(struct slice *text, struct structured_item *item)
{
    const char *start = text->data;
    item->type = STRUCTURED_LIST;
    if (text->len > 1 && text->data[1] == ')') {
        skip(text, 2);
    } else {
        struct structured_item element;
        do {
            skip(text, 1);
            if (!read_item(text, &element))
                return false;
        } while (text->len > 0 && text->data[0] == ' ');
        if (!take(text, ')'))
            return false;
    }
    item->text = slice_of(start, (size_t)(text->data - start));
    if (!read_parameters(text, &item->parameters))
        return false;
    item->raw = slice_of(start, (size_t)(text->data - start));
    return true;
}

static bool read_member(struct slice *text, struct slice *key, struct structured_item *item)
{
    *item = (struct structured_item){.type = STRUCTURED_BOOLEAN};
    if (!read_key(text, key))
        return false;
    const char *start = text->data;
    if (!take(text, '=')) {
        if (!read_parameters(text, &item->parameters))
            return false;
        item->raw = slice_of(start, (size_t)(text->data - start));
        return true;
    }
    if (text->len > 0 && text->data[0] == '(')
        return read_list(text, item);
    return read_item(text, item);
}

static void skip_spaces(struct slice *text)
{
    while (take(text, ' ') || take(text, '\t'))
        ;
}

bool structured_next_member(struct slice *text, struct slice *key, struct structured_item *item,
                            bool *is_bad)
{
    *is_bad = false;
    skip_spaces(text);
    if (text->len == 0)
        return false;
    *is_bad = !read_member(text, key, item);
    skip_spaces(text);
    if (*is_bad || text->len == 0)
        return !*is_bad;
    const bool has_comma = take(text, ',');
    skip_spaces(text);
    *is_bad = !has_comma || text->len == 0;
    return !*is_bad;
}

bool structured_find(struct slice text, struct slice key, struct structured_item *item)
{
    bool is_bad = false;
    unsigned found = 0;
    struct structured_item member;
    for (struct slice name; structured_next_member(&text, &name, &member, &is_bad);)
        if (slice_equal(name, key)) {
            *item = member;
            found++;
        }
    return found == 1 && !is_bad;
}
