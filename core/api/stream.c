/* SPDX-License-Identifier: MIT */
/* GET /api/v1/stream: what happens, as server-sent events: events that came in and attempts that
 * were made, as the lists show them. It looks behind the last one that it told, as often as the
 * client takes what it was given; whoever comes again with Last-Event-ID misses nothing.
 *
 * Ids of events are given before their commit, so one is told when its id is LAG_MS old; attempts
 * have theirs from the store, in the order of their commits. */
#include "api/api_int.h"

#include "base/clock.h"

#include <stdio.h>

#define LOOK_MS 250
#define LAG_MS 1000
#define BEAT_MS 15000 /* so that proxies and clients see that it lives */
#define ROWS 100      /* of a look */
#define KEY_BYTES (2 * ID_TEXT_BYTES + 2)

static void sleep_for(struct call *call, int64_t delay_ms);

static const char *check_kind(const char *text)
{
    return strcmp(text, "event") == 0 || strcmp(text, "attempt") == 0 ? NULL
                                                                      : "there are event and "
                                                                        "attempt; without it both";
}

static const char *check_type(const char *text)
{
    return event_pattern_is_valid(slice_str(text)) ? NULL : EVENT_PATTERN_FORMS;
}

static const char *text_of(const struct buf *text)
{
    return text->len > 0 ? text->data : NULL;
}

/* ---- What is told ------------------------------------------------------------------------------
 */

static void begin_row(struct call *call, const char *kind, struct buf *out)
{
    char event[ID_TEXT_BYTES];
    char attempt[ID_TEXT_BYTES];
    id_format(ID_EVENT, call->stream.event, event);
    id_format(ID_ATTEMPT, call->stream.attempt, attempt);
    if (buf_printf(out, "id: %s,%s\nevent: %s\ndata: ", event, attempt, kind) != OK)
        call->stream.is_broken = true;
}

static void end_row(struct call *call, struct document *row, struct buf *out)
{
    if (row->status != OK || buf_add_slice(out, buf_slice(&row->buf)) != OK ||
        buf_add_str(out, "\n\n") != OK)
        call->stream.is_broken = true;
    document_finish(row);
}

static void tell_events(struct call *call, struct buf *out)
{
    const struct store_list_events *list = &call->list_events;
    for (size_t i = 0; i < list->row_count; i++) {
        struct document row;
        document_init(&row, SMALL_ANSWER_BYTES_MAX);
        call->stream.event = list->rows[i].event->id;
        begin_row(call, "event", out);
        show_event(&row, &list->rows[i]);
        end_row(call, &row, out);
    }
    if (!list->is_end && list->last > call->stream.event)
        call->stream.event = list->last; /* so far there was nothing that is wanted */
}

static void tell_attempts(struct call *call, struct buf *out)
{
    const struct store_list_attempts *list = &call->list_attempts;
    for (size_t i = 0; i < list->row_count; i++) {
        struct document row;
        document_init(&row, SMALL_ANSWER_BYTES_MAX);
        call->stream.attempt = list->rows[i].attempt.id;
        begin_row(call, "attempt", out);
        show_attempt_of_list(&row, &list->rows[i]);
        end_row(call, &row, out);
    }
    if (!list->is_end && list->last > call->stream.attempt)
        call->stream.attempt = list->last;
}

/* False: the stream ends; the call may be gone. */
static bool write_out(struct call *call, struct buf *out)
{
    struct stream_call *it = &call->stream;
    const int64_t now_ms = clock_mono_ms();
    if (out->len == 0 && now_ms - it->told_ms >= BEAT_MS && buf_add_str(out, ":\n\n") != OK)
        it->is_broken = true;
    if (out->len == 0 && !it->is_broken)
        return true;
    it->told_ms = now_ms;
    it->is_writing = true;
    if (!it->is_broken && http_stream_write(call->request, buf_slice(out)) == OK)
        return true;
    http_stream_end(call->request);
    return false;
}

/* ---- Looking -----------------------------------------------------------------------------------
 */

static void on_looked(struct store_read *read)
{
    struct call *call = read->ctx;
    struct stream_call *it = &call->stream;
    struct buf out;
    buf_init(&out, LIMIT_API_ANSWER_BYTES);
    const bool is_event = read->kind == STORE_LIST_EVENTS;
    it->is_behind |= is_event ? !call->list_events.is_end : !call->list_attempts.is_end;
    if (read->status == OK && is_event)
        tell_events(call, &out);
    else if (read->status == OK)
        tell_attempts(call, &out);
    else
        it->is_broken = true;
    store_read_finish(read);
    if (!call_end_wait(call)) {
        buf_finish(&out);
        return;
    }
    const bool is_round_over = !is_event || !it->has_attempts;
    it->is_turn_of_attempts = is_event ? it->has_attempts : !it->has_events;
    it->delay_ms = is_round_over && !it->is_behind ? LOOK_MS : 0;
    it->is_behind &= !is_round_over;
    if (write_out(call, &out) && !it->is_writing)
        sleep_for(call, it->delay_ms);
    buf_finish(&out);
}

