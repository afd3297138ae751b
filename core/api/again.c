/* SPDX-License-Identifier: MIT */
/* What is done by hand about published messages: sent to an endpoint once more, what failed there
 * tried again, an example sent; and what a message or an answer says is forgotten. */
#include "api/sent_int.h"
#include "api/token_int.h"

#include "base/clock.h"

#include <stdlib.h>

#define RECOVER_BACK_MS (INT64_C(14) * 86400000)
#define PING "svix.ping"
#define PING_PAYLOAD "{\"success\":true}"

static const struct sent_form nothing = {.kind = ID_MESSAGE};

/* ---- Changes ----------------------------------------------------------------------------------
 */

static void answer_resent(struct call *call)
{
    api_respond(call->request, 202, slice_str("{}"), NULL, 0);
}

static void on_changed(struct api_change *change)
{
    struct call *call = change->ctx;
    const enum status status = change->status;
    const enum status what = change->what.status;
    const bool is_resent = change->what.verb == CHANGE_REPLAY;
    call_put_key(call);
    if (!call_end_wait(call))
        return;
    if (status == E_CANCELLED)
        call_refuse(call, 503, "stopping", "the server is starting or draining; nothing was done");
    else if (status == E_BUSY)
        call_refuse(call, 409, "busy",
                    "it was forgotten; what is being sent of it has not ended: ask again");
    else if (status != OK)
        call_refuse(call, 500, "store", "the change could not be stored; see the server's log");
    else if (what == E_NOTFOUND)
        call_refuse(call, 404, "not_found", "it was removed meanwhile");
    else if (what == E_CONFLICT)
        call_refuse(call, 400, "no_payload", "its payload was forgotten: there is nothing to send");
    else if (is_resent)
        answer_resent(call);
    else
        api_respond(call->request, 204, slice_of("", 0), NULL, 0);
}

static void change(struct call *call, const struct change *what)
{
    if (!call_may_write(call))
        return;
    call->change = (struct api_change){
        .what = *what,
        .answer_key = call->has_key ? call->key : NULL,
        .on_done = on_changed,
        .ctx = call,
    };
    call_begin_wait(call);
    call->api->hooks.change(&call->change, call->api->hooks.ctx);
}

static void repeat_resent(struct call *call, const struct resource *first)
{
    (void)first;
    answer_resent(call);
}

static void resend(struct call *call)
{
    call_take_key(call, repeat_resent);
    if (call_hold_key(call))
        change(call, &(struct change){.verb = CHANGE_REPLAY,
                                      .kind = ID_MESSAGE,
                                      .id = published_message(call->sent->event),
                                      .to = call->sent->endpoint_id});
}

static void find_target(struct call *call)
{
    sent_find_endpoint(call, call->parts.rows[2], resend);
}

void api_resend(struct call *call)
{
    if (sent_begin(call, &nothing))
        sent_find_message(call, call->parts.rows[1], find_target);
}

static void expunge_payload(struct call *call)
{
    change(call, &(struct change){.verb = CHANGE_EXPUNGE,
                                  .kind = ID_MESSAGE,
                                  .id = published_message(call->sent->event)});
}

void api_expunge_payload(struct call *call)
{
    if (sent_begin(call, &nothing))
        sent_find_message(call, call->parts.rows[1], expunge_payload);
}

static void on_attempt(struct store_read *read)
{
    struct call *call = read->ctx;
    const enum status status = read->status;
    store_read_finish(read);
    if (!call_end_wait(call))
        return;
    if (status == OK)
        change(call, &(struct change){
                         .verb = CHANGE_EXPUNGE, .kind = ID_ATTEMPT, .id = call->sent->attempt_id});
    else if (status == E_NOTFOUND)
        call_refuse(call, 404, "not_found", "there is no attempt of this id");
    else
        call_refuse(call, 500, "store", "the store could not be read; see the server's log");
}

