/* SPDX-License-Identifier: MIT */
/* /api/v1/app/{app}/endpoint/{endpoint}/headers: what is sent to an endpoint beside what every
 * message has. All of them are kept as secrets; those whose name says that they are one are shown
 * by it only. */
#include "api/app_endpoint_int.h"

#include "base/text.h"

#define VALUE_BYTES_MAX 4096

static const struct field_form rows[] = {
    {.name = "headers", .type = FIELD_TEXTS, .is_required = true},
};
const struct field_forms endpoint_headers_fields = {rows, array_count(rows)};
static const struct field_form patch_rows[] = {
    {.name = "headers", .type = FIELD_TEXTS, .has_nulls = true},
};
const struct field_forms endpoint_headers_patch_fields = {patch_rows, array_count(patch_rows)};

/* ---- Judging --------------------------------------------------------------------------------- */

static bool is_reserved(struct slice name)
{
    static const char *const names[] = {
        "accept-encoding",
        "connection",
        "content-encoding",
        "content-length",
        "content-type",
        "expect",
        "host",
        "keep-alive",
        "te",
        "trailer",
        "upgrade",
        "user-agent",
        "traceparent",
        "transfer-encoding",
    };
    static const char *const prefixes[] = {"anzol-", "ce-",      "proxy-",
                                           "svix-",  "webhook-", "x-svix-"};
    for (size_t i = 0; i < array_count(names); i++)
        if (slice_equal_nocase(name, slice_str(names[i])))
            return true;
    for (size_t i = 0; i < array_count(prefixes); i++) {
        const size_t len = strlen(prefixes[i]);
        if (name.len >= len && slice_equal_nocase(slice_of(name.data, len), slice_str(prefixes[i])))
            return true;
    }
    return false;
}

static bool is_blank(char byte)
{
    return byte == ' ' || byte == '\t';
}

/* No line breaks or other control bytes, blanks only within. */
static bool is_value(struct slice value)
{
    for (size_t i = 0; i < value.len; i++) {
        const unsigned char byte = (unsigned char)value.data[i];
        if (byte == 0x7f || (byte < 0x20 && byte != '\t'))
            return false;
    }
    return value.len == 0 || (!is_blank(value.data[0]) && !is_blank(value.data[value.len - 1]));
}

/* A member of the object, decoded. */
struct header {
    struct buf name, value;
    bool is_gone; /* null */
};

/* What is wrong with it, or NULL. */
static const char *read_header(struct slice name, struct slice value, bool may_be_null,
                               struct header *header)
{
    header->is_gone = may_be_null && json_kind_of(value) == JSON_NULL;
    if (json_add_text(name, &header->name) != OK || !text_is_token(buf_slice(&header->name)))
        return "this is not the name of a header";
    if (is_reserved(buf_slice(&header->name)))
        return "this header is the server's own";
    if (header->is_gone)
        return NULL;
    if (json_kind_of(value) != JSON_STRING || json_add_text(value, &header->value) != OK)
        return "a string is wanted";
    if (header->value.len > VALUE_BYTES_MAX)
        return "at most 4096 bytes are wanted";
    return is_value(buf_slice(&header->value))
               ? NULL
               : "no control bytes, and no blanks at its ends, may be part of it";
}

/* Adds those of the body to given, and to `named` all that it names. */
static void read_headers(struct call *call, bool may_be_null, struct buf *given, struct buf *named,
                         struct complaints *complaints)
{
    struct slice headers;
    struct slice name;
    struct slice value;
    const struct slice body = http_body(call->request);
    if (!json_is_valid(body) || json_kind_of(body) != JSON_OBJECT) {
        complain(complaints, "body", slice_of("", 0), NO_OBJECT);
        return;
    }
    if (!json_find(body, "headers", &headers) || json_kind_of(headers) != JSON_OBJECT) {
        complain(complaints, "body", slice_str("headers"), "an object of strings is wanted");
        return;
    }
    for (size_t offset = 0; json_next_member(headers, &offset, &name, &value);) {
        struct header header = {0};
        buf_init(&header.name, LIMIT_API_BODY_BYTES);
        buf_init_secret(&header.value, LIMIT_API_BODY_BYTES);
        const char *fault = read_header(name, value, may_be_null, &header);
        if (!fault && head_count(buf_slice(named), header.name.data) > 0)
            fault = "it is there twice";
        if (!fault)
            check(head_add(named, buf_slice(&header.name), slice_of("", 0)) == OK);
        if (!fault && !header.is_gone)
            check(head_add(given, buf_slice(&header.name), buf_slice(&header.value)) == OK);
        if (fault)
            complain_of_member(complaints, "headers", name, fault);
        buf_finish(&header.name);
        buf_finish(&header.value);
    }
}

/* ---- Keeping --------------------------------------------------------------------------------- */

/* The JSON object of a resource's headers; "{}": it has none. */
static struct slice kept_of(const struct resource *row)
{
    for (size_t i = 0; i < row->secret_count; i++)
        if (row->secrets[i].kind == SECRET_HEADERS && row->secrets[i].expires_ms == 0)
            return slice_of(row->secrets[i].text, row->secrets[i].len);
    return slice_str("{}");
}

