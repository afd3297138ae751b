/* SPDX-License-Identifier: MIT */
#include "bench/request_int.h"

#include <errno.h>
#include <stdio.h>
#include <time.h>

#define HEAD_BYTES_MAX 8192
#define TIME_DIGITS 10
#define STAMP_BLANK "1000000000000000"
#define NUMBER_BLANK "000000000000"

static const char body_start[] =
    "{\"type\":\"bench.push\",\"ref\":\"refs/heads/main\",\"deleted\":false,";
static const char body_middle[] = "\"repository\":{\"id\":1296269,\"full_name\":\"anzol/bench\"},"
                                  "\"pusher\":{\"name\":\"bench\"},\"commits\":[";
static const char body_commit[] =
    "{\"id\":\"6113728f27ae82c7b1a177c8d03f9e96e0adf246\",\"message\":\"Measure, then change\","
    "\"timestamp\":\"2026-03-02T08:00:00Z\",\"added\":[],\"modified\":[\"README.md\"]}";

int64_t request_now_us(void)
{
    struct timespec now;
    clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec * 1000000 + now.tv_nsec / 1000;
}

static enum status read_file(const char *path, struct buf *body, struct err *err)
{
    FILE *file = fopen(path, "rb");
    if (!file)
        return err_set(err, E_INVALID, "%s: %s", path, strerror(errno));
    char block[65536];
    enum status status = OK;
    size_t len;
    while (status == OK && (len = fread(block, 1, sizeof block, file)) > 0)
        status = buf_add(body, block, len);
    if (status != OK || ferror(file))
        status = err_set(err, E_INVALID, "%s: cannot be read, or is over %u bytes", path,
                         REQUEST_BODY_BYTES_MAX);
    (void)fclose(file);
    return status;
}

/* A push as GitHub posts it, with as many commits as fit, and padded to the size asked for. */
static enum status make_body(const struct request_options *options, struct buf *body)
{
    enum status status = buf_add_str(body, body_start);
    if (status == OK && options->is_stamped)
        status = buf_printf(body, "%s%s,", REQUEST_STAMP, STAMP_BLANK);
    if (status == OK)
        status = buf_add_str(body, body_middle);
    static const char end[] = "],\"padding\":\"\"}";
    const size_t step = strlen(body_commit) + 1;
    bool is_first = true;
    while (status == OK && body->len + step + strlen(end) <= options->body_bytes) {
        status = buf_printf(body, "%s%s", is_first ? "" : ",", body_commit);
        is_first = false;
    }
    if (status == OK)
        status = buf_add_str(body, "],\"padding\":\"");
    while (status == OK && body->len + strlen("\"}") < options->body_bytes)
        status = buf_add_byte(body, '.');
    return status == OK ? buf_add_str(body, "\"}") : status;
}

static enum status init_body(struct buf *body, const struct request_options *options,
                             struct err *err)
{
    buf_init(body, REQUEST_BODY_BYTES_MAX);
    if (options->body_file)
        return read_file(options->body_file, body, err);
    const enum status status = make_body(options, body);
    return status == OK
               ? OK
               : err_set(err, status, "a body of %zu bytes is over the %u that are allowed",
                         options->body_bytes, REQUEST_BODY_BYTES_MAX);
}

static enum status add_github(struct request *request)
{
    struct buf *bytes = &request->bytes;
    uint32_t run; /* keeps the ids of two runs apart */
    random_bytes(&run, sizeof run);
    enum status status = buf_add_str(bytes, "X-GitHub-Event: push\r\nX-GitHub-Delivery: ");
    request->id_at = bytes->len;
    if (status == OK)
        status = buf_printf(bytes, "%08x-0000-4000-8000-%s", run, NUMBER_BLANK);
    request->id_len = bytes->len - request->id_at;
    if (status != OK || request->keys.count == 0)
        return status == OK ? buf_add_str(bytes, "\r\n") : status;
    status = buf_add_str(bytes, "\r\nX-Hub-Signature-256: sha256=");
    request->signature_at = bytes->len;
    return status == OK ? buf_printf(bytes, "%064d\r\n", 0) : status;
}

static enum status add_standard(struct request *request)
{
    struct buf *bytes = &request->bytes;
    uint32_t run;
    random_bytes(&run, sizeof run);
    enum status status = buf_add_str(bytes, "webhook-id: ");
    request->id_at = bytes->len;
    if (status == OK)
        status = buf_printf(bytes, "msg_%08x%s", run, NUMBER_BLANK);
    request->id_len = bytes->len - request->id_at;
    if (status == OK)
        status = buf_add_str(bytes, "\r\nwebhook-timestamp: ");
    request->time_at = bytes->len;
    if (status == OK)
        status = buf_printf(bytes, "%010d\r\n", 0);
    if (status != OK || request->keys.count == 0)
        return status;
    status = buf_add_str(bytes, "webhook-signature: v1,");
    request->signature_at = bytes->len;
    return status == OK ? buf_printf(bytes, "%044d\r\n", 0) : status;
}

