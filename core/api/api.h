/* SPDX-License-Identifier: MIT */
/* The admin listener: health, status, the REST resources and reload. Everything here runs on the
 * API thread's loop; it reads through the store's readers and never queries by itself.
 *
 * Two doors lead in: a TCP socket, where every path but /healthz needs `Authorization: Bearer
 * TOKEN` and Host must be a name of this machine's loopback (or one of admin_hosts), and a Unix
 * socket, where the file's mode has judged already. */
#ifndef API_API_H
#define API_API_H

#include "base/cidr.h"
#include "base/err.h"
#include "model/directory.h"
#include "store/store.h"

#include <uv.h>

struct api;

#define API_ORIGIN_BYTES 320

/* What a reload found, in the order of the files. Borrowed until the callback returns. */
struct api_finding {
    bool is_warning;
    const char *file;
    int line;          /* 0: none */
    const char *phase; /* "load" */
    const char *message;
    const char *hint; /* may be NULL */
};

struct api_reload_result {
    enum status status;  /* OK: the new generation serves; E_INVALID: refused, the old one goes on;
                            E_BUSY: another reload is under way; E_CANCELLED: the server stops;
                            other: see detail */
    uint64_t generation; /* the one that serves now */
    const char *detail;  /* the first error in words; "" if none */
    const struct api_finding *findings;
    size_t finding_count;
};
/* On the API's loop. */
typedef void (*api_reloaded_cb)(const struct api_reload_result *result, void *ctx);

/* A change of one delivery or event that somebody asks for. */
struct api_change {
    struct change what;              /* filled in down to subscription; then what became of it */
    const char *reason;              /* of DROP and CANCEL */
    const unsigned char *answer_key; /* as of struct store_change; NULL: none */
    enum status status; /* OK: see what.status; E_BUSY, E_IO; E_CANCELLED: the server stops */
    void (*on_done)(struct api_change *change);
    void *ctx;
};

/* A delivery's request as it would be sent now, but to another URL, that somebody asks for. */
struct api_request {
    uint64_t delivery;
    const char *to;     /* borrowed until on_done */
    enum status status; /* OK; E_INVALID: `to` is no URL for it; E_NOTFOUND; E_CONFLICT: there is no
                           such request (both: detail says why); E_BUSY, E_IO; E_CANCELLED: the
                           server stops */
    const char *detail; /* this and the rest: borrowed during on_done */
    struct slice method;
    struct slice url;
    struct slice head;     /* packed */
    struct slice left_out; /* packed: names of headers whose values are not told */
    struct slice body;
    void (*on_done)(struct api_request *request);
    void *ctx;
};

/* A task that begins, or (is_end) is cancelled. */
struct api_task {
    struct task task; /* owned by who asks; gets its id. To end it, only its id counts */
    bool is_end;
    bool is_of_application;          /* it leaves places to those of the operator */
    const unsigned char *answer_key; /* as of struct store_task; NULL: none */
    enum status status; /* OK; E_LIMIT: too many run; to end it E_NOTFOUND, E_CONFLICT: it was over;
                           E_IO; E_CANCELLED: the server stops */
    void (*on_done)(struct api_task *task);
    void *ctx;
};

struct api_status {
    uint64_t generation;
    unsigned workers;
    int64_t started_ms;
    size_t source_count;
    size_t endpoint_count;
    size_t subscription_count;
};

/* How the owner of an endpoint paces its attempts. */
struct api_pace {
    const char *breaker;     /* "closed" "open" "half_open" */
    int64_t paused_until_ms; /* Unix ms: the receiver asked for it; 0: it is not */
    int64_t slowed_per_hour; /* attempts; 0: as fast as its options say */
};

/* An endpoint that has yet to prove that it wants webhooks. */
#define API_UNPROVEN_BYTES 192
struct api_unproven {
    char reason[API_UNPROVEN_BYTES]; /* what its last answer lacked, or why it is asked no more */
};

