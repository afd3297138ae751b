/* SPDX-License-Identifier: MIT */
/* Every limit of the core that is not a setting, in one list. Each has a spec that goes one past
 * it. Settings (config/) may lower or raise those marked "default". */
#ifndef BASE_LIMITS_H
#define BASE_LIMITS_H

/* Names of sources, endpoints and subscriptions; event types; idempotency keys. */
#define LIMIT_NAME_BYTES 64
#define LIMIT_SUBSCRIPTION_BYTES 256
#define LIMIT_TYPE_BYTES 260 /* "api." and the type of a message that is published */
#define LIMIT_KEY_BYTES 512
#define LIMIT_URL_BYTES 8000  /* longer request lines need not be taken (RFC 9112, 3) */
#define LIMIT_HOST_BYTES 253  /* a DNS name */
#define LIMIT_METHOD_BYTES 32 /* of what goes out */
#define LIMIT_PATH_BYTES 256  /* of a source or queue */
#define LIMIT_SCHEDULE_BYTES 256
#define LIMIT_ZONE_BYTES 64                /* of a time zone's name */
#define LIMIT_ZONE_FILE_BYTES (128 * 1024) /* the system's own are below 4 KiB */

/* Receive. */
#define LIMIT_REQUEST_LINE_BYTES 8192
#define LIMIT_HEADERS_BYTES 32768
#define LIMIT_HEADERS 100
#define LIMIT_BODY_BYTES (1024 * 1024) /* default of max_body */
#define LIMIT_BODY_BYTES_HARD (64 * 1024 * 1024)
#define LIMIT_BODY_SURPLUS_BYTES (1024 * 1024) /* dropped of a chunked body that is over */
#define LIMIT_CHUNK_BYTES_PER_CHUNK 16         /* chunks <= bytes / 16 + 64 */
#define LIMIT_CHUNKS_FREE 64
#define LIMIT_HEADERS_MS 10000
#define LIMIT_BODY_MS 30000
#define LIMIT_BODY_GRACE_MS 5000
#define LIMIT_BODY_BYTES_PER_S 1024
#define LIMIT_IDLE_MS 15000
#define LIMIT_CONNECTIONS 10000            /* per worker, but for receivers that wait at queues */
#define LIMIT_CONNECTIONS_PER_ADDRESS 2048 /* per worker */
#define LIMIT_RETRY_AFTER_S 5              /* what a 503 says */
#define LIMIT_INFLATE_RATIO 100            /* a compressed body comes to so much more */
#define LIMIT_FORM_FIELDS 1000
#define LIMIT_FORM_NAME_BYTES 8192
#define LIMIT_RESPOND_BODY_BYTES (64 * 1024) /* of an answer that challenge or respond gives */
#define LIMIT_HANDSHAKE_ORIGINS 256          /* that a source names */
#define LIMIT_HANDSHAKES_TOLD_PER_MIN 10     /* of each source, to scripts */

/* Store. */
#define LIMIT_GROUP_OPERATIONS 1024
#define LIMIT_GROUP_BYTES (4 * 1024 * 1024)
#define LIMIT_INTAKE_OPERATIONS 8192 /* ingests queued at the store thread */
#define LIMIT_CREDITS 65536          /* jobs and attempts whose outcome is still to come */
#define LIMIT_CLAIMS_QUEUED 1024     /* reads waiting for the reader that claims keep */
#define LIMIT_LISTS_QUEUED 256       /* reads of the API waiting for a reader */
#define LIMIT_READERS 4
#define LIMIT_ERASED_EVENTS 2000               /* by one request: seconds; the next goes on */
#define LIMIT_TASKS 16                         /* that run at a time */
#define LIMIT_TASKS_OF_APPLICATIONS 8          /* with which one of an application still begins */
#define LIMIT_TASK_IDS_BYTES 8000              /* of a task that names what it is about */
#define LIMIT_TASK_KEPT_MS INT64_C(2592000000) /* after its end: 30 days */
#define LIMIT_PENDING_COUNTED 100000           /* of one endpoint, for lists */
#define LIMIT_RETENTION_CLASSES 256

