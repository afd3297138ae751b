/* SPDX-License-Identifier: MIT */
/* GET /api/v1/dead-letter: what was given up, newest first: deliveries, or with kind=event the
 * events with a run that died. What is shown of each is what their own lists show. */
#include "api/api_int.h"

static const struct list_form deliveries = {.kind = ID_DELIVERY};
static const struct list_form events = {.kind = ID_EVENT};

static const char *check_kind(const char *text)
{
    return strcmp(text, "event") == 0 || strcmp(text, "delivery") == 0
               ? NULL
               : "there are event and delivery";
}

static void list_events(struct call *call)
{
    struct store_list_query *query = &call->list_events.query;
    if (!paging_parse(call, &events, query))
        return;
    query->state = (int)RUN_DEAD;
    if (query->endpoint || query->event || query->message)
        call_refuse(call, 422, "filter", "endpoint, event and message are filters of deliveries");
    else
        call_read(call, STORE_LIST_EVENTS);
}

static void list_deliveries(struct call *call)
{
    struct store_list_query *query = &call->list_deliveries.query;
    if (!paging_parse(call, &deliveries, query))
        return;
    query->state = (int)DELIVERY_DEAD;
    call_read(call, STORE_LIST_DELIVERIES);
}

void api_list_dead_letters(struct call *call)
{
    const struct text_form form = {"kind", &call->kind, LIMIT_NAME_BYTES, check_kind};
    if (!paging_parse_texts(call, &form, 1))
        return;
    if (call->kind.len > 0 && strcmp(call->kind.data, "event") == 0)
        list_events(call);
    else
        list_deliveries(call);
}

void api_write_dead_letters(const struct call *call, struct document *out)
{
    if (call->read.kind == STORE_LIST_EVENTS)
        api_write_events(call, out);
    else
        api_write_deliveries(call, out);
}
