/* SPDX-License-Identifier: MIT */
/* GET /api/v1/event and /api/v1/event/{id}: what came in and what became of it. */
#include "api/api_int.h"

static int parse_run_state(const char *text)
{
    enum run_state state;
    return run_state_parse(text, &state) ? (int)state : -1;
}

static const struct list_form form = {
    .kind = ID_EVENT,
    .parse_state = parse_run_state,
    .states = "pending, retrying, handled, skipped, dead, erased",
};

void api_list_events(struct call *call)
{
    if (paging_parse(call, &form, &call->list_events.query))
        wait_read(call, STORE_LIST_EVENTS);
}

void api_get_event(struct call *call)
{
    if (paging_parse_id(call, ID_EVENT, "an event", &call->get_event.id))
        call_read(call, STORE_GET_EVENT);
}

static void write_optional(struct document *out, const char *name, struct slice text)
{
    document_key(out, name);
    if (text.len > 0)
        document_text(out, text);
    else
        document_null(out);
}

/* What the list and the single event have in common. */
static void write_summary(struct document *out, const struct event_row *row)
{
    const struct event *event = row->event;
    show_id(out, "id", ID_EVENT, event->id);
    document_key(out, "source");
    document_text(out, event->source);
    document_key(out, "type");
    document_text(out, event->type);
    document_key(out, "state");
    document_str(out, run_state_name(row->state));
    document_key(out, "receivedAt");
    document_instant(out, event->received_ms);
    write_optional(out, "idempotencyKey", event->key);
    show_id(out, "parentId", ID_EVENT, event->parent);
    document_key(out, "bodyBytes");
    document_number(out, (int64_t)row->body_bytes);
}

/* Of the single event. */
static void write_progress(struct document *out, const struct run_progress *progress)
{
    document_key(out, "batchClosesAt");
    document_due(out, progress->batch_close_ms);
    document_key(out, "steps");
    document_open(out, '[');
    for (size_t i = 0; i < progress->step_count; i++) {
        document_open(out, '{');
        document_key(out, "name");
        document_str(out, progress->steps[i].name);
        document_key(out, "results");
        document_json(out, slice_str(progress->steps[i].result));
        document_close(out, '}');
    }
    document_close(out, ']');
}

static void write_runs(struct document *out, const struct event_row *row)
{
    document_key(out, "runs");
    document_open(out, '[');
    for (size_t i = 0; i < row->run_count; i++) {
        const struct claimed_run *run = &row->runs[i];
        const bool is_open = run->state == RUN_PENDING || run->state == RUN_RETRYING;
        document_open(out, '{');
        document_key(out, "subscription");
        document_str(out, run->subscription);
        document_key(out, "state");
        document_str(out, run_state_name(run->state));
        document_key(out, "number");
        document_number(out, run->number);
        document_key(out, "nextAt");
        document_due(out, is_open && run->due_ms < STORE_HELD_MS ? run->due_ms : 0);
        document_key(out, "error");
        document_str(out, row->errors ? row->errors[i] : NULL);
        if (row->progress)
            write_progress(out, &row->progress[i]);
        document_close(out, '}');
    }
    document_close(out, ']');
}

/* Why the event is not well: what its first run that is as bad as the event itself says. */
static const char *error_of(const struct event_row *row)
{
    for (size_t i = 0; row->errors && i < row->run_count; i++)
        if (row->runs[i].state == row->state && row->errors[i])
            return row->errors[i];
    return NULL;
}

static void write_pseudo(struct document *out, const char *name, struct slice head,
                         const char *field)
{
    struct slice value = {0};
    (void)head_find(head, field, &value);
    write_optional(out, name, value);
}

/* A sealed one only for who asks for secrets. */
static void write_body(struct document *out, const struct content *content, bool with_secrets)
{
    const bool is_sealed = content && content->is_sealed;
    document_key(out, "sealed");
    document_bool(out, is_sealed);
    document_bytes(out, "body",
                   content && (!is_sealed || with_secrets) ? content_body(content) : slice_str(""));
}