static void expunge_answer(struct call *call)
{
    if (!sent_read_attempt(call, call->parts.rows[2]))
        return;
    call->list_tried = (struct store_list_tried){
        .filter = {.application = call->application},
        .event = call->sent->event,
        .only = call->sent->attempt_id,
        .query = {.limit = 1, .state = -1},
    };
    sent_read(call, STORE_LIST_TRIED, on_attempt);
}

void api_expunge_answer(struct call *call)
{
    if (sent_begin(call, &nothing))
        sent_find_message(call, call->parts.rows[1], expunge_answer);
}

/* ---- Recover ----------------------------------------------------------------------------------
 */

static const struct field_form recover_rows[] = {
    {.name = "since", .type = FIELD_INSTANT, .min = 1, .is_required = true},
    {.name = "until", .type = FIELD_INSTANT, .min = 1},
};
const struct field_forms recover_fields = {recover_rows, array_count(recover_rows)};

static void answer_recovering(struct call *call, uint64_t task)
{
    struct document out;
    document_init(&out, SMALL_ANSWER_BYTES_MAX);
    document_open(&out, '{');
    show_id(&out, "id", ID_TASK, task);
    document_key(&out, "status");
    document_str(&out, "running");
    document_key(&out, "task");
    document_str(&out, "endpoint.recover");
    document_key(&out, "updatedAt");
    document_instant(&out, clock_now_ms());
    document_close(&out, '}');
    call_answer(call, 202, &out);
}

static void repeat_recovering(struct call *call, const struct resource *first)
{
    answer_recovering(call, first->id);
}

static void on_recovering(struct api_task *task)
{
    struct call *call = task->ctx;
    const enum status status = task->status;
    const uint64_t id = task->task.id;
    task_finish(&task->task);
    call_put_key(call);
    if (!call_end_wait(call))
        return;
    if (status == E_LIMIT)
        call_refuse(call, 429, "too_many", "too many tasks run; try again when one has ended");
    else if (status != OK)
        call_refuse(call, 503, "not_stored", "the task could not be stored; try again");
    else
        answer_recovering(call, id);
}

static void begin_recovering(struct call *call)
{
    const struct sent_call *sent = call->sent;
    char name[ID_TEXT_BYTES];
    id_format(ID_ENDPOINT, sent->endpoint_id, name);
    call->task = (struct api_task){
        .is_of_application = true,
        .answer_key = call->has_key ? call->key : NULL,
        .task = {.verb = CHANGE_RETRY,
                 .kind = ID_DELIVERY,
                 .endpoint = must_copy(name, strlen(name)),
                 .wanted = (int)DELIVERY_DEAD,
                 .since_ms = clock_due_of_wall(sent->since_ms),
                 .until_ms = clock_due_of_wall(sent->until_ms),
                 .created_ms = clock_now_ms()},
        .on_done = on_recovering,
        .ctx = call,
    };
    call_begin_wait(call);
    call->api->hooks.task(&call->task, call->api->hooks.ctx);
}

/* An instant of the body, judged; absent: as it was. */
static void read_instant(struct sent_call *sent, const char *fields, const char *name, int64_t *ms)
{
    buf_clear(&sent->text);
    check(fields_text(fields, name, &sent->text) == OK);
    if (sent->text.len > 0)
        check(fields_parse_instant(sent->text.data, ms));
}

/* False: refused and answered. */
static bool read_span(struct call *call)
{
    struct sent_call *sent = call->sent;
    const int64_t now_ms = clock_now_ms();
    struct complaints complaints;
    struct buf fields;
    complaints_begin(&complaints);
    buf_init(&fields, 2 * LIMIT_API_BODY_BYTES);
    sent->until_ms = now_ms + 1;
    const struct fields_input input = {
        .forms = &recover_fields, .mode = FIELDS_MADE, .body = http_body(call->request)};
    check(fields_read(&input, &complaints, &fields) == OK);
    if (complaints.count == 0) {
        read_instant(sent, fields.data, "since", &sent->since_ms);
        read_instant(sent, fields.data, "until", &sent->until_ms);
        if (sent->since_ms < now_ms - RECOVER_BACK_MS)
            complain(&complaints, "body", slice_str("since"), "it is at most 14 days back");
        else if (sent->until_ms < sent->since_ms)
            complain(&complaints, "body", slice_str("until"), "it is before 'since'");
    }
    buf_finish(&fields);
    return complaints_end(call, &complaints);
}

