/* SPDX-License-Identifier: MIT */
#include "base/inbox.h"

void inbox_drain(struct inbox *inbox)
{
    check(pthread_mutex_lock(&inbox->mutex) == 0);
    struct letter *letter = inbox->first;
    inbox->first = inbox->last = NULL;
    check(pthread_mutex_unlock(&inbox->mutex) == 0);
    while (letter) {
        struct letter *next = letter->next;
        letter->next = NULL;
        inbox->on_letter(letter, inbox->ctx);
        letter = next;
    }
}

static void on_async(uv_async_t *async)
{
    inbox_drain(container_of(async, struct inbox, async));
}

void inbox_open(struct inbox *inbox, uv_loop_t *loop, inbox_cb on_letter, void *ctx)
{
    *inbox = (struct inbox){.on_letter = on_letter, .ctx = ctx};
    check(pthread_mutex_init(&inbox->mutex, NULL) == 0);
    check(uv_async_init(loop, &inbox->async, on_async) == 0);
}

void inbox_post_list(struct inbox *inbox, struct letter *first, struct letter *last)
{
    check(pthread_mutex_lock(&inbox->mutex) == 0);
    check(!inbox->closing);
    const bool was_empty = inbox->first == NULL;
    last->next = NULL;
    if (was_empty)
        inbox->first = first;
    else
        inbox->last->next = first;
    inbox->last = last;
    /* Under the mutex, so that inbox_close never closes the handle between. */
    if (was_empty)
        check(uv_async_send(&inbox->async) == 0);
    check(pthread_mutex_unlock(&inbox->mutex) == 0);
}

void inbox_post(struct inbox *inbox, struct letter *letter)
{
    inbox_post_list(inbox, letter, letter);
}

static void on_handle_closed(uv_handle_t *handle)
{
    struct inbox *inbox = container_of(handle, struct inbox, async);
    if (inbox->on_closed)
        inbox->on_closed(inbox);
}

void inbox_close_then(struct inbox *inbox, inbox_closed_cb on_closed)
{
    inbox_drain(inbox);
    inbox->on_closed = on_closed;
    check(pthread_mutex_lock(&inbox->mutex) == 0);
    inbox->closing = true;
    check(inbox->first == NULL);
    check(pthread_mutex_unlock(&inbox->mutex) == 0);
    uv_close((uv_handle_t *)&inbox->async, on_handle_closed);
}

void inbox_close(struct inbox *inbox)
{
    inbox_close_then(inbox, NULL);
}
