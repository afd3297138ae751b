/* SPDX-License-Identifier: MIT */
/* What comes back: headers and body up to our limits, and what the end of a transfer means. */
#include "send/transfer_int.h"

#include "base/clock.h"
#include "base/limits.h"
#include "signature/signature.h"

#include <stdio.h>

/* ---- Headers and body
 * ------------------------------------------------------------------------------ */

static bool starts_answer(struct slice line)
{
    return line.len >= 5 && memcmp(line.data, "HTTP/", 5) == 0;
}

static struct slice trim(struct slice text)
{
    while (text.len > 0 && (text.data[0] == ' ' || text.data[0] == '\t')) {
        text.data++;
        text.len--;
    }
    while (text.len > 0 && strchr(" \t\r\n", text.data[text.len - 1]))
        text.len--;
    return text;
}

static bool is_final(const struct transfer *transfer)
{
    long status = 0;
    (void)curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    return status >= 200;
}

static bool add_line(struct transfer *transfer, struct slice line)
{
    transfer->header_bytes += line.len;
    if (transfer->header_bytes > LIMIT_ANSWER_HEADERS_BYTES)
        return false;
    if (starts_answer(line)) {
        buf_clear(&transfer->head);
        return transfer->interim_count++ <= LIMIT_INTERIM_ANSWERS;
    }
    if (trim(line).len == 0) {
        transfer->has_head |= is_final(transfer);
        return true;
    }
    const char *colon = memchr(line.data, ':', line.len);
    if (!colon || transfer->has_head) /* trailers are dropped */
        return true;
    const size_t name_len = (size_t)(colon - line.data);
    return head_add(&transfer->head, slice_of(line.data, name_len),
                    trim(slice_of(colon + 1, line.len - name_len - 1))) == OK;
}

size_t answer_on_header(char *data, size_t size, size_t count, void *ctx)
{
    struct transfer *transfer = ctx;
    const size_t len = size * count;
    if (add_line(transfer, slice_of(data, len)))
        return len;
    transfer->is_protocol_error = true;
    return len == 0 ? 1 : 0;
}

/* How much of these bytes is kept. */
static size_t room_for(struct transfer *transfer, size_t len)
{
    const struct room *room = transfer->room;
    const size_t left = transfer->body.bytes_max - transfer->body.len;
    if (room && len > room->bytes_max - room->bytes) {
        transfer->is_room_short = true;
        return 0;
    }
    return len < left ? len : left;
}

static size_t pass_on(struct transfer *transfer, struct slice bytes)
{
    long status = 0;
    (void)curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    const struct exchange_piece piece = {
        .status = (int)status, .head = buf_slice(&transfer->head), .bytes = bytes};
    switch (transfer->on_piece(&piece, transfer->piece_ctx)) {
    case PIECE_TAKEN:
        return bytes.len;
    case PIECE_PAUSE:
        return CURL_WRITEFUNC_PAUSE;
    case PIECE_END:
        break;
    }
    return bytes.len == 0 ? 1 : 0;
}

size_t answer_on_body(char *data, size_t size, size_t count, void *ctx)
{
    struct transfer *transfer = ctx;
    const size_t len = size * count;
    if (transfer->on_piece)
        return pass_on(transfer, slice_of(data, len));
    const size_t kept = room_for(transfer, len);
    if (buf_add(&transfer->body, data, kept) == OK && transfer->room)
        transfer->room->bytes += kept;
    if (kept < len) {
        transfer->is_cut = true;
        return len == 0 ? 1 : 0;
    }
    return len;
}

/* ---- Retry-After (RFC 9110 §10.2.3)
 * ----------------------------------------------------------------- */

static int64_t read_seconds(const char *text)
{
    int64_t seconds = 0;
    if (*text == '\0')
        return -1;
    for (; *text >= '0' && *text <= '9'; text++)
        if (seconds <= LIMIT_RETRY_AFTER_MAX_S)
            seconds = seconds * 10 + (*text - '0');
    return *text == '\0' ? seconds : -1;
}

