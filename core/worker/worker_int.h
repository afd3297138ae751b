/* SPDX-License-Identifier: MIT */
/* The inside of a worker: what worker.c (life cycle, letters), work.c (events in memory and their
 * runs), commit.c (outcomes to the store) and backlog.c (events from the store) share.
 * Everything is touched on the worker's thread only, except what is atomic. */
#ifndef WORKER_WORKER_INT_H
#define WORKER_WORKER_INT_H

#include "base/machine.h"
#include "base/map.h"
#include "base/queue.h"
#include "base/timer.h"
#include "worker/worker.h"

#include <pthread.h>

enum run_phase {
    RUN_QUEUED,     /* in its lane */
    RUN_RUNNING,    /* a job in Lua */
    RUN_WAITING,    /* for its turn at a key of kv (turn.c) */
    RUN_COMMITTING, /* its outcome is at the store */
    RUN_ENDED,      /* handled, skipped or dead, durably */
    RUN_LATER,      /* failed, durably due later: comes back from the store */
    RUN_PHASE_COUNT
};

/* A place in the order of those that want the same key of kv. */
struct turn {
    struct node node; /* while it waits */
    struct worker *worker;
    uint64_t event;
    size_t index;
    uint8_t slot;
    bool is_holder; /* under the lock of the turns */
};

/* One event for one subscription. */
struct run {
    struct node node; /* in its lane while queued */
    struct work *work;
    enum run_phase phase;
    const struct subscription_spec *spec; /* of generation; NULL: the subscription vanished */
    struct generation *generation;        /* reference that keeps spec */
    uint32_t number;                      /* runs made before this one */
    uint8_t first_ordinal;
    uint8_t ordinal_count;
    bool is_ordered;            /* has an order key in the store */
    bool has_steps;             /* the store may keep some */
    uint64_t batch;             /* it is, or was, part of that one; 0: none */
    struct run_member *members; /* while it runs as a batch: what it handles; owned */
    uint64_t *member_ids;       /* theirs, for the store; owned */
    size_t member_count;
    int64_t due_ms; /* LATER */
    bool has_credit;
    bool has_turn;      /* or waits for it */
    unsigned conflicts; /* so often others changed what it had read of kv */
    struct turn turn;
    struct outbox *outbox;
    char *text; /* reason or traceback for the store, owned */
    union {
        struct store_op op;
        struct store_handled handled;
        struct store_run failed;
    } outcome;
};

/* An event in memory with its runs. */
struct work {
    struct worker *worker;
    struct event *event; /* owned reference */
    bool is_poison;      /* the process ended in it too often: not run any more */
    bool is_erased;      /* the store knows of no run of it that is open */
    bool is_fixed;       /* its list of subscriptions is in the store */
    bool is_stale;       /* the store may have opened a run again that is being committed here */
    char **names;        /* owned copies when fixed by the store; else NULL */
    const char **list;   /* run_count names, for the store */
    size_t run_count;
    struct run runs[];
};

/* The queue of one subscription on this worker. */
struct lane {
    struct queue ready;
    uint32_t running;
    bool is_pumping;
};

struct draining {
    struct node node;
    struct script *script;
    int64_t deadline_ms; /* monotonic */
};

struct backlog {
    struct store_claim_events claim;
    bool is_underway;
    bool is_behind;    /* the store has events that are not in memory: the gate is closed */
    bool is_last_look; /* the gate is open again, one claim checks what came between */
    bool is_rescan;    /* a hint came meanwhile: once more from the start */
    uint64_t after;
    int64_t next_due_ms; /* Unix ms, 0: none known */
    uv_timer_t timer;
    struct map finished_meanwhile; /* ended while a claim is under way: its rows may be stale */
    size_t ones;                   /* claims of one event, or by time, under way */
    bool is_timed_underway;
    bool wants_pass; /* when the timer comes: not only by time */
};

/* Those that this worker owns (routine.c). */
struct routines {
    struct map all;     /* by routine_id */
    struct queue ready; /* due, waiting for their turn */
    size_t running;
    bool is_open;
    bool is_loading; /* rows are being read */
    bool wants_load; /* once more then */
    struct store_list_routines list;
    struct timer watch; /* of the wall clock, while there are crons */
    int64_t wall_ms;    /* minus monotonic, when it was looked at last */
};

enum worker_state { WORKER_RUNNING, WORKER_STOPPING, WORKER_QUIET, WORKER_ENDED };

struct worker {
    struct worker_options options;
    pthread_t thread;
    uv_loop_t loop;
    struct inbox inbox;
    struct store_client *client;
    struct sender *sender;
    struct script *script;         /* current; NULL before the first */
    struct script *prepared;       /* of the next generation; NULL: none */
    struct generation *generation; /* current, owned reference */
    struct registry *registry;     /* its registry, borrowed */
    struct queue draining;
    struct timers timers; /* of the scripts */
    struct exchanges *exchanges;
    struct exchanges *streams; /* of routines */
    uv_timer_t tick;           /* 20 ms while draining or stopping, or starved of credits */
    bool is_ticking;
    enum worker_state state;
    int64_t stop_deadline_ms;
    bool is_sender_idle;
    size_t active;   /* runs RUNNING or COMMITTING and other operations under way */
    bool is_starved; /* a run could not get a credit */
    size_t errands;  /* of receivers at queues: sent out, not home yet */

