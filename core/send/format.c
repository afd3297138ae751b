/* SPDX-License-Identifier: MIT */
/* Messages as CloudEvents 1.0 (HTTP protocol binding, JSON format): the attributes as headers ce-…
 * beside the body as it is (binary), or everything in one JSON object (structured). Headers ce-…
 * that the message has are attributes too, and win. */
#include "send/outgoing_int.h"

#include "base/clock.h"
#include "base/json.h"
#include "base/limits.h"
#include "signature/signature.h"

#define PREFIX "ce-"
#define PREFIX_LEN (sizeof PREFIX - 1)
#define STRUCTURED_TYPE "application/cloudevents+json; charset=utf-8"
#define STRUCTURED_BYTES_MAX (2 * (size_t)LIMIT_BODY_BYTES_HARD)

#define ATTRIBUTES_MAX 5

struct attribute {
    const char *name; /* of the header */
    struct slice value;
};

/* What each event has. */
struct attributes {
    struct attribute list[ATTRIBUTES_MAX];
    char id[ID_TEXT_BYTES];
    char time[CLOCK_ISO_BYTES];
};

static void make_attributes(const struct endpoint_spec *endpoint, const struct message *message,
                            struct attributes *attributes)
{
    id_format(ID_MESSAGE, message->id, attributes->id);
    clock_iso(clock_wall_of_due(id_event_ms(message->id)), attributes->time);
    const struct attribute list[ATTRIBUTES_MAX] = {
        {"ce-specversion", slice_str("1.0")},
        {"ce-id", slice_str(attributes->id)},
        {"ce-source", slice_str(endpoint->cloudevents_source)},
        {"ce-type", message->type},
        {"ce-time", slice_str(attributes->time)},
    };
    memcpy(attributes->list, list, sizeof list);
}

static bool is_attribute(struct slice name)
{
    return name.len > PREFIX_LEN &&
           slice_equal_nocase(slice_of(name.data, PREFIX_LEN), slice_str(PREFIX));
}

/* ---- Binary ---- */

/* In a header all but printable ASCII, and three of that, are percent-encoded. */
static enum status add_encoded(struct buf *out, struct slice value)
{
    enum status status = OK;
    for (size_t i = 0; i < value.len && status == OK; i++) {
        const unsigned char c = (unsigned char)value.data[i];
        status = c > 0x20 && c < 0x7f && c != '"' && c != '%' ? buf_add_byte(out, (char)c)
                                                              : buf_printf(out, "%%%02X", c);
    }
    return status;
}

static enum status add_attribute_headers(const struct attributes *attributes, struct buf *head)
{
    struct buf value;
    enum status status = OK;
    buf_init(&value, 3 * LIMIT_URL_BYTES);
    for (size_t i = 0; i < ATTRIBUTES_MAX && status == OK; i++) {
        const struct attribute *attribute = &attributes->list[i];
        if (head_count(buf_slice(head), attribute->name) > 0)
            continue;
        buf_clear(&value);
        status = add_encoded(&value, attribute->value);
        if (status == OK)
            status = head_add(head, slice_str(attribute->name), buf_slice(&value));
    }
    buf_finish(&value);
    return status;
}

/* ---- Structured ---- */

bool content_type_is_json(struct slice type)
{
    static const char *const names[] = {"application/json", "text/json"};
    const char *end = memchr(type.data, ';', type.len);
    if (end)
        type.len = (size_t)(end - type.data);
    while (type.len > 0 && type.data[type.len - 1] == ' ')
        type.len--;
    for (size_t i = 0; i < array_count(names); i++)
        if (slice_equal_nocase(type, slice_str(names[i])))
            return true;
    return type.len > 5 &&
           slice_equal_nocase(slice_of(type.data + type.len - 5, 5), slice_str("+json"));
}

static enum status add_member(struct buf *out, struct slice name, struct slice value)
{
    enum status status = buf_add_byte(out, out->len == 0 ? '{' : ',');
    if (status == OK)
        status = buf_add_json_string(out, name);
    if (status == OK)
        status = buf_add_byte(out, ':');
    return status == OK ? buf_add_json_string(out, value) : status;
}

static enum status add_members(const struct attributes *attributes, struct slice head,
                               struct buf *out)
{
    enum status status = OK;
    for (size_t i = 0; i < ATTRIBUTES_MAX && status == OK; i++) {
        const struct attribute *attribute = &attributes->list[i];
        struct slice value = attribute->value;
        (void)head_find(head, attribute->name, &value);
        status = add_member(out, slice_str(attribute->name + PREFIX_LEN), value);
    }
    struct field field;
    for (size_t offset = 0; status == OK && head_next(head, &offset, &field);) {
        bool is_known = !is_attribute(field.name);
        for (size_t i = 0; i < ATTRIBUTES_MAX; i++)
            is_known |= slice_equal_nocase(field.name, slice_str(attributes->list[i].name));
        if (!is_known)
            status =
                add_member(out, slice_of(field.name.data + PREFIX_LEN, field.name.len - PREFIX_LEN),
                           field.value);
    }
    return status;
}

static enum status add_data(struct slice type, struct slice body, struct buf *out)
{
    enum status status = add_member(out, slice_str("datacontenttype"), type);
    if (content_type_is_json(type) && json_is_valid(body)) {
        if (status == OK)
            status = buf_add_str(out, ",\"data\":");
        return status == OK ? buf_add_slice(out, body) : status;
    }
    if (status == OK)
        status = buf_add_str(out, ",\"data_base64\":\"");
    if (status == OK)
        status = base64_encode(body, out);
    return status == OK ? buf_add_byte(out, '"') : status;
}

/* The head without what the object now says. */
static enum status replace_head(struct buf *head)
{
    struct buf kept;
    struct field field;
    buf_init(&kept, head->bytes_max);
    enum status status = head_add(&kept, slice_str("content-type"), slice_str(STRUCTURED_TYPE));
    for (size_t offset = 0; status == OK && head_next(buf_slice(head), &offset, &field);)
        if (!is_attribute(field.name) && !slice_equal_nocase(field.name, slice_str("content-type")))
            status = head_add(&kept, field.name, field.value);
    buf_finish(head);
    *head = kept;
    return status;
}

static enum status make_structured(const struct attributes *attributes,
                                   struct outgoing_request *request)
{
    const struct slice head = buf_slice(&request->head);
    struct buf *out = &request->formatted;
    struct slice type = slice_str("application/octet-stream");
    buf_init(out, STRUCTURED_BYTES_MAX);
    (void)head_find(head, "content-type", &type);
    enum status status = add_members(attributes, head, out);
    if (status == OK && request->body.len > 0)
        status = add_data(type, request->body, out);
    if (status == OK)
        status = buf_add_byte(out, '}');
    if (status == OK)
        status = replace_head(&request->head);
    request->body = buf_slice(out);
    return status;
}

enum status format_apply(const struct endpoint_spec *endpoint, const struct message *message,
                         struct outgoing_request *request, struct err *err)
{
    struct attributes attributes;
    if (endpoint->cloudevents == CLOUDEVENTS_NONE)
        return OK;
    make_attributes(endpoint, message, &attributes);
    if (endpoint->cloudevents == CLOUDEVENTS_BINARY)
        return add_attribute_headers(&attributes, &request->head);
    if (head_count(buf_slice(&request->head), "content-encoding") > 0)
        return err_set(err, E_INVALID,
                       "a compressed body does not go into a structured CloudEvent: send it to an "
                       "endpoint in binary mode, or send its data");
    return make_structured(&attributes, request);
}
