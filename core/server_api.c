/* SPDX-License-Identifier: MIT */
/* The admin listener: opened with the settings, and what it asks the server for that no file of its
 * own answers. */
#include "server_int.h"

#include "base/log.h"

#include <stdio.h>

#define ALIVE_MS 2000 /* /healthz says "stuck" after that */
#define PATH_BYTES 4096

static void api_reload(api_reloaded_cb on_reloaded, void *reloaded_ctx, void *ctx)
{
    struct server *server = ctx;
    if (server->state == SERVER_SERVING) {
        server_reload(server, on_reloaded, reloaded_ctx);
        return;
    }
    on_reloaded(&(struct api_reload_result){.status = E_BUSY,
                                            .detail = "the server is starting or draining"},
                reloaded_ctx);
}

static bool api_is_serving(const char **why, void *ctx)
{
    struct server *server = ctx;
    *why = server->state == SERVER_STARTING ? "starting" : "draining";
    if (server->state != SERVER_SERVING)
        return false;
    *why = "stuck";
    if (server_find_stuck(server, ALIVE_MS) != server->worker_count)
        return false;
    struct store_health health;
    store_health(server->store, &health);
    *why = "unwritable";
    return health.is_writable;
}

static void api_status(struct api_status *status, void *ctx)
{
    const struct server *server = ctx;
    *status =
        (struct api_status){.workers = server->worker_count, .started_ms = server->started_ms};
    if (!server->generation) /* the first one is being loaded */
        return;
    const struct registry *registry = generation_registry(server->generation);
    status->generation = registry->generation;
    status->source_count = registry->source_count;
    status->endpoint_count = registry->endpoint_count;
    status->subscription_count = registry->subscription_count;
}

static enum status api_write_metrics(struct buf *out, void *ctx)
{
    return server_write_metrics(ctx, out);
}

static bool api_stop(int64_t *drain_ms, void *ctx)
{
    struct server *server = ctx;
    if (server->state != SERVER_SERVING)
        return false;
    if (*drain_ms >= 0)
        server->config.drain_ms = *drain_ms;
    *drain_ms = server->config.drain_ms;
    log_info("draining", "by=api limit=%lldms", (long long)*drain_ms);
    server_drain(server);
    return true;
}

enum status server_api_open(struct server *server, struct err *err)
{
    int fd = -1;
    int unix_fd = -1;
    char path[PATH_BYTES];
    (void)snprintf(path, sizeof path, "%s/anzol.sock", server->config.state_dir);
    enum status status = http_listen_tcp(server->config.admin_listen, false, &fd, err);
    if (status == OK)
        status = http_listen_unix(path, &unix_fd, err);
    if (status != OK)
        return status;
    http_socket_name(fd, server->admin, sizeof server->admin);
    return api_open(&(struct api_options){.loop = &server->loop,
                                          .store = server->store,
                                          .directory = server->directory,
                                          .fd = fd,
                                          .unix_fd = unix_fd,
                                          .token = server->config.admin_token,
                                          .dev = server->config.dev,
                                          .hosts = server->config.admin_hosts,
                                          .host_count = server->config.admin_host_count,
                                          .endpoints_max = server->config.application_endpoints,
                                          .proxies = server->proxies,
                                          .proxy_count = server->config.trusted_proxy_count,
                                          .url = server->config.admin_url,
                                          .frame_origins = server->config.frame_origins,
                                          .frame_origin_count = server->config.frame_origin_count,
                                          .version = ANZOL_VERSION,
                                          .hooks = {.reload = api_reload,
                                                    .is_serving = api_is_serving,
                                                    .status = api_status,
                                                    .stop = api_stop,
                                                    .write_metrics = api_write_metrics,
                                                    .change = server_change,
                                                    .request = server_request,
                                                    .task = server_task,
                                                    .registry = server_registry,
                                                    .files = server_files,
                                                    .loads = server_loads,
                                                    .publish = server_publish,
                                                    .published_before = server_published_before,
                                                    .run_routine = server_run_routine,
                                                    .change_endpoint = server_change_endpoint,
                                                    .registered = server_registered,
                                                    .telling = server_telling,
                                                    .check_url = server_check_url,
                                                    .script_endpoint = server_script_endpoint,
                                                    .pace = server_endpoint_pace,
                                                    .unproven = server_unproven,
                                                    .erase = server_erase,
                                                    .secrets = server_show_secrets,
                                                    .rotate = server_rotate,
                                                    .ctx = server}},
                    &server->api, err);
}
