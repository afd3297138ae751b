/* SPDX-License-Identifier: MIT */
/* Inside api/: the listener's state, one call (an HTTP exchange with what it waits for), and what
 * each file offers the others. All on the API's loop. */
#ifndef API_API_INT_H
#define API_API_INT_H

#include "api/api.h"
#include "base/limits.h"
#include "base/queue.h"
#include "base/timer.h"
#include "http/document.h"
#include "http/http.h"
#include "signature/signature.h"

#define SMALL_ANSWER_BYTES_MAX 65536 /* errors, health, status */
#define DOOR_ADDRESSES 256           /* remembered for wrong tokens */
#define DOOR_ADDRESS_BYTES 64

/* Wrong tokens of one address. */
struct door_failures {
    char address[DOOR_ADDRESS_BYTES];
    int64_t since_ms; /* monotonic */
    unsigned count;
};

/* One way in: the TCP or the Unix socket. */
struct door {
    struct api *api;
    struct http_listener *listener; /* NULL: not open */
    bool is_unix;
    bool is_loopback;
};

enum door_kind { DOOR_TCP, DOOR_UNIX, DOOR_COUNT };

struct api {
    uv_loop_t *loop;
    char listen[DOOR_ADDRESS_BYTES]; /* of the TCP socket; empty: there is none */
    struct store *store;
    struct store_client *client;
    struct api_hooks hooks;
    struct directory *directory; /* not owned */
    char *version;
    bool has_token;
    unsigned char token_digest[DIGEST_BYTES_MAX];
    unsigned char mint_key[DIGEST_BYTES_MAX]; /* random, of this process: token.c */
    bool dev;
    char **hosts;
    size_t host_count;
    size_t endpoints_max;       /* of an application; 0: any number */
    const struct cidr *proxies; /* trusted; borrowed */
    size_t proxy_count;
    char *url;         /* where browsers reach it; NULL: not said */
    char *page_policy; /* page.c: Content-Security-Policy */
    struct door doors[DOOR_COUNT];
    struct door_failures failures[DOOR_ADDRESSES];
    size_t pending_count; /* reads and reloads under way */
    size_t stream_count;
    size_t wait_count;
    struct queue keyed;              /* calls whose keys others may not use meanwhile */
    struct known_application *known; /* application.c: found lately; owned */
    uint64_t application_changes;    /* made over this API */
    size_t open_doors;
    atomic_size_t intake_bytes; /* of bodies; those of tokens that are not proven yet too */
    struct timers timers;
    bool is_closing;
    void (*on_closed)(void *ctx);
    void *closed_ctx;
};

struct call;
struct route;
struct resource_form;
struct field_forms;
struct complaints;
struct registered_call;
struct message_call;
struct sent_call;
typedef void (*first_cb)(struct call *call, const struct resource *first);

/* What is done to a resource. */
enum resource_verb {
    RESOURCE_READ,
    RESOURCE_MAKE,
    RESOURCE_REPLACE,
    RESOURCE_PATCH,
    RESOURCE_ARCHIVE,
    RESOURCE_TOUCH, /* what is stored beside its fields is changed */
    RESOURCE_REMOVE
};

/* resource.c: a call for what is registered. */
struct resource_call {
    const struct resource_form *form;
    enum resource_verb verb;
    struct buf place;    /* what the path names, or the iterator */
    struct resource row; /* that is written; owned */
    bool is_new;         /* it is made by this call */
    bool may_exist;      /* then it is shown */
    bool is_backward;
    bool with_content;
    unsigned tries;
    struct registered_call *registered; /* owned; NULL: it is no endpoint */
    void (*touch)(struct call *call, struct complaints *complaints);
    struct store_telling telling;
    struct api_registered told; /* while whoever sends takes it */
    enum status status;         /* of the write */
    bool is_repeat;             /* it was done before, with row as it was then */
};

/* stream.c: what happens, told as it does, each kind in an order that nothing comes before later.
 */
enum stream_lane { LANE_EVENTS, LANE_LATE_EVENTS, LANE_ATTEMPTS, LANE_COUNT };
struct stream_call {
    bool is_open;
    bool has[LANE_COUNT];        /* what it tells of */
    uint64_t places[LANE_COUNT]; /* told, so far */
    enum stream_lane lane;       /* of the look under way, or the next one */
    bool is_behind;              /* there is more than the last looks showed */
    bool is_writing;             /* the client has not taken all */
    bool is_broken;
    int64_t told_ms;  /* monotonic */
    int64_t delay_ms; /* to the next look */
    struct timer timer;
};

