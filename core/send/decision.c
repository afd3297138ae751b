/* SPDX-License-Identifier: MIT */
/* What becomes of a delivery after an attempt. */
#include "send/send.h"

#include <stdio.h>

#define STATUS_GONE 410

bool decision_is_success(const struct attempt *attempt)
{
    return attempt->error == ATTEMPT_OK && status_is_success(attempt->status);
}

static bool is_gone(const struct attempt *attempt)
{
    return attempt->error == ATTEMPT_OK && attempt->status == STATUS_GONE;
}

bool decision_asks_policy(const struct attempt *attempt, bool is_success)
{
    return !is_success && !is_gone(attempt);
}

/* How long until the next attempt; false: it is over (reason says why). */
static bool follow_policy(const struct decision_input *input, struct decision *decision)
{
    const struct attempt *attempt = input->attempt;
    const struct retry_decision *retry = input->retry;
    if (input->is_single) {
        (void)snprintf(decision->reason, sizeof decision->reason,
                       "the one more attempt that was asked for failed");
        return false;
    }
    decision->by = retry->verdict == RETRY_DEFAULT ? DECIDED_SCHEDULE : DECIDED_SCRIPT;
    if (retry->verdict == RETRY_STOP) {
        (void)snprintf(decision->reason, sizeof decision->reason, "%s", retry->reason);
        return false;
    }
    decision->delay_ms = retry->delay_ms;
    if (retry->verdict == RETRY_AFTER)
        return true;
    const uint32_t count = attempt->number - input->fresh_attempts;
    if (!backoff_next(&input->endpoint->retry, count, input->age_ms, input->random,
                      &decision->delay_ms)) {
        (void)snprintf(decision->reason, sizeof decision->reason, "no attempts left after %u",
                       attempt->number);
        return false;
    }
    if (attempt->retry_after_ms > decision->delay_ms) {
        decision->delay_ms = attempt->retry_after_ms;
        decision->by = DECIDED_RETRY_AFTER;
    }
    return true;
}

void decision_make(const struct decision_input *input, struct decision *decision)
{
    *decision = (struct decision){.state = DELIVERY_SUCCEEDED};
    if (input->is_success)
        return;
    if (is_gone(input->attempt) && input->is_elsewhere) {
        decision->state = DELIVERY_RETRYING; /* at once, there */
        return;
    }
    if (is_gone(input->attempt)) {
        decision->state = DELIVERY_DEAD;
        decision->is_disabling = true;
        decision->by = DECIDED_GONE;
        (void)snprintf(decision->reason, sizeof decision->reason,
                       "410 Gone: the endpoint was disabled");
        return;
    }
    decision->state = follow_policy(input, decision) ? DELIVERY_RETRYING : DELIVERY_DEAD;
    /* It is looked at when it expires, and holds its order key no longer. */
    if (input->expires_in_ms != 0 && decision->delay_ms > input->expires_in_ms)
        decision->delay_ms = input->expires_in_ms > 0 ? input->expires_in_ms : 0;
}
