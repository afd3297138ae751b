/* SPDX-License-Identifier: MIT */
/* The reader threads: two bounded queues (claims of the workers and look-ups of a row or two; lists
 * of the API), one thread that takes claims only, the others both. So no list, however long it
 * takes and whoever asks for it, keeps a look-up waiting; and lists of one application keep those
 * of another waiting for one at most. */
#include "store/store_int.h"

#include "base/memory.h"

#include <stdlib.h>

#define READERS_MIN 3u

static bool is_look_up(const struct store_read *read)
{
    if (read->kind == STORE_LIST_TOKENS)
        return container_of(read, struct store_list_tokens, read)->only != NULL;
    const struct store_list_resources *list = container_of(read, struct store_list_resources, read);
    return !list->is_everyones && (list->only || list->only_uid || list->answer_key);
}

static bool is_claim(const struct store_read *read)
{
    switch (read->kind) {
    case STORE_LIST_TOKENS:
    case STORE_LIST_RESOURCES:
        return is_look_up(read);
    case STORE_CLAIM_EVENTS:
    case STORE_CLAIM_BATCH:
    case STORE_CLAIM_DELIVERIES:
    case STORE_CLAIM_OPEN:
    case STORE_BACKLOG:
    case STORE_GET_KV:
    case STORE_LIST_KV:
    case STORE_LIST_STEPS:
    case STORE_LIST_ROUTINES:
        return true;
    case STORE_LIST_EVENTS:
    case STORE_LIST_DELIVERIES:
    case STORE_LIST_ENDPOINTS:
    case STORE_GET_EVENT:
    case STORE_GET_DELIVERY:
    case STORE_LIST_TASKS:
    case STORE_LIST_ATTEMPTS:
    case STORE_LIST_PUBLISHED:
    case STORE_LIST_DESTINATIONS:
    case STORE_LIST_SENT:
    case STORE_COUNT_SENT:
    case STORE_LIST_TRIED:
    case STORE_COUNT_SECRETS:
    case STORE_READ_KIND_COUNT:
        break;
    }
    return false;
}

static void push(struct read_queue *queue, struct letter *letter)
{
    letter->next = NULL;
    if (queue->last)
        queue->last->next = letter;
    else
        queue->first = letter;
    queue->last = letter;
    queue->count++;
}

static struct store_read *read_of(struct letter *letter)
{
    return letter ? container_of(letter, struct store_read, letter) : NULL;
}

/* before: the one before it; NULL: it is the first. */
static struct store_read *cut(struct read_queue *queue, struct letter *before)
{
    struct letter *letter = before ? before->next : queue->first;
    if (!letter)
        return NULL;
    if (before)
        before->next = letter->next;
    else
        queue->first = letter->next;
    if (!letter->next)
        queue->last = before;
    queue->count--;
    return read_of(letter);
}

/* An application leaves one reader of lists to the others. */
static bool has_all_it_may(const struct reader_pool *pool, uint64_t owner)
{
    unsigned count = 0;
    for (unsigned i = 0; i < pool->count; i++)
        count += pool->readers[i].owner == owner;
    return owner != 0 && count + 2 >= pool->count;
}

/* The first that is not of the owner who was served last, if there is one. */
static struct store_read *pop_list(struct reader_pool *pool)
{
    struct read_queue *lists = &pool->lists;
    struct letter *before = NULL;
    struct letter *second = NULL; /* what stands before the first of that owner */
    bool has_second = false;
    for (struct letter *letter = lists->first; letter; before = letter, letter = letter->next) {
        const uint64_t owner = read_of(letter)->owner;
        if (has_all_it_may(pool, owner))
            continue;
        if (owner != pool->last_owner)
            return cut(lists, before);
        second = has_second ? second : before;
        has_second = true;
    }
    return has_second ? cut(lists, second) : NULL;
}

