/* SPDX-License-Identifier: MIT */
/* Fuzzes the reader of bodies of the API, with a field of each type. The first byte chooses how it
 * is read (made, replaced, changed). Properties: what is read is valid JSON, and reads as itself
 * again; it can be printed; what is refused is complained of in valid JSON that names a place. */
#include "api/fields_int.h"

#define OUT_BYTES (1024u * 1024)
#define OLD "{\"flag\":true,\"texts\":{\"a\":\"b\"}}"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static const struct field_form inner_rows[] = {
    {.name = "text", .type = FIELD_TEXT, .min = 1, .max = 4, .is_required = true},
    {.name = "texts", .type = FIELD_TEXTS, .absent = "{}"},
};
static const struct field_forms inner = {inner_rows, array_count(inner_rows)};
static const struct field_form rows[] = {
    {.name = "name", .type = FIELD_NAME, .min = 1, .max = 4, .is_nullable = true},
    {.name = "text", .alias = "oldText", .type = FIELD_TEXT, .min = 1, .patch_min = 0},
    {.name = "number", .type = FIELD_INTEGER, .min = 1, .max = UINT16_MAX, .is_nullable = true},
    {.name = "flag", .type = FIELD_FLAG, .absent = "false"},
    {.name = "texts", .type = FIELD_TEXTS, .absent = "{}"},
    {.name = "objects", .type = FIELD_OBJECTS, .is_nullable = true},
    {.name = "names",
     .type = FIELD_NAMES,
     .min = 1,
     .max = 4,
     .items_min = 1,
     .items_max = 3,
     .is_nullable = true},
    {.name = "form", .type = FIELD_FORM, .forms = &inner},
    {.name = "object", .type = FIELD_OBJECT},
};
static const struct field_forms forms = {rows, array_count(rows)};

/* Its text in out. False: it was complained of. */
static bool read_body(struct slice body, enum field_mode mode, struct buf *out)
{
    const struct fields_input input = {.forms = &forms, .mode = mode, .body = body, .old = OLD};
    struct complaints complaints;
    complaints_begin(&complaints);
    const enum status status = fields_read(&input, &complaints, out);
    const bool is_right = complaints.count == 0;
    check(status == OK);
    if (!is_right) {
        document_close(&complaints.out, ']');
        document_close(&complaints.out, '}');
        check(complaints.out.status == OK && json_is_valid(buf_slice(&complaints.out.buf)));
    }
    document_finish(&complaints.out);
    return is_right;
}

static void print(const struct buf *read)
{
    struct document out;
    document_init(&out, 2 * OUT_BYTES);
    document_open(&out, '{');
    fields_write(&forms, read->data, NULL, &out);
    document_close(&out, '}');
    check(out.status == OK && json_is_valid(buf_slice(&out.buf)));
    document_finish(&out);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct buf first;
    struct buf again;
    if (size < 1 || size > LIMIT_API_BODY_BYTES)
        return 0;
    const enum field_mode mode = (enum field_mode)(data[0] % (FIELDS_PATCHED + 1));
    buf_init(&first, OUT_BYTES);
    buf_init(&again, OUT_BYTES);
    if (read_body(slice_of((const char *)data + 1, size - 1), mode, &first)) {
        check(json_is_valid(buf_slice(&first)));
        check(read_body(buf_slice(&first), mode, &again));
        check(slice_equal(buf_slice(&first), buf_slice(&again)));
        print(&first);
    }
    buf_finish(&first);
    buf_finish(&again);
    return 0;
}
