/* SPDX-License-Identifier: MIT */
/* An event that was stored without a type, because its source's type or idempotency_key failed, is
 * looked at again: what they say now makes a new event of the same request. */
#include "script/bind_int.h"

#include "base/clock.h"

struct retyped {
    const struct event *untyped;
    struct event *event; /* NULL: not made */
    struct err *err;
};

static void on_classified(const struct admission *admission, void *ctx)
{
    struct retyped *it = ctx;
    const struct event *untyped = it->untyped;
    if (admission->outcome != ADMIT_OK) {
        (void)err_set(it->err, E_INVALID, "%s", admission->reason ? admission->reason : "");
        return;
    }
    struct trace trace = untyped->trace;
    trace_continue(&trace);
    struct content *content = content_ref(untyped->content);
    it->event = event_create(&(struct event_options){
        .source = untyped->source,
        .type = admission->type,
        .key = admission->key,
        .content = content,
        .parent = untyped->id,
        .depth = untyped->depth + 1,
        .trace = trace,
        .received_ms = clock_now_ms(),
    });
    if (it->event)
        return;
    content_unref(content);
    (void)err_set(it->err, E_NOMEM, "out of memory");
}

struct event *script_retype(struct script *script, const struct event *untyped, struct err *err)
{
    const struct source_spec *source = registry_source(script_registry(script), untyped->source);
    struct retyped it = {.untyped = untyped, .err = err};
    if (!source) {
        (void)err_set(err, E_NOTFOUND, "its source is no longer in the scripts");
        return NULL;
    }
    /* Neither waits: it is over when this returns. */
    request_classify(script,
                     &(struct admit_request){.source = source,
                                             .head = content_head(untyped->content),
                                             .body = content_body(untyped->content),
                                             .received_ms = untyped->received_ms,
                                             .is_method_listed = true},
                     NULL, on_classified, &it);
    return it.event;
}
