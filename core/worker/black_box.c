/* SPDX-License-Identifier: MIT */
#include "worker/black_box.h"

#include "base/id.h"
#include "base/log.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define MAGIC UINT64_C(0x31786f626c7a6e61)
#define SUSPECTS 64

struct suspect {
    _Atomic uint64_t event; /* 0: none */
    uint64_t crashes;       /* written at start only */
};

/* The file, byte for byte: it is read by the program that wrote it, or begun anew. */
struct page {
    uint64_t magic;
    struct suspect suspects[SUSPECTS];
    _Atomic uint64_t running[ID_SHARD_COUNT];
};

struct black_box {
    struct page *page;
    atomic_uint suspect_count;
};

/* The event's place, or that of the one with the least crashes. */
static struct suspect *place_of(struct page *page, uint64_t event)
{
    struct suspect *least = &page->suspects[0];
    for (size_t i = 0; i < SUSPECTS; i++) {
        struct suspect *it = &page->suspects[i];
        if (atomic_load(&it->event) == event)
            return it;
        if (atomic_load(&it->event) == 0)
            it->crashes = 0;
        if (it->crashes < least->crashes)
            least = it;
    }
    return least;
}

static void count_crash(struct page *page, uint64_t event)
{
    char id[ID_TEXT_BYTES];
    struct suspect *it = place_of(page, event);
    it->crashes = atomic_load(&it->event) == event ? it->crashes + 1 : 1;
    atomic_store(&it->event, event);
    id_format(ID_EVENT, event, id);
    log_warn("the process ended in a script", "event=%s times=%llu most=%d", id,
             (unsigned long long)it->crashes, BLACK_BOX_CRASHES);
}

static void read_page(struct black_box *box)
{
    struct page *page = box->page;
    if (page->magic != MAGIC)
        memset(page, 0, sizeof *page);
    page->magic = MAGIC;
    for (size_t i = 0; i < ID_SHARD_COUNT; i++) {
        const uint64_t event = atomic_exchange(&page->running[i], 0);
        if (event != 0)
            count_crash(page, event);
    }
    for (size_t i = 0; i < SUSPECTS; i++)
        if (atomic_load(&page->suspects[i].event) != 0)
            atomic_fetch_add(&box->suspect_count, 1);
}

enum status black_box_open(const char *path, unsigned count, struct black_box **box,
                           struct err *err)
{
    check(count <= ID_SHARD_COUNT);
    const int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);
    if (fd < 0 || ftruncate(fd, sizeof(struct page)) != 0) {
        const enum status status =
            err_set(err, E_IO, "%s: cannot be written: %s", path, strerror(errno));
        if (fd >= 0)
            (void)close(fd);
        return status;
    }
    void *page = mmap(NULL, sizeof(struct page), PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
    (void)close(fd);
    if (page == MAP_FAILED)
        return err_set(err, E_IO, "%s: cannot be mapped: %s", path, strerror(errno));
    *box = must_alloc(sizeof **box);
    (*box)->page = page;
    read_page(*box);
    return OK;
}

void black_box_close(struct black_box *box)
{
    if (!box)
        return;
    (void)munmap(box->page, sizeof *box->page);
    free(box);
}

_Atomic uint64_t *black_box_running(struct black_box *box, unsigned index)
{
    return &box->page->running[index];
}

static struct suspect *find(struct black_box *box, uint64_t event)
{
    if (!box || atomic_load_explicit(&box->suspect_count, memory_order_relaxed) == 0)
        return NULL;
    for (size_t i = 0; i < SUSPECTS; i++)
        if (atomic_load(&box->page->suspects[i].event) == event)
            return &box->page->suspects[i];
    return NULL;
}

bool black_box_take_poison(struct black_box *box, uint64_t event)
{
    const struct suspect *it = find(box, event);
    if (!it || it->crashes < BLACK_BOX_CRASHES)
        return false;
    black_box_clear(box, event);
    return true;
}

void black_box_clear(struct black_box *box, uint64_t event)
{
    struct suspect *it = find(box, event);
    if (it && atomic_exchange(&it->event, 0) == event)
        atomic_fetch_sub(&box->suspect_count, 1);
}
