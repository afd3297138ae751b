/* SPDX-License-Identifier: MIT */
/* The breaker of an endpoint. The window is ten slots that go round. */
#include "send/send.h"

enum attempt_sign attempt_sign(const struct attempt *attempt, bool is_success)
{
    if (attempt->error == ATTEMPT_SCRIPT || attempt->error == ATTEMPT_BLOCKED_ADDRESS)
        return SIGN_NONE;
    if (is_success || (attempt->error == ATTEMPT_OK && attempt->status < 500))
        return SIGN_GOOD;
    return SIGN_BAD;
}

const char *circuit_state_name(enum circuit_state state)
{
    static const char *const names[] = {
        [CIRCUIT_CLOSED] = "closed", [CIRCUIT_OPEN] = "open", [CIRCUIT_HALF_OPEN] = "half_open"};
    return names[state];
}

static void move(struct circuit *circuit, enum circuit_state state)
{
    circuit->state = state;
    circuit->era++;
    circuit->is_probing = false;
    memset(circuit->slots, 0, sizeof circuit->slots);
}

void circuit_look(struct circuit *circuit, int64_t now_ms)
{
    if (circuit->state == CIRCUIT_OPEN && now_ms >= circuit->open_until_ms)
        move(circuit, CIRCUIT_HALF_OPEN);
}

bool circuit_may_start(const struct circuit *circuit)
{
    return circuit->state == CIRCUIT_CLOSED ||
           (circuit->state == CIRCUIT_HALF_OPEN && !circuit->is_probing);
}

unsigned circuit_start(struct circuit *circuit)
{
    circuit->is_probing = circuit->state == CIRCUIT_HALF_OPEN;
    return circuit->era;
}

/* The slot of now; those that passed meanwhile are empty. */
static void turn(struct circuit *circuit, const struct circuit_spec *spec, int64_t now_ms)
{
    const int64_t slot_ms =
        spec->window_ms / CIRCUIT_SLOTS > 0 ? spec->window_ms / CIRCUIT_SLOTS : 1;
    const int64_t slot = now_ms / slot_ms;
    if (slot - circuit->slot >= CIRCUIT_SLOTS || slot < circuit->slot)
        memset(circuit->slots, 0, sizeof circuit->slots);
    else
        for (int64_t passed = circuit->slot + 1; passed <= slot; passed++)
            circuit->slots[passed % CIRCUIT_SLOTS].attempts =
                circuit->slots[passed % CIRCUIT_SLOTS].failures = 0;
    circuit->slot = slot;
}

static bool fails_too_often(const struct circuit *circuit, const struct circuit_spec *spec)
{
    uint32_t attempts = 0;
    uint32_t failures = 0;
    for (size_t i = 0; i < CIRCUIT_SLOTS; i++) {
        attempts += circuit->slots[i].attempts;
        failures += circuit->slots[i].failures;
    }
    return failures >= spec->failures && (double)failures >= spec->rate * (double)attempts;
}

static void open_up(struct circuit *circuit, const struct circuit_spec *spec, int64_t now_ms)
{
    move(circuit, CIRCUIT_OPEN);
    circuit->open_until_ms = now_ms + spec->cooldown_ms;
}

static bool end_probe(struct circuit *circuit, const struct circuit_spec *spec,
                      enum attempt_sign sign, int64_t now_ms)
{
    circuit->is_probing = false;
    if (sign == SIGN_BAD)
        open_up(circuit, spec, now_ms);
    else if (sign == SIGN_GOOD)
        move(circuit, CIRCUIT_CLOSED);
    return sign != SIGN_NONE;
}

bool circuit_end(struct circuit *circuit, const struct circuit_spec *spec, unsigned era,
                 enum attempt_sign sign, int64_t now_ms)
{
    if (era != circuit->era)
        return false;
    if (circuit->state == CIRCUIT_HALF_OPEN)
        return end_probe(circuit, spec, sign, now_ms);
    if (spec->failures == 0 || sign == SIGN_NONE)
        return false;
    turn(circuit, spec, now_ms);
    circuit->slots[circuit->slot % CIRCUIT_SLOTS].attempts++;
    circuit->slots[circuit->slot % CIRCUIT_SLOTS].failures += sign == SIGN_BAD;
    if (sign != SIGN_BAD || !fails_too_often(circuit, spec))
        return false;
    open_up(circuit, spec, now_ms);
    return true;
}
