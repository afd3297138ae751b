/* SPDX-License-Identifier: MIT */
/* GET /healthz: for load balancers and `anzol health`; GET /api/v1/health and /api/v1/health/ping:
 * the same for SDKs, without a body. Never asks the store, needs no token. */
#include "api/api_int.h"

void api_show_health(struct call *call)
{
    const char *why = "starting";
    const bool is_serving = call->api->hooks.is_serving(&why, call->api->hooks.ctx);
    struct document out;
    document_init(&out, SMALL_ANSWER_BYTES_MAX);
    document_open(&out, '{');
    document_key(&out, "status");
    document_str(&out, is_serving ? "ok" : why);
    document_close(&out, '}');
    call_answer(call, is_serving ? 200 : 503, &out);
}

void api_answer_health(struct call *call)
{
    const char *why = "starting";
    if (call->api->hooks.is_serving(&why, call->api->hooks.ctx))
        api_respond(call->request, 204, slice_of("", 0), NULL, 0);
    else
        call_refuse(call, 503, "not_serving", why);
}