/* wait.c: a list of events that is not answered while nothing is stored. */
struct list_wait {
    int64_t wait_ms;  /* 0: it is answered at once */
    uint64_t last;    /* the event that was the last one before the list was read */
    uint64_t settled; /* and up to where events were settled then */
    struct store_watch watch;
    struct timer timer;
    bool is_waiting;
};

/* token.c: a token that is minted. */
struct token_call {
    struct api_token token; /* owned */
    char *application;      /* as the body names it; owned */
    int64_t ttl_ms;
    struct buf text;
    struct buf mark; /* by which the text is known again: its hash */
    void (*answer)(struct call *call, bool is_repeat);
};

/* What the braces of a route's path stand for, in order. */
#define PATH_PARTS_MAX 3
struct path_parts {
    struct slice rows[PATH_PARTS_MAX]; /* borrowed from the request */
    size_t count;
};

/* One exchange. Freed when it is over and nothing is pending. */
struct call {
    struct api *api;
    struct http_request *request; /* NULL: the client left */
    const struct route *route;
    struct path_parts parts;
    struct slice id; /* the last of them */
    /* That it came with; owned. Its id is 0 if it is the admin's, or is not proven yet. */
    struct api_token token;
    bool is_unproven;
    uint64_t application;     /* of routes below an application: its id. 0: of no application */
    char *application_fields; /* of that application; owned, NULL: not known, as of publishers */
    char application_name[LIMIT_UID_BYTES + 1];     /* as the path has it */
    void (*then)(struct call *call, bool is_found); /* while it is looked up */
    uint64_t application_changes;                   /* when that began */
    void (*go_on)(struct call *call); /* when its token is proven, or its application made */
    bool is_pending;
    bool has_key; /* of idempotency */
    unsigned char key[STORE_ANSWER_KEY_BYTES];
    struct node keyed;       /* while nobody else may use the key */
    first_cb repeat;         /* answers as the first with the key was answered */
    bool is_looked_for;      /* that first answer */
    struct document refusal; /* unless there is one; owned */
    int refusal_status;
    struct resource_call resource;
    struct stream_call stream;
    struct message_call *message; /* of what is published; owned */
    struct sent_call *sent;       /* of what became of it; owned */
    struct list_wait wait;
    struct token_call minting;
    struct buf source, type, endpoint; /* filters of a list */
    struct buf reason;                 /* of a change */
    struct buf contains;               /* filter */
    struct buf subscription;           /* of a change */
    struct buf to;                     /* of a request */
    struct buf drain;                  /* of a stop */
    struct buf kind;                   /* of dead letters */
    struct buf secrets;                /* of an event's request: "true" */
    union {
        struct api_endpoint_change endpoint_change;
        struct api_change change;
        struct api_erasure erasure;
        struct api_task task;
        struct api_request asked_request;
        struct store_list_tasks list_tasks;
        struct store_list_attempts list_attempts;
        struct store_read read;
        struct store_list_events list_events;
        struct store_list_deliveries list_deliveries;
        struct store_list_endpoints list_endpoints;
        struct store_list_resources list_resources;
        struct store_count_secrets count_secrets;
        struct store_resource put_resource;
        struct store_list_published list_published;
        struct store_list_destinations list_destinations;
        struct store_list_sent list_sent;
        struct store_count_sent count_sent;
        struct store_list_tried list_tried;
        struct store_token put_token;
        struct store_list_tokens list_tokens;
        struct store_list_routines list_routines;
        struct store_get_event get_event;
        struct store_get_delivery get_delivery;
    };
};

#include "api/route_int.h"

/* ---- door.c: who may come in -------------------------------------------------------------------
 */

/* Who comes in. */
struct visitor {
    bool is_unproven; /* with a minted token of this hash */
    unsigned char hash[API_TOKEN_HASH_BYTES];
};
/* False: refused and answered. */
bool door_admits(struct door *door, struct http_request *request, struct visitor *visitor);
/* Finds the token of call->token.hash, and whether it is good for the route; then goes on, or
 * refuses. */
void door_prove(struct call *call, void (*go_on)(struct call *call));
void door_set_token(struct api *api, const char *token);

/* ---- call.c: the life of a call and its answer --------------------------------------------------
 */

/* NULL: no memory. */
struct call *call_create(struct api *api, struct http_request *request, const struct route *route);
/* Fills parts and id. Not before on_request: until then the head lies elsewhere, at first where
 * the head of the next request will. */
