/* SPDX-License-Identifier: MIT */
/* GET /api/v1/app/{app}/poller/{endpoint}: what an application published and its endpoint would
 * get, in order, behind an iterator that the client keeps. Nothing is leased or acknowledged:
 * whoever asks with the same iterator gets the same. Only what is older than everything that is
 * still being stored is shown, so that an iterator never passes a message by. */
#include "api/sent_int.h"

static const struct sent_form form = {.kind = ID_MESSAGE, .has_times = true, .has_filters = true};

static bool is_for(const struct endpoint_spec *endpoint, const struct published_row *row)
{
    struct slice channels[LIMIT_CHANNELS_PER_MESSAGE];
    const struct directory_query query = {
        .type = slice_str(row->type),
        .channels = channels,
        .channel_count =
            published_channels(slice_str(row->what.channels ? row->what.channels : ""), channels),
    };
    return directory_is_match(endpoint, &query);
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
    struct registry *one = directory_get(call->api->directory, call->sent->endpoint_id);
    /* At the end nothing is left before query.before. */
    const uint64_t last = list->is_end ? list->query.before - 1 : list->last;
    show_list_open(out);
    for (size_t i = 0; i < list->row_count; i++) {
        if (!one || !is_for(&one->endpoints[0], &list->rows[i])) /* it may be gone by now */
            continue;
        document_open(out, '{');
        show_message(&list->rows[i], out);
        document_close(out, '}');
    }
    document_close(out, ']');
    registry_unref(one);
    show_id(out, "iterator", ID_MESSAGE, published_message(id_event_of(last)));
    document_key(out, "done");
    document_bool(out, list->is_end);
    document_close(out, '}');
}
