/* SPDX-License-Identifier: MIT */
/* POST /api/v1/replay, /api/v1/dead-letter/retry, /api/v1/dead-letter/drop,
 * /api/v1/endpoint/{name}/recover: what is done to many begins as a task. GET /api/v1/task and
 * /api/v1/task/{id} tell how far it is, DELETE cancels it: what is done stays done. */
#include "api/api_int.h"

#include "base/clock.h"

#include <stdio.h>
#include <stdlib.h>

#define NUMBER_BYTES_MAX 32
#define RATE_MAX 1e6
#define SECONDS_PER_HOUR 3600
#define MS_PER_S 1000.0
#define PERMILLE 1000

/* ---- Parameters ---------------------------------------------------------------------------------
 */

/* Those that some of the routes take; the order is that of the forms below. */
enum parameter {
    KIND,
    IDS,
    SOURCE,
    TYPE,
    ENDPOINT,
    STATE,
    CONTAINS,
    SUBSCRIPTION,
    REASON,
    SINCE,
    UNTIL,
    RATE,
    NEW_IDS,
    DRY_RUN,
    ITERATOR,
    PARAMETER_COUNT
};

static const char *check_kind(const char *text)
{
    return strcmp(text, "event") == 0 || strcmp(text, "delivery") == 0
               ? NULL
               : "there are event and delivery";
}

static const char *check_ids(const char *text)
{
    const struct task task = {.ids = (char *)(uintptr_t)text};
    uint64_t offset = 0;
    enum id_kind kind;
    uint64_t id = 1;
    while (text[offset] != '\0' && id != 0) {
        id = 0;
        (void)task_next_id(&task, &offset, &kind, &id);
    }
    return id ? NULL : "ids of events, messages and deliveries, with a space between";
}

static const char *check_type(const char *text)
{
    return event_pattern_is_valid(slice_str(text)) ? NULL : EVENT_PATTERN_FORMS;
}

static const char *check_instant(const char *text)
{
    int64_t ms;
    return paging_parse_instant(text, &ms)
               ? NULL
               : "an instant is wanted: 2026-03-02T08:00:00Z or Unix milliseconds";
}

/* "20", "20/s", "1000/h" */
static bool parse_rate(const char *text, double *per_s)
{
    static const struct {
        const char *unit;
        double seconds;
    } units[] = {{"", 1}, {"/s", 1}, {"/m", 60}, {"/h", SECONDS_PER_HOUR}};
    char *end;
    const double number = strtod(text, &end);
    for (size_t i = 0; i < array_count(units); i++)
        if (strcmp(end, units[i].unit) == 0) {
            *per_s = number / units[i].seconds;
            return end != text && number > 0 && number <= RATE_MAX;
        }
    return false;
}

static const char *check_rate(const char *text)
{
    double per_s;
    return parse_rate(text, &per_s) ? NULL : "a rate is wanted: 20/s, 600/m or 1000/h";
}

static const char *check_flag(const char *text)
{
    return strcmp(text, "true") == 0 || strcmp(text, "false") == 0 ? NULL : "true or false";
}

static const struct {
    const char *name;
    size_t bytes_max;
    const char *(*judge)(const char *text);
} parameters[PARAMETER_COUNT] = {
    [KIND] = {"kind", NUMBER_BYTES_MAX, check_kind},
    [IDS] = {"ids", LIMIT_TASK_IDS_BYTES, check_ids},
    [SOURCE] = {"source", LIMIT_NAME_BYTES, NULL},
    [TYPE] = {"type", LIMIT_TYPE_BYTES, check_type},
    [ENDPOINT] = {"endpoint", LIMIT_NAME_BYTES, NULL},
    [STATE] = {"state", NUMBER_BYTES_MAX, NULL},
    [CONTAINS] = {"contains", LIMIT_REASON_BYTES, NULL},
    [SUBSCRIPTION] = {"subscription", LIMIT_SUBSCRIPTION_BYTES, NULL},
    [REASON] = {"reason", LIMIT_REASON_BYTES, NULL},
    [SINCE] = {"since", NUMBER_BYTES_MAX, check_instant},
    [UNTIL] = {"until", NUMBER_BYTES_MAX, check_instant},
    [RATE] = {"rate", NUMBER_BYTES_MAX, check_rate},
    [NEW_IDS] = {"newIds", NUMBER_BYTES_MAX, check_flag},
    [DRY_RUN] = {"dryRun", NUMBER_BYTES_MAX, check_flag},
    [ITERATOR] = {"iterator", NUMBER_BYTES_MAX, NULL},
};

