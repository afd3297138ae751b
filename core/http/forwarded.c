/* SPDX-License-Identifier: MIT */
/* The client behind proxies that are trusted: what X-Forwarded-For says of it. */
#include "http/http_int.h"

#define FORWARDED "x-forwarded-for"

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

void http_find_client(struct http_request *request, const struct cidr *proxies, size_t proxy_count)
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
