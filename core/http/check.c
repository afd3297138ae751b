/* SPDX-License-Identifier: MIT */
#include "http/check_int.h"

#include "base/limits.h"
#include "base/text.h"
#include "base/url.h"

#include <ctype.h>

#define TEXT(number) TEXT_OF(number)
#define TEXT_OF(number) #number

const struct http_fault http_fault_request_line = {
    400, "bad_request_line", "the request line must be METHOD target HTTP/1.1, one blank between"};
const struct http_fault http_fault_version = {505, "http_version",
                                              "only HTTP/1.1 and HTTP/1.0 are spoken here"};
const struct http_fault http_fault_hidden_bytes = {
    400, "bad_header",
    "the head has a folded line, a bare line feed or a NUL; end each line with CR LF"};
const struct http_fault http_fault_headers_too_large = {
    431, "headers_too_large",
    "at most " TEXT(LIMIT_HEADERS) " headers and " TEXT(LIMIT_HEADERS_BYTES) " bytes of them"};
const struct http_fault http_fault_target_too_long = {
    414, "uri_too_long", "the request line may have " TEXT(LIMIT_REQUEST_LINE_BYTES) " bytes"};
const struct http_fault http_fault_body_too_large = {
    413, "body_too_large", "the body is over the limit of this path (max_body)"};
const struct http_fault http_fault_length_required = {
    411, "length_required", "a body needs Content-Length, or Transfer-Encoding: chunked"};
const struct http_fault http_fault_chunks = {
    400, "bad_chunks", "the body came in far too many tiny chunks; send larger ones"};
const struct http_fault http_fault_intake_full = {
    503, "intake_full", "too many bytes of bodies are being received; try again later"};
const struct http_fault http_fault_stopping = {503, "stopping",
                                               "the server is stopping; try again later"};

static const struct http_fault bad_method = {400, "bad_method",
                                             "a method is a name in capital letters, as POST"};
static const struct http_fault bad_target = {
    400, "bad_path",
    "the target must be a path as /in/name, or http://host/in/name, without blanks, control "
    "bytes or a fragment"};
static const struct http_fault bad_path = {
    400, "bad_path",
    "the path must be UTF-8 without dot segments, %00, %2f, backslashes or control bytes"};
static const struct http_fault bad_field_name = {
    400, "bad_header", "a header's name has only letters, digits and !#$%&'*+-.^_`|~"};
static const struct http_fault bad_field_value = {400, "bad_header",
                                                  "a header's value has no control bytes"};
static const struct http_fault bad_host = {
    400, "bad_host", "exactly one Host header with a host name, and a port if need be"};
static const struct http_fault bad_length = {400, "bad_framing",
                                             "Content-Length must come once, digits only"};
static const struct http_fault bad_coding = {
    400, "bad_framing", "Transfer-Encoding must come once and be exactly chunked"};
static const struct http_fault length_and_coding = {
    400, "bad_framing", "Content-Length and Transfer-Encoding exclude each other"};
static const struct http_fault coding_in_http_1_0 = {
    400, "bad_framing", "HTTP/1.0 has no Transfer-Encoding; send Content-Length"};
static const struct http_fault unknown_coding = {
    501, "unknown_coding", "chunked is the only transfer coding understood here"};
static const struct http_fault unknown_expectation = {
    417, "expectation_failed", "the only expectation understood here is 100-continue"};

/* ---- Tokens and fields ------------------------------------------------------------------------
 */

const struct http_fault *check_method(struct slice method)
{
    if (method.len == 0 || method.data[0] < 'A' || method.data[0] > 'Z')
        return &bad_method;
    for (size_t i = 0; i < method.len; i++) {
        const char c = method.data[i];
        if (!(c >= 'A' && c <= 'Z') && !(c >= '0' && c <= '9') && c != '-' && c != '_')
            return &bad_method;
    }
    return NULL;
}

const struct http_fault *check_field(struct slice name, struct slice value)
{
    if (!text_is_token(name))
        return &bad_field_name;
    for (size_t i = 0; i < value.len; i++) {
        const unsigned char c = (unsigned char)value.data[i];
        if ((c < 0x20 && c != '\t') || c == 0x7f)
            return &bad_field_value;
    }
    return NULL;
}

/* ---- Target -----------------------------------------------------------------------------------
 */

static bool is_visible_ascii(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (text.data[i] <= 0x20 || text.data[i] >= 0x7f)
            return false;
    return true;
}

static struct slice after(struct slice text, size_t len)
{
    return slice_of(text.data + len, text.len - len);
}

/* Cuts "http://host:port" off. False if there is no host, or somebody's name before it. */
static bool cut_authority(struct slice *target)
{
    static const char *const schemes[] = {"http://", "https://"};
    for (size_t i = 0; i < array_count(schemes); i++) {
        const struct slice scheme = slice_str(schemes[i]);
        if (target->len < scheme.len ||
            !slice_equal_nocase(slice_of(target->data, scheme.len), scheme))
            continue;
        const struct slice rest = after(*target, scheme.len);
        size_t len = 0;
        while (len < rest.len && rest.data[len] != '/' && rest.data[len] != '?')
            len++;
        *target = after(rest, len);
        return len > 0 && memchr(rest.data, '@', len) == NULL;
    }
    return false;
}

/* Bytes that no path may have once it is decoded. A slash may only stand as itself. */
static bool is_path_byte(int byte, bool is_encoded)
{
    return byte >= 0x20 && byte != 0x7f && byte != '\\' && !(is_encoded && byte == '/');
}