void call_take_path(struct call *call);
/* The exchange is over. */
void call_leave(struct call *call);
/* Sends what out holds and finishes it. */
void call_answer(struct call *call, int status, struct document *out);
void call_refuse(struct call *call, int status, const char *code, const char *detail);
/* Starts a read of the store, which takes turns with those for other applications; who asked for it
 * then calls call_end_wait. False: too many wait; refused and answered. */
bool call_ask(struct call *call, struct store_read *read);
/* Starts call->read; the route's write gives the body when it is done. */
void call_read(struct call *call, enum store_read_kind kind);
/* False: the store has no room, and would not answer before it has; refused and answered. */
bool call_may_write(struct call *call);
/* Something that the call waits for begins and ends. */
void call_begin_wait(struct call *call);
/* False: nobody waits for an answer any more; the call is gone. */
bool call_end_wait(struct call *call);
/* 503: it is one too many for now. */
void call_refuse_busy(struct call *call, const char *detail);
/* The common headers of an answer from this API. */
void api_respond(struct http_request *request, int status, struct slice body,
                 const struct field *more, size_t more_count);
/* {"code","detail"} to a request that has no call. */
void api_respond_error(struct http_request *request, int status, const char *code,
                       const char *detail, const struct field *more);
/* etag.c: the tag of what a GET shows, with its quotes, and whether whoever asks has it. */
MUST_USE enum status api_make_etag(struct slice body, struct buf *tag);
bool api_has_etag(struct http_request *request, struct slice tag);
/* Frees the api when it is closing and nothing is left. */
void api_check_closed(struct api *api);

/* ---- complaint.c: what is wrong with a request --------------------------------------------------
 */

#define COMPLAINTS_MAX 100u /* of members of one field: more are not told */

#define NO_OBJECT "one JSON object in UTF-8 is wanted, at most 128 deep" /* LIMIT_JSON_DEPTH */

/* The 422 under construction. */
struct complaints {
    struct document out;
    size_t count;
};

void complaints_begin(struct complaints *complaints);
/* where: "query" or "body"; name: the parameter or field, "": all of it. */
void complain(struct complaints *complaints, const char *where, struct slice name,
              const char *message);
/* member: the name of a member of a field of the body, with its quotes. */
void complain_of_member(struct complaints *complaints, const char *field, struct slice member,
                        const char *message);
void complain_of_query(struct complaints *complaints, const char *parameter, const char *message);
/* Refuses if there is anything to complain of. False: it did. */
bool complaints_end(struct call *call, struct complaints *complaints);
/* Something else is answered. */
void complaints_drop(struct complaints *complaints);
/* A parameter that is true or false; absent: what it is then. */
bool api_query_flag(struct call *call, const char *name, bool absent,
                    struct complaints *complaints);
/* The value of a parameter, terminated. NULL: absent, empty, or (complained of) not a text. */
const char *complaints_query_get(struct call *call, const char *name, struct buf *value,
                                 struct complaints *complaints);

/* ---- first.c: idempotency keys ------------------------------------------------------------------
 */

/* Takes the request's key, if it has one, once what its path names was found. From then on whoever
 * repeats it is answered by `repeat` instead of refused. */
void call_take_key(struct call *call, first_cb repeat);
/* Holds that key until call_put_key. False: another call does; refused and answered. */
bool call_hold_key(struct call *call);
void call_put_key(struct call *call);
/* True: the refusal is taken, and the call answered now or later. */
bool first_is_looked_for(struct call *call, int status, struct document *refusal);

/* ---- paging.c: parameters and envelope of lists, ids of paths -----------------------------------
 */

struct list_form {
    enum id_kind kind;
    /* A state's number, -1: none of that name. */
    int (*parse_state)(const char *text);
    const char *states; /* for people: "pending, retrying, …" */
};
#define PAGE_ROWS_DEFAULT 50
void paging_parse_limit(const char *text, size_t *limit, struct complaints *complaints);
/* RFC 3339 or Unix ms. False: the text is neither. */
bool paging_parse_instant(const char *text, int64_t *ms);

/* Fills query from the request's parameters, as far as the route knows them: any other is
 * complained of. False: refused and answered (422). */
bool paging_parse(struct call *call, const struct list_form *form, struct store_list_query *query);
/* A parameter that is a text. */
struct text_form {
    const char *name;
    struct buf *value; /* terminated; empty: not given */
    size_t bytes_max;
    const char *(*judge)(const char *text); /* what is wrong with it, or NULL; may be NULL */
};
/* Fills the values from the request's parameters, as paging_parse does. */
bool paging_parse_texts(struct call *call, const struct text_form *texts, size_t count);
/* The index of the row to show as number `place` of `count`: pages are always newest first. */
size_t paging_row(const struct store_list_query *query, size_t place, size_t count);
struct page_end {
    enum id_kind kind;
    uint64_t first, last; /* ids shown; 0: the page is empty */
    uint64_t reached;     /* how far the store looked */
    bool is_end;
};
/* iterator, prevIterator and done, behind "data". */
void paging_close(const struct store_list_query *query, const struct page_end *end,
                  struct document *out);
