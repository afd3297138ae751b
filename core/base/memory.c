/* SPDX-License-Identifier: MIT */
#include "base/memory.h"

#include <malloc.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>
#include <unistd.h>

#define RESERVE_BYTES (1 << 20) /* never touched: address space, what a limit is mostly about */
#define NAP_NS 1000000

static _Atomic(void *) reserve;

void memory_reserve(void)
{
    void *none = NULL;
    void *memory = atomic_load(&reserve) ? NULL : malloc(RESERVE_BYTES);
    if (memory && !atomic_compare_exchange_strong(&reserve, &none, memory))
        free(memory);
}

/* 0: unknown. */
static size_t resident_bytes(void)
{
    unsigned long long pages = 0;
    FILE *file = fopen("/proc/self/statm", "re");
    if (!file)
        return 0;
    if (fscanf(file, "%*u %llu", &pages) != 1)
        pages = 0;
    (void)fclose(file);
    return (size_t)pages * (size_t)sysconf(_SC_PAGESIZE);
}

void memory_trim(void)
{
    static size_t after_last;
    const size_t now = resident_bytes();
    if (after_last == 0)
        after_last = now;
    if (now < after_last + MEMORY_TRIM_BYTES)
        return;
    (void)malloc_trim(0);
    after_last = resident_bytes();
}

/* False: it has waited long enough. */
static bool wait_for_memory(size_t size, unsigned *naps)
{
    void *given_up = atomic_exchange(&reserve, NULL);
    free(given_up);
    if (given_up)
        return true;
    if (size > MEMORY_WAIT_BYTES_MAX || *naps == MEMORY_WAIT_MS)
        return false;
    (*naps)++;
    (void)nanosleep(&(struct timespec){.tv_nsec = NAP_NS}, NULL);
    return true;
}

void *memory_malloc(size_t size)
{
    unsigned naps = 0;
    void *memory = malloc(size);
    while (!memory && size > 0 && wait_for_memory(size, &naps))
        memory = malloc(size);
    return memory;
}

void *memory_calloc(size_t count, size_t size)
{
    unsigned naps = 0;
    size_t bytes;
    if (__builtin_mul_overflow(count, size, &bytes))
        return NULL;
    void *memory = calloc(count, size);
    while (!memory && bytes > 0 && wait_for_memory(bytes, &naps))
        memory = calloc(count, size);
    return memory;
}

void *memory_realloc(void *old, size_t size)
{
    unsigned naps = 0;
    void *memory = realloc(old, size);
    while (!memory && size > 0 && wait_for_memory(size, &naps))
        memory = realloc(old, size);
    return memory;
}

char *memory_strdup(const char *text)
{
    const size_t bytes = strlen(text) + 1;
    char *copy = memory_malloc(bytes);
    return copy ? memcpy(copy, text, bytes) : NULL;
}

void memory_free(void *memory)
{
    free(memory);
}

void memory_free_secret(void *secret, size_t len)
{
    if (secret)
        explicit_bzero(secret, len);
    free(secret);
}

void memory_free_secret_text(char *text)
{
    memory_free_secret(text, text ? strlen(text) : 0);
}

void *must_alloc(size_t size)
{
    void *memory = memory_calloc(1, size);
    check(memory != NULL);
    return memory;
}

char *must_copy(const char *text, size_t len)
{
    char *copy = must_alloc(len + 1);
    if (len > 0)
        memcpy(copy, text, len);
    return copy;
}

void *array_grow(void *array, size_t count, size_t size)
{
    if (count != 0 && (count & (count - 1)) != 0)
        return array;
    return realloc(array, (count == 0 ? 1 : count * 2) * size);
}
