/* SPDX-License-Identifier: MIT */
/* The address guard: what may be called. Tables from the IANA special-purpose registries for IPv4
 * and IPv6, and the metadata addresses of the clouds. Pure; any thread. */
#include "send/send.h"

#include "base/limits.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <strings.h>

struct range4 {
    uint32_t first;
    unsigned bits;
    enum guard_verdict verdict;
    const char *reason;
};

#define IP4(a, b, c, d) ((uint32_t)(a) << 24 | (uint32_t)(b) << 16 | (uint32_t)(c) << 8 | (d))

/* The first match counts: single addresses stand before the ranges that hold them. */
static const struct range4 ranges4[] = {
    {IP4(100, 100, 100, 200), 32, GUARD_NEVER, "100.100.100.200 is a metadata service"},
    {IP4(168, 63, 129, 16), 32, GUARD_PRIVATE, "168.63.129.16 is Azure's own service"},
    {IP4(169, 254, 0, 0), 16, GUARD_NEVER, "169.254.0.0/16 is link-local"},
    {IP4(0, 0, 0, 0), 8, GUARD_PRIVATE, "0.0.0.0/8 is this network"},
    {IP4(10, 0, 0, 0), 8, GUARD_PRIVATE, "10.0.0.0/8 is private"},
    {IP4(100, 64, 0, 0), 10, GUARD_PRIVATE, "100.64.0.0/10 is shared address space"},
    {IP4(127, 0, 0, 0), 8, GUARD_PRIVATE, "127.0.0.0/8 is loopback"},
    {IP4(172, 16, 0, 0), 12, GUARD_PRIVATE, "172.16.0.0/12 is private"},
    {IP4(192, 0, 0, 0), 24, GUARD_PRIVATE, "192.0.0.0/24 is for protocols"},
    {IP4(192, 0, 2, 0), 24, GUARD_PRIVATE, "192.0.2.0/24 is for documentation"},
    {IP4(192, 88, 99, 0), 24, GUARD_PRIVATE, "192.88.99.0/24 was 6to4 relay"},
    {IP4(192, 168, 0, 0), 16, GUARD_PRIVATE, "192.168.0.0/16 is private"},
    {IP4(198, 18, 0, 0), 15, GUARD_PRIVATE, "198.18.0.0/15 is for benchmarks"},
    {IP4(198, 51, 100, 0), 24, GUARD_PRIVATE, "198.51.100.0/24 is for documentation"},
    {IP4(203, 0, 113, 0), 24, GUARD_PRIVATE, "203.0.113.0/24 is for documentation"},
    {IP4(224, 0, 0, 0), 4, GUARD_PRIVATE, "224.0.0.0/4 is multicast"},
    {IP4(240, 0, 0, 0), 4, GUARD_PRIVATE, "240.0.0.0/4 is reserved"},
};

struct range6 {
    uint8_t first[16];
    unsigned bits;
    enum guard_verdict verdict;
    const char *reason;
};

static const struct range6 ranges6[] = {
    {{0xfd, 0x00, 0x0e, 0xc2, [14] = 0x02, [15] = 0x54},
     128,
     GUARD_NEVER,
     "fd00:ec2::254 is a metadata service"},
    {{0xfe, 0x80}, 10, GUARD_NEVER, "fe80::/10 is link-local"},
    {{[15] = 1}, 128, GUARD_PRIVATE, "::1 is loopback"},
    {{0xfc}, 7, GUARD_PRIVATE, "fc00::/7 is private"},
    {{0xff}, 8, GUARD_PRIVATE, "ff00::/8 is multicast"},
    {{0x20, 0x01, 0x0d, 0xb8}, 32, GUARD_PRIVATE, "2001:db8::/32 is for documentation"},
    {{0x20, 0x01}, 23, GUARD_PRIVATE, "2001::/23 is for protocols"},
    {{0x20, 0x02}, 16, GUARD_PRIVATE, "2002::/16 is 6to4"},
    {{0x3f, 0xff}, 20, GUARD_PRIVATE, "3fff::/20 is for documentation"},
};

#define GLOBAL_UNICAST_BITS 3 /* 2000::/3: all of IPv6 that may be called */

static bool has_prefix(const uint8_t *address, const uint8_t *prefix, unsigned bits)
{
    const unsigned bytes = bits / 8;
    if (memcmp(address, prefix, bytes) != 0)
        return false;
    const unsigned rest = bits % 8;
    return rest == 0 || (address[bytes] ^ prefix[bytes]) >> (8 - rest) == 0;
}

