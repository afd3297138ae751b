/* SPDX-License-Identifier: MIT */
/* What a request must look like before anybody acts on it: method, target, fields, framing
 * (RFC 9110, 9112, stricter where the two leave room). Pure functions over borrowed bytes: any
 * thread, no libmicrohttpd. The guard feeds them what the library parsed. */
#ifndef HTTP_CHECK_INT_H
#define HTTP_CHECK_INT_H

#include "base/buf.h"

/* Why a request is refused: static, never freed. */
struct http_fault {
    int status;
    const char *code;
    const char *detail;
};

extern const struct http_fault http_fault_request_line;
extern const struct http_fault http_fault_version;
extern const struct http_fault http_fault_hidden_bytes;
extern const struct http_fault http_fault_headers_too_large;
extern const struct http_fault http_fault_target_too_long;
extern const struct http_fault http_fault_body_too_large;
extern const struct http_fault http_fault_length_required;
extern const struct http_fault http_fault_chunks;
extern const struct http_fault http_fault_intake_full;
extern const struct http_fault http_fault_stopping;

/* Each check returns NULL when there is nothing to say against it. */

/* An upper-case token. */
const struct http_fault *check_method(struct slice method);

/* Origin form or absolute form (http, https), reduced to its path. The path is percent-decoded
 * once into decoded, which has room for target.len bytes. *query: as sent, without "?". */
const struct http_fault *check_target(struct slice target, char *decoded, struct slice *path,
                                      struct slice *query);

/* A field name is a token; a value has no control bytes but tabs. */
const struct http_fault *check_field(struct slice name, struct slice value);

/* The fields that decide where a request ends and who it is for, as the guard met them. */
struct http_framing {
    bool is_http_1_0;
    unsigned host_count, length_count, coding_count, expect_count;
    struct slice host, length, coding, expect; /* the first of each, untrimmed */
};

struct http_extent {
    bool is_chunked;
    bool has_length;
    bool expects_continue;
    uint64_t body_bytes; /* if has_length */
};

const struct http_fault *check_framing(const struct http_framing *framing,
                                       struct http_extent *extent);

/* The value of a parameter of a query string, decoded ("+" is a blank, a percent sign without two
 * hexadecimal digits stands for itself) into out, which is cleared first. False: absent, or over
 * out's maximum. */
bool query_find(struct slice query, struct slice name, struct buf *out);

#endif
