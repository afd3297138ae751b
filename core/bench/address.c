/* SPDX-License-Identifier: MIT */
#include "bench/address_int.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <unistd.h>

#define BACKLOG 1024

static enum status look_up(const char *host, const char *port, struct address *address,
                           struct err *err)
{
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct addrinfo *found = NULL;
    const int code = getaddrinfo(host, port, &hints, &found);
    if (code != 0)
        return err_set(err, E_INVALID, "'%s' port '%s': %s", host, port, gai_strerror(code));
    memcpy(&address->storage, found->ai_addr, found->ai_addrlen);
    address->len = found->ai_addrlen;
    freeaddrinfo(found);
    return OK;
}

/* Splits authority[0…len) at its last colon and looks it up. */
static enum status parse_authority(struct slice authority, const char *default_port,
                                   struct address *address, struct err *err)
{
    if (authority.len == 0 || authority.len >= sizeof address->text)
        return err_set(err, E_INVALID, "no host, or one that is too long");
    memcpy(address->text, authority.data, authority.len);
    address->text[authority.len] = '\0';
    char host[ADDRESS_TEXT_BYTES];
    memcpy(host, address->text, sizeof host);
    const char *port = default_port;
    char *colon = strrchr(host, ':');
    if (colon && !strchr(colon, ']')) {
        *colon = '\0';
        port = colon + 1;
    }
    if (!port || *port == '\0')
        return err_set(err, E_INVALID, "'%s' has no port: write HOST:PORT", address->text);
    char *name = host;
    const size_t len = strlen(host);
    if (len > 2 && host[0] == '[' && host[len - 1] == ']') {
        host[len - 1] = '\0';
        name++;
    }
    return look_up(name, port, address, err);
}

enum status address_parse(const char *text, struct address *address, struct err *err)
{
    return parse_authority(slice_str(text), NULL, address, err);
}

enum status address_parse_url(const char *url, struct address *address, const char **path,
                              struct err *err)
{
    static const char scheme[] = "http://";
    if (strncmp(url, scheme, strlen(scheme)) != 0)
        return err_set(err, E_INVALID, "'%s' is no http:// URL", url);
    const char *start = url + strlen(scheme);
    const size_t len = strcspn(start, "/?#");
    *path = start[len] == '/' ? start + len : "/";
    return parse_authority(slice_of(start, len), "80", address, err);
}

static void write_text(int fd, struct address *address)
{
    char host[64], port[16];
    if (getsockname(fd, (struct sockaddr *)&address->storage, &address->len) != 0 ||
        getnameinfo((struct sockaddr *)&address->storage, address->len, host, sizeof host, port,
                    sizeof port, NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        return;
    const bool is_v6 = address->storage.ss_family == AF_INET6;
    snprintf(address->text, sizeof address->text, "%s%s%s:%s", is_v6 ? "[" : "", host,
             is_v6 ? "]" : "", port);
}

enum status address_listen(struct address *address, int *fd, struct err *err)
{
    const int yes = 1;
    *fd = socket(address->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (*fd < 0)
        return err_set(err, E_IO, "socket: %s", strerror(errno));
    setsockopt(*fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    if (bind(*fd, (struct sockaddr *)&address->storage, address->len) == 0 &&
        listen(*fd, BACKLOG) == 0) {
        write_text(*fd, address);
        return OK;
    }
    const enum status status =
        err_set(err, E_BUSY, "cannot listen on %s: %s", address->text, strerror(errno));
    close(*fd);
    return status;
}

int address_connect(const struct address *address)
{
    const int yes = 1;
    const int fd =
        socket(address->storage.ss_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (fd < 0)
        return -1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    if (connect(fd, (const struct sockaddr *)&address->storage, address->len) == 0 ||
        errno == EINPROGRESS)
        return fd;
    const int reason = errno;
    close(fd);
    errno = reason;
    return -1;
}
