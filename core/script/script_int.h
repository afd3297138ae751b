/* SPDX-License-Identifier: MIT */
/* What the files of script/ share. A script is one lua_State; everything here runs on the thread
 * that owns it at the time (the loader thread until generation_attach, then its worker's).
 *
 * Raising: a function whose first parameter is `lua_State *L` and whose name begins with l_ or
 * holds `check` or `push` may raise; nothing else here does. C resources that live across a raising
 * call are kept in the script or the job, never in a local. */
#ifndef SCRIPT_SCRIPT_INT_H
#define SCRIPT_SCRIPT_INT_H

#include "base/buf.h"
#include "base/id.h"
#include "base/limits.h"
#include "base/machine.h"
#include "base/queue.h"
#include "base/timer.h"
#include "script/script.h"
#include "script/watchdog_int.h"

#include <lauxlib.h>
#include <lua.h>
#include <sys/types.h>

struct job;
struct snapshot;

#define SCRIPT_TEXT_BYTES (LIMIT_TRACEBACK_BYTES + 1)
#define PLACE_BYTES 160 /* "scripts/crm.lua:31" */

/* ---- Phases (phase.c) ---- */

enum phase_id {
    PHASE_LOAD,
    PHASE_SETTINGS,
    PHASE_VERIFY,
    PHASE_CHALLENGE,
    PHASE_RESPOND,
    PHASE_TYPE,
    PHASE_KEY,
    PHASE_FILTER,
    PHASE_HANDLER,
    PHASE_ORDER,
    PHASE_TRANSFORM,
    PHASE_SUCCESS,
    PHASE_RETRY,
    PHASE_CRON,
    PHASE_EVERY,
    PHASE_POLL,
    PHASE_SSE,
    PHASE_INIT,
    PHASE_SIGN, /* of a provider, for the command line */
    PHASE_COUNT
};

struct phase {
    const char *name;
    int64_t cpu_ms;
    int64_t wall_ms;
    size_t bytes_max; /* growth of the state while it runs */
    bool may_wait;
};

extern const struct phase phases[PHASE_COUNT];
/* What a job of this phase asks for commits with it. */
bool phase_commits(enum phase_id phase);

/* What a phase works for, as errors name it. All borrowed. */
struct subject {
    const char *kind; /* "subscription" "endpoint" "source" "script"; NULL: nothing to name */
    const char *name;
    const char *place; /* file:line of its registration, NULL: none */
};

/* ---- One entry into Lua and its limits (budget.c) ---- */

/* What is wrong with a body that a script asked for. */
enum body_fault { BODY_GOOD, BODY_MALFORMED, BODY_TOO_LARGE };

enum kill { KILL_NONE, KILL_CPU, KILL_WALL, KILL_MEMORY };

/* Lives as long as what it limits: a synchronous call on C's stack, a job in the job. */
struct context {
    enum phase_id phase;
    struct subject subject;
    struct job *job;  /* NULL: a synchronous call */
    uint64_t running; /* the event whose run it is, or a routine's mark; 0: neither */
    int64_t cpu_max_ns;
    int64_t cpu_used_ns; /* before this entry */
    int64_t wall_max_ms;
    int64_t wall_end_ns;
    int64_t entry_ns;     /* this entry; the clock is monotonic */
    int64_t cpu_base_ns;  /* the thread's CPU clock near the entry; 0: not read yet */
    int64_t check_ns;     /* the hook does nothing before */
    int64_t slice_end_ns; /* then others get their turn */
    size_t work;          /* of C functions since the clocks were read for it */
    int64_t bytes_charged;
    size_t bytes_refused; /* the last growth that the allocator refused, 0: none */
    unsigned log_lines;
    unsigned coroutine_count;
    enum kill kill; /* up until the base: nothing that a script does takes it down */
    char killed_at[PLACE_BYTES];
    bool is_preempted;
    enum body_fault fault; /* met by req.json or req.form */
};

