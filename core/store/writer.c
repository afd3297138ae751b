/* SPDX-License-Identifier: MIT */
/* The store thread: waits until a group is worth a sync, lets the engine commit it, tells the
 * submitters. What it does when the disk is full, locked or broken is here too, so that every
 * engine does the same. */
#include "store/store_int.h"

#include "base/clock.h"
#include "base/crash.h"
#include "base/log.h"

#include <errno.h>

#define NS_PER_MS INT64_C(1000000)
#define RETRY_NS (250 * NS_PER_MS)
/* Intake lingers only when that makes groups larger: many a second, several to a group. */
#define INGEST_LINGER_NS (1 * NS_PER_MS)
#define INGEST_WINDOW_NS (100 * NS_PER_MS)
#define INGEST_LINGER_RATE 2000u
#define RUN_LINGER_NS (1 * NS_PER_MS)
#define SETTLE_LINGER_NS (5 * NS_PER_MS)
/* Events that retention deletes in one group. */
#define RETAIN_COUNT 8u
#define RETAIN_COUNT_BEHIND 32u
#define RETAIN_COUNT_IDLE 128u
#define RETAIN_BEHIND_NS (10000 * NS_PER_MS)

static const enum op_class classes[STORE_OP_KIND_COUNT] = {
    [STORE_INGEST] = OP_CLASS_INGEST,   [STORE_HANDLED] = OP_CLASS_RUN,
    [STORE_RUN] = OP_CLASS_RUN,         [STORE_STEP] = OP_CLASS_RUN,
    [STORE_SETTLE] = OP_CLASS_SETTLE,   [STORE_SPILL] = OP_CLASS_SETTLE,
    [STORE_ENDPOINT] = OP_CLASS_SETTLE, [STORE_CHANGE] = OP_CLASS_RUN,
    [STORE_TASK] = OP_CLASS_RUN,        [STORE_ROUTINE] = OP_CLASS_RUN,
    [STORE_LEASE] = OP_CLASS_LEASE,     [STORE_RESOURCE] = OP_CLASS_RUN,
    [STORE_TOKEN] = OP_CLASS_RUN,       [STORE_ERASE] = OP_CLASS_RUN,
    [STORE_SCRUB] = OP_CLASS_RUN,       [STORE_RESEAL] = OP_CLASS_RUN,
    [STORE_CLEAR] = OP_CLASS_SETTLE,
};

/* Others of its order key wait for it: it lingers no longer than a run. */
static bool is_awaited(struct store_op *op)
{
    const struct store_settle *settle = container_of(op, struct store_settle, op);
    return op->kind == STORE_SETTLE && settle->is_ordered && settle->state >= DELIVERY_SUCCEEDED;
}

enum op_class op_class_of(struct store_op *op)
{
    check((unsigned)op->kind < STORE_OP_KIND_COUNT);
    return is_awaited(op) ? OP_CLASS_RUN : classes[op->kind];
}

static struct store_op *op_of(struct letter *letter)
{
    return letter ? container_of(letter, struct store_op, letter) : NULL;
}

void op_queue_push(struct op_queue *queue, struct store_op *op)
{
    op->letter.next = NULL;
    if (queue->last)
        queue->last->letter.next = &op->letter;
    else
        queue->first = op;
    queue->last = op;
    queue->count++;
}

void op_queue_push_front(struct op_queue *queue, struct store_op *op)
{
    op->letter.next = queue->first ? &queue->first->letter : NULL;
    queue->first = op;
    if (!queue->last)
        queue->last = op;
    queue->count++;
}

struct store_op *op_queue_pop(struct op_queue *queue)
{
    struct store_op *op = queue->first;
    if (!op)
        return NULL;
    queue->first = op_of(op->letter.next);
    if (!queue->first)
        queue->last = NULL;
    queue->count--;
    op->letter.next = NULL;
    return op;
}

/* ---- When to start a group ------------------------------------------------------------------- */

static bool has_retention(const struct writer *writer)
{
    return writer->has_next_classes || writer->class_turn <= writer->class_count;
}

