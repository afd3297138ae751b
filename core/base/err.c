/* SPDX-License-Identifier: MIT */
#include "base/err.h"

#include <stdarg.h>
#include <stdio.h>

enum status err_set(struct err *err, enum status status, const char *format, ...)
{
    if (err) {
        va_list args;
        va_start(args, format);
        (void)vsnprintf(err->text, sizeof err->text, format, args);
        va_end(args);
        err->status = status;
    }
    return status;
}

enum status err_prefix(struct err *err, const char *format, ...)
{
    char prefix[ERR_TEXT_BYTES_MAX / 2];
    char rest[ERR_TEXT_BYTES_MAX];
    va_list args;
    va_start(args, format);
    (void)vsnprintf(prefix, sizeof prefix, format, args);
    va_end(args);
    (void)snprintf(rest, sizeof rest, "%s", err->text);
    (void)snprintf(err->text, sizeof err->text, "%s: %.*s", prefix,
                   (int)(sizeof err->text - sizeof prefix - 3), rest);
    return err->status;
}
