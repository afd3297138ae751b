/* SPDX-License-Identifier: MIT */
/* What outlives a crash: a mapped file that holds the subject whose script each worker is in: an
 * event by its id, or a routine by black_box_routine. The next start finds it there and counts; a
 * subject that was found so after BLACK_BOX_CRASHES ends of the process is poison: it is not run
 * any more, so that one event or one poll cannot keep the server down. */
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
/* The subject that a routine is here, by its routine_id; no event has such an id. */
uint64_t black_box_routine(uint64_t id);
/* Where worker `index` keeps the subject whose script it is in; 0: in none. */
_Atomic uint64_t *black_box_running(struct black_box *box, unsigned index);
/* Any thread. box: NULL is fine, in which nothing is poison. */
bool black_box_is_poison(struct black_box *box, uint64_t subject);
/* Any thread. It came to an end, or is given a fresh chance. NULL is fine. */
void black_box_clear(struct black_box *box, uint64_t subject);

#endif
