/* SPDX-License-Identifier: MIT */
/* Proxies of endpoints. Behind one the connection leads to the proxy, and names are looked up
 * there: of where an attempt goes only an address that stands in the URL can be judged. */
#include "send/sender_int.h"

#include "base/limits.h"

#include <arpa/inet.h>
#include <stdio.h>

static bool has_path(CURLU *parts)
{
    char *path = NULL;
    char *query = NULL;
    const bool is_long =
        curl_url_get(parts, CURLUPART_PATH, &path, 0) == CURLUE_OK && strcmp(path, "/") != 0;
    const bool has_query = curl_url_get(parts, CURLUPART_QUERY, &query, 0) == CURLUE_OK;
    curl_free(path);
    curl_free(query);
    return is_long || has_query;
}

static enum status check_parts(CURLU *parts, const char *url, struct err *err)
{
    char *scheme = NULL;
    if (curl_url_set(parts, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME) != CURLUE_OK ||
        curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK)
        return err_set(err, E_INVALID, "not the URL of a proxy: write http://HOST:PORT");
    const bool is_http = strcmp(scheme, "http") == 0 || strcmp(scheme, "https") == 0;
    curl_free(scheme);
    if (!is_http)
        return err_set(err, E_INVALID, "only proxies of http and https are known");
    if (has_path(parts))
        return err_set(err, E_INVALID, "the URL of a proxy has no path: write http://HOST:PORT");
    return OK;
}

enum status proxy_check_url(const char *url, struct err *err)
{
    if (strlen(url) > LIMIT_URL_BYTES)
        return err_set(err, E_INVALID, "a URL has at most %d bytes", LIMIT_URL_BYTES);
    CURLU *parts = curl_url();
    if (!parts)
        return err_set(err, E_NOMEM, "no memory for a URL");
    const enum status status = check_parts(parts, url, err);
    curl_url_cleanup(parts);
    return status;
}

/* The address that the host of a URL is; "localhost" is that of the machine that reads it. False: a
 * name. */
static bool read_literal(const struct target *target, const char *host,
                         struct sockaddr_storage *address)
{
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6};
    char text[INET6_ADDRSTRLEN];
    if (target->host)
        return false;
    (void)snprintf(text, sizeof text, "%.*s", (int)strcspn(host + 1, "]%"), host + 1);
    in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (host[0] == '[' && inet_pton(AF_INET6, text, &in6.sin6_addr) == 1) {
        memcpy(address, &in6, sizeof in6);
        return true;
    }
    if (inet_pton(AF_INET, host, &in.sin_addr) != 1)
        in.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    memcpy(address, &in, sizeof in);
    return true;
}

enum guard_verdict proxy_judge(const struct guard_rules *rules, const struct target *target,
                               const char **reason)
{
    struct sockaddr_storage address = {0};
    char *host = NULL;
    enum guard_verdict verdict = GUARD_ALLOWED;
    if (curl_url_get(target->url, CURLUPART_HOST, &host, 0) == CURLUE_OK &&
        read_literal(target, host, &address))
        verdict = guard_judge(rules, (const struct sockaddr *)&address, reason);
    curl_free(host);
    return verdict;
}
