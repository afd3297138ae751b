/* SPDX-License-Identifier: MIT */
/* The store in memory: the calls of store.h that sending makes, on the loop's own thread. Every
 * operation is applied and completed in later turns of the loop, a read sees the rows of the turn
 * in which its snapshot is taken; with faults.shuffle those turns are random. */
#include "send_store_int.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define TURN_MS 1
#define OPEN_STATES DELIVERY_SUCCEEDED /* states below it are open */

struct store_client {
    struct store *store;
};

/* Something on its way: an operation, a read or a commit. */
struct fake_step {
    struct node node;
    struct store_op *op;
    struct store_read *read;
    struct delivery *delivery; /* a commit */
    char *order_key;
    struct gate *gate;
    bool is_held;
    bool is_waiting; /* for others of its key */
    int64_t delay_ms;
    fake_committed_cb on_committed;
    void *ctx;
};

double fake_random(struct store *store)
{
    store->random ^= store->random << 13;
    store->random ^= store->random >> 7;
    store->random ^= store->random << 17;
    return (double)(store->random >> 11) / (double)(UINT64_C(1) << 53);
}

static bool happens(struct store *store, double probability)
{
    return probability > 0 && fake_random(store) < probability;
}

/* ---- Rows --------------------------------------------------------------------------------------
 */

static struct fake_row *find_row(const struct store *store, uint64_t id)
{
    size_t low = 0;
    size_t high = store->row_count;
    while (low < high) {
        const size_t middle = (low + high) / 2;
        if (store->rows[middle]->id < id)
            low = middle + 1;
        else
            high = middle;
    }
    return low < store->row_count && store->rows[low]->id == id ? store->rows[low] : NULL;
}

static struct fake_row *add_row(struct store *store, const struct delivery *delivery)
{
    if (store->row_count == store->row_capacity) {
        store->row_capacity = store->row_capacity ? store->row_capacity * 2 : 1024;
        store->rows = realloc(store->rows, store->row_capacity * sizeof(struct fake_row *));
        check(store->rows != NULL);
    }
    struct fake_row *row = must_alloc(sizeof *row);
    *row = (struct fake_row){
        .id = delivery->id,
        .endpoint = delivery->endpoint,
        .message = message_ref(delivery->message),
        .state = DELIVERY_PENDING,
        .created_ms = delivery->created_ms,
        .due_ms = delivery->due_ms,
        .priority = delivery->priority,
    };
    store->rows[store->row_count++] = row;
    return row;
}

static bool is_open(const struct fake_row *row)
{
    return row->state < OPEN_STATES;
}

static bool is_over(const struct fake_row *row)
{
    return !is_open(row) && !row->is_blocking;
}

static char *copy_bytes(struct slice bytes)
{
    char *copy = must_alloc(bytes.len + 1);
    if (bytes.len > 0)
        memcpy(copy, bytes.data, bytes.len);
    copy[bytes.len] = '\0';
    return copy;
}

static void record(struct fake_row *row, const struct attempt *attempt, enum delivery_state state)
{
    row->made = realloc(row->made, (row->made_count + 1) * sizeof *row->made);
    check(row->made != NULL);
    struct fake_attempt *made = &row->made[row->made_count++];
    made->attempt = *attempt;
    made->state = state;
    made->attempt.head.data = copy_bytes(attempt->head);
    made->attempt.body.data = copy_bytes(attempt->body);
    made->attempt.detail = copy_bytes(slice_str(attempt->detail));
}

static struct delivery *delivery_of(const struct fake_row *row)
{
    struct delivery *delivery = delivery_create(row->endpoint, message_ref(row->message));
    check(delivery != NULL);
    delivery->id = row->id;
    delivery->state = row->state;
    delivery->attempts = row->attempts;
    delivery->created_ms = row->created_ms;
    delivery->due_ms = row->due_ms;
    delivery->is_ordered = row->order_key != NULL;
    delivery->priority = row->priority;
    return delivery;
}

