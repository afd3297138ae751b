/* SPDX-License-Identifier: MIT */
#include "store/store_int.h"

#include "base/clock.h"
#include "base/crash.h"
#include "base/log.h"
#include "store/store_fault_int.h"

#include <stdlib.h>

struct store_list_query store_task_query(const struct task *task, uint64_t after, size_t limit)
{
    const bool is_event = task->kind == ID_EVENT;
    const uint64_t since = is_event ? id_event_at(task->since_ms) : id_row_at(task->since_ms);
    const uint64_t first = since > 0 ? since - 1 : 0;
    return (struct store_list_query){
        .limit = limit,
        .before = is_event ? id_event_at(task->until_ms) : id_row_at(task->until_ms),
        .after = after > first ? after : first,
        .is_backward = true,
        .source = task->source,
        .type = task->type,
        .endpoint = task->endpoint,
        .contains = task->contains,
        .state = task->wanted,
    };
}

enum status store_start(const struct store_options *options, struct engine *engine,
                        struct store **store, struct err *err)
{
    struct store *it = must_alloc(sizeof *it);
    it->engine = engine;
    it->on_fatal = options->on_fatal;
    it->ctx = options->ctx;
    atomic_init(&it->credits, LIMIT_CREDITS);
    id_source_init(&it->ids, engine->vtable->highest_event(engine));
    writer_init(&it->writer);
    atomic_init(&it->writer.last_event, engine->vtable->highest_event(engine));
    const enum status status = reader_pool_start(it, options->reader_count, err);
    if (status != OK) {
        writer_finish(&it->writer);
        engine->vtable->close(engine);
        free(it);
        return status;
    }
    writer_start(it);
    *store = it;
    return OK;
}

enum status store_open(const struct store_options *options, struct store **store, struct err *err)
{
    struct engine *engine = NULL;
    const enum status status =
        sqlite_engine_open(options, &(struct sqlite_tuning){0}, &engine, err);
    if (status != OK)
        return status;
    engine = store_fault_wrap_environment(engine);
    if (log_enabled(LOG_DEBUG))
        engine = store_trace_wrap(engine);
    return store_start(options, engine, store, err);
}

void store_close(struct store *store)
{
    if (!store)
        return;
    check(atomic_load(&store->clients) == 0);
    writer_stop(store);
    reader_pool_stop(store);
    store->engine->vtable->close(store->engine);
    writer_finish(&store->writer);
    free(store);
}

/* ---- Clients --------------------------------------------------------------------------------- */

static void on_operation_letter(struct letter *letter, void *ctx)
{
    struct store_client *client = ctx;
    struct store_op *op = container_of(letter, struct store_op, letter);
    client->under_way--;
    op->on_done(op);
}

static void on_read_letter(struct letter *letter, void *ctx)
{
    struct store_client *client = ctx;
    struct store_read *read = container_of(letter, struct store_read, letter);
    client->under_way--;
    read->on_done(read);
}

static void on_watch_letter(struct letter *letter, void *ctx)
{
    struct store_client *client = ctx;
    struct store_watch *watch = container_of(letter, struct store_watch, letter);
    client->under_way--;
    watch->on_stored(watch);
}

struct store_client *store_client_create(struct store *store, uv_loop_t *loop)
{
    struct store_client *client = must_alloc(sizeof *client);
    client->store = store;
    client->loop = loop;
    client->open_inboxes = 3;
    inbox_open(&client->operations, loop, on_operation_letter, client);
    inbox_open(&client->reads, loop, on_read_letter, client);
    inbox_open(&client->watches, loop, on_watch_letter, client);
    atomic_fetch_add(&store->clients, 1);
    return client;
}

static void on_inbox_closed(struct inbox *inbox)
{
    struct store_client *client = inbox->ctx;
    if (--client->open_inboxes == 0)
        free(client);
}

bool store_client_is_idle(const struct store_client *client)
{
    return client->under_way == 0;
}

