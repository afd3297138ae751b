/* SPDX-License-Identifier: MIT */
/* What is done by hand: to one delivery, event or message, or by a task to many of them. A task is
 * a walk over what its filters let through, oldest first, or over ids that were named; the store
 * keeps it, and moves its cursor in the commit that does the next few. Plain data, any thread. */
#ifndef MODEL_TASK_H
#define MODEL_TASK_H

#include "base/err.h"
#include "base/id.h"

/* The numbers are stored: never renumber. */
enum change_verb {
    CHANGE_RETRY = 0,   /* a dead or cancelled delivery, dead runs: a fresh chance, due now */
    CHANGE_DROP = 1,    /* a dead delivery is cancelled, dead runs are skipped, with the reason */
    CHANGE_CANCEL = 2,  /* an open delivery is not sent any more. Only its owner may ask (send.h) */
    CHANGE_REPLAY = 3,  /* one more delivery; of a message: to each of its endpoints; of an event:
                           its handlers run once more */
    CHANGE_EXPUNGE = 4, /* what a published message, or the answer to an attempt, says is no more */
    CHANGE_VERB_COUNT
};
const char *change_verb_name(enum change_verb verb);

/* One thing done by hand. */
struct change {
    enum change_verb verb;
    enum id_kind kind; /* of id: ID_DELIVERY, ID_EVENT, and to replay ID_MESSAGE; to expunge
                          ID_MESSAGE or ID_ATTEMPT */
    uint64_t id;
    uint64_t to; /* to replay a published message: to this registered endpoint, whether it went
                    there before or not; 0: to each that it went to */
    const char *subscription; /* of an event: only this run; NULL: all that died, or that match */
    /* To replay an event: the subscriptions that match it now, in order of registration. A run that
     * the event has keeps its message ids; others get ids that nothing of it has. */
    const char *const *subscriptions;
    size_t subscription_count;
    bool has_new_ids;   /* to replay: messages get ids of their own */
    enum status status; /* out: OK; E_NOTFOUND; E_CONFLICT: its state does not allow it; E_LIMIT:
                           the message ids of its event are used up */
    int state;          /* out: before: enum delivery_state; of an event the worst enum run_state */
    uint64_t endpoint;  /* out: of the delivery */
    bool was_held;      /* out: of a cancelled delivery: it had no due time */
    bool has_released;  /* out: another delivery of its order key may go now */
};

/* The numbers are stored. */
enum task_state { TASK_RUNNING = 0, TASK_DONE = 1, TASK_CANCELLED = 2, TASK_STATE_COUNT };
const char *task_state_name(enum task_state state);

struct task {
    uint64_t id; /* from the store */
    enum change_verb verb;
    enum id_kind kind; /* what the walk goes over: ID_EVENT or ID_DELIVERY */
    enum task_state state;
    /* Texts are owned; NULL: not given. */
    char *ids;          /* of any kind that the verb knows, a space behind each; NULL: a walk */
    char *source;       /* filters of the walk */
    char *type;         /* exact */
    char *endpoint;     /* name; deliveries */
    int wanted;         /* enum run_state or enum delivery_state; -1: any */
    char *contains;     /* part of the reason or error */
    char *subscription; /* of events: only this one's run */
    char *reason;       /* of DROP */
    bool has_new_ids;   /* of REPLAY: its messages get new ids */
    double rate_per_s;  /* 0: as fast as it goes */
    int64_t since_ms;   /* Unix ms; what was made then or later */
    int64_t until_ms;   /* and before this */
    uint64_t cursor;    /* the last id that is done; of ids: so many bytes of them */
    uint64_t done, skipped;
    int64_t created_ms;
    int64_t ended_ms; /* 0: it runs */
};

/* False: no memory, copy is empty. */
MUST_USE bool task_copy(struct task *copy, const struct task *task);
/* Frees what it owns and empties it. */
void task_finish(struct task *task);
/* The next id of `ids` behind *offset bytes, which go on. False: there is none. */
bool task_next_id(const struct task *task, uint64_t *offset, enum id_kind *kind, uint64_t *id);
/* How far it is, from 0 to 1. */
double task_progress(const struct task *task);

#endif