static int64_t linger_of(const struct writer *writer, enum op_class class)
{
    static const int64_t linger_ns[OP_CLASS_COUNT] = {
        [OP_CLASS_SETTLE] = SETTLE_LINGER_NS,
        [OP_CLASS_RUN] = RUN_LINGER_NS,
        [OP_CLASS_LEASE] = 0, /* a receiver waits for it, and all of a claim come at once */
    };
    return class == OP_CLASS_INGEST ? writer->ingest_linger_ns : linger_ns[class];
}

/* True: now. False: not before *deadline_ns (INT64_MAX: when something comes). */
static bool is_due_locked(const struct writer *writer, int64_t now_ns, int64_t *deadline_ns)
{
    *deadline_ns = INT64_MAX;
    if (writer->is_stopping)
        return true;
    if (atomic_load(&writer->is_fatal))
        return writer->queued > 0;
    if (!atomic_load(&writer->is_writable)) {
        *deadline_ns = writer->retry_ns;
        return now_ns >= writer->retry_ns;
    }
    if (writer->queued == 0)
        return has_retention(writer);
    if (writer->queued >= GROUP_START_COUNT)
        return true;
    for (enum op_class class = 0; class < OP_CLASS_COUNT; class ++) {
        const struct store_op *first = writer->queues[class].first;
        if (first && first->queued_ns + linger_of(writer, class) < *deadline_ns)
            *deadline_ns = first->queued_ns + linger_of(writer, class);
    }
    return now_ns >= *deadline_ns;
}

static void wait_locked(struct writer *writer)
{
    int64_t deadline_ns;
    while (!is_due_locked(writer, (int64_t)uv_hrtime(), &deadline_ns)) {
        if (deadline_ns == INT64_MAX) {
            check(pthread_cond_wait(&writer->changed, &writer->mutex) == 0);
            continue;
        }
        const struct timespec until = {.tv_sec = deadline_ns / 1000000000,
                                       .tv_nsec = deadline_ns % 1000000000};
        const int rc = pthread_cond_timedwait(&writer->changed, &writer->mutex, &until);
        check(rc == 0 || rc == ETIMEDOUT);
    }
}

/* Each class gets its part of the group, so that none starves; what one leaves, others take. */
static void share_out_locked(const struct writer *writer, size_t counts[OP_CLASS_COUNT])
{
    size_t room = LIMIT_GROUP_OPERATIONS;
    for (enum op_class class = 0; class < OP_CLASS_COUNT; class ++) {
        const size_t part = LIMIT_GROUP_OPERATIONS / OP_CLASS_COUNT;
        const size_t queued = writer->queues[class].count;
        counts[class] = queued < part ? queued : part;
        room -= counts[class];
    }
    for (enum op_class class = 0; class < OP_CLASS_COUNT; class ++) {
        const size_t rest = writer->queues[class].count - counts[class];
        const size_t more = rest < room ? rest : room;
        counts[class] += more;
        room -= more;
    }
}

static void take_group_locked(struct writer *writer)
{
    size_t counts[OP_CLASS_COUNT];
    size_t bytes = 0;
    share_out_locked(writer, counts);
    writer->group_count = 0;
    for (enum op_class class = 0; class < OP_CLASS_COUNT; class ++) {
        for (size_t i = 0; i < counts[class]; i++) {
            /* One of each class at least, however large the others are. */
            if (i > 0 && bytes + writer->queues[class].first->bytes > LIMIT_GROUP_BYTES)
                break;
            struct store_op *op = op_queue_pop(&writer->queues[class]);
            bytes += op->bytes;
            writer->group[writer->group_count++] = op;
        }
    }
    writer->queued -= writer->group_count;
}

/* ---- Completions ----------------------------------------------------------------------------- */

/* The operation is its submitter's after the next wake(). */
static void complete(struct writer *writer, struct store_op *op)
{
    struct store_client *client = op->client;
    if (op->kind == STORE_RETAIN)
        return;
    op->letter.next = NULL;
    if (client->last) {
        client->last->next = &op->letter;
    } else {
        client->first = &op->letter;
        client->next_woken = writer->woken;
        writer->woken = client;
    }
    client->last = &op->letter;
}