void store_client_destroy(struct store_client *client)
{
    if (!client)
        return;
    inbox_drain(&client->operations);
    inbox_drain(&client->reads);
    inbox_drain(&client->watches);
    check(client->under_way == 0);
    atomic_fetch_sub(&client->store->clients, 1);
    inbox_close_then(&client->operations, on_inbox_closed);
    inbox_close_then(&client->reads, on_inbox_closed);
    inbox_close_then(&client->watches, on_inbox_closed);
}

/* ---- Small calls ----------------------------------------------------------------------------- */

void store_health(struct store *store, struct store_health *health)
{
    struct writer *writer = &store->writer;
    check(pthread_mutex_lock(&writer->mutex) == 0);
    const size_t queued = writer->queued;
    check(pthread_mutex_unlock(&writer->mutex) == 0);
    *health = (struct store_health){
        .is_writable = atomic_load(&writer->is_writable) && !atomic_load(&writer->is_fatal),
        .commits = atomic_load(&writer->commits),
        .operations = atomic_load(&writer->operations),
        .queued = queued,
        .last_sync_us = atomic_load(&writer->sync_us),
    };
}

uint64_t store_next_event_id(struct store *store, uint8_t shard)
{
    return id_next_event(&store->ids, shard);
}

uint64_t store_last_event(struct store *store)
{
    return atomic_load(&store->writer.last_event);
}

/* What a group writes is judged after it began: by then what has an older id is late. */
uint64_t store_settled(struct store *store)
{
    const int64_t now_ms = clock_due_ms(); /* before the look: a group may begin in between */
    const int64_t group_ms = atomic_load(&store->writer.group_ms);
    const int64_t since_ms = group_ms != 0 && group_ms < now_ms ? group_ms : now_ms;
    const uint64_t id = id_event_at(since_ms - STORE_LATE_MS);
    return id > 0 ? id : 1;
}

enum status store_credit_take(struct store *store)
{
    if (atomic_fetch_sub_explicit(&store->credits, 1, memory_order_relaxed) > 0)
        return OK;
    atomic_fetch_add_explicit(&store->credits, 1, memory_order_relaxed);
    return E_BUSY;
}

void store_credit_put(struct store *store)
{
    const int before = atomic_fetch_add_explicit(&store->credits, 1, memory_order_relaxed);
    check(before < LIMIT_CREDITS);
}

/* ---- Watches --------------------------------------------------------------------------------- */

void store_watch_start(struct store *store, struct store_client *client, struct store_watch *watch)
{
    struct writer *writer = &store->writer;
    watch->client = client;
    client->under_way++;
    check(pthread_mutex_lock(&writer->mutex) == 0);
    const bool is_stored = atomic_load(&writer->last_event) != watch->known;
    if (!is_stored) {
        watch->next = writer->watches;
        writer->watches = watch;
    }
    check(pthread_mutex_unlock(&writer->mutex) == 0);
    if (is_stored)
        inbox_post(&client->watches, &watch->letter);
}

bool store_watch_stop(struct store *store, struct store_watch *watch)
{
    struct writer *writer = &store->writer;
    check(pthread_mutex_lock(&writer->mutex) == 0);
    struct store_watch **place = &writer->watches;
    while (*place && *place != watch)
        place = &(*place)->next;
    const bool is_waiting = *place != NULL;
    if (is_waiting)
        *place = watch->next;
    check(pthread_mutex_unlock(&writer->mutex) == 0);
    if (is_waiting)
        watch->client->under_way--;
    return is_waiting;
}

void watch_tell(struct writer *writer, uint64_t event)
{
    check(pthread_mutex_lock(&writer->mutex) == 0);
    struct store_watch *watch = writer->watches;
    writer->watches = NULL;
    atomic_store(&writer->last_event, event);
    check(pthread_mutex_unlock(&writer->mutex) == 0);
    while (watch) {
        struct store_watch *next = watch->next;
        inbox_post(&watch->client->watches, &watch->letter);
        watch = next;
    }
}

/* ---- Submit ---------------------------------------------------------------------------------- */

static size_t content_bytes(const struct content *content)
{
    return content->head_len + content->body_len;
}

