/* SPDX-License-Identifier: MIT */
/* A reload: the loader thread builds a state per worker from one snapshot of the files; each worker
 * takes its state and runs what it does first (anzol.init); the store gives every endpoint its
 * number and state; then all workers swap. What fails on the way leaves everything as it was. */
#include "server_int.h"

#include "base/clock.h"
#include "base/crash.h"
#include "base/limits.h"
#include "base/log.h"
#include "base/memory.h"
#include "signature/signature.h"

#include <stdio.h>
#include <stdlib.h>

#define FILE_BYTES 512 /* of a name, in the log */

/* Libuv worker thread. */
static void load(uv_work_t *work)
{
    struct reload *reload = container_of(work, struct reload, work);
    reload->status =
        generation_load(&reload->options, &reload->generation, &reload->findings, &reload->err);
}

static struct api_finding *list_findings(const struct findings *findings)
{
    struct api_finding *list = must_alloc((findings->count + 1) * sizeof *list);
    for (size_t i = 0; i < findings->count; i++) {
        const struct finding *row = &findings->rows[i];
        list[i] = (struct api_finding){
            .is_warning = row->level == FINDING_WARNING,
            .file = row->file,
            .line = row->line,
            .phase = row->phase,
            .message = row->message,
            .hint = row->hint,
        };
    }
    return list;
}

/* Whoever is served must not be turned away because a folder is empty for a moment. */
static bool has_registered(const struct server *server)
{
    if (!server->generation)
        return false;
    const struct registry *registry = generation_registry(server->generation);
    return registry->source_count + registry->endpoint_count + registry->subscription_count +
               registry->routine_count >
           0;
}

/* 0: none serves yet. */
static uint64_t serving_number(const struct server *server)
{
    return server->generation ? generation_registry(server->generation)->generation : 0;
}

static void log_finding(const struct finding *row)
{
    const enum log_level level = row->level == FINDING_ERROR ? LOG_ERROR : LOG_WARN;
    char at[FILE_BYTES + 16];
    (void)snprintf(at, sizeof at, row->line > 0 ? "%.*s:%d" : "%.*s", FILE_BYTES,
                   row->file[0] ? row->file : "-", row->line);
    if (row->hint)
        log_write(level, "finding", "at=%s phase=%s message=\"%s\" hint=\"%s\"", at, row->phase,
                  row->message, row->hint);
    else
        log_write(level, "finding", "at=%s phase=%s message=\"%s\"", at, row->phase, row->message);
}

static void log_findings(const struct findings *findings, size_t from)
{
    for (size_t i = from; i < findings->count; i++)
        log_finding(&findings->rows[i]);
}

/* Endpoints that the scripts no longer have keep what is still to be sent to them: it is named. */
static void name_removed(struct reload *reload)
{
    const struct registry *registry = generation_registry(reload->generation);
    const size_t from = reload->findings.count;
    for (size_t i = 0; i < reload->endpoints.row_count; i++) {
        const struct endpoint_row *row = &reload->endpoints.rows[i];
        char message[LIMIT_NAME_BYTES + 80];
        if (row->pending_count == 0 || row->id >= ID_ENDPOINT_REGISTERED ||
            registry_endpoint(registry, slice_str(row->name)))
            continue;
        (void)snprintf(message, sizeof message, "%zu%s deliver%s pending for removed endpoint '%s'",
                       row->pending_count,
                       row->pending_count >= LIMIT_PENDING_COUNTED ? " or more" : "",
                       row->pending_count == 1 ? "y" : "ies", row->name);
        findings_warn(&reload->findings, message,
                      "they are paused: register the endpoint again and they flow");
    }
    log_findings(&reload->findings, from);
}