static void complete_with(struct writer *writer, struct store_op *op, enum status status)
{
    op->status = status;
    complete(writer, op);
}

/* One wake-up for each client. */
static void wake(struct writer *writer)
{
    struct store_client *client = writer->woken;
    writer->woken = NULL;
    while (client) {
        struct store_client *next = client->next_woken;
        struct letter *first = client->first;
        struct letter *last = client->last;
        client->first = client->last = NULL;
        client->next_woken = NULL;
        inbox_post_list(&client->operations, first, last);
        client = next;
    }
}

/* ---- Retention ------------------------------------------------------------------------------- */

/* The new list; a class that was there before goes on where it stood. */
static void take_classes_locked(struct writer *writer)
{
    if (!writer->has_next_classes)
        return;
    for (size_t i = 0; i < writer->next_class_count; i++)
        for (size_t j = 0; j < writer->class_count; j++)
            if (strcmp(writer->next_classes[i].source, writer->classes[j].source) == 0)
                writer->next_classes[i].cursor = writer->classes[j].cursor;
    memcpy(writer->classes, writer->next_classes,
           writer->next_class_count * sizeof writer->classes[0]);
    if (writer->class_turn > writer->class_count)
        writer->pass_start_ns = (int64_t)uv_hrtime();
    writer->class_count = writer->next_class_count;
    writer->class_turn = 0;
    writer->has_next_classes = false;
}

static void add_retention(struct writer *writer)
{
    if (writer->class_turn > writer->class_count)
        return;
    const bool is_idle = writer->group_count == 0;
    const bool is_behind = (int64_t)uv_hrtime() - writer->pass_start_ns > RETAIN_BEHIND_NS;
    size_t count_max = is_idle ? RETAIN_COUNT_IDLE : RETAIN_COUNT;
    if (is_behind && !is_idle)
        count_max = writer->group_count / 2 > RETAIN_COUNT_BEHIND ? writer->group_count / 2
                                                                  : RETAIN_COUNT_BEHIND;
    writer->retain = (struct store_retain_op){
        .op.kind = STORE_RETAIN,
        .classes = writer->classes,
        .class_count = writer->class_count,
        .class_index = writer->class_turn,
        .count_max = count_max,
        .is_idle = is_idle,
    };
    writer->group[writer->group_count++] = &writer->retain.op;
}

static void note_retention(struct writer *writer)
{
    const struct store_retain_op *retain = &writer->retain;
    if (writer->class_turn < writer->class_count) {
        struct retention_class *class = &writer->classes[writer->class_turn];
        class->cursor = retain->cursor;
        if (class->first_skipped == 0)
            class->first_skipped = retain->first_skipped;
        /* What was not finished gets another look in the next pass. */
        if (retain->is_end && class->first_skipped != 0)
            class->cursor = class->first_skipped - 1;
    }
    if (retain->is_end)
        writer->class_turn++;
}

/* ---- One group ------------------------------------------------------------------------------- */

static void note_rate(struct writer *writer, const struct store_op *const *ops, size_t count)
{
    const int64_t now_ns = (int64_t)uv_hrtime();
    uint64_t ingests = 0;
    for (size_t i = 0; i < count; i++)
        ingests += ops[i]->kind == STORE_INGEST;
    writer->ingest_count += ingests;
    writer->ingest_group_count += ingests > 0;
    const int64_t elapsed_ns = now_ns - writer->ingest_window_ns;
    if (elapsed_ns < INGEST_WINDOW_NS)
        return;
    const uint64_t per_s = writer->ingest_count * 1000000000u / (uint64_t)elapsed_ns;
    const bool are_several = 2 * writer->ingest_count > 3 * writer->ingest_group_count;
    writer->ingest_linger_ns = per_s >= INGEST_LINGER_RATE && are_several ? INGEST_LINGER_NS : 0;
    writer->ingest_window_ns = now_ns;
    writer->ingest_count = writer->ingest_group_count = 0;
}

