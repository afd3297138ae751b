/* SPDX-License-Identifier: MIT */
/* One plain exchange, blocking, for the command line: the address is the user's own choice, so no
 * guard judges it. */
#include "send/send.h"

#include "base/limits.h"

#include <curl/curl.h>
#include <stdio.h>

#define ANSWER_BYTES_MAX LIMIT_API_ANSWER_BYTES /* what our own server says at most */
#define WAKE_FDS_MAX 4u
#define POLL_MS 1000 /* curl wakes by itself for its own timers */

static size_t on_body(char *data, size_t size, size_t count, void *ctx)
{
    struct fetch_answer *answer = ctx;
    return buf_add(&answer->body, data, size * count) == OK ? size * count : 0;
}

static size_t on_header(char *data, size_t size, size_t count, void *ctx)
{
    struct fetch_answer *answer = ctx;
    const size_t len = size * count;
    const char *colon = memchr(data, ':', len);
    if (len >= 5 && memcmp(data, "HTTP/", 5) == 0)
        buf_clear(&answer->head);
    if (!colon)
        return len;
    const char *end = data + len;
    const char *value = colon + 1;
    while (value < end && *value == ' ')
        value++;
    while (end > value && (end[-1] == '\r' || end[-1] == '\n' || end[-1] == ' '))
        end--;
    const enum status status = head_add(&answer->head, slice_of(data, (size_t)(colon - data)),
                                        slice_of(value, (size_t)(end - value)));
    return status == OK ? len : 0;
}

static struct curl_slist *add_header(struct curl_slist *list, const struct field *field)
{
    struct buf line;
    buf_init(&line, LIMIT_HEADERS_BYTES);
    /* "Name;" is curl's way to say an empty value. */
    if (buf_add_slice(&line, field->name) == OK &&
        buf_add_str(&line, field->value.len > 0 ? ": " : ";") == OK &&
        buf_add_slice(&line, field->value) == OK) {
        struct curl_slist *longer = curl_slist_append(list, line.data);
        list = longer ? longer : list;
    }
    buf_finish(&line);
    return list;
}

static bool is_given(const struct fetch_options *options, const char *name)
{
    for (size_t i = 0; i < options->header_count; i++)
        if (slice_equal_nocase(options->headers[i].name, slice_str(name)))
            return true;
    return false;
}

/* Curl's own additions are taken out: a name without a value does that. */
static struct curl_slist *make_headers(const struct fetch_options *options)
{
    struct curl_slist *headers = curl_slist_append(NULL, "Expect:");
    if (!is_given(options, "content-type"))
        headers = curl_slist_append(headers, "Content-Type:");
    if (!is_given(options, "accept"))
        headers = curl_slist_append(headers, "Accept:");
    for (size_t i = 0; i < options->header_count; i++)
        headers = add_header(headers, &options->headers[i]);
    return headers;
}

static enum status describe(CURLcode code, const char *error, const struct fetch_options *options,
                            struct err *err)
{
    const char *text = error[0] ? error : curl_easy_strerror(code);
    if (code == CURLE_COULDNT_CONNECT || code == CURLE_COULDNT_RESOLVE_HOST)
        return err_set(err, E_NOTFOUND, "nothing answers at %s: %s",
                       options->unix_socket ? options->unix_socket : options->url, text);
    if (code == CURLE_OPERATION_TIMEDOUT)
        return err_set(err, E_BUSY, "no answer from %s within %lld ms",
                       options->unix_socket ? options->unix_socket : options->url,
                       (long long)options->timeout_ms);
    return err_set(err, E_REMOTE, "%s: %s", options->url, text);
}

static bool is_woken(const struct curl_waitfd *fds, unsigned count)
{
    for (unsigned i = 0; i < count; i++)
        if (fds[i].revents != 0)
            return true;
    return false;
}

