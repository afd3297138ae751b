/* SPDX-License-Identifier: MIT */
#include "api/api_int.h"

#define HIDDEN "[hidden]"

/* A header whose name holds one of these is shown by name only. */
static const char *const secret_words[] = {
    "api-key", "authorization", "cookie", "password", "secret", "signature", "token",
};

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

static bool contains_nocase(struct slice text, const char *word)
{
    const size_t len = strlen(word);
    for (size_t i = 0; i + len <= text.len; i++)
        if (slice_equal_nocase(slice_of(text.data + i, len), slice_of(word, len)))
            return true;
    return false;
}

static bool may_be_secret(struct slice name)
{
    for (size_t i = 0; i < array_count(secret_words); i++)
        if (contains_nocase(name, secret_words[i]))
            return true;
    return false;
}

void show_headers(struct document *out, const char *name, struct slice head)
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
        document_text(out, may_be_secret(field.name) ? slice_str(HIDDEN) : field.value);
        document_close(out, '}');
    }
    document_close(out, ']');
}
