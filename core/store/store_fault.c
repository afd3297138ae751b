/* SPDX-License-Identifier: MIT */
#include "store/store_fault_int.h"

#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct fault {
    struct engine engine;
    struct engine *inner;
    pthread_mutex_t mutex; /* for the rest */
    struct fault_plan plan;
    uint64_t groups;
    uint64_t operations;
};

static const char *const names[FAULT_KIND_COUNT] = {
    [FAULT_NONE] = "none", [FAULT_FULL] = "full",   [FAULT_BUSY] = "busy",     [FAULT_IO] = "io",
    [FAULT_LIE] = "lie",   [FAULT_DELAY] = "delay", [FAULT_REFUSE] = "refuse",
};

static struct fault *fault_of(struct engine *engine)
{
    return container_of(engine, struct fault, engine);
}

/* Counts, and says whether first..last has one that the plan hits. */
static bool is_hit_locked(const struct fault_plan *plan, uint64_t first, uint64_t last)
{
    if (plan->kind == FAULT_NONE || last < plan->nth)
        return false;
    return plan->times == 0 || first < plan->nth + plan->times;
}

static enum fault_kind next_fault(struct fault *it, size_t operations, unsigned *delay_ms)
{
    check(pthread_mutex_lock(&it->mutex) == 0);
    const struct fault_plan plan = it->plan;
    const uint64_t first = plan.counts_operations ? it->operations + 1 : it->groups + 1;
    it->groups++;
    it->operations += operations;
    const uint64_t last = plan.counts_operations ? it->operations : it->groups;
    const bool is_hit = is_hit_locked(&plan, first, last);
    check(pthread_mutex_unlock(&it->mutex) == 0);
    *delay_ms = plan.delay_ms;
    return is_hit ? plan.kind : FAULT_NONE;
}

static enum group_result run_fault(struct fault *it, enum fault_kind kind, unsigned delay_ms,
                                   struct store_op **ops, size_t count)
{
    switch (kind) {
    case FAULT_FULL:
        return GROUP_FULL;
    case FAULT_BUSY:
        return GROUP_BUSY;
    case FAULT_IO:
        return GROUP_FATAL;
    case FAULT_REFUSE: /* what the store does then is to run them one by one */
        if (count > 1)
            return GROUP_REFUSED;
        break;
    case FAULT_DELAY:
        (void)usleep(delay_ms * 1000);
        break;
    case FAULT_LIE:
    case FAULT_NONE:
    case FAULT_KIND_COUNT:
        break;
    }
    const enum group_result result = count > 0
                                         ? it->inner->vtable->commit_group(it->inner, ops, count)
                                         : it->inner->vtable->probe(it->inner);
    it->engine.sync_us = it->inner->sync_us;
    it->engine.last_event = it->inner->last_event;
    return kind == FAULT_LIE ? GROUP_FATAL : result;
}

static enum group_result commit_group(struct engine *engine, struct store_op **ops, size_t count)
{
    struct fault *it = fault_of(engine);
    unsigned delay_ms = 0;
    const enum fault_kind kind = next_fault(it, count, &delay_ms);
    return run_fault(it, kind, delay_ms, ops, count);
}

static enum group_result probe(struct engine *engine)
{
    struct fault *it = fault_of(engine);
    unsigned delay_ms = 0;
    const enum fault_kind kind = next_fault(it, 0, &delay_ms);
    return run_fault(it, kind, delay_ms, NULL, 0);
}

static enum group_result upkeep(struct engine *engine)
{
    struct engine *inner = fault_of(engine)->inner;
    return inner->vtable->upkeep(inner);
}

static enum status reader_open(struct engine *engine, void **reader, struct err *err)
{
    struct engine *inner = fault_of(engine)->inner;
    return inner->vtable->reader_open(inner, reader, err);
}

static void reader_close(struct engine *engine, void *reader)
{
    struct engine *inner = fault_of(engine)->inner;
    inner->vtable->reader_close(inner, reader);
}

static void read_one(struct engine *engine, void *reader, struct store_read *read)
{
    struct engine *inner = fault_of(engine)->inner;
    inner->vtable->read(inner, reader, read);
}

static uint64_t highest_event(struct engine *engine)
{
    struct engine *inner = fault_of(engine)->inner;
    return inner->vtable->highest_event(inner);
}

static void close_fault(struct engine *engine)
{
    struct fault *it = fault_of(engine);
    it->inner->vtable->close(it->inner);
    check(pthread_mutex_destroy(&it->mutex) == 0);
    free(it);
}

static const struct engine_vtable vtable = {
    .commit_group = commit_group,
    .probe = probe,
    .upkeep = upkeep,
    .reader_open = reader_open,
    .reader_close = reader_close,
    .read = read_one,
    .highest_event = highest_event,
    .close = close_fault,
};

struct engine *store_fault_wrap(struct engine *engine, const struct fault_plan *plan)
{
    struct fault *it = must_alloc(sizeof *it);
    it->engine.vtable = &vtable;
    it->inner = engine;
    it->plan = *plan;
    check(pthread_mutex_init(&it->mutex, NULL) == 0);
    return &it->engine;
}

void store_fault_set(struct engine *fault, const struct fault_plan *plan)
{
    struct fault *it = fault_of(fault);
    check(pthread_mutex_lock(&it->mutex) == 0);
    it->plan = *plan;
    it->groups = it->operations = 0;
    check(pthread_mutex_unlock(&it->mutex) == 0);
}

bool store_fault_parse(const char *text, struct fault_plan *plan)
{
    char kind[16];
    char unit[16];
    unsigned long long nth = 0;
    unsigned long long times = 1;
    *plan = (struct fault_plan){0};
    if (sscanf(text, "%15[a-z]:%15[a-z]:%llu:%llu:%u", kind, unit, &nth, &times, &plan->delay_ms) <
        3)
        return false;
    while (plan->kind < FAULT_KIND_COUNT && strcmp(names[plan->kind], kind) != 0)
        plan->kind++;
    plan->counts_operations = strcmp(unit, "operation") == 0;
    plan->nth = nth;
    plan->times = times;
    return plan->kind < FAULT_KIND_COUNT && (plan->counts_operations || strcmp(unit, "group") == 0);
}

struct engine *store_fault_wrap_environment(struct engine *engine)
{
#ifdef ANZOL_CRASH_POINTS
    const char *text = getenv("ANZOL_STORE_FAULT");
    struct fault_plan plan;
    if (text && store_fault_parse(text, &plan)) {
        log_warn("store fails on purpose", "plan=%s", text);
        return store_fault_wrap(engine, &plan);
    }
#endif
    return engine;
}
