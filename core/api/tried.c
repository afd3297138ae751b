/* SPDX-License-Identifier: MIT */
/* Attempts of what an application published: of one of its endpoints, of one message, one alone. */
#include "api/sent_int.h"

#define TRIGGER_SCHEDULED 0
#define TRIGGER_MANUAL 1

static enum sent_state state_of(enum delivery_state state)
{
    if (state == DELIVERY_SUCCEEDED)
        return SENT_SUCCESS;
    return state < DELIVERY_SUCCEEDED ? SENT_AGAIN : SENT_FAILED;
}

/* What is shown where nothing was answered: why, in words for whoever has the endpoint. The detail
 * that operators see stays with them: it names their addresses and scripts. */
static struct slice response_of(const struct tried_row *row)
{
    static const char *const reasons[ATTEMPT_ERROR_COUNT] = {
        [ATTEMPT_TIMEOUT] = "timeout: no answer in time",
        [ATTEMPT_CONNECT] = "connect: no connection to the address",
        [ATTEMPT_DNS] = "dns: the name has no address",
        [ATTEMPT_TLS] = "tls: no secure connection: see whether the certificate is good",
        [ATTEMPT_RESET] = "reset: the connection ended before the answer",
        [ATTEMPT_BLOCKED_ADDRESS] = "blocked_address: this address may not be called",
        [ATTEMPT_PROTOCOL] = "protocol: the answer is no HTTP",
        [ATTEMPT_SCRIPT] = "script: the message could not be made; nothing was sent",
    };
    if (row->body_len > 0 || (unsigned)row->error >= ATTEMPT_ERROR_COUNT || !reasons[row->error])
        return slice_of(row->body ? row->body : "", row->body_len);
    return slice_str(reasons[row->error]);
}

static void write_row(const struct tried_row *row, bool with_response, struct document *out)
{
    document_open(out, '{');
    show_id(out, "id", ID_ATTEMPT, row->id);
    show_id(out, "msgId", ID_MESSAGE, published_message(row->event));
    show_id(out, "endpointId", ID_ENDPOINT, row->endpoint);
    document_key(out, "url");
    document_str(out, row->url ? row->url : "");
    document_key(out, "response");
    document_text(out, with_response ? response_of(row) : slice_str(""));
    document_key(out, "responseStatusCode");
    document_number(out, row->status);
    document_key(out, "responseDurationMs");
    document_number(out, row->duration_ms);
    show_sent_state(out, state_of(row->state));
    document_key(out, "triggerType");
    document_number(out, row->is_manual ? TRIGGER_MANUAL : TRIGGER_SCHEDULED);
    document_key(out, "timestamp");
    document_instant(out, row->started_ms);
    document_close(out, '}');
}

void api_write_tried(const struct call *call, struct document *out)
{
    const struct store_list_tried *list = &call->list_tried;
    const size_t count = list->row_count;
    show_list_open(out);
    for (size_t i = 0; i < count; i++)
        write_row(&list->rows[paging_row(&list->query, i, count)], list->filter.with_payload, out);
    document_close(out, ']');
    const size_t first = count > 0 ? paging_row(&list->query, 0, count) : 0;
    const size_t last = count > 0 ? paging_row(&list->query, count - 1, count) : 0;
    paging_close(&list->query,
                 &(struct page_end){.kind = ID_ATTEMPT,
                                    .first = count > 0 ? list->rows[first].id : 0,
                                    .last = count > 0 ? list->rows[last].id : 0,
                                    .reached = list->last,
                                    .is_end = list->is_end},
                 out);
    document_close(out, '}');
}

static const struct sent_form form = {.kind = ID_ATTEMPT,
                                      .has_times = true,
                                      .has_filters = true,
                                      .has_status = true,
                                      .has_class = true,
                                      .has_content = true};

static void read_tried(struct call *call)
{
    const struct sent_call *sent = call->sent;
    call->list_tried = (struct store_list_tried){
        .filter = sent_filter(call),
        .endpoint = sent->endpoint_id,
        .event = sent->event,
        .only = sent->attempt_id,
        .query = sent->query,
        .class_from = sent->class_from,
        .class_to = sent->class_to,
        .from_ms = sent->from_ms,
        .before_ms = sent->before_ms,
    };
    call_read(call, STORE_LIST_TRIED);
}

void api_list_tried_of_endpoint(struct call *call)
{
    if (sent_begin(call, &form))
        sent_find_endpoint(call, call->parts.rows[1], read_tried);
}

/* The endpoint that a parameter names, if one does. */
static void find_wanted(struct call *call)
{
    struct sent_call *sent = call->sent;
    struct complaints complaints;
    complaints_begin(&complaints);
    const char *name = complaints_query_get(call, "endpoint_id", &sent->wanted, &complaints);
    if (name && (!fields_is_name(buf_slice(&sent->wanted)) || sent->wanted.len > LIMIT_UID_BYTES))
        complain_of_query(&complaints, "endpoint_id",
                          "1 to 256 letters, digits, '-', '_' and '.' are wanted");
    if (!complaints_end(call, &complaints))
        return;
    if (name)
        sent_find_endpoint(call, buf_slice(&sent->wanted), read_tried);
    else
        read_tried(call);
}

void api_list_tried_of_message(struct call *call)
{
    if (sent_begin(call, &form))
        sent_find_message(call, call->parts.rows[1], find_wanted);
}

/* False: refused and answered. */
bool sent_read_attempt(struct call *call, struct slice part)
{
    struct sent_call *sent = call->sent;
    buf_clear(&sent->attempt);
    check(buf_add_slice(&sent->attempt, part) == OK);
    if (id_parse(ID_ATTEMPT, sent->attempt.data, &sent->attempt_id) && sent->attempt_id != 0)
        return true;
    call_refuse(call, 404, "not_found", "there is no attempt of this id");
    return false;
}

static void read_one(struct call *call)
{
    if (sent_read_attempt(call, call->parts.rows[2]))
        read_tried(call);
}

void api_get_tried(struct call *call)
{
    static const struct sent_form alone = {.kind = ID_ATTEMPT};
    if (sent_begin(call, &alone))
        sent_find_message(call, call->parts.rows[1], read_one);
}

void api_write_one_tried(const struct call *call, struct document *out)
{
    write_row(&call->list_tried.rows[0], true, out);
}
