/* SPDX-License-Identifier: MIT */
/* What waits for an endpoint and when the next attempt may start: concurrency, pace, and fair turns
 * between endpoints by deficit round robin: an attempt each, and one with large bodies less often.
 */
#include "send/sender_int.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/memory.h"

#include <limits.h>
#include <stdlib.h>

#define RETRY_MS 20
#define TURN_BYTES (16u * 1024)
#define SECONDS_PER_HOUR 3600
#define FAILING_STORED_MS 60000

struct outlet *outlet_get(struct sender *sender, uint64_t endpoint)
{
    return map_get(&sender->outlets, endpoint);
}

static void on_timer(uv_timer_t *timer);

struct outlet *outlet_create(struct sender *sender, uint64_t endpoint)
{
    struct outlet *outlet = memory_calloc(1, sizeof *outlet);
    if (!outlet || map_put(&sender->outlets, endpoint, outlet) != OK) {
        free(outlet);
        return NULL;
    }
    outlet->sender = sender;
    outlet->id = endpoint;
    outlet->is_closed = true;
    outlet->is_behind = true;
    outlet->urgent = INT_MIN;
    queue_init(&outlet->waiting);
    queue_init(&outlet->leases.takes);
    queue_init(&outlet->leases.late);
    queue_init(&outlet->leases.parked);
    outlet->leases.is_due = true;
    check(uv_timer_init(sender->options.loop, &outlet->timer) == 0);
    sender->open_handles++;
    return outlet;
}

bool outlet_is_open(const struct outlet *outlet)
{
    return outlet->spec && !outlet->spec->queue && outlet->state == ENDPOINT_ENABLED &&
           !outlet->sender->is_stopping && outlet->pace.circuit.state != CIRCUIT_OPEN;
}

void outlet_wait(struct outlet *outlet, struct delivery *delivery)
{
    struct queue *waiting = &outlet->waiting;
    struct node *place = &waiting->head;
    while (place->previous != &waiting->head &&
           container_of(place->previous, struct delivery, node)->priority < delivery->priority)
        place = place->previous;
    queue_insert_before(waiting, place, &delivery->node);
}

void outlet_hold(struct outlet *outlet, struct delivery *delivery, bool has_room)
{
    struct sender *sender = outlet->sender;
    if (map_put(&sender->held, delivery->id, delivery) != OK) {
        /* It stays in the store and is claimed after the next start. */
        if (has_room)
            gate_put(outlet->gate);
        delivery_destroy(delivery);
        return;
    }
    if (!has_room && outlet->gate)
        atomic_fetch_sub(&outlet->gate->room, 1);
    outlet->held++;
    places_take(outlet, 1);
    outlet_weigh(outlet, delivery, true);
    if (outlet_is_heavy(outlet) || places_are_full(outlet))
        claim_fall_behind(outlet);
    outlet_wait(outlet, delivery);
    outlet_schedule(outlet);
}

void outlet_release(struct outlet *outlet, struct delivery *delivery)
{
    struct sender *sender = outlet->sender;
    (void)map_remove(&sender->held, delivery->id);
    outlet->held--;
    places_put(outlet, 1);
    if (outlet->gate)
        gate_put(outlet->gate);
    outlet_weigh(outlet, delivery, false);
    delivery_destroy(delivery);
    claim_go_on(outlet);
    places_feed(sender);
}

static bool take_token(struct outlet *outlet)
{
    const struct membership *membership = outlet->spec->membership;
    struct throttle *throttle = membership ? membership->throttle : NULL;
    const int64_t now_ns = clock_mono_ns();
    int64_t wait_ms;
    if (!throttle || throttle_take(throttle, now_ns, &wait_ms)) {
        if (pace_take(&outlet->pace, outlet->spec, now_ns, &wait_ms))
            return true;
        if (throttle)
            throttle_put_back(throttle);
    }
    if (wait_ms >= 0)
        outlet_set_timer(outlet, wait_ms);
    return false;
}

/* For those who ask from other threads. */
static void show_pace(const struct outlet *outlet)
{
    const struct pace *pace = &outlet->pace;
    const int64_t left_ms = pace->slowdown.paused_until_ms - clock_mono_ms();
    if (!outlet->gate)
        return;
    atomic_store(&outlet->gate->circuit, (int)pace->circuit.state);
    atomic_store(&outlet->gate->paused_until_ms, left_ms > 0 ? clock_due_ms() + left_ms : 0);
    atomic_store(&outlet->gate->slowed_per_hour,
                 (int64_t)(pace->slowdown.per_s * SECONDS_PER_HOUR));
    atomic_store(&outlet->gate->slowed_until_ms,
                 clock_due_ms() + slowdown_left_ms(&pace->slowdown, clock_mono_ms()));
}

