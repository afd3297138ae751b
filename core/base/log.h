/* SPDX-License-Identifier: MIT */
/* The log: one line a call, on standard error. Any thread.
 * A line is an event name in plain words and key=value pairs made by a printf format. Never
 * bodies, secrets or whole headers. error: somebody must act; warn: degraded, heals by itself;
 * info: life cycle; debug: per event. A value that may hold spaces stands in quotes in the format,
 * and quotes in it are escaped: key="a \"b\""; a bare %s behind = gets quotes where it needs them.
 * Control bytes become spaces, a line ends at 8 KiB. A pipe that is full never blocks the caller:
 * the line is dropped and counted. */
#ifndef BASE_LOG_H
#define BASE_LOG_H

#include "base/base.h"

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG, LOG_LEVEL_COUNT };
enum log_format { LOG_TEXT, LOG_JSON };

#define LOG_LINE_BYTES_MAX 8192

/* Called once at start, before threads. Default: info, text. */
void log_setup(enum log_level level, enum log_format format);
bool log_level_parse(const char *text, enum log_level *level);
void log_write(enum log_level level, const char *event, const char *format, ...) PRINTF_LIKE(3, 4);
bool log_enabled(enum log_level level);
/* For specs: from now on every line of any level goes there instead (details as formatted); NULL:
 * to standard error again. One thread. */
typedef void (*log_cb)(enum log_level level, const char *event, const char *details, void *ctx);
void log_divert(log_cb on_line, void *ctx);
/* Whether a value may stand bare: no spaces, quotes or control bytes. */
bool log_is_word(struct slice value);
/* Lines that a full pipe swallowed. */
uint64_t log_dropped(void);

#define log_error(event, ...) log_write(LOG_ERROR, event, __VA_ARGS__)
#define log_warn(event, ...) log_write(LOG_WARN, event, __VA_ARGS__)
#define log_info(event, ...) log_write(LOG_INFO, event, __VA_ARGS__)
#define log_debug(event, ...)                                                                      \
    (log_enabled(LOG_DEBUG) ? log_write(LOG_DEBUG, event, __VA_ARGS__) : (void)0)

#endif