/* Decide. */
#define LIMIT_EVENTS_PER_WORKER 4096 /* window of the backlog */
#define LIMIT_EVENT_BYTES_PER_WORKER (64u * 1024 * 1024)
#define LIMIT_MESSAGES_PER_EVENT 254 /* n subscriptions share them; one more is published */
#define LIMIT_EMITS_PER_RUN 254
#define LIMIT_DELIVERIES_PER_RUN 1000
#define LIMIT_SUBSCRIPTIONS_PER_EVENT 64
#define LIMIT_CHAIN_DEPTH 16
#define LIMIT_MESSAGE_BODY_BYTES (16 * 1024 * 1024)
#define LIMIT_PRIORITY 9           /* of a message: -9 to 9 */
#define LIMIT_TASKS_PER_RUN 16     /* anzol.replay with filters, recover */
#define LIMIT_CHANGES_PER_RUN 1000 /* anzol.retry, drop, replay */
#define LIMIT_KV_NS_BYTES 64
#define LIMIT_KV_KEY_BYTES 512
#define LIMIT_KV_VALUE_BYTES (64 * 1024) /* as JSON */
#define LIMIT_KV_WRITES_PER_RUN 1000
#define LIMIT_KV_WRITE_BYTES_PER_RUN (4 * 1024 * 1024) /* values */
#define LIMIT_KV_READS_PER_RUN 1000
#define LIMIT_KV_LIST 1000                    /* keys of one list */
#define LIMIT_KV_LIST_BYTES (4 * 1024 * 1024) /* values of one list */
#define LIMIT_WEBSUB_BYTES (4 * 1024 * 1024)  /* kept of subscriptions at hubs, for a load */
#define LIMIT_KV_CONFLICTS 5                  /* then runs on the same key go in turn */
#define LIMIT_STEP_NAME_BYTES 100
#define LIMIT_STEP_RESULTS 8                /* values that a step returns */
#define LIMIT_STEP_RESULT_BYTES (64 * 1024) /* of all of them, as JSON */
#define LIMIT_STEPS_PER_RUN 1000
#define LIMIT_STEP_BYTES_PER_RUN (1024 * 1024) /* results */
#define LIMIT_BATCH_EVENTS 1000
#define LIMIT_BATCH_BYTES (1024 * 1024) /* of bodies: a batch that has them closes */
#define LIMIT_BATCH_WAIT_MS (7 * 86400000LL)
#define LIMIT_MISSED_MS (31 * 86400000LL) /* older times of a cron are not made up for */
#define LIMIT_INTERVAL_MS_MIN 100         /* of anzol.every and anzol.poll ... */
#define LIMIT_INTERVAL_MS_MAX (366 * 86400000LL)
#define LIMIT_POLL_VERSION_BYTES (LIMIT_URL_BYTES + LIMIT_NAME_BYTES)
#define LIMIT_SSE_BYTES (1024 * 1024)             /* of a message of server-sent events */
#define LIMIT_SSE_WAITING_BYTES (4 * 1024 * 1024) /* of those that came; then the source waits */
#define LIMIT_SSE_TRIES 6                         /* of a message; then it is given up */
#define LIMIT_ROUTINE_FAILURES 6                  /* of a source in a row; then scripts are told */
#define LIMIT_ROUTINES_RUNNING 64 /* on a worker at a time; the next waits its turn */
#define LIMIT_STATE_BYTES (64u * 1024 * 1024)
#define LIMIT_JOB_BYTES (16u * 1024 * 1024)
#define LIMIT_TRACEBACK_BYTES 4096
#define LIMIT_JSON_DEPTH 128
#define LIMIT_SHARED_BYTES (64u * 1024 * 1024) /* cache, limiters, breakers of the process */
#define LIMIT_CACHE_VALUE_BYTES (256 * 1024)   /* of one value, as JSON if it is a table */
#define LIMIT_COROUTINES_PER_JOB 1000
#define LIMIT_CHILDREN_PER_JOB 100     /* functions of anzol.all, requests of http.all, at once */
#define LIMIT_LOAD_BYTES (1024 * 1024) /* of text that a script compiles */
#define LIMIT_SCRIPT_BYTES (4 * 1024 * 1024)
#define LIMIT_SCRIPTS 1000
#define LIMIT_LIBRARY_DEPTH 16 /* folders below lua/ */
#define LIMIT_SNAPSHOT_TRIES 5 /* readings while somebody writes, before a load is refused */

/* Send. */
#define LIMIT_DELIVERIES_PER_WORKER 16384
#define LIMIT_SILENT_DELIVERIES_PER_WORKER                                                         \
    2048 /* of endpoints that do not answer; see places.c                                          \
          */
#define LIMIT_DELIVERY_CONTENT_BYTES (64u * 1024 * 1024) /* bodies in a worker's windows */
#define LIMIT_ENDPOINT_WINDOW_MIN 4
#define LIMIT_ENDPOINT_WINDOW_MAX 512
#define LIMIT_ANSWER_BYTES 65536
#define LIMIT_ANSWER_HEADERS_BYTES 65536
#define LIMIT_INTERIM_ANSWERS 16
#define LIMIT_LOOKUPS_PER_WORKER 64
#define LIMIT_LOOKUPS_PER_ENDPOINT 2
#define LIMIT_RETRY_AFTER_MAX_S 86400
#define LIMIT_ATTEMPTS_PER_WORKER 2048        /* under way or being written; see pace_has_slot */
#define LIMIT_SILENT_ATTEMPTS_PER_WORKER 1024 /* of those, at endpoints that do not answer */
#define LIMIT_ENDPOINT_PAUSE_S 3600 /* at most so long does a 429 or 503 pause an endpoint */
#define LIMIT_HOPS 16
#define LIMIT_GUARD_BLOCKS 64 /* of guard.allow, and of guard.deny */