static enum guard_verdict judge4(uint32_t address, const char **reason)
{
    for (size_t i = 0; i < array_count(ranges4); i++) {
        const struct range4 *range = &ranges4[i];
        if ((address ^ range->first) >> (32 - range->bits) != 0)
            continue;
        *reason = range->reason;
        return range->verdict;
    }
    *reason = "";
    return GUARD_ALLOWED;
}

static uint32_t read4(const uint8_t *bytes)
{
    return IP4(bytes[0], bytes[1], bytes[2], bytes[3]);
}

/* The forms in which an IPv4 address hides in an IPv6 one: an address that is never to be called
 * is not to be called in disguise either. */
static bool hidden4(const uint8_t *address, uint32_t *hidden)
{
    static const uint8_t nat64[16] = {0x00, 0x64, 0xff, 0x9b};
    static const uint8_t nat64_local[16] = {0x00, 0x64, 0xff, 0x9b, 0x00, 0x01};
    static const uint8_t six_to_four[16] = {0x20, 0x02};
    static const uint8_t none[16];
    if (has_prefix(address, six_to_four, 16))
        *hidden = read4(address + 2);
    else if (has_prefix(address, nat64, 96) || has_prefix(address, nat64_local, 48) ||
             has_prefix(address, none, 96))
        *hidden = read4(address + 12);
    else
        return false;
    return true;
}

static enum guard_verdict judge6(const uint8_t *address, const char **reason)
{
    static const uint8_t mapped[16] = {[10] = 0xff, [11] = 0xff};
    static const uint8_t global[16] = {0x20};
    if (has_prefix(address, mapped, 96))
        return judge4(read4(address + 12), reason);
    uint32_t hidden;
    if (hidden4(address, &hidden) && judge4(hidden, reason) == GUARD_NEVER)
        return GUARD_NEVER;
    for (size_t i = 0; i < array_count(ranges6); i++)
        if (has_prefix(address, ranges6[i].first, ranges6[i].bits)) {
            *reason = ranges6[i].reason;
            return ranges6[i].verdict;
        }
    if (has_prefix(address, global, GLOBAL_UNICAST_BITS)) {
        *reason = "";
        return GUARD_ALLOWED;
    }
    *reason = "it is not in 2000::/3, global unicast";
    return GUARD_PRIVATE;
}

static enum guard_verdict judge(const struct sockaddr *address, const char **reason)
{
    if (address->sa_family == AF_INET) {
        struct sockaddr_in in;
        memcpy(&in, address, sizeof in);
        return judge4(ntohl(in.sin_addr.s_addr), reason);
    }
    if (address->sa_family == AF_INET6) {
        struct sockaddr_in6 in6;
        memcpy(&in6, address, sizeof in6);
        if (in6.sin6_scope_id != 0) {
            *reason = "scoped addresses are link-local";
            return GUARD_NEVER;
        }
        return judge6(in6.sin6_addr.s6_addr, reason);
    }
    *reason = "it is no IP address";
    return GUARD_NEVER;
}

static struct ip mapped4(uint32_t address)
{
    return (struct ip){{[10] = 0xff,
                        [11] = 0xff,
                        [12] = (uint8_t)(address >> 24),
                        [13] = (uint8_t)(address >> 16),
                        [14] = (uint8_t)(address >> 8),
                        [15] = (uint8_t)address}};
}

/* False: no IP address. */
static bool read_ip(const struct sockaddr *address, struct ip *ip)
{
    struct sockaddr_in in;
    struct sockaddr_in6 in6;
    if (address->sa_family == AF_INET) {
        memcpy(&in, address, sizeof in);
        *ip = mapped4(ntohl(in.sin_addr.s_addr));
        return true;
    }
    if (address->sa_family != AF_INET6)
        return false;
    memcpy(&in6, address, sizeof in6);
    memcpy(ip->bytes, &in6.sin6_addr, sizeof ip->bytes);
    return true;
}

/* In no disguise either. */
static bool is_denied(const struct guard_rules *rules, const struct ip *ip)
{
    uint32_t hidden;
    if (cidrs_contain(rules->deny, rules->deny_count, ip))
        return true;
    if (!hidden4(ip->bytes, &hidden))
        return false;
    const struct ip within = mapped4(hidden);
    return cidrs_contain(rules->deny, rules->deny_count, &within);
}

