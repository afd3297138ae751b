/* SPDX-License-Identifier: MIT */
/* Erasing what is known of an event. Part of store.h, which says how operations go and which
 * includes it. */
#ifndef STORE_STORE_ERASE_H
#define STORE_STORE_ERASE_H

#include "store/store.h"

#define STORE_ERASED "erased" /* the reason of what was still to be done */

/* A delivery that only its owner may end. */
struct open_delivery {
    uint64_t id;
    uint64_t endpoint;
};

/* Ends the runs of an event that are open. Then, unless deliveries of it are open: overwrites its
 * head, body, key and trace, those of its messages, what their attempts sent and got, errors,
 * reasons, order keys and steps. The rows stay: the event is in state RUN_ERASED, what was dead is
 * so no more, nothing of it is retried or replayed. E_NOTFOUND; E_CONFLICT: deliveries are open,
 * nothing was overwritten. May be done again: of an event that was erased before (was_erased) it
 * gives the children.
 * What earlier changes left of it in the files goes with struct store_scrub. */
struct store_erase {
    struct store_op op;
    uint64_t id; /* of an event or message; 0: by what comes next */
    const char
        *source;      /* the youngest event of it with this idempotency key, as long as keys are */
    struct slice key; /* kept; source NULL: by uid */
    uint64_t application; /* what was published with this uid */
    const char *uid;
    int64_t now_ms;
    uint64_t event;                   /* out */
    bool was_erased;                  /* out */
    struct open_delivery *deliveries; /* out: with E_CONFLICT; owned, as the others */
    size_t delivery_count;
    uint64_t *children; /* out: events that its handlers emitted, and that tell of it */
    size_t child_count;
    uint64_t *released; /* out: events whose runs waited for one of its and may go now */
    size_t released_count;
};
/* A step of leaving nothing in the files of what was replaced, deleted or erased before the first
 * of them: free pages are given back to the file system, with the last step the log is emptied. */
struct store_scrub {
    struct store_op op;
    bool is_end; /* out: nothing is left */
};

/* Frees what came out. */
void store_erase_finish(struct store_erase *erase);

#endif