static void write_content(struct document *out, const struct content *content)
{
    const struct slice head = content ? content_head(content) : slice_str("");
    write_pseudo(out, "method", head, ":method");
    write_pseudo(out, "path", head, ":path");
    write_pseudo(out, "query", head, ":query");
    write_pseudo(out, "remoteIp", head, ":remote");
    write_pseudo(out, "contentType", head, "content-type");
    show_headers(out, "headers", head);
    write_body(out, content, false);
}

static const char *judge_flag(const char *text)
{
    return strcmp(text, "true") == 0 || strcmp(text, "false") == 0 ? NULL : "true or false";
}

void api_get_event_request(struct call *call)
{
    const struct text_form secrets = {"secrets", &call->secrets, LIMIT_REQUEST_LINE_BYTES,
                                      judge_flag};
    if (paging_parse_id(call, ID_EVENT, "an event", &call->get_event.id) &&
        paging_parse_texts(call, &secrets, 1))
        call_read(call, STORE_GET_EVENT);
}

static void write_fields(struct document *out, struct slice head, bool with_secrets)
{
    struct field field;
    for (size_t offset = 0; head_next(head, &offset, &field);) {
        if (field.name.len == 0 || field.name.data[0] == ':' ||
            (!with_secrets && head_is_secret(field.name)))
            continue;
        document_open(out, '{');
        document_key(out, "name");
        document_text(out, field.name);
        document_key(out, "value");
        document_text(out, field.value);
        document_close(out, '}');
    }
}

/* A source that judges by a token does not keep that; it is known all the same. */
static void write_sent_headers(const struct call *call, struct document *out)
{
    const struct event *event = call->get_event.row.event;
    const struct slice head = content_head(event->content);
    const bool with_secrets = slice_is(buf_slice(&call->secrets), "true");
    const struct registry *registry = call->api->hooks.registry(call->api->hooks.ctx);
    struct buf token;
    buf_init_secret(&token, LIMIT_HEADERS_BYTES);
    document_key(out, "headers");
    document_open(out, '[');
    write_fields(out, head, with_secrets);
    if (with_secrets && registry &&
        source_restore_token(registry_source(registry, event->source), head, &token))
        write_fields(out, buf_slice(&token), true);
    document_close(out, ']');
    buf_finish(&token);
}

/* The request that brought it, to be sent once more: with its signatures; with what may be a secret
 * only for who asks for that. */
void api_write_event_request(const struct call *call, struct document *out)
{
    const struct content *content = call->get_event.row.event->content;
    const struct slice head = content_head(content);
    document_open(out, '{');
    show_id(out, "id", ID_EVENT, call->get_event.row.event->id);
    write_pseudo(out, "method", head, ":method");
    write_pseudo(out, "path", head, ":path");
    write_pseudo(out, "query", head, ":query");
    write_sent_headers(call, out);
    write_body(out, content, slice_is(buf_slice(&call->secrets), "true"));
    document_close(out, '}');
}

void show_event(struct document *out, const struct event_row *row)
{
    document_open(out, '{');
    write_summary(out, row);
    document_key(out, "error");
    document_str(out, error_of(row));
    document_close(out, '}');
}

void api_write_events(const struct call *call, struct document *out)
{
    const struct store_list_events *list = &call->list_events;
    struct page_end end = {.kind = ID_EVENT, .reached = list->last, .is_end = list->is_end};
    show_list_open(out);
    for (size_t i = 0; i < list->row_count; i++) {
        const struct event_row *row = &list->rows[paging_row(&list->query, i, list->row_count)];
        end.last = list->query.lateness == LATE_ONLY ? row->late : row->event->id;
        end.first = end.first ? end.first : end.last;
        show_event(out, row);
    }
    document_close(out, ']');
    paging_close(&list->query, &end, out);
    wait_write(call, out);
    document_close(out, '}');
}

void api_write_event(const struct call *call, struct document *out)
{
    const struct event_row *row = &call->get_event.row;
    document_open(out, '{');
    write_summary(out, row);
    write_content(out, row->event->content);
    write_runs(out, row);
    document_close(out, '}');
}