    struct queue publications;               /* on their way into the store, by id */
    atomic_uint_fast64_t oldest_publication; /* no id before it is among them; 0: there are none */
    struct gate gate;                        /* room for events */
    atomic_size_t held_bytes;
    atomic_size_t held_count;
    struct map works; /* by event id */
    struct lane *lanes;
    size_t lane_count;
    struct backlog backlog;
    struct routines routines;
    unsigned shard_turn;

    atomic_int_fast64_t alive_ms; /* monotonic: last answered ping */
    atomic_bool is_pinged;
    atomic_uint_fast64_t runs;
    atomic_uint_fast64_t runs_failed;
    atomic_uint_fast64_t attempts;
    atomic_size_t deliveries_held;
    atomic_size_t in_flight;
    atomic_size_t lua_bytes;
};

enum letter_kind {
    LETTER_EVENT,
    LETTER_EVENTS_HINT,
    LETTER_EVENT_DUE,
    LETTER_DELIVERY,
    LETTER_DELIVERY_HINT,
    LETTER_CANCEL,
    LETTER_FORGET,
    LETTER_READDRESS,
    LETTER_ERRAND,
    LETTER_HOME,
    LETTER_PUBLISH,
    LETTER_TURN,
    LETTER_PREPARE,
    LETTER_ADOPT,
    LETTER_ABANDON,
    LETTER_ENDPOINT,
    LETTER_ROUTINE,
    LETTER_OPEN,
    LETTER_PING,
    LETTER_WAKE,
    LETTER_STOP,
    LETTER_FINISH,
    LETTER_KIND_COUNT
};

struct worker_letter {
    struct letter letter;
    enum letter_kind kind;
    union {
        struct event *event;
        struct delivery *delivery;
        struct {
            uint64_t endpoint;
            int priority;
        } hint;
        int64_t deadline_ms;
        struct {
            uint64_t event;
            int64_t due_ms;
        } due;
        struct {
            uint64_t event;
            size_t index;
        } turn;
        struct publishing *publishing;
        struct sender_cancel *cancel;
        struct worker_forget *forget;
        struct sender_readdress *readdress;
        struct lease_errand *errand;
        struct generation *generation;
        struct endpoint_standing *standings;
        struct worker_endpoint *change;
        uint64_t routine;
    } of;
};

/* Any thread. */
void worker_post(struct worker *worker, const struct worker_letter *letter);
unsigned worker_of_shard(const struct worker *worker, uint8_t shard);
/* worker_event_due on this worker's thread: at once if the event is its own. */
void worker_tell_due(struct worker *worker, uint64_t event, int64_t due_ms);
/* Starts the 20 ms tick if it is not running. */
void worker_tick(struct worker *worker);

/* host.c */
/* A fresh id on a shard of this worker. */
uint64_t worker_next_event_id(struct worker *worker);
/* What the scripts of this worker ask of it. */
struct script_hooks host_hooks(struct worker *worker);

/* work.c */
/* Takes a committed event into memory (reference taken over; its room was taken) and starts it. */
void work_take(struct worker *worker, struct event *event);
/* The same for an event that the store knows more of. Repeats of held events are dropped. */
void work_take_claimed(struct worker *worker, struct claimed_event *claimed);
/* Starts what can start. */
void work_pump(struct worker *worker);
/* The rows of an event, read anew, if it is held: runs that were held for their order, batches, or
 * runs that died and were opened again by hand, may go. False: it ended here meanwhile, and the
 * rows may be older or newer than that. */
bool work_refresh(struct worker *worker, const struct claimed_event *claimed);
/* A run changed its phase: frees the work when nothing of it is left to do here. */
void work_settle(struct work *work);
void work_requeue(struct run *run);
/* After a flip: lanes of the new registry, queued runs resolved anew. */
void work_adopt(struct worker *worker);
/* Forgets everything that neither runs nor commits. */
void work_forget_idle(struct worker *worker);
void work_finish(struct worker *worker);
void run_move(struct run *run, enum run_phase phase);
void run_resolve(struct run *run, const struct subscription_spec *spec);
void run_lane_leave(struct run *run);
/* The job itself. */
void run_start_job(struct run *run);

/* publish.c: an event from the API, by letter. */
void publish_take(struct worker *worker, struct publishing *publishing);
/* What the run of an event that no subscription takes asks for, owned; NULL: no memory. */
struct outbox *publish_fan_out(struct worker *worker, const struct event *event);
/* sending.c */
extern const struct sender_hooks sending_hooks;
/* retype.c: the run that waits for its event's type. */
void retype_run(struct run *run);
/* commit.c: the run ends well, with what is in the outbox, which is taken. */
void commit_outbox(struct run *run, struct outbox *outbox);

