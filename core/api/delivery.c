/* SPDX-License-Identifier: MIT */
/* GET /api/v1/delivery and /api/v1/delivery/{id}: what is sent, to whom, and how it went. */
#include "api/api_int.h"

static int parse_delivery_state(const char *text)
{
    enum delivery_state state;
    return delivery_state_parse(text, &state) ? (int)state : -1;
}

static const struct list_form form = {
    .kind = ID_DELIVERY,
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
    document_due(out, id_row_ms(row->id));
    document_key(out, "attemptCount");
    document_number(out, row->attempt_count);
    show_status(out, "lastStatus", row->attempt_count > 0 ? row->last_status : 0);
    show_error(out, "lastError", row->attempt_count > 0 ? row->last_error : ATTEMPT_OK);
    document_key(out, "nextAttemptAt");
    document_due(out, is_open ? row->due_ms : 0);
    document_key(out, "isHeld");
    document_bool(out, is_open && row->is_held);
    document_key(out, "orderKey");
    if (row->order_key)
        document_text(out, slice_of(row->order_key, row->order_key_len));
    else
        document_null(out);
    document_key(out, "priority");
    document_number(out, row->priority);
    document_key(out, "reason");
    document_str(out, row->reason);
}

void api_write_deliveries(const struct call *call, struct document *out)
{
    const struct store_list_deliveries *list = &call->list_deliveries;
    struct page_end end = {.kind = ID_DELIVERY, .reached = list->last, .is_end = list->is_end};
    show_list_open(out);
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
    for (size_t i = 0; i < row->attempt_row_count; i++) {
        document_open(out, '{');
        show_attempt(out, &row->attempts[i], true);
        document_close(out, '}');
    }
    document_close(out, ']');
    document_close(out, '}');
}
