/* SPDX-License-Identifier: MIT */
/* --watch: a reload when a file changes that a generation was made of, or could be: in the folders
 * of the scripts, below lua/, and where a required module lies. Folders are watched, not files:
 * editors replace files. */
#include "server_int.h"

#include "base/limits.h"
#include "base/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>

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
    bool has_library; /* lua/ is there and watched */
    struct folder *folders[FOLDERS_MAX];
    size_t count;
};

static void on_settled(uv_timer_t *timer)
{
    struct watch *watch = timer->data;
    log_info("files changed", "reload=%s", "now");
    server_reload(watch->server, NULL, NULL);
}

static void settle(struct watch *watch)
{
    check(uv_timer_start(&watch->settle, on_settled, SETTLE_MS, 0) == 0);
}

static void on_event(uv_fs_event_t *event, const char *filename, int events, int status);

static void add_folder(struct watch *watch, const char *path)
{
    for (size_t i = 0; i < watch->count; i++)
        if (strcmp(watch->folders[i]->path, path) == 0)
            return;
    if (watch->count == FOLDERS_MAX)
        return;
    struct folder *folder = must_alloc(sizeof *folder);
    folder->watch = watch;
    folder->path = must_copy(path, strlen(path));
    folder->event.data = folder;
    check(uv_fs_event_init(&watch->server->loop, &folder->event) == 0);
    watch->folders[watch->count++] = folder;
    const int result = uv_fs_event_start(&folder->event, on_event, path, 0);
    if (result != 0)
        log_warn("folder not watched", "path=\"%s\" error=\"%s\"", path, uv_strerror(result));
}

/* The folder and those below it. False: there is none. */
static bool add_tree(struct watch *watch, const char *path, unsigned depth)
{
    uv_fs_t scan;
    uv_dirent_t entry;
    if (depth == LIMIT_LIBRARY_DEPTH || uv_fs_scandir(NULL, &scan, path, 0, NULL) < 0)
        return false;
    add_folder(watch, path);
    while (uv_fs_scandir_next(&scan, &entry) == 0) {
        char below[PATH_BYTES];
        if (entry.type == UV_DIRENT_DIR && entry.name[0] != '.' &&
            snprintf(below, sizeof below, "%s/%s", path, entry.name) < PATH_BYTES)
            (void)add_tree(watch, below, depth + 1);
    }
    uv_fs_req_cleanup(&scan);
    return true;
}

/* lua/ with all below it. */
static bool add_library(struct watch *watch)
{
    char path[PATH_BYTES];
    (void)snprintf(path, sizeof path, "%s/lua", watch->server->config.dir);
    return add_tree(watch, path, 0);
}

static bool is_folder(const struct folder *parent, const char *name)
{
    char path[PATH_BYTES];
    struct stat stat_of;
    return snprintf(path, sizeof path, "%s/%s", parent->path, name) < PATH_BYTES &&
           stat(path, &stat_of) == 0 && S_ISDIR(stat_of.st_mode);
}

static void on_event(uv_fs_event_t *event, const char *filename, int events, int status)
{
    (void)events;
    (void)status;
    const struct folder *folder = event->data;
    const size_t len = filename ? strlen(filename) : 0;
    if (len >= 4 && strcmp(filename + len - 4, ".lua") == 0) {
        settle(folder->watch);
    } else if (len > 0 && is_folder(folder, filename)) {
        (void)add_library(folder->watch);
        settle(folder->watch);
    }
}

/* The folder of a file, or of the files that a pattern names. */
static void add_folder_of(struct server *server, const char *file)
{
    char path[PATH_BYTES];
    if (file[0] == '/')
        (void)snprintf(path, sizeof path, "%s", file);
    else
        (void)snprintf(path, sizeof path, "%s/%s", server->config.dir, file);
    path[strcspn(path, "*?[")] = '\0';
    char *slash = strrchr(path, '/');
    if (!slash || slash == path)
        return;
    *slash = '\0';
    add_folder(server->watch, path);
}

void server_watch_update(struct server *server)
{
    if (!server->watch)
        return;
    server->watch->has_library = add_library(server->watch);
    size_t count = 0;
    const char *const *files =
        server->generation ? generation_files(server->generation, &count) : NULL;
    for (size_t i = 0; i < count; i++)
        add_folder_of(server, files[i]);
}

void server_watch_turn(struct server *server)
{
    struct watch *watch = server->watch;
    if (!watch || watch->has_library)
        return;
    watch->has_library = add_library(watch);
    if (watch->has_library)
        settle(watch);
}

void server_watch_open(struct server *server)
{
    struct watch *watch = must_alloc(sizeof *watch);
    watch->server = server;
    check(uv_timer_init(&server->loop, &watch->settle) == 0);
    watch->settle.data = watch;
    server->watch = watch;
    for (char **pattern = server->config.scripts; pattern && *pattern; pattern++)
        add_folder_of(server, *pattern);
    server_watch_update(server);
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