/* The turn of this run may have come. */
void work_take_turn(struct worker *worker, uint64_t event, size_t index);
/* The event is erased: nothing of it starts any more. */
void work_forget(struct worker *worker, uint64_t event);

/* turn.c */
/* Gives the turn back, or the place in the queue. */
void turn_put(struct run *run);
bool turn_has_come(struct run *run);
/* False: a run that was refused too often is at one of the keys that this one writes; it waits
 * behind that one, to run again. */
bool turn_may_commit(struct run *run);
/* The store refused it. True: it runs again at once; false: it waits for its turn. */
bool turn_after_conflict(struct run *run, const struct kv_read *lost);

/* batch.c */
/* Reads what is to be handled with the run, then starts it. */
void batch_start(struct run *run);
/* The run is over, or starts anew. */
void batch_finish(struct run *run);

/* commit.c */
/* Before an outbox goes to the store: a delivery is held in its owner's memory if there is room,
 * else due in the store; emitted events get their plans. */
void commit_prepare(struct worker *worker, struct outbox *outbox);
/* It was committed: to the owners. */
void commit_route_outbox(struct worker *worker, struct outbox *outbox);
/* It was not: the room that was taken goes back. */
void commit_give_back(struct outbox *outbox);
void commit_result(struct run *run, const struct job_result *result);
/* It ended before, or ends later: nothing is written. */
void commit_nothing(struct run *run, enum run_phase phase);
/* A queued run dies without a job: its subscription vanished. */
void commit_dead(struct run *run, const char *why);
/* The one stand-in run of an event that no subscription matches, with what is in the outbox, which
 * is taken; NULL: nothing. */
void commit_unmatched(struct run *run, struct outbox *outbox);

/* stream.c */
struct stream;
struct waiting_message {
    struct node node;
    struct sse_message message; /* its texts, each terminated, lie behind it */
    size_t bytes;
    char text[];
};
/* Something came, or it ended; also from within the callbacks of an exchange. */
typedef void (*stream_cb)(void *ctx);
struct stream *stream_create(struct worker *worker, const struct routine_spec *spec,
                             stream_cb on_change, void *ctx);
/* NULL is fine. */
void stream_destroy(struct stream *stream);
/* Opens it behind the message of this id (NULL: from now on). */
MUST_USE enum status stream_connect(struct stream *stream, const char *id, struct err *err);
bool stream_is_connected(const struct stream *stream);
/* Connected, and something has come. */
bool stream_is_open(const struct stream *stream);
/* It is opened as this says. */
bool stream_is_of(const struct stream *stream, const struct routine_spec *spec);
/* Until it may be opened again. */
int64_t stream_rest_ms(const struct stream *stream);
/* Why it ended badly. */
struct stream_problem {
    char text[ERR_TEXT_BYTES_MAX];
    int64_t retry_after_ms; /* the source wants to be asked no sooner; 0: it did not say */
};
/* Once. False: it did not end, or for no bad reason. */
bool stream_take_problem(struct stream *stream, struct stream_problem *problem);
/* The first message that is not done with; NULL: none came. */
const struct sse_message *stream_first(const struct stream *stream);
void stream_drop_first(struct stream *stream);

/* routine_watch.c: from now on, while there are crons. */
void routines_watch(struct worker *worker);
/* Whether there are crons; is_asked: those that wait are planned anew, by the clock as it is. */
bool routines_plan_crons(struct worker *worker, bool is_asked);
/* routine_count.c: a run ended, and that is committed. */
void routine_count(struct shared *shared, enum routine_kind kind, const char *name,
                   const struct routine_row *row);

/* routine.c */
void routines_init(struct worker *worker);
/* After a flip: those of the new registry, each where it was in time. */
void routines_adopt(struct worker *worker);
/* The work begins. */
void routines_open(struct worker *worker);
/* Room came free: starts what is due. */
void routines_pump(struct worker *worker);
/* That one runs now, if it waits for its time. */
void routines_run(struct worker *worker, uint64_t id);
/* The machine slept, and their timers with it. */
void routines_wake(struct worker *worker);
/* Nothing starts any more. */
void routines_stop(struct worker *worker);
void routines_finish(struct worker *worker);

/* backlog.c */
void backlog_init(struct worker *worker);
/* The store has, or may have, events of ours that are not in memory. */
void backlog_hint(struct worker *worker);
/* This event of ours may be due in the store: takes it up if it is. */
void backlog_claim_one(struct worker *worker, uint64_t event);
/* A run is due again then. */
void backlog_due(struct worker *worker, int64_t due_ms);
/* All that is due is looked for then. */
void backlog_look(struct worker *worker, int64_t due_ms);
/* The machine slept, and the timer with it. */
void backlog_wake(struct worker *worker);
/* Room came free. */
void backlog_go_on(struct worker *worker);
void backlog_close(struct worker *worker);

#endif
