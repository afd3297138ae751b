/* SPDX-License-Identifier: MIT */
/* GET /api/v1/source, /api/v1/source/{name}: where events come in, as the scripts that serve say.
 * No secret is among it. /api/v1/source/{name}/secret: by what the source judges its sender, for a
 * program that is to judge the same requests (`anzol listen`). GET /api/v1/subscription. */
#include "api/declared_int.h"

#include "base/log.h"

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
    document_key(out, "hiddenHeaders"); /* are not kept */
    document_open(out, '[');
    for (size_t i = 0; i < source->hidden_header_count; i++)
        document_str(out, source->hidden_headers[i]);
    document_close(out, ']');
    write_text_or_null(out, "script", source->script);
    document_close(out, '}');
}

static void list(struct call *call,
                 void (*write_rows)(const struct registry *registry, struct document *out))
{
    const struct registry *registry = declared_registry(call);
    if (!registry)
        return;
    struct document out;
    document_init(&out, LIMIT_API_ANSWER_BYTES);
    show_list_open(&out);
    write_rows(registry, &out);
    show_list_close(&out);
    call_answer(call, 200, &out);
}

static void write_sources(const struct registry *registry, struct document *out)
{
    for (size_t i = 0; i < registry->source_count; i++)
        write_source(out, &registry->sources[i]);
}

static void write_subscriptions(const struct registry *registry, struct document *out)
{
    for (size_t i = 0; i < registry->subscription_count; i++) {
        document_open(out, '{');
        document_key(out, "name");
        document_str(out, registry->subscriptions[i].name);
        document_close(out, '}');
    }
}

void api_list_sources(struct call *call)
{
    list(call, write_sources);
}

void api_list_subscriptions(struct call *call)
{
    list(call, write_subscriptions);
}

/* The one that the path names. NULL: refused and answered. */
static const struct source_spec *find(struct call *call)
{
    const struct registry *registry = declared_registry(call);
    const struct source_spec *source =
        registry ? registry_source(registry, call->parts.rows[0]) : NULL;
    if (registry && !source)
        call_refuse(call, 404, "not_found", "the scripts that serve have no source of this name");
    return source;
}

void api_get_source(struct call *call)
{
    const struct source_spec *source = find(call);
    if (!source)
        return;
    struct document out;
    document_init(&out, SMALL_ANSWER_BYTES_MAX);
    write_source(&out, source);
    call_answer(call, 200, &out);
}

/* Keys of pairs are public ones, which judge but are no secret. */
static size_t count_secrets(const struct verifier *verifier)
{
    size_t count = 0;
    for (size_t i = 0; verifier && i < verifier->keys.count; i++)
        count += verifier->keys.keys[i].text.len > 0;
    return count;
}

static void write_secrets(struct document *out, const struct source_spec *source)
{
    const struct key_set *keys = &source->verifier->keys;
    document_open(out, '{');
    document_key(out, "source");
    document_str(out, source->name);
    document_key(out, "secrets"); /* several while one is replaced by another */
    document_open(out, '[');
    for (size_t i = 0; i < keys->count; i++) {
        if (keys->keys[i].text.len == 0)
            continue;
        document_open(out, '{');
        document_bytes(out, "value", keys->keys[i].text);
        document_close(out, '}');
    }
    document_close(out, ']');
    document_close(out, '}');
}

void api_show_secret(struct call *call)
{
    const struct source_spec *source = find(call);
    if (!source)
        return;
    if (count_secrets(source->verifier) == 0) {
        call_refuse(call, 409, "no_secret",
                    "this source judges its sender by a function, a public key or not at all: it "
                    "has no secret to show");
        return;
    }
    log_warn("secret of a source shown", "source=%s by=api", source->name);
    struct document out;
    document_init(&out, SMALL_ANSWER_BYTES_MAX * SIGNATURE_KEYS_MAX);
    write_secrets(&out, source);
    call_answer(call, 200, &out);
}

bool source_restore_token(const struct source_spec *source, struct slice head, struct buf *more)
{
    const struct verifier *verifier = source ? source->verifier : NULL;
    struct slice value;
    if (!verifier || verifier->kind != VERIFIER_RECIPE || verifier->keys.count == 0 ||
        verifier->recipe.algorithm != ALGORITHM_TOKEN ||
        head_find(head, verifier->recipe.names[0].signature, &value))
        return false;
    const struct signer signer = {
        .kind = SIGNER_RECIPE,
        .recipe = verifier->recipe,
        .keys = {.keys = {verifier->keys.keys[0]}, .count = 1},
    };
    return signer_sign(&signer, &(struct sign_input){0}, more) == OK;
}
