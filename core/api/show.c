/* SPDX-License-Identifier: MIT */
#include "api/api_int.h"

void show_id(struct document *out, const char *name, enum id_kind kind, uint64_t id)
{
    char text[ID_TEXT_BYTES];
    document_key(out, name);
    if (id == 0) {
        document_null(out);
        return;
    }
    id_format(kind, id, text);
    document_str(out, text);
}

/* Is told by its name only. */
static bool may_be_secret(struct slice name)
{
    return head_is_secret(name) || slice_contains_nocase(name, "signature");
}

static void show_fields(struct document *out, const char *name, struct slice head, bool is_masked)
{
    document_key(out, name);
    document_open(out, '[');
    struct field field;
    for (size_t offset = 0; head_next(head, &offset, &field);) {
        if (field.name.len > 0 && field.name.data[0] == ':')
            continue;
        document_open(out, '{');
        document_key(out, "name");
        document_text(out, field.name);
        document_key(out, "value");
        document_text(out, !is_masked && may_be_secret(field.name) ? slice_str(HEAD_MASKED)
                                                                   : field.value);
        document_close(out, '}');
    }
    document_close(out, ']');
}

void show_headers(struct document *out, const char *name, struct slice head)
{
    show_fields(out, name, head, false);
}

void show_sent_headers(struct document *out, const char *name, struct slice head)
{
    show_fields(out, name, head, true);
}

void show_list_open(struct document *out)
{
    document_open(out, '{');
    document_key(out, "data");
    document_open(out, '[');
}

void show_list_close(struct document *out)
{
    document_close(out, ']');
    document_close(out, '}');
}
