/* SPDX-License-Identifier: MIT */
/* The table of phases: the hooks through which a script is entered, with their limits. */
#include "script/script_int.h"

#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
#define SLOW 10 /* the sanitizers' checks are not the script's fault */
#else
#define SLOW 1
#endif

#define STATE_BYTES ((size_t)LIMIT_STATE_BYTES)
#define JOB_BYTES ((size_t)LIMIT_JOB_BYTES)

const struct phase phases[PHASE_COUNT] = {
    [PHASE_LOAD] = {"load", 1000 * SLOW, 1000 * SLOW, STATE_BYTES, false},
    [PHASE_SETTINGS] = {"settings", 1000 * SLOW, 1000 * SLOW, JOB_BYTES, false},
    [PHASE_VERIFY] = {"verify", 10 * SLOW, 2500 * SLOW, JOB_BYTES, true},
    [PHASE_CHALLENGE] = {"challenge", 50 * SLOW, 2500 * SLOW, JOB_BYTES, true},
    [PHASE_RESPOND] = {"respond", 50 * SLOW, 2500 * SLOW, JOB_BYTES, true},
    [PHASE_TYPE] = {"type", 10 * SLOW, 2500 * SLOW, JOB_BYTES, false},
    [PHASE_KEY] = {"idempotency_key", 10 * SLOW, 2500 * SLOW, JOB_BYTES, false},
    [PHASE_FILTER] = {"filter", 10 * SLOW, 2500 * SLOW, JOB_BYTES, false},
    [PHASE_HANDLER] = {"handler", 500 * SLOW, 30000 * SLOW, JOB_BYTES, true},
    [PHASE_ORDER] = {"order_by", 10 * SLOW, 2500 * SLOW, JOB_BYTES, false},
    [PHASE_TRANSFORM] = {"transform", 50 * SLOW, 2500 * SLOW, JOB_BYTES, false},
    [PHASE_SUCCESS] = {"success", 10 * SLOW, 2500 * SLOW, JOB_BYTES, false},
    [PHASE_RETRY] = {"retry", 10 * SLOW, 2500 * SLOW, JOB_BYTES, false},
    [PHASE_CRON] = {"cron", 2000 * SLOW, 60000 * SLOW, JOB_BYTES, true},
    [PHASE_EVERY] = {"every", 2000 * SLOW, 60000 * SLOW, JOB_BYTES, true},
    [PHASE_POLL] = {"poll", 2000 * SLOW, 60000 * SLOW, JOB_BYTES, true},
    [PHASE_SSE] = {"sse", 2000 * SLOW, 60000 * SLOW, JOB_BYTES, true},
    [PHASE_INIT] = {"init", 1000 * SLOW, 10000 * SLOW, STATE_BYTES, true},
    [PHASE_SIGN] = {"sign", 50 * SLOW, 2500 * SLOW, JOB_BYTES, false},
};

bool phase_commits(enum phase_id phase)
{
    return phase == PHASE_HANDLER || phase == PHASE_CRON || phase == PHASE_EVERY ||
           phase == PHASE_POLL || phase == PHASE_SSE;
}
