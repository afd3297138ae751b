/* SPDX-License-Identifier: MIT */
/* A secret that lies in a file of its own, as containers and systemd hand them over. Any thread. */
#ifndef BASE_SECRET_FILE_H
#define BASE_SECRET_FILE_H

#include "base/err.h"

#define SECRET_FILE_BYTES_MAX 65536

/* What the file holds, without the newline at its end: owned, terminated. NULL: E_NOTFOUND,
 * E_INVALID (empty, too long) or E_NOMEM; err names the file, never what is in it. */
char *secret_file_read(const char *path, struct err *err);

#endif
