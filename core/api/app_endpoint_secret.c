/* SPDX-License-Identifier: MIT */
/* /api/v1/app/{app}/endpoint/{endpoint}/secret: the key that messages are signed with, and its
 * rotation, after which the one before still signs too for a while. Of an asymmetric key only the
 * public half is shown. */
#include "api/app_endpoint_int.h"

#include <stdlib.h>

#define GRACE_S_MAX 604800
#define GRACE_S 86400

static const struct field_form rows[] = {
    {.name = "key", .type = FIELD_SECRET, .is_nullable = true, .is_apart = true},
    {.name = "gracePeriodSeconds",
     .type = FIELD_INTEGER,
     .min = 0,
     .max = GRACE_S_MAX,
     .absent = "86400",
     .is_nullable = true},
};
const struct field_forms endpoint_rotation_fields = {rows, array_count(rows)};

/* ---- Rotation -------------------------------------------------------------------------------- */

static int64_t read_grace_ms(struct call *call, struct complaints *complaints)
{
    const struct slice given = http_body(call->request);
    const struct fields_input input = {
        .forms = &endpoint_rotation_fields,
        .mode = FIELDS_MADE,
        .body = given.len > 0 ? given : slice_str("{}"),
    };
    struct buf fields;
    struct slice grace;
    int64_t grace_s = GRACE_S;
    buf_init(&fields, LIMIT_API_BODY_BYTES);
    check(fields_read(&input, complaints, &fields) == OK);
    if (complaints->count == 0 && json_find(buf_slice(&fields), "gracePeriodSeconds", &grace))
        grace_s = strtoll(grace.data, NULL, 10);
    buf_finish(&fields);
    return grace_s * 1000;
}

static void rotate(struct call *call, struct complaints *complaints)
{
    struct registered_call *it = registered_call_of(call);
    const int64_t grace_ms = read_grace_ms(call, complaints);
    if (complaints->count > 0)
        return;
    buf_clear(&it->key);
    endpoint_take_key(call, "key", complaints);
    if (complaints->count == 0)
        registered_call_put_secret(call, SECRET_KEY, buf_slice(&it->key), grace_ms);
}

void api_rotate_endpoint_secret(struct call *call)
{
    resource_touch(call, rotate);
}

/* ---- Showing --------------------------------------------------------------------------------- */

void api_write_endpoint_secret(const struct call *call, struct document *out)
{
    const struct resource *row = &call->list_resources.rows[0];
    struct buf text;
    buf_init_secret(&text, LIMIT_SECRET_BYTES);
    for (size_t i = 0; i < row->secret_count; i++)
        if (row->secrets[i].kind == SECRET_KEY && row->secrets[i].expires_ms == 0)
            check(key_add_shown(slice_of(row->secrets[i].text, row->secrets[i].len), &text) == OK);
    document_open(out, '{');
    document_key(out, "key");
    document_text(out, buf_slice(&text));
    document_close(out, '}');
    buf_finish(&text);
}
