/* SPDX-License-Identifier: MIT */
/* Endpoints that were deleted: what is still to be sent to them is cancelled, in the store,
 * whenever it may have come there: when memory has given it back, and the attempts that were under
 * way are over and recorded. */
#include "send/sender_int.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"

#include <stdlib.h>

#define CLEAR_COUNT 1000 /* in one group */

struct clear {
    struct store_clear op;
    struct outlet *outlet;
};

static void on_cleared(struct store_op *op)
{
    struct clear *it = op->ctx;
    struct outlet *outlet = it->outlet;
    struct sender *sender = outlet->sender;
    const bool is_ok = op->status == OK;
    const bool is_end = it->op.cleared_count < CLEAR_COUNT;
    if (!is_ok)
        log_error("deliveries of a deleted endpoint not cancelled, left to the next start",
                  "endpoint=%llu status=%s", (unsigned long long)outlet->id,
                  status_name(op->status));
    outlet->is_clearing = false;
    sender->settling--;
    free(it);
    if (is_ok && (!is_end || outlet->wants_clear))
        clear_hint(outlet);
    sender_check_idle(sender);
}

void clear_hint(struct outlet *outlet)
{
    struct sender *sender = outlet->sender;
    outlet->wants_clear = outlet->is_clearing;
    /* Attempts under way end first: outlet_release comes here again. */
    if (outlet->is_clearing || outlet->held > 0 || sender->is_stopping)
        return;
    struct clear *it = must_alloc(sizeof *it);
    *it = (struct clear){.op = {.op = {.kind = STORE_CLEAR, .on_done = on_cleared, .ctx = it},
                                .endpoint = outlet->id,
                                .count_max = CLEAR_COUNT},
                         .outlet = outlet};
    outlet->is_clearing = true;
    sender->settling++;
    check(store_submit(sender->options.store, sender->options.client, &it->op.op) == OK);
}

void clear_start(struct outlet *outlet)
{
    outlet->spec = NULL;
    outlet->is_deleted = true;
    claim_fall_behind(outlet);
    claim_give_back(outlet);
    clear_hint(outlet);
}
