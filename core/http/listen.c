/* SPDX-License-Identifier: MIT */
/* Makes listening sockets. */
#include "http/http.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#define BACKLOG 4096
#define HOST_BYTES_MAX 256

/* "HOST:PORT" or "[v6]:PORT" into its two halves. port points into address. */
static bool split_address(const char *address, char host[HOST_BYTES_MAX], const char **port)
{
    const char *colon = strrchr(address, ':');
    if (!colon || colon == address || colon[1] == '\0')
        return false;
    const char *start = address;
    const char *end = colon;
    if (*start == '[' && end[-1] == ']') {
        start++;
        end--;
    } else if (memchr(start, ':', (size_t)(end - start))) {
        return false;
    }
    if (end <= start || (size_t)(end - start) >= HOST_BYTES_MAX)
        return false;
    memcpy(host, start, (size_t)(end - start));
    host[end - start] = '\0';
    *port = colon + 1;
    return strspn(*port, "0123456789") == strlen(*port) && strlen(*port) <= 5;
}

static const char *hint_of(int error)
{
    switch (error) {
    case EADDRINUSE:
        return "; is another anzol serving? Stop it or choose another port";
    case EACCES:
        return "; ports below 1024 need CAP_NET_BIND_SERVICE: choose another port";
    case EADDRNOTAVAIL:
        return "; no network interface here has that address: 0.0.0.0 stands for all of them";
    default:
        return "";
    }
}

static enum status listen_on(const struct addrinfo *info, const char *address, bool is_shared,
                             int *fd, struct err *err)
{
    const int on = 1;
    const char *failed = NULL;
    const int made =
        socket(info->ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, info->ai_protocol);
    if (made < 0)
        return err_set(err, E_IO, "cannot listen on %s: no socket: %s", address, strerror(errno));
    if (setsockopt(made, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on) != 0 ||
        (is_shared && setsockopt(made, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on) != 0))
        failed = "its options cannot be set";
    else if (bind(made, info->ai_addr, info->ai_addrlen) != 0)
        failed = "bind";
    else if (listen(made, BACKLOG) != 0)
        failed = "listen";
    if (!failed) {
        *fd = made;
        return OK;
    }
    const int error = errno;
    (void)close(made);
    return err_set(err, error == EADDRINUSE ? E_CONFLICT : E_IO, "cannot listen on %s: %s: %s%s",
                   address, failed, strerror(error), hint_of(error));
}

enum status http_listen_tcp(const char *address, bool is_shared, int *fd, struct err *err)
{
    char host[HOST_BYTES_MAX];
    const char *port;
    if (!split_address(address, host, &port) || strtoul(port, NULL, 10) > UINT16_MAX)
        return err_set(err, E_INVALID,
                       "cannot listen on \"%s\": write HOST:PORT, as 127.0.0.1:8080, or "
                       "[::1]:8080; 0.0.0.0:8080 for all addresses, port 0 for a free one",
                       address);
    const struct addrinfo hints = {.ai_family = AF_UNSPEC,
                                   .ai_socktype = SOCK_STREAM,
                                   .ai_flags = AI_PASSIVE | AI_NUMERICSERV};
    struct addrinfo *found = NULL;
    const int code = getaddrinfo(host, port, &hints, &found);
    if (code != 0)
        return err_set(err, E_INVALID,
                       "cannot listen on %s: %s: write the host as an address, as 127.0.0.1",
                       address, gai_strerror(code));
    const enum status status = listen_on(found, address, is_shared, fd, err);
    freeaddrinfo(found);
    return status;
}

/* True if somebody answers on that socket file. */
static bool is_live(const struct sockaddr_un *name)
{
    const int probe = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (probe < 0)
        return true;
    /* A full backlog is a live server too (EAGAIN). */
    const bool live = connect(probe, (const struct sockaddr *)name, sizeof *name) == 0 ||
                      (errno != ECONNREFUSED && errno != ENOENT);
    (void)close(probe);
    return live;
}

/* Takes a dead socket file away. Whatever is no socket stays. */
static enum status clear_way(const char *path, const struct sockaddr_un *name, struct err *err)
{
    struct stat found;
    if (lstat(path, &found) != 0)
        return OK;
    if (!S_ISSOCK(found.st_mode))
        return err_set(err, E_CONFLICT,
                       "cannot listen on %s: a file that is no socket is there; move it away",
                       path);
    if (is_live(name))
        return err_set(err, E_CONFLICT,
                       "cannot listen on %s: somebody answers there; is another anzol serving "
                       "this folder?",
                       path);
    if (unlink(path) != 0)
        return err_set(err, E_IO, "cannot remove the dead socket %s: %s", path, strerror(errno));
    return OK;
}

enum status http_listen_unix(const char *path, int *fd, struct err *err)
{
    struct sockaddr_un name = {.sun_family = AF_UNIX};
    if (path[0] == '\0' || strlen(path) >= sizeof name.sun_path)
        return err_set(err, E_INVALID, "cannot listen on %s: a socket's path may have %zu bytes",
                       path, sizeof name.sun_path - 1);
    memcpy(name.sun_path, path, strlen(path) + 1);
    const enum status status = clear_way(path, &name, err);
    if (status != OK)
        return status;
    const int made = socket(AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (made < 0)
        return err_set(err, E_IO, "cannot listen on %s: no socket: %s", path, strerror(errno));
    /* The mode of the descriptor before bind is that of the file: it is never open to others. */
    if (fchmod(made, 0600) == 0 && bind(made, (const struct sockaddr *)&name, sizeof name) == 0) {
        if (chmod(path, 0600) == 0 && listen(made, BACKLOG) == 0) {
            *fd = made;
            return OK;
        }
        (void)unlink(path);
    }
    const int error = errno;
    (void)close(made);
    return err_set(err, E_IO, "cannot listen on %s: %s", path, strerror(error));
}

void http_socket_name(int fd, char *text, size_t bytes)
{
    struct sockaddr_storage name = {0};
    socklen_t len = sizeof name;
    char host[INET6_ADDRSTRLEN];
    char port[8];
    if (getsockname(fd, (struct sockaddr *)&name, &len) != 0 || name.ss_family == AF_UNIX ||
        getnameinfo((const struct sockaddr *)&name, len, host, sizeof host, port, sizeof port,
                    NI_NUMERICHOST | NI_NUMERICSERV) != 0)
        (void)snprintf(text, bytes, "unix");
    else
        (void)snprintf(text, bytes, name.ss_family == AF_INET6 ? "[%s]:%s" : "%s:%s", host, port);
}
