/* SPDX-License-Identifier: MIT */
/* What an application published over the API: an event of source "api" whose type is the caller's
 * own behind "api.", with the payload as its body. What else was said of it stands in pseudo fields
 * of its head (base/head.h), so that it goes wherever the event goes. Any thread. */
#ifndef MODEL_PUBLISHED_H
#define MODEL_PUBLISHED_H

#include "base/id.h"
#include "base/limits.h"
#include "model/event.h"

#define PUBLISHED_SOURCE "api"
#define PUBLISHED_TYPE_PREFIX "api."
#define PUBLISHED_APPLICATION ":application" /* its id as text; such an event has it */
#define PUBLISHED_UID ":event-id"            /* the caller's own id of it, unless there is none */
#define PUBLISHED_CHANNELS ":channels"       /* a JSON array of texts, unless there are none */
#define PUBLISHED_ENDPOINT ":endpoint"       /* an example, for this one alone; its id as text */
#define PUBLISHED_RAW ":raw-payload"         /* its body is what was given as such, not JSON */

/* What it is beside its event. Texts are owned where the holder says so. */
struct published {
    uint64_t application;
    char *uid;                /* of its application alone; NULL: none */
    char *channels;           /* a JSON array of texts; NULL: none */
    char *tags;               /* the same */
    int64_t payload_until_ms; /* then its content goes */
};

/* The message that an event is published as has the last ordinal, which no run gives. */
static inline uint64_t published_message(uint64_t event)
{
    return event | ID_ORDINAL_MAX;
}
/* Whether an event is one of these. */
bool event_is_published(const struct event *event);
/* The names of its channels, as they stand in a JSON array ("": none). Returns how many. */
size_t published_channels(struct slice json, struct slice channels[LIMIT_CHANNELS_PER_MESSAGE]);
/* Its type as the caller said it. */
struct slice published_type(struct slice type);

/* One on its way from the API to a worker and the store, and back. */
struct publishing {
    struct event *event; /* a reference; gets its id on the way */
    struct published what;
    const unsigned char *answer_key; /* as of struct store_ingest; NULL: none */
    enum status status;              /* OK; E_CONFLICT: its uid is another's; E_BUSY, E_IO;
                                      * E_CANCELLED: the server starts or stops */
    uint64_t first;                  /* with OK: the event that the key had made before; 0: none */
    void (*on_done)(struct publishing *publishing); /* on the API's loop */
    void *ctx;
};

#endif
