/* SPDX-License-Identifier: MIT */
/* The project's files as they were at one moment: every state is made of the same bytes, whatever
 * happens on the disk meanwhile. Loader thread; read by all once it is frozen. */
#include "script/script_int.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <glob.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#define PATH_BYTES 4096

static struct stamp stamp_of(const struct stat *stat)
{
    return (struct stamp){stat->st_dev, stat->st_ino, stat->st_size, stat->st_mtim, stat->st_ctim};
}

static bool is_same_instant(struct timespec a, struct timespec b)
{
    return a.tv_sec == b.tv_sec && a.tv_nsec == b.tv_nsec;
}

static bool is_same_version(const struct stamp *a, const struct stamp *b)
{
    return a->device == b->device && a->number == b->number && a->len == b->len &&
           is_same_instant(a->modified, b->modified) && is_same_instant(a->changed, b->changed);
}

/* A whole regular file into *file. Data NULL with OK: it does not exist. */
static enum status read_whole(const char *path, struct snapshot_file *file, struct err *err)
{
    enum status status = OK;
    const int fd = open(path, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR
                   ? OK
                   : err_set(err, E_IO, "%s: cannot be read: %s", path, strerror(errno));
    struct stat stat;
    if (fstat(fd, &stat) != 0 || !S_ISREG(stat.st_mode)) {
        if (!S_ISDIR(stat.st_mode))
            status = err_set(err, E_IO, "%s: is not a regular file", path);
    } else if (stat.st_size > LIMIT_SCRIPT_BYTES) {
        status = err_set(err, E_LIMIT, "%s: is larger than %d MiB", path, LIMIT_SCRIPT_BYTES >> 20);
    } else if (!(file->data = malloc((size_t)stat.st_size + 1))) {
        status = err_set(err, E_NOMEM, "%s: out of memory", path);
    } else {
        file->stamp = stamp_of(&stat);
        ssize_t count;
        while (file->len < (size_t)stat.st_size &&
               (count = read(fd, file->data + file->len, (size_t)stat.st_size - file->len)) > 0)
            file->len += (size_t)count;
        file->data[file->len] = '\0';
    }
    (void)close(fd);
    return status;
}

static void join(const struct snapshot *snapshot, const char *path, char out[PATH_BYTES])
{
    if (path[0] == '/')
        (void)snprintf(out, PATH_BYTES, "%s", path);
    else
        (void)snprintf(out, PATH_BYTES, "%s/%s", snapshot->dir, path);
}

static struct snapshot_file *find(const struct snapshot *snapshot, const char *path)
{
    for (size_t i = 0; i < snapshot->count; i++)
        if (strcmp(snapshot->files[i].path, path) == 0)
            return &snapshot->files[i];
    return NULL;
}

/* NULL: *status and err say why. */
static struct snapshot_file *add(struct snapshot *snapshot, const char *path, enum status *status,
                                 struct err *err)
{
    struct snapshot_file *files = NULL;
    struct snapshot_file new = {0};
    char whole[PATH_BYTES];
    if (snapshot->count >= LIMIT_SCRIPTS) {
        *status = err_set(err, E_LIMIT, "more than %d files in the project", LIMIT_SCRIPTS);
        return NULL;
    }
    files = realloc(snapshot->files, (snapshot->count + 1) * sizeof *snapshot->files);
    if (files)
        snapshot->files = files;
    new.path = strdup(path);
    join(snapshot, path, whole);
    *status = E_NOMEM;
    if (files && new.path)
        *status = read_whole(whole, &new, err);
    else
        (void)err_set(err, E_NOMEM, "out of memory");
    if (*status != OK) {
        free(new.path);
        return NULL;
    }
    files[snapshot->count] = new;
    return &files[snapshot->count++];
}

static bool has_suffix(const char *text, const char *suffix)
{
    const size_t len = strlen(text);
    const size_t suffix_len = strlen(suffix);
    return len > suffix_len && strcmp(text + len - suffix_len, suffix) == 0;
}

static enum status read_library(struct snapshot *snapshot, const char *folder, unsigned depth,
                                struct err *err)
{
    char path[PATH_BYTES];
    join(snapshot, folder, path);
    struct dirent **entries = NULL;
    const int count = depth < LIMIT_LIBRARY_DEPTH ? scandir(path, &entries, NULL, alphasort) : -1;
    enum status status = OK;
    for (int i = 0; i < count; i++) {
        const char *name = entries[i]->d_name;
        char below[PATH_BYTES];
        struct stat stat_of;
        if (name[0] != '.' && status == OK &&
            snprintf(below, sizeof below, "%s/%s", folder, name) < PATH_BYTES) {
            join(snapshot, below, path);
            if (stat(path, &stat_of) == 0 && S_ISDIR(stat_of.st_mode))
                status = read_library(snapshot, below, depth + 1, err);
            else if (has_suffix(name, ".lua") && !find(snapshot, below))
                (void)add(snapshot, below, &status, err);
        }
        free(entries[i]);
    }
    free(entries);
    return status;
}

static enum status read_scripts(struct snapshot *snapshot, const char *pattern, struct err *err)
{
    char whole[PATH_BYTES];
    join(snapshot, pattern, whole);
    const size_t dir_len = strlen(snapshot->dir) + 1;
    glob_t found = {0};
    enum status status = OK;
    const int outcome = glob(whole, 0, NULL, &found);
    if (outcome != 0 && outcome != GLOB_NOMATCH)
        status =
            err_set(err, E_IO, "scripts pattern %s cannot be read: %s", pattern, strerror(errno));
    if (outcome == GLOB_NOMATCH && !strpbrk(pattern, "*?["))
        status =
            err_set(err, E_NOTFOUND,
                    "%s: there is no such script; write it, or take it out of the setting scripts",
                    pattern);
    for (size_t i = 0; status == OK && i < found.gl_pathc; i++) {
        const char *path = pattern[0] == '/' ? found.gl_pathv[i] : found.gl_pathv[i] + dir_len;
        struct snapshot_file *file = find(snapshot, path);
        if (!file)
            file = add(snapshot, path, &status, err);
        if (file)
            file->is_script = true;
    }
    globfree(&found);
    return status;
}

enum status snapshot_read(struct snapshot *snapshot, const char *dir, const char *const *globs,
                          struct err *err)
{
    static const char *const default_globs[] = {"scripts/*.lua", NULL};
    struct stat stat_of;
    if (stat(dir, &stat_of) != 0 || !S_ISDIR(stat_of.st_mode))
        return err_set(err, E_NOTFOUND, "%s: is not a folder", dir);
    *snapshot = (struct snapshot){.dir = strdup(dir)};
    if (!snapshot->dir)
        return err_set(err, E_NOMEM, "out of memory");
    enum status status = OK;
    for (const char *const *glob = globs ? globs : default_globs; status == OK && *glob; glob++)
        status = read_scripts(snapshot, *glob, err);
    return status == OK ? read_library(snapshot, "lua", 0, err) : status;
}

/* ---- Whether it was one moment ---- */

static bool is_file_current(const struct snapshot *snapshot, const struct snapshot_file *file)
{
    char whole[PATH_BYTES];
    struct stat stat_of;
    join(snapshot, file->path, whole);
    if (stat(whole, &stat_of) != 0 || !S_ISREG(stat_of.st_mode))
        return !file->data;
    const struct stamp now = stamp_of(&stat_of);
    return file->data && is_same_version(&file->stamp, &now);
}

/* Read once more, only to see which files there are. */
static bool has_same_files(const struct snapshot *snapshot, const char *const *globs)
{
    struct snapshot again = {0};
    bool is_same = snapshot_read(&again, snapshot->dir, globs, NULL) == OK;
    for (size_t i = 0; is_same && i < again.count; i++) {
        const struct snapshot_file *file = find(snapshot, again.files[i].path);
        is_same = file && file->data != NULL;
    }
    snapshot_finish(&again);
    return is_same;
}

bool snapshot_is_current(const struct snapshot *snapshot, const char *const *globs)
{
    for (size_t i = 0; i < snapshot->count; i++)
        if (!is_file_current(snapshot, &snapshot->files[i]))
            return false;
    return has_same_files(snapshot, globs);
}

const struct snapshot_file *snapshot_get(struct snapshot *snapshot, const char *path)
{
    enum status status;
    struct snapshot_file *file = find(snapshot, path);
    if (!file && !snapshot->is_frozen)
        file = add(snapshot, path, &status, NULL);
    return file && file->data ? file : NULL;
}

enum status snapshot_open(struct snapshot *snapshot, const char *path,
                          const struct snapshot_file **file, struct err *err)
{
    enum status status = OK;
    struct snapshot_file *it = find(snapshot, path);
    if (!it && !snapshot->is_frozen)
        it = add(snapshot, path, &status, err);
    if (status != OK)
        return status;
    if (!it || !it->data)
        return err_set(err, E_NOTFOUND, "%s%s%s: there is no such file",
                       path[0] == '/' ? "" : snapshot->dir, path[0] == '/' ? "" : "/", path);
    *file = it;
    return OK;
}

void snapshot_finish(struct snapshot *snapshot)
{
    for (size_t i = 0; i < snapshot->count; i++) {
        free(snapshot->files[i].path);
        free(snapshot->files[i].data);
    }
    free(snapshot->files);
    free(snapshot->dir);
    *snapshot = (struct snapshot){0};
}