/* Queues (endpoints of kind "long_poll"). */
#define LIMIT_QUEUE_RECEIVERS 10000 /* that wait, per worker */
#define LIMIT_QUEUE_WAIT_MS 300000  /* of one request for messages */
#define LIMIT_QUEUE_BATCH 1000      /* messages of an answer, ids of a request */
#define LIMIT_QUEUE_LEASE_MS_MIN 1000
#define LIMIT_QUEUE_LEASE_MS 43200000       /* 12 hours; of one extension too */
#define LIMIT_QUEUE_BYTES (8 * 1024 * 1024) /* of an answer's messages, but for its first */
/* The same as JSON, written or not: 2.2 times the largest body, see document_bytes. */
#define LIMIT_QUEUE_ANSWER_BYTES (160u * 1024 * 1024)
#define LIMIT_QUEUE_TOLD_BYTES                                                                     \
    (128u * 1024 * 1024)                      /* of all such answers of a worker, but for one */
#define LIMIT_QUEUE_STREAM_WAIT_MS_MIN 1000   /* between two comments of a stream */
#define LIMIT_QUEUE_BODY_BYTES (64 * 1024)    /* of a request with ids */
#define LIMIT_QUEUE_DELAY_MS (7 * 86400000LL) /* until what was given back comes again */

/* Exchanges that scripts ask for (anzol.http). */
#define LIMIT_EXCHANGES_PER_WORKER 128 /* at a time; the next waits its turn */
#define LIMIT_EXCHANGES_PER_HOST 32
#define LIMIT_EXCHANGE_BODY_BYTES (8 * 1024 * 1024)         /* of an answer, at most */
#define LIMIT_EXCHANGE_BYTES_PER_WORKER (64u * 1024 * 1024) /* of all that are being read */
#define LIMIT_REDIRECTS 20

/* Admin listener. */
#define LIMIT_API_BODY_BYTES 65536 /* of a request */
#define LIMIT_API_MESSAGE_BYTES                                                                    \
    (2 * LIMIT_BODY_BYTES + LIMIT_API_BODY_BYTES)   /* of one that publishes a message */
#define LIMIT_PAYLOAD_BYTES LIMIT_BODY_BYTES        /* of a message, as it is sent */
#define LIMIT_API_ANSWER_BYTES (128u * 1024 * 1024) /* an event's body, escaped */
#define LIMIT_API_CONNECTIONS 256
#define LIMIT_API_CONNECTIONS_PER_ADDRESS 192      /* but at its socket */
#define LIMIT_API_INTAKE_BYTES (64u * 1024 * 1024) /* of all bodies that are open */
#define LIMIT_API_UNPROVEN_BYTES                                                                   \
    (48u * 1024 * 1024) /* with which one behind a token that is not proven yet is accepted */
#define LIMIT_API_PAGE_ROWS 250
#define LIMIT_API_NAMES 500     /* in a list of a body that has no limit of its own */
#define LIMIT_API_STREAMS 32    /* of what happens, open */
#define LIMIT_LOADS_KEPT 20     /* of the scripts, to be shown */
#define LIMIT_API_WAITS 64      /* lists that wait for events, at a time ... */
#define LIMIT_API_WAIT_MS 60000 /* ... and so long */
#define LIMIT_ENDPOINT_HEADERS 50
#define LIMIT_ENDPOINT_CHANNELS 10    /* that one listens to */
#define LIMIT_UID_BYTES 256           /* a caller's own name of a resource */
#define LIMIT_SECRET_BYTES 65536      /* one version of a secret of a resource */
#define LIMIT_OLD_SECRETS 10          /* of one kind and resource, that are still good */
#define LIMIT_CHANNEL_BYTES 128       /* of a channel or tag */
#define LIMIT_CHANNELS_PER_MESSAGE 5  /* and tags */
#define LIMIT_ANSWER_KEPT_MS 43200000 /* to a request with an idempotency key */
#define LIMIT_TOKEN_TTL_S 31622400    /* 366 days: a minted token ends by then */
#define LIMIT_PORTAL_TTL_S 604800     /* 7 days: how long a token of a portal is good */
#define LIMIT_TOKEN_LABEL 100         /* characters */
#define LIMIT_REASON_BYTES 256        /* why something is dropped or cancelled */
#define LIMIT_API_FAILURES 10         /* wrong tokens of one address ... */
#define LIMIT_API_FAILURES_MS 60000   /* ... in this time */

#endif
