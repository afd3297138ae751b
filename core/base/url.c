/* SPDX-License-Identifier: MIT */
#include "base/url.h"

int hex_value(char c)
{
    if (c >= '0' && c <= '9')
        return c - '0';
    if (c >= 'a' && c <= 'f')
        return c - 'a' + 10;
    return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

int percent_byte(struct slice text, size_t at)
{
    if (text.len - at < 3 || text.data[at] != '%')
        return -1;
    const int high = hex_value(text.data[at + 1]);
    const int low = hex_value(text.data[at + 2]);
    return high < 0 || low < 0 ? -1 : high * 16 + low;
}

char form_byte(struct slice text, size_t *at)
{
    const int byte = percent_byte(text, *at);
    const char c = text.data[*at];
    *at += byte >= 0 ? 3 : 1;
    if (byte >= 0)
        return (char)byte;
    return c == '+' ? ' ' : c;
}
