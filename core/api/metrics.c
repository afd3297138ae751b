/* SPDX-License-Identifier: MIT */
/* GET /metrics: figures for Prometheus. */
#include "api/api_int.h"

#define METRICS_BYTES_MAX (16u * 1024 * 1024)

void api_show_metrics(struct call *call)
{
    const struct api_hooks *hooks = &call->api->hooks;
    static const struct field no_store = {{"Cache-Control", 13}, {"no-store", 8}};
    struct buf out;
    buf_init(&out, METRICS_BYTES_MAX);
    if (hooks->write_metrics(&out, hooks->ctx) == OK)
        http_respond(call->request, &(struct http_response){
                                        .status = 200,
                                        .content_type = "text/plain; version=0.0.4; charset=utf-8",
                                        .body = buf_slice(&out),
                                        .headers = &no_store,
                                        .header_count = 1,
                                    });
    else
        call_refuse(call, 503, "no_memory", "no memory for the metrics; try again");
    buf_finish(&out);
}