static void note_success(struct store *store, size_t count)
{
    struct writer *writer = &store->writer;
    atomic_fetch_add_explicit(&writer->commits, 1, memory_order_relaxed);
    atomic_fetch_add_explicit(&writer->operations, count, memory_order_relaxed);
    atomic_store_explicit(&writer->sync_us, store->engine->sync_us, memory_order_relaxed);
    if (!atomic_load(&writer->is_writable)) {
        atomic_store(&writer->is_writable, true);
        log_info("store writable again", "commits=%llu",
                 (unsigned long long)atomic_load(&writer->commits));
    }
}

/* Intake gets its refusal now; outcomes wait for the next try, in their order. */
static void postpone(struct store *store, struct store_op **ops, size_t count,
                     enum group_result result)
{
    struct writer *writer = &store->writer;
    if (atomic_exchange(&writer->is_writable, false))
        log_error("store not writable", "reason=%s intake=refused retry_ms=%d",
                  result == GROUP_FULL ? "\"disk full\"" : "\"locked or read-only\"",
                  (int)(RETRY_NS / NS_PER_MS));
    writer->retry_ns = (int64_t)uv_hrtime() + RETRY_NS;
    check(pthread_mutex_lock(&writer->mutex) == 0);
    for (size_t i = count; i-- > 0;) {
        if (ops[i]->kind == STORE_RETAIN)
            continue;
        const enum op_class class = op_class_of(ops[i]);
        if (class == OP_CLASS_INGEST)
            continue;
        op_queue_push_front(&writer->queues[class], ops[i]);
        ops[i] = NULL;
        writer->queued++;
    }
    struct op_queue intake = writer->queues[OP_CLASS_INGEST];
    writer->queues[OP_CLASS_INGEST] = (struct op_queue){0};
    writer->queued -= intake.count;
    check(pthread_mutex_unlock(&writer->mutex) == 0);
    for (size_t i = 0; i < count; i++)
        if (ops[i])
            complete_with(writer, ops[i], E_IO);
    for (struct store_op *op; (op = op_queue_pop(&intake));)
        complete_with(writer, op, E_IO);
}

static void fail_all(struct store *store, struct store_op **ops, size_t count)
{
    for (size_t i = 0; i < count; i++)
        complete_with(&store->writer, ops[i], E_IO);
}

/* Says once that the process has to end; the completions are posted. */
static void announce_fatal(struct store *store)
{
    atomic_store(&store->writer.is_fatal, true);
    log_error("store failed", "reason=\"sync error or damaged file\" writes=stopped");
    if (store->on_fatal)
        store->on_fatal("the disk refused a sync or the database is damaged (see the log)",
                        store->ctx);
}

/* Commits and completes; what does not go well is the caller's. */
static enum group_result try_group(struct store *store, struct store_op **ops, size_t count)
{
    struct writer *writer = &store->writer;
    const enum group_result result = store->engine->vtable->commit_group(store->engine, ops, count);
    if (result != GROUP_OK)
        return result;
    crash_point("after_sync");
    note_success(store, count);
    if (store->engine->last_event != 0)
        watch_tell(writer, store->engine->last_event);
    for (size_t i = 0; i < count; i++) {
        if (ops[i]->kind == STORE_RETAIN)
            note_retention(writer);
        complete(writer, ops[i]);
    }
    return GROUP_OK;
}

static void refuse(struct writer *writer, struct store_op *op)
{
    log_error("store operation refused", "kind=%d", (int)op->kind);
    if (op->kind == STORE_RETAIN)
        writer->class_turn = writer->class_count + 1; /* not for ever the same error */
    complete_with(writer, op, E_IO);
}

