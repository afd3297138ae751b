/* SPDX-License-Identifier: MIT */
/* GET /api/v1/endpoint: every endpoint that ever was, with what is still to be sent to it. One that
 * the scripts no longer register keeps its queue, paused. */
#include "api/api_int.h"

static const char *const state_names[] = {
    [ENDPOINT_ENABLED] = "enabled",
    [ENDPOINT_DISABLED] = "disabled",
    [ENDPOINT_PAUSED] = "paused",
};

static void write_pace(struct document *out, const struct api_pace *pace)
{
    document_key(out, "breaker");
    document_str(out, pace->breaker);
    document_key(out, "pausedUntil");
    document_instant(out, pace->paused_until_ms);
    document_key(out, "slowedPerHour");
    if (pace->slowed_per_hour > 0)
        document_number(out, pace->slowed_per_hour);
    else
        document_null(out);
}

void api_list_endpoints(struct call *call)
{
    call_read(call, STORE_LIST_ENDPOINTS);
}

void api_write_endpoints(const struct call *call, struct document *out)
{
    const struct store_list_endpoints *list = &call->list_endpoints;
    const struct api_hooks *hooks = &call->api->hooks;
    document_open(out, '{');
    document_key(out, "data");
    document_open(out, '[');
    for (size_t i = 0; i < list->row_count; i++) {
        const struct endpoint_row *row = &list->rows[i];
        struct api_pace pace = {.breaker = "closed"};
        (void)hooks->pace(row->id, &pace, hooks->ctx);
        document_open(out, '{');
        show_id(out, "id", ID_ENDPOINT, row->id);
        document_key(out, "name");
        document_str(out, row->name);
        document_key(out, "isRegistered");
        document_bool(out, hooks->has_endpoint(row->name, hooks->ctx));
        document_key(out, "state");
        document_str(out, state_names[row->state]);
        document_key(out, "reason");
        document_str(out, row->reason);
        write_pace(out, &pace);
        document_key(out, "pending");
        document_number(out, (int64_t)row->pending_count);
        document_key(out, "pendingIsLeast"); /* there may be more: counting ends somewhere */
        document_bool(out, row->pending_count >= LIMIT_PENDING_COUNTED);
        document_close(out, '}');
    }
    document_close(out, ']');
    document_close(out, '}');
}
