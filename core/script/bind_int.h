/* SPDX-License-Identifier: MIT */
/* What the bindings share: objects, options, texts. Everything here may raise in L. */
#ifndef SCRIPT_BIND_INT_H
#define SCRIPT_BIND_INT_H

#include "script/script_int.h"

#include "base/log.h"
#include "base/url.h"
#include "store/store.h"

/* They never return, which their own headers do not say. */
extern int lua_error(lua_State *L) __attribute__((noreturn));
extern int luaL_error(lua_State *L, const char *text, ...) __attribute__((noreturn));
extern int luaL_typeerror(lua_State *L, int index, const char *name) __attribute__((noreturn));

/* ---- Objects (object.c): userdata known by the identity of their metatable ---- */

struct object_kind {
    const char *name;        /* "anzol.event": __name */
    const luaL_Reg *meta;    /* metamethods, may be NULL */
    const luaL_Reg *methods; /* NULL: none (or __index is in meta) */
};

/* Makes the metatable; once in each state. */
void object_open(lua_State *L, const struct object_kind *kind);
/* Pushes a new zeroed object. */
void *object_push(lua_State *L, const struct object_kind *kind, size_t size, int uservalues);
/* NULL if it is none of that kind. */
void *object_test(lua_State *L, int index, const struct object_kind *kind);
void *object_check(lua_State *L, int index, const struct object_kind *kind);

/* ---- Names that are nowhere (bind_names.c) ---- */

/* Pushes "there is no 'NAME' in OWNER; did you mean '…'?", by the fields of the table at index. */
int names_push_unknown(lua_State *L, int index, const char *owner, const char *name);
/* The table at index notes who asks it for a name it has not, and gives nil: its metatable. */
void names_watch(lua_State *L, int index, const char *owner);
/* Whether its metatable is that. */
bool names_are_watched(lua_State *L, int index);
/* For an __index of an object's own: its second argument is not in the table at index. Pushes nil;
 * returns 1. */
int l_name_missed(lua_State *L, int index, const char *owner);

extern const struct object_kind backoff_kind;
extern const struct object_kind breaker_kind;
extern const struct object_kind cache_kind;
extern const struct object_kind error_kind;
extern const struct object_kind event_kind;
extern const struct object_kind headers_kind;
extern const struct object_kind kv_kind;
extern const struct object_kind limiter_kind;
extern const struct object_kind metric_kind;
extern const struct object_kind re_kind;
extern const struct object_kind request_kind;
extern const struct object_kind response_kind;
extern const struct object_kind secret_kind;
extern const struct object_kind signer_kind;
extern const struct object_kind message_kind;
extern const struct object_kind poll_kind;
extern const struct object_kind tick_kind;
extern const struct object_kind verdict_kind;
extern const struct object_kind verifier_kind;

/* ---- Options (option.c): the named arguments of one call ---- */

/* The table at index, and what errors call it: "anzol.endpoint 'crm'". */
struct options {
    int index;
    const char *what;
};

/* Options that the same call has when it makes another kind of thing. */
struct options_elsewhere {
    const char *const *names; /* ends with NULL; those of both kinds may be among them */
    const char *why;          /* behind "option 'url' of anzol.endpoint 'crm' " */
};

/* Raises for a key that is not in names, which end with NULL: "unknown option 'time_out' for
 * anzol.endpoint 'crm'; did you mean 'timeout'?" elsewhere: NULL, or what to say of others. */
void options_check_names(lua_State *L, const struct options *options, const char *const *names,
                         const struct options_elsewhere *elsewhere);
/* Each pushes nothing. Absent (nil): the fallback. */
int64_t option_check_duration(lua_State *L, const struct options *options, const char *name,
                              int64_t fallback_ms);
struct range {
    lua_Integer least, most;
};
/* The same within a range. */
int64_t option_check_time(lua_State *L, const struct options *options, const char *name,
                          struct range range_ms, int64_t fallback_ms);
size_t option_check_size(lua_State *L, const struct options *options, const char *name,
                         size_t fallback);
lua_Integer option_check_integer(lua_State *L, const struct options *options, const char *name,
                                 struct range range, lua_Integer fallback);