static void note_load(const struct reload *reload)
{
    struct server *server = reload->server;
    const bool is_refused = reload->status != OK;
    if (server->load_count < LIMIT_LOADS_KEPT)
        server->load_count++;
    memmove(&server->loads[1], &server->loads[0],
            (server->load_count - 1) * sizeof server->loads[0]);
    struct api_load *load = &server->loads[0];
    *load = (struct api_load){
        .number = reload->options.number, .ended_ms = clock_now_ms(), .is_refused = is_refused};
    (void)snprintf(load->detail, sizeof load->detail, "%.*s", API_LOAD_DETAIL_BYTES - 1,
                   is_refused ? reload->err.text : "");
}

const struct registry *server_registry(void *ctx)
{
    const struct server *server = ctx;
    return server->generation ? generation_registry(server->generation) : NULL;
}

const char *const *server_files(size_t *count, void *ctx)
{
    const struct server *server = ctx;
    *count = 0;
    return server->generation ? generation_files(server->generation, count) : NULL;
}

const struct api_load *server_loads(size_t *count, void *ctx)
{
    const struct server *server = ctx;
    *count = server->load_count;
    return server->loads;
}

static void finish(struct reload *reload)
{
    struct server *server = reload->server;
    reload->is_over = true;
    if (reload->is_listing)
        return;
    if (reload->status == OK)
        name_removed(reload);
    store_read_finish(&reload->endpoints.read);
    buf_finish(&reload->websub);
    server->reload = NULL;
    server->is_last_reload_good = reload->status == OK;
    note_load(reload);
    if (reload->status == OK)
        server->reloaded_ms = clock_now_ms();
    metric_count(server->shared, "reloads_total", "outcome",
                 reload->status == OK ? "served" : "refused");
    if (reload->on_reloaded) {
        struct api_finding *list = list_findings(&reload->findings);
        const struct api_reload_result result = {
            .status = reload->status,
            .generation = serving_number(server),
            .detail = reload->status == OK ? "" : reload->err.text,
            .findings = list,
            .finding_count = reload->findings.count,
        };
        reload->on_reloaded(&result, reload->ctx);
        free(list);
    }
    memory_trim();
    findings_finish(&reload->findings);
    free(reload->standings);
    free(reload->operations);
    free(reload);
    if (server->is_reload_wanted && server->state == SERVER_SERVING) {
        server->is_reload_wanted = false;
        server_reload(server, NULL, NULL);
    }
    server_end_if_quiet(server);
}

static void on_listed(struct store_read *read)
{
    struct reload *reload = read->ctx;
    if (read->status != OK)
        log_warn("pending deliveries not counted", "error=\"%s\"", read->err.text);
    reload->is_listing = false;
    if (reload->is_over)
        finish(reload);
}

/* While the scripts are loaded. */
static void list_endpoints(struct reload *reload)
{
    reload->endpoints = (struct store_list_endpoints){
        .read = {.kind = STORE_LIST_ENDPOINTS, .on_done = on_listed, .ctx = reload},
        .query = store_all_endpoints(),
    };
    reload->is_listing =
        store_read(reload->server->store, reload->server->client, &reload->endpoints.read) == OK;
    if (!reload->is_listing)
        log_warn("pending deliveries not counted", "error=\"%s\"", "too many reads are under way");
}

static void on_told(struct store_op *op)
{
    struct reload *reload = op->ctx;
    struct server *server = reload->server;
    struct event *event = reload->told.event;
    if (op->status == OK)
        worker_hint(server->workers[id_shard(event->id) % server->worker_count]);
    else
        log_warn("refusal not told", "status=%s", status_name(op->status));
    event_unref(event);
    finish(reload);
}

/* True: the reload ends when its event is stored. */
static bool tell_refusal(struct reload *reload)
{
    struct server *server = reload->server;
    struct event *event =
        server->state == SERVER_SERVING ? server_refusal_event(server, reload) : NULL;
    if (!event)
        return false;
    event->id = store_next_event_id(server->store, (uint8_t)reload->options.number);
    reload->told = (struct store_ingest){
        .op = {.kind = STORE_INGEST, .on_done = on_told, .ctx = reload}, .event = event};
    if (store_submit(server->store, server->client, &reload->told.op) == OK)
        return true;
    event_unref(event);
    return false;
}

