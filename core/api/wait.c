/* SPDX-License-Identifier: MIT */
/* GET /api/v1/event?wait=25s&stored_last=ID: a list that is not answered while the event of this id
 * is still the one that was stored last, for at most so long. Whoever follows events asks so again
 * and again, with what the answer before said; events that are stored in between are not missed,
 * since the store compares when it begins to wait. */
#include "api/api_int.h"

#include "base/text.h"

void wait_parse(struct call *call, struct buf *scratch, struct complaints *complaints)
{
    struct list_wait *wait = &call->wait;
    const char *text = complaints_query_get(call, "stored_last", scratch, complaints);
    if (text && !id_parse(ID_EVENT, text, &wait->watch.known))
        complain_of_query(complaints, "stored_last", "not what this list gave as storedLast");
    const bool is_known = text != NULL;
    text = complaints_query_get(call, "wait", scratch, complaints);
    if (text && !text_parse_duration_ms(slice_str(text), &wait->wait_ms))
        complain_of_query(complaints, "wait", "how long to wait: " TEXT_DURATION_FORMS);
    if (wait->wait_ms > LIMIT_API_WAIT_MS)
        wait->wait_ms = LIMIT_API_WAIT_MS;
    if (!is_known)
        wait->wait_ms = 0; /* there may be events that nobody has seen yet */
}

static void read_now(struct call *call, enum store_read_kind kind)
{
    call->wait.last = store_last_event(call->api->store);
    call->wait.settled = store_settled(call->api->store) - 1;
    call_read(call, kind);
}

/* False: nobody is there for the answer; the call is gone. */
static bool end(struct call *call)
{
    timers_stop(&call->api->timers, &call->wait.timer);
    call->wait.is_waiting = false;
    call->api->wait_count--;
    return call_end_wait(call);
}

static void on_stored(struct store_watch *watch)
{
    struct call *call = watch->ctx;
    if (end(call))
        read_now(call, call->read.kind);
}

static void on_time(struct timer *timer)
{
    struct call *call = container_of(timer, struct call, wait.timer);
    if (store_watch_stop(call->api->store, &call->wait.watch) && end(call))
        read_now(call, call->read.kind);
}

void wait_read(struct call *call, enum store_read_kind kind)
{
    struct api *api = call->api;
    struct list_wait *wait = &call->wait;
    if (wait->wait_ms == 0) {
        read_now(call, kind);
        return;
    }
    if (api->wait_count >= LIMIT_API_WAITS) {
        call_refuse_busy(call, "too many wait for events; try again, or ask without wait");
        return;
    }
    call->read.kind = kind;
    wait->is_waiting = true;
    wait->watch.on_stored = on_stored;
    wait->watch.ctx = call;
    wait->timer.on_time = on_time;
    api->wait_count++;
    call_begin_wait(call);
    http_may_wait(call->request);
    timers_start(&api->timers, &wait->timer, wait->wait_ms);
    store_watch_start(api->store, api->client, &wait->watch);
}

void wait_leave(struct call *call)
{
    if (store_watch_stop(call->api->store, &call->wait.watch))
        (void)end(call);
}

void wait_write(const struct call *call, struct document *out)
{
    show_id(out, "storedLast", ID_EVENT, call->wait.last);
    show_id(out, "settled", ID_EVENT,
            call->wait.settled); /* what is not there up to it will be late */
}
