/* SPDX-License-Identifier: MIT */
/* Sending: outgoing HTTP on the owner's loop. curl multi by socket_action, easy handles and
 * connections reused; every attempt judged by the address guard; a queue per endpoint (window,
 * concurrency, rate, retry); outcomes go to the store. curl.h is known only here.
 *
 * Threads: a sender belongs to one worker's loop; everything runs there unless said otherwise.
 *
 * A delivery's life here: held (given by a commit, or claimed) -> credit -> attempt -> decided ->
 * settled (committed) -> gone from memory; a retry comes back by a claim when it is due. A delivery
 * id stays "held" until its settlement is committed, so a claim's repeat is skipped. */
#ifndef SEND_SEND_H
#define SEND_SEND_H

#include "base/cidr.h"
#include "base/err.h"
#include "base/limits.h"
#include "base/queue.h"
#include "base/timer.h"
#include "model/delivery.h"
#include "model/exchange.h"
#include "model/operational.h"
#include "model/registry.h"
#include "store/store.h"

#include <uv.h>

struct sender;

/* What the retry policy says of a failed attempt. */
enum retry_verdict { RETRY_DEFAULT, RETRY_AFTER, RETRY_STOP };
struct retry_decision {
    enum retry_verdict verdict;
    int64_t delay_ms;
    char reason[256];
};

/* What goes out, before it is signed: begins as the message's own. Transform may replace parts. */
struct outgoing {
    struct slice method;
    struct slice url;
    struct slice head; /* packed; framing headers are never taken from it */
    struct slice body;
    struct slice token;       /* of OAuth 2; empty: none */
    struct content *replaced; /* owned reference if transform made a new one */
    bool is_skipped;          /* transform: do not send; the delivery is cancelled with reason */
    char reason[256];
};

/* What scripts may want to know as an event of its own. */
enum sender_news_kind {
    SENDER_DELIVERY_DEAD,
    SENDER_DELIVERY_SUCCEEDED, /* of endpoints that ask for it */
    SENDER_ENDPOINT_DISABLED
};
struct sender_news {
    enum sender_news_kind kind;
    const struct endpoint_spec *endpoint;
    const struct delivery *delivery; /* that died, or that disabled its endpoint */
    const struct attempt *attempt;   /* the last; NULL: it died without one */
    const char *reason;
};
/* Its meta event, id 0; NULL: no subscription asks, or no memory. Any thread. */
struct event *sender_news_event(const struct registry *registry, const struct sender_news *news);

/* Into Lua, synchronously, on this thread (worker/ gives them). */
struct sender_hooks {
    /* The endpoint's transform. Not OK: a failed attempt with error "script", detail from err. */
    enum status (*transform)(void *ctx, const struct endpoint_spec *endpoint,
                             const struct delivery *delivery, struct outgoing *outgoing,
                             struct err *err);
    /* The endpoint's success function, of an answer's status; a failing one: 2xx. */
    bool (*success)(void *ctx, const struct endpoint_spec *endpoint, int status);
    /* The endpoint's retry function; a failing one gives RETRY_DEFAULT. */
    void (*retry)(void *ctx, const struct endpoint_spec *endpoint, const struct attempt *attempt,
                  const struct delivery *delivery, struct retry_decision *decision);
    /* An event with its id, which commits with the outcome; NULL: nobody wants to know. Both may be
     * NULL. */
    struct event *(*tell)(void *ctx, const struct sender_news *news);
    /* The same of what is published to the operator's application, which it names in the news; NULL
     * also if there is none, or if it is that application's own. Fills *attempt_at. */
    struct event *(*publish)(void *ctx, struct operational_news *news, size_t *attempt_at);
    /* Takes the reference over. */
    void (*told)(void *ctx, struct event *event, bool is_made);
    /* An endpoint was disabled by what its receiver answers, which is stored; may be NULL. */
    void (*disabled)(void *ctx, uint64_t endpoint);
    /* Whether an endpoint that the sender does not know was deleted: what comes for it is
     * cancelled. NULL: none is. */
    bool (*is_gone)(void *ctx, uint64_t endpoint);
    /* Every settled attempt, for metrics and the demonstration; may be NULL. */
    void (*on_settled)(void *ctx, const struct endpoint_spec *endpoint,
                       const struct delivery *delivery, const struct attempt *attempt);
};

