/* SPDX-License-Identifier: MIT */
/* Consent to a handshake of ours that comes by its callback (section 4.1.3 of the CloudEvents HTTP
 * webhook specification): GET or POST, by a program or in a browser. The URL alone is the proof;
 * who asked judges it. */
#include "receive/receive_int.h"

#include "base/id.h"
#include "model/handshake.h"

#include <stdio.h>
#include <stdlib.h>

#define BODY_BYTES_MAX 65536 /* it is not looked at */
#define ANSWER_BYTES 128

/* One request. Lives until the exchange is over and its errand is home. */
struct consent {
    enum visit visit;
    struct receiver *receiver;
    struct http_request *request; /* NULL: the client left */
    bool is_out;
    struct receive_grant grant;
};

static void free_if_over(struct consent *consent)
{
    if (consent->is_out || consent->request)
        return;
    consent->receiver->grant_count--;
    explicit_bzero(consent->grant.key, sizeof consent->grant.key);
    free(consent);
}

static void refuse(struct http_request *request, int status, const char *code, const char *detail)
{
    http_refuse(request, &(struct http_refusal){
                             .status = status,
                             .code = code,
                             .detail = detail,
                             .allow = status == 405 ? "GET, POST" : NULL,
                             .retry_after_s = status == 503 ? LIMIT_RETRY_AFTER_S : 0,
                         });
}

static void refuse_unknown(struct http_request *request)
{
    refuse(request, 404, "unknown_grant",
           "there is no such grant, or it was given, or its time is over: an endpoint that is "
           "changed asks again");
}

static void answer_granted(struct consent *consent)
{
    static const char text[] = "granted: what is sent to this endpoint is delivered from now on\n";
    http_respond(consent->request, &(struct http_response){
                                       .status = 200,
                                       .content_type = "text/plain; charset=utf-8",
                                       .body = slice_str(text),
                                   });
}

static void on_judged(struct lease_errand *errand)
{
    struct consent *consent = errand->ctx;
    consent->is_out = false;
    if (!consent->request)
        free_if_over(consent);
    else if (errand->status == OK)
        answer_granted(consent);
    else if (errand->status == E_NOTFOUND)
        refuse_unknown(consent->request);
    else if (errand->status == E_INVALID)
        refuse(consent->request, 400, "other_origin",
               HANDSHAKE_ALLOWED_ORIGIN " is neither \"*\" nor the origin that asked");
    else
        refuse(consent->request, 503, "not_stored", "the grant could not be stored; ask again");
}

/* "/grant/ep_…/KEY". */
static bool read_path(struct slice path, struct receive_grant *grant)
{
    static const size_t prefix_len = sizeof OWNERSHIP_GRANT_PATH - 1;
    char id[ID_TEXT_BYTES];
    const struct slice rest = slice_of(path.data + prefix_len, path.len - prefix_len);
    const char *slash = memchr(rest.data, '/', rest.len);
    if (!slash)
        return false;
    const size_t id_len = (size_t)(slash - rest.data);
    const size_t key_len = rest.len - id_len - 1;
    if (id_len >= sizeof id || key_len != sizeof grant->key - 1)
        return false;
    (void)snprintf(id, sizeof id, "%.*s", (int)id_len, rest.data);
    memcpy(grant->key, slash + 1, key_len);
    return id_parse(ID_ENDPOINT, id, &grant->errand.endpoint);
}

static bool is_method(const struct http_request *request)
{
    return slice_is(http_method(request), "GET") || slice_is(http_method(request), "POST");
}

bool grant_on_head(struct receiver *receiver, struct http_request *request)
{
    struct receive_grant grant = {0};
    const struct slice path = http_path(request);
    const size_t len = sizeof OWNERSHIP_GRANT_PATH - 1;
    if (path.len < len || memcmp(path.data, OWNERSHIP_GRANT_PATH, len) != 0)
        return false;
    if (!read_path(path, &grant)) {
        refuse_unknown(request);
        return true;
    }
    if (!is_method(request)) {
        refuse(request, 405, "method_not_allowed", "a grant is given by GET or POST");
        return true;
    }
    struct consent *consent = must_alloc(sizeof *consent);
    *consent = (struct consent){
        .visit = VISIT_GRANT, .receiver = receiver, .request = request, .grant = grant};
    receiver->grant_count++;
    http_set_data(request, consent);
    http_accept(request, BODY_BYTES_MAX);
    return true;
}

/* What the specification lets the callback say as well. False: refused and answered. */
static bool read_headers(struct consent *consent)
{
    struct receive_grant *grant = &consent->grant;
    struct slice value;
    char detail[ANSWER_BYTES];
    grant->has_rate = http_header(consent->request, HANDSHAKE_ALLOWED_RATE, &value);
    if (grant->has_rate && !slice_is(value, "*") &&
        !handshake_parse_rate(value, &grant->rate_per_min)) {
        (void)snprintf(detail, sizeof detail, "%s must be \"*\" or an integer from 1 to %d",
                       HANDSHAKE_ALLOWED_RATE, HANDSHAKE_RATE_MAX);
        refuse(consent->request, 400, "bad_rate", detail);
        return false;
    }
    if (http_header(consent->request, HANDSHAKE_ALLOWED_ORIGIN, &value) && !slice_is(value, "*"))
        (void)snprintf(grant->origin, sizeof grant->origin, "%.*s", (int)value.len, value.data);
    return true;
}

void grant_on_request(struct http_request *request)
{
    struct consent *consent = http_data(request);
    const struct receive_options *options = &consent->receiver->options;
    if (!read_headers(consent))
        return;
    consent->grant.errand.on_done = on_judged;
    consent->grant.errand.ctx = consent;
    consent->is_out = true;
    options->hooks->grant(options->ctx, &consent->grant);
}

void grant_on_over(struct http_request *request)
{
    struct consent *consent = http_data(request);
    consent->request = NULL;
    free_if_over(consent);
}
