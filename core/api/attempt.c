/* SPDX-License-Identifier: MIT */
/* GET /api/v1/attempt and /api/v1/attempt/{id}: the log of what was sent and answered, of all
 * deliveries. */
#include "api/api_int.h"

#include <stdio.h>
#include <stdlib.h>

/* No answer came: status 0, shown as null. */
void show_status(struct document *out, const char *name, int status)
{
    document_key(out, name);
    if (status > 0)
        document_number(out, status);
    else
        document_null(out);
}

void show_error(struct document *out, const char *name, enum attempt_error error)
{
    document_key(out, name);
    document_str(out, error == ATTEMPT_OK ? NULL : attempt_error_name(error));
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

/* null: nothing was sent, or it was not recorded then. */
static void write_line_part(struct document *out, const char *name, struct slice head,
                            const char *field)
{
    struct slice value;
    document_key(out, name);
    if (head_find(head, field, &value))
        document_text(out, value);
    else
        document_null(out);
}

void show_attempt(struct document *out, const struct attempt_row *row, bool is_whole)
{
    const struct attempt *attempt = &row->attempt;
    show_id(out, "id", ID_ATTEMPT, attempt->id);
    document_key(out, "number");
    document_number(out, attempt->number);
    document_key(out, "state");
    document_str(out, delivery_state_name(row->state));
    document_key(out, "startedAt");
    document_instant(out, attempt->started_ms);
    document_key(out, "durationMs");
    document_number(out, attempt->duration_ms);
    show_status(out, "status", attempt->status);
    show_error(out, "error", attempt->error);
    document_key(out, "detail");
    document_str(out, attempt->detail);
    document_key(out, "nextAttemptAt");
    document_instant(out, row->next_ms);
    write_timings(out, attempt);
    document_key(out, "decidedBy");
    document_str(out, attempt->decided == DECIDED_NONE ? NULL : decided_by_name(attempt->decided));
    if (!is_whole)
        return;
    write_line_part(out, "method", attempt->request, ":method");
    write_line_part(out, "url", attempt->request, ":url");
    show_sent_headers(out, "requestHeaders", attempt->request);
    show_headers(out, "responseHeaders", attempt->head);
    document_bytes(out, "responseBody", attempt->body);
    document_key(out, "responseBodyIsCut");
    document_bool(out, attempt->is_cut);
}

/* ---- The resource -------------------------------------------------------------------------------
 */

static int parse_attempt_state(const char *text)
{
    enum delivery_state state;
    return delivery_state_parse(text, &state) ? (int)state : -1;
}

static const struct list_form form = {
    .kind = ID_ATTEMPT,
    .parse_state = parse_attempt_state,
    .states = "succeeded, retrying, dead, cancelled, pending",
};

/* "503" or "5xx" */
static bool parse_status(const char *text, int *from, int *to)
{
    if (strlen(text) != 3 || text[0] < '1' || text[0] > '5')
        return false;
    if (strcmp(text + 1, "xx") == 0) {
        *from = (text[0] - '0') * 100;
        *to = *from + 99;
        return true;
    }
    char *end;
    *from = *to = (int)strtol(text, &end, 10);
    return *end == '\0';
}

/* False: refused and answered. */
static bool parse_own(struct call *call, struct store_list_attempts *list)
{
    struct buf text;
    enum attempt_error error;
    const char *wrong = NULL;
    buf_init(&text, LIMIT_REQUEST_LINE_BYTES);
    list->error = -1;
    if (http_query_get(http_query(call->request), "status", &text) &&
        !parse_status(text.data, &list->status_from, &list->status_to))
        wrong = "status: 503 or 5xx is wanted";
    if (http_query_get(http_query(call->request), "error", &text)) {
        if (attempt_error_parse(text.data, &error))
            list->error = (int)error;
        else
            wrong = "error: timeout, connect, dns, tls, reset, blocked_address, protocol or script";
    }
    buf_finish(&text);
    if (wrong)
        call_refuse(call, 422, "filter", wrong);
    return !wrong;
}

void api_list_attempts(struct call *call)
{
    struct store_list_attempts *list = &call->list_attempts;
    if (paging_parse(call, &form, &list->query) && parse_own(call, list))
        call_read(call, STORE_LIST_ATTEMPTS);
}

void api_get_attempt(struct call *call)
{
    call->list_attempts.query = (struct store_list_query){.limit = 1, .state = -1};
    if (paging_parse_id(call, ID_ATTEMPT, "an attempt", &call->list_attempts.only))
        call_read(call, STORE_LIST_ATTEMPTS);
}

static void write_row(struct document *out, const struct attempt_row *row, bool is_whole)
{
    document_open(out, '{');
    show_id(out, "deliveryId", ID_DELIVERY, row->delivery);
    show_id(out, "messageId", ID_MESSAGE, row->message);
    show_id(out, "eventId", ID_EVENT, id_event_of(row->message));
    document_key(out, "endpoint");
    document_str(out, row->endpoint);
    document_key(out, "type");
    document_str(out, row->type);
    show_attempt(out, row, is_whole);
    document_close(out, '}');
}

void show_attempt_of_list(struct document *out, const struct attempt_row *row)
{
    write_row(out, row, false);
}

void api_write_attempts(const struct call *call, struct document *out)
{
    const struct store_list_attempts *list = &call->list_attempts;
    struct page_end end = {.kind = ID_ATTEMPT, .reached = list->last, .is_end = list->is_end};
    show_list_open(out);
    for (size_t i = 0; i < list->row_count; i++) {
        const struct attempt_row *row = &list->rows[paging_row(&list->query, i, list->row_count)];
        end.first = end.first ? end.first : row->attempt.id;
        end.last = row->attempt.id;
        show_attempt_of_list(out, row);
    }
    document_close(out, ']');
    paging_close(&list->query, &end, out);
    document_close(out, '}');
}

void api_write_attempt(const struct call *call, struct document *out)
{
    write_row(out, &call->list_attempts.rows[0], true);
}
