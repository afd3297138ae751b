/* SPDX-License-Identifier: MIT */
/* Lua: states, limits, jobs, and the bindings that users see. lua.h is known from here up only.
 *
 * Threads: generation_load runs on the loader thread and makes one state per worker from one
 * snapshot of the files; after that a script (one state) belongs to its worker's loop for good.
 * All entries into Lua go through call.c with the limits of their phase. */
#ifndef SCRIPT_SCRIPT_H
#define SCRIPT_SCRIPT_H

#include "base/err.h"
#include "base/limits.h"
#include "base/timer.h"
#include "model/event.h"
#include "model/exchange.h"
#include "model/outbox.h"
#include "model/registry.h"
#include "model/sse.h"
#include "signature/signature.h"

#include <stdatomic.h>
#include <uv.h>

/* One load of all the scripts: a registry and a state per worker. Counted references: each script
 * holds one. */
struct generation;
/* One state of a generation, of one worker. */
struct script;
struct store_read;
struct store_op;

/* ---- Settings (anzol.lua) ---- */

struct setting {
    char *name;  /* "admin_listen", "limits.intake_bytes" */
    char *value; /* as text; lists joined by "\n" */
    int line;
};
struct settings {
    struct setting *rows;
    size_t count;
};
/* Runs DIR/anzol.lua (absent: no rows) in a bare state and flattens the table that it returns.
 * err: file:line, what, how to mend. */
MUST_USE enum status settings_load(const char *dir, struct settings *settings, struct err *err);
void settings_finish(struct settings *settings);

/* ---- Loading ---- */

enum finding_level { FINDING_ERROR, FINDING_WARNING };
struct finding {
    enum finding_level level;
    char *file;  /* relative to the project */
    int line;    /* 0: none */
    char *phase; /* "load" */
    char *message;
    char *hint; /* may be NULL */
};
struct findings {
    struct finding *rows;
    size_t count;
};
/* Adds a warning that is about no file. hint may be NULL. Nothing happens without memory. */
void findings_warn(struct findings *findings, const char *message, const char *hint);
/* Adds an error; message may begin with "file:line: ". */
void findings_fail(struct findings *findings, const char *phase, const char *message);
void findings_finish(struct findings *findings);

/* Where secrets (ANZOL_SECRET_NAME) and anzol.env come from. NULL: not set. The text is read at
 * once; asked for on the thread that loads or runs the script. */
struct environment {
    const char *(*get)(const char *name, void *ctx); /* NULL: the process's own */
    void *ctx;
};

/* The url of an endpoint whose secret is missing, where that is allowed. */
#define URL_MISSING "https://missing.invalid/"

enum trust {
    TRUST_SETTINGS, /* as the project's anzol.lua says: `trust`, `c_modules`, `timezone` */
    TRUST_SANDBOX,
    TRUST_FULL /* everything of Lua */
};

struct generation_options {
    const char *dir;            /* the project's folder */
    const char *const *scripts; /* globs below dir; NULL: scripts/ *.lua */
    unsigned worker_count;
    uint64_t number;            /* 1, 2, … */
    bool allow_missing_secrets; /* check: a missing secret is a finding, not an error */
    bool needs_scripts;         /* that there is none is an error, not a warning */
    enum trust trust;
    const char *const *c_modules; /* with TRUST_SANDBOX, names that may be C; NULL: none */
    const char *timezone;         /* but with TRUST_SETTINGS, of os.date; NULL: UTC */
    /* What was kept of anzol.websub, as JSON by key: what the scripts no longer have is ended.
     * Borrowed until the load is over; NULL: nothing. */
    const char *websub;
    struct environment environment; /* outlives the generation */
};

/* Reads all files once (the snapshot), loads them into worker_count states, cross-checks (endpoints
 * named as literals exist, no path twice, equal digests). All findings are collected; OK only
 * without an error among them. err: the first error as "file:line: message (hint)". No network.
 * On OK one reference is the caller's. Loader thread, or any without a loop. */
MUST_USE enum status generation_load(const struct generation_options *options,
                                     struct generation **generation, struct findings *findings,
                                     struct err *err);
struct generation *generation_ref(struct generation *generation);
void generation_unref(struct generation *generation);
struct registry *generation_registry(struct generation *generation); /* borrows */
/* Every file that was read: for --watch. Borrows. */
const char *const *generation_files(const struct generation *generation, size_t *count);

