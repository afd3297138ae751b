/* SPDX-License-Identifier: MIT */
/* POST /api/v1/stop: begins a drain, which ends the server; answered at once. */
#include "api/api_int.h"

#include "base/text.h"

#define DRAIN_BYTES_MAX 32
#define DRAIN_MS_MAX (24 * 60 * 60 * INT64_C(1000))

static bool parse_drain(const char *text, int64_t *ms)
{
    return text_parse_duration_ms(slice_str(text), ms) && *ms <= DRAIN_MS_MAX;
}

static const char *judge_drain(const char *text)
{
    int64_t ms;
    return parse_drain(text, &ms) ? NULL : "a duration of at most a day is wanted: 250ms, 5s, 10m";
}

void api_stop(struct call *call)
{
    int64_t drain_ms = -1;
    const struct text_form form = {"drain", &call->drain, DRAIN_BYTES_MAX, judge_drain};
    if (!paging_parse_texts(call, &form, 1))
        return;
    if (call->drain.len > 0)
        check(parse_drain(call->drain.data, &drain_ms));
    if (!call->api->hooks.stop(&drain_ms, call->api->hooks.ctx)) {
        call_refuse(call, 409, "stopping", "the server is starting or draining already");
        return;
    }
    struct document out;
    document_init(&out, SMALL_ANSWER_BYTES_MAX);
    document_open(&out, '{');
    document_key(&out, "status");
    document_str(&out, "draining");
    document_key(&out, "drainMs");
    document_number(&out, drain_ms);
    document_close(&out, '}');
    call_answer(call, 200, &out);
}