void outlet_forgive(struct outlet *outlet)
{
    pace_forgive(&outlet->pace);
    outlet->failing_ms = 0;
    outlet->is_failing_stored = false; /* it was cleared with the state */
    show_pace(outlet);
}

void outlet_learn_state(struct outlet *outlet, enum endpoint_state state, uint64_t turn)
{
    if (turn < outlet->stored_turn)
        return;
    outlet->stored_state = state;
    outlet->stored_turn = turn;
}

enum endpoint_state outlet_known_state(const struct outlet *outlet)
{
    const struct membership *membership = outlet->spec ? outlet->spec->membership : NULL;
    if (outlet->is_disabling)
        return ENDPOINT_DISABLED;
    if (outlet->stored_state == ENDPOINT_ENABLED && membership && membership->is_unverified)
        return ENDPOINT_PAUSED;
    return outlet->stored_state;
}

void outlet_take_state(struct outlet *outlet)
{
    const enum endpoint_state state = outlet_known_state(outlet);
    if (outlet->state == state)
        return;
    outlet->state = state;
    if (state != ENDPOINT_ENABLED) {
        claim_fall_behind(outlet);
        claim_give_back(outlet);
    } else if (outlet_is_queue(outlet)) {
        lease_hint(outlet);
    } else {
        outlet_forgive(outlet);
        claim_go_on(outlet);
        outlet_schedule(outlet);
    }
}

/* An endpoint that fails now and then is not written about each time. */
bool outlet_note_failing(struct outlet *outlet, const struct endpoint_spec *spec,
                         const struct attempt *attempt, bool is_success,
                         struct store_settle *settle)
{
    const int64_t now_ms = clock_mono_ms();
    if (attempt->error == ATTEMPT_SCRIPT)
        return false;
    if (!is_success && outlet->failing_ms == 0)
        outlet->failing_ms = now_ms;
    const int64_t failing_for_ms = is_success ? 0 : now_ms - outlet->failing_ms;
    const bool is_told = failing_for_ms >= FAILING_STORED_MS ||
                         (spec->disable_after_ms > 0 && failing_for_ms >= spec->disable_after_ms);
    settle->notes_failing = is_told != outlet->is_failing_stored && (is_told || is_success);
    settle->failing_since_ms = is_told ? clock_due_ms() - failing_for_ms : 0;
    if (settle->notes_failing)
        outlet->is_failing_stored = is_told;
    if (is_success)
        outlet->failing_ms = 0;
    return is_told && spec->disable_after_ms > 0 && failing_for_ms >= spec->disable_after_ms;
}

void outlet_note(struct outlet *outlet, const struct endpoint_spec *spec,
                 const struct pace_mark *mark, const struct attempt *attempt, bool is_success)
{
    struct pace *pace = &outlet->pace;
    outlet_set_answering(outlet, attempt->status != 0);
    const bool was_spared = pace->slowdown.per_s > 0 || pace->slowdown.paused_until_ms > 0;
    const int64_t now_ms = clock_mono_ms();
    const bool is_changed = pace_end(pace, spec, mark, attempt, is_success, now_ms);
    if (is_changed || was_spared || pace->slowdown.per_s > 0 || pace->slowdown.paused_until_ms > 0)
        show_pace(outlet);
    if (!is_changed)
        return;
    log_info("breaker", "endpoint=%s state=%s", spec->name,
             circuit_state_name(pace->circuit.state));
    if (pace->circuit.state != CIRCUIT_OPEN)
        return;
    claim_fall_behind(outlet);
    claim_give_back(outlet);
    outlet_set_timer(outlet, pace->circuit.open_until_ms - now_ms);
}

/* ---- Turns
 * ---------------------------------------------------------------------------------------------- */

static bool can_start(const struct outlet *outlet)
{
    return outlet_is_open(outlet) && queue_first(&outlet->waiting) &&
           outlet->in_flight < outlet->spec->concurrency &&
           circuit_may_start(&outlet->pace.circuit);
}

/* Then it needs no token: no attempt is made. */
static bool is_first_expired(const struct outlet *outlet)
{
    const struct delivery *first =
        container_of(queue_first(&outlet->waiting), struct delivery, node);
    return message_is_expired(first->message, clock_due_ms());
}

