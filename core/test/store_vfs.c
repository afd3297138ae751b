/* SPDX-License-Identifier: MIT */
/* A file system for SQLite that loses power: over the system's own it remembers, for each file,
 * what was synced and every change since. At the chosen write or sync it makes the image that a
 * power cut may leave behind (what was synced, and any part of the rest in sectors, torn and out of
 * order), and from then on refuses everything. It can also fail writes and syncs without a cut.
 * Any thread; one mutex over all. */
#include "store_lua.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#ifndef STORE_VFS_NAME
#define STORE_VFS_NAME "anzol_power"
#endif

#define SECTOR_BYTES 512u
#define SHADOWS_MAX 8u
#define PATH_BYTES 512u

enum change_kind { CHANGE_WRITE, CHANGE_TRUNCATE };

struct edit {
    struct edit *next;
    enum change_kind kind;
    size_t offset; /* truncate: the new length */
    size_t len;
    unsigned char bytes[];
};

struct image {
    unsigned char *bytes;
    size_t len;
    size_t capacity;
};

/* One path. */
struct shadow {
    char path[PATH_BYTES];
    struct image synced;
    bool is_durable; /* its name outlives a cut */
    bool is_deleted; /* and may come back until the folder is synced */
    struct edit *first;
    struct edit *last;
};

static struct {
    pthread_mutex_t mutex;
    sqlite3_vfs *real;
    struct shadow shadows[SHADOWS_MAX];
    unsigned shadow_count;
    uint64_t random;
    char image_folder[PATH_BYTES];
    uint64_t steps;  /* writes, truncates and syncs since the reset */
    uint64_t cut_at; /* 0: never */
    bool is_cut;
    uint64_t writes, syncs;
    uint64_t fail_write_at, fail_sync_at; /* 0: never */
    uint64_t fail_writes;                 /* in a row; 0: until mended */
    int fail_errno;
    uint64_t syncs_after_failure; /* on any file */
    int last_errno;
} power = {.mutex = PTHREAD_MUTEX_INITIALIZER};

struct power_file {
    sqlite3_file base;
    struct shadow *shadow; /* NULL: no durable file */
    bool must_sync_folder; /* a new log or journal: its first sync does */
    sqlite3_file *real;
};

static void lock(void)
{
    check(pthread_mutex_lock(&power.mutex) == 0);
}

static void unlock(void)
{
    check(pthread_mutex_unlock(&power.mutex) == 0);
}

/* ---- Chance ---------------------------------------------------------------------------------- */

static uint64_t next_random(void)
{
    power.random ^= power.random << 13;
    power.random ^= power.random >> 7;
    power.random ^= power.random << 17;
    return power.random * UINT64_C(0x2545f4914f6cdd1d) >> 11;
}

static bool chance(unsigned percent)
{
    return next_random() % 100 < percent;
}

/* ---- Images ---------------------------------------------------------------------------------- */

static void image_resize(struct image *image, size_t len)
{
    if (len > image->capacity) {
        image->capacity = len * 2;
        image->bytes = realloc(image->bytes, image->capacity);
        check(image->bytes != NULL);
    }
    if (len > image->len)
        memset(image->bytes + image->len, 0, len - image->len);
    image->len = len;
}

static void image_put(struct image *image, size_t offset, const unsigned char *bytes, size_t len)
{
    if (offset + len > image->len)
        image_resize(image, offset + len);
    memcpy(image->bytes + offset, bytes, len);
}

static void image_apply(struct image *image, const struct edit *change)
{
    if (change->kind == CHANGE_TRUNCATE)
        image_resize(image, change->offset);
    else
        image_put(image, change->offset, change->bytes, change->len);
}

/* Sector by sector: each comes with that probability, some torn in the middle. */
static void image_apply_torn(struct image *image, const struct edit *change, unsigned percent)
{
    if (change->kind == CHANGE_TRUNCATE) {
        if (chance(percent))
            image_resize(image, change->offset);
        return;
    }
    for (size_t done = 0; done < change->len;) {
        const size_t place = change->offset + done;
        size_t len = SECTOR_BYTES - place % SECTOR_BYTES;
        if (len > change->len - done)
            len = change->len - done;
        if (chance(percent))
            image_put(image, place, change->bytes + done, chance(5) ? next_random() % len : len);
        done += len;
    }
}

