/* SPDX-License-Identifier: MIT */
/* Endpoints that were deleted: what is still to be sent to them is cancelled, in the store,
 * whenever it may have come there: when memory has given it back, and the attempts that were under
 * way are over and recorded. Then its outlet goes: whoever makes and deletes endpoints all day
 * costs no memory. What comes late (a run that began before) makes it anew, and it goes again. */
#include "send/sender_int.h"

#include "base/clock.h"
#include "base/log.h"
#include "base/memory.h"

#include <stdlib.h>

#define CLEAR_COUNT 1000 /* in one group */
#define LOOK_AGAIN_MS 1000

struct clear {
    struct store_clear op;
    struct outlet *outlet;
};

/* Nothing of it is under way, here or in the store. */
static bool is_over(const struct outlet *outlet)
{
    return outlet->held == 0 && outlet->use.places == 0 && outlet->use.attempts == 0 &&
           outlet->lookups == 0 && !outlet->claim && !outlet->is_disabling && !outlet->crowded_in &&
           !node_is_linked(&outlet->ready_node) && !outlet->sender->is_stopping;
}

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
    else if (is_ok && is_over(outlet))
        outlet_close(outlet);
    else if (is_ok && outlet->lookups > 0)
        outlet_set_timer(outlet, LOOK_AGAIN_MS); /* nobody tells when they are over */
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

static bool is_deleted(const struct sender *sender, uint64_t endpoint)
{
    const struct sender_options *options = &sender->options;
    return options->hooks->is_gone && options->hooks->is_gone(options->ctx, endpoint);
}

struct outlet *clear_late(struct sender *sender, uint64_t endpoint)
{
    struct outlet *outlet = outlet_get(sender, endpoint);
    if (outlet || !is_deleted(sender, endpoint))
        return outlet;
    outlet = outlet_create(sender, endpoint);
    check(outlet != NULL);
    clear_start(outlet);
    return outlet;
}

void clear_start(struct outlet *outlet)
{
    outlet->spec = NULL;
    outlet->is_deleted = true;
    claim_fall_behind(outlet);
    claim_give_back(outlet);
    clear_hint(outlet);
}