/* How a load of the scripts ended. */
#define API_LOAD_DETAIL_BYTES 256
struct api_load {
    uint64_t number;  /* of its generation */
    int64_t ended_ms; /* Unix ms */
    bool is_refused;
    char detail[API_LOAD_DETAIL_BYTES]; /* then: the first error, cut */
};

enum endpoint_verb {
    ENDPOINT_PAUSE,
    ENDPOINT_RESUME, /* what was paused */
    ENDPOINT_DISABLE,
    ENDPOINT_ENABLE, /* what was disabled */
    ENDPOINT_VERB_COUNT
};

/* A change of an endpoint's state that somebody asks for. */
struct api_endpoint_change {
    const char *name;
    enum endpoint_verb verb;
    const char *reason;        /* NULL: none */
    enum status status;        /* OK: its owner goes by it; E_NOTFOUND; E_CONFLICT: not from its
                                * state; E_IO; E_CANCELLED: the server starts or stops */
    enum endpoint_state state; /* it is in now */
    bool is_unproven;          /* so that it is sent nothing, though it is enabled */
    void (*on_done)(struct api_endpoint_change *change);
    void *ctx;
};

/* Something that is to be erased, with all that it led to. */
struct api_erasure {
    struct store_erase what; /* filled in down to uid: which event; then op.status and event count.
                                OK; E_NOTFOUND; E_BUSY: deliveries of it do not end; E_LIMIT: it led
                                to more than is erased at once, ask again; E_IO; E_CANCELLED: the
                                server stops */
    size_t event_count;      /* erased, with those that it led to */
    void (*on_done)(struct api_erasure *erasure);
    void *ctx;
};

/* How secrets in the store are sealed. */
struct api_secrets {
    const char *source;                           /* of the keys: a file, a variable. NULL: none */
    char keys[SEAL_KEYS_MAX][SEAL_ID_TEXT_BYTES]; /* their ids; the first one seals */
    size_t key_count;                             /* 0: secrets are stored as they are */
    bool is_rotating;                             /* the rest: of the last rotation */
    size_t looked_at_count, sealed_count, failed_count;
    uint64_t total_count;
};

/* An endpoint that an application registered, as it was stored just now. */
struct api_registered {
    const struct resource *row; /* borrowed until on_done; with its secrets, unless is_removed */
    bool is_removed;            /* it is no more; of an application: nor are its endpoints */
    struct endpoint_standing standing;
    const struct store_telling *telling; /* that it was committed with; NULL: none */
    void (*on_done)(struct api_registered *registered);
    void *ctx;
};

/* An endpoint that the scripts that serve declare. */
struct api_script_endpoint {
    char origin[API_ORIGIN_BYTES]; /* of its URL, "https://example.com/"; "": it has none */
    const char *place;             /* "scripts/main.lua:3"; borrowed until the loop runs on */
};

