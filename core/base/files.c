/* SPDX-License-Identifier: MIT */
#include "base/files.h"

#include "base/base.h"

#include <sys/resource.h>

void files_allow_all(void)
{
    struct rlimit files;
    if (getrlimit(RLIMIT_NOFILE, &files) != 0)
        return;
    files.rlim_cur = files.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &files); /* else it stays as it is */
}

size_t files_max(void)
{
    struct rlimit files;
    check(getrlimit(RLIMIT_NOFILE, &files) == 0);
    return (size_t)files.rlim_cur;
}
