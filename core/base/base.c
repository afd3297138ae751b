/* SPDX-License-Identifier: MIT */
#include "base/base.h"

#include "base/log.h"

#include <stdlib.h>

static const char *const names[STATUS_COUNT] = {
    [OK] = "ok",
    [E_NOMEM] = "nomem",
    [E_LIMIT] = "limit",
    [E_INVALID] = "invalid",
    [E_NOTFOUND] = "notfound",
    [E_CONFLICT] = "conflict",
    [E_BUSY] = "busy",
    [E_IO] = "io",
    [E_REMOTE] = "remote",
    [E_CANCELLED] = "cancelled",
};

const char *status_name(enum status status)
{
    return (unsigned)status < STATUS_COUNT ? names[status] : "unknown";
}

void check_failed(const char *condition, const char *file, int line)
{
    log_error("invariant broken", "condition=\"%s\" at=%s:%d", condition, file, line);
    abort();
}

static unsigned char lower(char c)
{
    return (unsigned char)(c >= 'A' && c <= 'Z' ? c + ('a' - 'A') : c);
}

bool slice_equal_nocase(struct slice a, struct slice b)
{
    if (a.len != b.len)
        return false;
    for (size_t i = 0; i < a.len; i++)
        if (lower(a.data[i]) != lower(b.data[i]))
            return false;
    return true;
}

bool slice_contains_nocase(struct slice text, const char *part)
{
    const struct slice wanted = slice_str(part);
    for (size_t i = 0; i + wanted.len <= text.len; i++)
        if (lower(text.data[i]) == lower(part[0]) && /* most end here */
            slice_equal_nocase(slice_of(text.data + i, wanted.len), wanted))
            return true;
    return false;
}

static bool is_blank(char c)
{
    return c == ' ' || c == '\t';
}

struct slice slice_trim(struct slice text)
{
    while (text.len > 0 && is_blank(text.data[0]))
        text = slice_of(text.data + 1, text.len - 1);
    while (text.len > 0 && is_blank(text.data[text.len - 1]))
        text.len--;
    return text;
}
