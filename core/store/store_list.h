/* SPDX-License-Identifier: MIT */
/* What the store lists and shows: reads of rows as the API tells them. Part of store.h, which says
 * how reads go and which includes it. */
#ifndef STORE_STORE_LIST_H
#define STORE_STORE_LIST_H

#include "store/store.h"

/* What the API shows. All text owned by the row's list. */
/* What a run that is not over has so far. */
struct run_progress {
    int64_t batch_close_ms; /* its batch takes more until then; 0: it is in none */
    struct step_row *steps; /* committed; owned */
    size_t step_count;
};

struct event_row {
    struct event *event;  /* owned reference; body there only from get */
    enum run_state state; /* the worst of its runs: dead, retrying, pending, skipped, handled */
    size_t body_bytes;
    uint64_t late; /* its place among those that were stored late; 0: it was not; only of lists */
    struct claimed_run *runs; /* run rows; error texts below, same index */
    char **errors;
    size_t run_count;
    struct run_progress *progress; /* same index; only from get; owned */
};

struct attempt_row {
    struct attempt attempt;    /* head, body, detail owned by the row */
    enum delivery_state state; /* what it led to */
    int64_t next_ms;
    /* Only of lists of attempts: whose it was. */
    uint64_t delivery, message;
    char *endpoint; /* name, owned; NULL: it is gone */
    char *type;     /* owned; NULL: as above */
};

struct delivery_row {
    uint64_t id, message, event, endpoint_id;
    char *endpoint; /* name */
    char *type;
    enum delivery_state state; /* leased: in flight */
    uint32_t attempt_count;
    int64_t due_ms;  /* 0: in its owner's memory, over, or held */
    bool is_held;    /* others of its order key go first */
    char *order_key; /* owned, order_key_len bytes; NULL: it is in no order */
    size_t order_key_len;
    int priority;
    char *reason;
    struct attempt_row *attempts; /* only from get */
    size_t attempt_row_count;
    int last_status;
    enum attempt_error last_error;
};

/* Of events: whether those that were stored late (STORE_LATE_MS) are there. */
enum store_lateness {
    LATE_TOO,
    LATE_LEFT_OUT,
    LATE_ONLY /* in the order in which they were stored: that is what before, after and last say */
};

/* Newest first. before/after are ids (exclusive, 0: none). Filters that are NULL or negative do not
 * filter. A page may come short with done == false when scanning took too long: go on at `last`. */
struct store_list_query {
    size_t limit;
    uint64_t before;
    uint64_t after;
    bool is_backward;   /* the `limit` rows nearest above `after`, oldest first: the page before */
    const char *source; /* of the event */
    const char *type;   /* a pattern, as event_pattern_matches takes it */
    const char *endpoint; /* deliveries: name */
    int state;            /* enum run_state or enum delivery_state; -1: any */
    uint64_t event;       /* deliveries of one event; 0: any */
    uint64_t message;     /* deliveries of one message; 0: any */
    enum store_lateness lateness;
    const char *contains; /* in a delivery's reason, or in the error of one of the event's runs */
};

/* The next `limit` of what a task's walk goes over behind `after`, oldest first. Borrows its texts.
 */
struct store_list_query store_task_query(const struct task *task, uint64_t after, size_t limit);

struct store_list_events {
    struct store_read read;
    struct store_list_query query; /* text borrowed until on_done */
    struct event_row *rows;
    size_t row_count;
    uint64_t last;
    bool is_end;
};

struct store_list_deliveries {
    struct store_read read;
    struct store_list_query query;
    struct delivery_row *rows;
    size_t row_count;
    uint64_t last;
    bool is_end;
};

/* Every endpoint that ever was and is not deleted, with what is still to be sent to it. */
struct endpoint_row {
    uint64_t id;
    char *name; /* owned */
    enum endpoint_state state;
    char *reason;             /* why paused or disabled; owned, may be NULL */
    int64_t failing_since_ms; /* 0: not known to fail */
    bool is_queue;         /* its url is empty: of kind "long_poll" when last it was registered */
    size_t pending_count;  /* open deliveries, counted up to LIMIT_PENDING_COUNTED */
    size_t leased_count;   /* of them, leased to receivers; counted as those */
    size_t blocking_count; /* dead ones that their order keys wait for; counted as those */
    uint64_t oldest;       /* delivery: of those counted that lie in the store; 0: none */
};

