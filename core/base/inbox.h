/* SPDX-License-Identifier: MIT */
/* The way into a loop from other threads: a list under a mutex and one uv_async wake-up for all
 * that lies in it. inbox_post is for any thread; the handler runs on the loop, once for each
 * letter, in order of posting. A letter is intrusive: its owner travels with it. */
#ifndef BASE_INBOX_H
#define BASE_INBOX_H

#include "base/base.h"

#include <pthread.h>
#include <uv.h>

struct letter {
    struct letter *next;
};

/* On the loop. Takes the letter. */
typedef void (*inbox_cb)(struct letter *letter, void *ctx);

struct inbox {
    uv_async_t async;
    pthread_mutex_t mutex;
    struct letter *first;
    struct letter *last;
    bool closing;
    void (*on_closed)(struct inbox *inbox);
    inbox_cb on_letter;
    void *ctx;
};

/* On the loop's thread (or before the loop runs). The inbox must stay until on_closed. */
void inbox_open(struct inbox *inbox, uv_loop_t *loop, inbox_cb on_letter, void *ctx);
/* Any thread. */
void inbox_post(struct inbox *inbox, struct letter *letter);
/* Any thread. Posts a list linked by next, first to last, with one wake-up. */
void inbox_post_list(struct inbox *inbox, struct letter *first, struct letter *last);
/* On the loop: what lies there is handled now. */
void inbox_drain(struct inbox *inbox);
/* On the loop: handles what lies there, then closes the wake-up; nobody may post any more. The
 * loop must run once more for the handle to go. */
void inbox_close(struct inbox *inbox);
/* The same; on_closed runs on the loop when the handle is gone and may free the inbox's memory. */
typedef void (*inbox_closed_cb)(struct inbox *inbox);
void inbox_close_then(struct inbox *inbox, inbox_closed_cb on_closed);

#endif
