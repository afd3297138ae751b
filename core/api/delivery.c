/* SPDX-License-Identifier: MIT */
/* GET /api/v1/delivery and /api/v1/delivery/{id}: what is sent, to whom, and how it went. */
#include "api/api_int.h"

static int parse_delivery_state(const char *text)
{
    enum delivery_state state;
    return delivery_state_parse(text, &state) ? (int)state : -1;
}

static const char *const filters[] = {"contains", "endpoint", "event", "since", "source",
                                      "state",    "type",     "until", NULL};
static const struct list_form form = {
    .kind = ID_DELIVERY,
    .filters = filters,
    .parse_state = parse_delivery_state,
    .states = "pending, retrying, in_flight, succeeded, dead, cancelled",
};

void api_list_deliveries(struct call *call)
{
    if (paging_parse(call, &form, &call->list_deliveries.query))
        call_read(call, STORE_LIST_DELIVERIES);
}

void api_get_delivery(struct call *call)
{
    if (paging_parse_id(call, ID_DELIVERY, "a delivery", &call->get_delivery.id))
        call_read(call, STORE_GET_DELIVERY);
}

/* No answer came: status 0, shown as null. */
static void write_status(struct document *out, const char *name, int status)
{
    document_key(out, name);
    if (status > 0)
        document_number(out, status);
    else
        document_null(out);
}

static void write_error(struct document *out, const char *name, enum attempt_error error)
{
    document_key(out, name);
    document_str(out, error == ATTEMPT_OK ? NULL : attempt_error_name(error));
}

static void write_summary(struct document *out, const struct delivery_row *row)
{
    const bool is_open = row->state == DELIVERY_PENDING || row->state == DELIVERY_RETRYING;
    show_id(out, "id", ID_DELIVERY, row->id);
    show_id(out, "eventId", ID_EVENT, row->event);
    show_id(out, "messageId", ID_MESSAGE, row->message);
    show_id(out, "endpointId", ID_ENDPOINT, row->endpoint_id);
    document_key(out, "endpoint");
    document_str(out, row->endpoint);
    document_key(out, "type");
    document_str(out, row->type);
    document_key(out, "state");
    document_str(out, delivery_state_name(row->state));
    document_key(out, "createdAt");
    document_instant(out, id_row_ms(row->id));
    document_key(out, "attemptCount");
    document_number(out, row->attempt_count);
    write_status(out, "lastStatus", row->attempt_count > 0 ? row->last_status : 0);
    write_error(out, "lastError", row->attempt_count > 0 ? row->last_error : ATTEMPT_OK);
    document_key(out, "nextAttemptAt");
    document_instant(out, is_open ? row->due_ms : 0);
    document_key(out, "reason");
    document_str(out, row->reason);
}

static void write_timings(struct document *out, const struct attempt *attempt)
{
    document_key(out, "timings");
    document_open(out, '{');
    document_key(out, "dnsUs");
    document_number(out, attempt->dns_us);
    document_key(out, "connectUs");
    document_number(out, attempt->connect_us);
    document_key(out, "tlsUs");
    document_number(out, attempt->tls_us);
    document_key(out, "firstByteUs");
    document_number(out, attempt->first_byte_us);
    document_close(out, '}');
}

static void write_attempt(struct document *out, const struct attempt_row *row)
{
    const struct attempt *attempt = &row->attempt;
    document_open(out, '{');
    show_id(out, "id", ID_ATTEMPT, attempt->id);
    document_key(out, "number");
    document_number(out, attempt->number);
    document_key(out, "state");
    document_str(out, delivery_state_name(row->state));
    document_key(out, "startedAt");
    document_instant(out, attempt->started_ms);
    document_key(out, "durationMs");
    document_number(out, attempt->duration_ms);
    write_status(out, "status", attempt->status);
    write_error(out, "error", attempt->error);
    document_key(out, "detail");
    document_str(out, attempt->detail);
    document_key(out, "nextAttemptAt");
    document_instant(out, row->next_ms);
    write_timings(out, attempt);
    show_headers(out, "responseHeaders", attempt->head);
    document_bytes(out, "responseBody", attempt->body);
    document_key(out, "responseBodyIsCut");
    document_bool(out, attempt->is_cut);
    document_close(out, '}');
}

void api_write_deliveries(const struct call *call, struct document *out)
{
    const struct store_list_deliveries *list = &call->list_deliveries;
    struct page_end end = {.kind = ID_DELIVERY, .reached = list->last, .is_end = list->is_end};
    document_open(out, '{');
    document_key(out, "data");
    document_open(out, '[');
    for (size_t i = 0; i < list->row_count; i++) {
        const struct delivery_row *row = &list->rows[paging_row(&list->query, i, list->row_count)];
        end.first = end.first ? end.first : row->id;
        end.last = row->id;
        document_open(out, '{');
        write_summary(out, row);
        document_close(out, '}');
    }
    document_close(out, ']');
    paging_close(&list->query, &end, out);
    document_close(out, '}');
}

void api_write_delivery(const struct call *call, struct document *out)
{
    const struct delivery_row *row = &call->get_delivery.row;
    document_open(out, '{');
    write_summary(out, row);
    document_key(out, "attempts");
    document_open(out, '[');
    for (size_t i = 0; i < row->attempt_row_count; i++)
        write_attempt(out, &row->attempts[i]);
    document_close(out, ']');
    document_close(out, '}');
}
