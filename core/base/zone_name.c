/* SPDX-License-Identifier: MIT */
/* Which zone was probably meant: looks through the names of the system's files. */
#include "base/limits.h"
#include "base/text.h"
#include "base/zone_int.h"

#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>

#define NAMES_MAX 2048
#define DEPTH_MAX 3 /* America/Argentina/Ushuaia */

struct names {
    char *names[NAMES_MAX];
    size_t count;
};

/* Files that are no zones have a dot or no capital: tzdata.zi, leapseconds, the folders posix and
 * right. */
static bool is_zone(const char *name)
{
    return name[0] >= 'A' && name[0] <= 'Z' && !strchr(name, '.');
}

/* What lies below folder, whose name within ZONE_FOLDER is prefix. */
static void collect(struct names *names, const char *prefix, int depth)
{
    char path[sizeof ZONE_FOLDER + 1 + LIMIT_ZONE_BYTES];
    if (snprintf(path, sizeof path, ZONE_FOLDER "/%s", prefix) >= (int)sizeof path)
        return;
    DIR *folder = opendir(path);
    for (const struct dirent *entry; folder && (entry = readdir(folder));) {
        char name[LIMIT_ZONE_BYTES + 1];
        const int len =
            snprintf(name, sizeof name, "%s%s%s", prefix, prefix[0] ? "/" : "", entry->d_name);
        if (!is_zone(entry->d_name) || len >= (int)sizeof name)
            continue;
        if (entry->d_type == DT_DIR && depth < DEPTH_MAX)
            collect(names, name, depth + 1);
        else if (entry->d_type != DT_DIR && names->count < NAMES_MAX)
            names->names[names->count++] = must_copy(name, (size_t)len);
    }
    if (folder)
        (void)closedir(folder);
}

static const char *last_part(const char *name)
{
    const char *slash = strrchr(name, '/');
    return slash ? slash + 1 : name;
}

/* "Berlin", "europe/berlin". */
static const char *find_same(const struct names *names, struct slice name)
{
    for (size_t i = 0; i < names->count; i++)
        if (slice_equal_nocase(slice_str(names->names[i]), name) ||
            slice_equal_nocase(slice_str(last_part(names->names[i])), name))
            return names->names[i];
    return NULL;
}

void zone_name_nearest(struct slice name, char *text, size_t text_bytes)
{
    struct names *names = must_alloc(sizeof *names);
    collect(names, "", 1);
    const char *nearest = find_same(names, name);
    if (!nearest)
        nearest = text_nearest(name, (const char *const *)names->names, names->count);
    (void)snprintf(text, text_bytes, "%s", nearest ? nearest : "");
    for (size_t i = 0; i < names->count; i++)
        free(names->names[i]);
    free(names);
}
