/* SPDX-License-Identifier: MIT */
/* Circuit breakers. Closed: the times of the last failures are kept; as many as the policy says
 * within its window open it. Open: nothing goes until the cooldown is over. Half open: some calls
 * try; one that succeeds closes it, one that fails opens it again. */
#include "shared/table_int.h"

#include "base/clock.h"

struct breaker {
    bool is_open;         /* until open_till_ms, then half open */
    int64_t open_till_ms; /* monotonic */
    uint32_t probes;      /* calls that try while it is half open */
    int64_t probed_ms;    /* when the last of them began */
    uint32_t next;        /* place of the next failure */
    uint32_t room;        /* failures that are kept */
    int64_t window_ms;
    int64_t failed_ms[]; /* a ring; 0: none */
};

static struct breaker *breaker_in(struct entry *entry)
{
    return (struct breaker *)(void *)entry->bytes;
}

static const struct breaker *breaker_of(const struct entry *entry)
{
    return (const struct breaker *)(const void *)entry->bytes;
}

/* Closed, and no failure of it counts any more. */
bool breaker_is_idle(const struct entry *entry)
{
    const struct breaker *breaker = breaker_of(entry);
    const int64_t now_ms = clock_mono_ms();
    for (uint32_t i = 0; i < breaker->room; i++)
        if (breaker->failed_ms[i] != 0 && now_ms - breaker->failed_ms[i] < breaker->window_ms)
            return false;
    return !breaker->is_open;
}

/* Made when there is none, or when a reload changed how many failures it keeps. NULL: no memory. */
static struct breaker *find_locked(struct shared *shared, struct stripe *stripe,
                                   const struct entry_name *name,
                                   const struct breaker_policy *policy)
{
    struct entry *entry = stripe_find_locked(stripe, name);
    if (entry && breaker_in(entry)->room == policy->failures)
        return breaker_in(entry);
    entry = stripe_put_locked(shared, stripe, name,
                              sizeof(struct breaker) + policy->failures * sizeof(int64_t));
    if (!entry)
        return NULL;
    breaker_in(entry)->room = policy->failures;
    breaker_in(entry)->window_ms = policy->window_ms;
    return breaker_in(entry);
}

static bool try_half_open(struct breaker *breaker, const struct breaker_policy *policy,
                          int64_t now_ms)
{
    if (breaker->probes >= policy->half_open && now_ms - breaker->probed_ms < policy->cooldown_ms)
        return false;
    if (breaker->probes >= policy->half_open)
        breaker->probes = 0; /* their ends were never told */
    breaker->probes++;
    breaker->probed_ms = now_ms;
    return true;
}

bool breaker_enter(struct shared *shared, struct slice name, const struct breaker_policy *policy,
                   int64_t *wait_ms)
{
    struct entry_name of = {.kind = ENTRY_BREAKER, .ns = slice_str(""), .key = name};
    struct stripe *stripe = stripe_lock(shared, &of);
    struct breaker *breaker = find_locked(shared, stripe, &of, policy);
    const int64_t now_ms = clock_mono_ms();
    bool may_go = true;
    *wait_ms = 0;
    if (breaker && breaker->is_open) {
        *wait_ms = breaker->open_till_ms > now_ms ? breaker->open_till_ms - now_ms : 0;
        may_go = *wait_ms == 0 && try_half_open(breaker, policy, now_ms);
    }
    stripe_unlock(stripe);
    return may_go;
}

static void open_again(struct breaker *breaker, const struct breaker_policy *policy, int64_t now_ms)
{
    breaker->is_open = true;
    breaker->open_till_ms = now_ms + policy->cooldown_ms;
    breaker->probes = 0;
    memset(breaker->failed_ms, 0, breaker->room * sizeof breaker->failed_ms[0]);
}

/* True: that many within the window. */
static bool note_failure(struct breaker *breaker, const struct breaker_policy *policy,
                         int64_t now_ms)
{
    breaker->window_ms = policy->window_ms;
    breaker->failed_ms[breaker->next] = now_ms;
    breaker->next = (breaker->next + 1) % breaker->room;
    const int64_t oldest_ms = breaker->failed_ms[breaker->next];
    return oldest_ms != 0 && now_ms - oldest_ms < policy->window_ms;
}

bool breaker_leave(struct shared *shared, struct slice name, const struct breaker_policy *policy,
                   bool is_failure)
{
    struct entry_name of = {.kind = ENTRY_BREAKER, .ns = slice_str(""), .key = name};
    struct stripe *stripe = stripe_lock(shared, &of);
    struct breaker *breaker = find_locked(shared, stripe, &of, policy);
    const int64_t now_ms = clock_mono_ms();
    bool opens = false;
    if (breaker && !breaker->is_open) {
        opens = is_failure && note_failure(breaker, policy, now_ms);
    } else if (breaker && now_ms >= breaker->open_till_ms) {
        /* A probe's end. One that began before it opened says nothing of now. */
        opens = is_failure;
        if (!is_failure) {
            breaker->is_open = false;
            breaker->probes = 0;
        }
    }
    if (opens)
        open_again(breaker, policy, now_ms);
    stripe_unlock(stripe);
    return opens;
}

void breaker_list(struct shared *shared, breaker_cb on_breaker, void *ctx)
{
    for (size_t i = 0; i < STRIPE_COUNT; i++) {
        struct stripe *stripe = &shared->stripes[i];
        check(pthread_mutex_lock(&stripe->mutex) == 0);
        for (struct node *node = queue_first(&stripe->used); node;
             node = queue_next(&stripe->used, node)) {
            const struct entry *entry = container_of(node, struct entry, used);
            /* The key: an empty namespace, a zero byte, the name. */
            if (entry->kind == ENTRY_BREAKER)
                on_breaker(slice_of(entry->bytes + entry->payload_bytes + 1, entry->key_bytes - 1),
                           breaker_of(entry)->is_open, ctx);
        }
        stripe_unlock(stripe);
    }
}