enum guard_verdict guard_judge(const struct guard_rules *rules, const struct sockaddr *address,
                               const char **reason)
{
    struct ip ip;
    if (read_ip(address, &ip)) {
        if (is_denied(rules, &ip)) {
            *reason = "guard.deny of anzol.lua has it";
            return GUARD_NEVER;
        }
        if (cidrs_contain(rules->allow, rules->allow_count, &ip)) {
            *reason = "";
            return GUARD_ALLOWED;
        }
    }
    return judge(address, reason);
}

/* All of 127.0.0.0/8 is this machine, and the same address at both ends is too. */
static bool is_here(const struct ip *remote, const struct ip *local)
{
    static const struct cidr loopback = {{{[10] = 0xff, [11] = 0xff, [12] = 127}}, 104};
    return cidr_contains(&loopback, remote) || memcmp(remote, local, sizeof *remote) == 0;
}

enum guard_verdict guard_judge_connection(const struct guard_rules *rules,
                                          const struct sockaddr *remote, int remote_port,
                                          const struct sockaddr *local, const char **reason)
{
    struct ip remote_ip;
    struct ip local_ip;
    for (size_t i = 0; i < GUARD_LISTENERS_MAX; i++)
        if (rules->listeners[i] == remote_port && read_ip(remote, &remote_ip) &&
            read_ip(local, &local_ip) && is_here(&remote_ip, &local_ip) &&
            !cidrs_contain(rules->allow, rules->allow_count, &remote_ip)) {
            *reason = "Anzol itself listens there: use event:emit, or name it in guard.allow of "
                      "anzol.lua";
            return GUARD_NEVER;
        }
    return guard_judge(rules, remote, reason);
}

/* ---- URLs
 * ----------------------------------------------------------------------------------------- */

void url_origin(const char *url, char *origin, size_t size)
{
    static const CURLUPart rest[] = {CURLUPART_PATH, CURLUPART_QUERY, CURLUPART_FRAGMENT,
                                     CURLUPART_USER, CURLUPART_PASSWORD};
    CURLU *parts = curl_url();
    char *text = NULL;
    origin[0] = '\0';
    if (parts && curl_url_set(parts, CURLUPART_URL, url, 0) == CURLUE_OK) {
        for (size_t i = 0; i < array_count(rest); i++)
            (void)curl_url_set(parts, rest[i], NULL, 0);
        if (curl_url_get(parts, CURLUPART_URL, &text, 0) == CURLUE_OK && strlen(text) < size)
            (void)snprintf(origin, size, "%s", text);
    }
    curl_free(text);
    curl_url_cleanup(parts);
}

#define PORT_PRIVILEGED_MAX 1023

static enum status check_port(CURLU *parts, struct err *err)
{
    char *port = NULL;
    if (curl_url_get(parts, CURLUPART_PORT, &port, CURLU_DEFAULT_PORT) != CURLUE_OK)
        return err_set(err, E_INVALID, "the URL has no port that can be used");
    const long number = strtol(port, NULL, 10);
    curl_free(port);
    if (number < 1 || number > 65535 ||
        (number <= PORT_PRIVILEGED_MAX && number != 80 && number != 443))
        return err_set(err, E_INVALID,
                       "port %ld is refused: below 1024 only 80 and 443 are for webhooks", number);
    return OK;
}

static enum status check_parts(CURLU *parts, const char *url, struct err *err)
{
    const CURLUcode code = curl_url_set(parts, CURLUPART_URL, url, CURLU_NON_SUPPORT_SCHEME);
    if (code != CURLUE_OK)
        return err_set(err, E_INVALID, "not a URL: %s (write http://HOST/… or https://HOST/…)",
                       curl_url_strerror(code));
    char *text = NULL;
    if (curl_url_get(parts, CURLUPART_SCHEME, &text, 0) != CURLUE_OK)
        return err_set(err, E_INVALID, "the URL has no scheme: write http:// or https://");
    const bool is_http = strcmp(text, "http") == 0 || strcmp(text, "https") == 0;
    if (!is_http)
        (void)err_set(err, E_INVALID, "scheme \"%s\" is refused: only http and https", text);
    curl_free(text);
    if (!is_http)
        return E_INVALID;
    /* libcurl would take what comes next for it. */
    const char *authority = strstr(url, "://");
    if (!authority || authority[3] == '/')
        return err_set(err, E_INVALID,
                       "the URL has no host: write http://HOST/… or https://HOST/…");
    static const CURLUPart secrets[] = {CURLUPART_USER, CURLUPART_PASSWORD};
    for (size_t i = 0; i < array_count(secrets); i++) {
        text = NULL;
        if (curl_url_get(parts, secrets[i], &text, 0) == CURLUE_OK) {
            curl_free(text);
            return err_set(err, E_INVALID,
                           "a user or password in the URL is refused: use headers, "
                           "with a secret");
        }
    }
    return check_port(parts, err);
}

