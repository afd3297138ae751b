/* SPDX-License-Identifier: MIT */
/* GET /api/v1/status: what runs here. */
#include "api/api_int.h"

static void write_count(struct document *out, const char *name, uint64_t count)
{
    document_key(out, name);
    document_number(out, (int64_t)count);
}

static void write_store(struct document *out, struct store *store)
{
    struct store_health health;
    store_health(store, &health);
    document_key(out, "store");
    document_open(out, '{');
    document_key(out, "isWritable");
    document_bool(out, health.is_writable);
    write_count(out, "commits", health.commits);
    write_count(out, "operations", health.operations);
    write_count(out, "queued", health.queued);
    document_key(out, "lastSyncUs");
    document_number(out, health.last_sync_us);
    document_close(out, '}');
}

static void write_secrets(struct document *out, const struct api *api)
{
    struct api_secrets secrets;
    api->hooks.secrets(&secrets, api->hooks.ctx);
    document_key(out, "secrets");
    document_open(out, '{');
    document_key(out, "isSealed");
    document_bool(out, secrets.key_count > 0);
    document_key(out, "key");
    document_str(out, secrets.key_count > 0 ? secrets.keys[0] : NULL);
    document_close(out, '}');
}

void api_show_status(struct call *call)
{
    const struct api *api = call->api;
    const char *why = "starting";
    struct api_status status = {0};
    api->hooks.status(&status, api->hooks.ctx);
    struct document out;
    document_init(&out, SMALL_ANSWER_BYTES_MAX);
    document_open(&out, '{');
    document_key(&out, "status");
    document_str(&out, api->hooks.is_serving(&why, api->hooks.ctx) ? "ok" : why);
    document_key(&out, "version");
    document_str(&out, api->version);
    document_key(&out, "startedAt");
    document_instant(&out, status.started_ms);
    write_count(&out, "generation", status.generation);
    write_count(&out, "workers", status.workers);
    write_count(&out, "sources", status.source_count);
    write_count(&out, "endpoints", status.endpoint_count);
    write_count(&out, "subscriptions", status.subscription_count);
    write_store(&out, api->store);
    write_secrets(&out, api);
    document_close(&out, '}');
    call_answer(call, 200, &out);
}
