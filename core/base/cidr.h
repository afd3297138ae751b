/* SPDX-License-Identifier: MIT */
/* Blocks of IP addresses: "203.0.113.0/24", "2001:db8::/32", "198.51.100.7". An IPv4 address and
 * the IPv6 form in which it hides (::ffff:198.51.100.7) are the same. Pure, any thread. */
#ifndef BASE_CIDR_H
#define BASE_CIDR_H

#include "base/base.h"

#define IP_BYTES 16

/* An address as IPv6; IPv4 as ::ffff:a.b.c.d. */
struct ip {
    uint8_t bytes[IP_BYTES];
};

struct cidr {
    struct ip first;
    uint8_t prefix; /* bits of the IPv6 form, 0 to 128 */
};

#define CIDR_FORMS "an address or block, as \"203.0.113.7\" \"203.0.113.0/24\" \"2001:db8::/32\""

/* False: no address. Zones ("fe80::1%eth0") are none. */
bool ip_parse(struct slice text, struct ip *address);
/* False: malformed, or bits are set behind the prefix. */
bool cidr_parse(struct slice text, struct cidr *cidr);
bool cidr_contains(const struct cidr *cidr, const struct ip *address);
/* One of them does. */
bool cidrs_contain(const struct cidr *cidrs, size_t count, const struct ip *address);

#endif