enum status store_read(struct store *store, struct store_client *client, struct store_read *read)
{
    struct reader_pool *pool = &store->pool;
    const bool is_for_claims = is_claim(read);
    struct read_queue *queue = is_for_claims ? &pool->claims : &pool->lists;
    const size_t limit = is_for_claims ? LIMIT_CLAIMS_QUEUED : LIMIT_LISTS_QUEUED;
    read->client = client;
    check(pthread_mutex_lock(&pool->mutex) == 0);
    const bool is_full = queue->count >= limit;
    if (!is_full)
        push(queue, &read->letter);
    check(pthread_mutex_unlock(&pool->mutex) == 0);
    if (is_full)
        return E_BUSY;
    client->under_way++;
    if (is_for_claims)
        check(pthread_cond_signal(&pool->changed_claims) == 0);
    check(pthread_cond_signal(&pool->changed) == 0);
    return OK;
}

/* NULL: the pool stops. */
static struct store_read *take(struct reader *reader)
{
    struct reader_pool *pool = &reader->store->pool;
    struct store_read *read = NULL;
    check(pthread_mutex_lock(&pool->mutex) == 0);
    reader->owner = 0;
    for (;;) {
        if (!reader->is_for_claims && (read = pop_list(pool)))
            reader->owner = pool->last_owner = read->owner;
        if (!read)
            read = cut(&pool->claims, NULL);
        if (read || pool->is_stopping)
            break;
        check(pthread_cond_wait(reader->is_for_claims ? &pool->changed_claims : &pool->changed,
                                &pool->mutex) == 0);
    }
    check(pthread_mutex_unlock(&pool->mutex) == 0);
    return read;
}

static void *run(void *ctx)
{
    struct reader *reader = ctx;
    struct store *store = reader->store;
    for (struct store_read *read; (read = take(reader));) {
        if (atomic_load(&store->writer.is_fatal))
            read->status = err_set(&read->err, E_IO, "the store has failed and is read no more");
        else
            store->engine->vtable->read(store->engine, reader->connection, read);
        inbox_post(&read->client->reads, &read->letter);
    }
    return NULL;
}

enum status reader_pool_start(struct store *store, unsigned count, struct err *err)
{
    struct reader_pool *pool = &store->pool;
    if (count < READERS_MIN)
        count = READERS_MIN;
    if (count > LIMIT_READERS)
        count = LIMIT_READERS;
    check(pthread_mutex_init(&pool->mutex, NULL) == 0);
    check(pthread_cond_init(&pool->changed, NULL) == 0);
    check(pthread_cond_init(&pool->changed_claims, NULL) == 0);
    for (unsigned i = 0; i < count; i++) {
        struct reader *reader = &pool->readers[i];
        reader->store = store;
        reader->is_for_claims = i == 0;
        const enum status status =
            store->engine->vtable->reader_open(store->engine, &reader->connection, err);
        if (status != OK) {
            reader_pool_stop(store);
            return status;
        }
        check(pthread_create(&reader->thread, NULL, run, reader) == 0);
        (void)pthread_setname_np(reader->thread, "anzol-reader");
        check(pthread_mutex_lock(&pool->mutex) == 0);
        pool->count++; /* those that run already look at it */
        check(pthread_mutex_unlock(&pool->mutex) == 0);
    }
    return OK;
}

void reader_pool_stop(struct store *store)
{
    struct reader_pool *pool = &store->pool;
    check(pthread_mutex_lock(&pool->mutex) == 0);
    pool->is_stopping = true;
    check(pthread_mutex_unlock(&pool->mutex) == 0);
    check(pthread_cond_broadcast(&pool->changed) == 0);
    check(pthread_cond_broadcast(&pool->changed_claims) == 0);
    for (unsigned i = 0; i < pool->count; i++) {
        check(pthread_join(pool->readers[i].thread, NULL) == 0);
        store->engine->vtable->reader_close(store->engine, pool->readers[i].connection);
    }
    check(pthread_cond_destroy(&pool->changed_claims) == 0);
    check(pthread_cond_destroy(&pool->changed) == 0);
    check(pthread_mutex_destroy(&pool->mutex) == 0);
}

/* ---- Results --------------------------------------------------------------------------------- */

static void finish_runs(struct claimed_run *runs, size_t count)
{
    for (size_t i = 0; runs && i < count; i++)
        free(runs[i].subscription);
    free(runs);
}

static void finish_steps(struct step_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        free(rows[i].name);
        free(rows[i].result);
    }
    free(rows);
}