/* cpu and wall of the phase; wall_ms > 0 replaces the phase's. */
void context_init(struct context *context, enum phase_id phase, int64_t wall_ms);
/* Around every stay in Lua. enter returns what was current, for leave. */
struct context *context_enter(struct script *script, struct context *context);
void context_leave(struct script *script, struct context *previous);
/* Puts the count hook on a thread. */
void budget_watch(lua_State *L);
/* Before C work of this many bytes or elements: raises over the limit. */
void budget_check_work(lua_State *L, size_t amount);
/* A limit was passed: out of here, to whoever resumed L, or by an error where nothing can yield.
 * Returns only in a hook. */
int budget_leave(lua_State *L);
/* The thread of the state that is in Lua now. */
lua_State *script_running(const struct script *script);
/* The hook comes at the next instruction. In a signal handler of the thread that is inside. */
void budget_hasten(const struct script *script);
/* "scripts/crm.lua:31" of what runs in L; empty: no file's code does. */
void budget_place(lua_State *L, char *place, size_t size);
/* "over the CPU limit of 500 ms of 'handler'". */
void budget_describe(const struct context *context, char *text, size_t size);
/* CPU since the first entry. */
int64_t budget_cpu_ns(const struct context *context);

/* ---- The state (state.c) ---- */

/* Lua values that C reaches often: LUA_REGISTRYINDEX[ref]. The same order in each state. */
enum script_ref {
    REF_FUNCTIONS, /* number of a function -> function */
    REF_ENDPOINTS, /* name -> light userdata, const struct endpoint_spec * */
    REF_SIGNS,     /* name of a source -> its provider's sign */
    REF_FILES,     /* path of a script that ran -> its result */
    REF_THREADS,   /* coroutine -> true */
    REF_CLOSED,    /* table that is read-only -> the table of its fields */
    REF_BUILTINS,  /* global name that is no script's -> true */
    REF_PATTERNS,  /* text of a regular expression -> Re */
    REF_NULL,      /* JSON null */
    REF_ARRAY,     /* metatable of arrays */
    REF_OBJECT,    /* metatable of what is an object even when empty */
    REF_LOG,       /* anzol.log */
    REF_VIEW,      /* the request object of the synchronous entry that runs */
    REF_COUNT
};

/* The last name that a script read and that was nowhere (bind_names.c). */
struct missed {
    char owner[LIMIT_NAME_BYTES + 1]; /* "anzol.backoff" */
    char name[LIMIT_NAME_BYTES + 1];
    char place[PLACE_BYTES]; /* "scripts/crm.lua:31: "; empty: nothing was missed */
};

struct script {
    struct generation *generation; /* NULL: none (settings, command line) */
    unsigned index;
    lua_State *L;
    struct context *context; /* what is in Lua now; NULL: nothing */
    struct watched watched;
    struct script *outer; /* what the thread was in when this state was entered */
    size_t bytes;
    size_t bytes_max;
    bool is_full; /* over bytes_max: the waiting job that holds most is to go */
    int refs[REF_COUNT];
    int function_count;
    unsigned pattern_count; /* in REF_PATTERNS */
    void *workspace;        /* of regular expressions (bind_re.c); NULL: none yet */
    struct draft *draft;    /* while it loads */
    struct buf body;        /* what is being encoded; kept so that a raise frees nothing */
    struct buf head;
    struct buf text; /* of the last error */
    struct missed missed;

    uv_loop_t *loop; /* NULL until generation_attach */
    struct script_hooks hooks;
    struct queue jobs;             /* waiting or ready */
    struct queue ready;            /* strands, by their ready */
    struct queue idle;             /* pooled */
    struct queue strands;          /* pooled children */
    struct resumption *resumption; /* of the script's own coroutines, the innermost; NULL: none */
    uint64_t step_count;           /* begun so far */
    uv_idle_t turns;               /* gives the pre-empted their next slice */
};

struct script *script_of(lua_State *L);
/* Frees the workspace of regular expressions (bind_re.c). */
void re_close(struct script *script);
/* Scripts: sandboxed, with the API. Trusted: everything of Lua, with the API. Settings: sandboxed,
 * plain Lua. CLI: everything of Lua, no limits. NULL: no memory. */
