/* SPDX-License-Identifier: MIT */
#include "api/page_int.h"

#include "base/log.h"

#include <stdlib.h>
#include <unistd.h>

static void on_head(struct http_request *request, void *ctx)
{
    struct door *door = ctx;
    char allow[ALLOW_BYTES];
    http_find_client(request, door->api->proxies, door->api->proxy_count);
    const struct route *route = api_find_route(http_method(request), http_path(request), allow);
    struct visitor visitor = {0};
    if (!route && page_takes(door->api, request))
        return;
    if ((!route || !route->is_public) && !door_admits(door, request, &visitor))
        return;
    if (!route && allow[0]) {
        const struct field header = {slice_str("Allow"), slice_str(allow)};
        api_respond_error(request, 405, "method", "this path knows another method: see Allow",
                          &header);
        return;
    }
    if (!route) {
        api_respond_error(request, 404, "unknown_path",
                          "there is no such resource; the API lies below /api/v1", NULL);
        return;
    }
    struct call *call = call_create(door->api, request, route);
    if (!call) {
        api_respond_error(request, 503, "memory", "no memory; try again", NULL);
        return;
    }
    call->is_unproven = visitor.is_unproven;
    memcpy(call->token.hash, visitor.hash, sizeof call->token.hash);
    http_set_data(request, call);
    http_accept(request,
                route->body == &message_fields ? LIMIT_API_MESSAGE_BYTES : LIMIT_API_BODY_BYTES);
}

/* Whether the call is for what one application has; of a token's, whether it names one at all. What
 * may bring one looks it up itself. */
static bool is_of_application(const struct call *call)
{
    static const char above[] = "/api/v1/app/{app}/";
    static const char itself[] = "/api/v1/app/{";
    const char *path = call->route->path;
    if (call->route->brings)
        return false;
    return strncmp(path, above, sizeof above - 1) == 0 ||
           (call->token.id != 0 && strncmp(path, itself, sizeof itself - 1) == 0);
}

static void go_on(struct call *call)
{
    if (default_application_takes(call))
        return;
    if (is_of_application(call))
        api_enter_application(call);
    else
        call->route->handle(call);
}

static void on_request(struct http_request *request, void *ctx)
{
    (void)ctx;
    struct call *call = http_data(request);
    call_take_path(call);
    if (call->is_unproven)
        door_prove(call, go_on);
    else
        go_on(call);
}

static void on_over(struct http_request *request, void *ctx)
{
    (void)ctx;
    struct call *call = http_data(request);
    if (call)
        call_leave(call);
}

static void on_drained(struct http_request *request, void *ctx)
{
    (void)ctx;
    stream_on_drained(http_data(request));
}

static const struct http_handler handler = {
    .on_head = on_head, .on_request = on_request, .on_over = on_over, .on_drained = on_drained};

static bool is_loopback(const char *name)
{
    return strncmp(name, "127.", 4) == 0 || strncmp(name, "[::1]:", 6) == 0;
}

static enum status open_door(struct api *api, enum door_kind kind, int fd, struct err *err)
{
    struct door *door = &api->doors[kind];
    *door = (struct door){.api = api, .is_unix = kind == DOOR_UNIX};
    if (fd < 0)
        return OK;
    if (!door->is_unix) {
        http_socket_name(fd, api->listen, sizeof api->listen);
        door->is_loopback = is_loopback(api->listen);
    }
    const struct http_options options = {
        .loop = api->loop,
        .fd = fd,
        .handler = &handler,
        .ctx = door,
        .connection_count_max = LIMIT_API_CONNECTIONS,
        .connection_count_max_per_address = door->is_unix ? 0 : LIMIT_API_CONNECTIONS_PER_ADDRESS,
        .intake_bytes = &api->intake_bytes,
        .intake_bytes_max = LIMIT_API_INTAKE_BYTES,
    };
    const enum status status = http_listener_open(&options, &door->listener, err);
    if (status == OK)
        api->open_doors++;
    return status;
}