struct values {
    struct buf texts[PARAMETER_COUNT];
};

static const char *text_of(const struct values *values, enum parameter parameter)
{
    const struct buf *text = &values->texts[parameter];
    return text->len > 0 ? text->data : NULL;
}

static bool is_set(const struct values *values, enum parameter flag)
{
    const char *text = text_of(values, flag);
    return text && strcmp(text, "true") == 0;
}

static bool parse_values(struct call *call, struct values *values)
{
    struct text_form forms[PARAMETER_COUNT];
    for (unsigned i = 0; i < PARAMETER_COUNT; i++)
        forms[i] = (struct text_form){parameters[i].name, &values->texts[i],
                                      parameters[i].bytes_max, parameters[i].judge};
    return paging_parse_texts(call, forms, PARAMETER_COUNT);
}

/* ---- The task -----------------------------------------------------------------------------------
 */

/* False: unknown. */
static bool parse_state(const char *text, enum id_kind kind, int *state)
{
    enum delivery_state of_delivery;
    enum run_state of_run;
    if (kind == ID_DELIVERY && delivery_state_parse(text, &of_delivery))
        *state = (int)of_delivery;
    else if (kind == ID_EVENT && run_state_parse(text, &of_run))
        *state = (int)of_run;
    else
        return false;
    return true;
}

/* By the due clock. */
static int64_t instant_of(const char *text, int64_t otherwise_ms)
{
    int64_t ms = otherwise_ms;
    return text && paging_parse_instant(text, &ms) ? clock_due_of_wall(ms) : otherwise_ms;
}

static bool copy_texts(struct task *task, const struct values *values)
{
    const struct task texts = {
        .ids = (char *)(uintptr_t)text_of(values, IDS),
        .source = (char *)(uintptr_t)text_of(values, SOURCE),
        .type = (char *)(uintptr_t)text_of(values, TYPE),
        .endpoint = (char *)(uintptr_t)text_of(values, ENDPOINT),
        .contains = (char *)(uintptr_t)text_of(values, CONTAINS),
        .subscription = (char *)(uintptr_t)text_of(values, SUBSCRIPTION),
        .reason = (char *)(uintptr_t)text_of(values, REASON),
    };
    struct task copy;
    if (!task_copy(&copy, &texts))
        return false;
    char *const all[] = {copy.ids,      copy.source,       copy.type,  copy.endpoint,
                         copy.contains, copy.subscription, copy.reason};
    char **const places[] = {&task->ids,      &task->source,       &task->type,  &task->endpoint,
                             &task->contains, &task->subscription, &task->reason};
    for (size_t i = 0; i < array_count(all); i++)
        *places[i] = all[i];
    return true;
}

/* What the parameters say; of an endpoint only deliveries are. False: refused and answered. */
static bool fill(struct call *call, const struct values *values, struct task *task)
{
    const char *kind = text_of(values, KIND);
    const char *state = text_of(values, STATE);
    const bool is_event = kind ? strcmp(kind, "event") == 0 : !text_of(values, ENDPOINT);
    task->kind = is_event ? ID_EVENT : ID_DELIVERY;
    task->has_new_ids = is_set(values, NEW_IDS);
    task->until_ms = instant_of(text_of(values, UNTIL), clock_due_ms() + 1);
    task->since_ms = instant_of(text_of(values, SINCE), 0);
    if (text_of(values, RATE))
        (void)parse_rate(text_of(values, RATE), &task->rate_per_s);
    if (is_event && text_of(values, ENDPOINT)) {
        call_refuse(call, 422, "kind",
                    "events have no endpoint: leave endpoint out, or say "
                    "kind=delivery");
        return false;
    }
    if (!is_event && text_of(values, SUBSCRIPTION)) {
        call_refuse(call, 422, "subscription",
                    "deliveries have no subscription: leave it out, or say kind=event");
        return false;
    }
    if (state && !parse_state(state, task->kind, &task->wanted)) {
        call_refuse(call, 422, "state",
                    is_event ? "events are pending, retrying, handled, skipped "
                               "or dead"
                             : "deliveries are pending, retrying, succeeded, "
                               "dead or cancelled");
        return false;
    }
    if (!copy_texts(task, values)) {
        call_refuse(call, 503, "memory", "no memory; try again");
        return false;
    }
    return true;
}

