/* SPDX-License-Identifier: MIT */
/* POST /api/v1/script/reload: answers when the new generation serves or was refused. */
#include "api/api_int.h"

static void write_findings(struct document *out, const struct api_reload_result *result)
{
    document_key(out, "findings");
    document_open(out, '[');
    for (size_t i = 0; i < result->finding_count; i++) {
        const struct api_finding *finding = &result->findings[i];
        document_open(out, '{');
        document_key(out, "level");
        document_str(out, finding->is_warning ? "warning" : "error");
        document_key(out, "file");
        document_str(out, finding->file);
        document_key(out, "line");
        document_number(out, finding->line);
        document_key(out, "phase");
        document_str(out, finding->phase);
        document_key(out, "message");
        document_str(out, finding->message);
        document_key(out, "hint");
        document_str(out, finding->hint);
        document_close(out, '}');
    }
    document_close(out, ']');
}

struct reload_answer {
    enum status status;
    int http_status;
    const char *code;
};

/* The first row is what every other status means. */
static const struct reload_answer answers[] = {
    {E_IO, 500, "reload_failed"},
    {E_INVALID, 422, "refused"},
    {E_BUSY, 409, "reload_under_way"},
    {E_CANCELLED, 503, "stopping"},
};

static const struct reload_answer *find_answer(enum status status)
{
    for (size_t i = 0; i < array_count(answers); i++)
        if (answers[i].status == status)
            return &answers[i];
    return &answers[0];
}

static void on_reloaded(const struct api_reload_result *result, void *ctx)
{
    struct call *call = ctx;
    if (!call_end_wait(call))
        return;
    const struct reload_answer *answer = find_answer(result->status);
    const bool is_done = result->status == OK;
    struct document out;
    document_init(&out, LIMIT_API_ANSWER_BYTES);
    document_open(&out, '{');
    if (!is_done) {
        document_key(&out, "code");
        document_str(&out, answer->code);
        document_key(&out, "detail");
        document_str(&out, result->detail);
    }
    document_key(&out, "generation");
    document_number(&out, (int64_t)result->generation);
    write_findings(&out, result);
    document_close(&out, '}');
    call_answer(call, is_done ? 200 : answer->http_status, &out);
}

void api_start_reload(struct call *call)
{
    struct api *api = call->api;
    call_begin_wait(call);
    api->hooks.reload(on_reloaded, call, api->hooks.ctx);
}
