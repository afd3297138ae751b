/* SPDX-License-Identifier: MIT */
/* The messages that an application published, where each went, what went to an endpoint, and how
 * many came to what there. */
#include "api/app_endpoint_int.h"
#include "api/sent_int.h"

#include "base/clock.h"
#include "base/log.h"

#include <stdio.h>

#define STATS_LOOK_MAX 8192               /* messages in a read: it ends within some ms */
#define STATS_MS (INT64_C(28) * 86400000) /* they go back so far, and do so if nothing is said */

static const char *const state_names[SENT_STATE_COUNT] = {
    [SENT_SUCCESS] = "success",
    [SENT_PENDING] = "pending",
    [SENT_FAILED] = "fail",
    [SENT_AGAIN] = "sending",
};

void show_sent_state(struct document *out, enum sent_state state)
{
    document_key(out, "status");
    document_number(out, (int64_t)state);
    document_key(out, "statusText");
    document_str(out, state_names[state]);
}

static void show_next(struct document *out, int64_t next_ms)
{
    document_key(out, "nextAttempt");
    document_due(out, next_ms);
}

static void open_list(struct document *out)
{
    show_list_open(out);
}

/* first and last: ids of what the page shows, 0 if it is empty. */
static void close_list(const struct call *call, const struct page_end *end, struct document *out)
{
    document_close(out, ']');
    paging_close(&call->sent->query, end, out);
    document_close(out, '}');
}

static uint64_t message_or_none(uint64_t event)
{
    return event ? published_message(event) : 0;
}

/* ---- What was published -----------------------------------------------------------------------
 */

void api_list_messages(struct call *call)
{
    static const struct sent_form form = {
        .kind = ID_MESSAGE, .has_times = true, .has_filters = true, .has_content = true};
    if (!sent_begin(call, &form))
        return;
    call->list_published = (struct store_list_published){
        .filter = sent_filter(call),
        .query = call->sent->query,
    };
    call_read(call, STORE_LIST_PUBLISHED);
}

void api_write_messages(const struct call *call, struct document *out)
{
    const struct store_list_published *list = &call->list_published;
    uint64_t shown[2] = {0};
    open_list(out);
    for (size_t i = 0; i < list->row_count; i++) {
        const struct published_row *row = &list->rows[paging_row(&list->query, i, list->row_count)];
        shown[i > 0] = row->id;
        if (i == 0)
            shown[1] = row->id;
        document_open(out, '{');
        show_message(row, out);
        document_close(out, '}');
    }
    close_list(call,
               &(struct page_end){.kind = ID_MESSAGE,
                                  .first = message_or_none(shown[0]),
                                  .last = message_or_none(shown[1]),
                                  .reached = message_or_none(list->last),
                                  .is_end = list->is_end},
               out);
}

/* ---- Where a message went ---------------------------------------------------------------------
 */

static void read_destinations(struct call *call)
{
    call->list_destinations = (struct store_list_destinations){
        .application = call->application,
        .event = call->sent->event,
        .query = call->sent->query,
    };
    call_read(call, STORE_LIST_DESTINATIONS);
}

void api_list_destinations(struct call *call)
{
    static const struct sent_form form = {.kind = ID_ENDPOINT};
    if (sent_begin(call, &form))
        sent_find_message(call, call->parts.rows[1], read_destinations);
}

/* Of one that is deleted what is left: its id and where it was. */
static void write_deleted(const struct destination_row *row, struct document *out)
{
    document_key(out, "url");
    document_str(out, row->url ? row->url : "");
    document_key(out, "description");
    document_str(out, "");
    document_key(out, "disabled");
    document_bool(out, true);
}

static void write_destination(const struct destination_row *row, struct document *out)
{
    const struct resource *resource = &row->resource;
    const int64_t made_ms = id_row_ms(row->endpoint);
    document_open(out, '{');
    show_id(out, "id", ID_ENDPOINT, row->endpoint);
    if (resource->body)
        fields_write(&app_endpoint_fields, resource->body, NULL, out);
    else
        write_deleted(row, out);
    document_key(out, "createdAt");
    document_due(out, resource->body ? resource->created_ms : made_ms);
    document_key(out, "updatedAt");
    document_due(out, resource->body ? resource->updated_ms : made_ms);
    show_sent_state(out, row->state);
    show_next(out, row->next_ms);
    document_close(out, '}');
}

void api_write_destinations(const struct call *call, struct document *out)
{
    const struct store_list_destinations *list = &call->list_destinations;
    const size_t count = list->row_count;
    open_list(out);
    for (size_t i = 0; i < count; i++)
        write_destination(&list->rows[paging_row(&list->query, i, count)], out);
    const size_t first = count > 0 ? paging_row(&list->query, 0, count) : 0;
    const size_t last = count > 0 ? paging_row(&list->query, count - 1, count) : 0;
    close_list(call,
               &(struct page_end){.kind = ID_ENDPOINT,
                                  .first = count > 0 ? list->rows[first].endpoint : 0,
                                  .last = count > 0 ? list->rows[last].endpoint : 0,
                                  .is_end = list->is_end},
               out);
}

