/* SPDX-License-Identifier: MIT */
#include "base/secret_file.h"

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

char *secret_file_read(const char *path, struct err *err)
{
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    char *text = fd >= 0 ? calloc(1, SECRET_FILE_BYTES_MAX + 2) : NULL;
    const ssize_t got = text ? read(fd, text, SECRET_FILE_BYTES_MAX + 1) : -1;
    const int why = errno;
    if (fd >= 0)
        (void)close(fd);
    const size_t len =
        got > 0 && text[got - 1] == '\n' ? (size_t)got - 1 : (size_t)(got > 0 ? got : 0);
    if (len > 0 && len <= SECRET_FILE_BYTES_MAX) {
        text[len] = '\0';
        return text;
    }
    free(text);
    if (got < 0)
        (void)err_set(err, E_NOTFOUND, "%s: %s", path, strerror(why));
    else
        (void)err_set(err, E_INVALID, len == 0 ? "%s is empty" : "%s holds more than 64 KiB", path);
    return NULL;
}
