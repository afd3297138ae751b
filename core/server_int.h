/* SPDX-License-Identifier: MIT */
/* The inside of the composition root: server.c (start, signals, stop), server_reload.c (a new
 * generation from the files to all workers) and server_watch.c (--watch). Everything here belongs
 * to the main thread, whose loop is also the API's, except what a comment says. */
#ifndef SERVER_INT_H
#define SERVER_INT_H

#include "api/api.h"
#include "base/inbox.h"
#include "base/limits.h"
#include "base/map.h"
#include "config/config.h"
#include "model/directory.h"
#include "receive/receive.h"
#include "script/script.h"
#include "shared/shared.h"
#include "store/store.h"
#include "worker/worker.h"

#include <uv.h>

enum server_state { SERVER_STARTING, SERVER_SERVING, SERVER_DRAINING, SERVER_ENDING };

struct server;

/* One reload at a time. */
struct reload {
    struct server *server;
    uv_work_t work;
    struct generation_options options;
    struct generation *generation;
    struct findings findings;
    struct err err;
    enum status status;
    struct endpoint_standing *standings;
    struct store_endpoint *operations;
    size_t pending; /* workers that prepare, then endpoints at the store, then workers that swap */
    bool is_prepared;                      /* the workers have its states */
    struct store_list_endpoints endpoints; /* what is still to be sent, to name removed ones */
    struct store_list_kv kept;             /* of anzol.websub */
    struct buf websub;                     /* the same, as JSON by key */
    struct store_ingest told;              /* that it was refused */
    void (*on_websub)(struct reload *reload);
    char after[LIMIT_KV_KEY_BYTES + 1]; /* the last of the page before */
    bool is_listing;
    bool is_over;                /* but for the list */
    api_reloaded_cb on_reloaded; /* NULL: nobody waits */
    void *ctx;
};

/* server_websub.c: what is kept of anzol.websub goes into the options of the load; on_read comes
 * on the loop, or before it returns. */
void server_websub_read(struct reload *reload, void (*on_read)(struct reload *reload));

struct watch;             /* server_watch.c */
struct server_registered; /* server_registered.c */

/* server_secrets.c: the keys, and the walk that seals anew. */
struct server_secrets {
    struct seal_ring *ring;
    char *file; /* that holds the keys; NULL: none */
    bool is_walking;
    bool is_asked;    /* by a rotation; else the walk is that of the start */
    bool is_complete; /* the last walk left nothing that an older key sealed */
    struct store_count_secrets count;
    struct store_reseal step;
    struct store_scrub scrub;
    size_t looked_at_count, sealed_count, failed_count; /* of the last walk */
    uint64_t total_count;                               /* when it began */
};

struct server {
    struct config config;
    enum server_state state;
    uv_loop_t loop;
    struct inbox inbox;
    struct store *store;
    struct store_client *client;
    struct server_secrets secrets;
    struct shared *shared; /* what the scripts of all workers share */
    struct worker **workers;
    struct turns *turns;               /* of the workers */
    struct black_box *box;             /* of the workers */
    struct directory *directory;       /* of what applications registered */
    struct server_registered *loading; /* what was found of it at start, for the owners */
    size_t refreshes;                  /* of it, that are read */
    struct receiver **receivers;       /* by worker, each on its worker's thread */
    int *fds;                          /* listening sockets until a receiver takes them */
    unsigned worker_count;
    unsigned quiet_count;
    struct api *api;
    struct generation *generation; /* current, a reference */
    uint64_t generation_number;    /* of the last load, refused ones too */
    struct reload *reload;         /* under way */
    bool is_reload_wanted;         /* a signal came meanwhile */
    struct map throttles;          /* application -> struct throttle, as long */
    struct map proofs;             /* endpoint id -> struct server_proof, while it is unverified */
    struct exchanges *challenges;  /* of them */
    struct map gates;              /* endpoint id -> struct gate, a reference */
    struct watch *watch;
    uv_signal_t on_hup, on_term, on_int;
    uv_timer_t upkeep; /* 1 s: pings, sleep of the machine, retention */
    uv_timer_t fatal;  /* then the process ends, drained or not */
    unsigned upkeep_turn;
    unsigned publish_turn; /* of the workers */
    int64_t slept_ms;      /* by the machine, as the last upkeep saw it */
    int64_t started_ms;
    struct api_load loads[LIMIT_LOADS_KEPT]; /* newest first */
    size_t load_count;
    int64_t reloaded_ms; /* the last time that scripts began to serve */
    bool is_last_reload_good;
    atomic_size_t intake_bytes;
    struct server_task *tasks; /* that run */
    size_t task_count;         /* and that are being made */
    size_t task_reads;
    bool are_tasks_waiting;   /* the store has more than those that run */
    uv_timer_t task_tick;     /* while there are any */
    struct cidr *proxies;     /* trusted */
    struct guard_rules guard; /* of all that goes out */
    bool has_dev_store;       /* server_dev.c */
    int exit_code;
    char listen[64];
    char admin[64];
};