static void write_image(const char *path, const struct image *image)
{
    const char *name = strrchr(path, '/');
    char target[2 * PATH_BYTES];
    (void)snprintf(target, sizeof target, "%s/%s", power.image_folder, name ? name + 1 : path);
    const int fd = open(target, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    check(fd >= 0);
    for (size_t done = 0; done < image->len;) {
        const ssize_t written = write(fd, image->bytes + done, image->len - done);
        check(written > 0);
        done += (size_t)written;
    }
    check(close(fd) == 0);
}

/* All in order up to a point, then torn; or each change by chance. */
static void cut_file(const struct shadow *shadow)
{
    if ((shadow->is_deleted || !shadow->is_durable) && (shadow->synced.len == 0 || chance(50)))
        return;
    static const unsigned percents[] = {0, 20, 50, 80, 100};
    const unsigned percent = percents[next_random() % array_count(percents)];
    const bool is_ordered = chance(30);
    size_t count = 0;
    for (const struct edit *change = shadow->first; change; change = change->next)
        count++;
    size_t whole = is_ordered && count ? next_random() % (count + 1) : 0;
    struct image image = {0};
    if (shadow->synced.len > 0)
        image_put(&image, 0, shadow->synced.bytes, shadow->synced.len);
    for (const struct edit *change = shadow->first; change; change = change->next) {
        if (whole > 0) {
            whole--;
            image_apply(&image, change);
        } else {
            image_apply_torn(&image, change, is_ordered ? percent / 4 : percent);
        }
    }
    write_image(shadow->path, &image);
    free(image.bytes);
}

/* Counts the step; true when the power is gone. */
static bool step_locked(void)
{
    power.steps++;
    if (!power.is_cut && power.steps == power.cut_at) {
        power.is_cut = true;
        for (unsigned i = 0; i < power.shadow_count; i++)
            cut_file(&power.shadows[i]);
    }
    return power.is_cut;
}

/* ---- Shadows --------------------------------------------------------------------------------- */

static void drop_changes(struct shadow *shadow)
{
    while (shadow->first) {
        struct edit *next = shadow->first->next;
        free(shadow->first);
        shadow->first = next;
    }
    shadow->last = NULL;
}

/* The name is free: what was there before is gone for good. */
static void forget(struct shadow *shadow)
{
    drop_changes(shadow);
    shadow->synced.len = 0;
    shadow->is_durable = false;
}

static void load(struct shadow *shadow)
{
    const int fd = open(shadow->path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    shadow->is_durable = true;
    unsigned char bytes[65536];
    for (ssize_t len; (len = read(fd, bytes, sizeof bytes)) > 0;)
        image_put(&shadow->synced, shadow->synced.len, bytes, (size_t)len);
    check(close(fd) == 0);
}

static struct shadow *find_shadow_locked(const char *path)
{
    for (unsigned i = 0; i < power.shadow_count; i++)
        if (strcmp(power.shadows[i].path, path) == 0)
            return &power.shadows[i];
    return NULL;
}

static struct shadow *take_shadow_locked(const char *path)
{
    struct shadow *shadow = find_shadow_locked(path);
    if (shadow) {
        if (shadow->is_deleted)
            forget(shadow);
        shadow->is_deleted = false;
        return shadow;
    }
    check(power.shadow_count < SHADOWS_MAX && strlen(path) < PATH_BYTES);
    shadow = &power.shadows[power.shadow_count++];
    *shadow = (struct shadow){0};
    memcpy(shadow->path, path, strlen(path) + 1);
    load(shadow);
    return shadow;
}

static void add_change_locked(struct shadow *shadow, enum change_kind kind, const void *bytes,
                              size_t len, size_t offset)
{
    struct edit *change = must_alloc(sizeof *change + len);
    *change = (struct edit){.kind = kind, .offset = offset, .len = len};
    if (len > 0)
        memcpy(change->bytes, bytes, len);
    if (shadow->last)
        shadow->last->next = change;
    else
        shadow->first = change;
    shadow->last = change;
}

static void sync_shadow_locked(struct shadow *shadow)
{
    for (const struct edit *change = shadow->first; change; change = change->next)
        image_apply(&shadow->synced, change);
    drop_changes(shadow);
}

/* Names that were made stay, those that were deleted stay away. */
static void sync_folder_locked(void)
{
    for (unsigned i = 0; i < power.shadow_count; i++) {
        struct shadow *shadow = &power.shadows[i];
        if (shadow->is_deleted)
            forget(shadow);
        else
            shadow->is_durable = true;
    }
}

/* ---- Files ----------------------------------------------------------------------------------- */

static struct power_file *file_of(sqlite3_file *file)
{
    return (struct power_file *)(void *)file;
}

static sqlite3_file *real_of(sqlite3_file *file)
{
    return file_of(file)->real;
}

static int file_close(sqlite3_file *file)
{
    sqlite3_file *real = real_of(file);
    return real->pMethods ? real->pMethods->xClose(real) : SQLITE_OK;
}

static int file_read(sqlite3_file *file, void *bytes, int len, sqlite3_int64 offset)
{
    sqlite3_file *real = real_of(file);
    return real->pMethods->xRead(real, bytes, len, offset);
}

static bool must_write_fail_locked(void)
{
    power.writes++;
    if (power.fail_write_at == 0 || power.writes < power.fail_write_at)
        return false;
    return power.fail_writes == 0 || power.writes < power.fail_write_at + power.fail_writes;
}

/* What a write or truncate of a durable file comes to: SQLITE_OK to go on. */
static int check_write(struct shadow *shadow, enum change_kind kind, const void *bytes, size_t len,
                       sqlite3_int64 offset)
{
    lock();
    int rc = SQLITE_OK;
    if (must_write_fail_locked()) {
        power.last_errno = power.fail_errno;
        rc = power.fail_errno == ENOSPC ? SQLITE_FULL : SQLITE_IOERR_WRITE;
    } else {
        add_change_locked(shadow, kind, bytes, len, (size_t)offset);
        if (step_locked()) {
            power.last_errno = EIO;
            rc = SQLITE_IOERR_WRITE;
        }
    }
    unlock();
    return rc;
}

static int file_write(sqlite3_file *file, const void *bytes, int len, sqlite3_int64 offset)
{
    struct shadow *shadow = file_of(file)->shadow;
    sqlite3_file *real = real_of(file);
    const int rc =
        shadow ? check_write(shadow, CHANGE_WRITE, bytes, (size_t)len, offset) : SQLITE_OK;
    return rc == SQLITE_OK ? real->pMethods->xWrite(real, bytes, len, offset) : rc;
}

static int file_truncate(sqlite3_file *file, sqlite3_int64 len)
{
    struct shadow *shadow = file_of(file)->shadow;
    sqlite3_file *real = real_of(file);
    const int rc = shadow ? check_write(shadow, CHANGE_TRUNCATE, NULL, 0, len) : SQLITE_OK;
    return rc == SQLITE_OK ? real->pMethods->xTruncate(real, len) : rc;
}

static int file_sync(sqlite3_file *file, int flags)
{
    struct shadow *shadow = file_of(file)->shadow;
    (void)flags;
    if (!shadow)
        return SQLITE_OK;
    lock();
    power.syncs++;
    const bool fails = power.syncs == power.fail_sync_at;
    if (power.fail_sync_at && power.syncs > power.fail_sync_at)
        power.syncs_after_failure++;
    const bool is_cut = step_locked();
    if (!fails && !is_cut) {
        sync_shadow_locked(shadow);
        if (file_of(file)->must_sync_folder)
            sync_folder_locked();
        file_of(file)->must_sync_folder = false;
    } else {
        power.last_errno = EIO;
    }
    unlock();
    return fails || is_cut ? SQLITE_IOERR_FSYNC : SQLITE_OK;
}

static int file_size(sqlite3_file *file, sqlite3_int64 *len)
{
    sqlite3_file *real = real_of(file);
    return real->pMethods->xFileSize(real, len);
}

static int file_lock(sqlite3_file *file, int level)
{
    sqlite3_file *real = real_of(file);
    return real->pMethods->xLock(real, level);
}

static int file_unlock(sqlite3_file *file, int level)
{
    sqlite3_file *real = real_of(file);
    return real->pMethods->xUnlock(real, level);
}

static int file_check_lock(sqlite3_file *file, int *is_reserved)
{
    sqlite3_file *real = real_of(file);
    return real->pMethods->xCheckReservedLock(real, is_reserved);
}

static int vfs_last_error(sqlite3_vfs *vfs, int len, char *text)
{
    (void)vfs;
    (void)len;
    (void)text;
    lock();
    const int error = power.last_errno;
    unlock();
    return error;
}

/* A size hint would change the file past this file system's back. */
static int file_control(sqlite3_file *file, int op, void *argument)
{
    sqlite3_file *real = real_of(file);
    if (op == SQLITE_FCNTL_SIZE_HINT || op == SQLITE_FCNTL_CHUNK_SIZE)
        return SQLITE_OK;
    if (op == SQLITE_FCNTL_LAST_ERRNO) {
        *(int *)argument = vfs_last_error(NULL, 0, NULL);
        return SQLITE_OK;
    }
    return real->pMethods->xFileControl(real, op, argument);
}

static int file_sector_size(sqlite3_file *file)
{
    sqlite3_file *real = real_of(file);
    return real->pMethods->xSectorSize(real);
}

static int file_characteristics(sqlite3_file *file)
{
    sqlite3_file *real = real_of(file);
    return real->pMethods->xDeviceCharacteristics(real);
}

static int file_shm_map(sqlite3_file *file, int page, int bytes, int extend, void volatile **map)
{
    sqlite3_file *real = real_of(file);
    return real->pMethods->xShmMap(real, page, bytes, extend, map);
}

static int file_shm_lock(sqlite3_file *file, int offset, int count, int flags)
{
    sqlite3_file *real = real_of(file);
    return real->pMethods->xShmLock(real, offset, count, flags);
}

static void file_shm_barrier(sqlite3_file *file)
{
    sqlite3_file *real = real_of(file);
    real->pMethods->xShmBarrier(real);
}

static int file_shm_unmap(sqlite3_file *file, int is_deleted)
{
    sqlite3_file *real = real_of(file);
    return real->pMethods->xShmUnmap(real, is_deleted);
}

static const sqlite3_io_methods methods = {
    .iVersion = 2,
    .xClose = file_close,
    .xRead = file_read,
    .xWrite = file_write,
    .xTruncate = file_truncate,
    .xSync = file_sync,
    .xFileSize = file_size,
    .xLock = file_lock,
    .xUnlock = file_unlock,
    .xCheckReservedLock = file_check_lock,
    .xFileControl = file_control,
    .xSectorSize = file_sector_size,
    .xDeviceCharacteristics = file_characteristics,
    .xShmMap = file_shm_map,
    .xShmLock = file_shm_lock,
    .xShmBarrier = file_shm_barrier,
    .xShmUnmap = file_shm_unmap,
};

static int vfs_open(sqlite3_vfs *vfs, const char *path, sqlite3_file *file, int flags, int *out)
{
    struct power_file *it = file_of(file);
    const int durable = SQLITE_OPEN_MAIN_DB | SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL;
    (void)vfs;
    *it = (struct power_file){.real = (sqlite3_file *)(void *)(it + 1)};
    if (path && (flags & durable)) {
        lock();
        it->shadow = take_shadow_locked(path);
        it->must_sync_folder =
            (flags & SQLITE_OPEN_CREATE) && (flags & (SQLITE_OPEN_WAL | SQLITE_OPEN_MAIN_JOURNAL));
        unlock();
    }
    const int rc = power.real->xOpen(power.real, path, it->real, flags, out);
    if (rc == SQLITE_OK)
        it->base.pMethods = &methods;
    return rc;
}

/* Without syncing the folder the file may come back. */
static int vfs_delete(sqlite3_vfs *vfs, const char *path, int must_sync)
{
    (void)vfs;
    lock();
    struct shadow *shadow = find_shadow_locked(path);
    const bool is_cut = shadow ? step_locked() : power.is_cut;
    if (shadow && !is_cut) {
        shadow->is_deleted = true;
        if (must_sync)
            sync_folder_locked();
    }
    unlock();
    return is_cut ? SQLITE_IOERR_DELETE : power.real->xDelete(power.real, path, 0);
}

static void vfs_install(void)
{
    static sqlite3_vfs vfs;
    if (power.real)
        return;
    power.real = sqlite3_vfs_find(NULL);
    check(power.real != NULL);
    vfs = *power.real;
    vfs.pNext = NULL;
    vfs.zName = STORE_VFS_NAME;
    vfs.szOsFile = (int)sizeof(struct power_file) + power.real->szOsFile;
    vfs.xOpen = vfs_open;
    vfs.xDelete = vfs_delete;
    vfs.xGetLastError = vfs_last_error;
    check(sqlite3_vfs_register(&vfs, 0) == SQLITE_OK);
}

/* ---- Lua ------------------------------------------------------------------------------------- */

/* vfs_reset{ cut_at, seed, image, write_at, writes, errno, sync_at } -> the name of the VFS. All
 * stores on it are closed. */
static int l_vfs_reset(lua_State *L)
{
    struct arena arena = {0};
    vfs_install();
    lock();
    for (unsigned i = 0; i < power.shadow_count; i++) {
        drop_changes(&power.shadows[i]);
        free(power.shadows[i].synced.bytes);
    }
    power.shadow_count = 0;
    power.steps = power.writes = power.syncs = power.syncs_after_failure = 0;
    power.is_cut = false;
    power.cut_at = (uint64_t)field_integer(L, 1, "cut_at", 0);
    power.random = (uint64_t)field_integer(L, 1, "seed", 0) * 2 + 1;
    power.fail_write_at = (uint64_t)field_integer(L, 1, "write_at", 0);
    power.fail_writes = (uint64_t)field_integer(L, 1, "writes", 0);
    power.fail_errno = (int)field_integer(L, 1, "errno", ENOSPC);
    power.fail_sync_at = (uint64_t)field_integer(L, 1, "sync_at", 0);
    const char *folder = arena_field(L, &arena, 1, "image");
    (void)snprintf(power.image_folder, sizeof power.image_folder, "%s", folder ? folder : ".");
    unlock();
    arena_free(&arena);
    lua_pushstring(L, STORE_VFS_NAME);
    return 1;
}

/* vfs_fail{ write_at, writes, errno, sync_at }: counted from now on; {} mends everything. */
static int l_vfs_fail(lua_State *L)
{
    lock();
    power.writes = power.syncs = power.syncs_after_failure = 0;
    power.fail_write_at = (uint64_t)field_integer(L, 1, "write_at", 0);
    power.fail_writes = (uint64_t)field_integer(L, 1, "writes", 0);
    power.fail_errno = (int)field_integer(L, 1, "errno", ENOSPC);
    power.fail_sync_at = (uint64_t)field_integer(L, 1, "sync_at", 0);
    unlock();
    return 0;
}

static int l_vfs_state(lua_State *L)
{
    lock();
    lua_newtable(L);
    set_integer(L, "syncs_after_failure", (lua_Integer)power.syncs_after_failure);
    set_bool(L, "is_cut", power.is_cut);
    unlock();
    return 1;
}

const luaL_Reg store_vfs_functions[] = {
    {"vfs_fail", l_vfs_fail},
    {"vfs_reset", l_vfs_reset},
    {"vfs_state", l_vfs_state},
    {NULL, NULL},
};
