/* SPDX-License-Identifier: MIT */
/* --watch: a reload when a file of the current generation, or its folder, changes. Folders are
 * watched, not files: editors replace files. */
#include "server_int.h"

#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>

#define SETTLE_MS 200
#define FOLDERS_MAX 256
#define PATH_BYTES 4096

struct folder {
    uv_fs_event_t event;
    struct watch *watch;
    char *path;
};

struct watch {
    struct server *server;
    uv_timer_t settle;
    struct folder *folders[FOLDERS_MAX];
    size_t count;
};

static void on_settled(uv_timer_t *timer)
{
    struct watch *watch = timer->data;
    log_info("files changed", "reload=%s", "now");
    server_reload(watch->server, NULL, NULL);
}

static void on_event(uv_fs_event_t *event, const char *filename, int events, int status)
{
    (void)events;
    (void)status;
    const struct folder *folder = event->data;
    const size_t len = filename ? strlen(filename) : 0;
    if (len < 4 || strcmp(filename + len - 4, ".lua") != 0)
        return;
    check(uv_timer_start(&folder->watch->settle, on_settled, SETTLE_MS, 0) == 0);
}

static void add_folder(struct watch *watch, const char *path)
{
    for (size_t i = 0; i < watch->count; i++)
        if (strcmp(watch->folders[i]->path, path) == 0)
            return;
    if (watch->count == FOLDERS_MAX)
        return;
    struct folder *folder = must_alloc(sizeof *folder);
    folder->watch = watch;
    folder->path = strdup(path);
    check(folder->path != NULL);
    folder->event.data = folder;
    check(uv_fs_event_init(&watch->server->loop, &folder->event) == 0);
    watch->folders[watch->count++] = folder;
    const int result = uv_fs_event_start(&folder->event, on_event, path, 0);
    if (result != 0)
        log_warn("folder not watched", "path=%s error=%s", path, uv_strerror(result));
}

void server_watch_update(struct server *server)
{
    if (!server->watch || !server->generation)
        return;
    size_t count;
    const char *const *files = generation_files(server->generation, &count);
    for (size_t i = 0; i < count; i++) {
        char path[PATH_BYTES];
        if (files[i][0] == '/')
            (void)snprintf(path, sizeof path, "%s", files[i]);
        else
            (void)snprintf(path, sizeof path, "%s/%s", server->config.dir, files[i]);
        char *slash = strrchr(path, '/');
        if (!slash)
            continue;
        *slash = '\0';
        add_folder(server->watch, path);
    }
}

void server_watch_open(struct server *server)
{
    struct watch *watch = must_alloc(sizeof *watch);
    watch->server = server;
    check(uv_timer_init(&server->loop, &watch->settle) == 0);
    watch->settle.data = watch;
    server->watch = watch;
    char path[PATH_BYTES];
    (void)snprintf(path, sizeof path, "%s/scripts", server->config.dir);
    add_folder(watch, path);
}

static void on_folder_closed(uv_handle_t *handle)
{
    struct folder *folder = handle->data;
    free(folder->path);
    free(folder);
}

static void on_watch_closed(uv_handle_t *handle)
{
    free(handle->data);
}

void server_watch_close(struct server *server)
{
    struct watch *watch = server->watch;
    if (!watch)
        return;
    server->watch = NULL;
    for (size_t i = 0; i < watch->count; i++)
        uv_close((uv_handle_t *)&watch->folders[i]->event, on_folder_closed);
    uv_close((uv_handle_t *)&watch->settle, on_watch_closed);
}
