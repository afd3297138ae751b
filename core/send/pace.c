/* SPDX-License-Identifier: MIT */
/* When the next attempt at an endpoint may start: its circuit, what its receiver asked for, its
 * rate. */
#include "send/send.h"

#include "base/limits.h"

#define NS_PER_MS 1000000

bool pace_has_slot(size_t own, size_t tenants, size_t all, bool is_answering)
{
    const size_t most = is_answering ? LIMIT_ATTEMPTS_PER_WORKER : LIMIT_SILENT_ATTEMPTS_PER_WORKER;
    const size_t taken = own > tenants ? own : tenants;
    return all + taken < most || (is_answering && own == 0 && all + tenants < 2 * most);
}

bool pace_take(struct pace *pace, const struct endpoint_spec *spec, int64_t now_ns,
               int64_t *wait_ms)
{
    const int64_t now_ms = now_ns / NS_PER_MS;
    circuit_look(&pace->circuit, now_ms);
    if (!circuit_may_start(&pace->circuit)) {
        *wait_ms = pace->circuit.state == CIRCUIT_OPEN ? pace->circuit.open_until_ms - now_ms : -1;
        return false;
    }
    if (!spec->slows_down)
        return rate_take(&pace->rate, spec->rate_per_s, spec->burst, now_ns, wait_ms);
    if (now_ms < pace->slowdown.paused_until_ms) {
        *wait_ms = pace->slowdown.paused_until_ms - now_ms;
        return false;
    }
    const double per_s = slowdown_per_s(&pace->slowdown, spec->rate_per_s, now_ms);
    const bool is_slowed = pace->slowdown.per_s > 0;
    return rate_take(&pace->rate, per_s, is_slowed ? 1 : spec->burst, now_ns, wait_ms);
}

void pace_forgive(struct pace *pace)
{
    pace->circuit = (struct circuit){.era = pace->circuit.era + 1};
    pace->slowdown = (struct slowdown){0};
}

struct pace_mark pace_start(struct pace *pace, int64_t now_ms)
{
    slowdown_start(&pace->slowdown, now_ms);
    return (struct pace_mark){
        .is_started = true, .era = circuit_start(&pace->circuit), .started_ms = now_ms};
}

bool pace_end(struct pace *pace, const struct endpoint_spec *spec, const struct pace_mark *mark,
              const struct attempt *attempt, bool is_success, int64_t now_ms)
{
    if (!mark->is_started)
        return false;
    if (spec->slows_down && !is_success)
        slowdown_end(&pace->slowdown, spec->rate_per_s, attempt, mark->started_ms, now_ms);
    return circuit_end(&pace->circuit, &spec->circuit, mark->era, attempt_sign(attempt, is_success),
                       now_ms);
}