struct sender_options {
    uv_loop_t *loop;
    struct store *store;
    struct store_client *client;
    unsigned worker_count, worker_index; /* owns endpoints whose shard % count == index */
    const struct sender_hooks *hooks;
    void *ctx;
    const char *user_agent;
    const struct guard_rules *guard; /* copied; NULL: none */
};

/* libcurl waits for memory (base/memory.h), so that a lack of it is no failed attempt. Before the
 * first sender, at start. */
void sender_use_memory(void);

MUST_USE enum status sender_create(const struct sender_options *options, struct sender **sender,
                                   struct err *err);
/* All attempts must be over (sender_stop). */
void sender_destroy(struct sender *sender);

/* The endpoints of a generation (a reference is taken; those of other owners are left alone). The
 * queues stay; running attempts end with the spec they began with; an endpoint that is gone keeps
 * its queue, paused. standings: what the store knows of registry->endpoints[i]; of one that is
 * known here already, and that has the same url, memory knows better. */
void sender_set_registry(struct sender *sender, struct registry *registry,
                         const struct endpoint_standing *standings);
/* An endpoint that an application registered, alone in a registry (a reference is taken), in this
 * version: nothing if a later one is known. When this returns no attempt starts under the one
 * before; those that run end with the one that they began with. */
void sender_set_endpoint(struct sender *sender, struct registry *one,
                         const struct endpoint_standing *standing);
/* It was deleted: nothing is sent to it any more. */
void sender_remove_endpoint(struct sender *sender, uint64_t endpoint);
/* That endpoint, from its row with its secrets: the only one of a new registry, which has a
 * reference to the gate. registered.c; any thread. */
struct registry *registered_make(const struct resource *row, struct gate *gate,
                                 struct throttle *throttle);
/* throttleRate of the fields of an application or endpoint; 0: none. */
double registered_rate(const char *fields);
/* The state was stored: nothing if a later one is known. When this returns no attempt starts under
 * the old one. */
void sender_set_state(struct sender *sender, uint64_t endpoint,
                      const struct endpoint_standing *standing);
/* Recovery: claims what was held when the process ended, then what is due. Once, after
 * sender_set_registry. */
void sender_start(struct sender *sender);
/* Takes a committed delivery that got room at its gate. */
void sender_take(struct sender *sender, struct delivery *delivery);
/* The store has (or may have) due deliveries of this endpoint that are not in memory, of at most
 * that priority. */
void sender_hint(struct sender *sender, uint64_t endpoint, int priority);
/* The machine slept, and the timers with it: what became due meanwhile is sent at its endpoint's
 * pace. */
void sender_wake(struct sender *sender);
/* No new attempts; those running go on. on_idle runs once none is left (at once if so) and all
 * settlements are committed. After deadline_ms running attempts are cut off: their deliveries stay
 * open in the store as they were. */
void sender_stop(struct sender *sender, int64_t deadline_ms, void (*on_idle)(void *ctx), void *ctx);

/* An open delivery is taken back by hand. Filled in by who asks, and theirs again at on_done, which
 * runs on the sender's thread: status OK, and from then on it is not sent; E_CONFLICT: it ended
 * before, in `state`; E_NOTFOUND; E_BUSY: it is being taken back already; E_IO; E_CANCELLED: the
 * sender stops. An attempt that is under way goes on to its end and is recorded; if it delivers,
 * that is the end of the delivery. */
struct sender_cancel {
    uint64_t delivery;
    uint64_t endpoint; /* its endpoint, of this sender */
    const char *reason;
    void (*on_done)(struct sender_cancel *cancel);
    void *ctx;
    enum status status;
    enum delivery_state state;
    /* The sender's. */
    struct sender *sender;
    struct store_change op;
    struct change change;
    bool has_come; /* it was here, or came meanwhile */
};
void sender_cancel(struct sender *sender, struct sender_cancel *cancel);

/* A delivery's request, whatever its state, as it would be sent now, but to another URL, which the
 * signature is for if it signs one. Filled in down to ctx by who asks, and theirs again at on_done,
 * which runs on the sender's thread; then sender_readdress_finish. */
