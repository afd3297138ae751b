/* SPDX-License-Identifier: MIT */
/* The store of `serve --dev`: a new one each time, in a folder of its own that goes in the end.
 * What a killed process leaves is below $TMPDIR, where the system clears up. */
#include "server_int.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define FOLDER "anzol-dev-XXXXXX"
#define FILE_NAME "/anzol.db"

enum status server_dev_open(struct config *config, struct err *err)
{
    char path[PATH_MAX];
    const char *parent = getenv("TMPDIR");
    if (!parent || !*parent)
        parent = "/tmp";
    if (strlen(parent) + sizeof "/" FOLDER FILE_NAME > sizeof path)
        return err_set(err, E_LIMIT, "$TMPDIR is too long: %s", parent);
    (void)snprintf(path, sizeof path, "%s/" FOLDER, parent);
    if (!mkdtemp(path))
        return err_set(err, E_IO, "no folder for a store can be made in %s: %s (or name a store)",
                       parent, strerror(errno));
    (void)snprintf(path + strlen(path), sizeof path - strlen(path), "%s", FILE_NAME);
    config->store_path = strdup(path);
    return config->store_path ? OK : err_set(err, E_NOMEM, "out of memory");
}

void server_dev_close(const struct config *config)
{
    char *folder = strndup(config->store_path, strlen(config->store_path) - strlen(FILE_NAME));
    DIR *files = folder ? opendir(folder) : NULL;
    if (files) {
        for (const struct dirent *it = readdir(files); it; it = readdir(files))
            (void)unlinkat(dirfd(files), it->d_name, 0);
        (void)closedir(files);
        (void)rmdir(folder);
    }
    free(folder);
}
