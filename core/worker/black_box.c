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
#define ROUTINE_BIT (UINT64_C(1) << 63) /* base/id.h: never set in an id */

struct suspect {
    _Atomic uint64_t subject; /* 0: none */
    uint64_t crashes;         /* written at start only */
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

/* The subject's place, or that of the one with the least crashes. */
static struct suspect *place_of(struct page *page, uint64_t subject)
{
    struct suspect *least = &page->suspects[0];
    for (size_t i = 0; i < SUSPECTS; i++) {
        struct suspect *it = &page->suspects[i];
        if (atomic_load(&it->subject) == subject)
            return it;
        if (atomic_load(&it->subject) == 0)
            it->crashes = 0;
        if (it->crashes < least->crashes)
            least = it;
    }
    return least;
}

/* Of a routine no more than the number is known here: its owner tells the name. */
static void tell(const struct suspect *it, uint64_t subject)
{
    char id[ID_TEXT_BYTES];
    if ((subject & ROUTINE_BIT) != 0) {
        log_warn("the process ended in a script", "routine=%016llx times=%llu most=%d",
                 (unsigned long long)subject, (unsigned long long)it->crashes, BLACK_BOX_CRASHES);
        return;
    }
    id_format(ID_EVENT, subject, id);
    log_warn("the process ended in a script", "event=%s times=%llu most=%d", id,
             (unsigned long long)it->crashes, BLACK_BOX_CRASHES);
}

static void count_crash(struct page *page, uint64_t subject)
{
    struct suspect *it = place_of(page, subject);
    it->crashes = atomic_load(&it->subject) == subject ? it->crashes + 1 : 1;
    atomic_store(&it->subject, subject);
    tell(it, subject);
}

static void read_page(struct black_box *box)
{
    struct page *page = box->page;
    if (page->magic != MAGIC)
        memset(page, 0, sizeof *page);
    page->magic = MAGIC;
    for (size_t i = 0; i < ID_SHARD_COUNT; i++) {
        const uint64_t subject = atomic_exchange(&page->running[i], 0);
        if (subject != 0)
            count_crash(page, subject);
    }
    for (size_t i = 0; i < SUSPECTS; i++)
        if (atomic_load(&page->suspects[i].subject) != 0)
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

uint64_t black_box_routine(uint64_t id)
{
    return id | ROUTINE_BIT;
}

_Atomic uint64_t *black_box_running(struct black_box *box, unsigned index)
{
    return &box->page->running[index];
}

static struct suspect *find(struct black_box *box, uint64_t subject)
{
    if (!box || atomic_load_explicit(&box->suspect_count, memory_order_relaxed) == 0)
        return NULL;
    for (size_t i = 0; i < SUSPECTS; i++)
        if (atomic_load(&box->page->suspects[i].subject) == subject)
            return &box->page->suspects[i];
    return NULL;
}

bool black_box_is_poison(struct black_box *box, uint64_t subject)
{
    const struct suspect *it = find(box, subject);
    return it && it->crashes >= BLACK_BOX_CRASHES;
}

void black_box_clear(struct black_box *box, uint64_t subject)
{
    struct suspect *it = find(box, subject);
    if (it && atomic_exchange(&it->subject, 0) == subject)
        atomic_fetch_sub(&box->suspect_count, 1);
}