/* The id of the path. False: refused and answered (404). */
bool paging_parse_id(struct call *call, enum id_kind kind, const char *noun, uint64_t *id);

/* ---- wait.c: lists that are answered when there may be more -------------------------------------
 */

/* Takes the parameters wait and stored_last. */
void wait_parse(struct call *call, struct buf *scratch, struct complaints *complaints);
/* Starts call->read of this kind, at once or when an event is stored. */
void wait_read(struct call *call, enum store_read_kind kind);
/* Nobody waits for the answer any more; the call may be gone then. */
void wait_leave(struct call *call);
/* The members that who asks again goes by. */
void wait_write(const struct call *call, struct document *out);

/* ---- show.c: what several resources show --------------------------------------------------------
 */

/* What is around the rows of a list; one with pages closes itself (paging_close). */
void show_list_open(struct document *out);
void show_list_close(struct document *out);
void show_id(struct document *out, const char *name, enum id_kind kind, uint64_t id);
/* The fields of a packed head but the pseudo fields, as [{"name","value"}]; what may be secret is
 * hidden. */
void show_headers(struct document *out, const char *name, struct slice head);
/* The same of a head in which secrets are masked already. */
void show_sent_headers(struct document *out, const char *name, struct slice head);

/* Members NAME: a status (0 is null), an error (OK is null). attempt.c */
void show_status(struct document *out, const char *name, int status);
void show_error(struct document *out, const char *name, enum attempt_error error);
/* The members of an attempt; is_whole: with heads and body. attempt.c */
void show_attempt(struct document *out, const struct attempt_row *row, bool is_whole);

/* The rows of lists, as objects. event.c, attempt.c */
void show_event(struct document *out, const struct event_row *row);
void show_attempt_of_list(struct document *out, const struct attempt_row *row);

/* stream.c: all that was given was written; nobody listens any more. */
void stream_on_drained(struct call *call);
void stream_leave(struct call *call);

/* dry_run.c: counts what the task would be done to, from behind `after` on; takes what it owns. */
void dry_run_start(struct call *call, struct task *task, uint64_t after);

/* ---- source.c -----------------------------------------------------------------------------------
 */

/* Appends the header with the token that the source judges by, which the head (packed) has not: it
 * is not kept of what is received. False: it judges otherwise, or the head has it. */
bool source_restore_token(const struct source_spec *source, struct slice head, struct buf *more);

/* ---- the resources: a file each ----------------------------------------------------------------
 */

void api_list_attempts(struct call *call);
void api_write_attempts(const struct call *call, struct document *out);
void api_get_attempt(struct call *call);
void api_write_attempt(const struct call *call, struct document *out);
void api_list_tasks(struct call *call);
void api_write_tasks(const struct call *call, struct document *out);
void api_get_task(struct call *call);
void api_write_task(const struct call *call, struct document *out);
void api_end_task(struct call *call);
void api_replay(struct call *call);
void api_retry_dead(struct call *call);
void api_drop_dead(struct call *call);
void api_recover_endpoint(struct call *call);
void api_cancel_delivery(struct call *call);
void api_drop_delivery(struct call *call);
void api_drop_event(struct call *call);
void api_retry_delivery(struct call *call);
void api_retry_event(struct call *call);
void api_list_deliveries(struct call *call);
void api_write_deliveries(const struct call *call, struct document *out);
void api_get_delivery(struct call *call);
void api_write_delivery(const struct call *call, struct document *out);
void api_show_request(struct call *call);
void api_disable_endpoint(struct call *call);
void api_enable_endpoint(struct call *call);
void api_pause_endpoint(struct call *call);
void api_resume_endpoint(struct call *call);
const char *endpoint_state_name(enum endpoint_state state);
extern const struct field_forms application_fields;
extern const struct field_forms event_type_fields;
extern const struct field_forms message_fields;
/* default_application.c: true if the call is for that; then it is answered, or waits. */
bool default_application_takes(struct call *call);
/* app_endpoint.c; its handlers are in app_endpoint_int.h. */
/* NULL is fine. */
void registered_call_destroy(struct registered_call *it);
/* application.c */
/* The application that the path names first: then(call, true) with call->application, or
 * then(call, false) if there is none. Refuses if it cannot be read. */