/* server_letter.c: to the main thread. */
enum server_letter_kind {
    LETTER_PREPARED,
    LETTER_ADOPTED,
    LETTER_CANCELLED,
    LETTER_FORGOTTEN, /* an erased event, by its owner */
    LETTER_READDRESSED,
    LETTER_TAKEN,      /* an endpoint's owner took its state, or its version */
    LETTER_REGISTERED, /* the same of one that an application registered */
    LETTER_DISABLED,   /* its owner did that; number: the endpoint */
    LETTER_GRANTED,    /* a receiver consents to a handshake */
    LETTER_TASKS,      /* a run began some */
    LETTER_PUBLISHED,  /* or was not */
    LETTER_QUIET,      /* a worker has nothing left to do */
    LETTER_FATAL       /* the store cannot go on */
};
struct server_letter {
    struct letter letter;
    enum server_letter_kind kind;
    uint64_t number; /* PREPARED, ADOPTED: of the generation */
    char *problem;   /* PREPARED: owned, NULL: none */
    struct sender_cancel *cancel;
    struct worker_forget *forget;
    struct sender_readdress *readdress;
    struct worker_endpoint *change; /* TAKEN, REGISTERED */
    struct publishing *publishing;
    struct receive_grant *grant;
};
/* Any thread: copied. */
void server_post_letter(struct server *server, struct server_letter letter);
void server_on_letter(struct letter *base, void *ctx);

/* Everything that sets something, for `anzol serve` with these arguments. As config_parse. */
MUST_USE enum status server_read_config(struct config *config, int argc, char **argv,
                                        struct err *err);

/* The operator's rules for addresses, once the sockets are open, so that their ports are known. */
void server_read_guard(const struct config *config, const char *listen, const char *admin,
                       struct guard_rules *guard);

/* Loads, registers the endpoints, hands over to the workers if they run. on_reloaded (may be NULL)
 * comes exactly once on the main loop. */
void server_reload(struct server *server, api_reloaded_cb on_reloaded, void *ctx);
/* server_api.c: opens the admin listener on the loop; server->admin is its address. */
MUST_USE enum status server_api_open(struct server *server, struct err *err);
/* The process ends once what runs has ended, or in the time that the settings give. */
void server_drain(struct server *server);
/* Ends the process's threads once all workers are quiet and no reload is under way. */
void server_end_if_quiet(struct server *server);
/* The process ends soon, whatever is under way. */
void server_end_fatally(struct server *server);
/* server_news.c: an event that the reload was refused; NULL: no subscription of the generation that
 * serves asks. */
struct event *server_refusal_event(struct server *server, const struct reload *reload);
/* Appends what /metrics says. */
MUST_USE enum status server_write_metrics(struct server *server, struct buf *out);
/* A worker is ready to serve this generation (problem NULL), or its anzol.init failed. */
void server_reload_prepared(struct server *server, uint64_t number, const char *problem);
/* The API's hooks of those names; ctx: the server. */
const struct registry *server_registry(void *ctx);
const char *const *server_files(size_t *count, void *ctx);
const struct api_load *server_loads(size_t *count, void *ctx);
/* A worker serves this generation. */
void server_reload_adopted(struct server *server, uint64_t number);

/* server_receive.c: the workers' hooks on_start, on_quiesce, is_quiet and on_end. */
void server_receive(struct worker *worker, void *ctx);
void server_receive_quiesce(struct worker *worker, void *ctx);
bool server_receive_is_quiet(struct worker *worker, void *ctx);
void server_receive_end(struct worker *worker, void *ctx);

/* server_task.c: the API's hook of that name; ctx: the server. */
void server_task(struct api_task *asked, void *ctx);
/* Those in the store that run go on here: LIMIT_TASKS at a time, the others after them. */
void server_tasks_look(struct server *server);
/* Every second: some may have waited for their turn. */
void server_tasks_turn(struct server *server);
/* No further steps; those under way end (server_end_if_quiet waits). */
void server_tasks_stop(struct server *server);
/* server_change.c: the API's hook of that name; ctx: the server. */
void server_change(struct api_change *change, void *ctx);
/* What was committed and made something due: its owner looks. */
void server_hint_change(struct server *server, const struct change *what);
void server_cancelled(struct sender_cancel *cancel);

/* server_request.c: the API's hook of that name; ctx: the server. */
void server_request(struct api_request *asked, void *ctx);
void server_readdressed(struct sender_readdress *readdress);