/* The host of a script: what its bindings ask of the worker (or of anzol.testing), on its thread.
 * Everything that a job waits for, and everything outside of the process, is reached by these. */
struct directory;
struct shared;
struct script_hooks {
    uint64_t (*next_event_id)(void *ctx); /* for emits */
    /* The timer is memory of the script's. Never on time before start_timer returned. */
    void (*start_timer)(void *ctx, struct timer *timer, int64_t delay_ms);
    void (*stop_timer)(void *ctx, struct timer *timer);
    /* One exchange out. done comes on the loop, never before this returned, unless it was
     * cancelled. Not OK: not started, err says why. */
    enum status (*start_exchange)(void *ctx, const struct exchange_request *request,
                                  exchange_cb on_done, void *done_ctx, struct exchange **exchange,
                                  struct err *err);
    void (*cancel_exchange)(void *ctx, struct exchange *exchange);
    /* A read of the store; its on_done comes on the loop. E_BUSY: too many for now. */
    enum status (*read)(void *ctx, struct store_read *read);
    /* An operation of the store that a job waits for; its on_done comes on the loop, never before
     * this returned. */
    enum status (*submit)(void *ctx, struct store_op *op);
    /* Gets what is in Lua, 0 when it left: the id of the event whose filter or handler it is, or
     * the mark of the routine. NULL: nobody wants it. */
    _Atomic uint64_t *running;
    struct directory
        *directory;        /* of what applications registered; borrowed. NULL: there is none */
    struct shared *shared; /* of the process: cache, limiters, breakers, metrics; borrowed */
    void *ctx;
};

/* Once per index, on the worker's thread: the state becomes the worker's. The generation keeps one
 * reference for it until script_destroy. */
struct script *generation_attach(struct generation *generation, unsigned index, uv_loop_t *loop,
                                 const struct script_hooks *hooks);
struct registry *script_registry(const struct script *script);     /* borrows */
struct generation *script_generation(const struct script *script); /* borrows */
/* What its state holds. */
size_t script_bytes(const struct script *script);
/* Runs the functions of anzol.init in order, each with the limits of its phase, until one fails.
 * problem: "file:line: what failed" and a traceback, valid during the callback; NULL: all went
 * well. Exactly once, perhaps before script_init returns. */
typedef void (*init_cb)(const char *problem, void *ctx);
void script_init(struct script *script, init_cb on_done, void *ctx);
/* Jobs that run or wait. */
size_t script_job_count(const struct script *script);
/* Cancels all jobs: each one's callback comes with JOB_CANCELLED before this returns. */
void script_cancel_all(struct script *script);
/* The same of the one that has this ctx, if it goes on. */
void script_cancel(struct script *script, const void *ctx);
/* No job may be left. */
void script_destroy(struct script *script);

/* ---- Hooks ---- */

/* handshake, challenge, verify, respond, type and idempotency_key of one request, in that order. */
enum admit_outcome {
    ADMIT_OK,
    ADMIT_UNVERIFIED, /* 401 */
    ADMIT_MALFORMED,  /* req.json or req.form met what is none: 400 */
    ADMIT_TOO_LARGE,  /* the body inflates to more than is taken, or is a form of too much: 413 */
    ADMIT_ERROR,      /* verify raised or went over a limit: 500 */
    ADMIT_UNTYPED,    /* type or key raised: stored as anzol.untyped with a dead run */
    ADMIT_ANSWERED,   /* handshake, challenge or respond gave an answer; nothing is stored */
    ADMIT_METHOD      /* challenge gave none, and the method is not of the source's: 405 */
};
/* What handshake, challenge or respond decided to tell the sender. */
struct admit_answer {
    int status;
    struct buf head; /* packed */
    struct buf body;
    bool is_stored; /* the event is stored first */
};
/* NULL is fine. */
void admit_answer_free(struct admit_answer *answer);
struct admission {
    enum admit_outcome outcome;
    struct slice type;           /* valid during the callback */
    struct slice key;            /* empty: none */
    const char *reason;          /* for people; never a secret; valid during the callback */
    struct admit_answer *answer; /* the callee's from now on; NULL: the default */
    /* A handshake that was not consented to and may be later; valid during the callback. */
    const struct handshake_request *asked;
};
struct admit_request {
    const struct source_spec *source;
    struct slice head; /* packed, all headers; borrowed until the callback */
    struct slice body;
    int64_t received_ms;
    bool is_method_listed; /* else only handshake and challenge may answer */
};
/* Called exactly once, often before script_admit returns; later if a hook waits or was pre-empted
 * (within 2.5 s). */
