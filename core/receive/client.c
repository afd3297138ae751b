/* SPDX-License-Identifier: MIT */
/* Whether a client may send: allow_from, the rate. All of it before a body is read. */
#include "receive/receive_int.h"

#include "base/limits.h"
#include "shared/shared.h"

#include <stdio.h>

#define BUCKET "source "

static bool is_allowed(const struct http_request *request, const struct source_spec *source)
{
    struct ip address;
    return source->allowed_count == 0 ||
           (ip_parse(http_remote(request), &address) &&
            cidrs_contain(source->allowed, source->allowed_count, &address));
}

/* 0: go on. Else seconds to wait. */
static int over_rate_s(const struct source_spec *source, struct shared *shared)
{
    if (!(source->rate_per_s > 0) || !shared)
        return 0;
    char name[sizeof BUCKET + LIMIT_NAME_BYTES];
    const struct limiter_rate rate = {source->rate_per_s,
                                      source->rate_per_s > 1 ? source->rate_per_s : 1};
    int64_t wait_ms;
    (void)snprintf(name, sizeof name, BUCKET "%s", source->name);
    if (limiter_take(shared, slice_str(name), &rate, 1, 0, &wait_ms))
        return 0;
    return wait_ms < 1000 ? 1 : (int)((wait_ms + 999) / 1000);
}

bool client_admit(struct http_request *request, const struct source_spec *source,
                  struct shared *shared)
{
    if (!is_allowed(request, source)) {
        http_refuse(request,
                    &(struct http_refusal){.status = 403,
                                           .code = "address_not_allowed",
                                           .detail = "this source does not take requests from "
                                                     "this address"});
        return false;
    }
    const int wait_s = over_rate_s(source, shared);
    if (wait_s > 0)
        http_refuse(request, &(struct http_refusal){
                                 .status = 429,
                                 .code = "too_many_requests",
                                 .detail = "this source takes fewer requests; send it again later",
                                 .retry_after_s = wait_s});
    return wait_s == 0;
}