double option_check_number(lua_State *L, const struct options *options, const char *name,
                           double fallback);
bool option_check_bool(lua_State *L, const struct options *options, const char *name,
                       bool fallback);
/* Borrowed from the table. Absent: fallback. */
const char *option_check_text(lua_State *L, const struct options *options, const char *name,
                              const char *fallback);
/* Of an event type that is not the caller's to give. */
#define TYPE_RESERVED "types that begin with anzol. or api. are made by the server"
/* path.c: a path of the public listener, borrowed from the table; NULL: absent. */
const char *option_check_path(lua_State *L, const struct options *options);
/* Raises if a source or a queue is there already; for a queue with all its paths. */
void path_check_free(lua_State *L, const char *path);
void path_check_queue_free(lua_State *L, const char *path);
/* A pattern of event types, borrowed from the table; NULL: absent. */
const char *option_check_pattern(lua_State *L, const struct options *options, const char *name);
/* A method of HTTP, borrowed from the table: any token but CONNECT and TRACE. */
const char *option_check_method(lua_State *L, const struct options *options, const char *fallback);
/* The number of the function, 0 if absent. */
int option_check_function(lua_State *L, const struct options *options, const char *name);
/* As luaL_typename, but what is ours has its name: "JSON null". Borrowed from the value. */
const char *value_typename(lua_State *L, int index);
/* Raises "option 'x' of WHAT must be EXPECTED, got …". */
int option_error(lua_State *L, const struct options *options, const char *name,
                 const char *expected);
/* A Duration at index; what and name as above (name NULL: what is an argument's description). */
int64_t duration_check(lua_State *L, int index, const char *what);

/* The text of an option, owned by C. Raises without memory. */
char *text_copy(lua_State *L, const char *text);
/* Keeps the function on top (pops it) and returns its number. */
int function_keep(lua_State *L);

/* How attempts at an endpoint are paced (bind_pace.c): timeout, rate_limit, concurrency. */
void pace_check_read(lua_State *L, const struct options *options, struct endpoint_spec *endpoint);

/* ---- Registrations (registration.c) ---- */

/* Raises outside of the load phase. */
struct draft *draft_check(lua_State *L, const char *function);
/* The function on top: what the file calls its event, for the check of endpoint names. */
void handler_note_parameter(lua_State *L, struct draft *draft);
/* ^[a-z0-9][a-z0-9._-]*$, at most LIMIT_NAME_BYTES, no "..". */
void name_check(lua_State *L, const char *name, const char *function);
/* "scripts/crm.lua:31" of the caller, owned by C. */
char *place_copy(lua_State *L);
/* A header that a script may set; raises otherwise. what: "anzol.endpoint 'crm'". */
void header_check(lua_State *L, struct slice name, struct slice value, const char *what);

/* ---- What all scripts share (bind_cache.c) ---- */

/* Raises where there is none yet: while scripts load. function: "cache:get". */
struct shared *shared_check(lua_State *L, const char *function);

/* ---- JSON (json_decode.c, json_encode.c) ---- */

/* Pushes the value; false: malformed, and what is pushed is why. *is_lossy (may be NULL) is set if
 * a number was too big for Lua and stands there as a string. */
bool json_push(lua_State *L, struct slice text, bool *is_lossy);
struct json_style {
    int indent; /* spaces a level; 0: one line */
    bool is_sorted;
};
/* Appends the value at index to the script's body buffer. Raises for what JSON can't hold, naming
 * the path. */
void json_check_encode(lua_State *L, int index, const struct json_style *style);

/* ---- Bodies (body.c, inflate.c): as they came, perhaps compressed ---- */

struct coded_body {
    struct slice head; /* says how it is coded, and of what type it is */
    struct slice bytes;
    size_t bytes_max; /* of what it may inflate to */
};
/* Each pushes the value; false: what is pushed is why. *is_lossy as of json_push. */
bool body_push_json(lua_State *L, const struct coded_body *body, bool *is_lossy);
bool body_push_form(lua_State *L, const struct coded_body *body);
/* Pushes what holds the plain bytes; false: why. */
bool body_push_plain(lua_State *L, const struct coded_body *body, struct slice *plain);
/* The content type is one of forms. */
bool body_is_form(struct slice head);

