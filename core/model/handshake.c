/* SPDX-License-Identifier: MIT */
#include "model/handshake.h"

#include "base/head.h"
#include "base/limits.h"

#include <ctype.h>

bool handshake_is_origin(struct slice name)
{
    for (size_t i = 0; i < name.len; i++)
        if (!isalnum((unsigned char)name.data[i]) && !strchr("-._", name.data[i]))
            return false;
    return name.len > 0 && name.len <= LIMIT_HOST_BYTES;
}

bool handshake_is_callback(struct slice url)
{
    static const char scheme[] = "https://";
    const size_t len = sizeof scheme - 1;
    if (url.len <= len || url.len > LIMIT_URL_BYTES ||
        !slice_equal_nocase(slice_of(url.data, len), slice_str(scheme)))
        return false;
    for (size_t i = 0; i < url.len; i++)
        if (url.data[i] <= ' ' || url.data[i] > '~')
            return false;
    return true;
}

bool handshake_parse_rate(struct slice text, uint32_t *rate)
{
    uint32_t number = 0;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        number = number * 10 + (uint32_t)(text.data[i] - '0');
        if (number > HANDSHAKE_RATE_MAX / 10 && i + 1 < text.len)
            return false;
    }
    *rate = number;
    return number > 0 && number <= HANDSHAKE_RATE_MAX;
}

enum status handshake_read(struct slice head, struct handshake_request *request, struct err *err)
{
    struct slice rate;
    *request = (struct handshake_request){.origin = slice_str(""), .callback = slice_str("")};
    if (head_find(head, HANDSHAKE_REQUEST_ORIGIN, &request->origin) &&
        !handshake_is_origin(request->origin))
        return err_set(err, E_INVALID,
                       "WebHook-Request-Origin must be a DNS name of at most %d bytes",
                       LIMIT_HOST_BYTES);
    if (head_find(head, HANDSHAKE_REQUEST_CALLBACK, &request->callback) &&
        !handshake_is_callback(request->callback))
        return err_set(err, E_INVALID,
                       "WebHook-Request-Callback must be a URL of https:// of at most %d bytes",
                       LIMIT_URL_BYTES);
    if (head_find(head, HANDSHAKE_REQUEST_RATE, &rate) &&
        !handshake_parse_rate(rate, &request->rate_per_min))
        return err_set(err, E_INVALID,
                       "WebHook-Request-Rate must be an integer from 1 to %d, requests a minute",
                       HANDSHAKE_RATE_MAX);
    return OK;
}

bool handshake_allows(const struct handshake_spec *spec, struct slice origin)
{
    bool is_listed = spec->allows_any;
    for (size_t i = 0; i < spec->origin_count && !is_listed; i++)
        is_listed = slice_equal_nocase(origin, slice_str(spec->origins[i]));
    return is_listed;
}
