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

/* ---- Values ---- */

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

/* A value of the text that the format made: between quotes of the format's own, or of a bare %s. */
struct value {
    size_t from, to;
    bool is_quoted;
};

/* The next one; *at: where the search goes on in the format. */
static bool next_value(const char *format, size_t *at, va_list args, struct value *value)
{
    const char *quote = strchr(format + *at, '"');
    const char *bare = strstr(format + *at, "=%s");
    if (!quote && !bare)
        return false;
    const bool is_quoted = quote && (!bare || quote < bare);
    const char *start = (is_quoted ? quote : bare) + 1;
    const char *stop = is_quoted ? strchr(start, '"') : start + strlen("%s");
    check(stop != NULL);
    *at = (size_t)(stop - format) + (is_quoted ? 1 : 0);
    *value = (struct value){.from = measure(format, (size_t)(start - format), args),
                            .to = measure(format, (size_t)(stop - format), args),
                            .is_quoted = is_quoted};
    return true;
}

struct details {
    char data[DETAILS_BYTES_MAX];
    size_t len;
    bool is_full;
};

/* Room for the quote that closes and the end stays. */
static void put(struct details *details, const char *bytes, size_t len)
{
    details->is_full |= details->len + len > sizeof details->data - 2;
    if (details->is_full)
        return;
    memcpy(details->data + details->len, bytes, len);
    details->len += len;
}

bool log_is_word(struct slice value)
{
    for (size_t i = 0; i < value.len; i++)
        if ((unsigned char)value.data[i] <= 0x20 || value.data[i] == 0x7f || value.data[i] == '"')
            return false;
    return true;
}

static void put_value(struct details *details, struct slice text, bool is_quoted)
{
    const bool adds_quotes = !is_quoted && !log_is_word(text);
    if (adds_quotes)
        put(details, "\"", 1);
    for (size_t i = 0; i < text.len; i++) {
        const char pair[2] = {'\\', text.data[i]};
        const bool is_special = text.data[i] == '"' || text.data[i] == '\\';
        if (is_special && (is_quoted || adds_quotes))
            put(details, pair, 2);
        else
            put(details, &text.data[i], 1);
    }
    if (details->is_full && (is_quoted || adds_quotes))
        details->data[details->len++] = '"'; /* cut, but closed */
    else if (adds_quotes)
        put(details, "\"", 1);
}

/* What the format made, with its values as readers of key=value expect them: " becomes \" and \
 * becomes \\ in those between quotes, and a bare one that is more than a word gets quotes. */
static void put_all(struct details *details, struct slice text, const char *format, va_list args)
{
    struct value value;
    size_t at = 0, done = 0;
    while (!details->is_full && done < text.len && next_value(format, &at, args, &value)) {
        const size_t from = value.from < text.len ? value.from : text.len;
        const bool is_cut = value.to > text.len;
        const size_t to = is_cut ? text.len : value.to;
        put(details, text.data + done, from - done);
        put_value(details, slice_of(text.data + from, to - from), value.is_quoted);
        if (is_cut && value.is_quoted && from < text.len && !details->is_full)
            put(details, "\"", 1);
        done = to;
    }
    if (!details->is_full)
        put(details, text.data + done,
            text.len - done < sizeof details->data - 2 - details->len
                ? text.len - done
                : sizeof details->data - 2 - details->len);
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
    struct details details = {.len = 0};
    va_list args;
    va_start(args, format);
    va_list again;
    va_copy(again, args);
    const int written = vsnprintf(text, sizeof text, format, again);
    va_end(again);
    const size_t text_len = written < 0                     ? 0
                            : (size_t)written < sizeof text ? (size_t)written
                                                            : sizeof text - 1;
    put_all(&details, slice_of(text, text_len), format, args);
    va_end(args);
    details.data[details.len] = '\0';
    escape_controls(details.data, details.len);
    if (diverted) {
        diverted(level, event, details.data, diverted_ctx);
        errno = saved_errno;
        return;
    }
    struct buf line;
    buf_init(&line, LOG_LINE_BYTES_MAX);
    enum status status = line_format == LOG_JSON
                             ? build_json(&line, level, event, slice_of(details.data, details.len))
                             : build_text(&line, level, event, slice_of(details.data, details.len));
    if (status == E_LIMIT && line_format == LOG_JSON) /* a byte may become three */
        status = build_json(&line, level, event, slice_of(details.data, details.len / 3));
    if (status == OK)
        put_line(line.data, line.len);
    else
        atomic_fetch_add(&dropped, 1);
    buf_finish(&line);
    errno = saved_errno;
}
