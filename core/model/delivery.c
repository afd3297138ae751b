/* SPDX-License-Identifier: MIT */
#include "model/delivery.h"

#include <stdlib.h>

const struct machine_state delivery_states[DELIVERY_STATE_COUNT] = {
    [DELIVERY_PENDING] = {"pending", MACHINE_BIT(DELIVERY_IN_FLIGHT) |
                                         MACHINE_BIT(DELIVERY_CANCELLED) |
                                         MACHINE_BIT(DELIVERY_DEAD)},
    [DELIVERY_RETRYING] = {"retrying", MACHINE_BIT(DELIVERY_IN_FLIGHT) |
                                           MACHINE_BIT(DELIVERY_CANCELLED) |
                                           MACHINE_BIT(DELIVERY_DEAD)},
    [DELIVERY_IN_FLIGHT] = {"in_flight",
                            MACHINE_BIT(DELIVERY_SUCCEEDED) | MACHINE_BIT(DELIVERY_RETRYING) |
                                MACHINE_BIT(DELIVERY_DEAD) | MACHINE_BIT(DELIVERY_PENDING)},
    [DELIVERY_SUCCEEDED] = {"succeeded", 0},
    [DELIVERY_DEAD] = {"dead", 0},
    [DELIVERY_CANCELLED] = {"cancelled", 0},
};

static const char *const error_names[ATTEMPT_ERROR_COUNT] = {
    "",         "timeout", "connect", "dns",   "tls", "reset", "blocked_address",
    "protocol", "script",  "auth",    "lease", "nack"};

const char *attempt_error_name(enum attempt_error error)
{
    return (unsigned)error < ATTEMPT_ERROR_COUNT ? error_names[error] : "unknown";
}

bool attempt_error_parse(const char *text, enum attempt_error *error)
{
    for (unsigned i = ATTEMPT_OK + 1; i < ATTEMPT_ERROR_COUNT; i++)
        if (strcmp(error_names[i], text) == 0) {
            *error = (enum attempt_error)i;
            return true;
        }
    return false;
}

const char *decided_by_name(enum decided_by by)
{
    static const char *const names[DECIDED_BY_COUNT] = {"", "schedule", "retry_after", "script",
                                                        "gone"};
    return (unsigned)by < DECIDED_BY_COUNT ? names[by] : "unknown";
}

const char *delivery_state_name(enum delivery_state state)
{
    return (unsigned)state < DELIVERY_STATE_COUNT ? delivery_states[state].name : "unknown";
}

bool delivery_state_parse(const char *text, enum delivery_state *state)
{
    for (unsigned i = 0; i < DELIVERY_STATE_COUNT; i++)
        if (strcmp(delivery_states[i].name, text) == 0) {
            *state = (enum delivery_state)i;
            return true;
        }
    return false;
}

struct message *message_create(uint64_t id, struct slice type, struct content *content,
                               bool is_forwarded)
{
    struct message *message = malloc(sizeof *message + type.len + 1);
    if (!message)
        return NULL;
    *message = (struct message){.id = id, .content = content, .is_forwarded = is_forwarded};
    atomic_init(&message->references, 1);
    if (type.len > 0)
        memcpy(message->text, type.data, type.len);
    message->text[type.len] = '\0';
    message->type = slice_of(message->text, type.len);
    return message;
}

struct message *message_ref(struct message *message)
{
    atomic_fetch_add_explicit(&message->references, 1, memory_order_relaxed);
    return message;
}

void message_unref(struct message *message)
{
    if (!message || atomic_fetch_sub_explicit(&message->references, 1, memory_order_acq_rel) != 1)
        return;
    content_unref(message->content);
    free(message);
}

struct delivery *delivery_create(uint64_t endpoint, struct message *message)
{
    struct delivery *delivery = calloc(1, sizeof *delivery);
    if (!delivery)
        return NULL;
    delivery->endpoint = endpoint;
    delivery->message = message;
    return delivery;
}

void delivery_destroy(struct delivery *delivery)
{
    if (!delivery)
        return;
    message_unref(delivery->message);
    free(delivery);
}