/* ---- Objects' own calls ---- */

/* Pushes nil and an Error, whose further fields its maker sets. */
int error_push(lua_State *L, const char *code, const char *message, bool is_retryable);
/* A string or Secret; false if it is neither. The bytes live as long as the value or generation. */
bool secret_test(lua_State *L, int index, struct slice *text);
/* A Secret that is not set: loading goes on with it to find what else is wrong. */
bool secret_is_missing(lua_State *L, int index);
struct verifier *verifier_test(lua_State *L, int index);
struct signer *signer_test(lua_State *L, int index);
/* ---- Recipes (bind_recipe.c): the options of anzol.verify.hmac and its like ---- */

/* Checks the names of the options. */
void recipe_check_options(lua_State *L, const struct options *options);
/* Reads all but the keys. */
void recipe_check_read(lua_State *L, const struct options *options, enum algorithm algorithm,
                       struct recipe *recipe);
void http_scheme_check_read(lua_State *L, const struct options *options, bool is_signer,
                            struct http_scheme *scheme);
/* tolerance = Duration, at most a day. */
int64_t option_check_tolerance(lua_State *L, const struct options *options, int64_t fallback_s);
/* Appends the keys of 'secret' (or 'public_key', if it may be one). */
struct key_style {
    enum algorithm algorithm;
    enum key_form form;
    bool is_private; /* of a pair: for signing */
};
void keys_check_read(lua_State *L, const struct options *options, const struct key_style *style,
                     struct key_set *keys);

enum verdict_kind_id { VERDICT_SKIP, VERDICT_RETRY_LATER, VERDICT_AFTER };
struct verdict {
    enum verdict_kind_id kind;
    int64_t delay_ms;
    char reason[256];
};
/* Pushes the Headers of a head. The object at owner keeps the head alive; head goes stale when
 * *is_open falls. */
void headers_push(lua_State *L, int owner, const struct slice *head);
/* Pushes a table of a query or form; false: over the limits, and what is pushed is why. */
bool form_push(lua_State *L, struct slice text);
/* Pushes why. */
void form_push_limits(lua_State *L);
/* form_push that raises. */
void form_check_push(lua_State *L, struct slice text);
/* Appends the table at index as a form; sorted. */
void form_check_encode(lua_State *L, int index, struct buf *out);
/* Appends text as it stands in a form or URL. */
void form_check_escape(lua_State *L, struct slice text, struct buf *out);

/* Writes a line for a script; fields is the index of a table, 0: none. */
void script_log(lua_State *L, enum log_level level, struct slice message, int fields);

/* ---- Views of C objects: they raise once their job is over ---- */

struct event_view {
    const char *noun; /* what scripts call it: "event", "tick", "poll" */
    struct job *job;
    struct event *event; /* NULL: over */
    uint32_t run_number;
    uint8_t first_ordinal; /* of its messages in this run */
    uint8_t ordinal_count;
    uint8_t message_count; /* made so far */
    bool are_steps_known;  /* those of earlier tries are in the job */
    struct slice head;     /* of the event's content */
    bool is_lossy;
    struct event_view *next; /* of the same job */
    bool is_published;       /* event:publish was called */
};
/* The job keeps it in its list; what is pushed must stay at the bottom of the job's stack. */
struct event_view *event_push(lua_State *L, struct job *job, const struct run_member *member);

struct request_view {
    const struct source_spec *source; /* NULL: over */
    struct slice head;
    struct slice body;
    int64_t received_ms;
};
struct request_view *request_push(lua_State *L, const struct admit_request *request);

/* Pushes an empty list for events. */
void event_push_list(lua_State *L, int count);

/* The event for a synchronous call; it raises once the caller cut it off (event NULL). */
struct event_view *event_push_alone(lua_State *L, struct event *event);
/* What order_by returned, on top of the stack: a string, or nil (no key). */
void order_key_check(lua_State *L, const char *what, struct order_key *key);

