/* SPDX-License-Identifier: MIT */
/* A parent for the server (supervise.c). */
#ifndef SUPERVISE_H
#define SUPERVISE_H

#define SUPERVISE_CHILD (-1)

/* Returns SUPERVISE_CHILD in each child, which goes on as the server; in the parent the exit code,
 * once a child ended that was asked to, or that would end the same way again. Before any thread. */
int supervise(void);

#endif
