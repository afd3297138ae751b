/* SPDX-License-Identifier: MIT */
/* Tasks: what is done by hand to many. Each takes its next few from a page of the store, or from
 * the ids it was given, at its rate, and has them done by one operation that moves its cursor in
 * the same commit: after a kill it goes on behind what is done. The main thread. */
#include "base/clock.h"
#include "base/crash.h"
#include "base/log.h"
#include "send/send.h"
#include "server_int.h"

#include <stdlib.h>

#define STEP_CHANGES 100 /* at most in one operation */
#define TICK_MS 20
#define RETRY_MS 1000 /* the store was busy or failed */

/* A task that runs. */
struct server_task {
    struct server *server;
    struct server_task *next;
    struct task task; /* as far as it is committed */
    struct rate rate;
    size_t taken;           /* of it, for the page under way */
    int64_t pause_until_ms; /* monotonic */
    bool is_busy;           /* a page or an operation is under way */
    bool is_cancelled;
    uint64_t reached;              /* how far its walk has looked, behind the cursor */
    struct generation *generation; /* reference: names of subscriptions */
    union {
        struct store_list_events events;
        struct store_list_deliveries deliveries;
        struct store_get_event event;
    } page;
    struct store_change step;
    struct change changes[STEP_CHANGES];
    const char *names[STEP_CHANGES][LIMIT_SUBSCRIPTIONS_PER_EVENT];
};

static void start_step(struct server_task *it);

static void remove_task(struct server_task *it)
{
    struct server *server = it->server;
    struct server_task **place = &server->tasks;
    while (*place != it)
        place = &(*place)->next;
    *place = it->next;
    task_finish(&it->task);
    free(it);
    server->task_count--;
    if (!server->tasks)
        (void)uv_timer_stop(&server->task_tick);
}

static bool is_serving(const struct server_task *it)
{
    return it->server->state == SERVER_SERVING;
}

/* The step is over. True: the task is gone or waits. */
static bool end_step(struct server_task *it)
{
    it->is_busy = false;
    if (it->generation)
        generation_unref(it->generation);
    it->generation = NULL;
    if (it->is_cancelled || !is_serving(it)) {
        struct server *server = it->server;
        remove_task(it);
        server_end_if_quiet(server);
        return true;
    }
    return false;
}

static void hold_off(struct server_task *it)
{
    it->pause_until_ms = clock_mono_ms() + RETRY_MS;
}

/* ---- Commit ---------------------------------------------------------------------------------- */

/* What became due is taken up. */
static void hint(const struct server_task *it)
{
    for (size_t i = 0; i < it->step.change_count; i++)
        server_hint_change(it->server, &it->changes[i]);
}

static void log_end(const struct task *task)
{
    char id[ID_TEXT_BYTES];
    id_format(ID_TASK, task->id, id);
    log_info("task done", "task=%s verb=%s done=%llu skipped=%llu", id,
             change_verb_name(task->verb), (unsigned long long)task->done,
             (unsigned long long)task->skipped);
}

static void on_stepped(struct store_op *op)
{
    struct server_task *it = op->ctx;
    const struct store_change *step = &it->step;
    const enum status status = op->status;
    crash_point("task_stepped");
    if (status == OK) {
        hint(it);
        it->task.cursor = step->next_cursor;
        it->task.done += step->done_count;
        it->task.skipped += step->change_count - step->done_count;
    }
    const bool is_over = status == E_CONFLICT || (status == OK && step->is_last);
    if (status == OK && is_over)
        log_end(&it->task);
    it->is_cancelled = it->is_cancelled || is_over;
    if (status != OK && status != E_CONFLICT)
        hold_off(it);
    if (!end_step(it) && status == OK)
        start_step(it);
}

