/* SPDX-License-Identifier: MIT */
/* The registry: what the scripts of one generation registered, as immutable C data. Made by the
 * loader thread (script/), shared by all workers, freed with its last reference. Lua functions are
 * numbers: the same number in each worker's state of the generation; 0 is none. */
#ifndef MODEL_REGISTRY_H
#define MODEL_REGISTRY_H

#include "base/base.h"
#include "base/cidr.h"
#include "base/map.h"
#include "model/backoff.h"
#include "model/handshake.h"
#include "model/routine.h"

#include <stdatomic.h>
#include <stdlib.h>

struct verifier;
struct signer;
struct throttle;

/* Room in the memory of the endpoint's owner. Whoever commits a delivery takes one first: got it
 * (room was > 0): the delivery is held in memory (no due time in the store), else it goes to the
 * store as due and the owner claims it. The owner closes the gate by making the room negative.
 * One per endpoint and process: that of one that scripts declare stays while the process runs, that
 * of one that an application registered as long as there is a version of it. Any thread. */
struct gate {
    atomic_uint references;
    atomic_int room;
    /* What the owner shows; any thread reads. */
    atomic_int circuit;                  /* enum circuit_state of send.h */
    atomic_int_fast64_t paused_until_ms; /* Unix ms: as the receiver asked; 0: is not */
    atomic_int_fast64_t slowed_per_hour; /* attempts; 0: as fast as its options say */
    atomic_int_fast64_t slowed_until_ms; /* Unix ms: it is not any more, though nothing is sent */
    /* Of a queue. */
    atomic_int receivers;                /* that wait for messages */
    atomic_uint_fast64_t given;          /* leases, in all */
    atomic_uint_fast64_t acknowledged;   /* of them */
    atomic_uint_fast64_t unacknowledged; /* given back, or ended by time */
};

/* With one reference, the caller's. */
static inline struct gate *gate_create(void)
{
    struct gate *gate = must_alloc(sizeof *gate);
    atomic_init(&gate->references, 1);
    atomic_init(&gate->room, 0);
    return gate;
}

static inline struct gate *gate_ref(struct gate *gate)
{
    atomic_fetch_add(&gate->references, 1);
    return gate;
}

/* NULL is fine. */
static inline void gate_unref(struct gate *gate)
{
    if (gate && atomic_fetch_sub(&gate->references, 1) == 1)
        free(gate);
}

static inline bool gate_take(struct gate *gate)
{
    if (atomic_fetch_sub_explicit(&gate->room, 1, memory_order_acq_rel) > 0)
        return true;
    atomic_fetch_add_explicit(&gate->room, 1, memory_order_acq_rel);
    return false;
}

static inline void gate_put(struct gate *gate)
{
    atomic_fetch_add_explicit(&gate->room, 1, memory_order_acq_rel);
}

/* What a closed gate's room is lowered by: more than any window. */
#define GATE_CLOSED (1 << 28)

/* By the owner only, in turns. */
static inline void gate_close(struct gate *gate)
{
    atomic_fetch_sub(&gate->room, GATE_CLOSED);
}

static inline void gate_open(struct gate *gate)
{
    atomic_fetch_add(&gate->room, GATE_CLOSED);
}

struct source_spec {
    char *name;
    char *path;                /* "/in/NAME" unless given; exact */
    char *methods;             /* "POST" or "POST, PUT": the Allow header */
    struct verifier *verifier; /* in C; NULL: verify_function */
    int verify_function;
    struct handshake_spec *handshake; /* of CloudEvents; NULL: none */
    int challenge_function;
    int respond_function;
    char *public_url; /* as senders know it, without a query; NULL: not said */
    char *type;       /* a fixed type; NULL: type_function */
    int type_function;
    int key_function;
    int64_t key_window_ms;
    int64_t retention_ms;
    size_t body_bytes_max;
    struct cidr *allowed; /* who may send; none: anybody */
    size_t allowed_count;
    double rate_per_s;     /* 0: no limit */
    int status;            /* of the answer once durable */
    bool seals_body;       /* it lies sealed in the store, and nothing shows it */
    int malformed_status;  /* of the answer to a body that is not what it says */
    char **hidden_headers; /* lower case, not stored nor shown to scripts beyond verify */
    size_t hidden_header_count;
    char *script; /* file:line of the registration */
};