struct api_hooks {
    /* Starts a reload; on_reloaded comes exactly once, at once or later, on the API's loop, and
     * before on_closed of api_close. */
    void (*reload)(api_reloaded_cb on_reloaded, void *reloaded_ctx, void *ctx);
    /* True while the process takes webhooks: started, not draining, no worker stuck. When false,
     * *why is a word for /healthz: "starting", "draining", "stuck". */
    bool (*is_serving)(const char **why, void *ctx);
    void (*status)(struct api_status *status, void *ctx);
    /* Begins a drain, as SIGTERM does. *drain_ms: how long it may take, negative: as the settings
     * say; gets what it is then. False: the server is starting or draining already. */
    bool (*stop)(int64_t *drain_ms, void *ctx);
    /* Appends the text of /metrics. */
    enum status (*write_metrics)(struct buf *out, void *ctx);
    /* Makes the change; change->on_done comes exactly once, at once or later, on the API's loop,
     * and before on_closed of api_close. What it makes due is taken up. */
    void (*change)(struct api_change *change, void *ctx);
    /* Makes the request, which is not sent; request->on_done comes as change->on_done does. */
    void (*request)(struct api_request *request, void *ctx);
    /* Makes or ends the task; task->on_done comes as change->on_done does. */
    void (*task)(struct api_task *task, void *ctx);
    /* What serves; borrowed until the loop runs on. NULL: nothing yet. */
    const struct registry *(*registry)(void *ctx);
    /* The files that it was read from, and the last loads, newest first; borrowed as above. */
    const char *const *(*files)(size_t *count, void *ctx);
    const struct api_load *(*loads)(size_t *count, void *ctx);
    /* Makes it durable; publishing->on_done comes as change->on_done does. */
    void (*publish)(struct publishing *publishing, void *ctx);
    /* Every event that was published and has a smaller id is stored, or never will be. */
    uint64_t (*published_before)(void *ctx);
    /* A cron, every, poll or stream that there is runs now, unless it runs already; nobody is told
     * when. */
    void (*run_routine)(enum routine_kind kind, const char *name, void *ctx);
    /* Makes the change; change->on_done comes exactly once, at once or later, on the API's loop,
     * and before on_closed of api_close. */
    void (*change_endpoint)(struct api_endpoint_change *change, void *ctx);
    /* Whoever sends goes by it; on_done comes as change->on_done does, and from then on no attempt
     * starts on the version before. */
    void (*registered)(struct api_registered *registered, void *ctx);
    /* Who gets to know of a change, for the operation that writes it. False: nobody. */
    bool (*telling)(const struct resource *row, struct store_telling *telling, void *ctx);
    /* Whether messages may be sent there; wants_tls: without TLS only where the operator says so.
     * E_INVALID: err says why not. */
    enum status (*check_url)(const char *url, bool wants_tls, struct err *err, void *ctx);
    /* False: they declare none of this name. */
    bool (*script_endpoint)(const char *name, struct api_script_endpoint *endpoint, void *ctx);
    /* False: no worker owns it (yet). */
    bool (*pace)(uint64_t endpoint, struct api_pace *pace, void *ctx);
    /* False: it has nothing to prove, or did. */
    bool (*unproven)(uint64_t endpoint, struct api_unproven *unproven, void *ctx);
    /* Erases, in the files too; erasure->on_done comes as change->on_done does. */
    void (*erase)(struct api_erasure *erasure, void *ctx);
    void (*secrets)(struct api_secrets *out, void *ctx);
    /* Takes these keys, or (NULL) reads those of the settings' file anew, and begins to seal anew
     * what another key sealed. E_INVALID, E_NOTFOUND, E_LIMIT: nothing has changed, err says why;
     * E_BUSY: one is under way; E_CANCELLED: the server starts or stops. */
    enum status (*rotate)(const char *keys, struct err *err, void *ctx);
    void *ctx;
};

struct api_options {
    uv_loop_t *loop;
    struct store *store;
    struct directory *directory; /* of endpoints that applications registered; outlives it */
    int fd;                      /* listening TCP socket, taken; -1: none */
    int unix_fd;                 /* listening Unix socket, taken; -1: none */
    const char *token;           /* NULL or "": none; copied */
    bool dev;                    /* no token needed on a loopback address */
    char *const *hosts;          /* names besides the loopback's that Host may have; copied */
    size_t host_count;
    size_t endpoints_max;       /* that one application registers; 0: any number */
    const struct cidr *proxies; /* whose X-Forwarded-For counts; borrowed */
    size_t proxy_count;
    const char *url;            /* where browsers reach it, "https://host/path"; its host is one of
                                   hosts too. NULL: the Host of each request; copied */
    char *const *frame_origins; /* that may show pages in a frame; borrowed during api_open */
    size_t frame_origin_count;
    const char *version;
    struct api_hooks hooks;
};

/* On the loop's thread. The sockets are taken, on an error too. */
MUST_USE enum status api_open(const struct api_options *options, struct api **api, struct err *err);
/* On the loop's thread. Stops accepting, answers what is open, waits for reads and a reload that
 * are under way; then frees and calls on_closed (may be NULL) on the loop. */
void api_close(struct api *api, void (*on_closed)(void *ctx), void *ctx);

#endif
