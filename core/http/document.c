/* SPDX-License-Identifier: MIT */
#include "http/document.h"

#include "base/clock.h"
#include "base/text.h"
#include "signature/signature.h"

#include <inttypes.h>
#include <stdio.h>

#define NUMBER_BYTES 24
#define KEY_BYTES 64
#define CONTROL_SHARE 20 /* one byte of so many, at most, in what is shown as text */

void document_init(struct document *out, size_t bytes_max)
{
    *out = (struct document){.status = OK};
    buf_init(&out->buf, bytes_max);
}

void document_finish(struct document *out)
{
    buf_finish(&out->buf);
}

static void latch(struct document *out, enum status status)
{
    if (out->status == OK)
        out->status = status;
}

static void raw(struct document *out, const char *text)
{
    if (out->status == OK)
        latch(out, buf_add_str(&out->buf, text));
}

/* A value begins: the comma that it may need. */
static void begin(struct document *out)
{
    if (out->needs_comma)
        raw(out, ",");
    out->needs_comma = true;
}

void document_open(struct document *out, char bracket)
{
    begin(out);
    raw(out, (const char[]){bracket, '\0'});
    out->needs_comma = false;
}

void document_close(struct document *out, char bracket)
{
    raw(out, (const char[]){bracket, '\0'});
    out->needs_comma = true;
}

void document_key(struct document *out, const char *name)
{
    begin(out);
    raw(out, "\"");
    raw(out, name);
    raw(out, "\":");
    out->needs_comma = false;
}

void document_text(struct document *out, struct slice text)
{
    begin(out);
    if (out->status == OK)
        latch(out, buf_add_json_string(&out->buf, text));
}

void document_str(struct document *out, const char *text)
{
    if (text)
        document_text(out, slice_str(text));
    else
        document_null(out);
}

void document_json(struct document *out, struct slice json)
{
    begin(out);
    if (out->status == OK)
        latch(out, buf_add_slice(&out->buf, json));
}

void document_number(struct document *out, int64_t number)
{
    char text[NUMBER_BYTES];
    (void)snprintf(text, sizeof text, "%" PRId64, number);
    begin(out);
    raw(out, text);
}

void document_bool(struct document *out, bool value)
{
    begin(out);
    raw(out, value ? "true" : "false");
}

void document_null(struct document *out)
{
    begin(out);
    raw(out, "null");
}

void document_instant(struct document *out, int64_t ms)
{
    char text[CLOCK_ISO_BYTES];
    if (ms == 0) {
        document_null(out);
        return;
    }
    clock_iso(ms, text);
    document_str(out, text);
}

void document_due(struct document *out, int64_t ms)
{
    document_instant(out, ms == 0 ? 0 : clock_wall_of_due(ms));
}

/* Each control character takes six bytes: text that has many is no text to anybody, and as base64
 * it is a fifth of that. */
static bool is_text(struct slice bytes)
{
    size_t controls = 0;
    for (size_t i = 0; i < bytes.len; i++) {
        const unsigned char c = (unsigned char)bytes.data[i];
        controls += c < 0x20 && c != '\t' && c != '\n' && c != '\r';
    }
    return controls <= bytes.len / CONTROL_SHARE && text_is_utf8(bytes);
}

void document_bytes(struct document *out, const char *name, struct slice bytes)
{
    char encoding_name[KEY_BYTES];
    const bool is_readable = is_text(bytes);
    document_key(out, name);
    if (is_readable) {
        document_text(out, bytes);
    } else {
        begin(out);
        raw(out, "\"");
        if (out->status == OK)
            latch(out, base64_encode(bytes, &out->buf));
        raw(out, "\"");
    }
    (void)snprintf(encoding_name, sizeof encoding_name, "%sEncoding", name);
    document_key(out, encoding_name);
    document_str(out, is_readable ? "utf-8" : "base64");
}