int64_t answer_retry_after_ms(struct slice head)
{
    struct slice value;
    char text[64];
    if (!head_find(head, "retry-after", &value) || value.len >= sizeof text)
        return -1;
    (void)snprintf(text, sizeof text, "%.*s", (int)value.len, value.data);
    int64_t ms = read_seconds(text);
    if (ms >= 0)
        ms *= 1000;
    else if (clock_parse_http_date(text, &ms))
        ms -= clock_now_ms();
    else
        return -1;
    const int64_t most = (int64_t)LIMIT_RETRY_AFTER_MAX_S * 1000;
    return ms < 0 ? 0 : ms > most ? most : ms;
}

/* ---- The end
 * ------------------------------------------------------------------------------------------ */

/* What curl calls an end that is no answer; every other one is a matter of protocol. */
static const struct {
    CURLcode code;
    enum attempt_error error;
} ends[] = {
    {CURLE_OK, ATTEMPT_OK},
    {CURLE_OPERATION_TIMEDOUT, ATTEMPT_TIMEOUT},
    {CURLE_COULDNT_RESOLVE_HOST, ATTEMPT_DNS},
    {CURLE_COULDNT_RESOLVE_PROXY, ATTEMPT_DNS},
    {CURLE_PROXY, ATTEMPT_CONNECT},
    {CURLE_COULDNT_CONNECT, ATTEMPT_CONNECT},
    {CURLE_SSL_CONNECT_ERROR, ATTEMPT_TLS},
    {CURLE_SSL_CERTPROBLEM, ATTEMPT_TLS},
    {CURLE_SSL_CIPHER, ATTEMPT_TLS},
    {CURLE_SSL_CACERT_BADFILE, ATTEMPT_TLS},
    {CURLE_SSL_CLIENTCERT, ATTEMPT_TLS},
    {CURLE_SSL_ISSUER_ERROR, ATTEMPT_TLS},
    {CURLE_PEER_FAILED_VERIFICATION, ATTEMPT_TLS},
    {CURLE_ABORTED_BY_CALLBACK, ATTEMPT_RESET},
    {CURLE_GOT_NOTHING, ATTEMPT_RESET},
    {CURLE_RECV_ERROR, ATTEMPT_RESET},
    {CURLE_SEND_ERROR, ATTEMPT_RESET},
    {CURLE_PARTIAL_FILE, ATTEMPT_RESET},
    {CURLE_HTTP2_STREAM, ATTEMPT_RESET},
};

static bool is_refused_by_proxy(const struct transfer *transfer)
{
    long status = 0;
    (void)curl_easy_getinfo(transfer->easy, CURLINFO_HTTP_CONNECTCODE, &status);
    return transfer->is_proxied && status != 0 && status / 100 != 2;
}

static enum attempt_error end_of(CURLcode code)
{
    for (size_t i = 0; i < array_count(ends); i++)
        if (ends[i].code == code)
            return ends[i].error;
    return ATTEMPT_PROTOCOL;
}

/* The receiver asked for a certificate, and broke off before it said a word. */
static bool is_certificate_refused(const struct transfer *transfer, CURLcode code)
{
    return handshake_asked(transfer->handshake) && transfer->header_bytes == 0 &&
           (end_of(code) == ATTEMPT_RESET || code == CURLE_SSL_CONNECT_ERROR ||
            code == CURLE_HTTP2);
}

static enum attempt_error error_of(const struct transfer *transfer, CURLcode code)
{
    if (is_certificate_refused(transfer, code))
        return ATTEMPT_TLS;
    if (is_refused_by_proxy(transfer))
        return ATTEMPT_CONNECT;
    return end_of(code);
}

/* Since the start of the attempt, of which curl has not seen the look-up. 0: not reached. */
static int64_t read_us(const struct transfer *transfer, CURLINFO info)
{
    curl_off_t us = 0;
    (void)curl_easy_getinfo(transfer->easy, info, &us);
    return us > 0 ? us + transfer->lookup_ms * 1000 : 0;
}

/* Which of the times was over. */
static enum status describe_timeout(struct transfer *transfer)
{
    const struct timeouts *timeouts = &transfer->timeouts;
    const int64_t age_ms = clock_mono_ms() - transfer->started_mono_ms;
    if (!transfer_is_connected(transfer) && age_ms < timeouts->first_byte_ms)
        return buf_printf(&transfer->text, "connect: no connection within %lld ms",
                          (long long)timeouts->connect_ms);
    if (transfer->header_bytes == 0 && timeouts->first_byte_ms < timeouts->whole_ms)
        return buf_printf(&transfer->text, "first_byte: no answer began within %lld ms",
                          (long long)timeouts->first_byte_ms);
    return buf_printf(&transfer->text, "whole: no whole answer within %lld ms",
                      (long long)timeouts->whole_ms);
}

