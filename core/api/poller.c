/* SPDX-License-Identifier: MIT */
/* GET /api/v1/app/{app}/poller/{endpoint}: what an application published and its endpoint would
 * get, in order, behind an iterator that the client keeps. Nothing is leased or acknowledged:
 * whoever asks with the same iterator gets the same. Only what is older than everything that is
 * still being stored is shown, so that an iterator never passes a message by. */
#include "api/sent_int.h"

#include "base/json.h"

static const struct sent_form form = {.kind = ID_MESSAGE, .has_times = true, .has_filters = true};

static bool has_item(const char *fields, const char *name, struct slice wanted, bool *is_any)
{
    struct slice list;
    struct slice item;
    *is_any = !json_find(slice_str(fields), name, &list) || json_kind_of(list) != JSON_ARRAY;
    for (size_t offset = 0; !*is_any && json_next_item(list, &offset, &item);)
        if (slice_equal(slice_of(item.data + 1, item.len - 2), wanted)) /* names have no escapes */
            return true;
    return false;
}

/* As fan-out goes by them (model/directory.h): fields are the endpoint's. */
static bool is_for(const char *fields, const struct published_row *row)
{
    bool is_any;
    struct slice item;
    if (!has_item(fields, "eventTypes", slice_str(row->type), &is_any) && !is_any)
        return false;
    (void)has_item(fields, "channels", slice_of("", 0), &is_any);
    if (is_any)
        return true;
    const struct slice channels = slice_str(row->what.channels ? row->what.channels : "[]");
    for (size_t offset = 0; json_next_item(channels, &offset, &item);)
        if (has_item(fields, "channels", slice_of(item.data + 1, item.len - 2), &is_any))
            return true;
    return false;
}

static void list(struct call *call)
{
    struct sent_call *sent = call->sent;
    struct store_list_query *query = &sent->query;
    /* The iterator is what was shown last. */
    if (query->before > query->after)
        query->after = query->before;
    query->before = call->api->hooks.published_before(call->api->hooks.ctx);
    query->is_backward = true;
    call->list_published =
        (struct store_list_published){.filter = sent_filter(call), .query = *query};
    call_read(call, STORE_LIST_PUBLISHED);
}

void api_poll_messages(struct call *call)
{
    if (!sent_begin(call, &form))
        return;
    if (call->sent->query.is_backward)
        call_refuse(call, 422, "iterator", "a poller only goes on: there is no page before");
    else
        sent_find_endpoint(call, call->id, list);
}

void api_write_poll(const struct call *call, struct document *out)
{
    const struct store_list_published *list = &call->list_published;
    const char *fields = call->sent->endpoint_fields;
    /* At the end nothing is left before query.before. */
    const uint64_t last = list->is_end ? list->query.before - 1 : list->last;
    document_open(out, '{');
    document_key(out, "data");
    document_open(out, '[');
    for (size_t i = 0; i < list->row_count; i++) {
        if (!is_for(fields, &list->rows[i]))
            continue;
        document_open(out, '{');
        show_message(&list->rows[i], out);
        document_close(out, '}');
    }
    document_close(out, ']');
    show_id(out, "iterator", ID_MESSAGE, published_message(id_event_of(last)));
    document_key(out, "done");
    document_bool(out, list->is_end);
    document_close(out, '}');
}