void event_row_finish(struct event_row *row)
{
    for (size_t i = 0; row->progress && i < row->run_count; i++)
        finish_steps(row->progress[i].steps, row->progress[i].step_count);
    free(row->progress);
    event_unref(row->event);
    finish_runs(row->runs, row->run_count);
    for (size_t i = 0; row->errors && i < row->run_count; i++)
        free(row->errors[i]);
    free(row->errors);
    *row = (struct event_row){0};
}

static void finish_attempt_row(struct attempt_row *row)
{
    free((char *)(uintptr_t)row->attempt.head.data);
    free((char *)(uintptr_t)row->attempt.body.data);
    free((char *)(uintptr_t)row->attempt.detail);
    free((char *)(uintptr_t)row->attempt.request.data);
    free(row->endpoint);
    free(row->type);
}

static void finish_delivery_row(struct delivery_row *row)
{
    free(row->endpoint);
    free(row->type);
    free(row->reason);
    free(row->order_key);
    for (size_t i = 0; i < row->attempt_row_count; i++)
        finish_attempt_row(&row->attempts[i]);
    free(row->attempts);
    *row = (struct delivery_row){0};
}

static void finish_get_delivery(struct store_get_delivery *get)
{
    finish_delivery_row(&get->row);
    delivery_destroy(get->delivery);
    get->delivery = NULL;
}

static void finish_claimed_events(struct store_claim_events *claim)
{
    for (size_t i = 0; claim->events && i < claim->event_count; i++) {
        event_unref(claim->events[i].event);
        finish_runs(claim->events[i].runs, claim->events[i].run_count);
    }
    free(claim->events);
    claim->events = NULL;
    claim->event_count = 0;
}

static void finish_deliveries(struct delivery ***deliveries, size_t *count)
{
    for (size_t i = 0; *deliveries && i < *count; i++)
        delivery_destroy((*deliveries)[i]);
    free(*deliveries);
    *deliveries = NULL;
    *count = 0;
}

static void finish_backlog(struct store_backlog *backlog)
{
    free(backlog->rows);
    backlog->rows = NULL;
    backlog->row_count = 0;
}

static void finish_list_events(struct store_list_events *list)
{
    for (size_t i = 0; list->rows && i < list->row_count; i++)
        event_row_finish(&list->rows[i]);
    free(list->rows);
    list->rows = NULL;
    list->row_count = 0;
}

static void finish_list_deliveries(struct store_list_deliveries *list)
{
    for (size_t i = 0; list->rows && i < list->row_count; i++)
        finish_delivery_row(&list->rows[i]);
    free(list->rows);
    list->rows = NULL;
    list->row_count = 0;
}

static void finish_list_endpoints(struct store_list_endpoints *list)
{
    for (size_t i = 0; list->rows && i < list->row_count; i++) {
        free(list->rows[i].name);
        free(list->rows[i].reason);
    }
    free(list->rows);
    list->rows = NULL;
    list->row_count = 0;
}

static void finish_list_kv(struct store_list_kv *list)
{
    for (size_t i = 0; i < list->row_count; i++) {
        free(list->rows[i].key);
        memory_free_secret_text(list->rows[i].value);
    }
    free(list->rows);
    list->rows = NULL;
    list->row_count = 0;
}

static void finish_claim_batch(struct store_claim_batch *claim)
{
    for (size_t i = 0; i < claim->member_count; i++)
        event_unref(claim->members[i].event);
    free(claim->members);
    claim->members = NULL;
    claim->member_count = 0;
}

static void finish_list_routines(struct store_list_routines *list)
{
    for (size_t i = 0; i < list->row_count; i++) {
        free(list->rows[i].name);
        routine_row_finish(&list->rows[i].row);
    }
    free(list->rows);
}

static void finish_list_steps(struct store_list_steps *list)
{
    finish_steps(list->rows, list->row_count);
    list->rows = NULL;
    list->row_count = 0;
}

static void finish_list_tasks(struct store_list_tasks *list)
{
    for (size_t i = 0; list->rows && i < list->row_count; i++)
        task_finish(&list->rows[i]);
    free(list->rows);
    list->rows = NULL;
    list->row_count = 0;
}

