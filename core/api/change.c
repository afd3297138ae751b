/* SPDX-License-Identifier: MIT */
/* POST /api/v1/delivery/{id}/retry, /drop, /cancel and /api/v1/event/{id}/retry, /drop: what is
 * done by hand to one delivery, or to the runs of an event that died. */
#include "api/api_int.h"

#include <stdio.h>

#define DETAIL_BYTES 256

/* What is wanted of the states, for people. */
static const char *const wanted[CHANGE_VERB_COUNT][2] = {
    [CHANGE_RETRY] = {"only one that is dead or cancelled is retried",
                      "none of its runs is dead: there is nothing to retry"},
    [CHANGE_DROP] = {"only one that is dead is dropped (an open one is cancelled)",
                     "none of its runs is dead: there is nothing to drop"},
    [CHANGE_CANCEL] = {"only one that is pending or retrying is cancelled", ""},
};

static const char *const reasons[CHANGE_VERB_COUNT] = {
    [CHANGE_RETRY] = "",
    [CHANGE_DROP] = "dropped by an operator",
    [CHANGE_CANCEL] = "cancelled by an operator",
};

static const char *state_after(const struct change *what)
{
    if (what->verb == CHANGE_RETRY)
        return delivery_state_name(DELIVERY_PENDING);
    return what->kind == ID_EVENT ? run_state_name(RUN_SKIPPED)
                                  : delivery_state_name(DELIVERY_CANCELLED);
}

static void answer(struct call *call, const struct change *what)
{
    struct document out;
    document_init(&out, SMALL_ANSWER_BYTES_MAX);
    document_open(&out, '{');
    show_id(&out, "id", what->kind, what->id);
    document_key(&out, "state");
    document_str(&out, state_after(what));
    document_close(&out, '}');
    call_answer(call, 200, &out);
}

static void refuse_state(struct call *call, const struct change *what)
{
    char detail[DETAIL_BYTES];
    if (what->kind == ID_EVENT)
        (void)snprintf(detail, sizeof detail, "%s", wanted[what->verb][1]);
    else
        (void)snprintf(detail, sizeof detail, "the delivery is %s: %s",
                       delivery_state_name((enum delivery_state)what->state),
                       wanted[what->verb][0]);
    call_refuse(call, 409, "state", detail);
}

static void refuse_all(struct call *call, enum status status)
{
    if (status == E_CANCELLED)
        call_refuse(call, 503, "stopping", "the server is starting or draining; nothing was done");
    else if (status == E_BUSY)
        call_refuse(call, 409, "busy", "the same is being done already; look at it again");
    else
        call_refuse(call, 500, "store", "the change could not be stored; see the server's log");
}

static void on_done(struct api_change *change)
{
    struct call *call = change->ctx;
    if (!call_end_wait(call))
        return;
    if (change->status != OK)
        refuse_all(call, change->status);
    else if (change->what.status == E_NOTFOUND)
        call_refuse(call, 404, "not_found",
                    "there is nothing of this id; it may have been removed after its retention");
    else if (change->what.status == E_CONFLICT)
        refuse_state(call, &change->what);
    else
        answer(call, &change->what);
}

static void start(struct call *call, enum change_verb verb, bool is_event)
{
    const struct text_form texts[] = {
        {"reason", &call->reason, LIMIT_REASON_BYTES, NULL},
        {"subscription", &call->subscription, LIMIT_SUBSCRIPTION_BYTES, NULL},
    };
    struct api_change *change = &call->change;
    *change = (struct api_change){.what = {.verb = verb, .kind = is_event ? ID_EVENT : ID_DELIVERY},
                                  .on_done = on_done,
                                  .ctx = call};
    if (!paging_parse_id(call, is_event ? ID_EVENT : ID_DELIVERY,
                         is_event ? "an event" : "a delivery", &change->what.id) ||
        !paging_parse_texts(call, texts, array_count(texts)) || !call_may_write(call))
        return;
    change->reason = call->reason.len > 0 ? call->reason.data : reasons[verb];
    change->what.subscription = call->subscription.len > 0 ? call->subscription.data : NULL;
    call_begin_wait(call);
    call->api->hooks.change(change, call->api->hooks.ctx);
}

void api_cancel_delivery(struct call *call)
{
    start(call, CHANGE_CANCEL, false);
}

void api_drop_delivery(struct call *call)
{
    start(call, CHANGE_DROP, false);
}

void api_drop_event(struct call *call)
{
    start(call, CHANGE_DROP, true);
}

void api_retry_delivery(struct call *call)
{
    start(call, CHANGE_RETRY, false);
}

void api_retry_event(struct call *call)
{
    start(call, CHANGE_RETRY, true);
}
