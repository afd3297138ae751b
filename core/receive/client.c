/* SPDX-License-Identifier: MIT */
/* Who sends, and whether it may: the address behind trusted proxies, allow_from, the rate. All of
 * it before a body is read. */
#include "receive/receive_int.h"

#include "base/limits.h"
#include "shared/shared.h"

#include <stdio.h>

#define FORWARDED "x-forwarded-for"
#define BUCKET "source "

/* ---- Trusted proxies ---- */

/* Cuts the last element off a list that commas separate. */
static struct slice cut_last(struct slice *list)
{
    size_t from = list->len;
    while (from > 0 && list->data[from - 1] != ',')
        from--;
    const struct slice last = slice_trim(slice_of(list->data + from, list->len - from));
    list->len = from > 0 ? from - 1 : 0;
    return last;
}

/* The last header of that name: a proxy that does not join appends its own. */
static struct slice last_forwarded(const struct http_request *request)
{
    struct slice last = slice_str("");
    struct field field;
    for (size_t offset = 0; head_next(http_head(request), &offset, &field);)
        if (slice_equal_nocase(field.name, slice_str(FORWARDED)))
            last = field.value;
    return last;
}

void client_find(struct http_request *request, const struct cidr *proxies, size_t proxy_count)
{
    struct ip address;
    if (proxy_count == 0 || !ip_parse(http_remote(request), &address) ||
        !cidrs_contain(proxies, proxy_count, &address))
        return;
    struct slice list = last_forwarded(request);
    struct slice client = slice_str("");
    while (list.len > 0) {
        const struct slice hop = cut_last(&list);
        if (!ip_parse(hop, &address))
            break; /* what stands before is nobody's word that we trust */
        client = hop;
        if (!cidrs_contain(proxies, proxy_count, &address))
            break;
    }
    if (client.len > 0)
        http_set_remote(request, client);
}

/* ---- May it? ---- */

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
