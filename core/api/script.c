/* SPDX-License-Identifier: MIT */
/* GET /api/v1/script: the generation that serves, what its files registered, and how the last loads
 * ended. */
#include "api/api_int.h"

static void write_number(struct document *out, const char *name, uint64_t number)
{
    document_key(out, name);
    document_number(out, (int64_t)number);
}

static void write_files(struct document *out, const struct api_hooks *hooks)
{
    size_t count = 0;
    const char *const *files = hooks->files(&count, hooks->ctx);
    document_key(out, "files");
    document_open(out, '[');
    for (size_t i = 0; i < count; i++)
        document_str(out, files[i]);
    document_close(out, ']');
}

static void write_loads(struct document *out, const struct api_hooks *hooks)
{
    size_t count = 0;
    const struct api_load *loads = hooks->loads(&count, hooks->ctx);
    document_key(out, "loads");
    document_open(out, '[');
    for (size_t i = 0; i < count; i++) {
        document_open(out, '{');
        write_number(out, "number", loads[i].number);
        document_key(out, "endedAt");
        document_instant(out, loads[i].ended_ms);
        document_key(out, "outcome");
        document_str(out, loads[i].is_refused ? "refused" : "served");
        document_key(out, "detail");
        document_str(out, loads[i].is_refused ? loads[i].detail : NULL);
        document_close(out, '}');
    }
    document_close(out, ']');
}

void api_show_script(struct call *call)
{
    const struct api_hooks *hooks = &call->api->hooks;
    const struct registry *registry = hooks->registry(hooks->ctx);
    struct document out;
    document_init(&out, LIMIT_API_ANSWER_BYTES);
    document_open(&out, '{');
    write_number(&out, "generation", registry ? registry->generation : 0);
    write_number(&out, "sources", registry ? registry->source_count : 0);
    write_number(&out, "endpoints", registry ? registry->endpoint_count : 0);
    write_number(&out, "subscriptions", registry ? registry->subscription_count : 0);
    write_number(&out, "routines", registry ? registry->routine_count : 0);
    write_files(&out, hooks);
    write_loads(&out, hooks);
    document_close(&out, '}');
    call_answer(call, 200, &out);
}
