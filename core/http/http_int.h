/* SPDX-License-Identifier: MIT */
/* What the files of this folder share: the listener, its connections and the one exchange that
 * each of them can have. Everything belongs to the listener's loop thread. */
#ifndef HTTP_HTTP_INT_H
#define HTTP_HTTP_INT_H

#include "base/buf.h"
#include "base/machine.h"
#include "base/queue.h"
#include "http/check_int.h"
#include "http/http.h"

#include <microhttpd.h>
#include <netinet/in.h>

/* Where an exchange stands. */
enum http_stage {
    STAGE_NONE,     /* no head has come */
    STAGE_HEAD,     /* on_head runs */
    STAGE_BODY,     /* accepted: the body is collected */
    STAGE_DROP,     /* the body is over a limit: read and dropped, then refused with fault */
    STAGE_OPEN,     /* on_request was called: the handler owes an answer */
    STAGE_ANSWERED, /* response is made, perhaps already queued */
    STAGE_COUNT
};

extern const struct machine_state http_stages[STAGE_COUNT];

/* What a connection waits for: each has its deadline (deadline.c). */
enum http_phase {
    PHASE_HEADERS, /* since the connect, or since the request line */
    PHASE_BODY,
    PHASE_HANDLER, /* no deadline here: the handler has its own */
    PHASE_ANSWER,  /* the client reads */
    PHASE_IDLE,    /* between two requests */
    PHASE_CLOSING, /* shut down, the library has still to notice */
    PHASE_COUNT
};

/* A part of the packed head, by place: the head moves from the listener's buffer to the content. */
struct http_part {
    uint32_t offset;
    uint32_t len;
};

struct http_request {
    enum http_stage stage;
    struct buf target;       /* raw, kept from request to request */
    const char *target_from; /* where the library had it: never read, only compared */
    struct content *content; /* NULL during on_head: the head is in the listener's buffer */
    struct http_part method, path, query;
    struct http_extent extent;
    size_t body_bytes_max;
    size_t charged_bytes;           /* of intake_bytes */
    size_t received_bytes;          /* of body, dropped ones too */
    size_t chunk_count;             /* those that began behind another one in the same read */
    const char *chunk_end;          /* where the last piece of body ended: never read */
    const struct http_fault *fault; /* STAGE_DROP */
    struct MHD_Response *response;  /* owned until queued */
    int status;
    int64_t received_ms;
    bool is_known;     /* on_head was called: on_over is owed */
    bool is_suspended; /* by us; not yet resumed */
    bool may_wait;     /* for long: in the room */
    bool is_stream;
    bool is_gone;    /* to be closed without an answer */
    bool is_written; /* the library has sent the answer whole */
    void *data;
};

/* The library's memory for a connection: our limits of line and headers with room to spare, so that
 * it is we who refuse. */
#define CONNECTION_MEMORY_BYTES (48 * 1024)

struct http_address;

struct http_connection {
    struct http_listener *listener;
    struct MHD_Connection *mhd;
    struct node node;             /* listener->connections */
    struct node idle_node;        /* listener->idle, oldest first */
    struct node patient_node;     /* listener->patient, oldest first */
    struct http_address *address; /* NULL: not counted */
    int fd;
    enum http_phase phase;
    int64_t phase_since_ms; /* monotonic */
    bool is_unread;         /* closed with bytes of the client unread: linger */
    bool is_in_room;        /* room.c has it; mhd is NULL once the library has let it go */
    bool is_last;           /* closed after the answer that the room writes */
    bool is_broken;         /* that cannot be written */
    struct buf answer;      /* of the room */
    size_t answered;        /* bytes of it that are written */
    uint8_t remote_len;
    char remote[INET6_ADDRSTRLEN];
    struct http_request request;
};

#define ADDRESS_BUCKETS 256

/* How many connections each client address has. An IPv6 client is its /64 network. */
struct http_addresses {
    struct http_address *buckets[ADDRESS_BUCKETS];
};

struct http_linger;