static void submit(struct server_task *it, size_t count, uint64_t next_cursor, bool is_last)
{
    it->step = (struct store_change){
        .op = {.kind = STORE_CHANGE, .on_done = on_stepped, .ctx = it},
        .now_ms = clock_due_ms(),
        .reason = it->task.reason,
        .changes = it->changes,
        .change_count = count,
        .task = it->task.id,
        .cursor = it->task.cursor,
        .next_cursor = next_cursor,
        .is_last = is_last,
    };
    crash_point("task_step");
    /* Without a credit: one for each task. */
    check(store_submit(it->server->store, it->server->client, &it->step.op) == OK);
}

/* ---- What is next ---------------------------------------------------------------------------- */

static void set_change(struct server_task *it, size_t index, enum id_kind kind, uint64_t id)
{
    it->changes[index] = (struct change){
        .verb = it->task.verb,
        .kind = kind,
        .id = id,
        .subscription = it->task.subscription,
        .has_new_ids = it->task.has_new_ids,
    };
}

/* The subscriptions that match the event as the scripts are now. */
static void set_subscriptions(struct server_task *it, size_t index, const struct event *event)
{
    const struct registry *registry = generation_registry(it->generation);
    if (slice_is(event->type, EVENT_UNTYPED)) { /* its source is asked again */
        it->names[index][0] = EVENT_UNTYPED_RUN;
        it->changes[index].subscriptions = it->names[index];
        it->changes[index].subscription_count = 1;
        return;
    }
    const struct subscription_spec *matches[LIMIT_SUBSCRIPTIONS_PER_EVENT];
    size_t count = registry_match(registry, event->source, event->type, matches,
                                  LIMIT_SUBSCRIPTIONS_PER_EVENT);
    if (count > LIMIT_SUBSCRIPTIONS_PER_EVENT)
        count = LIMIT_SUBSCRIPTIONS_PER_EVENT;
    for (size_t i = 0; i < count; i++)
        it->names[index][i] = matches[i]->name;
    it->changes[index].subscriptions = it->names[index];
    it->changes[index].subscription_count = count;
}

/* A page that held nothing: the walk goes on without a commit, unless it is over. */
static void go_on(struct server_task *it, size_t count, uint64_t last, bool is_end)
{
    rate_put_back(&it->rate, it->taken - count);
    if (count > 0 || is_end) {
        submit(it, count, last > it->task.cursor ? last : it->task.cursor, is_end);
        return;
    }
    it->reached = last;
    if (!end_step(it))
        start_step(it);
}

/* A page was read: its rows are changed, or it is read again later. */
static void end_page(struct server_task *it, enum status status, size_t count, uint64_t last,
                     bool is_end)
{
    if (status == OK) {
        go_on(it, count, last, is_end);
        return;
    }
    hold_off(it);
    (void)end_step(it);
}

static void on_events(struct store_read *read)
{
    struct server_task *it = read->ctx;
    struct store_list_events *page = &it->page.events;
    const enum status status = read->status;
    const size_t count = page->row_count;
    for (size_t i = 0; status == OK && i < count; i++) {
        set_change(it, i, ID_EVENT, page->rows[i].event->id);
        set_subscriptions(it, i, page->rows[i].event);
    }
    const uint64_t last = page->last;
    const bool is_end = page->is_end;
    store_read_finish(read);
    end_page(it, status, count, last, is_end);
}

static void on_deliveries(struct store_read *read)
{
    struct server_task *it = read->ctx;
    struct store_list_deliveries *page = &it->page.deliveries;
    const enum status status = read->status;
    const size_t count = page->row_count;
    for (size_t i = 0; status == OK && i < count; i++)
        set_change(it, i, ID_DELIVERY, page->rows[i].id);
    const uint64_t last = page->last;
    const bool is_end = page->is_end;
    store_read_finish(read);
    end_page(it, status, count, last, is_end);
}

/* An id that was named: a step of its own, since an event has to be read before it is replayed. */
static void end_named(struct server_task *it, size_t count, uint64_t offset)
{
    submit(it, count, offset, it->task.ids[offset] == '\0');
}