static void on_retry(uv_timer_t *timer)
{
    struct sender *sender = container_of(timer, struct sender, retry);
    claim_go_on_recovering(sender);
    sender_pump(sender);
}

void sender_wait(struct sender *sender)
{
    if (!sender->is_closing && !uv_is_active((const uv_handle_t *)&sender->retry))
        check(uv_timer_start(&sender->retry, on_retry, RETRY_MS, 0) == 0);
}

/* What the next attempt costs of a turn. */
static size_t cost_of_next(const struct outlet *outlet)
{
    const struct delivery *delivery =
        container_of(queue_first(&outlet->waiting), struct delivery, node);
    const size_t bytes = delivery->message->content->body_len;
    return bytes > TURN_BYTES ? bytes : TURN_BYTES;
}

/* True: it is ready for another turn. */
static bool take_turn(struct outlet *outlet, bool *has_credit)
{
    if (!can_start(outlet))
        return false;
    if (!attempts_have_slot(outlet)) {
        attempts_starve(outlet);
        return false;
    }
    outlet->deficit += TURN_BYTES;
    const size_t cost = cost_of_next(outlet);
    if (cost > outlet->deficit)
        return true;
    if (!is_first_expired(outlet) && !take_token(outlet))
        return false;
    *has_credit = attempt_start(outlet) != START_NO_CREDIT;
    outlet->deficit -= *has_credit ? cost : TURN_BYTES; /* without one it was no turn */
    return !*has_credit || can_start(outlet);
}

void sender_pump(struct sender *sender)
{
    if (sender->is_pumping)
        return;
    sender->is_pumping = true;
    struct node *node;
    bool has_credit = true;
    attempts_feed(sender);
    while (has_credit && (node = queue_pop(&sender->ready))) {
        struct outlet *outlet = container_of(node, struct outlet, ready_node);
        const bool is_ready = take_turn(outlet, &has_credit);
        if (is_ready)
            queue_push(&sender->ready, node);
        else
            outlet->deficit = 0;
    }
    if (!has_credit)
        sender_wait(sender);
    sender->is_pumping = false;
}

void outlet_schedule(struct outlet *outlet)
{
    struct sender *sender = outlet->sender;
    if (!can_start(outlet))
        return;
    if (outlet->starved_in && attempts_have_slot(outlet))
        attempts_unstarve(outlet);
    if (!node_is_linked(&outlet->ready_node))
        queue_push(&sender->ready, &outlet->ready_node);
    sender_pump(sender);
}

/* ---- Timer: the next due delivery, or the next token
 * ------------------------------------------------------ */

/* Its cooldown may be over: what lies in the store comes for the probe. */
static void look_at_circuit(struct outlet *outlet)
{
    struct circuit *circuit = &outlet->pace.circuit;
    const int64_t now_ms = clock_mono_ms();
    if (circuit->state != CIRCUIT_OPEN)
        return;
    circuit_look(circuit, now_ms);
    if (circuit->state == CIRCUIT_OPEN) {
        outlet_set_timer(outlet, circuit->open_until_ms - now_ms);
        return;
    }
    show_pace(outlet);
    claim_go_on(outlet);
}

static void on_timer(uv_timer_t *timer)
{
    struct outlet *outlet = container_of(timer, struct outlet, timer);
    const int64_t due_ms = outlet->next_due_ms;
    if (outlet->is_deleted) {
        clear_hint(outlet);
        return;
    }
    look_at_circuit(outlet);
    outlet_schedule(outlet);
    if (!can_start(outlet))
        rate_let_go(&outlet->pace.rate);
    if (due_ms == 0)
        return;
    outlet->next_due_ms = 0;
    if (due_ms > clock_due_ms())
        claim_due(outlet, due_ms);
    else if (outlet_is_queue(outlet))
        lease_on_time(outlet);
    else
        claim_hint(outlet, LIMIT_PRIORITY);
}

void outlet_set_timer(struct outlet *outlet, int64_t delay_ms)
{
    if (outlet->sender->is_closing)
        return;
    const uint64_t wanted_ms = delay_ms > 0 ? (uint64_t)delay_ms : 0;
    uv_update_time(outlet->sender->options.loop);
    if (uv_is_active((const uv_handle_t *)&outlet->timer) &&
        uv_timer_get_due_in(&outlet->timer) <= wanted_ms)
        return;
    check(uv_timer_start(&outlet->timer, on_timer, wanted_ms, 0) == 0);
}
