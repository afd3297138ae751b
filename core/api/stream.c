/* SPDX-License-Identifier: MIT */
/* GET /api/v1/stream: what happens, as server-sent events: events that came in and attempts that
 * were made, as the lists show them. It looks behind the last one that it told, as often as the
 * client takes what it was given; whoever comes again with Last-Event-ID misses nothing.
 *
 * Ids of events are given before their commit, so they are told in their order up to where no other
 * comes between (store_settled), and those that are stored later than that in the order of their
 * commits; attempts have their ids from the store, in that order. */
#include "api/api_int.h"

#include "base/clock.h"

#include <stdio.h>

#define LOOK_MS 250
#define BEAT_MS 15000 /* so that proxies and clients see that it lives */
#define ROWS 100      /* of a look */
#define PLACE_BYTES (LANE_COUNT * ID_TEXT_BYTES)

static const enum id_kind lane_kinds[LANE_COUNT] = {ID_EVENT, ID_EVENT, ID_ATTEMPT};

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
    enum status status = buf_add_str(out, "id: ");
    for (size_t i = 0; i < LANE_COUNT && status == OK; i++) {
        char text[ID_TEXT_BYTES];
        id_format(lane_kinds[i], call->stream.places[i], text);
        status = buf_printf(out, "%s%s", i > 0 ? "," : "", text);
    }
    if (status != OK || buf_printf(out, "\nevent: %s\ndata: ", kind) != OK)
        call->stream.is_broken = true;
}

static void end_row(struct call *call, struct document *row, struct buf *out)
{
    if (row->status != OK || buf_add_slice(out, buf_slice(&row->buf)) != OK ||
        buf_add_str(out, "\n\n") != OK)
        call->stream.is_broken = true;
    document_finish(row);
}

/* So far there was nothing else that is wanted. */
static void pass(struct call *call, uint64_t last, bool is_end)
{
    uint64_t *place = &call->stream.places[call->stream.lane];
    if (!is_end && last > *place)
        *place = last;
}

static void tell_events(struct call *call, struct buf *out)
{
    const struct store_list_events *list = &call->list_events;
    const bool is_late = call->stream.lane == LANE_LATE_EVENTS;
    for (size_t i = 0; i < list->row_count; i++) {
        const struct event_row *event = &list->rows[i];
        struct document row;
        document_init(&row, SMALL_ANSWER_BYTES_MAX);
        call->stream.places[call->stream.lane] = is_late ? event->late : event->event->id;
        begin_row(call, "event", out);
        show_event(&row, event);
        end_row(call, &row, out);
    }
    pass(call, list->last, list->is_end);
}

static void tell_attempts(struct call *call, struct buf *out)
{
    const struct store_list_attempts *list = &call->list_attempts;
    for (size_t i = 0; i < list->row_count; i++) {
        struct document row;
        document_init(&row, SMALL_ANSWER_BYTES_MAX);
        call->stream.places[LANE_ATTEMPTS] = list->rows[i].attempt.id;
        begin_row(call, "attempt", out);
        show_attempt_of_list(&row, &list->rows[i]);
        end_row(call, &row, out);
    }
    pass(call, list->last, list->is_end);
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

/* The next one that is wanted. False: a round is over. */
static bool move_on(struct stream_call *it)
{
    const enum stream_lane before = it->lane;
    do
        it->lane = (enum stream_lane)((it->lane + 1) % LANE_COUNT);
    while (!it->has[it->lane]);
    return it->lane > before;
}

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
    const bool is_round_over = !move_on(it);
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
                                           .after = it->places[it->lane],
                                           .is_backward = true,
                                           .state = -1,
                                           .source = text_of(&call->source),
                                           .type = text_of(&call->type),
                                           .endpoint = text_of(&call->endpoint)};
    if (it->lane == LANE_ATTEMPTS) {
        call->list_attempts = (struct store_list_attempts){.query = query, .error = -1};
        start_look(call, STORE_LIST_ATTEMPTS);
        return;
    }
    const bool is_late = it->lane == LANE_LATE_EVENTS;
    call->list_events = (struct store_list_events){.query = query};
    call->list_events.query.lateness = is_late ? LATE_ONLY : LATE_LEFT_OUT;
    call->list_events.query.before = is_late ? 0 : store_settled(call->api->store);
    start_look(call, STORE_LIST_EVENTS);
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

/* "evt_…,evt_…,atmpt_…", as it was told. False: it is something else. */
static bool parse_place(struct slice text, struct stream_call *it)
{
    char copy[PLACE_BYTES];
    if (text.len >= sizeof copy)
        return false;
    memcpy(copy, text.data, text.len);
    copy[text.len] = '\0';
    char *part = copy;
    for (size_t i = 0; i < LANE_COUNT; i++) {
        char *comma = strchr(part, ',');
        if ((comma != NULL) != (i + 1 < LANE_COUNT))
            return false;
        if (comma)
            *comma = '\0';
        if (!id_parse(lane_kinds[i], part, &it->places[i]))
            return false;
        part = comma ? comma + 1 : part;
    }
    return true;
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
    it->has[LANE_EVENTS] = (!kind || strcmp(kind, "event") == 0) && call->endpoint.len == 0;
    it->has[LANE_LATE_EVENTS] = it->has[LANE_EVENTS];
    it->has[LANE_ATTEMPTS] = (!kind || strcmp(kind, "attempt") == 0) && call->source.len == 0;
    it->lane = it->has[LANE_EVENTS] ? LANE_EVENTS : LANE_ATTEMPTS;
    it->places[LANE_EVENTS] = store_settled(call->api->store) - 1;
    it->places[LANE_LATE_EVENTS] = it->places[LANE_ATTEMPTS] = id_row_at(clock_due_ms()) - 1;
    if (!it->has[LANE_EVENTS] && !it->has[LANE_ATTEMPTS]) {
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
