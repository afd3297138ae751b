/* SPDX-License-Identifier: MIT */
/* Checked state tables: which state may follow which. A move that the table does not allow is a
 * bug and ends the process. Same thread as the thing that moves. */
#ifndef BASE_MACHINE_H
#define BASE_MACHINE_H

#include "base/base.h"

struct machine_state {
    const char *name;
    uint32_t next; /* bit set of the states that may follow */
};

#define MACHINE_BIT(state) (UINT32_C(1) << (state))

/* states is indexed by state. Usage: machine_move(delivery_states, &delivery->state, DELIVERY_DEAD)
 */
#define machine_move(states, place, to)                                                            \
    do {                                                                                           \
        check((states)[*(place)].next &MACHINE_BIT(to));                                           \
        *(place) = (to);                                                                           \
    } while (0)

#endif
