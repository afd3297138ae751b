/* SPDX-License-Identifier: MIT */
/* Fan-out: what is published becomes one message with a delivery for each endpoint of its
 * application that wants it. Any thread. */
#ifndef MODEL_FAN_OUT_H
#define MODEL_FAN_OUT_H

#include "model/directory.h"
#include "model/outbox.h"
#include "model/published.h"

/* Who gets what an event was published as. */
struct fan_out {
    const struct event *event;
    struct slice type;       /* as endpoints name it */
    struct slice channels;   /* a JSON array of names; empty: none */
    struct content *content; /* borrowed; NULL: the event's own */
    /* Whether this endpoint gets it too; NULL: each that matches. */
    bool (*accepts)(const struct endpoint_spec *endpoint, void *ctx);
    void *ctx;
};
/* As it was published. */
struct fan_out fan_out_of(const struct event *event);
/* Adds the message and its deliveries to the outbox; nothing if nobody gets it. E_NOMEM: what was
 * added is taken out again. *count: of endpoints. */
MUST_USE enum status fan_out(const struct fan_out *what, struct directory *directory,
                             struct outbox *outbox, size_t *count);
/* True if somebody gets it now. */
bool fan_out_has_target(const struct fan_out *what, struct directory *directory);

#endif