static void on_event(struct store_read *read)
{
    struct server_task *it = read->ctx;
    const enum status status = read->status;
    if (status == OK)
        set_subscriptions(it, 0, it->page.event.row.event);
    store_read_finish(read);
    if (status == OK || status == E_NOTFOUND) {
        uint64_t offset = it->task.cursor;
        enum id_kind kind;
        uint64_t id;
        (void)task_next_id(&it->task, &offset, &kind, &id);
        end_named(it, 1, offset);
        return;
    }
    hold_off(it);
    (void)end_step(it);
}

/* ---- Steps ----------------------------------------------------------------------------------- */

static struct store_list_query query_of(const struct server_task *it, size_t limit)
{
    const uint64_t cursor = it->task.cursor;
    return store_task_query(&it->task, it->reached > cursor ? it->reached : cursor, limit);
}

static enum status read_page(struct server_task *it, size_t limit)
{
    struct store_read *read;
    if (it->task.kind == ID_EVENT) {
        it->page.events = (struct store_list_events){
            .read = {.kind = STORE_LIST_EVENTS, .on_done = on_events, .ctx = it},
            .query = query_of(it, limit)};
        read = &it->page.events.read;
    } else {
        it->page.deliveries = (struct store_list_deliveries){
            .read = {.kind = STORE_LIST_DELIVERIES, .on_done = on_deliveries, .ctx = it},
            .query = query_of(it, limit)};
        read = &it->page.deliveries.read;
    }
    return store_read(it->server->store, it->server->client, read);
}

static enum status read_named(struct server_task *it)
{
    uint64_t offset = it->task.cursor;
    enum id_kind kind = ID_EVENT;
    uint64_t id = 0;
    if (!task_next_id(&it->task, &offset, &kind, &id)) {
        submit(it, 0, offset, true);
        return OK;
    }
    set_change(it, 0, kind, id);
    if (kind != ID_EVENT || it->task.verb != CHANGE_REPLAY) {
        end_named(it, 1, offset);
        return OK;
    }
    it->page.event = (struct store_get_event){
        .read = {.kind = STORE_GET_EVENT, .on_done = on_event, .ctx = it}, .id = id};
    return store_read(it->server->store, it->server->client, &it->page.event.read);
}

static void start_step(struct server_task *it)
{
    if (it->is_busy || clock_mono_ms() < it->pause_until_ms)
        return;
    it->taken = rate_take_many(&it->rate, it->task.rate_per_s, it->task.ids ? 1 : STEP_CHANGES,
                               clock_mono_ns());
    if (it->taken == 0)
        return;
    it->is_busy = true;
    it->generation = generation_ref(it->server->generation);
    const enum status status = it->task.ids ? read_named(it) : read_page(it, it->taken);
    if (status == OK)
        return;
    hold_off(it);
    (void)end_step(it);
}

static void on_tick(uv_timer_t *timer)
{
    struct server *server = container_of(timer, struct server, task_tick);
    struct server_task *next;
    for (struct server_task *it = server->tasks; it; it = next) {
        next = it->next;
        start_step(it);
    }
}

/* Takes what the task owns. */
static void run(struct server *server, struct task *task)
{
    struct server_task *it = must_alloc(sizeof *it);
    it->server = server;
    it->task = *task;
    *task = (struct task){0};
    it->next = server->tasks;
    server->tasks = it;
    server->task_count++;
    check(uv_timer_start(&server->task_tick, on_tick, 0, TICK_MS) == 0);
}

void server_tasks_stop(struct server *server)
{
    struct server_task *next;
    for (struct server_task *it = server->tasks; it; it = next) {
        next = it->next;
        if (!it->is_busy)
            remove_task(it);
    }
}

/* NULL: it does not run here. */
static struct server_task *find(const struct server *server, uint64_t id)
{
    struct server_task *it = server->tasks;
    while (it && it->task.id != id)
        it = it->next;
    return it;
}

