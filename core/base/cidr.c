/* SPDX-License-Identifier: MIT */
#include "base/cidr.h"

#include <arpa/inet.h>

#define V4_PREFIX 96 /* bits before an IPv4 address in the IPv6 form */
#define BITS 128

static const uint8_t mapped[12] = {[10] = 0xff, [11] = 0xff};

static bool is_v4(struct slice text)
{
    return !memchr(text.data, ':', text.len);
}

bool ip_parse(struct slice text, struct ip *address)
{
    char copy[INET6_ADDRSTRLEN];
    struct ip parsed;
    if (text.len == 0 || text.len >= sizeof copy || memchr(text.data, '\0', text.len))
        return false;
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    memcpy(parsed.bytes, mapped, sizeof mapped);
    if (is_v4(text) ? inet_pton(AF_INET, copy, parsed.bytes + sizeof mapped) != 1
                    : inet_pton(AF_INET6, copy, parsed.bytes) != 1)
        return false;
    *address = parsed;
    return true;
}

/* Digits only, no leading zero. */
static bool parse_prefix(struct slice text, unsigned most, unsigned *prefix)
{
    *prefix = 0;
    if (text.len == 0 || text.len > 3 || (text.len > 1 && text.data[0] == '0'))
        return false;
    for (size_t i = 0; i < text.len; i++) {
        if (text.data[i] < '0' || text.data[i] > '9')
            return false;
        *prefix = *prefix * 10 + (unsigned)(text.data[i] - '0');
    }
    return *prefix <= most;
}

static bool is_bit_set(const struct ip *address, unsigned bit)
{
    return address->bytes[bit / 8] >> (7 - bit % 8) & 1;
}

bool cidr_parse(struct slice text, struct cidr *cidr)
{
    const char *slash = memchr(text.data, '/', text.len);
    const struct slice host = slice_of(text.data, slash ? (size_t)(slash - text.data) : text.len);
    const unsigned offset = is_v4(host) ? V4_PREFIX : 0;
    unsigned prefix = BITS - offset;
    struct cidr parsed;
    if (slash && !parse_prefix(slice_of(slash + 1, text.len - host.len - 1), prefix, &prefix))
        return false;
    if (!ip_parse(host, &parsed.first))
        return false;
    parsed.prefix = (uint8_t)(offset + prefix);
    for (unsigned bit = parsed.prefix; bit < BITS; bit++)
        if (is_bit_set(&parsed.first, bit))
            return false;
    *cidr = parsed;
    return true;
}

bool cidr_contains(const struct cidr *cidr, const struct ip *address)
{
    const unsigned whole = cidr->prefix / 8;
    const unsigned rest = cidr->prefix % 8;
    if (memcmp(cidr->first.bytes, address->bytes, whole) != 0)
        return false;
    return rest == 0 || ((cidr->first.bytes[whole] ^ address->bytes[whole]) >> (8 - rest)) == 0;
}

bool cidrs_contain(const struct cidr *cidrs, size_t count, const struct ip *address)
{
    for (size_t i = 0; i < count; i++)
        if (cidr_contains(&cidrs[i], address))
            return true;
    return false;
}