static enum status write_page_policy(struct api *api, const struct api_options *options)
{
    struct buf text;
    buf_init(&text, SMALL_ANSWER_BYTES_MAX);
    enum status status =
        page_write_policy(options->frame_origins, options->frame_origin_count, &text);
    if (status == OK)
        status = buf_add_byte(&text, '\0');
    if (status == OK && !(api->page_policy = strdup(text.data)))
        status = E_NOMEM;
    buf_finish(&text);
    return status;
}

static enum status copy_options(struct api *api, const struct api_options *options)
{
    api->loop = options->loop;
    api->store = options->store;
    api->hooks = options->hooks;
    api->directory = options->directory;
    api->dev = options->dev;
    api->endpoints_max = options->endpoints_max;
    api->proxies = options->proxies;
    api->proxy_count = options->proxy_count;
    queue_init(&api->keyed);
    door_set_token(api, options->token);
    random_bytes(api->mint_key, sizeof api->mint_key);
    api->version = strdup(options->version);
    api->hosts = calloc(options->host_count + 1, sizeof *api->hosts);
    api->url = options->url ? strdup(options->url) : NULL;
    if (!api->version || !api->hosts || (options->url && !api->url))
        return E_NOMEM;
    for (; api->host_count < options->host_count; api->host_count++)
        if (!(api->hosts[api->host_count] = strdup(options->hosts[api->host_count])))
            return E_NOMEM;
    return write_page_policy(api, options);
}

static void destroy(struct api *api)
{
    for (size_t i = 0; i < api->host_count; i++)
        free(api->hosts[i]);
    free(api->hosts);
    free(api->url);
    free(api->page_policy);
    free(api->known);
    free(api->version);
    free(api);
}

enum status api_open(const struct api_options *options, struct api **opened, struct err *err)
{
    struct api *api = must_alloc(sizeof *api);
    int fd = options->fd;
    int unix_fd = options->unix_fd;
    enum status status = copy_options(api, options);
    if (status != OK) {
        (void)err_set(err, status, "admin listener: no memory");
        goto out;
    }
    status = open_door(api, DOOR_TCP, fd, err);
    fd = -1;
    if (status != OK)
        goto out;
    status = open_door(api, DOOR_UNIX, unix_fd, err);
    unix_fd = -1;
    if (status != OK) {
        if (api->doors[DOOR_TCP].listener)
            http_listener_close(api->doors[DOOR_TCP].listener, NULL, NULL);
        goto out;
    }
    api->client = store_client_create(api->store, api->loop);
    timers_open(&api->timers, api->loop);
    *opened = api;
    return OK;
out:
    if (fd >= 0)
        (void)close(fd);
    if (unix_fd >= 0)
        (void)close(unix_fd);
    destroy(api);
    return status;
}

static void on_timers_closed(uv_handle_t *handle)
{
    struct api *api = container_of((uv_timer_t *)handle, struct api, timers.handle);
    void (*on_closed)(void *ctx) = api->on_closed;
    void *ctx = api->closed_ctx;
    store_client_destroy(api->client);
    destroy(api);
    if (on_closed)
        on_closed(ctx);
}

void api_check_closed(struct api *api)
{
    if (api->is_closing && api->open_doors == 0 && api->pending_count == 0)
        timers_close(&api->timers, on_timers_closed);
}

static void on_door_closed(void *ctx)
{
    struct door *door = ctx;
    door->listener = NULL;
    door->api->open_doors--;
    api_check_closed(door->api);
}

void api_close(struct api *api, void (*on_closed)(void *ctx), void *ctx)
{
    check(!api->is_closing);
    api->is_closing = true;
    api->on_closed = on_closed;
    api->closed_ctx = ctx;
    if (api->open_doors == 0) {
        api_check_closed(api);
        return;
    }
    for (unsigned kind = 0; kind < DOOR_COUNT; kind++)
        if (api->doors[kind].listener)
            http_listener_close(api->doors[kind].listener, on_door_closed, &api->doors[kind]);
}
