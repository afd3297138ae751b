/* SPDX-License-Identifier: MIT */
/* A decorator around an engine: each group and each read as a line at level debug. */
#include "store/store_int.h"

#include "base/log.h"

#include <stdlib.h>

struct tracer {
    struct engine engine;
    struct engine *inner;
};

static const char *const result_names[] = {
    [GROUP_OK] = "ok",           [GROUP_FULL] = "full",   [GROUP_BUSY] = "busy",
    [GROUP_REFUSED] = "refused", [GROUP_FATAL] = "fatal",
};

static const char *const read_names[STORE_READ_KIND_COUNT] = {
    [STORE_CLAIM_EVENTS] = "claim_events",
    [STORE_CLAIM_BATCH] = "claim_batch",
    [STORE_CLAIM_DELIVERIES] = "claim_deliveries",
    [STORE_CLAIM_OPEN] = "claim_open",
    [STORE_BACKLOG] = "backlog",
    [STORE_LIST_EVENTS] = "list_events",
    [STORE_LIST_DELIVERIES] = "list_deliveries",
    [STORE_LIST_ENDPOINTS] = "list_endpoints",
    [STORE_GET_EVENT] = "get_event",
    [STORE_GET_DELIVERY] = "get_delivery",
    [STORE_GET_KV] = "get_kv",
    [STORE_LIST_KV] = "list_kv",
    [STORE_LIST_STEPS] = "list_steps",
    [STORE_LIST_TASKS] = "list_tasks",
    [STORE_LIST_ATTEMPTS] = "list_attempts",
    [STORE_LIST_ROUTINES] = "list_routines",
    [STORE_LIST_RESOURCES] = "list_resources",
    [STORE_LIST_PUBLISHED] = "list_published",
    [STORE_LIST_DESTINATIONS] = "list_destinations",
    [STORE_LIST_SENT] = "list_sent",
    [STORE_COUNT_SENT] = "count_sent",
    [STORE_LIST_TRIED] = "list_tried",
    [STORE_LIST_TOKENS] = "list_tokens",
    [STORE_COUNT_SECRETS] = "count_secrets",
};

static struct tracer *tracer_of(struct engine *engine)
{
    return container_of(engine, struct tracer, engine);
}

static enum group_result commit_group(struct engine *engine, struct store_op **ops, size_t count)
{
    struct engine *inner = tracer_of(engine)->inner;
    unsigned kinds[STORE_OP_KIND_COUNT + 1] = {0};
    for (size_t i = 0; i < count; i++)
        kinds[ops[i]->kind]++;
    const uint64_t start_ns = uv_hrtime();
    const enum group_result result = inner->vtable->commit_group(inner, ops, count);
    engine->sync_us = inner->sync_us;
    engine->last_event = inner->last_event;
    log_debug(
        "store group",
        "ingest=%u handled=%u run=%u step=%u settle=%u spill=%u clear=%u lease=%u endpoint=%u "
        "change=%u task=%u "
        "routine=%u resource=%u token=%u erase=%u scrub=%u reseal=%u retain=%u result=%s "
        "us=%llu sync_us=%lld",
        kinds[STORE_INGEST], kinds[STORE_HANDLED], kinds[STORE_RUN], kinds[STORE_STEP],
        kinds[STORE_SETTLE], kinds[STORE_SPILL], kinds[STORE_CLEAR], kinds[STORE_LEASE],
        kinds[STORE_ENDPOINT], kinds[STORE_CHANGE], kinds[STORE_TASK], kinds[STORE_ROUTINE],
        kinds[STORE_RESOURCE], kinds[STORE_TOKEN], kinds[STORE_ERASE], kinds[STORE_SCRUB],
        kinds[STORE_RESEAL], kinds[STORE_RETAIN], result_names[result],
        (unsigned long long)(uv_hrtime() - start_ns) / 1000, (long long)engine->sync_us);
    return result;
}

static enum group_result probe(struct engine *engine)
{
    struct engine *inner = tracer_of(engine)->inner;
    const enum group_result result = inner->vtable->probe(inner);
    log_debug("store probe", "result=%s", result_names[result]);
    return result;
}

static enum group_result upkeep(struct engine *engine)
{
    struct engine *inner = tracer_of(engine)->inner;
    return inner->vtable->upkeep(inner);
}

static enum status reader_open(struct engine *engine, void **reader, struct err *err)
{
    struct engine *inner = tracer_of(engine)->inner;
    return inner->vtable->reader_open(inner, reader, err);
}

static void reader_close(struct engine *engine, void *reader)
{
    struct engine *inner = tracer_of(engine)->inner;
    inner->vtable->reader_close(inner, reader);
}

static void read_one(struct engine *engine, void *reader, struct store_read *read)
{
    struct engine *inner = tracer_of(engine)->inner;
    const uint64_t start_ns = uv_hrtime();
    inner->vtable->read(inner, reader, read);
    log_debug("store read", "kind=%s status=%s us=%llu", read_names[read->kind],
              status_name(read->status), (unsigned long long)(uv_hrtime() - start_ns) / 1000);
}

static uint64_t highest_event(struct engine *engine)
{
    struct engine *inner = tracer_of(engine)->inner;
    return inner->vtable->highest_event(inner);
}

static void close_trace(struct engine *engine)
{
    struct tracer *it = tracer_of(engine);
    it->inner->vtable->close(it->inner);
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
    .close = close_trace,
};

struct engine *store_trace_wrap(struct engine *engine)
{
    struct tracer *it = must_alloc(sizeof *it);
    it->engine.vtable = &vtable;
    it->inner = engine;
    return &it->engine;
}