static const char *describe(struct transfer *transfer, CURLcode code)
{
    const struct attempt *attempt = &transfer->attempt;
    enum status status;
    buf_clear(&transfer->text);
    if (attempt->error == ATTEMPT_BLOCKED_ADDRESS)
        status = buf_printf(&transfer->text, "%s%s", transfer->verdict_reason,
                            transfer->verdict == GUARD_PRIVATE ? "; allow_private = true allows it"
                                                               : "; it is always refused");
    else if (transfer->is_room_short)
        status = buf_printf(&transfer->text,
                            "the answers that are being read hold %zu MiB: try again later",
                            transfer->room->bytes_max >> 20);
    else if (transfer->is_protocol_error)
        status = buf_printf(&transfer->text, "headers over %d bytes or over %d interim answers",
                            LIMIT_ANSWER_HEADERS_BYTES, LIMIT_INTERIM_ANSWERS);
    else if (attempt->error == ATTEMPT_TIMEOUT)
        status = describe_timeout(transfer);
    else if (is_certificate_refused(transfer, code))
        status =
            buf_printf(&transfer->text, "the receiver asks for a client certificate and %s: %s",
                       transfer->has_certificate ? "refuses the endpoint's"
                       : transfer->is_of_endpoint
                           ? "the endpoint has none (client_cert)"
                           : "gets none: only what is sent to an endpoint shows one (client_cert)",
                       transfer->error[0] ? transfer->error : curl_easy_strerror(code));
    else if (attempt->error != ATTEMPT_OK)
        status = buf_add_str(&transfer->text,
                             transfer->error[0] ? transfer->error : curl_easy_strerror(code));
    else
        return "";
    return status == OK ? transfer->text.data : attempt_error_name(attempt->error);
}

void answer_classify(struct transfer *transfer, CURLcode code)
{
    struct attempt *attempt = &transfer->attempt;
    long status = 0;
    (void)curl_easy_getinfo(transfer->easy, CURLINFO_RESPONSE_CODE, &status);
    const bool is_blocked = transfer->verdict != GUARD_ALLOWED && !transfer->has_head;
    attempt->status = transfer->has_head ? (int)status : 0;
    attempt->is_cut = transfer->is_cut;
    if (is_blocked)
        attempt->error = ATTEMPT_BLOCKED_ADDRESS;
    else if (transfer->is_protocol_error)
        attempt->error = ATTEMPT_PROTOCOL;
    else if (transfer->is_cut ||
             (transfer->has_head && status_is_success((int)status) && !transfer->needs_all))
        attempt->error = ATTEMPT_OK; /* the headers are complete: the answer counts */
    else
        attempt->error = error_of(transfer, code);
    attempt->is_cut |= code != CURLE_OK && attempt->error == ATTEMPT_OK;
    attempt->duration_ms = clock_mono_ms() - transfer->started_mono_ms;
    attempt->dns_us = read_us(transfer, CURLINFO_NAMELOOKUP_TIME_T);
    attempt->connect_us = read_us(transfer, CURLINFO_CONNECT_TIME_T);
    attempt->tls_us = read_us(transfer, CURLINFO_APPCONNECT_TIME_T);
    attempt->first_byte_us = read_us(transfer, CURLINFO_STARTTRANSFER_TIME_T);
    attempt->head = buf_slice(&transfer->head);
    attempt->body = buf_slice(&transfer->body);
    attempt->retry_after_ms = answer_retry_after_ms(attempt->head);
    attempt->detail = describe(transfer, code);
}

void answer_without_exchange(struct transfer *transfer, enum attempt_error error,
                             const char *detail)
{
    struct attempt *attempt = &transfer->attempt;
    attempt->error = error;
    attempt->duration_ms = clock_mono_ms() - transfer->started_mono_ms;
    attempt->dns_us = transfer->lookup_ms * 1000;
    attempt->retry_after_ms = -1;
    attempt->head = attempt->body = slice_of("", 0);
    attempt->detail = detail ? detail : describe(transfer, CURLE_OK);
}
