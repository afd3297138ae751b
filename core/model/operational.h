/* SPDX-License-Identifier: MIT */
/* Operational webhooks: what becomes of the endpoints that applications register, and of what is
 * sent to them, published to an application of the operator's choice, which gets it as any
 * application gets its messages. Types and payloads are those of the Svix server. Pure, any
 * thread. */
#ifndef MODEL_OPERATIONAL_H
#define MODEL_OPERATIONAL_H

#include "model/event.h"
#include "model/registry.h"

enum operational_type {
    OPERATIONAL_ENDPOINT_CREATED,
    OPERATIONAL_ENDPOINT_UPDATED,
    OPERATIONAL_ENDPOINT_DELETED,
    OPERATIONAL_ENDPOINT_DISABLED, /* by what its receiver answers */
    OPERATIONAL_ATTEMPT_EXHAUSTED, /* the last one failed */
    OPERATIONAL_ATTEMPT_FAILING,   /* the OPERATIONAL_FAILING_AFTER-th did, more follow */
    OPERATIONAL_ATTEMPT_RECOVERED, /* one behind that succeeded */
    OPERATIONAL_TYPE_COUNT
};
#define OPERATIONAL_FAILING_AFTER 4
#define OPERATIONAL_PAYLOAD_MS (90 * INT64_C(86400000)) /* payloads are kept so long */

/* Texts may be NULL. */
struct operational_news {
    enum operational_type type;
    uint64_t operator_application; /* whose message it becomes */
    uint64_t application;
    const char *application_uid;
    uint64_t endpoint;
    const char *endpoint_uid;
    int64_t failing_since_ms; /* Unix ms, of the due clock; of DISABLED */
    /* Of attempts: the message, and how the last one ended. */
    uint64_t message;
    struct slice message_uid; /* empty: none */
    int status;               /* 0: no answer */
    int64_t started_ms;       /* Unix ms */
    const struct trace *trace;
};

/* One reference, id 0. *attempt_at: where in its body the id of the attempt is to be written as
 * text, once the store has given it; 0: nowhere. NULL: no memory. */
struct event *operational_event(const struct operational_news *news, size_t *attempt_at);
/* Before it is shared: writes it there. */
void operational_set_attempt(struct event *event, size_t attempt_at, uint64_t attempt);

#endif
