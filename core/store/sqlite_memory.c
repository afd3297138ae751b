/* SPDX-License-Identifier: MIT */
/* SQLite's memory: it waits (base/memory.h), for an outcome that cannot be written has nowhere to
 * go. Any thread. */
#include "store/sqlite_int.h"

#include "base/memory.h"

#include <malloc.h>

static void *take(int bytes)
{
    return memory_malloc((size_t)bytes);
}

static void *resize(void *old, int bytes)
{
    return memory_realloc(old, (size_t)bytes);
}

static int size_of(void *memory)
{
    return memory ? (int)malloc_usable_size(memory) : 0;
}

static int round_up(int bytes)
{
    return (bytes + 7) & ~7;
}

static int init(void *ctx)
{
    (void)ctx;
    return SQLITE_OK;
}

static void shut_down(void *ctx)
{
    (void)ctx;
}

const sqlite3_mem_methods sqlite_memory = {
    .xMalloc = take,
    .xFree = memory_free,
    .xRealloc = resize,
    .xSize = size_of,
    .xRoundup = round_up,
    .xInit = init,
    .xShutdown = shut_down,
};
