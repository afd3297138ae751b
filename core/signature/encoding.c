/* SPDX-License-Identifier: MIT */
/* Hex and base64 (RFC 4648), canonical: what decodes has exactly one spelling. */
#include "signature/signature.h"

#include "base/url.h"

static const char hex_digits[] = "0123456789abcdef";
static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
static const char url_alphabet[] =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";

enum status hex_encode(struct slice in, struct buf *out)
{
    const enum status status = buf_reserve(out, in.len * 2);
    if (status != OK)
        return status;
    char *place = out->data + out->len;
    for (size_t i = 0; i < in.len; i++) {
        const unsigned char byte = (unsigned char)in.data[i];
        *place++ = hex_digits[byte >> 4];
        *place++ = hex_digits[byte & 15];
    }
    *place = '\0';
    out->len += in.len * 2;
    return OK;
}

static int hex_value_of_case(char c, bool *has_lower, bool *has_upper)
{
    *has_lower |= c >= 'a' && c <= 'f';
    *has_upper |= c >= 'A' && c <= 'F';
    return hex_value(c);
}

enum status hex_decode(struct slice in, struct buf *out)
{
    if (in.len % 2 != 0)
        return E_INVALID;
    const enum status status = buf_reserve(out, in.len / 2);
    if (status != OK)
        return status;
    bool has_lower = false;
    bool has_upper = false;
    for (size_t i = 0; i < in.len; i += 2) {
        const int high = hex_value_of_case(in.data[i], &has_lower, &has_upper);
        const int low = hex_value_of_case(in.data[i + 1], &has_lower, &has_upper);
        if (high < 0 || low < 0)
            return E_INVALID;
        out->data[out->len + i / 2] = (char)(unsigned char)(high << 4 | low);
    }
    if (has_lower && has_upper)
        return E_INVALID;
    out->len += in.len / 2;
    out->data[out->len] = '\0';
    return OK;
}

/* Both alphabets; without padding the surplus is cut off. */
static enum status encode(struct slice in, const char *letters, bool is_padded, struct buf *out)
{
    const size_t len = (in.len + 2) / 3 * 4;
    const enum status status = buf_reserve(out, len);
    if (status != OK)
        return status;
    char *place = out->data + out->len;
    for (size_t i = 0; i < in.len; i += 3) {
        const size_t left = in.len - i;
        const uint32_t a = (unsigned char)in.data[i];
        const uint32_t b = left > 1 ? (unsigned char)in.data[i + 1] : 0;
        const uint32_t c = left > 2 ? (unsigned char)in.data[i + 2] : 0;
        const uint32_t group = a << 16 | b << 8 | c;
        *place++ = letters[group >> 18];
        *place++ = letters[group >> 12 & 63];
        *place++ = left > 1 ? letters[group >> 6 & 63] : '=';
        *place++ = left > 2 ? letters[group & 63] : '=';
    }
    const size_t padding = is_padded ? 0 : (3 - in.len % 3) % 3;
    *(place - padding) = '\0';
    out->len += len - padding;
    return OK;
}

enum status base64_encode(struct slice in, struct buf *out)
{
    return encode(in, alphabet, true, out);
}

enum status base64url_encode(struct slice in, struct buf *out)
{
    return encode(in, url_alphabet, false, out);
}

static int base64_value(char c, bool lenient)
{
    if (c >= 'A' && c <= 'Z')
        return c - 'A';
    if (c >= 'a' && c <= 'z')
        return c - 'a' + 26;
    if (c >= '0' && c <= '9')
        return c - '0' + 52;
    if (c == '+' || (lenient && c == '-'))
        return 62;
    return c == '/' || (lenient && c == '_') ? 63 : -1;
}

/* How many characters of data stand before the padding; SIZE_MAX if the padding is wrong. */
static size_t data_len(struct slice in, bool lenient)
{
    size_t len = in.len;
    while (len > 0 && in.data[len - 1] == '=' && in.len - len < 2)
        len--;
    const bool is_padded = in.len % 4 == 0 && (len == in.len || len % 4 != 0);
    const bool is_bare = lenient && len == in.len;
    return len % 4 != 1 && (is_padded || is_bare) ? len : SIZE_MAX;
}

enum status base64_decode(struct slice in, bool lenient, struct buf *out)
{
    const size_t len = data_len(in, lenient);
    if (len == SIZE_MAX)
        return E_INVALID;
    const size_t bytes = len * 3 / 4;
    const enum status status = buf_reserve(out, bytes);
    if (status != OK)
        return status;
    uint32_t bits = 0;
    unsigned bit_count = 0;
    size_t written = 0;
    for (size_t i = 0; i < len; i++) {
        const int value = base64_value(in.data[i], lenient);
        if (value < 0)
            return E_INVALID;
        bits = bits << 6 | (uint32_t)value;
        bit_count += 6;
        if (bit_count >= 8) {
            bit_count -= 8;
            out->data[out->len + written++] = (char)(unsigned char)(bits >> bit_count);
            bits &= (UINT32_C(1) << bit_count) - 1;
        }
    }
    if (bits != 0)
        return E_INVALID;
    out->len += bytes;
    out->data[out->len] = '\0';
    return OK;
}