void api_find_application(struct call *call, void (*then)(struct call *call, bool is_found));
/* The same of any id or uid, which the call borrows until then. */
void api_look_up_application(struct call *call, struct slice name,
                             void (*then)(struct call *call, bool is_found));
/* What a body brings as `application`, where the path names one that is not there. */
/* Whether it brings any. False: refused and answered. */
bool api_brings_application(struct call *call);
/* It, of fields that were read, becomes the call's row. Complains unless it is the path's. */
MUST_USE enum status api_take_brought(struct call *call, struct slice read,
                                      struct complaints *complaints);
/* Makes that row an application, or finds the one that somebody made meanwhile; then goes on with
 * call->application. Or refuses. */
void api_make_brought(struct call *call, void (*go_on)(struct call *call));
/* One was changed, or is gone: none is known any more. */
void api_forget_applications(struct api *api);
/* The same for all routes but those that may make it: refuses if there is none, else goes on with
 * the route's handler. */
void api_enter_application(struct call *call);
/* resource.c: what its handlers (resource_int.h) have read */
void api_write_applications(const struct call *call, struct document *out);
void api_write_resources(const struct call *call, struct document *out);
void api_write_resource(const struct call *call, struct document *out);
/* message.c */
void api_publish(struct call *call);
void api_get_message(struct call *call);
/* poller.c */
void api_poll_messages(struct call *call);
void api_write_poll(const struct call *call, struct document *out);
void api_write_message(const struct call *call, struct document *out);
void message_call_free(struct message_call *message);
/* sent.c */
void api_list_messages(struct call *call);
void api_write_messages(const struct call *call, struct document *out);
void api_list_destinations(struct call *call);
void api_write_destinations(const struct call *call, struct document *out);
void api_list_sent(struct call *call);
void api_write_sent(const struct call *call, struct document *out);
void api_count_sent(struct call *call);
void api_write_sent_count(const struct call *call, struct document *out);
/* sent_query.c; NULL is fine */
void sent_call_free(struct sent_call *sent);
/* again.c */
extern const struct field_forms recover_fields;
extern const struct field_forms example_fields;
void api_resend(struct call *call);
void api_expunge_payload(struct call *call);
void api_expunge_answer(struct call *call);
void api_recover_app_endpoint(struct call *call);
void api_send_example(struct call *call);
/* tried.c */
void api_list_tried_of_endpoint(struct call *call);
void api_list_tried_of_message(struct call *call);
void api_write_tried(const struct call *call, struct document *out);
void api_get_tried(struct call *call);
void api_write_one_tried(const struct call *call, struct document *out);
void api_list_tokens(struct call *call);
void api_write_tokens(const struct call *call, struct document *out);
void api_mint_token(struct call *call);
void api_end_token(struct call *call);
void api_log_out(struct call *call);
void api_open_portal(struct call *call);
extern const struct field_forms portal_fields, token_fields, erasure_fields, rotation_fields;
void api_erase(struct call *call);
/* secret.c */
void api_show_secrets(struct call *call);
void api_write_secrets(const struct call *call, struct document *out);
void api_rotate_secrets(struct call *call);
/* queue.c, source.c */
void api_show_secret(struct call *call);
void api_list_subscriptions(struct call *call);
void api_list_queues(struct call *call);
void api_write_queues(const struct call *call, struct document *out);
void api_list_routines(struct call *call);
void api_run_cron(struct call *call);
void api_run_poll(struct call *call);
void api_write_crons(const struct call *call, struct document *out);
void api_write_polls(const struct call *call, struct document *out);
void api_list_endpoints(struct call *call);
void api_write_endpoints(const struct call *call, struct document *out);
void api_list_events(struct call *call);
void api_write_events(const struct call *call, struct document *out);
void api_get_event(struct call *call);
void api_write_event(const struct call *call, struct document *out);
void api_get_event_request(struct call *call);
void api_write_event_request(const struct call *call, struct document *out);
void api_show_health(struct call *call);
void api_answer_health(struct call *call);
void api_start_reload(struct call *call);
void api_show_metrics(struct call *call);
void api_show_openapi(struct call *call);
void api_list_sources(struct call *call);
void api_get_source(struct call *call);
void api_show_script(struct call *call);
void api_open_stream(struct call *call);
void api_list_dead_letters(struct call *call);
void api_write_dead_letters(const struct call *call, struct document *out);
void api_show_status(struct call *call);
void api_stop(struct call *call);

#endif