/* The first that stands in the line of that key. */
static struct fake_row *first_of_key(const struct store *store, uint64_t endpoint, const char *key)
{
    for (size_t i = store->first_open; i < store->row_count; i++) {
        struct fake_row *row = store->rows[i];
        if (row->endpoint == endpoint && row->order_key && strcmp(row->order_key, key) == 0 &&
            !is_over(row))
            return row;
    }
    return NULL;
}

/* ---- Operations --------------------------------------------------------------------------------
 */

/* The one behind a row that ended may go. */
static void release_next(struct store *store, const struct fake_row *ended,
                         struct store_settle *settle)
{
    struct fake_row *row = first_of_key(store, ended->endpoint, ended->order_key);
    if (!row || row->due_ms < STORE_HELD_MS)
        return;
    row->due_ms -= STORE_HELD_MS;
    settle->released = row->id;
    settle->released_due_ms = row->due_ms;
    if (!settle->takes_next || row->due_ms > clock_due_ms())
        return;
    row->due_ms = 0;
    settle->next = delivery_of(row);
}

static void apply_settle(struct store *store, struct store_settle *settle)
{
    struct fake_row *row = find_row(store, settle->delivery);
    check(row != NULL);
    if (!is_open(row)) {
        store->settle_repeats++;
        return;
    }
    row->state = settle->state;
    row->due_ms = settle->due_ms;
    free(row->reason);
    row->reason = settle->reason ? copy_bytes(slice_str(settle->reason)) : NULL;
    check(!is_open(row) || settle->due_ms > 0);
    if (settle->attempt) {
        row->attempts++;
        settle->attempt->id = ++store->last_id;
        record(row, settle->attempt, settle->state);
    }
    row->is_blocking = row->state == DELIVERY_DEAD && settle->is_ordered && settle->is_blocking;
    if (settle->is_ordered && is_over(row))
        release_next(store, row, settle);
}

static void apply_endpoint(struct store *store, struct store_endpoint *endpoint)
{
    endpoint->turn = ++store->last_turn;
    check(store->endpoint_count < array_count(store->endpoints));
    struct fake_endpoint *it = &store->endpoints[store->endpoint_count++];
    (void)snprintf(it->name, sizeof it->name, "%s", endpoint->name);
    (void)snprintf(it->reason, sizeof it->reason, "%s", endpoint->reason ? endpoint->reason : "");
    it->state = endpoint->state;
}

static void apply_spill(struct store *store, const struct store_spill *spill)
{
    for (size_t i = 0; i < spill->row_count; i++) {
        struct fake_row *row = find_row(store, spill->rows[i].delivery);
        check(row != NULL);
        if (is_open(row) && row->due_ms < STORE_HELD_MS)
            row->due_ms = spill->rows[i].due_ms;
    }
}

static void apply_clear(struct store *store, struct store_clear *clear)
{
    for (size_t i = 0; i < store->row_count; i++) {
        struct fake_row *row = store->rows[i];
        if (row->endpoint != clear->endpoint || !is_open(row) || row->due_ms == 0 ||
            clear->cleared_count++ >= clear->count_max)
            continue;
        row->state = DELIVERY_CANCELLED;
        free(row->reason);
        row->reason = copy_bytes(slice_str(STORE_DELETED_REASON));
    }
}

static void apply_op(struct store *store, struct store_op *op)
{
    op->status = OK;
    if (op->kind == STORE_CLEAR) {
        apply_clear(store, container_of(op, struct store_clear, op));
    } else if (op->kind == STORE_ENDPOINT) {
        apply_endpoint(store, container_of(op, struct store_endpoint, op));
    } else if (op->kind == STORE_SPILL) {
        apply_spill(store, container_of(op, struct store_spill, op));
    } else {
        check(op->kind == STORE_SETTLE);
        if (happens(store, store->faults.settle_io)) {
            op->status = E_IO;
            return;
        }
        apply_settle(store, container_of(op, struct store_settle, op));
        if (happens(store, store->faults.settle_lies))
            op->status = E_IO;
    }
}