/* Of a run of a routine: a tick or poll, kept likewise. */
struct event_view *tick_push(lua_State *L, struct job *job);
/* The event at index 1; raises once its handler is over. */
struct event_view *event_check(lua_State *L);
/* The tick or poll at index 1, likewise; NULL if it is neither. */
struct event_view *tick_test(lua_State *L);
/* The event, tick or poll at index 1, checked to be in its own run; raises otherwise. */
struct event_view *event_check_run(lua_State *L, const char *method);
/* Made at the first effect. */
struct outbox *job_outbox(lua_State *L, struct job *job);
/* The same, of the handler that runs; raises elsewhere. function: "anzol.kv:set". */
struct outbox *outbox_check(lua_State *L, const char *function);
/* anzol.replay with the table at 1 (bind_task.c). */
int task_begin_replay(lua_State *L);
/* Option idempotency_key; empty: none. */
/* bind_publish.c */
int l_event_publish(lua_State *L);
struct slice option_check_key(lua_State *L, const struct options *options);

/* ---- Reads of the store (bind_read.c) ---- */

#define PENDING_TEXTS 4

struct pending_read {
    union {
        struct store_read read;
        struct store_get_kv get_kv;
        struct store_list_kv list_kv;
        struct store_list_steps list_steps;
        struct store_list_events events;
        struct store_list_deliveries deliveries;
    } of;
    char *texts[PENDING_TEXTS]; /* owned: what the read borrows */
    size_t text_count;
    struct strand *strand; /* waits for it; NULL: none any more */
    uint64_t ticket;
    bool is_under_way; /* the store has it */
    bool is_orphan;    /* the script let it go meanwhile */
};

/* Pushes the object that owns it. */
struct pending_read *pending_push(lua_State *L, enum store_read_kind kind);
/* A copy that lives as long as the read. */
const char *pending_text(lua_State *L, struct pending_read *pending, const char *text);
/* Its object is on top: waits for it, goes on in finish(L, status, index of the object). */
int pending_wait(lua_State *L, struct strand *strand, struct pending_read *pending,
                 lua_KFunction finish);
/* The answer, in finish; raises if the store failed. */
struct pending_read *pending_check(lua_State *L, int index);
/* Frees the answer before the collector does. */
void pending_close(lua_State *L, int index);

/* ---- The answer to a sender (answer.c) ---- */

/* Reads the table at index, which PHASE_CHALLENGE or PHASE_RESPOND returned. */
void answer_check(lua_State *L, int index, enum phase_id phase, struct admit_answer *answer);

/* ---- Messages (message.c) ---- */

/* What is to be sent, before it becomes content. Slices are of Lua strings on the stack or of the
 * script's buffers. */
struct message_text {
    struct slice type; /* empty: not given */
    struct slice head;
    struct slice body;
    bool is_new; /* false: the original's bytes and head do */
};
/* Reads the message at index (a table { json | body | form, type, headers, method, path, query });
 * what it does not say comes from original. */
void message_check(lua_State *L, int index, const struct content *original,
                   struct message_text *text);
/* Option json, body or form, as bytes: of the script's body buffer, or of the string that the table
 * holds. Returns the content type that goes with it; NULL: there is none, *body is as it was. */
const char *body_check(lua_State *L, const struct options *options, struct slice *body);
/* Pushes the message as transform sees it. */
void message_push(lua_State *L, const struct message *message);
/* Reads it back: index is what transform returned, pristine a second message_push. */
void message_check_changes(lua_State *L, int index, int pristine, struct message_text *text);
/* What came with the trace of the event goes along with the trace, also through what it emits. */
void message_add_trace_state(lua_State *L, struct buf *head, struct slice original);
/* What is made of an event has passed as many servers as its bytes (model/hops.h). */
void message_add_hops(lua_State *L, struct buf *head, struct slice original);
/* New content; NULL: no memory. */
struct content *message_content(const struct message_text *text);
/* The headers at index (nil: none), sorted by name, appended to head. */
void headers_check_add(lua_State *L, int index, const char *what, struct buf *head);

/* ---- Exchanges (bind_http.c, bind_response.c) ---- */

/* anzol.http.request{ … }. */
int l_http_request(lua_State *L);
/* What the Response at index says to whoever polls; false: it is none. Valid while it lives. */
bool response_read(lua_State *L, int index, struct source_answer *answer);
/* Pushes the Response of an answer. */
void response_push(lua_State *L, const struct exchange_answer *answer);

