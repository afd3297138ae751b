/* SPDX-License-Identifier: MIT */
/* LD_PRELOAD shim: a disk that fills up, whose sync fails once or takes long. It acts on files
 * below ANZOL_SHIM_DIR only, as the numbers in the file ANZOL_SHIM_CONTROL say, which the spec
 * changes while the program runs (anzol_test.process.shared). Any thread. */
#include <dlfcn.h>
#include <errno.h>
#include <fcntl.h>
#include <stdatomic.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/types.h>
#include <time.h>
#include <unistd.h>

#define PATH_BYTES 512
#define FD_MAX 4096
#define STEP_MS 5

/* In the order of spec/support/disk.lua. */
struct control {
    atomic_int writes_left;   /* > 0: the write that takes it to 0 and all later ones fail with
                                 ENOSPC (then it is FULL_NOW); OFF: space enough */
    atomic_int syncs_left;    /* > 0: the sync that takes it to 0 fails with EIO, once */
    atomic_int sync_delay_ms; /* each sync takes so much longer */
    atomic_int writes;        /* seen */
    atomic_int writes_failed;
    atomic_int syncs; /* seen */
    atomic_int syncs_failed;
    atomic_int syncs_after_failure; /* on a descriptor whose sync had failed */
};

#define OFF 0
#define FULL_NOW (-1)

static struct control idle; /* without a control file nothing happens */
static struct control *control = &idle;
static char below[PATH_BYTES];
static size_t below_len;
static atomic_bool has_failed[FD_MAX];

__attribute__((constructor)) static void open_control(void)
{
    const char *dir = getenv("ANZOL_SHIM_DIR");
    const char *path = getenv("ANZOL_SHIM_CONTROL");
    if (!dir || !path || strlen(dir) >= sizeof below)
        return;
    below_len = strlen(dir);
    memcpy(below, dir, below_len + 1);
    const int fd = open(path, O_RDWR | O_CLOEXEC);
    if (fd < 0)
        return;
    void *map = mmap(NULL, sizeof *control, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    (void)close(fd);
    if (map != MAP_FAILED)
        control = map;
}

static int is_ours(int fd)
{
    if (control == &idle)
        return 0;
    char link[64];
    char path[PATH_BYTES];
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    const int saved_errno = errno;
    const ssize_t len = readlink(link, path, sizeof path);
    errno = saved_errno;
    return len > (ssize_t)below_len && memcmp(path, below, below_len) == 0;
}

/* True if this write must fail: the disk is full. */
static int is_full(int fd)
{
    if (!is_ours(fd))
        return 0;
    atomic_fetch_add(&control->writes, 1);
    int left = atomic_load(&control->writes_left);
    while (left > 0 && !atomic_compare_exchange_weak(&control->writes_left, &left,
                                                     left == 1 ? FULL_NOW : left - 1))
        continue;
    if (left != FULL_NOW && left != 1)
        return 0;
    atomic_fetch_add(&control->writes_failed, 1);
    errno = ENOSPC;
    return 1;
}

/* True if this sync must fail. */
static int is_sync_lost(int fd)
{
    if (!is_ours(fd))
        return 0;
    atomic_fetch_add(&control->syncs, 1);
    if (fd < FD_MAX && atomic_load(&has_failed[fd]))
        atomic_fetch_add(&control->syncs_after_failure, 1);
    /* In steps, so that the spec can end a long one. */
    for (int waited_ms = 0; waited_ms < atomic_load(&control->sync_delay_ms); waited_ms += STEP_MS)
        (void)nanosleep(&(struct timespec){.tv_nsec = STEP_MS * 1000000L}, NULL);
    int left = atomic_load(&control->syncs_left);
    while (left > 0 && !atomic_compare_exchange_weak(&control->syncs_left, &left, left - 1))
        continue;
    if (left != 1)
        return 0;
    if (fd < FD_MAX)
        atomic_store(&has_failed[fd], 1);
    atomic_fetch_add(&control->syncs_failed, 1);
    errno = EIO;
    return 1;
}

/* The next definition of a function. memcpy, because ISO C has no cast from object to function. */
#define REAL(name, type)                                                                           \
    static type *real;                                                                             \
    if (!real) {                                                                                   \
        void *found = dlsym(RTLD_NEXT, name);                                                      \
        memcpy(&real, &found, sizeof found);                                                       \
    }

typedef ssize_t write_function(int, const void *, size_t);
typedef ssize_t pwrite_function(int, const void *, size_t, off_t);
typedef int sync_function(int);
typedef int resize_function(int, off_t);
typedef int allocate_function(int, off_t, off_t);

ssize_t write(int fd, const void *data, size_t len)
{
    REAL("write", write_function);
    return is_full(fd) ? -1 : real(fd, data, len);
}

ssize_t pwrite(int fd, const void *data, size_t len, off_t offset)
{
    REAL("pwrite", pwrite_function);
    return is_full(fd) ? -1 : real(fd, data, len, offset);
}

ssize_t pwrite64(int fd, const void *data, size_t len, off_t offset)
{
    REAL("pwrite64", pwrite_function);
    return is_full(fd) ? -1 : real(fd, data, len, offset);
}

static int grow(int fd, off_t size, resize_function *real)
{
    struct stat stat;
    const int is_growing = fstat(fd, &stat) == 0 && size > stat.st_size;
    return is_growing && is_full(fd) ? -1 : real(fd, size);
}

int ftruncate(int fd, off_t size)
{
    REAL("ftruncate", resize_function);
    return grow(fd, size, real);
}

int ftruncate64(int fd, off_t size)
{
    REAL("ftruncate64", resize_function);
    return grow(fd, size, real);
}

/* Returns the error instead of setting errno. */
int posix_fallocate(int fd, off_t offset, off_t len)
{
    REAL("posix_fallocate", allocate_function);
    return is_full(fd) ? ENOSPC : real(fd, offset, len);
}

int fsync(int fd)
{
    REAL("fsync", sync_function);
    return is_sync_lost(fd) ? -1 : real(fd);
}

int fdatasync(int fd)
{
    REAL("fdatasync", sync_function);
    return is_sync_lost(fd) ? -1 : real(fd);
}
