/* SPDX-License-Identifier: MIT */
#include "signature/http_base_int.h"

#include "base/url.h"

#define VALUE_BYTES_MAX 65536

static char lower(char c)
{
    return c >= 'A' && c <= 'Z' ? (char)(c - 'A' + 'a') : c;
}

static bool begins_with(struct slice text, const char *prefix)
{
    const size_t len = strlen(prefix);
    return text.len >= len && slice_equal_nocase(slice_of(text.data, len), slice_str(prefix));
}

static bool ends_with(struct slice text, const char *end)
{
    const size_t len = strlen(end);
    return text.len >= len && memcmp(text.data + text.len - len, end, len) == 0;
}

/* ---- The target ---- */

static void split_url(struct slice url, struct http_target *target)
{
    const char *end = url.data + url.len;
    const char *colon = memchr(url.data, ':', url.len);
    const char *at = colon && end - colon >= 3 && memcmp(colon, "://", 3) == 0 ? colon + 3 : end;
    target->scheme = slice_of(url.data, colon ? (size_t)(colon - url.data) : 0);
    const char *path = at;
    while (path < end && *path != '/' && *path != '?' && *path != '#')
        path++;
    target->authority = slice_of(at, (size_t)(path - at));
    const char *query = path;
    while (query < end && *query != '?' && *query != '#')
        query++;
    target->path = slice_of(path, (size_t)(query - path));
    target->has_query = query < end && *query == '?';
    const char *stop = memchr(query, '#', (size_t)(end - query));
    if (target->has_query)
        target->query = slice_of(query + 1, (size_t)((stop ? stop : end) - query - 1));
    if (begins_with(target->scheme, "https") && ends_with(target->authority, ":443"))
        target->authority.len -= 4;
    else if (slice_equal_nocase(target->scheme, slice_str("http")) &&
             ends_with(target->authority, ":80"))
        target->authority.len -= 3;
}

static struct http_target target_of(const struct http_request *request)
{
    struct http_target target = {.path = {"", 0}, .query = {"", 0}};
    if (request->url.len > 0) {
        split_url(request->url, &target);
    } else {
        (void)head_find(request->head, "host", &target.authority);
        (void)head_find(request->head, ":path", &target.path);
        (void)head_find(request->head, ":query", &target.query);
        target.has_query = target.query.len > 0;
    }
    if (target.path.len == 0)
        target.path = slice_str("/");
    return target;
}

/* ---- Components ---- */

/* All fields of the name, joined as one. */
static enum status add_field(struct slice head, struct slice name, struct buf *out)
{
    struct field field;
    size_t count = 0;
    enum status status = OK;
    for (size_t offset = 0; status == OK && head_next(head, &offset, &field);) {
        if (!slice_equal_nocase(field.name, name))
            continue;
        if (count++ > 0)
            status = buf_add_str(out, ", ");
        if (status == OK)
            status = buf_add_slice(out, slice_trim(field.value));
    }
    return status == OK && count == 0 ? E_NOTFOUND : status;
}

/* One member of a field that is a dictionary. */
static enum status add_member(struct slice head, struct slice name, struct slice key,
                              struct buf *out)
{
    struct buf value;
    struct structured_item item;
    buf_init(&value, VALUE_BYTES_MAX);
    enum status status = add_field(head, name, &value);
    if (status == OK && !structured_find(buf_slice(&value), key, &item))
        status = E_NOTFOUND;
    if (status == OK && item.type == STRUCTURED_BOOLEAN)
        status = buf_add_str(out, "?1");
    if (status == OK)
        status = buf_add_slice(out, item.raw);
    buf_finish(&value);
    return status;
}

/* Decoded as a form's field, encoded again in the one way that is signed. */
static enum status add_encoded(struct slice text, struct buf *out)
{
    static const char digits[] = "0123456789ABCDEF";
    enum status status = OK;
    for (size_t i = 0; i < text.len && status == OK;) {
        const unsigned char c = (unsigned char)form_byte(text, &i);
        const bool is_plain = (lower((char)c) >= 'a' && lower((char)c) <= 'z') ||
                              (c >= '0' && c <= '9') || (c != '\0' && strchr("*-._", c));
        const char escaped[3] = {'%', digits[c >> 4], digits[c & 15]};
        status = is_plain ? buf_add_byte(out, (char)c) : buf_add(out, escaped, sizeof escaped);
    }
    return status;
}