struct store_list_endpoints {
    struct store_read read;
    /* limit, before, after, is_backward; limit SIZE_MAX: all, however long it takes. Else a page
     * comes short where counting takes too long. */
    struct store_list_query query;
    bool is_uncounted; /* what is to be sent is not asked for */
    struct endpoint_row *rows;
    size_t row_count;
    uint64_t last;
    bool is_end;
};
/* All of them, by id. */
static inline struct store_list_query store_all_endpoints(void)
{
    return (struct store_list_query){.limit = SIZE_MAX, .is_backward = true};
}

/* Tasks, newest first. */
struct store_list_tasks {
    struct store_read read;
    struct store_list_query query; /* limit, before, after, is_backward, state */
    uint64_t only;                 /* this one (status E_NOTFOUND if there is none); 0: all */
    struct task *rows;
    size_t row_count;
    uint64_t last;
    bool is_end;
};

/* Resources of one kind and owner by id or, of those that have one, by uid. */
struct store_list_resources {
    struct store_read read;
    enum resource_kind kind;
    uint64_t owner;
    uint64_t only;        /* this one, or if there is none that of only_uid; with neither all. */
    const char *only_uid; /* E_NOTFOUND: there is none */
    /* Or what is kept for this answer key (STORE_ANSWER_KEY_BYTES) at answered_ms. NULL: see above
     */
    const unsigned char *answer_key;
    int64_t answered_ms;
    bool is_by_uid;
    bool is_down; /* the last first */
    bool with_archived;
    int64_t secrets_ms; /* with the secrets that are good then, as of the same commit; 0: without */
    /* Pure, on a reader thread: those that it says no to are not there. NULL: all are. */
    bool (*is_wanted)(const struct resource *resource, const void *ctx);
    const void *wanted_ctx; /* borrowed until on_done */
    bool is_everyones;      /* whoever owns them, by id; of RESOURCE_ENDPOINT, also with `only` */
    size_t limit;
    uint64_t behind; /* goes on behind this id or uid, in the direction that it goes; 0 and NULL: */
    const char *behind_uid;              /* from the start */
    struct resource *rows;               /* owned */
    struct endpoint_standing *standings; /* owned; with is_everyones, one a row */
    size_t row_count;
    bool is_end;
};

/* What was published, newest first. */
struct published_row {
    uint64_t id; /* of the event */
    struct published what;
    char *type;    /* as the caller said it; owned, as the others */
    char *payload; /* JSON; NULL: not asked for */
    size_t payload_len;
};
/* Which of what an application published. */
struct published_filter {
    uint64_t application;
    const char *channel;       /* that it has; NULL: any */
    const char *tag;           /* the same */
    const struct slice *types; /* one of them, as the caller said it; none: any */
    size_t type_count;
    bool with_payload; /* of what is read: it is shown */
};
struct store_list_published {
    struct store_read read;
    struct published_filter filter;
    uint64_t only;        /* this one, or if there is none that of only_uid; with neither all. */
    const char *only_uid; /* E_NOTFOUND: there is none */
    struct store_list_query query; /* limit, before, after, is_backward */
    struct published_row *rows;    /* owned */
    size_t row_count;
    uint64_t last;
    bool is_end;
};

/* Tokens that have not ended. */
struct store_list_tokens {
    struct store_read read;
    struct store_list_query query; /* limit, before, after, is_backward */
    uint64_t application;          /* for it alone; 0: all */
    const unsigned char *only;     /* API_TOKEN_HASH_BYTES: the one of this hash; E_NOTFOUND */
    int64_t now_ms;
    struct api_token *rows; /* owned */
    size_t row_count;
    uint64_t last;
    bool is_end;
};

/* What became of a message at an endpoint: the best that its deliveries there came to. The numbers
 * are those of the API. */