enum state_kind { STATE_SCRIPTS, STATE_TRUSTED, STATE_SETTINGS, STATE_CLI };
struct script *script_create(struct generation *generation, unsigned index, enum state_kind kind);
/* Closes the state at once; the memory goes when the loop closed its handles. No job may be left.
 */
void script_free(struct script *script);

static inline void script_push_ref(lua_State *L, const struct script *script, enum script_ref ref)
{
    lua_rawgeti(L, LUA_REGISTRYINDEX, script->refs[ref]);
}

/* ---- Entering Lua (call.c) ---- */

/* Calls l_entry(data) on the state's main thread under context; results stay on script->L (the
 * caller settops to what it was). Not OK: script->text has the words, E_LIMIT for a limit. */
MUST_USE enum status script_call(struct script *script, struct context *context,
                                 lua_CFunction l_entry, void *data, int result_count);
/* Describes the error on top of L (a thread of the script that stopped with it) into script->text:
 * message, phase and subject, traceback, cut at LIMIT_TRACEBACK_BYTES. Pops nothing. Enters Lua
 * under the current context. */
void script_describe_error(struct script *script, lua_State *L, const struct context *context);
/* The error text on top becomes one that names what was meant, if it came of a name that is not
 * there (bind_names.c). */
void names_explain(lua_State *L);
/* Counts an error of a phase, for the metrics. */
void script_count_error(const struct script *script, enum phase_id phase);
/* The same without Lua. A kill that is up replaces text. */
void script_keep_error(struct script *script, const struct context *context, const char *text);

/* traceback.c: as luaL_traceback, [-0, +1]; of a deep stack only the first levels are told. */
void l_push_traceback(lua_State *L, lua_State *from, const char *message, int level);
bool traceback_is_deep(lua_State *L);

/* classify.c: type and key, then on_admitted. Takes the answer (may be NULL). */
void request_classify(struct script *script, const struct admit_request *request,
                      struct admit_answer *answer, admit_cb on_admitted, void *ctx);
/* handshake.c: whether the request is a handshake of CloudEvents; then on_admitted was called. */
bool handshake_admit(const struct admit_request *request, admit_cb on_admitted, void *ctx);
/* What a hook that raised comes to: the sender's fault, or otherwise. */
enum admit_outcome request_outcome(const struct context *context, enum admit_outcome otherwise);
struct subject subject_of_source(const struct source_spec *source);
/* NULL: no memory. */
struct admit_answer *admit_answer_create(void);
/* The URL of a request as its sender knows it: public_url and the query; nothing if the source says
 * none. */
MUST_USE enum status request_add_url(const struct source_spec *source, struct slice head,
                                     struct buf *url);

/* ---- Strands (strand.c) ---- */

enum strand_state {
    STRAND_IDLE,
    STRAND_RUNNING, /* in Lua; or its job is being ended */
    STRAND_READY,   /* waits for its turn: pre-empted */
    STRAND_WAITING,
    STRAND_STATE_COUNT
};

/* A coroutine whose resumer is the host. It waits for one thing at a time. */
struct strand {
    struct node ready; /* of script->ready; of script->strands while it is in the pool */
    struct job *job;
    struct strand *parent; /* waits for it; NULL: the job's own */
    lua_State *L;          /* NULL: made at the next start */
    int thread;            /* its reference */
    enum strand_state state;
    uint64_t ticket;     /* moves with each wait and end: a late completion is refused */
    lua_State *waiter;   /* where values for what waits are pushed */
    int value_count;     /* READY: on L, to begin with */
    bool is_armed;       /* about to wait, or waiting */
    uint64_t waiting[4]; /* what the binding that waits keeps */
    struct timer timer;  /* for bindings that wait for a time, started by the script's hooks */
    /* Takes back what it waits for, so that no completion comes; what cannot be taken back lives in
     * memory of its own, of which cancel cuts the tie to the strand. NULL: nothing to do. */
    void (*cancel)(struct strand *strand);
    /* It came to its end: results, or the error, are on L. */
    void (*on_end)(struct strand *strand, bool is_ok, int result_count);
    const char *step; /* what it was begun in: the name of a step of the job; NULL: in none */
};

