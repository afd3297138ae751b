/* SPDX-License-Identifier: MIT */
/* POST /api/v1/auth/app-portal-access/{app}: a token for the customers of an application, as a page
 * that shows them their endpoints wants it. */
#include "api/fields_int.h"
#include "api/token_int.h"

#include <stdlib.h>

#define NO_FLAGS "[]"
#define MS_PER_S INT64_C(1000)
#define ALL_MAY                                                                                    \
    "whoever has the link may do all that the portal offers: leave it out, or show what "          \
    "customers may see on a page of your own"

/* The last counts only if the path's application is not there. */
static const struct field_form rows[] = {
    {.name = "featureFlags",
     .type = FIELD_NAMES,
     .min = 1,
     .max = LIMIT_UID_BYTES,
     .absent = NO_FLAGS},
    {.name = "expiry",
     .type = FIELD_INTEGER,
     .min = 1,
     .max = LIMIT_PORTAL_TTL_S,
     .absent = "604800"},
    {.name = "capabilities", .type = FIELD_NAMES, .refusal = ALL_MAY},
    {.name = "readOnly", .type = FIELD_FLAG, .refusal = ALL_MAY},
    {.name = "application", .type = FIELD_FORM, .forms = &application_fields},
};
const struct field_forms portal_fields = {rows, array_count(rows)};
static const struct field_forms fields_without_application = {rows, array_count(rows) - 1};

static enum status add_url(const struct call *call, struct buf *url)
{
    struct slice host = slice_str("localhost");
    char application[ID_TEXT_BYTES];
    if (slice_is(http_remote(call->request), "unix") && call->api->listen[0])
        host = slice_str(call->api->listen); /* its Host is no address of a browser */
    else
        (void)http_header(call->request, "host", &host);
    id_format(ID_APPLICATION, call->application, application);
    enum status status = call->api->url ? buf_add_str(url, call->api->url)
                                        : buf_printf(url, "http://%.*s", (int)host.len, host.data);
    if (status == OK)
        status = buf_printf(url, "/portal/#app=%s&token=%s", application, call->minting.text.data);
    return status;
}

/* A repeated request is answered as the first one was. */
static void answer(struct call *call, bool is_repeat)
{
    (void)is_repeat;
    struct document out;
    struct buf url;
    buf_init_secret(&url, LIMIT_REQUEST_LINE_BYTES);
    document_init(&out, SMALL_ANSWER_BYTES_MAX);
    if (add_url(call, &url) != OK) {
        call_refuse(call, 503, "memory", "no memory; try again");
        buf_finish(&url);
        return;
    }
    document_open(&out, '{');
    document_key(&out, "url");
    document_text(&out, buf_slice(&url));
    document_key(&out, "token");
    document_text(&out, buf_slice(&call->minting.text));
    document_close(&out, '}');
    call_answer(call, 200, &out);
    buf_finish(&url);
}

static void mint_first(struct call *call)
{
    token_begin(call, answer);
    token_mint(call);
}

/* False: refused and answered. */
static bool read_body(struct call *call, bool has_application)
{
    const struct fields_input input = {
        .forms = has_application ? &fields_without_application : &portal_fields,
        .mode = FIELDS_MADE,
        .body = http_body(call->request),
    };
    struct complaints complaints;
    struct buf body;
    complaints_begin(&complaints);
    buf_init(&body, 2 * LIMIT_API_BODY_BYTES);
    enum status status = fields_read(&input, &complaints, &body);
    if (status == OK && complaints.count == 0) {
        call->minting.token.flags = fields_copy(body.data, "featureFlags");
        struct slice expiry;
        check(json_find(buf_slice(&body), "expiry", &expiry));
        call->minting.ttl_ms = strtoll(expiry.data, NULL, 10) * MS_PER_S;
        if (!has_application)
            status = api_take_brought(call, buf_slice(&body), &complaints);
    }
    buf_finish(&body);
    if (!complaints_end(call, &complaints))
        return false;
    if (status != OK)
        call_refuse(call, 503, "memory", "no memory; try again");
    return status == OK;
}

static void begin(struct call *call, bool is_found)
{
    call->minting.token.scope = TOKEN_PORTAL;
    if (is_found)
        token_begin(call, answer);
    else if (!api_brings_application(call))
        return;
    if (!read_body(call, is_found))
        return;
    if (is_found)
        token_mint(call);
    else
        api_make_brought(call, mint_first);
}

void api_open_portal(struct call *call)
{
    api_find_application(call, begin);
}