/* ---- What the API asks for ------------------------------------------------------------------- */

struct asked_task {
    struct server *server;
    struct api_task *asked;
    struct store_task op;
};

static void finish_asked(struct asked_task *it, enum status status)
{
    struct api_task *asked = it->asked;
    free(it);
    asked->status = status;
    asked->on_done(asked);
}

static void on_made(struct store_op *op)
{
    struct asked_task *it = op->ctx;
    struct server *server = it->server;
    server->task_count--; /* its place was taken */
    struct task copy = {0};
    const bool is_wanted = op->status == OK && !it->op.is_repeat && server->state == SERVER_SERVING;
    if (is_wanted && !find(server, it->asked->task.id) && task_copy(&copy, &it->asked->task))
        run(server, &copy);
    finish_asked(it, op->status);
}

static void on_ended(struct store_op *op)
{
    struct asked_task *it = op->ctx;
    struct server_task *task = op->status == OK ? find(it->server, it->asked->task.id) : NULL;
    if (task && task->is_busy)
        task->is_cancelled = true;
    else if (task)
        remove_task(task);
    finish_asked(it, op->status);
}

void server_task(struct api_task *asked, void *ctx)
{
    struct server *server = ctx;
    struct asked_task *it = must_alloc(sizeof *it);
    *it = (struct asked_task){
        .server = server,
        .asked = asked,
        .op = {.op = {.kind = STORE_TASK, .on_done = asked->is_end ? on_ended : on_made, .ctx = it},
               .task = &asked->task,
               .is_end = asked->is_end,
               .now_ms = clock_due_ms(),
               .answer_key = asked->answer_key},
    };
    if (server->state != SERVER_SERVING) {
        finish_asked(it, E_CANCELLED);
        return;
    }
    const size_t most = asked->is_of_application ? LIMIT_TASKS_OF_APPLICATIONS : LIMIT_TASKS;
    if (!asked->is_end && server->task_count >= most) {
        finish_asked(it, E_LIMIT);
        return;
    }
    server->task_count += !asked->is_end;
    check(store_submit(server->store, server->client, &it->op.op) == OK);
}

/* ---- From the store: those that ran when the process ended, and those that handlers began -----
 */

/* Oldest first. */
static void run_listed(struct server *server, struct store_list_tasks *list)
{
    for (size_t i = list->row_count; i-- > 0;) {
        if (find(server, list->rows[i].id))
            continue;
        if (server->task_count >= LIMIT_TASKS) {
            server->are_tasks_waiting = true;
            return;
        }
        run(server, &list->rows[i]);
    }
}

static void on_listed(struct store_read *read)
{
    struct store_list_tasks *list = container_of(read, struct store_list_tasks, read);
    struct server *server = read->ctx;
    server->task_reads--;
    if (read->status != OK) {
        log_error("tasks not resumed", "reason=\"%s\"", read->err.text);
        server->are_tasks_waiting = true;
    } else if (server->state == SERVER_SERVING) {
        run_listed(server, list);
    }
    store_read_finish(read);
    free(list);
    server_end_if_quiet(server);
}

void server_tasks_turn(struct server *server)
{
    if (server->are_tasks_waiting && server->task_count < LIMIT_TASKS)
        server_tasks_look(server);
}

void server_tasks_look(struct server *server)
{
    if (server->state != SERVER_SERVING)
        return;
    struct store_list_tasks *list = must_alloc(sizeof *list);
    *list = (struct store_list_tasks){
        .read = {.kind = STORE_LIST_TASKS, .on_done = on_listed, .ctx = server},
        .query = {.limit = SIZE_MAX, .state = TASK_RUNNING},
    };
    server->are_tasks_waiting = store_read(server->store, server->client, &list->read) != OK;
    if (server->are_tasks_waiting)
        free(list);
    else
        server->task_reads++;
}