static enum status add_head(struct request *request, const struct request_options *options,
                            size_t body_len)
{
    enum status status = buf_printf(&request->bytes,
                                    "POST %s HTTP/1.1\r\nHost: %s\r\nUser-Agent: anzol-bench\r\n"
                                    "Content-Type: application/json\r\n",
                                    options->path, options->host);
    if (status == OK && options->token)
        status = buf_printf(&request->bytes, "Authorization: Bearer %s\r\n", options->token);
    if (status == OK)
        status = options->provider == REQUEST_GITHUB ? add_github(request) : add_standard(request);
    return status == OK ? buf_printf(&request->bytes, "Content-Length: %zu\r\n\r\n", body_len)
                        : status;
}

/* Finds 16 digits after the stamp's name. 0 if there are none. */
static size_t find_stamp(const struct request *request)
{
    const struct slice body =
        slice_of(request->bytes.data + request->body_at, request->bytes.len - request->body_at);
    const char *name = memmem(body.data, body.len, REQUEST_STAMP, strlen(REQUEST_STAMP));
    if (!name)
        return 0;
    const char *digits = name + strlen(REQUEST_STAMP);
    const size_t left = (size_t)(body.data + body.len - digits);
    if (left < REQUEST_STAMP_DIGITS || strspn(digits, "0123456789") != REQUEST_STAMP_DIGITS)
        return 0;
    return (size_t)(digits - request->bytes.data);
}

static enum status add_key(struct request *request, const struct request_options *options)
{
    if (!options->secret)
        return OK;
    if (options->provider == REQUEST_STANDARD)
        return key_set_add_text(&request->keys, KEY_STANDARD, slice_str(options->secret), true);
    return key_set_add(&request->keys, slice_str(options->secret));
}

/* Signs what stands in bytes. */
static void sign(const struct request *request, char *bytes)
{
    const struct slice body =
        slice_of(bytes + request->body_at, request->bytes.len - request->body_at);
    const struct slice parts[] = {slice_of(bytes + request->id_at, request->id_len), slice_str("."),
                                  slice_of(bytes + request->time_at, TIME_DIGITS), slice_str("."),
                                  body};
    const bool is_github = request->provider == REQUEST_GITHUB;
    const struct slice key = request->keys.keys[0].secret;
    unsigned char digest[DIGEST_BYTES_MAX];
    const size_t len = is_github ? hmac(DIGEST_SHA256, key, &body, 1, digest)
                                 : hmac(DIGEST_SHA256, key, parts, 5, digest);
    struct buf text;
    buf_init(&text, DIGEST_BYTES_MAX * 2);
    const struct slice binary = slice_of((const char *)digest, len);
    check((is_github ? hex_encode(binary, &text) : base64_encode(binary, &text)) == OK);
    memcpy(bytes + request->signature_at, text.data, text.len);
    buf_finish(&text);
}

enum status request_init(struct request *request, const struct request_options *options,
                         struct err *err)
{
    *request = (struct request){.provider = options->provider};
    struct buf body;
    buf_init(&request->bytes, REQUEST_BODY_BYTES_MAX + HEAD_BYTES_MAX);
    enum status status = init_body(&body, options, err);
    if (status != OK)
        goto out;
    status = add_key(request, options);
    if (status != OK) {
        err_set(err, status, "--secret: an empty one, or whsec_ without base64 behind it");
        goto out;
    }
    status = add_head(request, options, body.len);
    request->body_at = request->bytes.len;
    if (status == OK)
        status = buf_add_slice(&request->bytes, buf_slice(&body));
    if (status != OK) {
        err_set(err, status, "the request does not fit in memory, or its URL is too long");
        goto out;
    }
    if (options->is_stamped)
        request->stamp_at = find_stamp(request);
    if (request->signature_at > 0)
        sign(request, request->bytes.data);
out:
    buf_finish(&body);
    if (status != OK)
        request_finish(request);
    return status;
}

void request_finish(struct request *request)
{
    buf_finish(&request->bytes);
    key_set_finish(&request->keys);
}

static void write_digits(char *end, size_t digits, uint64_t value)
{
    for (size_t i = 0; i < digits; i++, value /= 10)
        *--end = (char)('0' + value % 10);
}

void request_number(const struct request *request, char *bytes, uint64_t number)
{
    write_digits(bytes + request->id_at + request->id_len, REQUEST_NUMBER_DIGITS, number);
    if (request->time_at == 0 && request->stamp_at == 0)
        return;
    const int64_t now_us = request_now_us();
    if (request->time_at > 0)
        write_digits(bytes + request->time_at + TIME_DIGITS, TIME_DIGITS,
                     (uint64_t)(now_us / 1000000));
    if (request->stamp_at > 0)
        write_digits(bytes + request->stamp_at + REQUEST_STAMP_DIGITS, REQUEST_STAMP_DIGITS,
                     (uint64_t)now_us);
    if (request->signature_at > 0)
        sign(request, bytes);
}