enum sent_state {
    SENT_SUCCESS = 0,
    SENT_PENDING = 1,
    SENT_FAILED = 2, /* dead or cancelled */
    SENT_AGAIN = 3,  /* failed, and a retry is due */
    SENT_STATE_COUNT
};

/* Where a published message went, by endpoint, newest first; endpoints that are deleted too. */
struct destination_row {
    uint64_t endpoint;
    struct resource resource; /* its; body NULL: it is deleted. Owned */
    char *url;                /* owned */
    enum sent_state state;
    int64_t next_ms; /* of the due clock; 0: none is due at a time */
};
struct store_list_destinations {
    struct store_read read; /* E_NOTFOUND: the application published no such event */
    uint64_t application;
    uint64_t event;
    uint64_t endpoint;             /* this one alone; 0: all */
    struct store_list_query query; /* limit, before, after, is_backward: endpoints */
    struct destination_row *rows;  /* owned */
    size_t row_count;
    bool is_end;
};

/* What was published and went to a registered endpoint, newest first. */
struct sent_row {
    struct published_row published;
    enum sent_state state;
    int64_t next_ms; /* as above */
};
struct store_list_sent {
    struct store_read read;
    struct published_filter filter;
    uint64_t endpoint;
    struct store_list_query query; /* limit, before, after, is_backward: events; state of the kind
                                    * above, -1: any */
    struct sent_row *rows;         /* owned */
    size_t row_count;
    uint64_t last;
    bool is_end;
};
/* How many messages of events in before and after came to what at an endpoint. Most are counted
 * already; those within minutes of the bounds are looked at one by one, so many in a read: while it
 * is not the end, the same read goes on where it was and adds to the counts. */
struct store_count_sent {
    struct store_read read;
    uint64_t endpoint;
    uint64_t before, after;
    size_t look_max;
    uint64_t next; /* where it goes on; 0: at the beginning */
    uint64_t counts[SENT_STATE_COUNT];
    uint64_t cancelled; /* beside those that failed */
    bool is_end;
};

/* Attempts of what was published, newest first: of one endpoint, or of one message. */
struct tried_row {
    uint64_t id, event, endpoint;
    char *url; /* of the endpoint now; owned */
    int status;
    enum attempt_error error;
    enum delivery_state state; /* what it led to */
    int64_t started_ms, duration_ms;
    char *body; /* that was answered; owned */
    size_t body_len;
    bool is_manual; /* somebody asked for it */
};
struct store_list_tried {
    struct store_read
        read; /* E_NOTFOUND: there is no such event, or (only) no such attempt of it */
    struct published_filter filter;
    uint64_t endpoint;             /* 0: any */
    uint64_t event;                /* 0: any; then there is an endpoint */
    uint64_t only;                 /* this attempt; 0: all */
    struct store_list_query query; /* limit, before, after, is_backward: attempts; state as above */
    int class_from, class_to;      /* of the status; class_to 0: any */
    int64_t from_ms, before_ms;    /* when it began, Unix ms; before_ms 0: any */
    struct tried_row *rows;        /* owned */
    size_t row_count;
    uint64_t last;
    bool is_end;
};

/* Attempts of all deliveries, newest first. */
struct store_list_attempts {
    struct store_read read;
    struct store_list_query query; /* endpoint, state, type; -1 and NULL do not filter */
    int status_from, status_to;    /* of the answer; 0 and 0: any */
    int error;                     /* enum attempt_error; -1: any */
    uint64_t only;                 /* this one, with heads and body (E_NOTFOUND if there is none) */
    struct attempt_row *rows;
    size_t row_count;
    uint64_t last;
    bool is_end;
};

struct store_get_event {
    struct store_read read;
    uint64_t id;
    struct event_row row;
};

struct store_get_delivery {
    struct store_read read;
    uint64_t id;
    bool wants_message;
    struct delivery_row row;
    struct delivery *delivery; /* owned, with its message; NULL: not wanted */
};

/* All routines that ever were, by kind and name. */
struct stored_routine {
    enum routine_kind kind;
    char *name;             /* owned */
    struct routine_row row; /* owns its texts */
};
struct store_list_routines {
    struct store_read read;
    struct stored_routine *rows; /* owned */
    size_t row_count;
};

#endif