static void finish_list_tokens(struct store_list_tokens *list)
{
    for (size_t i = 0; list->rows && i < list->row_count; i++)
        api_token_finish(&list->rows[i]);
    free(list->rows);
    list->rows = NULL;
    list->row_count = 0;
}

static void finish_list_resources(struct store_list_resources *list)
{
    for (size_t i = 0; i < list->row_count; i++)
        resource_finish(&list->rows[i]);
    free(list->rows);
    free(list->standings);
    list->rows = NULL;
    list->standings = NULL;
    list->row_count = 0;
}

static void finish_list_attempts(struct store_list_attempts *list)
{
    for (size_t i = 0; list->rows && i < list->row_count; i++)
        finish_attempt_row(&list->rows[i]);
    free(list->rows);
    list->rows = NULL;
    list->row_count = 0;
}

static void finish_claim_deliveries(struct store_claim_deliveries *claim)
{
    finish_deliveries(&claim->deliveries, &claim->delivery_count);
}

static void finish_claim_open(struct store_claim_open *claim)
{
    finish_deliveries(&claim->deliveries, &claim->delivery_count);
}

static void finish_get_kv(struct store_get_kv *get)
{
    memory_free_secret_text(get->value);
    get->value = NULL;
}

static void finish_count_secrets(struct store_count_secrets *count)
{
    free(count->rows);
    count->rows = NULL;
    count->row_count = 0;
}

static void finish_kv(struct store_read *read)
{
    if (read->kind == STORE_GET_KV)
        finish_get_kv(container_of(read, struct store_get_kv, read));
    else
        finish_list_kv(container_of(read, struct store_list_kv, read));
}

void store_read_finish(struct store_read *read)
{
    switch (read->kind) {
    case STORE_CLAIM_EVENTS:
        finish_claimed_events(container_of(read, struct store_claim_events, read));
        break;
    case STORE_CLAIM_DELIVERIES:
        finish_claim_deliveries(container_of(read, struct store_claim_deliveries, read));
        break;
    case STORE_CLAIM_OPEN:
        finish_claim_open(container_of(read, struct store_claim_open, read));
        break;
    case STORE_BACKLOG:
        finish_backlog(container_of(read, struct store_backlog, read));
        break;
    case STORE_LIST_EVENTS:
        finish_list_events(container_of(read, struct store_list_events, read));
        break;
    case STORE_LIST_DELIVERIES:
        finish_list_deliveries(container_of(read, struct store_list_deliveries, read));
        break;
    case STORE_LIST_ENDPOINTS:
        finish_list_endpoints(container_of(read, struct store_list_endpoints, read));
        break;
    case STORE_GET_EVENT:
        event_row_finish(&container_of(read, struct store_get_event, read)->row);
        break;
    case STORE_GET_DELIVERY:
        finish_get_delivery(container_of(read, struct store_get_delivery, read));
        break;
    case STORE_GET_KV:
    case STORE_LIST_KV:
        finish_kv(read);
        break;
    case STORE_CLAIM_BATCH:
        finish_claim_batch(container_of(read, struct store_claim_batch, read));
        break;
    case STORE_LIST_ROUTINES:
        finish_list_routines(container_of(read, struct store_list_routines, read));
        break;
    case STORE_LIST_STEPS:
        finish_list_steps(container_of(read, struct store_list_steps, read));
        break;
    case STORE_LIST_TASKS:
        finish_list_tasks(container_of(read, struct store_list_tasks, read));
        break;
    case STORE_LIST_ATTEMPTS:
        finish_list_attempts(container_of(read, struct store_list_attempts, read));
        break;
    case STORE_LIST_RESOURCES:
        finish_list_resources(container_of(read, struct store_list_resources, read));
        break;
    case STORE_LIST_PUBLISHED:
    case STORE_LIST_DESTINATIONS:
    case STORE_LIST_SENT:
    case STORE_LIST_TRIED:
        published_read_finish(read);
        break;
    case STORE_LIST_TOKENS:
        finish_list_tokens(container_of(read, struct store_list_tokens, read));
        break;
    case STORE_COUNT_SECRETS:
        finish_count_secrets(container_of(read, struct store_count_secrets, read));
        break;
    case STORE_COUNT_SENT:
    case STORE_READ_KIND_COUNT:
        break;
    }
}