typedef void (*admit_cb)(const struct admission *admission, void *ctx);
void script_admit(struct script *script, const struct admit_request *request, admit_cb on_admitted,
                  void *ctx);

/* Of an event that is EVENT_UNTYPED: asks type and idempotency_key of its source again. A new event
 * of the same request with what they say now, its child, id 0; NULL: err says why there is none. */
struct event *script_retype(struct script *script, const struct event *untyped, struct err *err);

enum job_outcome {
    JOB_HANDLED,
    JOB_SKIPPED,     /* anzol.skip(reason), or the filter said no */
    JOB_RETRY_LATER, /* anzol.retry_later(delay) */
    JOB_FAILED,      /* error or limit: text is the traceback */
    JOB_CANCELLED    /* script_cancel_all */
};
struct job_result {
    enum job_outcome outcome;
    const char *text;        /* reason or traceback; valid during the callback */
    int64_t delay_ms;        /* RETRY_LATER; see has_delay */
    bool is_hopeless;        /* FAILED: another run would fail alike (the chain is too deep) */
    bool has_steps;          /* it used event:step: the store keeps results until the run ends */
    bool has_delay;          /* HANDLED, of a poll: delay_ms is until its next run (anzol.after) */
    bool is_timeout;         /* FAILED, of a poll: its source did not answer in time */
    int64_t items;           /* HANDLED, of a poll: that it found */
    struct source_load load; /* of a poll */
    struct outbox *outbox;   /* HANDLED: owned by the taker from now on (outbox_finish, free) */
    struct event *event; /* with an outbox of a routine that has messages: what they are of, to be
                            stored with them; the taker's reference */
    int64_t cpu_ns;
};
typedef void (*job_cb)(const struct job_result *result, void *ctx);

/* An event that a run handles, and the ids that its messages get. */
struct run_member {
    struct event *event;   /* borrowed until the callback */
    uint8_t first_ordinal; /* messages get event->id | first_ordinal + i */
    uint8_t ordinal_count; /* that many at most */
};

struct run_options {
    const struct subscription_spec *subscription;
    struct run_member own;            /* the event; of a batch its first one */
    const struct run_member *members; /* of a batch, own among them; borrowed until the callback */
    size_t member_count;              /* 0: no batch */
    uint32_t run_number;              /* 1, 2, … */
    bool is_ordered;                  /* its order key was stored with the event */
};
/* filter (of a batch it was asked before the event was stored), then the handler, as a coroutine
 * with the limits of its phases. The callback comes exactly once, perhaps before this returns. */
void script_run(struct script *script, const struct run_options *options, job_cb on_done,
                void *ctx);

/* One run of a routine. */
struct tick_options {
    const struct routine_spec *routine; /* borrowed until the callback */
    int64_t scheduled_ms;
    int64_t previous_ms;               /* 0: none */
    uint32_t number;                   /* 1: the first try of this tick */
    const struct sse_message *message; /* of a stream; borrowed until the callback */
    uint64_t mark;                     /* what hooks.running gets while it is in Lua; 0: nothing */
};
/* The callback as of script_run: HANDLED, FAILED or CANCELLED. */
void script_run_routine(struct script *script, const struct tick_options *options, job_cb on_done,
                        void *ctx);

struct outgoing_parts {
    bool is_skipped;
    char reason[256];
    struct content *content; /* owned reference, NULL: unchanged */
};
/* endpoint.transform(message): NULL content if it returned the message unchanged. */
MUST_USE enum status script_transform(struct script *script, const struct endpoint_spec *endpoint,
                                      const struct message *message, struct outgoing_parts *parts,
                                      struct err *err);