static void start_look(struct call *call, enum store_read_kind kind)
{
    call->read.kind = kind;
    call->read.on_done = on_looked;
    call->read.ctx = call;
    call_begin_wait(call);
    if (store_read(call->api->store, call->api->client, &call->read) == OK)
        return;
    if (call_end_wait(call))
        sleep_for(call, LOOK_MS); /* the readers are busy */
}

static void look(struct call *call)
{
    struct stream_call *it = &call->stream;
    const struct store_list_query query = {.limit = ROWS,
                                           .is_backward = true,
                                           .state = -1,
                                           .source = text_of(&call->source),
                                           .type = text_of(&call->type),
                                           .endpoint = text_of(&call->endpoint)};
    if (it->is_turn_of_attempts) {
        call->list_attempts = (struct store_list_attempts){.query = query, .error = -1};
        call->list_attempts.query.after = it->attempt;
        start_look(call, STORE_LIST_ATTEMPTS);
    } else {
        call->list_events = (struct store_list_events){.query = query};
        call->list_events.query.after = it->event;
        call->list_events.query.before = id_event_at(clock_due_ms() - LAG_MS);
        start_look(call, STORE_LIST_EVENTS);
    }
}

static void on_time(struct timer *timer)
{
    look(container_of(timer, struct call, stream.timer));
}

static void sleep_for(struct call *call, int64_t delay_ms)
{
    call->stream.timer.on_time = on_time;
    timers_start(&call->api->timers, &call->stream.timer, delay_ms);
}

void stream_on_drained(struct call *call)
{
    struct stream_call *it = &call->stream;
    if (!it->is_writing)
        return;
    it->is_writing = false;
    if (!call->is_pending && !it->timer.is_started)
        sleep_for(call, it->delay_ms);
}

void stream_leave(struct call *call)
{
    if (!call->stream.is_open)
        return;
    timers_stop(&call->api->timers, &call->stream.timer);
    call->api->stream_count--;
}

/* ---- The request ------------------------------------------------------------------------------
 */

/* "evt_…,atmpt_…", as it was told. False: it is something else. */
static bool parse_place(struct slice text, struct stream_call *it)
{
    char copy[KEY_BYTES];
    if (text.len >= sizeof copy)
        return false;
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    char *comma = strchr(copy, ',');
    if (!comma)
        return false;
    *comma = '\0';
    return id_parse(ID_EVENT, copy, &it->event) && id_parse(ID_ATTEMPT, comma + 1, &it->attempt);
}

void api_open_stream(struct call *call)
{
    const struct text_form forms[] = {
        {"kind", &call->kind, LIMIT_NAME_BYTES, check_kind},
        {"source", &call->source, LIMIT_NAME_BYTES, NULL},
        {"type", &call->type, LIMIT_TYPE_BYTES, check_type},
        {"endpoint", &call->endpoint, LIMIT_NAME_BYTES, NULL},
    };
    static const struct field no_store = {{"Cache-Control", 13}, {"no-store", 8}};
    struct stream_call *it = &call->stream;
    struct slice place;
    if (!paging_parse_texts(call, forms, array_count(forms)))
        return;
    const char *kind = text_of(&call->kind);
    it->has_events = (!kind || strcmp(kind, "event") == 0) && call->endpoint.len == 0;
    it->has_attempts = (!kind || strcmp(kind, "attempt") == 0) && call->source.len == 0;
    it->is_turn_of_attempts = !it->has_events;
    it->event = id_event_at(clock_due_ms() - LAG_MS);
    it->attempt = id_row_at(clock_due_ms());
    if (!it->has_events && !it->has_attempts) {
        call_refuse(call, 422, "filter",
                    "attempts have no source and events no endpoint: nothing would be told");
    } else if (http_header(call->request, "last-event-id", &place) && !parse_place(place, it)) {
        call_refuse(call, 422, "last_event_id", "Last-Event-ID is not one that this stream told");
    } else if (call->api->stream_count >= LIMIT_API_STREAMS) {
        call_refuse(call, 503, "busy", "too many streams are open; close one");
    } else {
        it->is_open = true;
        it->told_ms = clock_mono_ms();
        call->api->stream_count++;
        http_may_wait(call->request);
        http_stream(call->request, &(struct http_response){.status = 200,
                                                           .content_type = "text/event-stream",
                                                           .headers = &no_store,
                                                           .header_count = 1});
        look(call);
    }
}
