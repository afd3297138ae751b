/* SPDX-License-Identifier: MIT */
/* An event: one durable, immutable thing that came in. Counted references; immutable after its id
 * is set, so any thread may read it. */
#ifndef MODEL_EVENT_H
#define MODEL_EVENT_H

#include "model/content.h"
#include "model/registry.h"
#include "model/trace.h"

/* The runs of a new event of which some go in order or in batches: decided before it is stored. One
 * block. */
struct planned_run {
    char *subscription;
    struct slice order_key;  /* data NULL: in no order */
    struct slice batch_key;  /* data NULL: in no batch */
    struct batch_spec batch; /* if it has a batch_key */
    uint64_t released;       /* by the store: the event of the batch that is due now; 0: none */
};
struct run_plan {
    size_t count;
    int64_t due_ms; /* by the store: the least of its runs */
    struct planned_run runs[];
};
/* Copies. NULL: no memory. */
struct run_plan *run_plan_create(const struct planned_run *runs, size_t count);

struct event {
    atomic_uint references;
    uint64_t id;     /* set by the submitter before the commit, ordinal 0 */
    uint64_t parent; /* the event whose handler emitted it; 0: none */
    int64_t received_ms;
    uint32_t depth; /* of the chain: 0 for what came in from outside */
    struct trace trace;
    int64_t due_ms; /* not handled before; 0: at once */
    struct run_plan
        *plan; /* owned; NULL: its runs have no order and no batch. Only until it is stored */
    struct content *content; /* owned reference */
    struct slice source;     /* name; these three lie behind the struct, each terminated */
    struct slice type;
    struct slice key; /* idempotency key, empty: none */
    char text[];
};

struct event_options {
    struct slice source;
    struct slice type;
    struct slice key;
    struct content *content; /* a reference is taken over */
    uint64_t parent;
    uint32_t depth;
    struct trace trace;
    int64_t received_ms;
    int64_t due_ms;
};

/* One reference, id 0. On NULL (no memory) the content stays the caller's. */
struct event *event_create(const struct event_options *options);
struct event *event_ref(struct event *event);
void event_unref(struct event *event);
/* What it costs in memory: for windows and groups. */
size_t event_bytes(const struct event *event);

/* An event whose source could not say its type, and the name of its only run, which is dead until
 * somebody has it tried again. */
#define EVENT_UNTYPED "anzol.untyped"
#define EVENT_UNTYPED_RUN "type"

/* States of a run as stored. Never renumber. */
enum run_state {
    RUN_PENDING = 0,
    RUN_RETRYING = 1,
    RUN_HANDLED = 2,
    RUN_SKIPPED = 3,
    RUN_DEAD = 4,
    RUN_ERASED = 5, /* of an event alone: nothing is known of it any more */
    RUN_STATE_COUNT
};
const char *run_state_name(enum run_state state);
bool run_state_parse(const char *text, enum run_state *state);

/* ^[A-Za-z0-9_.-]+$, at most LIMIT_TYPE_BYTES. */
bool event_type_is_valid(struct slice type);
/* Of what the server makes itself, and of what is published over the API: "anzol.…", "api.…". */
bool event_type_is_reserved(struct slice type);
/* "*" is one segment; "**" one or more, last only; "anzol." and "api." types match only
 * patterns that begin so too. */
bool event_pattern_matches(struct slice pattern, struct slice type);
/* A pattern that can match something: segments of type characters, "*" or a last "**". */
bool event_pattern_is_valid(struct slice pattern);
#define EVENT_PATTERN_FORMS                                                                        \
    "a pattern of types: segments of A-Z a-z 0-9 _ - between dots; '*' stands for one, '**' at "   \
    "the end for one or more"

#endif