struct order_key {
    bool is_set; /* false: no key, no order */
    size_t len;  /* an empty key is one as any other */
    char data[LIMIT_KEY_BYTES];
};
/* endpoint.order_by(message). */
MUST_USE enum status script_order(struct script *script, const struct endpoint_spec *endpoint,
                                  const struct message *message, struct order_key *key,
                                  struct err *err);

/* anzol.on{ order_by }(event), of one subscription. Not OK: script->text. */
MUST_USE enum status script_order_event(struct script *script,
                                        const struct subscription_spec *subscription,
                                        struct event *event, struct order_key *key);
/* Before an event is stored: sets its plan if a subscription that matches wants it in order or in a
 * batch. */
void script_plan(struct script *script, struct event *event);

/* endpoint.success(status) of an answer. 2xx is one if there is no such function or it fails. */
bool script_success(struct script *script, const struct endpoint_spec *endpoint, int status);

struct retry_answer {
    bool is_default; /* nil, error or limit */
    bool is_stop;
    int64_t delay_ms;
    char reason[256];
};
void script_retry(struct script *script, const struct endpoint_spec *endpoint,
                  const struct attempt *attempt, const struct delivery *delivery, int64_t age_ms,
                  struct retry_answer *answer);

/* A test request as its sender would sign it: the provider's sign, or the counterpart of the
 * declarative verifier. */
struct sign_request {
    const struct source_spec *source;
    const char *type; /* of the event, for the provider; NULL: its default */
    struct slice body;
    uint64_t id; /* of the message, for schemes that sign one */
    /* Gets the body anew where it holds the signature itself; else left alone. */
    struct buf *signed_body;
};
/* Appends the headers to a head. E_NOTFOUND: nobody can sign for it, err says why. */
MUST_USE enum status script_sign(struct script *script, const struct sign_request *request,
                                 struct buf *head, struct err *err);
/* The same for a generation that no worker has. */
MUST_USE enum status generation_sign(struct generation *generation,
                                     const struct sign_request *request, struct buf *head,
                                     struct err *err);

/* ---- Values for another state, by copy ---- */

struct lua_State;
/* Appends the JSON of the value at index of `from`. E_INVALID: JSON can't hold it; err says why. */
MUST_USE enum status bridge_encode(struct script *script, struct lua_State *from, int index,
                                   struct buf *out, struct err *err);
/* Pushes the value on `to`. */
MUST_USE enum status bridge_decode(struct script *script, struct slice text, struct lua_State *to,
                                   struct err *err);
/* Once in the other state, pushes { null, array(t), object(t) } as bridges know them. */
int bridge_push_marks(struct lua_State *to);

/* nearest(name, { name, … }) -> the one that was probably meant | nil: for Lua of our own in other
 * states. */
int l_nearest(struct lua_State *L);

/* ---- Text from a terminal (evaluate.c) ---- */

enum evaluate_form {
    EVALUATE_TEXT,   /* strings as they are */
    EVALUATE_QUOTED, /* strings as Lua writes them */
    EVALUATE_JSON,   /* all values as one array */
    EVALUATE_FORM_COUNT
};
struct evaluate_options {
    struct slice text;   /* an expression or a chunk; borrowed until the callback */
    const char *name;    /* "=terminal", "@file.lua" */
    struct event *event; /* what `event` is; borrowed until the callback */
    enum evaluate_form form;
    int64_t wall_ms;
    struct buf *out; /* what is printed, and the values; borrowed until the callback */
};
/* Runs it as a handler of the event, in a loaded project; globals stay for the next one. The
 * callback as of script_run: the outbox says what a handler would have done. */
void script_evaluate(struct script *script, const struct evaluate_options *options, job_cb on_end,
                     void *ctx);

/* ---- Lines ---- */

/* Told of each line of a file of the project's (not of the embedded library) that Lua comes to, on
 * the thread of its state; must not call Lua. */
typedef void (*line_cb)(const char *path, int line, void *ctx);
/* For coverage: every state that is made from now on tells. Before the first one; one thread. */
void script_watch_lines(line_cb on_line, void *ctx);

/* ---- The command line, in Lua ---- */

/* Runs lua/anzol/cli with these arguments in an ordinary state (trust full) with the client
 * bindings; natives: C functions that main.c adds (luaL_Reg list). Returns the exit code. */
struct luaL_Reg;
int cli_run(int argc, char **argv, const struct luaL_Reg *natives);

#endif
