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

#define LETTER(c) (1u << ((c) - 'a'))

bool head_is_secret(struct slice name)
{
    static const struct slice words[] = {
        {"api-key", 7},  {"apikey", 6}, {"authorization", 13}, {"cookie", 6},
        {"password", 8}, {"secret", 6}, {"token", 5},
    };
    static const uint32_t firsts =
        LETTER('a') | LETTER('c') | LETTER('p') | LETTER('s') | LETTER('t');
    for (size_t i = 0; i < name.len; i++) {
        const char c = (char)(name.data[i] | 0x20);
        if (c < 'a' || c > 'z' || !(firsts & LETTER(c)))
            continue;
        for (size_t j = 0; j < array_count(words); j++)
            if (words[j].data[0] == c && words[j].len <= name.len - i &&
                slice_equal_nocase(slice_of(name.data + i, words[j].len), words[j]))
                return true;
    }
    return false;
}
