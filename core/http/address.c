/* SPDX-License-Identifier: MIT */
#include "http/http_int.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>

#define KEY_BYTES 9 /* family, then IPv4 or the first half of IPv6 */

struct key {
    unsigned char bytes[KEY_BYTES];
};

struct http_address {
    struct http_address *next;
    struct key key;
    unsigned count;
};

/* The IPv4 address inside "::ffff:192.0.2.1", which a dual-stack socket reports. */
static const unsigned char *mapped_v4(const struct sockaddr_in6 *v6)
{
    return IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr) ? v6->sin6_addr.s6_addr + 12 : NULL;
}

static bool make_key(const struct sockaddr *address, struct key *key)
{
    *key = (struct key){0};
    const unsigned char *v4 = NULL;
    if (address->sa_family == AF_INET) {
        const struct sockaddr_in *in = (const struct sockaddr_in *)(const void *)address;
        v4 = (const unsigned char *)&in->sin_addr;
    } else if (address->sa_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)address;
        v4 = mapped_v4(v6);
        if (!v4) {
            key->bytes[0] = 6;
            memcpy(key->bytes + 1, v6->sin6_addr.s6_addr, 8);
            return true;
        }
    }
    if (!v4)
        return false;
    key->bytes[0] = 4;
    memcpy(key->bytes + 1, v4, 4);
    return true;
}

static size_t bucket_of(const struct key *key)
{
    const uint32_t hash = slice_hash(slice_of((const char *)key->bytes, KEY_BYTES));
    return (hash ^ hash >> 16) % ADDRESS_BUCKETS;
}

static struct http_address *find(const struct http_addresses *addresses, const struct key *key)
{
    struct http_address *found = addresses->buckets[bucket_of(key)];
    while (found && memcmp(&found->key, key, sizeof *key) != 0)
        found = found->next;
    return found;
}

unsigned address_count(const struct http_addresses *addresses, const struct sockaddr *address)
{
    struct key key;
    const struct http_address *found = make_key(address, &key) ? find(addresses, &key) : NULL;
    return found ? found->count : 0;
}

struct http_address *address_take(struct http_addresses *addresses, const struct sockaddr *address)
{
    struct key key;
    if (!make_key(address, &key))
        return NULL;
    struct http_address *found = find(addresses, &key);
    if (!found) {
        found = calloc(1, sizeof *found);
        if (!found)
            return NULL;
        found->key = key;
        struct http_address **bucket = &addresses->buckets[bucket_of(&key)];
        found->next = *bucket;
        *bucket = found;
    }
    found->count++;
    return found;
}

void address_release(struct http_addresses *addresses, struct http_address *address)
{
    if (!address || --address->count > 0)
        return;
    struct http_address **place = &addresses->buckets[bucket_of(&address->key)];
    while (*place != address)
        place = &(*place)->next;
    *place = address->next;
    free(address);
}

bool address_is(const struct http_address *counted, const struct sockaddr *address)
{
    struct key key;
    return counted && make_key(address, &key) && memcmp(&counted->key, &key, sizeof key) == 0;
}

size_t address_text(const struct sockaddr *address, char text[INET6_ADDRSTRLEN])
{
    const void *bytes = NULL;
    int family = address->sa_family;
    if (family == AF_INET) {
        bytes = &((const struct sockaddr_in *)(const void *)address)->sin_addr;
    } else if (family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)(const void *)address;
        bytes = mapped_v4(v6);
        family = bytes ? AF_INET : AF_INET6;
        if (!bytes)
            bytes = &v6->sin6_addr;
    }
    if (!bytes || !inet_ntop(family, bytes, text, INET6_ADDRSTRLEN))
        (void)snprintf(text, INET6_ADDRSTRLEN, "unix");
    return strlen(text);
}
