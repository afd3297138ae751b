/* SPDX-License-Identifier: MIT */
/* How many files and sockets the process may have open. At start, before any thread. */
#ifndef BASE_FILES_H
#define BASE_FILES_H

#include <stddef.h>

/* As many as the system lets it: the limit that a shell or systemd gives, 1,024, is for programs
 * that use select(). */
void files_allow_all(void);
/* What is allowed now. */
size_t files_max(void);

#endif
