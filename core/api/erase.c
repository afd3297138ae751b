/* SPDX-License-Identifier: MIT */
/* POST /api/v1/erase: what is known of an event goes, with all that it led to. Which one: its id or
 * that of a message of it; a source and an idempotency key; an application and its eventId. */
#include "api/fields_int.h"

static const struct field_form fields[] = {
    {.name = "id", .type = FIELD_NAME, .min = 1, .max = ID_TEXT_BYTES},
    {.name = "source", .type = FIELD_NAME, .min = 1, .max = LIMIT_NAME_BYTES},
    {.name = "idempotencyKey", .type = FIELD_TEXT, .min = 1, .max = LIMIT_KEY_BYTES},
    {.name = "application", .type = FIELD_NAME, .min = 1, .max = LIMIT_UID_BYTES},
    {.name = "eventId", .type = FIELD_NAME, .min = 1, .max = LIMIT_UID_BYTES},
};
const struct field_forms erasure_fields = {fields, array_count(fields)};

static void answer(struct call *call, const struct api_erasure *erasure)
{
    struct document out;
    document_init(&out, SMALL_ANSWER_BYTES_MAX);
    document_open(&out, '{');
    show_id(&out, "eventId", ID_EVENT, erasure->what.event);
    document_key(&out, "state");
    document_str(&out, run_state_name(RUN_ERASED));
    document_key(&out, "events");
    document_number(&out, (int64_t)erasure->event_count);
    document_close(&out, '}');
    call_answer(call, 200, &out);
}

static void on_erased(struct api_erasure *erasure)
{
    static const struct {
        enum status status;
        int answer;
        const char *code, *detail;
    } refusals[] = {
        {E_NOTFOUND, 404, "not_found",
         "there is no such event; it may have been removed after its retention"},
        {E_BUSY, 409, "busy",
         "deliveries of it are still being sent, and no others start: erase it again when they "
         "have "
         "ended"},
        {E_LIMIT, 409, "more",
         "it led to more events than are erased at once; erase it again for the rest"},
        {E_CANCELLED, 503, "stopping",
         "the server is starting or draining; erase it again when it serves"},
    };
    struct call *call = erasure->ctx;
    const enum status status = erasure->what.op.status;
    if (!call_end_wait(call))
        return;
    for (size_t i = 0; i < array_count(refusals); i++)
        if (status == refusals[i].status) {
            call_refuse(call, refusals[i].answer, refusals[i].code, refusals[i].detail);
            return;
        }
    if (status == OK)
        answer(call, erasure);
    else
        call_refuse(call, 500, "store", "it could not be erased; see the server's log");
}

static void erase(struct call *call)
{
    if (!call_may_write(call))
        return;
    call->erasure.on_done = on_erased;
    call->erasure.ctx = call;
    call_begin_wait(call);
    call->api->hooks.erase(&call->erasure, call->api->hooks.ctx);
}

static void erase_published(struct call *call, bool is_found)
{
    const uint64_t application = call->application;
    if (!is_found) {
        call_refuse(call, 404, "not_found", "there is no application of this id or uid");
        return;
    }
    call->erasure =
        (struct api_erasure){.what = {.application = application, .uid = call->subscription.data}};
    erase(call);
}

/* Which event is meant: one of three ways, whole. */
static void choose(struct call *call, const char *body, struct complaints *complaints)
{
    struct buf *const texts[] = {&call->resource.place, &call->source, &call->contains, &call->to,
                                 &call->subscription};
    buf_init(&call->resource.place, LIMIT_REQUEST_LINE_BYTES);
    for (size_t i = 0; i < array_count(texts); i++)
        if (fields_text(body, fields[i].name, texts[i]) != OK)
            complain(complaints, "body", slice_str(fields[i].name), "no memory");
    const bool has_id = call->resource.place.len > 0;
    const bool has_key = call->source.len > 0 && call->contains.len > 0;
    const bool has_uid = call->to.len > 0 && call->subscription.len > 0;
    const bool has_half = (call->source.len > 0) != (call->contains.len > 0) ||
                          (call->to.len > 0) != (call->subscription.len > 0);
    if (has_half || has_id + has_key + has_uid != 1)
        complain(complaints, "body", slice_str(""),
                 "say which: id, or source and idempotencyKey, or application and eventId");
    call->erasure = (struct api_erasure){
        .what = {.source = has_key ? call->source.data : NULL, .key = buf_slice(&call->contains)}};
    uint64_t *id = &call->erasure.what.id;
    if (has_id && !id_parse(ID_EVENT, call->resource.place.data, id) &&
        !id_parse(ID_MESSAGE, call->resource.place.data, id))
        complain(complaints, "body", slice_str("id"),
                 "an id of an event (evt_…) or a message (msg_…) is wanted");
}

void api_erase(struct call *call)
{
    struct complaints complaints;
    struct buf body;
    complaints_begin(&complaints);
    buf_init(&body, 2 * LIMIT_API_BODY_BYTES);
    const struct fields_input input = {
        .forms = &erasure_fields, .mode = FIELDS_MADE, .body = http_body(call->request)};
    const enum status status = fields_read(&input, &complaints, &body);
    if (complaints.count == 0 && status == OK)
        choose(call, body.data, &complaints);
    buf_finish(&body);
    if (!complaints_end(call, &complaints))
        return;
    if (status != OK)
        call_refuse(call, 503, "memory", "no memory; try again");
    else if (call->to.len > 0)
        api_look_up_application(call, buf_slice(&call->to), erase_published);
    else
        erase(call);
}
