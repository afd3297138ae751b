/* SPDX-License-Identifier: MIT */
/* An intrusive doubly linked list. One thread at a time. The list owns nothing.
 * A node that is in no list has next == NULL (zeroed). */
#ifndef BASE_QUEUE_H
#define BASE_QUEUE_H

#include "base/base.h"

struct node {
    struct node *next;
    struct node *previous;
};

struct queue {
    struct node head; /* next: first, previous: last; points to itself when empty */
    size_t count;
};

static inline void queue_init(struct queue *queue)
{
    queue->head.next = queue->head.previous = &queue->head;
    queue->count = 0;
}

static inline bool node_is_linked(const struct node *node)
{
    return node->next != NULL;
}

static inline void queue_insert_before(struct queue *queue, struct node *place, struct node *node)
{
    check(!node_is_linked(node));
    node->next = place;
    node->previous = place->previous;
    place->previous->next = node;
    place->previous = node;
    queue->count++;
}

static inline void queue_push(struct queue *queue, struct node *node)
{
    queue_insert_before(queue, &queue->head, node);
}

static inline void queue_remove(struct queue *queue, struct node *node)
{
    check(node_is_linked(node));
    node->previous->next = node->next;
    node->next->previous = node->previous;
    *node = (struct node){0};
    queue->count--;
}

/* NULL when empty. */
static inline struct node *queue_first(const struct queue *queue)
{
    return queue->head.next == &queue->head ? NULL : queue->head.next;
}

static inline struct node *queue_next(const struct queue *queue, const struct node *node)
{
    return node->next == &queue->head ? NULL : node->next;
}

/* NULL when empty. Written out: clang's analyzer so sees that the node is no longer the first. */
static inline struct node *queue_pop(struct queue *queue)
{
    struct node *node = queue->head.next;
    if (node == &queue->head)
        return NULL;
    queue->head.next = node->next;
    node->next->previous = &queue->head;
    *node = (struct node){0};
    queue->count--;
    return node;
}

#endif