static bool decode_path(struct slice raw, char *decoded, struct slice *path)
{
    size_t len = 0;
    for (size_t i = 0; i < raw.len; i++) {
        const bool is_encoded = raw.data[i] == '%';
        const int byte = is_encoded ? percent_byte(raw, i) : (unsigned char)raw.data[i];
        if (!is_path_byte(byte, is_encoded))
            return false;
        decoded[len++] = (char)byte;
        i += is_encoded ? 2 : 0;
    }
    *path = slice_of(decoded, len);
    return true;
}

static bool has_dot_segment(struct slice path)
{
    size_t start = 0;
    for (size_t i = 0; i <= path.len; i++) {
        if (i < path.len && path.data[i] != '/')
            continue;
        const struct slice segment = slice_of(path.data + start, i - start);
        if (slice_is(segment, ".") || slice_is(segment, ".."))
            return true;
        start = i + 1;
    }
    return false;
}

const struct http_fault *check_target(struct slice target, char *decoded, struct slice *path,
                                      struct slice *query)
{
    if (!is_visible_ascii(target) || (target.len > 0 && memchr(target.data, '#', target.len)))
        return &bad_target;
    if ((target.len == 0 || target.data[0] != '/') && !cut_authority(&target))
        return &bad_target;
    const char *mark = target.len > 0 ? memchr(target.data, '?', target.len) : NULL;
    struct slice raw = slice_of(target.data, mark ? (size_t)(mark - target.data) : target.len);
    *query = mark ? after(target, raw.len + 1) : slice_of("", 0);
    if (raw.len == 0) /* http://host */
        raw = slice_of("/", 1);
    if (!decode_path(raw, decoded, path) || has_dot_segment(*path) || !text_is_utf8(*path))
        return &bad_path;
    return NULL;
}

/* ---- Framing ----------------------------------------------------------------------------------
 */

static bool is_host_char(char c)
{
    static const char others[] = "-._~%!$&'()*+,;=:[]";
    return isalnum((unsigned char)c) || (c != 0 && strchr(others, c) != NULL);
}

static const struct http_fault *check_host(const struct http_framing *framing)
{
    if (framing->host_count == 0 && framing->is_http_1_0)
        return NULL;
    const struct slice host = slice_trim(framing->host);
    if (framing->host_count != 1 || host.len == 0)
        return &bad_host;
    for (size_t i = 0; i < host.len; i++)
        if (!is_host_char(host.data[i]))
            return &bad_host;
    return NULL;
}

/* The library frames the body by "chunked" alone, to the byte: a blank more would make it read on
 * for ever. One other coding, or several that end in chunked, is a coding we do not have. */
static const struct http_fault *check_coding(struct slice coding)
{
    static const struct slice chunked = {"chunked", 7};
    if (slice_equal_nocase(coding, chunked))
        return NULL;
    const char *comma = coding.len > 0 ? memchr(coding.data, ',', coding.len) : NULL;
    if (!comma)
        return text_is_token(coding) ? &unknown_coding : &bad_coding;
    const struct slice first = slice_trim(slice_of(coding.data, (size_t)(comma - coding.data)));
    const struct slice rest = slice_trim(after(coding, (size_t)(comma + 1 - coding.data)));
    const bool is_known_form = text_is_token(first) && !slice_equal_nocase(first, chunked) &&
                               slice_equal_nocase(rest, chunked);
    return is_known_form ? &unknown_coding : &bad_coding;
}

static bool parse_length(struct slice text, uint64_t *bytes)
{
    uint64_t number = 0;
    for (size_t i = 0; i < text.len; i++) {
        const char c = text.data[i];
        if (c < '0' || c > '9' || __builtin_mul_overflow(number, UINT64_C(10), &number) ||
            __builtin_add_overflow(number, (uint64_t)(c - '0'), &number))
            return false;
    }
    *bytes = number;
    return text.len > 0;
}

const struct http_fault *check_framing(const struct http_framing *framing,
                                       struct http_extent *extent)
{
    *extent = (struct http_extent){0};
    const struct http_fault *fault = check_host(framing);
    if (fault)
        return fault;
    if (framing->coding_count > 0 && framing->length_count > 0)
        return &length_and_coding;
    if (framing->coding_count > 1)
        return &bad_coding;
    if (framing->coding_count == 1) {
        if (framing->is_http_1_0)
            return &coding_in_http_1_0;
        fault = check_coding(framing->coding);
        if (fault)
            return fault;
        extent->is_chunked = true;
    }
    if (framing->length_count > 0) {
        extent->has_length = true;
        if (framing->length_count > 1 || !parse_length(framing->length, &extent->body_bytes))
            return &bad_length;
    }
    if (framing->expect_count > 1 ||
        (framing->expect_count == 1 &&
         !slice_equal_nocase(framing->expect, slice_str("100-continue"))))
        return &unknown_expectation;
    extent->expects_continue = framing->expect_count == 1;
    return NULL;
}

/* ---- Query ------------------------------------------------------------------------------------
 */

static bool decode_query(struct slice raw, struct buf *out)
{
    buf_clear(out);
    for (size_t i = 0; i < raw.len;)
        if (buf_add_byte(out, form_byte(raw, &i)) != OK)
            return false;
    return true;
}

bool query_find(struct slice query, struct slice name, struct buf *out)
{
    while (query.len > 0) {
        const char *end = memchr(query.data, '&', query.len);
        const struct slice pair =
            slice_of(query.data, end ? (size_t)(end - query.data) : query.len);
        query = end ? after(query, pair.len + 1) : slice_of("", 0);
        const char *equals = pair.len > 0 ? memchr(pair.data, '=', pair.len) : NULL;
        const size_t name_len = equals ? (size_t)(equals - pair.data) : pair.len;
        if (!decode_query(slice_of(pair.data, name_len), out) || !slice_equal(buf_slice(out), name))
            continue;
        return decode_query(equals ? after(pair, name_len + 1) : slice_of("", 0), out);
    }
    buf_clear(out);
    return false;
}
