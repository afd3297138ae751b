/* SPDX-License-Identifier: MIT */
#include "model/outbox.h"

#include "base/memory.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>

enum status outbox_add_message(struct outbox *outbox, struct message *message)
{
    struct message **messages =
        array_grow(outbox->messages, outbox->message_count, sizeof *messages);
    if (!messages)
        return E_NOMEM;
    outbox->messages = messages;
    messages[outbox->message_count++] = message;
    return OK;
}

enum status outbox_add_delivery(struct outbox *outbox, const struct outbox_delivery *delivery)
{
    struct outbox_delivery *deliveries =
        array_grow(outbox->deliveries, outbox->delivery_count, sizeof *deliveries);
    if (!deliveries)
        return E_NOMEM;
    outbox->deliveries = deliveries;
    deliveries[outbox->delivery_count++] = *delivery;
    return OK;
}

enum status outbox_add_emit(struct outbox *outbox, struct event *event)
{
    struct event **emits = array_grow(outbox->emits, outbox->emit_count, sizeof *emits);
    if (!emits)
        return E_NOMEM;
    outbox->emits = emits;
    emits[outbox->emit_count++] = event;
    return OK;
}

enum status outbox_add_change(struct outbox *outbox, const struct outbox_change *change)
{
    struct outbox_change *changes =
        array_grow(outbox->changes, outbox->change_count, sizeof *changes);
    if (!changes)
        return E_NOMEM;
    outbox->changes = changes;
    changes[outbox->change_count++] = *change;
    return OK;
}

enum status outbox_add_task(struct outbox *outbox, const struct task *task)
{
    struct task *tasks = array_grow(outbox->tasks, outbox->task_count, sizeof *tasks);
    if (!tasks)
        return E_NOMEM;
    outbox->tasks = tasks;
    tasks[outbox->task_count++] = *task;
    return OK;
}

enum status outbox_add_kv_write(struct outbox *outbox, const struct kv_write *write)
{
    struct kv_write *writes = array_grow(outbox->kv_writes, outbox->kv_write_count, sizeof *writes);
    if (!writes)
        return E_NOMEM;
    outbox->kv_writes = writes;
    writes[outbox->kv_write_count++] = *write;
    outbox->kv_write_bytes += write->value ? strlen(write->value) : 0;
    return OK;
}

enum status outbox_add_kv_read(struct outbox *outbox, const struct kv_read *read)
{
    struct kv_read *reads = array_grow(outbox->kv_reads, outbox->kv_read_count, sizeof *reads);
    if (!reads)
        return E_NOMEM;
    outbox->kv_reads = reads;
    reads[outbox->kv_read_count++] = *read;
    return OK;
}

/* The shortest text that reads back the same, and reads as a real. */
static char *real_text(double real)
{
    char text[40];
    for (int digits = 15; digits <= 17; digits++) {
        (void)snprintf(text, sizeof text, "%.*g", digits, real);
        const double back = strtod(text, NULL);
        if (back >= real && back <= real)
            break;
    }
    if (!strpbrk(text, ".e"))
        (void)snprintf(text + strlen(text), sizeof text - strlen(text), ".0");
    return strdup(text);
}

char *kv_add(const char *value, int64_t delta)
{
    char *rest = NULL;
    char text[32];
    errno = 0;
    const int64_t whole = value ? strtoll(value, &rest, 10) : 0;
    if (!value || (rest != value && *rest == '\0' && errno == 0)) {
        int64_t sum;
        if (__builtin_add_overflow(whole, delta, &sum))
            return NULL;
        (void)snprintf(text, sizeof text, "%lld", (long long)sum);
        return strdup(text);
    }
    const double real = strtod(value, &rest);
    if (rest == value || *rest != '\0' || errno != 0)
        return NULL;
    return real_text(real + (double)delta);
}

void outbox_cut(struct outbox *outbox, size_t message_count, size_t delivery_count)
{
    while (outbox->delivery_count > delivery_count) {
        struct outbox_delivery *last = &outbox->deliveries[--outbox->delivery_count];
        delivery_destroy(last->delivery);
        registry_unref(last->registry);
        free((char *)(uintptr_t)last->order_key.data);
    }
    while (outbox->message_count > message_count)
        message_unref(outbox->messages[--outbox->message_count]);
}

void outbox_finish(struct outbox *outbox)
{
    outbox_cut(outbox, 0, 0);
    for (size_t i = 0; i < outbox->emit_count; i++)
        event_unref(outbox->emits[i]);
    for (size_t i = 0; i < outbox->kv_write_count; i++) {
        struct kv_write *write = &outbox->kv_writes[i];
        free(write->ns);
        free(write->key);
        memory_free_secret_text(write->value);
    }
    for (size_t i = 0; i < outbox->kv_read_count; i++) {
        free(outbox->kv_reads[i].ns);
        free(outbox->kv_reads[i].key);
        free(outbox->kv_reads[i].after);
    }
    free(outbox->deliveries);
    free(outbox->messages);
    for (size_t i = 0; i < outbox->change_count; i++) {
        free(outbox->changes[i].reason);
        free(outbox->changes[i].names);
    }
    for (size_t i = 0; i < outbox->task_count; i++)
        task_finish(&outbox->tasks[i]);
    free(outbox->changes);
    free(outbox->tasks);
    free(outbox->emits);
    free(outbox->kv_writes);
    free(outbox->kv_reads);
    *outbox = (struct outbox){0};
}
