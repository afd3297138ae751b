/* SPDX-License-Identifier: MIT */
/* What a source answers to the handshake of CloudEvents (model/handshake.h): the option says whom
 * it consents to. No Lua runs. */
#include "script/bind_int.h"

#include <inttypes.h>
#include <stdio.h>

#define STATUS_CONSENT 200
#define STATUS_LATER 202 /* nobody agreed yet; the callback may be called */
#define STATUS_NOTHING 204
#define STATUS_FORBIDDEN 403
#define RATE_BYTES 16

static enum status add(struct admit_answer *answer, const char *name, struct slice value)
{
    return head_add(&answer->head, slice_str(name), value);
}

/* The origin as it was sent; the source's own rate, whatever was asked. */
static enum status add_consent(struct admit_answer *answer, const struct handshake_spec *spec,
                               struct slice origin)
{
    char rate[RATE_BYTES] = "*";
    if (spec->rate_per_min > 0)
        (void)snprintf(rate, sizeof rate, "%" PRIu32, spec->rate_per_min);
    const enum status status =
        add(answer, HANDSHAKE_ALLOWED_ORIGIN, spec->allows_any ? slice_str("*") : origin);
    return status == OK ? add(answer, HANDSHAKE_ALLOWED_RATE, slice_str(rate)) : status;
}

static enum status add_words(struct admit_answer *answer, const char *words)
{
    enum status status = add(answer, "Content-Type", slice_str("text/plain; charset=utf-8"));
    if (status == OK)
        status = add(answer, "X-Content-Type-Options", slice_str("nosniff"));
    return status == OK ? buf_add_str(&answer->body, words) : status;
}

static enum status fill(struct admit_answer *answer, const struct source_spec *source,
                        const struct handshake_request *asked, const char *fault)
{
    const enum status status = add(answer, "Allow", slice_str(source->methods));
    if (status != OK)
        return status;
    if (fault) {
        answer->status = 400;
        return add_words(answer, fault);
    }
    if (asked->origin.len == 0) {
        answer->status = STATUS_NOTHING;
        return OK;
    }
    if (handshake_allows(source->handshake, asked->origin)) {
        answer->status = STATUS_CONSENT;
        return add_consent(answer, source->handshake, asked->origin);
    }
    if (asked->callback.len > 0) {
        answer->status = STATUS_LATER;
        return OK;
    }
    answer->status = STATUS_FORBIDDEN;
    return add_words(answer, "this source takes no deliveries of this origin");
}

bool handshake_admit(const struct admit_request *request, admit_cb on_admitted, void *ctx)
{
    const struct source_spec *source = request->source;
    struct handshake_request asked;
    struct slice method;
    struct err err;
    if (!source->handshake || !head_find(request->head, ":method", &method) ||
        !slice_is(method, "OPTIONS"))
        return false;
    const bool is_good = handshake_read(request->head, &asked, &err) == OK;
    if (is_good && asked.origin.len == 0 && source->challenge_function != 0)
        return false; /* another kind of handshake */
    struct admission admission = {.outcome = ADMIT_ANSWERED, .reason = ""};
    admission.answer = admit_answer_create();
    if (!admission.answer ||
        fill(admission.answer, source, &asked, is_good ? NULL : err.text) != OK) {
        admit_answer_free(admission.answer);
        admission =
            (struct admission){.outcome = ADMIT_ERROR, .reason = "no memory for the answer"};
    } else if (admission.answer->status == STATUS_LATER) {
        admission.asked = &asked;
    }
    on_admitted(&admission, ctx);
    return true;
}