static void refuse(struct reload *reload)
{
    log_error("reload refused", "reason=\"%s\" serving_generation=%llu", reload->err.text,
              (unsigned long long)serving_number(reload->server));
    server_watch_update(reload->server);
    for (unsigned i = 0; reload->is_prepared && i < reload->server->worker_count; i++)
        worker_abandon(reload->server->workers[i]);
    if (reload->generation)
        generation_unref(reload->generation);
    if (!tell_refusal(reload))
        finish(reload);
}

static void swap(struct reload *reload)
{
    struct server *server = reload->server;
    if (server->state == SERVER_DRAINING) {
        reload->status = err_set(&reload->err, E_CANCELLED, "the server is stopping");
        refuse(reload);
        return;
    }
    crash_point("reload_swap");
    if (server->generation)
        generation_unref(server->generation);
    server->generation = reload->generation;
    server_watch_update(server);
    for (unsigned i = 0; i < server->worker_count; i++)
        worker_adopt(server->workers[i], server->generation, reload->standings);
}

struct gate *server_gate(struct server *server, uint64_t endpoint)
{
    struct gate *gate = map_get(&server->gates, endpoint);
    if (!gate) {
        gate = gate_create();
        check(map_put(&server->gates, endpoint, gate) == OK);
    }
    return gate;
}

static void on_endpoint(struct store_op *op)
{
    struct reload *reload = op->ctx;
    struct store_endpoint *operation = container_of(op, struct store_endpoint, op);
    struct server *server = reload->server;
    const size_t index = (size_t)(operation - reload->operations);
    free((char *)(uintptr_t)operation->url);
    operation->url = NULL;
    if (op->status == OK) {
        struct endpoint_spec *spec = &generation_registry(reload->generation)->endpoints[index];
        spec->id = operation->id;
        spec->gate = server_gate(server, operation->id);
        if (operation->released_count > 0) {
            log_info("order keys released", "endpoint=%s count=%zu reason=\"on_dead is skip\"",
                     operation->name, operation->released_count);
            worker_endpoint_due(server->workers[0], operation->id);
        }
        reload->standings[index] =
            (struct endpoint_standing){.state = operation->state,
                                       .failing_since_ms = operation->failing_since_ms,
                                       .turn = operation->turn};
    } else {
        reload->status =
            err_set(&reload->err, op->status,
                    "endpoint \"%s\" could not be stored: the disk may be full", operation->name);
    }
    if (--reload->pending > 0)
        return;
    reload->pending = server->worker_count;
    if (reload->status == OK)
        swap(reload);
    else
        refuse(reload);
}

/* As the store keeps it, to know it from another: of one that is a secret a digest alone. */
static char *stored_url(const struct endpoint_spec *endpoint)
{
    unsigned char digest[DIGEST_BYTES_MAX];
    struct buf text;
    if (!endpoint->is_url_secret)
        return must_copy(endpoint->url, strlen(endpoint->url));
    buf_init(&text, 3 * DIGEST_BYTES_MAX);
    const size_t len = hash(DIGEST_SHA256, slice_str(endpoint->url), digest);
    check(buf_add_str(&text, "sha256:") == OK &&
          hex_encode(slice_of((const char *)digest, len), &text) == OK);
    return buf_take(&text, NULL);
}

/* Every endpoint gets its row, its number and its state from the store. */
static void register_endpoints(struct reload *reload)
{
    struct server *server = reload->server;
    const struct registry *registry = generation_registry(reload->generation);
    const size_t count = registry->endpoint_count;
    reload->standings = must_alloc((count + 1) * sizeof *reload->standings);
    reload->operations = must_alloc((count + 1) * sizeof *reload->operations);
    if (count == 0) {
        reload->pending = server->worker_count;
        swap(reload);
        return;
    }
    reload->pending = count;
    for (size_t i = 0; i < count; i++) {
        reload->operations[i] = (struct store_endpoint){
            .op = {.kind = STORE_ENDPOINT, .on_done = on_endpoint, .ctx = reload},
            .name = registry->endpoints[i].name,
            .url = stored_url(&registry->endpoints[i]),
            .keep_state = true,
            .unblocks = !registry->endpoints[i].blocks_on_dead,
        };
        /* Without a credit: reloads are one at a time, and so bounded by the endpoints. */
        check(store_submit(server->store, server->client, &reload->operations[i].op) == OK);
    }
}

