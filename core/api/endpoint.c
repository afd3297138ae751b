/* SPDX-License-Identifier: MIT */
/* GET /api/v1/endpoint: every endpoint that there is, with what is still to be sent to it. One that
 * the scripts no longer register keeps its queue, paused; one that an application registered and
 * that has yet to prove that it wants webhooks is "unverified". POST /api/v1/endpoint/{name}/pause,
 * /resume, /disable, /enable: its state, answered when its owner goes by it. */
#include "api/declared_int.h"

const char *endpoint_state_name(enum endpoint_state state)
{
    static const char *const names[] = {
        [ENDPOINT_ENABLED] = "enabled",
        [ENDPOINT_DISABLED] = "disabled",
        [ENDPOINT_PAUSED] = "paused",
    };
    return names[state];
}

/* One that has yet to prove that it wants webhooks is sent to as if it were paused. */
static const char *shown_state(enum endpoint_state state, bool is_unproven)
{
    return state == ENDPOINT_ENABLED && is_unproven ? "unverified" : endpoint_state_name(state);
}

static void write_state(struct document *out, const struct endpoint_row *row,
                        const struct api_hooks *hooks)
{
    struct api_unproven unproven;
    const bool is_unproven = hooks->unproven(row->id, &unproven, hooks->ctx);
    document_key(out, "state");
    document_str(out, shown_state(row->state, is_unproven));
    document_key(out, "reason");
    document_str(out, is_unproven && !row->reason ? unproven.reason : row->reason);
}

static void write_pace(struct document *out, const struct api_pace *pace)
{
    document_key(out, "breaker");
    document_str(out, pace->breaker);
    document_key(out, "pausedUntil");
    document_due(out, pace->paused_until_ms);
    document_key(out, "slowedPerHour");
    if (pace->slowed_per_hour > 0)
        document_number(out, pace->slowed_per_hour);
    else
        document_null(out);
}

/* Who registered it and what they call it; nulls: a script has it, or they gave no names. */
static void write_owner(struct document *out, struct directory *directory, uint64_t endpoint)
{
    char application_uid[LIMIT_UID_BYTES + 1] = "";
    struct registry *one = directory_get(directory, endpoint);
    const struct membership *membership = one ? one->endpoints[0].membership : NULL;
    if (membership)
        (void)directory_application_uid(directory, membership->application, application_uid);
    show_id(out, "application", ID_APPLICATION, membership ? membership->application : 0);
    document_key(out, "applicationUid");
    document_str(out, application_uid[0] ? application_uid : NULL);
    document_key(out, "uid");
    document_str(out, membership ? membership->uid : NULL);
    registry_unref(one);
}

void api_list_endpoints(struct call *call)
{
    static const struct list_form form = {.kind = ID_ENDPOINT};
    if (paging_parse(call, &form, &call->list_endpoints.query))
        call_read(call, STORE_LIST_ENDPOINTS);
}

void api_write_endpoints(const struct call *call, struct document *out)
{
    const struct store_list_endpoints *list = &call->list_endpoints;
    const struct api_hooks *hooks = &call->api->hooks;
    struct page_end end = {.kind = ID_ENDPOINT, .reached = list->last, .is_end = list->is_end};
    show_list_open(out);
    for (size_t i = 0; i < list->row_count; i++) {
        const struct endpoint_row *row = &list->rows[paging_row(&list->query, i, list->row_count)];
        end.first = end.first ? end.first : row->id;
        end.last = row->id;
        struct api_pace pace = {.breaker = "closed"};
        (void)hooks->pace(row->id, &pace, hooks->ctx);
        document_open(out, '{');
        show_id(out, "id", ID_ENDPOINT, row->id);
        document_key(out, "name");
        document_str(out, row->name);
        write_owner(out, call->api->directory, row->id);
        document_key(out, "isRegistered");
        document_bool(out, declared_has_endpoint(call, row->name));
        write_state(out, row, hooks);
        document_key(out, "failingSince");
        document_due(out, row->failing_since_ms);
        write_pace(out, &pace);
        document_key(out, "pending");
        document_number(out, (int64_t)row->pending_count);
        document_key(out, "pendingIsLeast"); /* there may be more: counting ends somewhere */
        document_bool(out, row->pending_count >= LIMIT_PENDING_COUNTED);
        document_key(out, "blockingDead"); /* dead letters that their order keys wait for */
        document_number(out, (int64_t)row->blocking_count);
        document_close(out, '}');
    }
    document_close(out, ']');
    paging_close(&list->query, &end, out);
    document_close(out, '}');
}

/* ---- Pause, resume, disable, enable
 * ------------------------------------------------------------------------------ */

static void refuse_state(struct call *call, const struct api_endpoint_change *change)
{
    call_refuse(call, 409, "state",
                change->state == ENDPOINT_DISABLED ? "the endpoint is disabled: enable it first"
                                                   : "the endpoint is paused: resume it first");
}

static void answer_state(struct call *call, const struct api_endpoint_change *change)
{
    struct document out;
    document_init(&out, SMALL_ANSWER_BYTES_MAX);
    document_open(&out, '{');
    document_key(&out, "name");
    document_str(&out, change->name);
    document_key(&out, "state");
    document_str(&out, shown_state(change->state, change->is_unproven));
    document_close(&out, '}');
    call_answer(call, 200, &out);
}

static void on_changed(struct api_endpoint_change *change)
{
    struct call *call = change->ctx;
    if (!call_end_wait(call))
        return;
    if (change->status == OK)
        answer_state(call, change);
    else if (change->status == E_NOTFOUND)
        call_refuse(call, 404, "not_found", "there is no endpoint of this name");
    else if (change->status == E_CONFLICT)
        refuse_state(call, change);
    else if (change->status == E_CANCELLED)
        call_refuse(call, 503, "stopping", "the server is starting or draining; nothing was done");
    else
        call_refuse(call, 500, "store", "the change could not be stored; see the server's log");
}

static void start_change(struct call *call, enum endpoint_verb verb)
{
    const struct text_form reason = {"reason", &call->reason, LIMIT_REASON_BYTES, NULL};
    struct api_endpoint_change *change = &call->endpoint_change;
    if (!paging_parse_texts(call, &reason, 1) || !call_may_write(call))
        return;
    buf_clear(&call->endpoint);
    if (buf_add_slice(&call->endpoint, call->id) != OK) {
        call_refuse(call, 500, "memory", "no memory for the change");
        return;
    }
    *change = (struct api_endpoint_change){
        .name = call->endpoint.data,
        .verb = verb,
        .reason = call->reason.len > 0 ? call->reason.data : NULL,
        .on_done = on_changed,
        .ctx = call,
    };
    call_begin_wait(call);
    call->api->hooks.change_endpoint(change, call->api->hooks.ctx);
}

void api_pause_endpoint(struct call *call)
{
    start_change(call, ENDPOINT_PAUSE);
}

void api_resume_endpoint(struct call *call)
{
    start_change(call, ENDPOINT_RESUME);
}

void api_disable_endpoint(struct call *call)
{
    start_change(call, ENDPOINT_DISABLE);
}

void api_enable_endpoint(struct call *call)
{
    start_change(call, ENDPOINT_ENABLE);
}