/* Of one attempt, each since its start; connect_ms <= first_byte_ms <= whole_ms. */
struct timeouts {
    int64_t connect_ms;    /* name, TCP and TLS */
    int64_t first_byte_ms; /* of the answer */
    int64_t whole_ms;
};

/* Of an endpoint, unless said otherwise. */
#define CONNECT_TIMEOUT_MS 10000
#define ENDPOINT_TIMEOUT_MS 15000
#define ENDPOINT_CONCURRENCY 20
#define ENDPOINT_DISABLE_AFTER_MS (INT64_C(5) * 86400 * 1000)
#define ENDPOINT_BREAKER_FAILURES 20
#define ENDPOINT_BREAKER_RATE 0.9
#define ENDPOINT_BREAKER_WINDOW_MS 60000
#define ENDPOINT_BREAKER_COOLDOWN_MS 10000

/* Their parts if only the whole is said. */
static inline struct timeouts timeouts_of(int64_t whole_ms)
{
    return (struct timeouts){
        .connect_ms = whole_ms < CONNECT_TIMEOUT_MS ? whole_ms : CONNECT_TIMEOUT_MS,
        .first_byte_ms = whole_ms,
        .whole_ms = whole_ms,
    };
}

/* Where the tokens of an endpoint come from (OAuth 2, client credentials): a POST, made when the
 * scripts were loaded. */
struct oauth_spec {
    char *token_url;
    struct slice head; /* packed; owned, with the client's secret in it or in the body */
    struct slice body; /* owned */
};

/* What an endpoint has of its own for TLS, as PEM. */
struct tls_spec {
    char *authorities; /* who may vouch for the receiver; NULL: those of the system */
    char *certificate; /* ours, and what it is vouched for by; NULL: none */
    char *key;
};

/* As what messages go out: as they are, or as CloudEvents in one of their modes. */
enum cloudevents_mode { CLOUDEVENTS_NONE, CLOUDEVENTS_BINARY, CLOUDEVENTS_STRUCTURED };

/* When attempts at an endpoint pause because it fails. */
struct circuit_spec {
    uint32_t failures; /* within the window, at least; 0: never */
    double rate;       /* of the attempts within the window, at least */
    int64_t window_ms;
    int64_t cooldown_ms; /* until one attempt probes */
};

/* A queue: its messages are not sent, receivers ask for them and acknowledge each. */
struct queue_spec {
    char *path; /* as of a source: GET gives, POST path/ack, path/nack and path/extend end leases */
    struct verifier *verifier; /* who may */
    int64_t wait_ms;           /* at most so long a receiver waits for a message */
    uint32_t batch;            /* messages at once, at most */
    int64_t lease_ms;          /* how long a message is a receiver's before it comes again */
};

/* Of an endpoint that an application registered over the API: one version of it, alone in a
 * registry of its own (model/directory.h), which is given away when the endpoint changes. */
struct membership {
    uint64_t application;
    char *uid;                 /* the caller's own name of the endpoint; NULL: none */
    struct throttle *throttle; /* of its application; stays while the process runs */
    uint64_t version;
    char **types; /* of events; none: every type */
    size_t type_count;
    char **channels; /* none: messages of every channel */
    size_t channel_count;
    char *metadata;  /* a JSON object of texts */
    char *transform; /* that it names: a transform_spec; NULL: none */
    bool is_disabled;
    bool is_unverified;       /* it has to prove that it wants webhooks: sent to as if paused */
    char *origin;             /* the proof is a handshake by this name; NULL: a challenge */
    char *grant;              /* the key of that handshake's callback; NULL: none */
    uint32_t granted_per_min; /* by the handshake; 0: any rate */
    int64_t changed_ms;       /* Unix ms, of the due clock */
};

struct endpoint_spec {
    char *name;
    struct membership *membership; /* NULL: scripts registered it */
    uint64_t id;                   /* from the store (set before the flip) */
    struct gate *gate;             /* set before the flip */
    struct queue_spec *queue;      /* NULL: messages are sent to url */
    char *url;
    char *method;
    struct slice head;         /* packed headers set by the script; owned */
    struct slice secret_names; /* packed: those of them whose values are not told; owned */
    struct signer *signer;     /* NULL: sign = false */
    int transform_function;
    struct backoff retry;
    int retry_function;   /* 0: retry above */
    int order_function;   /* the key of a message; 0: no order */
    int success_function; /* 0: 2xx is a success */
    bool blocks_on_dead;  /* a dead delivery keeps the place in its key's line */
    struct timeouts timeouts;
    uint32_t concurrency;
    double rate_per_s; /* 0: no limit */
    double burst;      /* attempts at once, at least 1 */
    struct circuit_spec circuit;
    bool slows_down;          /* at 429 and 503 */
    int64_t disable_after_ms; /* of nothing but failures; 0: never */
    bool allow_private;
    struct oauth_spec *oauth; /* NULL: no tokens */
    struct tls_spec *tls;     /* NULL: nothing */
    char *proxy;              /* URL; NULL: none */
    bool tells_success;       /* by META_DELIVERY_SUCCEEDED */
    bool is_compressed;       /* bodies that are worth it, by gzip */
    bool is_url_secret;       /* it is not told */
    enum cloudevents_mode cloudevents;
    char *cloudevents_source; /* NULL: none */
    char *script;
};