/* ---- Answers ------------------------------------------------------------------------------------
 */

static void write_task(struct document *out, const struct task *task)
{
    const bool is_event = task->kind == ID_EVENT;
    const char *state = NULL;
    if (task->wanted >= 0)
        state = is_event ? run_state_name((enum run_state)task->wanted)
                         : delivery_state_name((enum delivery_state)task->wanted);
    const struct {
        const char *name;
        const char *text;
    } texts[] = {
        {"kind", is_event ? "event" : "delivery"},
        {"ids", task->ids},
        {"source", task->source},
        {"type", task->type},
        {"endpoint", task->endpoint},
        {"wantedState", state},
        {"contains", task->contains},
        {"subscription", task->subscription},
        {"reason", task->reason},
    };
    document_open(out, '{');
    show_id(out, "id", ID_TASK, task->id);
    document_key(out, "verb");
    document_str(out, change_verb_name(task->verb));
    document_key(out, "state");
    document_str(out, task_state_name(task->state));
    for (size_t i = 0; i < array_count(texts); i++) {
        document_key(out, texts[i].name);
        document_str(out, texts[i].text);
    }
    document_key(out, "since");
    document_due(out, task->since_ms);
    document_key(out, "until");
    document_due(out, task->until_ms);
    document_key(out, "ratePerHour");
    if (task->rate_per_s > 0)
        document_number(out, (int64_t)(task->rate_per_s * SECONDS_PER_HOUR + 0.5));
    else
        document_null(out);
    document_key(out, "newIds");
    document_bool(out, task->has_new_ids);
    document_key(out, "done");
    document_number(out, (int64_t)task->done);
    document_key(out, "skipped");
    document_number(out, (int64_t)task->skipped);
    document_key(out, "permille");
    document_number(out, (int64_t)(task_progress(task) * PERMILLE));
    document_key(out, "createdAt");
    document_due(out, task->created_ms);
    document_key(out, "endedAt");
    document_due(out, task->ended_ms);
    document_close(out, '}');
}

struct refusal {
    enum status status;
    int http_status;
    const char *code;
    const char *detail;
};

/* The first row is what every other status means. */
static const struct refusal refusals[] = {
    {E_IO, 500, "store", "the task could not be stored; see the server's log"},
    {E_LIMIT, 409, "too_many_tasks",
     "too many tasks run; wait for one to end, or cancel one (GET /api/v1/task?state=running)"},
    {E_NOTFOUND, 404, "not_found", "there is no task of this id"},
    {E_CONFLICT, 409, "state", "the task is over already"},
    {E_CANCELLED, 503, "stopping", "the server is starting or draining; nothing was done"},
};

static void refuse(struct call *call, enum status status)
{
    const struct refusal *refusal = &refusals[0];
    for (size_t i = 0; i < array_count(refusals); i++)
        if (refusals[i].status == status)
            refusal = &refusals[i];
    call_refuse(call, refusal->http_status, refusal->code, refusal->detail);
}

static void on_done(struct api_task *task)
{
    struct call *call = task->ctx;
    struct task made = task->task;
    const struct api_task copy = *task;
    if (call_end_wait(call)) {
        struct document out;
        document_init(&out, SMALL_ANSWER_BYTES_MAX);
        if (copy.status != OK) {
            refuse(call, copy.status);
        } else if (copy.is_end) {
            document_open(&out, '{');
            show_id(&out, "id", ID_TASK, made.id);
            document_key(&out, "state");
            document_str(&out, task_state_name(TASK_CANCELLED));
            document_close(&out, '}');
            call_answer(call, 200, &out);
        } else {
            write_task(&out, &made);
            call_answer(call, 200, &out);
        }
        document_finish(&out);
    }
    task_finish(&made);
}

static void start(struct call *call)
{
    if (!call_may_write(call)) {
        task_finish(&call->task.task);
        return;
    }
    call->task.on_done = on_done;
    call->task.ctx = call;
    call_begin_wait(call);
    call->api->hooks.task(&call->task, call->api->hooks.ctx);
}

