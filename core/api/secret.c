/* SPDX-License-Identifier: MIT */
/* /api/v1/secrets: how the secrets in the store are sealed, and their rotation to another key.
 * Shows the ids of keys, never a key or a secret. */
#include "api/fields_int.h"

static const struct field_form fields[] = {
    {.name = "key", .type = FIELD_TEXT, .max = SIGNATURE_KEY_BYTES_MAX, .is_nullable = true},
};
const struct field_forms rotation_fields = {fields, array_count(fields)};

static void write_count(struct document *out, const char *name, uint64_t count)
{
    document_key(out, name);
    document_number(out, (int64_t)count);
}

static void write_rotation(struct document *out, const struct api_secrets *secrets)
{
    document_key(out, "rotation");
    document_open(out, '{');
    document_key(out, "isRunning");
    document_bool(out, secrets->is_rotating);
    write_count(out, "total", secrets->total_count);
    write_count(out, "lookedAt", secrets->looked_at_count);
    write_count(out, "sealed", secrets->sealed_count);
    write_count(out, "failed", secrets->failed_count);
    document_close(out, '}');
}

static uint64_t count_of(const struct store_count_secrets *counts, const char *key)
{
    for (size_t i = 0; i < counts->row_count; i++)
        if (strcmp(counts->rows[i].key, key) == 0)
            return counts->rows[i].count;
    return 0;
}

void api_write_secrets(const struct call *call, struct document *out)
{
    struct api_secrets secrets;
    call->api->hooks.secrets(&secrets, call->api->hooks.ctx);
    document_open(out, '{');
    document_key(out, "isSealed");
    document_bool(out, secrets.key_count > 0);
    document_key(out, "source");
    document_str(out, secrets.source);
    document_key(out, "keys");
    document_open(out, '[');
    for (size_t i = 0; i < secrets.key_count; i++) {
        document_open(out, '{');
        document_key(out, "id");
        document_str(out, secrets.keys[i]);
        document_key(out, "isCurrent");
        document_bool(out, i == 0);
        write_count(out, "secrets", count_of(&call->count_secrets, secrets.keys[i]));
        document_close(out, '}');
    }
    document_close(out, ']');
    write_count(out, "plain", count_of(&call->count_secrets, ""));
    write_rotation(out, &secrets);
    document_close(out, '}');
}

void api_show_secrets(struct call *call)
{
    call_read(call, STORE_COUNT_SECRETS);
}

static void rotate(struct call *call, const char *keys)
{
    struct err err = {0};
    const enum status status = call->api->hooks.rotate(keys, &err, call->api->hooks.ctx);
    if (status == E_BUSY || status == E_CANCELLED) {
        call_refuse(call, 409, "busy", err.text);
        return;
    }
    if (status != OK) {
        call_refuse(call, 422, "key", err.text);
        return;
    }
    struct api_secrets secrets;
    struct document out;
    call->api->hooks.secrets(&secrets, call->api->hooks.ctx);
    document_init(&out, SMALL_ANSWER_BYTES_MAX);
    document_open(&out, '{');
    document_key(&out, "key");
    document_str(&out, secrets.keys[0]);
    document_close(&out, '}');
    call_answer(call, 202, &out);
}

void api_rotate_secrets(struct call *call)
{
    struct complaints complaints;
    struct buf body;
    struct buf key;
    complaints_begin(&complaints);
    buf_init_secret(&body, 2 * LIMIT_API_BODY_BYTES);
    buf_init_secret(&key, LIMIT_API_BODY_BYTES);
    const struct fields_input input = {
        .forms = &rotation_fields, .mode = FIELDS_MADE, .body = http_body(call->request)};
    enum status status = fields_read(&input, &complaints, &body);
    if (complaints_end(call, &complaints)) {
        if (status == OK)
            status = fields_text(body.data, "key", &key);
        if (status == OK)
            rotate(call, key.len > 0 ? key.data : NULL);
        else
            call_refuse(call, 503, "memory", "no memory; try again");
    }
    buf_finish(&body);
    buf_finish(&key);
}