struct sender_readdress {
    const struct delivery *delivery;
    const char *to; /* a URL that guard_check_url lets through; the message's own path and query are
                       put into it */
    void (*on_done)(struct sender_readdress *readdress);
    void *ctx;
    enum status status; /* not OK: there is no such request, err says why */
    struct err err;
    struct buf method;
    struct buf url;
    struct buf head;     /* packed, without what the connection makes */
    struct buf left_out; /* packed: names of headers that may hold secrets, without their values */
    struct buf body;
};
void sender_readdress(struct sender *sender, struct sender_readdress *it);
void sender_readdress_finish(struct sender_readdress *it);

/* ---- Leases: messages of queues (endpoints of kind "long_poll") and their receivers -------------
 *
 * A lease is an attempt: it succeeds if the receiver acknowledges before it ends, else it fails and
 * the endpoint's policy decides. Leases are rows of the store: a restart changes nothing about
 * them. */

/* What a receiver asks of the sender that owns an endpoint; the first member of what is asked.
 * Filled in down to ctx by who asks, and theirs again at on_done. Whoever brings it to that sender
 * calls run on its thread, and says in go_home, which is called there, how it comes back to
 * on_done. */
struct lease_errand {
    uint64_t endpoint;
    void (*run)(struct sender *sender, struct lease_errand *errand);
    void (*on_done)(struct lease_errand *errand);
    void *ctx;
    void (*go_home)(struct lease_errand *errand);
    void *home;
    enum status status;
};

/* A receiver that takes again and again, and is given no more than limit that have not ended. Who
 * asks keeps it from its first take until ending is home. */
struct lease_stream {
    struct lease_errand ending;
    size_t limit;
    /* The sender's. */
    size_t held_count;
    struct lease_take *parked; /* its take, while it holds as many as it may */
};
/* Runs ending: nothing is counted for it any more. Not before its last take was left. */
void lease_stream_end(struct sender *sender, struct lease_errand *ending);

/* Messages that are due, leased, as soon as there are any; none when the time is over. Status OK;
 * E_CANCELLED: the sender stops, the queue is gone, or the receiver left; E_IO. */
struct lease_take {
    struct lease_errand errand;
    struct lease_errand leaving;
    struct lease_stream *stream; /* NULL: none; else count_max is the sender's */
    size_t count_max;
    int64_t wait_ms;
    struct delivery **deliveries; /* owned; lease number attempts + 1 */
    size_t delivery_count;
    int64_t until_ms; /* Unix ms, when the leases end */
    /* The sender's. */
    struct node node;      /* while it waits */
    struct node late_node; /* while it waits though its time is over */
    struct timer timer;
    struct sender *sender;
    bool is_late; /* its time is over: it gets what the claim under way brings */
    bool has_left;
};
/* Runs it. */
void lease_take(struct sender *sender, struct lease_errand *errand);
/* Runs leaving: the receiver is gone, and the take comes home soon, before leaving or after it.
 * What it was given by then, and was not told, the asker returns. */
void lease_leave(struct sender *sender, struct lease_errand *leaving);
/* What it was given goes. */
void lease_take_finish(struct lease_take *take);

enum lease_end_verb { LEASE_END_ACK, LEASE_END_NACK, LEASE_END_EXTEND, LEASE_END_RETURN };

/* Ends leases, or moves their ends. Each row: done, or there is no such lease (any more). Status
 * OK, E_BUSY, E_IO, E_CANCELLED. */
struct lease_end {
    struct lease_errand errand;
    enum lease_end_verb verb;
    int64_t delay_ms;             /* NACK: until it comes again, -1: as the policy says;
                                   * EXTEND: from now */
    char *reason;                 /* NACK: owned, may be NULL */
    struct store_lease_row *rows; /* owned */
    size_t row_count;
};
/* Runs it. */
void lease_end(struct sender *sender, struct lease_errand *errand);

struct sender_counts {
    uint64_t attempts;
    uint64_t succeeded;
    uint64_t failed;
    size_t in_flight;
    size_t held;
};
void sender_counts(const struct sender *sender, struct sender_counts *counts);

/* ---- Pace: when the next attempt at an endpoint may start (pure; one thread; monotonic times) ---
 */

