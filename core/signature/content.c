/* SPDX-License-Identifier: MIT */
#include "signature/content_int.h"

#include "base/limits.h"
#include "base/url.h"

#define NO_URL                                                                                     \
    "this scheme signs the URL as the sender knows it: give the source 'public_url', as "          \
    "https://hooks.example/in/NAME"

/* The escapes that HubSpot decodes before it signs, and no others. */
static const char decoded_marks[] = ":/?@!$'()*,;";

static enum status add_decoded_url(struct slice url, struct buf *out)
{
    enum status status = OK;
    for (size_t i = 0; i < url.len && status == OK; i++) {
        char c = url.data[i];
        const int mark = percent_byte(url, i);
        if (mark > 0 && strchr(decoded_marks, mark)) {
            c = (char)mark;
            i += 2;
        }
        status = buf_add_byte(out, c);
    }
    return status;
}

static enum status add_made(enum part_kind kind, const struct content_input *input,
                            struct content *content)
{
    enum status status = OK;
    if (kind == PART_DECODED_URL)
        status = add_decoded_url(input->url, &content->made);
    else if (content_is_form(input->head))
        status = form_add_sorted(input->body, &content->made);
    content->parts[content->count++] = buf_slice(&content->made);
    return status;
}

static struct slice part_of(const struct part *part, const struct content_input *input)
{
    switch (part->kind) {
    case PART_LITERAL:
        return slice_str(part->literal);
    case PART_BODY:
        return input->body;
    case PART_ID:
        return input->id;
    case PART_METHOD:
        return input->method;
    case PART_TIMESTAMP:
        return input->timestamp;
    case PART_URL:
        return input->url;
    case PART_DECODED_URL:
    case PART_FORM:
    case PART_COUNT:
        break;
    }
    return slice_str("");
}

enum status content_make(const struct recipe *recipe, const struct content_input *input,
                         struct content *content, struct err *err)
{
    content->count = 0;
    buf_init(&content->made, LIMIT_BODY_BYTES_HARD);
    for (size_t i = 0; i < recipe->part_count; i++) {
        const enum part_kind kind = recipe->parts[i].kind;
        const bool needs_url = kind == PART_URL || kind == PART_DECODED_URL;
        if (needs_url && input->url.len == 0)
            return err_set(err, E_INVALID, "%s", NO_URL);
        if (kind != PART_DECODED_URL && kind != PART_FORM) {
            content->parts[content->count++] = part_of(&recipe->parts[i], input);
            continue;
        }
        const enum status status = add_made(kind, input, content);
        if (status != OK)
            return err_set(err, status, "the form has too many fields, or memory ended");
    }
    return OK;
}

void content_finish(struct content *content)
{
    buf_finish(&content->made);
}

bool content_is_form(struct slice head)
{
    static const char form[] = "application/x-www-form-urlencoded";
    struct slice type;
    return head_find(head, "content-type", &type) && type.len >= sizeof form - 1 &&
           slice_equal_nocase(slice_of(type.data, sizeof form - 1), slice_str(form));
}

bool content_find_parameter(struct slice query, const char *name, struct slice *value)
{
    const size_t name_len = strlen(name);
    const char *const end = query.data + query.len;
    for (const char *at = query.data; at < end;) {
        const char *next = memchr(at, '&', (size_t)(end - at));
        const size_t len = (size_t)((next ? next : end) - at);
        if (len > name_len && memcmp(at, name, name_len) == 0 && at[name_len] == '=') {
            *value = slice_of(at + name_len + 1, len - name_len - 1);
            return true;
        }
        at = next ? next + 1 : end;
    }
    return false;
}

bool content_find_query(struct slice url, const char *name, struct slice *value)
{
    const char *mark = url.len > 0 ? memchr(url.data, '?', url.len) : NULL;
    const size_t skipped = mark ? (size_t)(mark + 1 - url.data) : url.len;
    return content_find_parameter(slice_of(url.data + skipped, url.len - skipped), name, value);
}