/* The parameter of the query whose name is encoded like that; it may be there once. */
static enum status add_query_parameter(const struct http_target *target, struct slice name,
                                       struct buf *out)
{
    struct buf encoded;
    buf_init(&encoded, VALUE_BYTES_MAX);
    unsigned found = 0;
    enum status status = OK;
    struct slice rest = target->query;
    while (rest.len > 0 && status == OK) {
        const char *end = memchr(rest.data, '&', rest.len);
        const struct slice pair = slice_of(rest.data, end ? (size_t)(end - rest.data) : rest.len);
        const char *equals = pair.len > 0 ? memchr(pair.data, '=', pair.len) : NULL;
        const size_t name_len = equals ? (size_t)(equals - pair.data) : pair.len;
        buf_clear(&encoded);
        status = add_encoded(slice_of(pair.data, name_len), &encoded);
        if (status == OK && slice_equal(buf_slice(&encoded), name) && found++ == 0 && equals)
            status = add_encoded(slice_of(equals + 1, pair.len - name_len - 1), out);
        const size_t used = pair.len + (end ? 1 : 0);
        rest = slice_of(rest.data + used, rest.len - used);
    }
    buf_finish(&encoded);
    return status == OK && found != 1 ? E_NOTFOUND : status;
}

static enum status add_lower(struct slice text, struct buf *out)
{
    enum status status = text.len > 0 ? OK : E_NOTFOUND;
    for (size_t i = 0; i < text.len && status == OK; i++)
        status = buf_add_byte(out, lower(text.data[i]));
    return status;
}

static enum status add_query(const struct http_target *target, struct buf *out)
{
    const enum status status = buf_add_byte(out, '?');
    return status == OK ? buf_add_slice(out, target->query) : status;
}

static enum status add_derived(const struct http_request *request, struct slice name,
                               struct buf *out)
{
    const struct http_target target = target_of(request);
    if (slice_is(name, "@method"))
        return request->method.len > 0 ? buf_add_slice(out, request->method) : E_NOTFOUND;
    if (slice_is(name, "@target-uri"))
        return request->url.len > 0 ? buf_add_slice(out, request->url) : E_NOTFOUND;
    if (slice_is(name, "@authority"))
        return add_lower(target.authority, out);
    if (slice_is(name, "@scheme"))
        return add_lower(target.scheme, out);
    if (slice_is(name, "@path"))
        return buf_add_slice(out, target.path);
    if (slice_is(name, "@query"))
        return add_query(&target, out);
    if (slice_is(name, "@request-target")) {
        const enum status status = buf_add_slice(out, target.path);
        return status == OK && target.has_query ? add_query(&target, out) : status;
    }
    return E_INVALID;
}

/* The one parameter that a component may have here: key of a dictionary, name of a query's. */
static bool read_parameter(struct slice parameters, const char *name, struct slice *value)
{
    struct slice key;
    struct structured_item item;
    bool is_bad = false;
    const bool is_one = structured_next_parameter(&parameters, &key, &item, &is_bad) &&
                        slice_is(key, name) && item.type == STRUCTURED_STRING &&
                        parameters.len == 0;
    *value = item.text;
    return is_one;
}

static enum status add_component(const struct http_request *request,
                                 const struct structured_item *component, struct buf *out)
{
    const struct slice name = component->text;
    struct slice value;
    if (slice_is(name, "@query-param")) {
        const struct http_target target = target_of(request);
        return read_parameter(component->parameters, "name", &value)
                   ? add_query_parameter(&target, value, out)
                   : E_INVALID;
    }
    if (name.len > 0 && name.data[0] != '@' && component->parameters.len > 0)
        return read_parameter(component->parameters, "key", &value)
                   ? add_member(request->head, name, value, out)
                   : E_INVALID;
    if (component->parameters.len > 0 || name.len == 0)
        return E_INVALID;
    return name.data[0] == '@' ? add_derived(request, name, out)
                               : add_field(request->head, name, out);
}

static bool is_lower_name(struct slice name)
{
    for (size_t i = 0; i < name.len; i++)
        if (name.data[i] != lower(name.data[i]) || name.data[i] == '\\')
            return false;
    return name.len > 0;
}