/* True: these operations are dealt with, and no more can be written now. */
static bool end_badly(struct store *store, struct store_op **ops, size_t count,
                      enum group_result result)
{
    switch (result) {
    case GROUP_FULL:
    case GROUP_BUSY:
        postpone(store, ops, count, result);
        return true;
    case GROUP_FATAL:
        fail_all(store, ops, count);
        atomic_store(&store->writer.is_fatal, true);
        return true;
    case GROUP_OK:
    case GROUP_REFUSED:
        break;
    }
    return false;
}

/* After an unexpected error the operations run one by one: the one that causes it must not hurt
 * the others. */
static void commit(struct store *store, struct store_op **ops, size_t count)
{
    enum group_result result = try_group(store, ops, count);
    if (end_badly(store, ops, count, result) || result == GROUP_OK)
        return;
    for (size_t i = 0; i < count; i++) {
        if (count > 1)
            result = try_group(store, &ops[i], 1);
        if (end_badly(store, ops + i, count - i, result))
            return;
        if (result == GROUP_REFUSED)
            refuse(&store->writer, ops[i]);
    }
}

static void try_again(struct store *store)
{
    const enum group_result result = store->engine->vtable->probe(store->engine);
    if (result == GROUP_OK)
        note_success(store, 0);
    else if (result == GROUP_FATAL)
        announce_fatal(store);
    else
        postpone(store, NULL, 0, result);
}

static void run_group(struct store *store)
{
    struct writer *writer = &store->writer;
    if (atomic_load(&writer->is_fatal)) {
        fail_all(store, writer->group, writer->group_count);
        wake(writer);
        return;
    }
    if (!atomic_load(&writer->is_writable) && writer->group_count == 0) {
        try_again(store);
        wake(writer);
        return;
    }
    add_retention(writer);
    if (writer->group_count == 0)
        return;
    note_rate(writer, (const struct store_op *const *)writer->group, writer->group_count);
    crash_point("in_group");
    atomic_store(&writer->group_ms, clock_due_ms());
    commit(store, writer->group, writer->group_count);
    atomic_store(&writer->group_ms, 0);
    crash_point("before_wake");
    wake(writer);
    if (atomic_load(&writer->is_fatal) ||
        store->engine->vtable->upkeep(store->engine) == GROUP_FATAL)
        announce_fatal(store);
}

/* ---- Life cycle ------------------------------------------------------------------------------ */

static void *run(void *ctx)
{
    struct store *store = ctx;
    struct writer *writer = &store->writer;
    for (bool is_last = false; !is_last;) {
        check(pthread_mutex_lock(&writer->mutex) == 0);
        wait_locked(writer);
        take_classes_locked(writer);
        take_group_locked(writer);
        is_last = writer->is_stopping && writer->group_count == 0;
        check(pthread_mutex_unlock(&writer->mutex) == 0);
        if (!is_last)
            run_group(store);
    }
    return NULL;
}

void writer_init(struct writer *writer)
{
    pthread_condattr_t attributes;
    check(pthread_condattr_init(&attributes) == 0);
    check(pthread_condattr_setclock(&attributes, CLOCK_MONOTONIC) == 0);
    check(pthread_mutex_init(&writer->mutex, NULL) == 0);
    check(pthread_cond_init(&writer->changed, &attributes) == 0);
    check(pthread_condattr_destroy(&attributes) == 0);
    writer->class_turn = 1; /* class_count is 0: nothing to do */
    atomic_init(&writer->is_writable, true);
}

void writer_start(struct store *store)
{
    check(pthread_create(&store->writer.thread, NULL, run, store) == 0);
    (void)pthread_setname_np(store->writer.thread, "anzol-store");
}

void writer_stop(struct store *store)
{
    struct writer *writer = &store->writer;
    check(pthread_mutex_lock(&writer->mutex) == 0);
    writer->is_stopping = true;
    check(pthread_mutex_unlock(&writer->mutex) == 0);
    check(pthread_cond_signal(&writer->changed) == 0);
    check(pthread_join(writer->thread, NULL) == 0);
}

void writer_finish(struct writer *writer)
{
    check(pthread_cond_destroy(&writer->changed) == 0);
    check(pthread_mutex_destroy(&writer->mutex) == 0);
}
