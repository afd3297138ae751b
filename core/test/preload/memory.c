/* SPDX-License-Identifier: MIT */
/* LD_PRELOAD shim: memory that runs out, for the whole process and all its libraries, as the
 * numbers in the file ANZOL_SHIM_CONTROL say, which the spec changes while the program runs
 * (anzol_test.process.shared). Any thread. */
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

/* In the order of spec/support/memory.lua. */
struct control {
    atomic_int left;    /* > 0: allocations until the first that fails; 0: none will */
    atomic_int failing; /* how many one after another fail then */
    atomic_int seen;
    atomic_int failed;
};

static struct control idle; /* without a control file nothing happens */
static struct control *control = &idle;

extern void *__libc_malloc(size_t size);
extern void *__libc_calloc(size_t count, size_t size);
extern void *__libc_realloc(void *old, size_t size);
extern void *__libc_memalign(size_t alignment, size_t size);

void *malloc(size_t size);
void *calloc(size_t count, size_t size);
void *realloc(void *old, size_t size);
void *aligned_alloc(size_t alignment, size_t size);
int posix_memalign(void **memory, size_t alignment, size_t size);

__attribute__((constructor)) static void open_control(void)
{
    const char *path = getenv("ANZOL_SHIM_CONTROL");
    const int fd = path ? open(path, O_RDWR | O_CLOEXEC) : -1;
    if (fd < 0)
        return;
    void *map = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    (void)close(fd);
    if (map != MAP_FAILED)
        control = map;
}

static bool take(atomic_int *number)
{
    int now = atomic_load(number);
    while (now > 0)
        if (atomic_compare_exchange_weak(number, &now, now - 1))
            return true;
    return false;
}

static bool fails(void)
{
    (void)atomic_fetch_add(&control->seen, 1);
    if (take(&control->left) || !take(&control->failing))
        return false;
    (void)atomic_fetch_add(&control->failed, 1);
    errno = ENOMEM;
    return true;
}

void *malloc(size_t size)
{
    return fails() ? NULL : __libc_malloc(size);
}

void *calloc(size_t count, size_t size)
{
    return fails() ? NULL : __libc_calloc(count, size);
}

void *realloc(void *old, size_t size)
{
    return size > 0 && fails() ? NULL : __libc_realloc(old, size);
}

void *aligned_alloc(size_t alignment, size_t size)
{
    return fails() ? NULL : __libc_memalign(alignment, size);
}

int posix_memalign(void **memory, size_t alignment, size_t size)
{
    if (fails())
        return ENOMEM;
    *memory = __libc_memalign(alignment, size);
    return *memory ? 0 : ENOMEM;
}