static enum status add_line(const struct http_request *request,
                            const struct structured_item *component, struct buf *base,
                            struct err *err)
{
    enum status status = buf_add_slice(base, component->raw);
    if (status == OK)
        status = buf_add_str(base, ": ");
    if (status == OK)
        status = component->type == STRUCTURED_STRING && is_lower_name(component->text)
                     ? add_component(request, component, base)
                     : E_INVALID;
    if (status == OK)
        return buf_add_byte(base, '\n');
    return err_set(err, status,
                   status == E_NOTFOUND  ? "the signed component %.*s is not in the request"
                   : status == E_INVALID ? "the signed component %.*s is not supported"
                                         : "the signed component %.*s is too large",
                   (int)(component->raw.len < 100 ? component->raw.len : 100), component->raw.data);
}

enum status http_base(const struct http_request *request, struct slice list, struct slice raw,
                      struct buf *base, struct err *err)
{
    struct slice seen[HTTP_COMPONENTS_MAX];
    size_t count = 0;
    bool is_bad = false;
    struct structured_item component;
    while (structured_next_element(&list, &component, &is_bad)) {
        for (size_t i = 0; i < count; i++)
            if (slice_equal(seen[i], component.raw))
                return err_set(err, E_INVALID, "a component is signed twice");
        if (count == HTTP_COMPONENTS_MAX)
            return err_set(err, E_LIMIT, "more than %d components are signed", HTTP_COMPONENTS_MAX);
        seen[count++] = component.raw;
        const enum status status = add_line(request, &component, base, err);
        if (status != OK)
            return status;
    }
    if (is_bad)
        return err_set(err, E_INVALID, "the list of signed components is malformed");
    enum status status = buf_add_str(base, "\"@signature-params\": ");
    if (status == OK)
        status = buf_add_slice(base, raw);
    return status == OK ? OK : err_set(err, status, "what is signed is too large");
}

/* ---- Content-Digest (RFC 9530) ---- */

struct digest_name {
    const char *name;
    enum digest digest;
};
static const struct digest_name digest_names[] = {{"sha-256", DIGEST_SHA256},
                                                  {"sha-512", DIGEST_SHA512}};

enum status http_digest(struct slice body, struct buf *out)
{
    unsigned char digest[DIGEST_BYTES_MAX];
    const size_t len = hash(DIGEST_SHA256, body, digest);
    enum status status = buf_add_str(out, "sha-256=:");
    if (status == OK)
        status = base64_encode(slice_of((const char *)digest, len), out);
    return status == OK ? buf_add_byte(out, ':') : status;
}

static bool is_digest_of(enum digest digest, struct slice body, const struct structured_item *item)
{
    unsigned char expected[DIGEST_BYTES_MAX];
    struct buf given;
    buf_init(&given, SIGNATURE_BYTES_MAX);
    const size_t len = hash(digest, body, expected);
    const bool is_equal = item->type == STRUCTURED_BYTES &&
                          base64_decode(item->text, false, &given) == OK &&
                          bytes_equal(buf_slice(&given), slice_of((const char *)expected, len));
    buf_finish(&given);
    return is_equal;
}

bool http_check_digest(struct slice head, struct slice body, struct err *err)
{
    struct buf value;
    buf_init(&value, VALUE_BYTES_MAX);
    unsigned known = 0;
    bool is_equal = add_field(head, slice_str("content-digest"), &value) == OK;
    bool is_bad = false;
    struct slice rest = buf_slice(&value);
    struct structured_item item;
    for (struct slice key; structured_next_member(&rest, &key, &item, &is_bad);)
        for (size_t i = 0; i < array_count(digest_names); i++)
            if (slice_is(key, digest_names[i].name) && known++ < array_count(digest_names))
                is_equal &= is_digest_of(digest_names[i].digest, body, &item);
    buf_finish(&value);
    if (known == 0 || is_bad)
        (void)err_set(err, E_INVALID, "Content-Digest has neither sha-256 nor sha-512");
    else if (!is_equal)
        (void)err_set(err, E_INVALID, "Content-Digest is not the digest of the body");
    return known > 0 && is_equal && !is_bad;
}
