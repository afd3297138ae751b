/* SPDX-License-Identifier: MIT */
/* native.save (cli.c): what a command keeps for its next run. The command line's one thread. */
#include "script/bind_int.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

/* Of a name that nobody else has: two listeners may keep the same place. */
#define SUFFIX ".XXXXXX"

static bool sync_path(const char *path, int flags)
{
    const int fd = open(path, flags | O_RDONLY | O_CLOEXEC);
    const bool is_synced = fd >= 0 && fsync(fd) == 0;
    if (fd >= 0)
        (void)close(fd);
    return is_synced;
}

static bool write_all(int fd, struct slice text)
{
    while (text.len > 0) {
        const ssize_t written = write(fd, text.data, text.len);
        if (written < 0 && errno == EINTR)
            continue;
        if (written <= 0)
            return false;
        text = slice_of(text.data + written, text.len - (size_t)written);
    }
    return true;
}

/* Puts the name of the new file, for its owner alone, into name (a pattern of mkostemp). */
static bool write_new(char *name, struct slice text)
{
    const int fd = mkostemp(name, O_CLOEXEC);
    const bool is_written = fd >= 0 && write_all(fd, text) && fsync(fd) == 0;
    if (fd >= 0)
        (void)close(fd);
    return is_written;
}

/* Every folder on the way to the file. path is as it was when this returns. */
static bool make_folders(char *path)
{
    for (char *slash = strchr(path + 1, '/'); slash; slash = strchr(slash + 1, '/')) {
        *slash = '\0';
        const bool is_there = mkdir(path, 0700) == 0 || errno == EEXIST;
        *slash = '/';
        if (!is_there)
            return false;
    }
    return true;
}

static bool save(char *path, struct slice text)
{
    char fresh[PATH_MAX];
    if (snprintf(fresh, sizeof fresh, "%s" SUFFIX, path) >= (int)sizeof fresh) {
        errno = ENAMETOOLONG;
        return false;
    }
    if (!make_folders(path))
        return false;
    if (!write_new(fresh, text) || rename(fresh, path) != 0) {
        const int why = errno;
        (void)unlink(fresh);
        errno = why;
        return false;
    }
    char *slash = strrchr(path, '/');
    if (!slash || slash == path)
        return sync_path(slash ? "/" : ".", O_DIRECTORY);
    *slash = '\0';
    const bool is_synced = sync_path(path, O_DIRECTORY);
    *slash = '/';
    return is_synced;
}

int l_save(lua_State *L)
{
    size_t len;
    const char *given = luaL_checklstring(L, 1, &len);
    struct slice text;
    text.data = luaL_checklstring(L, 2, &text.len);
    luaL_argcheck(L, len > 0 && len < PATH_MAX, 1, "a path");
    char path[PATH_MAX];
    memcpy(path, given, len + 1);
    if (save(path, text)) {
        lua_pushboolean(L, true);
        return 1;
    }
    lua_pushnil(L);
    lua_pushfstring(L, "%s: %s", given, strerror(errno));
    return 2;
}
