/* SPDX-License-Identifier: MIT */
/* A delivery: one message for one endpoint. In memory it belongs to the worker that owns the
 * endpoint's shard; the store holds the truth. An attempt is one HTTP exchange of it. */
#ifndef MODEL_DELIVERY_H
#define MODEL_DELIVERY_H

#include "base/machine.h"
#include "base/queue.h"
#include "model/content.h"
#include "model/event.h"

/* The numbers are stored: never renumber. */
enum delivery_state {
    DELIVERY_PENDING = 0,
    DELIVERY_RETRYING = 1,
    DELIVERY_IN_FLIGHT = 2, /* in memory only, never stored */
    DELIVERY_SUCCEEDED = 3,
    DELIVERY_DEAD = 4,
    DELIVERY_CANCELLED = 5,
    DELIVERY_STATE_COUNT
};

extern const struct machine_state delivery_states[DELIVERY_STATE_COUNT];

/* Why an attempt has no answer, or none that counts. The numbers are stored. */
enum attempt_error {
    ATTEMPT_OK = 0, /* an answer came: see status */
    ATTEMPT_TIMEOUT = 1,
    ATTEMPT_CONNECT = 2,
    ATTEMPT_DNS = 3,
    ATTEMPT_TLS = 4,
    ATTEMPT_RESET = 5,
    ATTEMPT_BLOCKED_ADDRESS = 6,
    ATTEMPT_PROTOCOL = 7,
    ATTEMPT_SCRIPT = 8,
    ATTEMPT_AUTH = 9,   /* no token of OAuth 2: nothing was sent */
    ATTEMPT_LEASE = 10, /* the receiver of a queue did not acknowledge it in time */
    ATTEMPT_NACK = 11,  /* or gave it back */
    ATTEMPT_ERROR_COUNT
};

/* What decided how a delivery goes on after an attempt. The numbers are stored. */
enum decided_by {
    DECIDED_NONE = 0,        /* nothing had to be: it was a success */
    DECIDED_SCHEDULE = 1,    /* the endpoint's schedule, or that it is used up */
    DECIDED_RETRY_AFTER = 2, /* the receiver's Retry-After, which is later than the schedule */
    DECIDED_SCRIPT = 3,      /* the endpoint's retry function */
    DECIDED_GONE = 4,        /* 410 */
    DECIDED_BY_COUNT
};
/* "schedule" "retry_after" …; "" for DECIDED_NONE. */
const char *decided_by_name(enum decided_by by);
bool attempt_error_parse(const char *text, enum attempt_error *error);

/* "timeout" "connect" … as Lua, the API and the CLI show it; "" for ATTEMPT_OK. */
const char *attempt_error_name(enum attempt_error error);
const char *delivery_state_name(enum delivery_state state);
bool delivery_state_parse(const char *text, enum delivery_state *state);

/* What is sent: made by a run, immutable once shared. */
struct message {
    atomic_uint references;
    uint64_t id;             /* event id | ordinal */
    int64_t expires_ms;      /* Unix ms; 0: never */
    struct trace trace;      /* of its event */
    struct content *content; /* owned reference; the event's own when forwarded */
    bool is_forwarded;
    struct slice type; /* behind the struct */
    char text[];
};

/* content: a reference is taken over. NULL: no memory. */
struct message *message_create(uint64_t id, struct slice type, struct content *content,
                               bool is_forwarded);
static inline bool message_is_expired(const struct message *message, int64_t now_ms)
{
    return message->expires_ms > 0 && message->expires_ms <= now_ms;
}
struct message *message_ref(struct message *message);
void message_unref(struct message *message);

struct delivery {
    struct node node;        /* of its endpoint's queue */
    uint64_t id;             /* from the store, at commit */
    uint64_t endpoint;       /* endpoint id */
    struct message *message; /* owned reference */
    enum delivery_state state;
    uint32_t attempts; /* made so far */
    int64_t created_ms;
    int64_t due_ms;    /* Unix ms; 0: held in its owner's memory */
    int64_t leased_ms; /* Unix ms, when it was given to a receiver; 0: it is not leased */
    int64_t previous_delay_ms;
    int priority;            /* higher goes first among those that are due */
    bool is_ordered;         /* it has an order key: the first of its line, once it is in memory */
    int64_t fresh_ms;        /* Unix ms, when its last fresh chance began; 0: when it was made */
    uint32_t fresh_attempts; /* made before that */
};

/* message: a reference is taken over. */
struct delivery *delivery_create(uint64_t endpoint, struct message *message);
void delivery_destroy(struct delivery *delivery);
/* Its age as its retry policy counts it. */
static inline int64_t delivery_age_ms(const struct delivery *delivery, int64_t now_ms)
{
    return now_ms - (delivery->fresh_ms ? delivery->fresh_ms : delivery->created_ms);
}

/* 2xx: what is a success, unless the endpoint's `success` decides. */
static inline bool status_is_success(int status)
{
    return status >= 200 && status < 300;
}

/* One HTTP exchange out, as recorded. */
struct attempt {
    uint64_t id;     /* from the store */
    uint32_t number; /* 1, 2, … */
    int64_t started_ms;
    int64_t duration_ms;
    int status; /* HTTP status, 0: no answer */
    enum attempt_error error;
    int64_t retry_after_ms;                            /* from the answer, capped; -1: none */
    int64_t dns_us, connect_us, tls_us, first_byte_us; /* since the start; 0: not reached */
    struct slice head;  /* the answer's headers, packed as content.h says */
    struct slice body;  /* the answer, at most LIMIT_ANSWER_BYTES */
    bool is_cut;        /* the body was longer */
    const char *detail; /* one sentence for people, never NULL */
    enum decided_by decided;
    struct slice request; /* the headers that went out, packed, what is secret masked; curl's own
                             are not among them. First ":method" and ":url" */
};

#endif