/* A child of the strand that will wait for it, from the pool; its coroutine is the taker's to set
 * and to keep alive. NULL: no memory. */
struct strand *strand_take(struct strand *parent,
                           void (*on_end)(struct strand *strand, bool is_ok, int result_count));
/* Back to the pool. */
void strand_put(struct strand *strand);
/* Makes strand->L if there is none. May raise. */
void l_strand_prepare(lua_State *L, struct strand *strand);
/* Runs what is to be closed (<close>), under the job's limits, then lets the coroutine go. */
void strand_drop_thread(struct strand *strand);
/* IDLE -> RUNNING, before its coroutine is made ready. */
void strand_begin(struct strand *strand);
/* Function and arguments, or what it waited for, are on its waiter. */
void strand_run(struct strand *strand, int argument_count);
/* The same, at its turn. */
void strand_ready(struct strand *strand, int argument_count);
/* It waits no more, for nothing and for no turn. */
void strand_take_back(struct strand *strand);
/* To IDLE. */
void strand_end(struct strand *strand);

/* A coroutine of the script's own that is being resumed; on C's stack. */
struct resumption {
    struct resumption *previous;
    lua_State *co;
    bool passes_up; /* every resumer up to the strand can yield */
};
/* What yields in L now can reach the host. */
bool strand_passes_up(const struct strand *strand, lua_State *L);

/* For bindings that wait (see bind_sleep.c): the strand that runs L, checked to be allowed to wait
 * now; raises otherwise. function: "anzol.sleep". */
struct strand *strand_check_may_wait(lua_State *L, const char *function);
/* Arms the wait; the binding then returns lua_yield(L, 0), or lua_yieldk with a continuation where
 * results need memory. Returns the ticket for strand_wake. Nothing between the two may raise. */
uint64_t strand_wait(struct strand *strand, void (*cancel)(struct strand *strand));
/* Still waits for this. */
bool strand_awaits(const struct strand *strand, uint64_t ticket);
/* Resumes it with the values that the caller pushed on strand->waiter (nothing that needs memory:
 * it would raise outside of Lua). Late tickets do nothing. */
void strand_wake(struct strand *strand, uint64_t ticket, int value_count);

/* ---- Jobs (job.c) ---- */

enum job_end {
    JOB_END_OK,    /* results are on job->base.L */
    JOB_END_ERROR, /* script->text */
    JOB_END_CANCEL
};
/* The job is over; results on job->base.L are valid until it returns, and it must not enter this
 * script's Lua before it called job_release. */
typedef void (*job_end_cb)(struct job *job, enum job_end end, int result_count);

struct event_view;
struct request_view;

/* event:send with an idempotency key: the same key in the same run is the same message. */
struct keyed_message {
    char *key; /* owned */
    size_t len;
    struct message *message; /* the outbox's */
};

/* A step of a run, by event:step. */
struct step {
    uint64_t event;
    char *name;      /* owned */
    char *result;    /* of an earlier try, owned; NULL: none, or given out */
    bool is_used;    /* in this try */
    uint64_t number; /* of this state, for what closes it */
    lua_State *L;    /* its function runs there; NULL: it does not run */
};
struct steps {
    struct step *items; /* owned */
    size_t count;
    size_t bytes; /* of results */
};

/* A job waits when its base strand does. Memory, CPU and wall limits are the job's, whichever
 * strand runs. */
struct job {
    struct node node; /* of script->jobs or ->idle */
    struct script *script;
    struct strand base;
    struct strand *running; /* in Lua now; NULL: none */
    size_t child_count;     /* strands beside the base */
    struct context context;
    struct timer wall;  /* runs from the first wait on */
    int64_t started_ms; /* by the clock of timers */
    job_end_cb on_end;