struct http_listener {
    struct http_options options;
    struct MHD_Daemon *daemon;
    uv_poll_t poll;       /* the daemon's epoll descriptor */
    uv_prepare_t prepare; /* runs the daemon before the loop sleeps */
    uv_check_t check;     /* and after it woke, once for all that came */
    uv_idle_t idler;      /* active while the daemon wants to run again at once */
    uv_timer_t deadlines;
    unsigned open_handles;
    bool is_running; /* inside MHD_run */
    bool must_run;
    bool is_quiet; /* no longer accepting: connections close after their answer */
    bool is_closing;
    bool has_known_layout;    /* of the library's read buffer, see guard.c */
    struct queue connections; /* but for those in the room */
    struct queue patient;     /* those that will be in the room soon */
    uv_timer_t patience;
    struct queue room;
    size_t room_entering;  /* of them, those that the library has still to let go */
    size_t room_answering; /* of them, those whose answer is being written */
    int room_epoll;
    int room_dead; /* what the library gets in place of a descriptor */
    uv_poll_t room_poll;
    struct queue idle;
    size_t closing_count;  /* connections in PHASE_CLOSING */
    size_t exchange_count; /* is_known and not over */
    struct http_addresses addresses;
    struct queue lingering;
    struct buf head; /* of the request whose on_head runs */
    void (*on_closed)(void *ctx);
    void *on_closed_ctx;
};

/* connection.c: the life of a connection and its caps; callbacks of the library. */
enum MHD_Result connection_on_accept(void *cls, const struct sockaddr *address,
                                     socklen_t address_len);
void connection_on_notify(void *cls, struct MHD_Connection *mhd, void **socket_context,
                          enum MHD_ConnectionNotificationCode code);
/* Moves to a phase; its deadline counts from now. */
void connection_enter(struct http_connection *connection, enum http_phase phase);
/* Shuts the socket down: the library notices and lets the connection go. */
void connection_shut(struct http_connection *connection);

/* address.c */
unsigned address_count(const struct http_addresses *addresses, const struct sockaddr *address);
/* One more. NULL: no memory, or an address that is not counted (a Unix socket). */
struct http_address *address_take(struct http_addresses *addresses, const struct sockaddr *address);
void address_release(struct http_addresses *addresses, struct http_address *address);
bool address_is(const struct http_address *counted, const struct sockaddr *address);
/* "203.0.113.7", "unix". */
size_t address_text(const struct sockaddr *address, char text[INET6_ADDRSTRLEN]);

/* guard.c: judges a head and packs it into the listener's buffer. NULL: accepted. */
const struct http_fault *request_judge(struct http_request *request, const char *method,
                                       const char *version);

/* exchange.c: callbacks of the library. */
void *exchange_on_target(void *cls, const char *target, struct MHD_Connection *mhd);
enum MHD_Result exchange_on_access(void *cls, struct MHD_Connection *mhd, const char *url,
                                   const char *method, const char *version, const char *data,
                                   size_t *data_bytes, void **ctx);
void exchange_on_completed(void *cls, struct MHD_Connection *mhd, void **ctx,
                           enum MHD_RequestTerminationCode code);
/* Resumes a suspended exchange; the daemon runs before the loop sleeps. */
void exchange_resume(struct http_request *request);
/* Answers a suspended exchange in the handler's place. */
void exchange_refuse_late(struct http_request *request, const struct http_fault *fault);
struct http_connection *exchange_connection(const struct http_request *request);

/* The exchange of a connection in the room is over. */
void exchange_end(struct http_request *request);
/* connection.c: frees it; it is in no queue. */
void connection_destroy(struct http_connection *connection);

/* room.c */
void room_open(struct http_listener *listener);
/* Answers all with 503. */
void room_close(struct http_listener *listener);
/* A connection was suspended that may wait; soon it enters. */
void room_await(struct http_connection *connection);
/* It goes on. */
void room_forget(struct http_connection *connection);
void room_respond(struct http_connection *connection, const struct http_response *response);
/* A stream begins, before its connection is in the room or then; goes on; ends. */
MUST_USE enum status room_stream(struct http_connection *connection,
                                 const struct http_response *response);
MUST_USE enum status room_stream_write(struct http_connection *connection, struct slice bytes);
void room_stream_end(struct http_connection *connection);
void room_check_all(struct http_listener *listener);

/* response.c */
#define HTTP_USUAL_TYPE "application/json; charset=utf-8"
/* Makes request->response; NULL when memory is out. */
void response_make(struct http_request *request, const struct http_response *response);
void response_refuse(struct http_request *request, const struct http_fault *fault);

/* deadline.c: looks at every connection once; the timer's work. */
#define DEADLINE_PERIOD_MS 500
void deadline_check_all(struct http_listener *listener);

/* linger.c */
/* Keeps the socket a little while, reading and dropping, so that closing it with unread bytes does
 * not make the kernel take the answer back from the client. */
void linger_start(struct http_listener *listener, int fd);
void linger_check_all(struct http_listener *listener);
void linger_stop_all(struct http_listener *listener);

/* listener.c */
void listener_run_daemon(struct http_listener *listener);
/* Starts the timer of the deadlines if it rests. */
void listener_watch_deadlines(struct http_listener *listener);
void listener_handle_closed(struct http_listener *listener);

#endif