static void recover(struct call *call)
{
    call_take_key(call, repeat_recovering);
    if (read_span(call) && call_hold_key(call) && call_may_write(call))
        begin_recovering(call);
}

void api_recover_app_endpoint(struct call *call)
{
    if (sent_begin(call, &nothing))
        sent_find_endpoint(call, call->parts.rows[1], recover);
}

/* ---- Examples ---------------------------------------------------------------------------------
 */

static const struct field_form example_rows[] = {
    {.name = "eventType",
     .type = FIELD_NAME,
     .min = 1,
     .max = LIMIT_UID_BYTES,
     .is_required = true},
};
const struct field_forms example_fields = {example_rows, array_count(example_rows)};

/* The example that the newest schema has. */
static bool find_example(const char *type, struct slice *example)
{
    struct slice schemas;
    struct slice name;
    struct slice schema;
    struct slice newest = slice_str("{}");
    if (!json_find(slice_str(type), "schemas", &schemas) || json_kind_of(schemas) != JSON_OBJECT)
        return false;
    for (size_t offset = 0; json_next_member(schemas, &offset, &name, &schema);)
        newest = schema;
    if (json_find(newest, "example", example))
        return json_kind_of(*example) == JSON_OBJECT;
    struct slice list;
    size_t offset = 0;
    return json_find(newest, "examples", &list) && json_kind_of(list) == JSON_ARRAY &&
           json_next_item(list, &offset, example) && json_kind_of(*example) == JSON_OBJECT;
}

static void on_type(struct store_read *read)
{
    struct call *call = read->ctx;
    const struct store_list_resources *list = container_of(read, struct store_list_resources, read);
    const enum status status = read->status;
    const char *type = call->sent->text.data;
    struct slice example = slice_str(PING_PAYLOAD);
    char *body = status == OK ? must_copy(list->rows[0].body, strlen(list->rows[0].body)) : NULL;
    store_read_finish(read);
    if (call_end_wait(call)) {
        const bool is_ping = status == E_NOTFOUND && strcmp(type, PING) == 0;
        if (is_ping || (body && find_example(body, &example)))
            message_publish_example(call, call->sent->endpoint_id, type, example);
        else if (status == OK)
            call_refuse(call, 400, "no_example", "the event type has no schema with an example");
        else if (status == E_NOTFOUND)
            call_refuse(call, 404, "not_found", "there is no event type of this name");
        else
            call_refuse(call, 500, "store", "the store could not be read; see the server's log");
    }
    free(body);
}

static void find_type(struct call *call)
{
    call->list_resources = (struct store_list_resources){.kind = RESOURCE_EVENT_TYPE,
                                                         .only_uid = call->sent->text.data};
    token_narrow(call, &call->list_resources);
    sent_read(call, STORE_LIST_RESOURCES, on_type);
}

static void send_example(struct call *call)
{
    struct complaints complaints;
    struct buf fields;
    call_take_key(call, message_repeat);
    complaints_begin(&complaints);
    buf_init(&fields, 2 * LIMIT_API_BODY_BYTES);
    const struct fields_input input = {
        .forms = &example_fields, .mode = FIELDS_MADE, .body = http_body(call->request)};
    check(fields_read(&input, &complaints, &fields) == OK);
    const bool is_right = complaints_end(call, &complaints);
    if (is_right)
        check(fields_text(fields.data, "eventType", &call->sent->text) == OK);
    buf_finish(&fields);
    if (is_right)
        find_type(call);
}

void api_send_example(struct call *call)
{
    if (sent_begin(call, &nothing))
        sent_find_endpoint(call, call->parts.rows[1], send_example);
}
