/* SPDX-License-Identifier: MIT */
/* What routine.c (life cycle, time, rows) and routine_run.c (runs and their commits) share. All on
 * the worker's thread. */
#ifndef WORKER_ROUTINE_INT_H
#define WORKER_ROUTINE_INT_H

#include "base/limits.h"
#include "worker/worker_int.h"

enum routine_phase {
    PHASE_LOADING, /* its row is being read */
    PHASE_WAITING, /* for its time */
    PHASE_READY,   /* for its turn */
    PHASE_RUNNING, /* a job in Lua */
    PHASE_COMMITTING,
    PHASE_ROUTINE_COUNT
};

struct routine {
    struct node node; /* of routines.ready while READY */
    struct timer timer;
    struct worker *worker;
    uint64_t id;
    enum routine_kind kind;
    char name[LIMIT_NAME_BYTES + 1];
    enum routine_phase phase;
    const struct routine_spec *spec; /* of generation; as registered last */
    struct generation *generation;   /* reference that keeps spec */
    bool is_gone;                    /* not registered any more */
    struct routine_row row;          /* as stored */
    struct generation *running;      /* reference: the one that its job is of; NULL: no job */
    struct script *script;           /* and its state */
    struct stream *stream;           /* of anzol.sse; NULL: not opened yet */
    struct routine_end end;          /* of the run under way */
    unsigned conflicts;              /* so often others changed what it had read of kv */
    struct routine_row next;         /* what is being committed */
    struct outbox *outbox;
    struct event *event;
    struct store_routine op;
};

/* routine.c */
void routine_move(struct routine *it, enum routine_phase phase);
/* By the clock that its times are of. */
int64_t routine_now(const struct routine *it);
/* It is WAITING: looked after then. */
void routine_wait(struct routine *it, int64_t delay_ms);
/* Something that worker->active counts has ended: it waits again for its time, or is gone. */
void routine_settle(struct routine *it);
/* Rows are read, for those that are LOADING. */
void routines_load(struct worker *worker);

/* routine_run.c */
/* READY, with a credit of the store. */
void routine_start(struct routine *it);
/* Its row goes on without a run. */
void routine_commit_row(struct routine *it);
/* Its stream ended badly, or (NULL) stands again: that commits as a run does. */
void routine_note(struct routine *it, const struct stream_problem *problem);
/* The process ended in it too often: that commits, and is told. */
void routine_stop(struct routine *it);
/* A long poll waits for what may never come: nobody waits for it in turn. It committed nothing, so
 * it begins again, on what serves then. */
void routine_cancel_long(struct routine *it);

#endif