/* Adds those that are kept and not named. */
static void add_kept(struct slice kept, const struct buf *named, struct buf *given)
{
    struct slice name;
    struct slice value;
    for (size_t offset = 0; json_next_member(kept, &offset, &name, &value);) {
        struct header header = {0};
        buf_init(&header.name, LIMIT_SECRET_BYTES);
        buf_init_secret(&header.value, LIMIT_SECRET_BYTES);
        check(json_add_text(name, &header.name) == OK && json_add_text(value, &header.value) == OK);
        if (head_count(buf_slice(named), header.name.data) == 0)
            check(head_add(given, buf_slice(&header.name), buf_slice(&header.value)) == OK);
        buf_finish(&header.name);
        buf_finish(&header.value);
    }
}

static size_t count_of(struct slice head)
{
    struct field field;
    size_t count = 0;
    for (size_t offset = 0; head_next(head, &offset, &field);)
        count++;
    return count;
}

/* As a JSON object. Not OK: they are too large. */
static enum status write_kept(struct slice head, struct buf *out)
{
    struct field field;
    enum status status = buf_add_byte(out, '{');
    for (size_t offset = 0; status == OK && head_next(head, &offset, &field);) {
        if (out->len > 1)
            status = buf_add_byte(out, ',');
        if (status == OK)
            status = buf_add_json_string(out, field.name);
        if (status == OK)
            status = buf_add_byte(out, ':');
        if (status == OK)
            status = buf_add_json_string(out, field.value);
    }
    return status == OK ? buf_add_byte(out, '}') : status;
}

/* What the endpoint is to have, as a JSON object in what is registered. */
static void take(struct call *call, bool is_patch, struct complaints *complaints)
{
    struct registered_call *it = registered_call_of(call);
    struct buf given;
    struct buf named;
    buf_init_secret(&given, 4 * LIMIT_SECRET_BYTES);
    buf_init(&named, 4 * LIMIT_SECRET_BYTES);
    buf_clear(&it->headers);
    read_headers(call, is_patch, &given, &named, complaints);
    if (is_patch)
        add_kept(kept_of(&call->resource.row), &named, &given);
    if (count_of(buf_slice(&given)) > LIMIT_ENDPOINT_HEADERS)
        complain(complaints, "body", slice_str("headers"), "at most 50 headers are wanted");
    else if (write_kept(buf_slice(&given), &it->headers) != OK)
        complain(complaints, "body", slice_str("headers"), "together they are too large");
    buf_finish(&given);
    buf_finish(&named);
}

static void change(struct call *call, bool is_patch, struct complaints *complaints)
{
    take(call, is_patch, complaints);
    if (complaints->count == 0)
        registered_call_put_secret(call, SECRET_HEADERS,
                                   buf_slice(&registered_call_of(call)->headers), 0);
}

void endpoint_take_headers(struct call *call, struct complaints *complaints)
{
    const struct slice body = http_body(call->request);
    struct slice value;
    if (body.len > 0 && call->resource.verb != RESOURCE_REPLACE &&
        json_find(body, "headers", &value) && json_kind_of(value) != JSON_NULL)
        take(call, false, complaints);
}

static void replace(struct call *call, struct complaints *complaints)
{
    change(call, false, complaints);
}

static void patch(struct call *call, struct complaints *complaints)
{
    change(call, true, complaints);
}

void api_replace_endpoint_headers(struct call *call)
{
    resource_touch(call, replace);
}

void api_patch_endpoint_headers(struct call *call)
{
    resource_touch(call, patch);
}

/* ---- Showing --------------------------------------------------------------------------------- */

static bool is_sensitive(struct slice name)
{
    struct buf text;
    buf_init_secret(&text, LIMIT_SECRET_BYTES);
    const bool is_sensitive = json_add_text(name, &text) == OK && head_is_secret(buf_slice(&text));
    buf_finish(&text);
    return is_sensitive;
}

/* A name is a token: it is in JSON as it is. */
static void write_member(struct document *out, struct slice name, struct slice value)
{
    struct buf text;
    buf_init_secret(&text, LIMIT_SECRET_BYTES);
    check(json_add_text(name, &text) == OK);
    document_key(out, text.data);
    document_json(out, value);
    buf_finish(&text);
}

void api_write_endpoint_headers(const struct call *call, struct document *out)
{
    const struct slice kept = kept_of(&call->list_resources.rows[0]);
    struct slice name;
    struct slice value;
    document_open(out, '{');
    document_key(out, "headers");
    document_open(out, '{');
    for (size_t offset = 0; json_next_member(kept, &offset, &name, &value);)
        if (!is_sensitive(name))
            write_member(out, name, value);
    document_close(out, '}');
    document_key(out, "sensitive");
    document_open(out, '[');
    for (size_t offset = 0; json_next_member(kept, &offset, &name, &value);)
        if (is_sensitive(name))
            document_json(out, name);
    document_close(out, ']');
    document_close(out, '}');
}