    /* Its event (the first of a list) or request object, alive at the bottom of base.L; taken from
     * it by job_close_views before that goes. */
    struct event_view *view;
    struct request_view *request;
    struct run_options run;
    struct tick_options tick; /* of a routine, else without one; run.own is its event */
    bool is_filtered_out;
    bool is_hopeless;            /* another run would fail alike */
    struct outbox *outbox;       /* owned */
    struct keyed_message *keyed; /* messages with an idempotency key; owned */
    size_t keyed_count;
    size_t published_count;  /* deliveries of event:publish */
    struct steps steps;      /* of the run */
    struct source_load load; /* of a poll: what its source said */
    size_t init_index;       /* of registry->inits */
    union {
        job_cb on_done;
        init_cb on_init;
    };
    void *ctx;
};

/* From the pool. NULL: no memory. */
struct job *job_take(struct script *script, enum phase_id phase, int64_t wall_ms);
/* Function and arguments are on job->base.L (l_strand_prepare). on_end comes exactly once. */
void job_start(struct job *job, int argument_count, job_end_cb on_end);
/* Back to the pool. */
void job_release(struct job *job);
/* The function that ended returned nil and an error, as calls do when the world failed: for those
 * that may fail so it is a failure, script->text says of what. Once, in on_end. */
bool job_returned_error(struct job *job, int result_count);
/* From now on the script's event or request raises. */
void job_close_views(struct job *job);
/* What is left of its wall limit. */
int64_t job_wall_left_ms(const struct job *job);
/* Ends a job that waits: its wall limit came first, or memory ended. */
void job_kill(struct job *job, enum kill kill);
/* It ends at once, as cancelled. */
void job_cancel(struct job *job);
/* It failed: with the error on top of this strand, or over a limit. */
void job_fail(struct job *job, struct strand *strand);
void job_fail_with(struct job *job, const char *text);
/* It waits: from now on its wall limit is looked after from outside. */
void job_watch(struct job *job);

/* After a stay in Lua: if the state is full, the waiting job that holds most will go soon. */
void jobs_relieve(struct script *script);
/* A strand is ready. */
void jobs_take_turns(struct script *script);
/* The loop's part of a script: its handles. */
void jobs_attach(struct script *script, uv_loop_t *loop);
/* Frees the pool and the script itself, after the loop closed the handles. */
void jobs_close(struct script *script);

/* ---- The snapshot of the files (snapshot.c) ---- */

/* Which version of a file was read. */
struct stamp {
    dev_t device;
    ino_t number;
    off_t len;
    struct timespec modified;
    struct timespec changed;
};

struct snapshot_file {
    char *path; /* relative to the project, or absolute (a system module) */
    char *data; /* NULL: does not exist (a module that was looked for) */
    size_t len;
    struct stamp stamp;
    bool is_script;
};

struct snapshot {
    char *dir;
    struct snapshot_file *files;
    size_t count;
    bool is_frozen; /* nothing more is read */
};

/* Reads the scripts (globs below dir) and everything below lua/. */
MUST_USE enum status snapshot_read(struct snapshot *snapshot, const char *dir,
                                   const char *const *globs, struct err *err);
/* The files are still those that were read, and no other would be read now: it was one moment. */
bool snapshot_is_current(const struct snapshot *snapshot, const char *const *globs);
/* By path; reads it now if it was not yet and the snapshot is not frozen. NULL: does not exist. */
const struct snapshot_file *snapshot_get(struct snapshot *snapshot, const char *path);
/* The same, with the reason if it cannot be had. */
MUST_USE enum status snapshot_open(struct snapshot *snapshot, const char *path,
                                   const struct snapshot_file **file, struct err *err);
void snapshot_finish(struct snapshot *snapshot);

/* ---- Embedded library (embedded.c, made at build) ---- */

struct embedded_file {
    const char *module; /* "anzol.provider.github" */
    const char *path;   /* "anzol/provider/github.lua" */
    const unsigned char *data;
    size_t len;
};
extern const struct embedded_file embedded_files[];
extern const size_t embedded_file_count;
const struct embedded_file *embedded_find(struct slice module);

/* ---- Findings (finding.c) ---- */

struct finding_options {
    enum finding_level level;
    const char *file; /* NULL: taken from "file:line: " at the front of message */
    int line;
    const char *phase;
    const char *message;
    const char *hint;
};
/* Copies. Silently nothing without memory. A hint may also stand behind "; " + HINT_MARK in the
 * message. */