/* Performs the transfer, unless one of the wake_fds can be read before its end: *is_cut. */
static CURLcode perform(CURLM *multi, const struct fetch_options *options, bool *is_cut)
{
    struct curl_waitfd fds[WAKE_FDS_MAX];
    int running = 1;
    check(options->wake_fd_count <= WAKE_FDS_MAX);
    while (curl_multi_perform(multi, &running) == CURLM_OK && running > 0) {
        for (unsigned i = 0; i < options->wake_fd_count; i++)
            fds[i] = (struct curl_waitfd){.fd = options->wake_fds[i], .events = CURL_WAIT_POLLIN};
        if (curl_multi_poll(multi, fds, options->wake_fd_count, POLL_MS, NULL) != CURLM_OK)
            break;
        *is_cut = is_woken(fds, options->wake_fd_count);
        if (*is_cut)
            return CURLE_ABORTED_BY_CALLBACK;
    }
    int left = 0;
    const CURLMsg *message = curl_multi_info_read(multi, &left);
    return message && message->msg == CURLMSG_DONE ? message->data.result : CURLE_OUT_OF_MEMORY;
}

enum status fetch(const struct fetch_options *options, struct fetch_answer *answer, struct err *err)
{
    char error[CURL_ERROR_SIZE] = "";
    *answer = (struct fetch_answer){0};
    buf_init(&answer->head, 2 * LIMIT_HEADERS_BYTES);
    buf_init(&answer->body, ANSWER_BYTES_MAX);
    CURL *easy = curl_easy_init();
    CURLM *multi = curl_multi_init();
    if (!easy || !multi || curl_multi_add_handle(multi, easy) != CURLM_OK) {
        curl_easy_cleanup(easy);
        (void)curl_multi_cleanup(multi);
        return err_set(err, E_NOMEM, "curl cannot be set up");
    }
    struct curl_slist *headers = make_headers(options);
#define SET(option, value) check(curl_easy_setopt(easy, option, value) == CURLE_OK)
    if (options->skips_verify) {
        SET(CURLOPT_SSL_VERIFYPEER, 0L);
        SET(CURLOPT_SSL_VERIFYHOST, 0L);
    }
    SET(CURLOPT_URL, options->url);
    SET(CURLOPT_PATH_AS_IS, 1L);
    SET(CURLOPT_NOSIGNAL, 1L);
    SET(CURLOPT_PROXY, "");
    SET(CURLOPT_PROTOCOLS_STR, "http,https");
    SET(CURLOPT_TIMEOUT_MS, (long)options->timeout_ms);
    SET(CURLOPT_ERRORBUFFER, error);
    SET(CURLOPT_WRITEFUNCTION, on_body);
    SET(CURLOPT_WRITEDATA, answer);
    SET(CURLOPT_HEADERFUNCTION, on_header);
    SET(CURLOPT_HEADERDATA, answer);
    SET(CURLOPT_HTTPHEADER, headers);
    if (options->unix_socket)
        SET(CURLOPT_UNIX_SOCKET_PATH, options->unix_socket);
    if (options->body.len > 0 || strcmp(options->method, "POST") == 0) {
        SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)options->body.len);
        SET(CURLOPT_POSTFIELDS, options->body.len > 0 ? options->body.data : "");
    }
    SET(CURLOPT_CUSTOMREQUEST, options->method);
    if (strcmp(options->method, "HEAD") == 0)
        SET(CURLOPT_NOBODY, 1L);
#undef SET
    bool is_cut = false;
    const CURLcode code = perform(multi, options, &is_cut);
    long status = 0;
    (void)curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
    (void)curl_multi_remove_handle(multi, easy);
    curl_easy_cleanup(easy);
    (void)curl_multi_cleanup(multi);
    curl_slist_free_all(headers);
    answer->status = (int)status;
    if (is_cut)
        return err_set(err, E_CANCELLED, "%s: broken off", options->url);
    return code == CURLE_OK ? OK : describe(code, error, options, err);
}
