/* SPDX-License-Identifier: MIT */
/* LD_PRELOAD shim: name look-ups with made-up answers, so that specs need no name server. Names
 * that end in ".test" are ours: slow.test hangs, then fails; missing.test does not exist;
 * broken.test is a server failure; loopback.test is 127.0.0.1. Others go to the system. Any thread.
 */
#include <dlfcn.h>
#include <netdb.h>
#include <stddef.h>
#include <string.h>
#include <unistd.h>

#define SLOW_S 8

typedef int look_up_function(const char *, const char *, const struct addrinfo *,
                             struct addrinfo **);

int getaddrinfo(const char *node, const char *service, const struct addrinfo *hints,
                struct addrinfo **result)
{
    static look_up_function *real;
    if (!real) {
        void *found = dlsym(RTLD_NEXT, "getaddrinfo");
        memcpy(&real, &found, sizeof found);
    }
    if (!node)
        return real(node, service, hints, result);
    if (strcmp(node, "slow.test") == 0) {
        (void)sleep(SLOW_S);
        return EAI_AGAIN;
    }
    if (strcmp(node, "missing.test") == 0)
        return EAI_NONAME;
    if (strcmp(node, "broken.test") == 0)
        return EAI_FAIL;
    return real(strcmp(node, "loopback.test") == 0 ? "127.0.0.1" : node, service, hints, result);
}
