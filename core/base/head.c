/* SPDX-License-Identifier: MIT */
#include "base/head.h"

#define FIELD_PREFIX_BYTES 6u

enum status head_add(struct buf *head, struct slice name, struct slice value)
{
    if (name.len > UINT16_MAX || value.len > UINT32_MAX)
        return E_LIMIT;
    const enum status status = buf_reserve(head, FIELD_PREFIX_BYTES + name.len + value.len);
    if (status != OK)
        return status;
    unsigned char *out = (unsigned char *)head->data + head->len;
    for (unsigned i = 0; i < 2; i++)
        out[i] = (unsigned char)(name.len >> 8 * i);
    for (unsigned i = 0; i < 4; i++)
        out[2 + i] = (unsigned char)(value.len >> 8 * i);
    if (name.len > 0)
        memcpy(out + FIELD_PREFIX_BYTES, name.data, name.len);
    if (value.len > 0)
        memcpy(out + FIELD_PREFIX_BYTES + name.len, value.data, value.len);
    head->len += FIELD_PREFIX_BYTES + name.len + value.len;
    head->data[head->len] = '\0';
    return OK;
}

bool head_next(struct slice head, size_t *offset, struct field *field)
{
    if (*offset >= head.len || head.len - *offset < FIELD_PREFIX_BYTES)
        return false;
    const unsigned char *in = (const unsigned char *)head.data + *offset;
    const size_t name_len = (size_t)in[0] | (size_t)in[1] << 8;
    const size_t value_len =
        (size_t)in[2] | (size_t)in[3] << 8 | (size_t)in[4] << 16 | (size_t)in[5] << 24;
    const size_t rest = head.len - *offset - FIELD_PREFIX_BYTES;
    if (name_len > rest || value_len > rest - name_len)
        return false;
    field->name = slice_of((const char *)in + FIELD_PREFIX_BYTES, name_len);
    field->value = slice_of(field->name.data + name_len, value_len);
    *offset += FIELD_PREFIX_BYTES + name_len + value_len;
    return true;
}

bool head_find(struct slice head, const char *name, struct slice *value)
{
    const struct slice wanted = slice_str(name);
    struct field field;
    for (size_t offset = 0; head_next(head, &offset, &field);)
        if (slice_equal_nocase(field.name, wanted)) {
            *value = field.value;
            return true;
        }
    return false;
}

bool head_has(struct slice head, struct slice name)
{
    struct field field;
    for (size_t offset = 0; head_next(head, &offset, &field);)
        if (slice_equal_nocase(field.name, name))
            return true;
    return false;
}

unsigned head_count(struct slice head, const char *name)
{
    const struct slice wanted = slice_str(name);
    unsigned count = 0;
    struct field field;
    for (size_t offset = 0; head_next(head, &offset, &field);)
        count += slice_equal_nocase(field.name, wanted);
    return count;
}

/* By their first letter: parts of names, without what stands between words. */
#define WORDS_MAX 6
static const char *const secret_words['z' - 'a' + 1][WORDS_MAX] = {
    ['a' - 'a'] = {"accesskey", "accountkey", "apikey", "appkey", "applicationkey", "auth"},
    ['b' - 'a'] = {"bearer"},
    ['c' - 'a'] = {"clientkey", "cookie", "credential", "csrf"},
    ['f' - 'a'] = {"functionskey"},
    ['j' - 'a'] = {"jwt"},
    ['m' - 'a'] = {"masterkey"},
    ['p' - 'a'] = {"passphrase", "passwd", "password", "privatekey"},
    ['s' - 'a'] = {"secret", "session", "sharedkey", "subscriptionkey"},
    ['t' - 'a'] = {"token"},
    ['x' - 'a'] = {"xsrf"},
};

/* Whether name has the word at that place, with - or _ wherever. *rest: behind it. */
static bool has_word(struct slice name, size_t at, const char *word, struct slice *rest)
{
    for (; *word; word++, at++) {
        while (at < name.len && (name.data[at] == '-' || name.data[at] == '_'))
            at++;
        if (at == name.len || (name.data[at] | 0x20) != *word)
            return false;
    }
    *rest = slice_of(name.data + at, name.len - at);
    return true;
}

/* X-Author is no X-Auth. */
static bool is_author(const char *word, struct slice rest)
{
    return strcmp(word, "auth") == 0 && rest.len >= 2 &&
           slice_equal_nocase(slice_of(rest.data, 2), slice_str("or")) &&
           (rest.len == 2 || (rest.data[2] | 0x20) != 'i');
}

/* Most words are ruled out by their second letter. */
static bool may_have_word(struct slice name, size_t at, const char *word)
{
    const char next = at + 1 < name.len ? name.data[at + 1] : '\0';
    return next == '-' || next == '_' || (next | 0x20) == word[1];
}

bool head_is_secret(struct slice name)
{
    struct slice rest;
    for (size_t i = 0; i < name.len; i++) {
        const char c = (char)(name.data[i] | 0x20);
        if (c < 'a' || c > 'z')
            continue;
        const char *const *words = secret_words[c - 'a'];
        for (size_t j = 0; j < WORDS_MAX && words[j]; j++)
            if (may_have_word(name, i, words[j]) && has_word(name, i, words[j], &rest) &&
                !is_author(words[j], rest))
                return true;
    }
    return false;
}
