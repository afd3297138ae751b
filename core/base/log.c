/* SPDX-License-Identifier: MIT */
#include "base/log.h"

#include "base/buf.h"
#include "base/clock.h"

#include <errno.h>
#include <poll.h>
#include <stdarg.h>
#include <stdatomic.h>
#include <stdio.h>
#include <unistd.h>

#define DETAILS_BYTES_MAX (LOG_LINE_BYTES_MAX / 2)
#define FORMAT_BYTES_MAX 512

static enum log_level level_max = LOG_INFO;
static enum log_format line_format = LOG_TEXT;
static atomic_uint_fast64_t dropped;
static log_cb diverted;
static void *diverted_ctx;

static const char *const level_names[LOG_LEVEL_COUNT] = {"error", "warn", "info", "debug"};

void log_setup(enum log_level level, enum log_format format)
{
    level_max = level;
    line_format = format;
}

bool log_level_parse(const char *text, enum log_level *level)
{
    for (unsigned i = 0; i < LOG_LEVEL_COUNT; i++)
        if (strcmp(text, level_names[i]) == 0) {
            *level = (enum log_level)i;
            return true;
        }
    return false;
}

bool log_enabled(enum log_level level)
{
    return diverted || level <= level_max;
}

void log_divert(log_cb on_line, void *ctx)
{
    diverted = on_line;
    diverted_ctx = ctx;
}

uint64_t log_dropped(void)
{
    return atomic_load(&dropped);
}

/* Standard error may be a pipe that nobody reads: a line is written only if it is taken now. */
static void put_line(const char *line, size_t len)
{
    struct pollfd pollfd = {.fd = STDERR_FILENO, .events = POLLOUT};
    if (poll(&pollfd, 1, 0) != 1 || !(pollfd.revents & POLLOUT) ||
        write(STDERR_FILENO, line, len) != (ssize_t)len)
        atomic_fetch_add(&dropped, 1);
}

/* ---- Values in quotes ---- */

/* How many bytes the first len bytes of the format make. */
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored                                                                     \
    "-Wformat-nonliteral" /* a part of one that the caller's compiler saw */
static size_t measure(const char *format, size_t len, va_list args)
{
    char part[FORMAT_BYTES_MAX];
    check(len < sizeof part);
    memcpy(part, format, len);
    part[len] = '\0';
    va_list again;
    va_copy(again, args);
    const int count = vsnprintf(NULL, 0, part, again);
    va_end(again);
    return count < 0 ? 0 : (size_t)count;
}
#pragma GCC diagnostic pop

/* Where the next quote that is the format's own stands in the text; *at: where the search goes on
 * in the format. */
static size_t next_quote(const char *format, size_t *at, va_list args)
{
    const char *quote = strchr(format + *at, '"');
    if (!quote)
        return SIZE_MAX;
    *at = (size_t)(quote - format) + 1;
    return measure(format, *at - 1, args);
}

/* Copies the text that the format made; between the format's own quotes those of a value become
 * \", and \ becomes \\. A value that does not fit is cut and closed. Returns the length. */
static size_t escape_quotes(const char *text, size_t len, char out[DETAILS_BYTES_MAX],
                            const char *format, va_list args)
{
    size_t at = 0, count = 0;
    size_t quote = next_quote(format, &at, args);
    bool is_inside = false;
    for (size_t i = 0; i < len && count < DETAILS_BYTES_MAX - 4; i++) {
        if (i == quote) {
            is_inside = !is_inside;
            quote = next_quote(format, &at, args);
        } else if (is_inside && (text[i] == '"' || text[i] == '\\')) {
            out[count++] = '\\';
        }
        out[count++] = text[i];
    }
    if (is_inside)
        out[count++] = '"';
    out[count] = '\0';
    return count;
}

static void escape_controls(char *text, size_t len)
{
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)text[i] < 0x20 || text[i] == 0x7f)
            text[i] = ' ';
}

static enum status build_json(struct buf *line, enum log_level level, const char *event,
                              struct slice details)
{
    char instant[CLOCK_ISO_BYTES];
    clock_iso(clock_now_ms(), instant);
    buf_clear(line);
    enum status status =
        buf_printf(line, "{\"time\":\"%s\",\"level\":\"%s\",\"msg\":\"%s\",\"details\":", instant,
                   level_names[level], event);
    if (status == OK)
        status = buf_add_json_string(line, details);
    return status == OK ? buf_add_str(line, "}\n") : status;
}

static enum status build_text(struct buf *line, enum log_level level, const char *event,
                              struct slice details)
{
    char instant[CLOCK_ISO_BYTES];
    clock_iso(clock_now_ms(), instant);
    return buf_printf(line, "%s %-5s %s  %s\n", instant, level_names[level], event, details.data);
}

void log_write(enum log_level level, const char *event, const char *format, ...)
{
    if (!log_enabled(level))
        return;
    const int saved_errno = errno;
    char text[DETAILS_BYTES_MAX];
    char details[DETAILS_BYTES_MAX];
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    const int written = vsnprintf(text, sizeof text, format, again);
    va_end(again);
    const size_t text_len = written < 0                     ? 0
                            : (size_t)written < sizeof text ? (size_t)written
                                                            : sizeof text - 1;
    const size_t len = escape_quotes(text, text_len, details, format, args);
    va_end(args);
    escape_controls(details, len);
    if (diverted) {
        diverted(level, event, details, diverted_ctx);
        errno = saved_errno;
        return;
    }
    struct buf line;
    buf_init(&line, LOG_LINE_BYTES_MAX);
    enum status status = line_format == LOG_JSON
                             ? build_json(&line, level, event, slice_of(details, len))
                             : build_text(&line, level, event, slice_of(details, len));
    if (status == E_LIMIT && line_format == LOG_JSON) /* a byte may become three */
        status = build_json(&line, level, event, slice_of(details, len / 3));
    if (status == OK)
        put_line(line.data, line.len);
    else
        atomic_fetch_add(&dropped, 1);
    buf_finish(&line);
    errno = saved_errno;
}