/* A token bucket. Zeroed: full. */
struct rate {
    double tokens;
    int64_t counted_ns; /* when */
    bool is_awaited;    /* somebody was told to come again: coming late costs nothing */
};
/* Takes a token; false: there will be one in *wait_ms. per_s 0: no limit. burst: at least 1. */
bool rate_take(struct rate *rate, double per_s, double burst, int64_t now_ns, int64_t *wait_ms);
/* As many as there are, at most so many, for who comes again every few ms: what was not done in
 * time is made up for within a tenth of a second. */
size_t rate_take_many(struct rate *rate, double per_s, size_t most, int64_t now_ns);
/* So many that were taken were not used. */
void rate_put_back(struct rate *rate, size_t count);
/* Whoever was told to come again does not: no more than the burst is kept for later. */
void rate_let_go(struct rate *rate);

/* The rate of an application, for all its endpoints together (throttle.c; any thread). */
struct throttle *throttle_create(void);
void throttle_destroy(struct throttle *throttle);
/* per_s 0: no limit, as at first. */
void throttle_set(struct throttle *throttle, double per_s);
/* As rate_take. */
bool throttle_take(struct throttle *throttle, int64_t now_ns, int64_t *wait_ms);
/* What was taken was not used. */
void throttle_put_back(struct throttle *throttle);

/* What the end of an attempt says of its endpoint. */
enum attempt_sign {
    SIGN_NONE, /* it never got that far: the script, the guard */
    SIGN_GOOD, /* the receiver answers */
    SIGN_BAD,  /* no answer, or 5xx that is no success */
};
enum attempt_sign attempt_sign(const struct attempt *attempt, bool is_success);

/* The numbers are shown in metrics. */
enum circuit_state { CIRCUIT_CLOSED = 0, CIRCUIT_OPEN = 1, CIRCUIT_HALF_OPEN = 2 };
const char *circuit_state_name(enum circuit_state state);

#define CIRCUIT_SLOTS 10

/* A breaker. Closed: what failed within the window is counted. Open: nothing goes until the
 * cooldown is over. Half open: one attempt probes; its end closes or opens it. Zeroed: closed. */
struct circuit {
    enum circuit_state state;
    unsigned era; /* one more with each change: attempts of an earlier one say nothing of now */
    bool is_probing;
    int64_t open_until_ms;
    int64_t slot; /* number of the current slot of the window */
    struct {
        uint32_t attempts, failures;
    } slots[CIRCUIT_SLOTS];
};
/* Open becomes half open when its time has come. */
void circuit_look(struct circuit *circuit, int64_t now_ms);
bool circuit_may_start(const struct circuit *circuit);
/* An attempt starts. Returns the era, for its end. */
unsigned circuit_start(struct circuit *circuit);
/* True: the state has changed. */
bool circuit_end(struct circuit *circuit, const struct circuit_spec *spec, unsigned era,
                 enum attempt_sign sign, int64_t now_ms);

/* A receiver that says 429 or 503 gets half as many attempts, and half again if one of those gets
 * the same answer, at least one in 10 s; each second without adds a tenth of what it got before.
 * With Retry-After it gets none until then, LIMIT_ENDPOINT_PAUSE_S at most. Zeroed: as fast as can
 * be. */
struct slowdown {
    double per_s;      /* 0: not slowed */
    double full_per_s; /* before it was */
    int64_t changed_ms;
    int64_t paused_until_ms;
    int64_t second_ms; /* the second in which attempts are counted */
    uint32_t started, started_before;
};
/* An attempt starts. */
void slowdown_start(struct slowdown *slowdown, int64_t now_ms);
/* What it gets now; 0: no limit of ours. limit_per_s: of its options, 0: none. */
double slowdown_per_s(struct slowdown *slowdown, double limit_per_s, int64_t now_ms);
/* How long it is slowed yet if nothing more is answered so; 0 or less: it is not. */
int64_t slowdown_left_ms(const struct slowdown *slowdown, int64_t now_ms);
/* An attempt that started then got this answer. */
void slowdown_end(struct slowdown *slowdown, double limit_per_s, const struct attempt *attempt,
                  int64_t started_ms, int64_t now_ms);

