/* SPDX-License-Identifier: MIT */
/* The inside of a sender: what sender.c (front), queue.c (what waits for an endpoint, and when it
 * may go), claim.c (what lies in the store) and attempt.c (one attempt, its verdict, its
 * settlement) share. One thread: the worker's. */
#ifndef SEND_SENDER_INT_H
#define SEND_SENDER_INT_H

#include "base/map.h"
#include "send/token_int.h"
#include "send/transfer_int.h"

/* A parsed URL. curl reads it until a transfer is over, and a reload may meanwhile give the
 * endpoint another one: so each attempt holds a reference. */
struct target {
    unsigned references;
    CURLU *url;
    char *host; /* to look up; NULL: an address, or a name of this machine that curl knows */
    long port;
    bool is_secure; /* https */
};

/* Takes the url. */
struct target *target_create(CURLU *url);
/* Of a URL that was checked: any other fails each attempt in words. */
struct target *target_of(const char *text);
struct target *target_ref(struct target *target);
void target_unref(struct target *target);

/* What is taken of a worker's memory. */
struct use {
    size_t places;   /* deliveries that are held, or asked for by a claim under way */
    size_t attempts; /* under way, or their outcome is being written */
};

/* What an outlet that is a queue has instead of attempts. */
struct leases {
    struct queue takes;  /* receivers that wait, first come first served */
    struct queue parked; /* those of streams that hold as many as they may */
    struct map held_by;  /* delivery id -> the stream that it was given to and has not ended at */
    struct queue late;   /* of them, those whose time was over while a claim is under way */
    size_t asked;        /* messages that they would take */
    bool is_due;         /* messages (may) lie in the store */
    bool is_claiming;    /* a claim is under way */
    bool is_looking;     /* for leases that have ended */
    size_t giving;       /* takes whose leases are being written */
    size_t ending;       /* of leases that ended by time, messages that expired: settled now */
};

/* An application, and what its endpoints take here all together: no more than it leaves for the
 * others, so that whatever they answer, and however many they are, they delay no other's. */
struct tenant {
    struct node node; /* in sender->hungry while an outlet of it waits here */
    uint64_t application;
    struct queue outlets;
    struct use uses[2];      /* [is_answering] */
    struct queue starved[2]; /* [is_answering]: those that wait for what it has itself ... */
    struct queue crowds[2];  /* ... as those of the sender wait for what all have */
    size_t held_bytes;       /* bodies of what is held */
    bool is_heavy;
};

/* One endpoint that this worker owns. */
struct outlet {
    struct node ready_node;   /* in sender->ready while it can start an attempt, or in starved */
    struct queue *starved_in; /* it could, but for a slot: of the tenant or the sender; else NULL */
    struct tenant *tenant;    /* NULL: scripts declare it */
    struct node tenant_node;  /* in tenant->outlets */
    bool is_answering;        /* its receiver answered the last attempt, whatever it said */
    struct sender *sender;
    uint64_t id;
    const struct endpoint_spec *spec; /* of registry; NULL: the endpoint was removed */
    struct registry *registry;        /* reference that keeps spec */
    struct target *target;            /* the URL of spec */
    struct target *proxy;             /* that of its proxy; NULL: none */
    struct token *token;              /* NULL: none was needed */
    struct gate *gate;                /* NULL until the first registry that has it */
    enum endpoint_state state;        /* that it acts by */
    enum endpoint_state stored_state; /* as the store said last */
    uint64_t stored_turn;
    bool is_disabling; /* of its own: whatever was stored, until the store has said what holds */

    struct queue waiting; /* deliveries in memory, by priority, then first come first served */
    size_t held;          /* waiting, in flight or being settled */
    size_t window;        /* how many may be held: the room of the gate */
    struct use use;
    struct node crowd_node;   /* while it waits for places to claim: ... */
    struct queue *crowded_in; /* ... in a crowd of the tenant or the sender; else NULL */
    size_t wanted;            /* then: so many */
    bool is_next;             /* it was the first there, and claims */
    uint32_t in_flight;
    size_t deficit;   /* bytes that it may send in its turn */
    unsigned lookups; /* that run for its host */