/* ---- What went to an endpoint -----------------------------------------------------------------
 */

static void read_sent(struct call *call)
{
    call->list_sent = (struct store_list_sent){
        .filter = sent_filter(call),
        .endpoint = call->sent->endpoint_id,
        .query = call->sent->query,
    };
    call_read(call, STORE_LIST_SENT);
}

void api_list_sent(struct call *call)
{
    static const struct sent_form form = {.kind = ID_MESSAGE,
                                          .has_times = true,
                                          .has_filters = true,
                                          .has_status = true,
                                          .has_content = true};
    if (sent_begin(call, &form))
        sent_find_endpoint(call, call->parts.rows[1], read_sent);
}

void api_write_sent(const struct call *call, struct document *out)
{
    const struct store_list_sent *list = &call->list_sent;
    const size_t count = list->row_count;
    open_list(out);
    for (size_t i = 0; i < count; i++) {
        const struct sent_row *row = &list->rows[paging_row(&list->query, i, count)];
        document_open(out, '{');
        show_message(&row->published, out);
        show_sent_state(out, row->state);
        show_next(out, row->next_ms);
        document_close(out, '}');
    }
    const size_t first = count > 0 ? paging_row(&list->query, 0, count) : 0;
    const size_t last = count > 0 ? paging_row(&list->query, count - 1, count) : 0;
    close_list(call,
               &(struct page_end){
                   .kind = ID_MESSAGE,
                   .first = count > 0 ? published_message(list->rows[first].published.id) : 0,
                   .last = count > 0 ? published_message(list->rows[last].published.id) : 0,
                   .reached = message_or_none(list->last),
                   .is_end = list->is_end,
               },
               out);
}

/* ---- Statistics of an endpoint ----------------------------------------------------------------
 */

static void on_counted(struct store_read *read)
{
    struct call *call = read->ctx;
    const struct store_count_sent *count = container_of(read, struct store_count_sent, read);
    struct document out;
    if (!call_end_wait(call))
        return;
    if (read->status != OK) {
        log_error("read of the store failed", "route=\"%s\" error=\"%s\"", call->route->path,
                  read->err.text);
        call_refuse(call, 500, "store", "the store could not be read; see the server's log");
    } else if (!count->is_end) {
        sent_read(call, STORE_COUNT_SENT, on_counted);
    } else {
        document_init(&out, SMALL_ANSWER_BYTES_MAX);
        call->route->write(call, &out);
        call_answer(call, 200, &out);
    }
}

static void count_sent(struct call *call)
{
    const struct sent_call *sent = call->sent;
    const uint64_t since = id_event_at(clock_due_of_wall(sent->since_ms));
    const uint64_t until = id_event_at(clock_due_of_wall(sent->until_ms));
    /* No message is of the future, so without that bound fewer are looked at one by one. */
    const bool is_till_now = sent->until_ms > clock_now_ms();
    call->count_sent = (struct store_count_sent){
        .endpoint = sent->endpoint_id,
        .after = since > 0 ? since - 1 : 0,
        .before = is_till_now ? 0
                  : until > 0 ? until
                              : 1, /* 0 is no bound; no event is that old */
        .look_max = STATS_LOOK_MAX,
    };
    sent_read(call, STORE_COUNT_SENT, on_counted);
}

static bool read_instant(struct call *call, const char *name, int64_t absent, int64_t *ms)
{
    struct complaints complaints;
    struct buf text;
    complaints_begin(&complaints);
    buf_init(&text, LIMIT_REQUEST_LINE_BYTES);
    *ms = absent;
    const char *value = complaints_query_get(call, name, &text, &complaints);
    if (value && !fields_parse_instant(value, ms))
        complain_of_query(&complaints, name, AN_INSTANT);
    buf_finish(&text);
    return complaints_end(call, &complaints);
}

void api_count_sent(struct call *call)
{
    static const struct sent_form form = {.kind = ID_MESSAGE};
    const int64_t now_ms = clock_now_ms();
    if (!sent_begin(call, &form) ||
        !read_instant(call, "until", now_ms + 1, &call->sent->until_ms) ||
        !read_instant(call, "since", call->sent->until_ms - STATS_MS, &call->sent->since_ms))
        return;
    if (call->sent->until_ms < call->sent->since_ms)
        call_refuse(call, 400, "invalid_range", "'since' is after 'until'");
    else if (call->sent->until_ms - call->sent->since_ms > STATS_MS)
        call_refuse(call, 400, "invalid_range", "'since' and 'until' are at most 28 days apart");
    else
        sent_find_endpoint(call, call->parts.rows[1], count_sent);
}

void api_write_sent_count(const struct call *call, struct document *out)
{
    const struct store_count_sent *count = &call->count_sent;
    document_open(out, '{');
    for (unsigned i = 0; i < SENT_STATE_COUNT; i++) {
        document_key(out, state_names[i]);
        document_number(out, (int64_t)count->counts[i]);
    }
    document_key(out, "canceled");
    document_number(out, (int64_t)count->cancelled);
    document_close(out, '}');
}