enum status guard_check_url(const char *url, struct err *err)
{
    const size_t len = strlen(url);
    if (len == 0 || len > LIMIT_URL_BYTES)
        return err_set(err, E_INVALID, "a URL has 1 to %d bytes, this one has %zu", LIMIT_URL_BYTES,
                       len);
    for (size_t i = 0; i < len; i++) {
        const unsigned char byte = (unsigned char)url[i];
        if (byte <= 0x20 || byte == 0x7f)
            return err_set(err, E_INVALID,
                           "the URL holds a space or control byte at position %zu: encode it as "
                           "%%%02X",
                           i + 1, byte);
        if (byte > 0x7f)
            return err_set(err, E_INVALID,
                           "the URL holds a byte at position %zu that is not ASCII: write the host "
                           "in punycode (xn--…) and encode the rest as %%%02X",
                           i + 1, byte);
    }
    CURLU *parts = curl_url();
    if (!parts)
        return err_set(err, E_NOMEM, "no memory for a URL");
    const enum status status = check_parts(parts, url, err);
    curl_url_cleanup(parts);
    return status;
}

/* "localhost" is this machine without asking anybody. */
bool host_is_local(const char *host)
{
    static const char local[] = ".localhost";
    const size_t len = strlen(host);
    const size_t tail = sizeof local - 1;
    return strcasecmp(host, local + 1) == 0 ||
           (len > tail && strcasecmp(host + len - tail, local) == 0);
}

/* ---- Targets of strangers -------------------------------------------------------------------- */

/* "localhost" too: it is never looked up. False: a name, judged when it is looked up. */
static bool read_host(const char *host, struct sockaddr_storage *address)
{
    struct sockaddr_in *in = (struct sockaddr_in *)address;
    struct sockaddr_in6 *in6 = (struct sockaddr_in6 *)address;
    char text[INET6_ADDRSTRLEN] = "";
    *address = (struct sockaddr_storage){0};
    if (host_is_local(host))
        host = "127.0.0.1";
    in->sin_family = AF_INET;
    if (inet_pton(AF_INET, host, &in->sin_addr) == 1)
        return true;
    if (host[0] != '[')
        return false;
    const size_t len = strcspn(host + 1, "]%");
    in6->sin6_family = AF_INET6;
    if (len < sizeof text)
        memcpy(text, host + 1, len);
    return inet_pton(AF_INET6, text, &in6->sin6_addr) == 1;
}

/* host: a name, or an address. */
static enum status judge_target(const struct guard_rules *rules, const char *host, bool wants_tls,
                                struct err *err)
{
    struct sockaddr_storage storage;
    const struct sockaddr *address = (struct sockaddr *)&storage;
    const char *reason = NULL;
    struct ip ip;
    const bool is_address = read_host(host, &storage);
    if (is_address && guard_judge(rules, address, &reason) != GUARD_ALLOWED)
        return err_set(err, E_INVALID,
                       "the address %s is refused: %s; guard.allow of anzol.lua can let it through",
                       host, reason);
    if (wants_tls && !(is_address && read_ip(address, &ip) &&
                       cidrs_contain(rules->allow, rules->allow_count, &ip)))
        return err_set(err, E_INVALID,
                       "https:// is wanted; http:// only to an address that guard.allow of "
                       "anzol.lua names");
    return OK;
}

enum status guard_check_target(const struct guard_rules *rules, const char *url, bool wants_tls,
                               struct err *err)
{
    enum status status = guard_check_url(url, err);
    CURLU *parts = status == OK ? curl_url() : NULL;
    char *host = NULL;
    char *scheme = NULL;
    if (status != OK)
        return status;
    if (!parts || curl_url_set(parts, CURLUPART_URL, url, 0) != CURLUE_OK ||
        curl_url_get(parts, CURLUPART_HOST, &host, 0) != CURLUE_OK ||
        curl_url_get(parts, CURLUPART_SCHEME, &scheme, 0) != CURLUE_OK)
        status = err_set(err, E_NOMEM, "no memory for a URL");
    else
        status = judge_target(rules, host, wants_tls && strcmp(scheme, "https") != 0, err);
    curl_free(host);
    curl_free(scheme);
    curl_url_cleanup(parts);
    return status;
}
