/* SPDX-License-Identifier: MIT */
/* GET /api/v1/source, /api/v1/source/{name}: where events come in, as the scripts that serve say.
 * No secret is among it. */
#include "api/api_int.h"

static void write_text_or_null(struct document *out, const char *name, const char *text)
{
    document_key(out, name);
    document_str(out, text);
}

static const char *verification_of(const struct source_spec *source)
{
    if (source->verify_function)
        return "function";
    return source->verifier && source->verifier->kind != VERIFIER_NONE ? "recipe" : "none";
}

static void write_source(struct document *out, const struct source_spec *source)
{
    document_open(out, '{');
    write_text_or_null(out, "name", source->name);
    write_text_or_null(out, "path", source->path);
    write_text_or_null(out, "methods", source->methods);
    write_text_or_null(out, "publicUrl", source->public_url);
    write_text_or_null(out, "verification", verification_of(source));
    write_text_or_null(out, "type", source->type); /* null: a function says it */
    document_key(out, "status");
    document_number(out, source->status);
    document_key(out, "bodyBytesMax");
    document_number(out, (int64_t)source->body_bytes_max);
    document_key(out, "retentionMs");
    document_number(out, source->retention_ms);
    write_text_or_null(out, "script", source->script);
    document_close(out, '}');
}

/* NULL: refused and answered. */
static const struct registry *registry_of(struct call *call)
{
    const struct registry *registry = call->api->hooks.registry(call->api->hooks.ctx);
    if (!registry)
        call_refuse(call, 503, "starting", "the server is starting; try again");
    return registry;
}

void api_list_sources(struct call *call)
{
    const struct registry *registry = registry_of(call);
    if (!registry)
        return;
    struct document out;
    document_init(&out, LIMIT_API_ANSWER_BYTES);
    document_open(&out, '{');
    document_key(&out, "data");
    document_open(&out, '[');
    for (size_t i = 0; i < registry->source_count; i++)
        write_source(&out, &registry->sources[i]);
    document_close(&out, ']');
    document_close(&out, '}');
    call_answer(call, 200, &out);
}

void api_get_source(struct call *call)
{
    const struct registry *registry = registry_of(call);
    if (!registry)
        return;
    const struct source_spec *source = registry_source(registry, call->id);
    if (!source) {
        call_refuse(call, 404, "not_found", "the scripts that serve have no source of this name");
        return;
    }
    struct document out;
    document_init(&out, SMALL_ANSWER_BYTES_MAX);
    write_source(&out, source);
    call_answer(call, 200, &out);
}