/* Each endpoint may have as many attempts under way as are left for all: so however many hang, the
 * others find room. Those whose receiver did not answer the last time share a part. With none
 * left, one whose receiver did has still one, until there are twice as many. The endpoints of one
 * application count as one. own, tenants, all: under way now, of the endpoint, of its application
 * (0: scripts declare it) and of the worker; if it is not answering, of such. */
bool pace_has_slot(size_t own, size_t tenants, size_t all, bool is_answering);

/* All of them for one endpoint. Zeroed: nothing is known of it. */
struct pace {
    struct rate rate;
    struct circuit circuit;
    struct slowdown slowdown;
};
/* Of one attempt. */
struct pace_mark {
    bool is_started;
    unsigned era;
    int64_t started_ms;
};
/* An attempt may start, and its token was taken; else *wait_ms says when to ask again, -1: when the
 * probe is over. */
bool pace_take(struct pace *pace, const struct endpoint_spec *spec, int64_t now_ns,
               int64_t *wait_ms);
/* Enabled anew: what it did before counts no more. */
void pace_forgive(struct pace *pace);
struct pace_mark pace_start(struct pace *pace, int64_t now_ms);
/* True: the circuit's state has changed. */
bool pace_end(struct pace *pace, const struct endpoint_spec *spec, const struct pace_mark *mark,
              const struct attempt *attempt, bool is_success, int64_t now_ms);

/* ---- What goes out, and what an attempt means (pure; any thread) -------------------------------
 */

/* The request of one attempt. */
struct outgoing_request {
    struct slice method;
    struct buf head;         /* packed */
    struct slice body;       /* of the message, of what transform made, or of those below */
    struct slice plain_body; /* before it was compressed */
    struct buf formatted;
    struct buf compressed;
};
/* Takes of a forwarded message what may go on, of any other all it says; then the headers of the
 * endpoint that it does not set, the trace with a span of its own unless one of them is set;
 * formats, compresses and signs as the endpoint says. The request borrows from both, and is to be
 * finished whatever this returns. */
MUST_USE enum status outgoing_make(const struct endpoint_spec *endpoint,
                                   const struct message *message, const struct outgoing *outgoing,
                                   struct outgoing_request *request, struct err *err);
void outgoing_request_finish(struct outgoing_request *request);
/* The endpoint's URL with the message's own path and query put in. */
MUST_USE enum status outgoing_add_url(const struct endpoint_spec *endpoint,
                                      const struct message *message,
                                      const struct outgoing *outgoing, struct buf *out,
                                      struct err *err);
#define DECISION_REASON_BYTES 320
#define EXPIRED_REASON "expired before it was delivered" /* why such a delivery is dead */
/* Why an endpoint was disabled. */
#define GONE_REASON "the receiver answered 410 Gone"
#define FAILING_REASON "nothing but failures for as long as disable_after says"

struct decision_input {
    const struct endpoint_spec *endpoint;
    const struct attempt *attempt;      /* its number is set */
    bool is_success;                    /* as the endpoint decides, or decision_is_success */
    const struct retry_decision *retry; /* of the endpoint's function; RETRY_DEFAULT: has none */
    int64_t age_ms;
    uint32_t fresh_attempts; /* of the delivery: they do not count for the policy */
    bool is_single;          /* somebody asked for one more attempt, and no others */
    int64_t expires_in_ms;   /* 0: never; less: it has */
    bool is_elsewhere;       /* the endpoint has another url now: a 410 is not of it */
    double random;           /* uniform in [0, 1) */
};
struct decision {
    enum delivery_state state; /* SUCCEEDED, RETRYING or DEAD */
    int64_t delay_ms;          /* RETRYING */
    bool is_disabling;         /* 410: the endpoint gets nothing more */
    enum decided_by by;
    char reason[DECISION_REASON_BYTES]; /* DEAD */
};
/* An answer of 2xx. Only of an answer has the endpoint's success function a say. */
bool decision_is_success(const struct attempt *attempt);
/* Whether the endpoint's retry function has a say. */
bool decision_asks_policy(const struct attempt *attempt, bool is_success);
void decision_make(const struct decision_input *input, struct decision *decision);
/* Retry-After of an answer's head in ms, capped; -1: none. */
int64_t answer_retry_after_ms(struct slice head);

/* ---- The address guard (pure; any thread) ------------------------------------------------------
 */

