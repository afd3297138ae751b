/* SPDX-License-Identifier: MIT */
/* Fuzzes the checks of a request's target, query and fields. The first byte chooses which.
 * Properties: what is accepted holds nothing that could mislead; decoding undoes encoding; a packed
 * head keeps order, count and bytes. */
#include "base/head.h"
#include "base/text.h"
#include "http/check_int.h"

#include <stdlib.h>

#define OUT_BYTES_MAX (1024 * 1024)

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_plain(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

/* Every byte but letters, digits and those in `kept` as a triple. */
static void encode(struct buf *out, struct slice text, const char *kept)
{
    for (size_t i = 0; i < text.len; i++) {
        const unsigned char c = (unsigned char)text.data[i];
        const bool stays = is_plain(c) || (c != 0 && strchr(kept, c));
        check((stays ? buf_add_byte(out, (char)c) : buf_printf(out, "%%%02x", c)) == OK);
    }
}

static void check_safe(struct slice path)
{
    check(path.len > 0 && path.data[0] == '/' && text_is_utf8(path));
    for (size_t i = 0; i < path.len; i++) {
        const unsigned char c = (unsigned char)path.data[i];
        check(c >= 0x20 && c != 0x7f && c != '\\');
        const bool is_start = path.data[i] == '/';
        const struct slice rest = slice_of(path.data + i, path.len - i);
        check(!is_start || (!slice_is(rest, "/..") && !slice_is(rest, "/.")));
        check(!is_start || rest.len < 4 || memcmp(rest.data, "/../", 4) != 0);
        check(!is_start || rest.len < 3 || memcmp(rest.data, "/./", 3) != 0);
    }
}

static void fuzz_target(struct slice raw)
{
    char *decoded = must_alloc(raw.len + 1);
    struct slice path;
    struct slice query;
    if (!check_target(raw, decoded, &path, &query)) {
        check(path.len <= raw.len || raw.len == 0 || slice_is(path, "/"));
        check_safe(path);
        struct buf again;
        buf_init(&again, OUT_BYTES_MAX);
        encode(&again, path, "/");
        check(buf_add_byte(&again, '?') == OK && buf_add_slice(&again, query) == OK);
        char *twice = must_alloc(again.len);
        struct slice path_again;
        struct slice query_again;
        check(!check_target(buf_slice(&again), twice, &path_again, &query_again));
        check(slice_equal(path, path_again) && slice_equal(query, query_again));
        free(twice);
        buf_finish(&again);
    }
    free(decoded);
}

/* "name 0 value" -> a query in which it is found again. */
static void fuzz_query(struct slice raw)
{
    struct buf out;
    buf_init(&out, OUT_BYTES_MAX);
    (void)query_find(raw, slice_str("a"), &out); /* any query is read without harm */
    const char *zero = raw.len > 0 ? memchr(raw.data, 0, raw.len) : NULL;
    if (zero) {
        const struct slice name = slice_of(raw.data, (size_t)(zero - raw.data));
        const struct slice value = slice_of(zero + 1, raw.len - name.len - 1);
        struct buf query;
        buf_init(&query, OUT_BYTES_MAX);
        encode(&query, name, "-._~");
        check(buf_add_byte(&query, '=') == OK);
        encode(&query, value, "-._~");
        check(query_find(buf_slice(&query), name, &out));
        check(slice_equal(buf_slice(&out), value));
        buf_finish(&query);
    }
    buf_finish(&out);
}

/* Pieces between zeros: name, value, name, value … */
static void fuzz_fields(struct slice raw)
{
    struct buf head;
    buf_init(&head, OUT_BYTES_MAX);
    for (int pass = 0; pass < 2; pass++) {
        struct slice rest = raw;
        struct field field;
        size_t offset = 0;
        while (rest.len > 0) {
            struct slice parts[2];
            for (int i = 0; i < 2; i++) {
                const char *zero = rest.len > 0 ? memchr(rest.data, 0, rest.len) : NULL;
                parts[i] = slice_of(rest.data, zero ? (size_t)(zero - rest.data) : rest.len);
                const size_t used = parts[i].len + (zero ? 1 : 0);
                rest = slice_of(rest.data + used, rest.len - used);
            }
            if (check_field(parts[0], parts[1]))
                continue;
            if (pass == 0) {
                check(head_add(&head, parts[0], slice_trim(parts[1])) == OK);
                continue;
            }
            check(head_next(buf_slice(&head), &offset, &field));
            check(slice_equal(field.name, parts[0]) &&
                  memchr(field.name.data, ':', field.name.len) == NULL);
            check(slice_equal(field.value, slice_trim(parts[1])));
        }
        check(pass == 0 || !head_next(buf_slice(&head), &offset, &field));
    }
    buf_finish(&head);
}

static void fuzz_framing(struct slice raw)
{
    const unsigned counts = raw.len > 0 ? (unsigned char)raw.data[0] : 0;
    const struct slice value = raw.len > 0 ? slice_of(raw.data + 1, raw.len - 1) : raw;
    const struct http_framing framing = {.is_http_1_0 = counts & 1,
                                         .host_count = 1,
                                         .host = slice_str("x"),
                                         .length_count = counts >> 1 & 3,
                                         .length = value,
                                         .coding_count = counts >> 3 & 3,
                                         .coding = value};
    struct http_extent extent;
    if (check_framing(&framing, &extent))
        return;
    check(!(extent.is_chunked && extent.has_length));
    check(framing.length_count + framing.coding_count <= 1);
    check(!extent.is_chunked ||
          (!framing.is_http_1_0 && slice_equal_nocase(value, slice_str("chunked"))));
    for (size_t i = 0; extent.has_length && i < value.len; i++)
        check(value.data[i] >= '0' && value.data[i] <= '9');
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static void (*const targets[])(struct slice raw) = {fuzz_target, fuzz_query, fuzz_fields,
                                                        fuzz_framing};
    if (size == 0)
        return 0;
    targets[data[0] % array_count(targets)](slice_of((const char *)data + 1, size - 1));
    return 0;
}