static void apply(struct store *store, struct fake_step *step)
{
    if (step->op) {
        apply_op(store, step->op);
        return;
    }
    struct delivery *delivery = step->delivery;
    step->is_waiting = step->order_key && first_of_key(store, delivery->endpoint, step->order_key);
    delivery->id = ++store->last_id;
    struct fake_row *row = add_row(store, delivery);
    row->order_key = step->order_key;
    if (step->is_waiting)
        row->due_ms = (row->due_ms ? row->due_ms : row->created_ms) + STORE_HELD_MS;
    step->order_key = NULL;
}

/* It stays in the store. */
static void end_waiting(struct fake_step *step)
{
    if (step->is_held)
        gate_put(step->gate);
    delivery_destroy(step->delivery);
}

static void complete(struct fake_step *step)
{
    if (step->op)
        step->op->on_done(step->op);
    else if (step->is_waiting)
        end_waiting(step);
    else
        step->on_committed(step->delivery, step->is_held, step->ctx);
    free(step);
}

/* ---- Reads -------------------------------------------------------------------------------------
 */

static int by_turn(const void *a, const void *b)
{
    const struct fake_row *left = *(struct fake_row *const *)a;
    const struct fake_row *right = *(struct fake_row *const *)b;
    if (left->priority != right->priority)
        return left->priority > right->priority ? -1 : 1;
    if (left->due_ms != right->due_ms)
        return left->due_ms < right->due_ms ? -1 : 1;
    return left->id < right->id ? -1 : 1;
}

static void skip_settled(struct store *store)
{
    while (store->first_open < store->row_count && is_over(store->rows[store->first_open]))
        store->first_open++;
}

static void claim_deliveries(struct store *store, struct store_claim_deliveries *claim)
{
    struct fake_row **due = must_alloc((store->row_count + 1) * sizeof(struct fake_row *));
    size_t due_count = 0;
    for (size_t i = store->first_open; i < store->row_count; i++) {
        struct fake_row *row = store->rows[i];
        if (row->endpoint != claim->endpoint || !is_open(row) || row->due_ms == 0 ||
            (claim->is_urgent && row->priority <= claim->above))
            continue;
        if (row->due_ms <= claim->now_ms)
            due[due_count++] = row;
        else if (row->due_ms >= STORE_HELD_MS)
            continue;
        else if (claim->next_due_ms == 0 || row->due_ms < claim->next_due_ms)
            claim->next_due_ms = row->due_ms;
    }
    qsort(due, due_count, sizeof(struct fake_row *), by_turn);
    claim->deliveries = calloc(due_count + 1, sizeof(struct delivery *));
    check(claim->deliveries != NULL);
    size_t bytes = 0;
    for (size_t i = 0; i < due_count && i < claim->count_max; i++) {
        bytes += due[i]->message->content->body_len;
        if (i > 0 && bytes > claim->bytes_max)
            break;
        claim->deliveries[claim->delivery_count++] = delivery_of(due[i]);
    }
    claim->is_end = claim->delivery_count == due_count;
    free(due);
}

static void claim_open(struct store *store, struct store_claim_open *claim)
{
    claim->deliveries = calloc(claim->count_max + 1, sizeof(struct delivery *));
    check(claim->deliveries != NULL);
    claim->is_end = true;
    for (size_t i = store->first_open; i < store->row_count; i++) {
        const struct fake_row *row = store->rows[i];
        if (row->id <= claim->after || !is_open(row) || row->due_ms != 0 ||
            id_shard_of_number(row->endpoint) % claim->modulus != claim->remainder)
            continue;
        if (claim->delivery_count == claim->count_max) {
            claim->is_end = false;
            break;
        }
        claim->last = row->id;
        claim->deliveries[claim->delivery_count++] = delivery_of(row);
    }
}

static void list_backlog(struct store *store, struct store_backlog *backlog)
{
    backlog->rows = calloc(store->row_count + 1, sizeof *backlog->rows);
    check(backlog->rows != NULL);
    for (size_t i = store->first_open; i < store->row_count; i++) {
        const struct fake_row *row = store->rows[i];
        if (!is_open(row) || row->due_ms == 0 || row->due_ms >= STORE_HELD_MS)
            continue;
        size_t at = 0;
        while (at < backlog->row_count && backlog->rows[at].endpoint != row->endpoint)
            at++;
        if (at == backlog->row_count)
            backlog->rows[backlog->row_count++] = (struct backlog_row){row->endpoint, row->due_ms};
        else if (row->due_ms < backlog->rows[at].due_ms)
            backlog->rows[at].due_ms = row->due_ms;
    }
}