/* Where a dry run goes on. False: refused and answered. */
static bool parse_after(struct call *call, const struct values *values, const struct task *task,
                        uint64_t *after)
{
    const char *iterator = text_of(values, ITERATOR);
    const char *ids = text_of(values, IDS);
    if (is_set(values, DRY_RUN) ? ids != NULL : iterator != NULL)
        call_refuse(call, 422, ids ? "dryRun" : "iterator",
                    ids ? "ids name what is replayed: a dry run is of filters"
                        : "an iterator is of a dry run: dryRun=true");
    else if (iterator && !id_parse(task->kind, iterator, after))
        call_refuse(call, 422, "iterator", "not an iterator that a dry run of these filters gave");
    else
        return true;
    return false;
}

/* A task of what the parameters in `known` say. */
static void begin(struct call *call, struct task task)
{
    struct values values;
    for (unsigned i = 0; i < PARAMETER_COUNT; i++)
        buf_init(&values.texts[i], LIMIT_REQUEST_LINE_BYTES);
    bool is_right = parse_values(call, &values);
    if (is_right && !api_route_knows(call->route, "endpoint") && /* it is in the path */
        buf_add_slice(&values.texts[ENDPOINT], call->id) != OK) {
        call_refuse(call, 503, "memory", "no memory; try again");
        is_right = false;
    }
    uint64_t after = 0;
    is_right = is_right && fill(call, &values, &task);
    if (is_right && !parse_after(call, &values, &task, &after)) {
        task_finish(&task);
        is_right = false;
    }
    const bool is_dry = is_set(&values, DRY_RUN);
    for (unsigned i = 0; i < PARAMETER_COUNT; i++)
        buf_finish(&values.texts[i]);
    if (is_right && is_dry) {
        dry_run_start(call, &task, after);
    } else if (is_right) {
        call->task = (struct api_task){.task = task};
        start(call);
    }
}

void api_replay(struct call *call)
{
    begin(call, (struct task){.verb = CHANGE_REPLAY, .wanted = -1});
}

void api_retry_dead(struct call *call)
{
    begin(call, (struct task){.verb = CHANGE_RETRY, .wanted = (int)RUN_DEAD});
}

void api_drop_dead(struct call *call)
{
    begin(call, (struct task){.verb = CHANGE_DROP, .wanted = (int)RUN_DEAD});
}

void api_recover_endpoint(struct call *call)
{
    begin(call, (struct task){.verb = CHANGE_RETRY, .wanted = (int)DELIVERY_DEAD});
}

/* ---- Reading ------------------------------------------------------------------------------------
 */

static int parse_task_state(const char *text)
{
    for (unsigned state = 0; state < TASK_STATE_COUNT; state++)
        if (strcmp(text, task_state_name((enum task_state)state)) == 0)
            return (int)state;
    return -1;
}

static const struct list_form form = {
    .kind = ID_TASK,
    .parse_state = parse_task_state,
    .states = "running, done, cancelled",
};

void api_list_tasks(struct call *call)
{
    if (paging_parse(call, &form, &call->list_tasks.query))
        call_read(call, STORE_LIST_TASKS);
}

void api_write_tasks(const struct call *call, struct document *out)
{
    const struct store_list_tasks *list = &call->list_tasks;
    struct page_end end = {.kind = ID_TASK, .reached = list->last, .is_end = list->is_end};
    show_list_open(out);
    for (size_t i = 0; i < list->row_count; i++) {
        const struct task *task = &list->rows[paging_row(&list->query, i, list->row_count)];
        end.first = end.first ? end.first : task->id;
        end.last = task->id;
        write_task(out, task);
    }
    document_close(out, ']');
    paging_close(&list->query, &end, out);
    document_close(out, '}');
}

void api_get_task(struct call *call)
{
    call->list_tasks.query = (struct store_list_query){.limit = 1, .state = -1};
    if (paging_parse_id(call, ID_TASK, "a task", &call->list_tasks.only))
        call_read(call, STORE_LIST_TASKS);
}

void api_write_task(const struct call *call, struct document *out)
{
    write_task(out, &call->list_tasks.rows[0]);
}

void api_end_task(struct call *call)
{
    uint64_t id;
    if (!paging_parse_id(call, ID_TASK, "a task", &id))
        return;
    call->task = (struct api_task){.task.id = id, .is_end = true};
    start(call);
}