/* Each worker's own: all have to be ready before one of them serves. */
static void prepare(struct reload *reload)
{
    struct server *server = reload->server;
    reload->pending = server->worker_count;
    reload->is_prepared = true;
    for (unsigned i = 0; i < server->worker_count; i++)
        worker_prepare(server->workers[i], reload->generation);
}

static void fail_init(struct reload *reload, const char *problem)
{
    const size_t from = reload->findings.count;
    reload->status = err_set(&reload->err, E_INVALID, "%.*s", (int)strcspn(problem, "\n"), problem);
    findings_fail(&reload->findings, "init", problem);
    log_findings(&reload->findings, from);
}

void server_reload_prepared(struct server *server, uint64_t number, const char *problem)
{
    struct reload *reload = server->reload;
    check(reload && generation_registry(reload->generation)->generation == number);
    if (problem && reload->status == OK)
        fail_init(reload, problem);
    if (--reload->pending > 0)
        return;
    if (reload->status == OK)
        register_endpoints(reload);
    else
        refuse(reload);
}

static void on_loaded(uv_work_t *work, int status)
{
    struct reload *reload = container_of(work, struct reload, work);
    log_findings(&reload->findings, 0);
    crash_point("reload_loaded");
    if (status != 0 && reload->status == OK)
        reload->status = err_set(&reload->err, E_CANCELLED, "the reload was cancelled");
    if (reload->status == OK)
        prepare(reload);
    else
        refuse(reload);
}

static void start_load(struct reload *reload)
{
    check(uv_queue_work(&reload->server->loop, &reload->work, load, on_loaded) == 0);
}

void server_reload(struct server *server, api_reloaded_cb on_reloaded, void *ctx)
{
    if (server->reload) {
        if (!on_reloaded) {
            server->is_reload_wanted = true;
            return;
        }
        on_reloaded(
            &(struct api_reload_result){.status = E_BUSY, .detail = "another reload is under way"},
            ctx);
        return;
    }
    struct reload *reload = must_alloc(sizeof *reload);
    reload->server = server;
    reload->on_reloaded = on_reloaded;
    reload->ctx = ctx;
    reload->options = (struct generation_options){
        .dir = server->config.dir,
        .scripts = (const char *const *)server->config.scripts,
        .trust = server->config.is_trusted ? TRUST_FULL : TRUST_SANDBOX,
        .c_modules = (const char *const *)server->config.c_modules,
        .timezone = server->config.timezone,
        .worker_count = server->worker_count,
        .number = ++server->generation_number,
        .needs_scripts = has_registered(server),
    };
    server->reload = reload;
    list_endpoints(reload);
    server_websub_read(reload, start_load);
}

void server_reload_adopted(struct server *server, uint64_t number)
{
    struct reload *reload = server->reload;
    if (!reload || generation_registry(reload->generation)->generation != number ||
        --reload->pending > 0)
        return;
    crash_point("reload_adopted");
    const struct registry *registry = generation_registry(server->generation);
    log_info("scripts loaded", "generation=%llu sources=%zu endpoints=%zu subscriptions=%zu",
             (unsigned long long)number, registry->source_count, registry->endpoint_count,
             registry->subscription_count);
    if (server->state == SERVER_STARTING)
        server_registered_open(server);
    for (unsigned i = 0; server->state == SERVER_STARTING && i < server->worker_count; i++)
        worker_open(server->workers[i]);
    finish(reload);
}
