/* SPDX-License-Identifier: MIT */
/* What waits for an endpoint and when the next attempt may start: concurrency, rate, look-ups, and
 * fair turns between endpoints, one attempt each. */
#include "send/sender_int.h"

#include "base/clock.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/memory.h"

#include <stdlib.h>

#define RETRY_MS 20
#define SECONDS_PER_HOUR 3600

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
    queue_init(&outlet->waiting);
    check(uv_timer_init(sender->options.loop, &outlet->timer) == 0);
    sender->open_handles++;
    return outlet;
}

bool outlet_is_open(const struct outlet *outlet)
{
    return outlet->spec && outlet->state == ENDPOINT_ENABLED && !outlet->sender->is_stopping &&
           outlet->pace.circuit.state != CIRCUIT_OPEN;
}

/* Bodies in memory are bounded too, however few the deliveries. */
static void weigh(struct sender *sender, const struct delivery *delivery, bool is_held)
{
    const size_t bytes = delivery->message->content->body_len;
    sender->held_bytes += is_held ? bytes : -bytes;
    if (sender->held_bytes > LIMIT_DELIVERY_CONTENT_BYTES)
        sender->is_heavy = true;
    if (!sender->is_heavy || sender->held_bytes > LIMIT_DELIVERY_CONTENT_BYTES / 2)
        return;
    sender->is_heavy = false;
    size_t place = 0;
    uint64_t id;
    void *outlet;
    while (map_next(&sender->outlets, &place, &id, &outlet))
        claim_go_on(outlet);
}

/* Behind those of the same or a higher priority. */
static void wait_in_turn(struct queue *waiting, struct delivery *delivery)
{
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
    weigh(sender, delivery, true);
    if (sender->is_heavy)
        claim_fall_behind(outlet);
    wait_in_turn(&outlet->waiting, delivery);
    outlet_schedule(outlet);
}

void outlet_release(struct outlet *outlet, struct delivery *delivery)
{
    (void)map_remove(&outlet->sender->held, delivery->id);
    outlet->held--;
    if (outlet->gate)
        gate_put(outlet->gate);
    weigh(outlet->sender, delivery, false);
    delivery_destroy(delivery);
    claim_go_on(outlet);
}

static bool take_token(struct outlet *outlet)
{
    int64_t wait_ms;
    if (pace_take(&outlet->pace, outlet->spec, clock_mono_ns(), &wait_ms))
        return true;
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
    atomic_store(&outlet->gate->paused_until_ms, left_ms > 0 ? clock_now_ms() + left_ms : 0);
    atomic_store(&outlet->gate->slowed_per_hour,
                 (int64_t)(pace->slowdown.per_s * SECONDS_PER_HOUR));
}

void outlet_note(struct outlet *outlet, const struct endpoint_spec *spec,
                 const struct pace_mark *mark, const struct attempt *attempt, bool is_success)
{
    struct pace *pace = &outlet->pace;
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

static void on_retry(uv_timer_t *timer)
{
    sender_pump(container_of(timer, struct sender, retry));
}

void sender_wait(struct sender *sender)
{
    if (!sender->is_closing && !uv_is_active((const uv_handle_t *)&sender->retry))
        check(uv_timer_start(&sender->retry, on_retry, RETRY_MS, 0) == 0);
}

void sender_pump(struct sender *sender)
{
    if (sender->is_pumping)
        return;
    sender->is_pumping = true;
    struct node *node;
    while ((node = queue_pop(&sender->ready))) {
        struct outlet *outlet = container_of(node, struct outlet, ready_node);
        if (!can_start(outlet))
            continue;
        if (!take_token(outlet))
            continue;
        if (attempt_start(outlet) == START_NO_CREDIT) {
            sender_wait(sender);
            queue_push(&sender->ready, node);
            break;
        }
        if (can_start(outlet))
            queue_push(&sender->ready, node);
    }
    sender->is_pumping = false;
}

void outlet_schedule(struct outlet *outlet)
{
    if (!can_start(outlet))
        return;
    if (!node_is_linked(&outlet->ready_node))
        queue_push(&outlet->sender->ready, &outlet->ready_node);
    sender_pump(outlet->sender);
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
    look_at_circuit(outlet);
    outlet_schedule(outlet);
    if (due_ms == 0)
        return;
    outlet->next_due_ms = 0;
    if (due_ms <= clock_now_ms())
        claim_hint(outlet);
    else
        claim_due(outlet, due_ms);
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
