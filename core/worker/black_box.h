/* SPDX-License-Identifier: MIT */
/* What outlives a crash: a mapped file that holds the event whose script each worker is in. The
 * next start finds it there and counts; an event that was found so after BLACK_BOX_CRASHES ends of
 * the process is not run any more, so that one poison event cannot keep the server down. */
#ifndef WORKER_BLACK_BOX_H
#define WORKER_BLACK_BOX_H

#include "base/err.h"

#include <stdatomic.h>

#define BLACK_BOX_CRASHES 3

struct black_box;

/* Reads what the last process left, then maps it for `count` workers. Before they start. */
MUST_USE enum status black_box_open(const char *path, unsigned count, struct black_box **box,
                                    struct err *err);
void black_box_close(struct black_box *box);
/* Where worker `index` keeps the id of the event whose script it is in; 0: in none. */
_Atomic uint64_t *black_box_running(struct black_box *box, unsigned index);
/* Any thread. True once for an event that the process ended in too often. */
bool black_box_take_poison(struct black_box *box, uint64_t event);
/* Any thread. The event came to its end: whatever happened meanwhile was not its fault. */
void black_box_clear(struct black_box *box, uint64_t event);

#endif