enum guard_verdict {
    GUARD_ALLOWED,
    GUARD_PRIVATE, /* refused unless allow_private */
    GUARD_NEVER    /* link-local, metadata, own listeners: refused even then */
};

#define GUARD_LISTENERS_MAX 2

/* What the operator says of addresses beside the tables (anzol.lua: guard). Denied is GUARD_NEVER;
 * else allowed is GUARD_ALLOWED, whatever the tables say. Zeroed: nothing. */
struct guard_rules {
    struct cidr deny[LIMIT_GUARD_BLOCKS];
    size_t deny_count;
    struct cidr allow[LIMIT_GUARD_BLOCKS];
    size_t allow_count;
    int listeners[GUARD_LISTENERS_MAX]; /* ports on which this process listens; 0: none */
};

/* sockaddr of AF_INET or AF_INET6; anything else is GUARD_NEVER. IPv4 inside IPv6 is judged as
 * IPv4. reason: static text, "127.0.0.0/8 is loopback". */
enum guard_verdict guard_judge(const struct guard_rules *rules, const struct sockaddr *address,
                               const char **reason);
/* Of a connection that stands: also GUARD_NEVER if it leads to this process, unless it is allowed
 * by the rules. */
enum guard_verdict guard_judge_connection(const struct guard_rules *rules,
                                          const struct sockaddr *remote, int remote_port,
                                          const struct sockaddr *local, const char **reason);
/* A URL as an endpoint may have it: http or https, no userinfo, a host, ports < 1024 only 80 and
 * 443, no control bytes or spaces, at most LIMIT_URL_BYTES. err says what is wrong and the mend. */
MUST_USE enum status guard_check_url(const char *url, struct err *err);
/* "localhost", "x.localhost": this machine, without asking anybody. */
bool host_is_local(const char *host);
/* The same of an endpoint that somebody else than the operator names: an address in it is one that
 * may be sent to. wants_tls: http only to an address that the rules allow by name. */
MUST_USE enum status guard_check_target(const struct guard_rules *rules, const char *url,
                                        bool wants_tls, struct err *err);
/* "https://example.com:8443/" of a URL; "": it is none, or too long. */
void url_origin(const char *url, char *origin, size_t size);
/* The URL of a proxy: http or https, perhaps a user and password, a host, perhaps a port, no path.
 */
MUST_USE enum status proxy_check_url(const char *url, struct err *err);

/* ---- Exchanges that scripts ask for ------------------------------------------------------------
 */

/* Of one worker, on its loop: a bounded number at a time, the others wait for their turn within
 * their timeout; no delivery waits for them. Each hop's address is judged. */
struct exchanges;
/* guard: copied; NULL: none. */
struct exchanges *exchanges_create(uv_loop_t *loop, const char *user_agent,
                                   const struct guard_rules *guard);
/* None may be under way. The loop must run once more. */
void exchanges_destroy(struct exchanges *exchanges);
/* on_done comes later, never before this returns, with the exchange's last breath: whoever started
 * it forgets it. E_INVALID: nothing was started, the URL or a header cannot be used (err). */
MUST_USE enum status exchanges_start(struct exchanges *exchanges,
                                     const struct exchange_request *request, exchange_cb on_done,
                                     void *ctx, struct exchange **exchange, struct err *err);
/* No on_done. */
void exchanges_cancel(struct exchanges *exchanges, struct exchange *exchange);
/* A piece that was answered with PIECE_PAUSE comes again. Not in on_piece. */
void exchanges_go_on(struct exchange *exchange);

/* ---- One plain exchange, blocking: for the command line (not for workers) ----------------------
 */

struct fetch_options {
    const char *unix_socket; /* NULL: TCP */
    const char *url;
    const char *method;
    const struct field *headers;
    size_t header_count;
    struct slice body;
    int64_t timeout_ms;
    bool skips_verify;   /* of the certificate, whoever vouches for it */
    const int *wake_fds; /* one that can be read ends it: E_CANCELLED */
    unsigned wake_fd_count;
};
struct fetch_answer {
    int status;
    struct buf head; /* packed; owned by the caller: buf_finish */
    struct buf body;
};
MUST_USE enum status fetch(const struct fetch_options *options, struct fetch_answer *answer,
                           struct err *err);

#endif
