/* SPDX-License-Identifier: MIT */
/* Where to connect to, and where to listen: http URLs and HOST:PORT. */
#ifndef BENCH_ADDRESS_INT_H
#define BENCH_ADDRESS_INT_H

#include "base/err.h"

#include <sys/socket.h>

#define ADDRESS_TEXT_BYTES 300

struct address {
    struct sockaddr_storage storage;
    socklen_t len;
    char text[ADDRESS_TEXT_BYTES]; /* HOST:PORT, as in the Host header */
};

/* "http://HOST[:PORT]/PATH". *path borrows url. E_INVALID: err says what is wrong with it. */
MUST_USE enum status address_parse_url(const char *url, struct address *address, const char **path,
                                       struct err *err);
/* "HOST:PORT", "[v6]:PORT". */
MUST_USE enum status address_parse(const char *text, struct address *address, struct err *err);
/* A listening non-blocking socket; the text gets the real port if it was 0. E_BUSY: taken. */
MUST_USE enum status address_listen(struct address *address, int *fd, struct err *err);
/* Starts to connect a non-blocking socket: -1 with errno on failure. */
int address_connect(const struct address *address);

#endif