    bool is_closed;    /* the gate: what is committed goes to the store only */
    bool is_behind;    /* due deliveries (may) lie in the store */
    bool is_last_look; /* the gate is open again, one claim checks what came between */
    bool is_rescan;    /* a hint came while a claim was under way */
    int urgent;        /* the highest priority that was hinted at and not claimed since */
    struct store_claim_deliveries *claim; /* under way */
    struct map settled_meanwhile;         /* while it is: its rows may be stale */
    int64_t next_due_ms;                  /* Unix ms, 0: none known */
    struct pace pace;
    int64_t failing_ms;     /* monotonic: nothing but failures since; 0: not known to fail */
    bool is_failing_stored; /* the endpoint's row says so */
    uv_timer_t timer;       /* next_due_ms, or when an attempt may start */
    struct leases leases;   /* of a queue */
    bool is_deleted;        /* what comes for it is cancelled */
    bool is_clearing;       /* that is under way */
    bool wants_clear;       /* once more then */
};

struct sender {
    struct sender_options options;
    struct transport *transport;
    struct registry *registry;
    size_t registered_count;      /* outlets of what applications registered */
    struct map outlets;           /* by endpoint id */
    struct map held;              /* delivery id -> delivery */
    struct map settled_meanwhile; /* while recovery reads: its rows may be stale */
    bool is_recovering;
    bool is_recovery_due;    /* the readers were short */
    uint64_t recovers_after; /* then: what is behind this delivery */
    struct map cancels;      /* delivery id -> what takes it back */
    struct map cancelled;    /* ids of those that were, and may still be handed over */
    struct queue ready;
    struct queue starved[2]; /* [is_answering] */
    struct queue crowds[2];  /* [is_answering] */
    struct use uses[2];      /* [is_answering] */
    struct map tenants;      /* application id -> tenant */
    struct queue hungry;     /* tenants in whose queues somebody waits */
    uv_timer_t retry;        /* 20 ms: credits or readers were short */
    bool is_pumping;
    bool is_stopping;
    uv_timer_t deadline;
    void (*on_idle)(void *ctx);
    void *idle_ctx;
    size_t held_bytes; /* bodies of what is held */
    bool is_heavy;     /* they are too many: gates close, claims wait (of a tenant: its own) */
    size_t in_flight;
    size_t settling;
    size_t reads;          /* claims and recovery reads under way */
    struct queue attempts; /* running */
    uint64_t attempt_count;
    uint64_t succeeded_count;
    uint64_t failed_count;
    unsigned open_handles;
    struct timers take_timers;
    bool is_closing;
};

/* queue.c */
struct outlet *outlet_get(struct sender *sender, uint64_t endpoint);
struct outlet *outlet_create(struct sender *sender, uint64_t endpoint);
/* sender.c: it is forgotten, and freed when the loop let its timer go. */
void outlet_close(struct outlet *outlet);
/* Takes the delivery into memory; has_room: its room at the gate was taken. */
void outlet_hold(struct outlet *outlet, struct delivery *delivery, bool has_room);
/* It leaves memory: its room is free. Destroys the delivery. */
void outlet_release(struct outlet *outlet, struct delivery *delivery);
/* May start attempts, now or when one that runs is over: enabled, known, its circuit not open. */
bool outlet_is_open(const struct outlet *outlet);
/* Puts it behind those of the same or a higher priority. */
void outlet_wait(struct outlet *outlet, struct delivery *delivery);
void outlet_schedule(struct outlet *outlet);
void outlet_set_timer(struct outlet *outlet, int64_t delay_ms);
void sender_pump(struct sender *sender);
/* Says in settle what the store has to know of the endpoint: since when it fails. True: for longer
 * than the endpoint may. */
bool outlet_note_failing(struct outlet *outlet, const struct endpoint_spec *spec,
                         const struct attempt *attempt, bool is_success,
                         struct store_settle *settle);
/* The store said so, in that turn. */
void outlet_learn_state(struct outlet *outlet, enum endpoint_state state, uint64_t turn);
enum endpoint_state outlet_known_state(const struct outlet *outlet);
/* Acts by what is known of its state. */
void outlet_take_state(struct outlet *outlet);
/* Enabled anew: what it did before counts no more. */
void outlet_forgive(struct outlet *outlet);
/* An attempt that started ended so. */
void outlet_note(struct outlet *outlet, const struct endpoint_spec *spec,
                 const struct pace_mark *mark, const struct attempt *attempt, bool is_success);
/* Tries again in 20 ms. */
void sender_wait(struct sender *sender);
/* Says on_idle if it is time. */
void sender_check_idle(struct sender *sender);

