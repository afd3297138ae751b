/* SPDX-License-Identifier: MIT */
/* Judges what the library parsed, field by field, and packs it.
 *
 * libmicrohttpd 0.9.75 forgives what a front server and we could read differently: it ends lines
 * at a bare line feed, glues a folded line to the NAME of its header, cuts a value at a NUL and
 * skips blanks in the request line. It hands out pointers into its read buffer, where a good head
 * lies without gaps: each part ends with exactly the bytes that the grammar puts there, so that
 * the next part's place follows. A head whose parts lie elsewhere was not sent as we see it.
 * Only places are compared; no byte of the library's is read. Newer versions refuse by themselves
 * (discipline level 2), and need not keep that layout: there nothing is compared. */
#include "http/http_int.h"

#include "base/limits.h"

#define VERSION_BYTES 8
#define LINE_END_BYTES 2

static const struct http_fault no_memory = {503, "no_memory",
                                            "the server is out of memory; try again later"};

struct judging {
    struct buf *head;
    struct http_framing framing;
    const struct http_fault *fault;
    const char *expected; /* where the next name must lie */
    bool is_misplaced;
    unsigned count;
};

static void note_first(unsigned *count, struct slice *first, struct slice value)
{
    if ((*count)++ == 0)
        *first = value;
}

static void note_framing(struct http_framing *framing, struct slice name, struct slice value)
{
    switch (name.len) {
    case 4:
        if (slice_equal_nocase(name, slice_of("host", 4)))
            note_first(&framing->host_count, &framing->host, value);
        break;
    case 6:
        if (slice_equal_nocase(name, slice_of("expect", 6)))
            note_first(&framing->expect_count, &framing->expect, value);
        break;
    case 14:
        if (slice_equal_nocase(name, slice_of("content-length", 14)))
            note_first(&framing->length_count, &framing->length, value);
        break;
    case 17:
        if (slice_equal_nocase(name, slice_of("transfer-encoding", 17)))
            note_first(&framing->coding_count, &framing->coding, value);
        break;
    default:
        break;
    }
}

static enum MHD_Result on_field(void *cls, enum MHD_ValueKind kind, const char *key, size_t key_len,
                                const char *data, size_t len)
{
    (void)kind;
    struct judging *judging = cls;
    const struct slice name = slice_of(key, key_len);
    const struct slice value = slice_of(data ? data : "", len);
    judging->is_misplaced |= key != judging->expected;
    judging->expected = value.data + value.len + LINE_END_BYTES;
    judging->count++;
    judging->fault = check_field(name, value);
    if (!judging->fault && judging->count > LIMIT_HEADERS)
        judging->fault = &http_fault_headers_too_large;
    note_framing(&judging->framing, name, value);
    if (!judging->fault && head_add(judging->head, name, slice_trim(value)) != OK)
        judging->fault = &no_memory;
    return judging->fault ? MHD_NO : MHD_YES;
}

static const struct http_fault *judge_fields(struct judging *judging, struct MHD_Connection *mhd)
{
    (void)MHD_get_connection_values_n(mhd, MHD_HEADER_KIND, on_field, judging);
    return judging->fault;
}

/* Adds a pseudo field and notes where its value lies. */
static bool pack(struct buf *head, struct slice name, struct slice value, struct http_part *part)
{
    if (head_add(head, name, value) != OK)
        return false;
    *part = (struct http_part){(uint32_t)(head->len - value.len), (uint32_t)value.len};
    return true;
}

static const struct http_fault *pack_line(struct http_request *request, struct slice method)
{
    const struct http_connection *connection = exchange_connection(request);
    struct buf *head = &connection->listener->head;
    char decoded[LIMIT_REQUEST_LINE_BYTES];
    struct slice path;
    struct slice query;
    struct http_part remote;
    const struct http_fault *fault =
        check_target(buf_slice(&request->target), decoded, &path, &query);
    if (fault)
        return fault;
    buf_clear(head);
    const bool is_packed = pack(head, slice_of(":method", 7), method, &request->method) &&
                           pack(head, slice_of(":path", 5), path, &request->path) &&
                           pack(head, slice_of(":query", 6), query, &request->query) &&
                           pack(head, slice_of(":remote", 7),
                                slice_of(connection->remote, connection->remote_len), &remote);
    return is_packed ? NULL : &no_memory;
}

/* The parts of the request line lie one blank apart. */
static bool is_line_in_place(const struct http_request *request, struct slice method,
                             const char *version)
{
    return request->target_from == method.data + method.len + 1 &&
           version == request->target_from + request->target.len + 1;
}

const struct http_fault *request_judge(struct http_request *request, const char *method_text,
                                       const char *version)
{
    const struct http_connection *connection = exchange_connection(request);
    const bool has_known_layout = connection->listener->has_known_layout;
    const struct slice method = slice_str(method_text);
    const size_t line_bytes = method.len + 1 + request->target.len + 1 + VERSION_BYTES;
    const size_t head_bytes =
        MHD_get_connection_info(connection->mhd, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE)
            ->header_size;
    const bool is_http_1_0 = strcmp(version, "HTTP/1.0") == 0;
    if (!is_http_1_0 && strcmp(version, "HTTP/1.1") != 0)
        return &http_fault_version;
    if (line_bytes > LIMIT_REQUEST_LINE_BYTES)
        return &http_fault_target_too_long;
    if (has_known_layout && !is_line_in_place(request, method, version))
        return &http_fault_request_line;
    if (head_bytes > line_bytes + LINE_END_BYTES + LIMIT_HEADERS_BYTES)
        return &http_fault_headers_too_large;
    const struct http_fault *fault = check_method(method);
    if (!fault)
        fault = pack_line(request, method);
    if (fault)
        return fault;
    struct judging judging = {.head = &connection->listener->head,
                              .framing.is_http_1_0 = is_http_1_0,
                              .expected = version + VERSION_BYTES + LINE_END_BYTES};
    fault = judge_fields(&judging, connection->mhd);
    if (fault)
        return fault;
    judging.is_misplaced |= judging.expected + LINE_END_BYTES != method_text + head_bytes;
    if (has_known_layout && judging.is_misplaced)
        return &http_fault_hidden_bytes;
    return check_framing(&judging.framing, &request->extent);
}
