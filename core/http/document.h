/* SPDX-License-Identifier: MIT */
/* JSON, written straight into a buffer: no tree, since a page may hold 250 rows. Commas come by
 * themselves; the first failure (no memory, past the maximum) sticks and is asked for at the end.
 * One thread at a time. */
#ifndef HTTP_DOCUMENT_H
#define HTTP_DOCUMENT_H

#include "base/buf.h"

struct document {
    struct buf buf;
    enum status status;
    bool needs_comma;
};

void document_init(struct document *out, size_t bytes_max);
void document_finish(struct document *out);
/* '{' or '[', and their ends. */
void document_open(struct document *out, char bracket);
void document_close(struct document *out, char bracket);
/* name: plain ASCII. */
void document_key(struct document *out, const char *name);
void document_text(struct document *out, struct slice text);
/* NULL is null. */
void document_str(struct document *out, const char *text);
/* A value that is JSON already. */
void document_json(struct document *out, struct slice json);
void document_number(struct document *out, int64_t number);
void document_bool(struct document *out, bool value);
void document_null(struct document *out);
/* RFC 3339 of Unix ms; 0 is null. */
void document_instant(struct document *out, int64_t ms);
/* The same of an instant of the due clock. */
void document_due(struct document *out, int64_t ms);
/* Two members: NAME, the bytes as text, and NAMEEncoding, "utf-8" or "base64" (no UTF-8, or more
 * than one byte in twenty is a control character other than tab and line break). At most 2.2 times
 * the bytes. */
void document_bytes(struct document *out, const char *name, struct slice bytes);

#endif