static size_t outbox_bytes(const struct outbox *outbox)
{
    size_t bytes = outbox->kv_write_bytes;
    for (size_t i = 0; i < outbox->message_count; i++)
        if (!outbox->messages[i]->is_forwarded)
            bytes += content_bytes(outbox->messages[i]->content);
    for (size_t i = 0; i < outbox->emit_count; i++)
        bytes += content_bytes(outbox->emits[i]->content);
    return bytes;
}

static size_t secret_bytes(const struct store_resource *op)
{
    size_t bytes = 0;
    for (size_t i = 0; i < op->secret_count; i++)
        bytes += op->secrets[i].text.len;
    return bytes;
}

/* What the operation adds to its group beside its rows. */
static size_t op_bytes(const struct store_op *op)
{
    switch (op->kind) {
    case STORE_INGEST:
        return content_bytes(container_of(op, struct store_ingest, op)->event->content);
    case STORE_HANDLED: {
        const struct outbox *outbox = container_of(op, struct store_handled, op)->outbox;
        return outbox ? outbox_bytes(outbox) : 0;
    }
    case STORE_ROUTINE: {
        const struct outbox *outbox = container_of(op, struct store_routine, op)->outbox;
        return outbox ? outbox_bytes(outbox) : 0;
    }
    case STORE_SETTLE: {
        const struct attempt *attempt = container_of(op, struct store_settle, op)->attempt;
        return attempt ? attempt->head.len + attempt->body.len : 0;
    }
    case STORE_RESOURCE: {
        const struct resource *resource = container_of(op, struct store_resource, op)->resource;
        return (resource->body ? strlen(resource->body) : 0) +
               secret_bytes(container_of(op, struct store_resource, op));
    }
    case STORE_STEP:
        return strlen(container_of(op, struct store_step, op)->result);
    case STORE_RUN:
    case STORE_SPILL:
    case STORE_CLEAR:
    case STORE_LEASE:
    case STORE_ENDPOINT:
    case STORE_CHANGE:
    case STORE_TASK:
    case STORE_TOKEN:
    case STORE_ERASE:
    case STORE_SCRUB:
    case STORE_RESEAL:
    case STORE_OP_KIND_COUNT:
        break;
    }
    return 0;
}

enum status store_submit(struct store *store, struct store_client *client, struct store_op *op)
{
    struct writer *writer = &store->writer;
    const enum op_class class = op_class_of(op);
    const bool is_ingest = class == OP_CLASS_INGEST;
    if (is_ingest && (!atomic_load(&writer->is_writable) || atomic_load(&writer->is_fatal)))
        return E_BUSY;
    op->client = client;
    op->bytes = op_bytes(op);
    op->queued_ns = (int64_t)uv_hrtime();
    check(pthread_mutex_lock(&writer->mutex) == 0);
    if (is_ingest && writer->queues[class].count >= LIMIT_INTAKE_OPERATIONS) {
        check(pthread_mutex_unlock(&writer->mutex) == 0);
        return E_BUSY;
    }
    op_queue_push(&writer->queues[class], op);
    writer->queued++;
    const bool is_news = writer->queues[class].count == 1 || writer->queued == GROUP_START_COUNT;
    check(pthread_mutex_unlock(&writer->mutex) == 0);
    client->under_way++;
    if (is_news)
        check(pthread_cond_signal(&writer->changed) == 0);
    crash_point("queued");
    return OK;
}

void store_retain(struct store *store, const struct store_retention *classes, size_t count)
{
    struct writer *writer = &store->writer;
    check(count <= LIMIT_RETENTION_CLASSES);
    check(pthread_mutex_lock(&writer->mutex) == 0);
    for (size_t i = 0; i < count; i++) {
        struct retention_class *class = &writer->next_classes[i];
        const struct slice source = slice_str(classes[i].source);
        check(source.len <= LIMIT_NAME_BYTES);
        *class = (struct retention_class){.before_ms = classes[i].before_ms};
        memcpy(class->source, source.data, source.len);
    }
    writer->next_class_count = count;
    writer->has_next_classes = true;
    check(pthread_mutex_unlock(&writer->mutex) == 0);
    check(pthread_cond_signal(&writer->changed) == 0);
}
