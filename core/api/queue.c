/* SPDX-License-Identifier: MIT */
/* GET /api/v1/queue: the endpoints of kind "long_poll", what lies in them and who waits for it. Of
 * one that the scripts no longer have the path is null: what lies there stays. */
#include "api/declared_int.h"

#include "base/id.h"

void api_list_queues(struct call *call)
{
    call->list_endpoints.query = store_all_endpoints();
    call_read(call, STORE_LIST_ENDPOINTS);
}

/* endpoint: NULL: the scripts no longer have it. */
static void write_queue(struct document *out, const struct endpoint_row *row,
                        const struct endpoint_spec *endpoint)
{
    const size_t leased =
        row->leased_count < row->pending_count ? row->leased_count : row->pending_count;
    document_open(out, '{');
    document_key(out, "name");
    document_str(out, row->name);
    document_key(out, "isRegistered");
    document_bool(out, endpoint != NULL);
    document_key(out, "path");
    document_str(out, endpoint ? endpoint->queue->path : NULL);
    document_key(out, "state");
    document_str(out, endpoint_state_name(row->state));
    document_key(out, "reason");
    document_str(out, row->reason);
    document_key(out, "waiting"); /* messages that no receiver has, those for later included */
    document_number(out, (int64_t)(row->pending_count - leased));
    document_key(out, "waitingIsLeast"); /* there may be more: counting ends somewhere */
    document_bool(out, row->pending_count >= LIMIT_PENDING_COUNTED);
    document_key(out, "leased");
    document_number(out, (int64_t)leased);
    document_key(out, "oldestAt"); /* of both */
    document_due(out, row->oldest ? id_row_ms(row->oldest) : 0);
    document_key(out, "receivers");
    document_number(out, endpoint ? atomic_load(&endpoint->gate->receivers) : 0);
    document_close(out, '}');
}

void api_write_queues(const struct call *call, struct document *out)
{
    const struct store_list_endpoints *list = &call->list_endpoints;
    show_list_open(out);
    for (size_t i = 0; i < list->row_count; i++) {
        const struct endpoint_row *row = &list->rows[i];
        const struct endpoint_spec *endpoint = declared_endpoint(call, row->name);
        if (endpoint ? endpoint->queue != NULL : row->is_queue)
            write_queue(out, row, endpoint);
    }
    show_list_close(out);
}