static void take_snapshot(struct store *store, struct store_read *read)
{
    skip_settled(store);
    read->status = OK;
    if (happens(store, store->faults.read_io)) {
        read->status = err_set(&read->err, E_IO, "a fault of the spec");
        return;
    }
    if (read->kind == STORE_CLAIM_DELIVERIES) {
        claim_deliveries(store, container_of(read, struct store_claim_deliveries, read));
    } else if (read->kind == STORE_CLAIM_OPEN) {
        claim_open(store, container_of(read, struct store_claim_open, read));
    } else {
        check(read->kind == STORE_BACKLOG);
        list_backlog(store, container_of(read, struct store_backlog, read));
    }
}

static void free_deliveries(struct delivery **deliveries, size_t count)
{
    for (size_t i = 0; i < count; i++)
        delivery_destroy(deliveries[i]);
    free(deliveries);
}

void store_read_finish(struct store_read *read)
{
    if (read->kind == STORE_CLAIM_DELIVERIES) {
        struct store_claim_deliveries *it = container_of(read, struct store_claim_deliveries, read);
        free_deliveries(it->deliveries, it->delivery_count);
        it->deliveries = NULL;
    } else if (read->kind == STORE_CLAIM_OPEN) {
        struct store_claim_open *it = container_of(read, struct store_claim_open, read);
        free_deliveries(it->deliveries, it->delivery_count);
        it->deliveries = NULL;
    } else if (read->kind == STORE_BACKLOG) {
        struct store_backlog *it = container_of(read, struct store_backlog, read);
        free(it->rows);
        it->rows = NULL;
    }
}

/* ---- Turns -------------------------------------------------------------------------------------
 */

/* How many of a queue go on in this turn. */
static size_t part(struct store *store, const struct queue *queue)
{
    if (!store->faults.shuffle)
        return queue->count;
    return (size_t)(fake_random(store) * (double)(queue->count + 1));
}

bool fake_is_quiet(const struct store *store)
{
    return store->submitted.count + store->applied.count + store->asked.count +
               store->answered.count ==
           0;
}

static void move_on(struct store *store)
{
    for (size_t left = part(store, &store->submitted); left > 0; left--) {
        struct node *node = queue_pop(&store->submitted);
        apply(store, container_of(node, struct fake_step, node));
        queue_push(&store->applied, node);
    }
    for (size_t left = part(store, &store->asked); left > 0; left--) {
        struct node *node = queue_pop(&store->asked);
        take_snapshot(store, container_of(node, struct fake_step, node)->read);
        queue_push(&store->answered, node);
    }
}

static void on_turn(uv_timer_t *timer);

static void arm(struct store *store)
{
    if (!uv_is_active((const uv_handle_t *)&store->timer))
        check(uv_timer_start(&store->timer, on_turn, store->faults.shuffle ? TURN_MS : 0, 0) == 0);
}

static void answer(struct fake_step *step)
{
    step->read->on_done(step->read);
    free(step);
}

static void on_turn(uv_timer_t *timer)
{
    struct store *store = container_of(timer, struct store, timer);
    const bool ops_first = !store->faults.shuffle || fake_random(store) < 0.5;
    size_t ops = part(store, &store->applied);
    size_t reads = part(store, &store->answered);
    if (ops_first)
        for (; ops > 0; ops--)
            complete(container_of(queue_pop(&store->applied), struct fake_step, node));
    for (; reads > 0; reads--)
        answer(container_of(queue_pop(&store->answered), struct fake_step, node));
    for (; ops > 0; ops--)
        complete(container_of(queue_pop(&store->applied), struct fake_step, node));
    move_on(store);
    if (!fake_is_quiet(store))
        arm(store);
}

static struct fake_step *add_step(struct store *store, struct queue *queue)
{
    struct fake_step *step = calloc(1, sizeof *step);
    check(step != NULL);
    queue_push(queue, &step->node);
    arm(store);
    return step;
}

