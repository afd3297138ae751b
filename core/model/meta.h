/* SPDX-License-Identifier: MIT */
/* Meta events: what the server tells scripts about itself, as events of the source "anzol" with a
 * JSON object as data. Each is made only if a subscription asks for its type. Pure, any thread. */
#ifndef MODEL_META_H
#define MODEL_META_H

#include "model/event.h"
#include "model/registry.h"

#define META_SOURCE "anzol"

#define META_DELIVERY_DEAD "anzol.delivery.dead"
#define META_DELIVERY_SUCCEEDED "anzol.delivery.succeeded"
#define META_ENDPOINT_DISABLED "anzol.endpoint.disabled"
#define META_RELOAD_REFUSED "anzol.reload.refused"
#define META_SOURCE_HANDSHAKE "anzol.source.handshake"
#define META_ROUTINE_FAILED "anzol.routine.failed"
#define META_SOURCE_UNVERIFIED "anzol.source.unverified"

/* One of text, json and number. */
struct meta_field {
    const char *name;
    const char *text; /* NULL: json or number */
    struct slice json;
    int64_t number;
};

struct meta_options {
    const char *type;
    uint64_t parent;           /* the event that led to it; 0: none */
    const struct trace *trace; /* of that one, which goes on; NULL: none */
    const struct meta_field *fields;
    size_t field_count;
};

/* One reference, id 0. NULL: no subscription matches, or no memory. */
struct event *meta_create(const struct registry *registry, const struct meta_options *options);

/* Requests of a source that were not genuine; told at most once in META_UNVERIFIED_MS. */
#define META_UNVERIFIED_MS 60000
struct meta_unverified {
    const char *source;
    const char *reason; /* never a secret */
    const char *remote_ip;
    int64_t count; /* since it was told last */
};
struct event *meta_create_unverified(const struct registry *registry,
                                     const struct meta_unverified *unverified);

/* Somebody wants to deliver to a source; a handler may consent by calling asked->callback. */
struct event *meta_create_handshake(const struct registry *registry, const char *source,
                                    const struct handshake_request *asked);

/* A cron, an every, a poll or a stream, when model/routine.h has news of it. */
struct meta_routine {
    const char *kind;
    const char *name;
    const char *state;
    int64_t failures; /* in a row */
    const char *error;
};
struct event *meta_create_routine(const struct registry *registry,
                                  const struct meta_routine *routine);

#endif