void findings_add(struct findings *findings, const struct finding_options *options);
/* The message begins with "file:line: ". */
bool finding_has_place(const char *message);
bool findings_have_error(const struct findings *findings);

/* ---- Registrations under way (draft.c) ---- */

struct handler_name { /* what a file's handlers call their event */
    char *file;
    char *parameter;
};

struct draft {
    struct registry *registry;
    struct findings *findings; /* of the first state; NULL in others: found once is enough */
    unsigned worker_count;
    struct handler_name *handlers;
    size_t handler_count;
    unsigned begun; /* registrations; one that raised never ends */
    unsigned ended;
    char place[PLACE_BYTES]; /* "scripts/crm.lua:31", where the first such one began */
};

/* Zeroed room for one more; NULL: no memory. */
struct source_spec *draft_add_source(struct draft *draft);
struct endpoint_spec *draft_add_endpoint(struct draft *draft);
struct init_spec *draft_add_init(struct draft *draft);
struct transform_spec *draft_add_transform(struct draft *draft);
struct routine_spec *draft_add_routine(struct draft *draft);
struct subscription_spec *draft_add_subscription(struct draft *draft);
struct handler_name *draft_add_handler(struct draft *draft);
void draft_finish(struct draft *draft);
uint64_t registry_digest(const struct registry *registry);
/* "scripts/crm.lua:31", where the first registration stands that is in one of them only; NULL if
 * there is none. Borrowed from either. */
const char *registry_difference(const struct registry *registry, const struct registry *other);

/* ---- The generation (generation.c) ---- */

struct secret_value {
    char *name;
    char *value;
    size_t len;
};

struct generation {
    atomic_uint references;
    uint64_t number;
    bool allow_missing_secrets;
    bool is_trusted;
    char *c_modules;   /* names, a line each; NULL: none */
    struct zone *zone; /* of os.date and os.time; NULL: UTC */
    struct environment environment;
    const char *websub; /* of the options, while it is loaded */
    struct snapshot snapshot;
    const char **files;
    size_t file_count;
    struct secret_value **secrets; /* read once, the same for all states */
    size_t secret_count;
    struct registry *registry;
    struct script **scripts; /* each taken away by generation_attach */
    unsigned worker_count;
};

/* A variable of the environment that the generation was loaded with. NULL: not set. */
const char *generation_variable(const struct generation *generation, const char *name);
/* NULL: it is nowhere, or cannot be read, and err says how to set it. */
const struct secret_value *generation_secret(struct generation *generation, const char *name,
                                             struct err *err);
/* Ends the loading: checks what names what (check_names.c). */
void generation_cross_check(struct generation *generation, const struct draft *draft,
                            struct findings *findings);

/* ---- Sandbox (sandbox.c, guard.c, require.c) ---- */

void l_open_sandbox(lua_State *L, enum state_kind kind);
/* The caller is a module of the system, which asks for what it likes. */
bool is_system_code(lua_State *L);
/* What stands in for a function that was taken out: it says so when it is called. */
bool sandbox_is_removed(lua_State *L, int index);
/* Puts coroutine.* in place through which waits get to the host (bind_coroutine.c). */
void l_open_coroutines(lua_State *L);
/* Puts string.find, match, gmatch and gsub in place (bind_pattern.c). */
void l_open_patterns(lua_State *L);
/* Puts the guarded versions of stock functions in place. */
void l_open_guards(lua_State *L);
/* package.searchers: preload, embedded, the snapshot. */
void l_open_require(lua_State *L, enum state_kind kind);
/* os.date and os.time in UTC (guard_os.c). */
void l_open_os(lua_State *L);
/* Puts rawget, rawset and next in place, which know closed tables (closed.c). */
void l_open_closed(lua_State *L);
/* From now on the libraries and the global names are closed. */
void l_close_globals(lua_State *L);
/* Runs a script file of the snapshot once. */
void l_run_file(lua_State *L, const char *path);

#endif