/* claim.c */
void claim_close_gate(struct outlet *outlet);
/* The store may have due deliveries of this endpoint, of at most that priority. */
void claim_hint(struct outlet *outlet, int priority);
/* From now on what is committed goes to the store. */
void claim_fall_behind(struct outlet *outlet);
/* Room came free, or the endpoint was enabled. */
void claim_go_on(struct outlet *outlet);
/* Gives what waits in memory back to the store, with its room. */
void claim_give_back(struct outlet *outlet);
void claim_due(struct outlet *outlet, int64_t due_ms);
void claim_note_settled(struct outlet *outlet, uint64_t delivery);
void claim_recover(struct sender *sender);
/* If it had to wait for a reader. */
void claim_go_on_recovering(struct sender *sender);

/* places.c */
/* What is committed for this endpoint had better lie in the store. */
bool places_are_full(const struct outlet *outlet);
void places_take(struct outlet *outlet, size_t count);
void places_put(struct outlet *outlet, size_t count);
/* Takes places for a claim: so many, or one. 0: there are none; claim_go_on comes when there are.
 */
size_t places_ask(struct outlet *outlet, size_t wanted);
/* Some came free. */
void places_feed(struct sender *sender);
void attempts_take(struct outlet *outlet);
void attempts_put(struct outlet *outlet);
bool attempts_have_slot(const struct outlet *outlet);
/* It waits until there is one. */
void attempts_starve(struct outlet *outlet);
/* It waits no more, whatever there is. */
void attempts_unstarve(struct outlet *outlet);
/* As many as there are slots for are ready for another turn. */
void attempts_feed(struct sender *sender);
/* Its receiver did, or did not. */
void outlet_set_answering(struct outlet *outlet, bool is_answering);

/* tenant.c */
void tenant_join(struct outlet *outlet, uint64_t application);
void tenant_leave(struct outlet *outlet);
/* Somebody waits there, or nobody does any more. */
void tenant_note(struct tenant *tenant, struct sender *sender);
/* Bodies in memory are bounded too, however few the deliveries. */
void outlet_weigh(struct outlet *outlet, const struct delivery *delivery, bool is_held);
bool outlet_is_heavy(const struct outlet *outlet);
void tenants_free(struct sender *sender);

/* clear.c: the endpoint is no more. */
void clear_start(struct outlet *outlet);
/* Of one that is deleted: deliveries may lie in the store. */
void clear_hint(struct outlet *outlet);
/* The outlet of an endpoint that something came for; of one that was deleted, anew. */
struct outlet *clear_late(struct sender *sender, uint64_t endpoint);

/* lease.c */
bool outlet_is_queue(const struct outlet *outlet);
/* Messages may be due, or leases have ended. */
void lease_hint(struct outlet *outlet);
void lease_on_time(struct outlet *outlet);
/* Whoever waits is sent home: the queue is gone, or the sender stops. */
void lease_send_home(struct outlet *outlet);

/* A lease of the delivery ended, however: a stream may have room again. */
void lease_let_go(struct outlet *outlet, uint64_t delivery);

/* lease_stream.c */

/* How many more it may be given. */
size_t stream_room(const struct lease_stream *stream);
/* What the take was given is its stream's, if it is of one. */
void stream_hold(struct outlet *outlet, const struct lease_take *take);
/* The take that waits for this; NULL: none. */
struct lease_take *stream_let_go(struct outlet *outlet, uint64_t delivery);

/* lease_end.c */
/* What was claimed as ended: a lease is a failed attempt, a message that expired is dead. Takes the
 * deliveries. */
void lease_settle_ended(struct outlet *outlet, struct delivery **deliveries, size_t count);
/* A message that expired before anybody took it. Takes the delivery. */
void lease_bury(struct outlet *outlet, struct delivery *delivery);

/* cancel.c */
/* The delivery came from who made it: true if it is being taken back, or was. */
bool cancel_keeps_out(struct sender *sender, uint64_t delivery);
/* It is being taken back: what the store gives may be older. */
bool cancel_is_under_way(const struct sender *sender, uint64_t delivery);
/* It left memory: what waits for that goes on. */
void cancel_go_on(struct sender *sender, uint64_t delivery);

/* outgoing.c */
/* A copy of base with the message's own path and query; NULL: it has none (or err says why). */
CURLU *outgoing_url(CURLU *base, const struct message *message, const struct outgoing *outgoing,
                    struct err *err);

/* attempt.c */
enum start_result { START_OK, START_SETTLED, START_NO_CREDIT };
/* The next waiting delivery: starts its attempt, or settles it without one. */
enum start_result attempt_start(struct outlet *outlet);
/* Cuts off all that run; their deliveries stay in the store as they were. */
void attempt_cancel_all(struct sender *sender);

#endif