/* server_publish.c: the API's hook of that name; ctx: the server. */
uint64_t server_published_before(void *ctx);
void server_publish(struct publishing *publishing, void *ctx);
/* A worker is done with it: any thread. */
void server_published(struct publishing *publishing, void *ctx);

/* server_secrets.c: before the store is opened: reads the keys. */
MUST_USE enum status server_secrets_open(struct server *server, struct err *err);
/* The server serves: says how secrets are stored, seals anew what another key sealed. */
void server_secrets_start(struct server *server);
/* The store is closed. */
void server_secrets_close(struct server *server);
/* The API's hooks of these names; ctx: the server. */
void server_show_secrets(struct api_secrets *out, void *ctx);
enum status server_rotate(const char *keys, struct err *err, void *ctx);

/* server_withdraw.c: of a published message nothing is sent any more; then asked->on_done. E_BUSY:
 * something of it does not end. */
void server_withdraw(struct server *server, struct api_change *asked);
/* server_erase.c: the API's hook of that name; ctx: the server. */
void server_erase(struct api_erasure *asked, void *ctx);
void server_forgotten(struct worker_forget *forget);

/* server_upkeep.c: begins, on the loop. */
void server_upkeep_start(struct server *server);
/* The first worker that answered no ping within that time (longer under a sanitizer), or
 * worker_count. */
unsigned server_find_stuck(const struct server *server, int64_t within_ms);
/* server_dev.c: makes a folder for config->store_path, and removes it with what is in it. */
MUST_USE enum status server_dev_open(struct config *config, struct err *err);
void server_dev_close(const struct config *config);

/* server_retain.c: finished events that are old enough may go. */
void server_retain(struct server *server);

/* Reloads 200 ms after the last change below the project's folders. */
void server_watch_open(struct server *server);
void server_watch_close(struct server *server);
/* The files of a new generation, or those that mend a refused one, may lie in new folders. */
void server_watch_update(struct server *server);
/* Every second: lua/ may have come. */
void server_watch_turn(struct server *server);

/* server_operational.c: the operator's application is found or made, if one is set; then on_ready
 * (may be NULL). */
void server_operational_make(struct server *server, void (*on_ready)(struct server *server));
/* An application was deleted: if it is that one, it is made anew. */
void server_operational_removed(struct server *server, uint64_t application);
/* The API's hook of that name; ctx: the server. */
bool server_telling(const struct resource *row, struct store_telling *telling, void *ctx);
/* It was committed: what is due goes on. telling may be NULL. */
void server_told(struct server *server, const struct store_telling *telling);
/* server_registered.c: reads all endpoints that applications registered; then on_loaded, or the
 * process ends. At start. */
void server_registered_load(struct server *server, void (*on_loaded)(struct server *server));
/* To their owners, which have their scripts. At start. */
void server_registered_open(struct server *server);
/* The API's hooks of these names; ctx: the server. */
void server_registered(struct api_registered *asked, void *ctx);
enum status server_check_url(const char *url, bool wants_tls, struct err *err, void *ctx);
/* Its owner took it. */
void server_registered_taken(struct worker_endpoint *change);
/* Its state was stored under its name, and its resource says so: that version goes to its owner,
 * with this standing unless the owner had it first (NULL); then on_done, which may be NULL. */
void server_registered_refresh(struct server *server, uint64_t endpoint,
                               const struct endpoint_standing *standing, void (*on_done)(void *ctx),
                               void *ctx);

/* server_ownership.c: before the registered endpoints are loaded. */
void server_ownership_open(struct server *server);
/* There is this version of a registered endpoint: it is challenged from now on if it is unverified.
 */
void server_ownership_take(struct server *server, struct registry *one);
/* It was deleted. */
void server_ownership_drop(struct server *server, uint64_t endpoint);
/* The API's hook of that name; ctx: the server. */
bool server_unproven(uint64_t endpoint, struct api_unproven *unproven, void *ctx);
/* A receiver consents by the callback of a handshake: judges it, and lets it go home. */
void server_granted(struct server *server, struct receive_grant *grant);
/* Every second: sends the challenges that are due. */
void server_ownership_turn(struct server *server);
/* No further ones; those under way are given up. */
void server_ownership_stop(struct server *server);
void server_ownership_close(struct server *server);

/* server_reload.c: the gate of an endpoint, which stays. */
struct gate *server_gate(struct server *server, uint64_t endpoint);

/* server_endpoint.c */
bool server_script_endpoint(const char *name, struct api_script_endpoint *endpoint, void *ctx);
void server_run_routine(enum routine_kind kind, const char *name, void *ctx);
void server_change_endpoint(struct api_endpoint_change *asked, void *ctx);
/* Its owner took the state. */
void server_endpoint_taken(struct worker_endpoint *change);
bool server_endpoint_pace(uint64_t endpoint, struct api_pace *pace, void *ctx);

#endif