/* ---- What sending calls ------------------------------------------------------------------------
 */

enum status store_credit_take(struct store *store)
{
    if (happens(store, store->faults.credit_busy))
        return E_BUSY;
    if (++store->credits_out > store->credits_most)
        store->credits_most = store->credits_out;
    return OK;
}

void store_credit_put(struct store *store)
{
    check(store->credits_out > 0);
    store->credits_out--;
}

enum status store_submit(struct store *store, struct store_client *client, struct store_op *op)
{
    (void)client;
    add_step(store, &store->submitted)->op = op;
    return OK;
}

enum status store_read(struct store *store, struct store_client *client, struct store_read *read)
{
    (void)client;
    const bool is_claim = read->kind == STORE_CLAIM_DELIVERIES || read->kind == STORE_CLAIM_OPEN;
    if (is_claim && happens(store, store->faults.read_busy))
        return E_BUSY;
    add_step(store, &store->asked)->read = read;
    return OK;
}

/* ---- What the spec does ------------------------------------------------------------------------
 */

void fake_commit(struct store *store, const struct fake_commit *commit, fake_committed_cb on_done,
                 void *ctx)
{
    const int64_t now_ms = clock_due_ms();
    struct fake_step *step = add_step(store, &store->submitted);
    step->delivery = delivery_create(commit->spec->id, commit->message);
    check(step->delivery != NULL);
    step->order_key = commit->order_key;
    step->gate = commit->spec->gate;
    step->delivery->is_ordered = commit->order_key != NULL;
    step->delivery->priority = commit->priority;
    step->is_held = commit->delay_ms <= 0 && gate_take(commit->spec->gate);
    step->delivery->created_ms = now_ms;
    step->delivery->due_ms = step->is_held ? 0 : now_ms + commit->delay_ms;
    step->on_committed = on_done;
    step->ctx = ctx;
}

void get_faults(lua_State *L, int index, struct fake_faults *faults)
{
    *faults = (struct fake_faults){
        .settle_io = get_number(L, index, "settle_io", 0),
        .settle_lies = get_number(L, index, "settle_lies", 0),
        .read_io = get_number(L, index, "read_io", 0),
        .read_busy = get_number(L, index, "read_busy", 0),
        .credit_busy = get_number(L, index, "credit_busy", 0),
        .shuffle = get_boolean(L, index, "shuffle"),
    };
}

void fake_open(struct store *store, uv_loop_t *loop, uint64_t seed)
{
    *store = (struct store){.random = seed * UINT64_C(0x9e3779b97f4a7c15) + 1};
    queue_init(&store->submitted);
    queue_init(&store->applied);
    queue_init(&store->asked);
    queue_init(&store->answered);
    check(uv_timer_init(loop, &store->timer) == 0);
}

static void forget(struct queue *queue)
{
    struct node *node;
    while ((node = queue_pop(queue))) {
        struct fake_step *step = container_of(node, struct fake_step, node);
        if (step->delivery)
            delivery_destroy(step->delivery);
        free(step->order_key);
        if (step->op && step->op->kind == STORE_SETTLE)
            delivery_destroy(container_of(step->op, struct store_settle, op)->next);
        if (step->read)
            store_read_finish(step->read);
        free(step);
    }
}

void fake_crash(struct store *store)
{
    forget(&store->submitted);
    forget(&store->applied);
    forget(&store->asked);
    forget(&store->answered);
    store->credits_out = 0;
}

static void free_row(struct fake_row *row)
{
    for (size_t i = 0; i < row->made_count; i++) {
        free((void *)(uintptr_t)row->made[i].attempt.head.data);
        free((void *)(uintptr_t)row->made[i].attempt.body.data);
        free((void *)(uintptr_t)row->made[i].attempt.detail);
    }
    free(row->made);
    free(row->reason);
    free(row->order_key);
    message_unref(row->message);
    free(row);
}

void fake_close(struct store *store)
{
    fake_crash(store);
    for (size_t i = 0; i < store->row_count; i++)
        free_row(store->rows[i]);
    free(store->rows);
    uv_close((uv_handle_t *)&store->timer, NULL);
}