static inline bool endpoint_is_transformed(const struct endpoint_spec *endpoint)
{
    return endpoint->transform_function != 0 ||
           (endpoint->membership && endpoint->membership->transform);
}

/* How events of a subscription are handled together. */
struct batch_spec {
    uint32_t count_max; /* 0: each by itself */
    int64_t wait_ms;    /* from the first event on, at most */
    int64_t quiet_ms;   /* from the last event on; 0: no matter */
    bool keeps_last;    /* the others of a batch are skipped */
};

struct subscription_spec {
    char *name; /* unique */
    char **patterns;
    size_t pattern_count;
    char *source; /* only of this source; NULL: any */
    int filter_function;
    int order_function; /* the key of an event; 0: no order */
    struct batch_spec batch;
    int batch_function; /* the key of an event; 0: one for all */
    int handler_function;
    int64_t deadline_ms;
    uint32_t concurrency; /* per worker share of opts.concurrency, at least 1 */
    char *script;
};

/* anzol.init: once in each state, before the generation serves. */
struct init_spec {
    int function;
    char *script; /* file:line */
};

/* anzol.transform: a transform_function by name, for endpoints that applications registered. */
struct transform_spec {
    char *name; /* unique */
    int function;
    char *script; /* file:line */
};

struct registry {
    atomic_uint references;
    uint64_t generation; /* 1, 2, … */
    uint64_t digest;     /* of all registrations: equal in every state */
    struct source_spec *sources;
    size_t source_count;
    struct endpoint_spec *endpoints;
    size_t endpoint_count;
    struct subscription_spec *subscriptions;
    size_t subscription_count;
    struct routine_spec *routines;
    size_t routine_count;
    struct map routine_places; /* by routine_id: the place in routines, from 1 */
    struct init_spec *inits;   /* in the order they run */
    size_t init_count;
    struct transform_spec *transforms;
    size_t transform_count;
    bool has_plans; /* some subscription has an order_function or a batch */
    /* How verifiers and signers go: set by whoever makes them, so that this floor need not know. */
    void (*verifier_destroy)(struct verifier *verifier);
    void (*signer_destroy)(struct signer *signer);
};

/* The two destructors must be set before the first verifier or signer. */
struct registry *registry_create(uint64_t generation);
struct registry *registry_ref(struct registry *registry);
void registry_unref(struct registry *registry);

/* All borrow until the registry goes. NULL: none. */
const struct source_spec *registry_source_by_path(const struct registry *registry,
                                                  struct slice path);
/* The endpoint whose queue has this path or one below it: *rest is what follows, "" or "/ack". */
const struct endpoint_spec *registry_queue_by_path(const struct registry *registry,
                                                   struct slice path, struct slice *rest);
const struct source_spec *registry_source(const struct registry *registry, struct slice name);
const struct endpoint_spec *registry_endpoint(const struct registry *registry, struct slice name);
const struct endpoint_spec *registry_endpoint_by_id(const struct registry *registry, uint64_t id);
const struct subscription_spec *registry_subscription(const struct registry *registry,
                                                      struct slice name);
/* The last of them has its kind and name now: registry_routine finds it. */
MUST_USE enum status registry_index_routine(struct registry *registry);
const struct routine_spec *registry_routine(const struct registry *registry, enum routine_kind kind,
                                            struct slice name);
const struct transform_spec *registry_transform(const struct registry *registry, const char *name);
/* The subscriptions whose pattern and source match, in order of registration. Returns how many;
 * fills at most max. */
size_t registry_match(const struct registry *registry, struct slice source, struct slice type,
                      const struct subscription_spec **matches, size_t max);

#endif