/* ---- The command line (native.c): documented in cli.c ---- */

extern const luaL_Reg script_cli_natives[];
extern const luaL_Reg script_signature_natives[]; /* native_signature.c */
int l_cron_next(lua_State *L);                    /* native_cron.c */
/* native_terminal.c */
int l_heed_interrupts(lua_State *L);
int l_is_interrupted(lua_State *L);
int l_take_keys(lua_State *L);
int l_key(lua_State *L);
#define TERMINAL_FDS 2u
/* What can be read when somebody wants something; keys only with_keys. Gives their number. */
unsigned terminal_fds(bool with_keys, int fds[TERMINAL_FDS]);
int l_save(lua_State *L); /* native_save.c */

/* The field scripts of the table at index as a list that ends with NULL; the strings live in the
 * table. NULL: there is none. */
#define GLOBS_MAX 64
const char *const *globs_check_read(lua_State *L, int index, const char *globs[GLOBS_MAX + 1]);

/* native.files, native.unknown, native.try_regexes (inspect.c). Each pushes its results. */
int inspect_push_files(lua_State *L, const char *dir, const char *const *globs);
int inspect_push_unknown(lua_State *L, const char *dir, int index);
int inspect_push_bad_regexes(lua_State *L, int index);

/* ---- Who we are (bind_auth.c) ---- */

/* A string or Secret at index, called name. */
struct slice auth_check_secret(lua_State *L, int index, const struct options *options,
                               const char *name);
/* Appends a header to the script's head buffer. */
void auth_check_header(lua_State *L, const struct options *options, const char *name,
                       struct slice value);
/* Option auth: the same with the header Authorization, or (of an endpoint; else NULL) where its
 * tokens come from. */
void auth_check_add(lua_State *L, const struct options *options, struct endpoint_spec *endpoint);

/* ---- Endpoints (bind_wire.c) ---- */

/* Reads how messages go over the wire: compress, cloudevents, ca_file, client_cert, proxy. */
void wire_check_read(lua_State *L, const struct options *options, struct endpoint_spec *endpoint);

/* ---- Modules ---- */

/* "anzol.core" inside of scripts. (Outside, the module of that name is core/testing.) */
int l_open_anzol(lua_State *L);
/* Each adds its fields to the module's table on top. */
void open_all(lua_State *L);
void open_backoff(lua_State *L);
void open_breaker(lua_State *L);
void open_cache(lua_State *L);
void open_crypto(lua_State *L);
void open_encoding(lua_State *L);
void open_endpoint(lua_State *L);
void open_event(lua_State *L);
void open_fault(lua_State *L);
void open_http(lua_State *L);
void open_init(lua_State *L);
void open_transform(lua_State *L);
void open_json(lua_State *L);
void open_kv(lua_State *L);
void open_limiter(lua_State *L);
void open_change(lua_State *L);
void open_task(lua_State *L);
void open_list(lua_State *L);
void open_log(lua_State *L);
void open_metric_module(lua_State *L);
void open_nearest(lua_State *L); /* for Lua of our own: require "anzol.nearest" */
void open_read(lua_State *L);
void open_routine(lua_State *L);
void open_tick(lua_State *L);
void open_re(lua_State *L);
void open_request(lua_State *L);
void open_secret(lua_State *L);
void open_signature(lua_State *L);
void open_sleep(lua_State *L);
void open_source(lua_State *L);
void open_step(lua_State *L);
void open_subscription(lua_State *L);
void open_time(lua_State *L);
void open_verdict(lua_State *L);

/* The methods of events in files of their own. */
int l_event_emit(lua_State *L);
int l_event_send(lua_State *L);
int l_event_step(lua_State *L);

/* ---- Steps (bind_step.c) ---- */

/* The name of the step that what runs in L is a part of; NULL: of none. */
const char *step_around(const struct job *job, lua_State *L);
/* Raises in a step: what commits with the run is not done again when the step is skipped. */
void step_check_outside(lua_State *L, const char *function);
/* Forgets the steps of a job. */
void steps_finish(struct job *job);

#endif
