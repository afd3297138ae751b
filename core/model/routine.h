/* SPDX-License-Identifier: MIT */
/* A routine is what runs by itself: a cron, an every, a poll, a stream of server-sent events. Its
 * registration (spec), its place in time as the store keeps it (row), and the rules that lead from
 * one run to the next. Pure, any thread.
 *
 * Times are Unix ms: of the wall clock for a cron, since it is about what clocks show; of a clock
 * that never steps for the others, since they are about what goes by. Whoever calls says which time
 * it is. */
#ifndef MODEL_ROUTINE_H
#define MODEL_ROUTINE_H

#include "model/backoff.h"
#include "model/cron.h"
#include "model/source_load.h"

/* The numbers are stored: never renumber. */
enum routine_kind {
    ROUTINE_CRON = 0,
    ROUTINE_EVERY = 1,
    ROUTINE_POLL = 2,
    ROUTINE_SSE = 3,
    ROUTINE_KIND_COUNT
};
const char *routine_kind_name(enum routine_kind kind);
/* A number for a routine, the same always; its last byte is the shard. */
uint64_t routine_id(enum routine_kind kind, const char *name);

/* What a cron does about times that came and went while it could not run. */
enum missed_ticks { MISSED_LATEST, MISSED_ALL, MISSED_NONE };

/* How long from the beginning of one run of a poll to that of the next. An adaptive interval moves
 * between min_ms and max_ms: shrinks when items came, grows when none did. */
struct interval {
    int64_t min_ms;
    int64_t max_ms; /* = min_ms: regular */
    double shrink;  /* divides, when items came */
    double grow;    /* multiplies, when none did */
    double jitter;  /* each wait is so much longer or shorter, at most: 0.1 is 10 % */
};

struct routine_spec {
    enum routine_kind kind;
    char *name;        /* unique in its kind */
    char *rule;        /* its place in time, for people: "0 9 * * *, Europe/Lisbon", "5s to 10m" */
    struct cron cron;  /* of a cron */
    struct zone *zone; /* owned */
    enum missed_ticks missed;
    struct interval interval; /* of the others */
    bool is_long;             /* the next run begins when one ended */
    struct backoff on_error;
    char *url;         /* of a stream */
    struct slice head; /* packed; owned */
    bool allow_private;
    int64_t silence_ms;  /* of a stream: so long nothing comes, then it is opened anew */
    int64_t deadline_ms; /* of a run */
    int function;
    char *script; /* file:line of the registration */
};
void routine_spec_finish(struct routine_spec *spec);

/* Why a poll waits as long as it does. The numbers are stored. */
enum routine_why {
    WHY_RULE = 0,        /* its schedule or regular interval */
    WHY_ITEMS = 1,       /* items came: shrunk */
    WHY_NO_ITEMS = 2,    /* none came: grown */
    WHY_SLOW = 3,        /* the source takes long to answer */
    WHY_MAX_AGE = 4,     /* Cache-Control: the answer stays what it is so long */
    WHY_RATE_LIMIT = 5,  /* what the source allows in that time */
    WHY_RETRY_AFTER = 6, /* the source said when */
    WHY_SCRIPT = 7,      /* anzol.after */
    WHY_ERROR = 8,       /* on_error */
    WHY_LONG = 9,        /* long polling: at once */
    WHY_STREAM = 10,     /* its stream ended badly, or could not be opened */
    WHY_CRASH = 11,      /* the process ended in it too often: it rests until a reload */
    WHY_COUNT
};
const char *routine_why_name(enum routine_why why);

/* As stored, by kind and name. Zeroed: not there yet. */
struct routine_row {
    uint64_t version;    /* goes up with each commit; 0: not stored */
    char *rule;          /* that of the spec which it was planned by; owned */
    int64_t due_ms;      /* its next run */
    int64_t tick_ms;     /* the time that that run is for: later tries of a run keep it */
    int64_t previous_ms; /* the tick before; 0: none */
    int64_t interval_ms; /* polls: where an adaptive interval stands */
    int64_t wait_ms;     /* between the last run and the next */
    enum routine_why why;
    int64_t answer_ms;   /* polls: how long the source takes, smoothed; 0: not known */
    uint32_t failures;   /* in a row */
    char *error;         /* of the last run; owned, NULL: it went well */
    char *place;         /* of a stream: the id of the last message done with; owned, may be NULL */
    int64_t last_ms;     /* when the last run began; 0: there was none */
    int64_t duration_ms; /* and how long it took */
    int64_t last_items;  /* that it found */
    uint64_t runs, items; /* in all; runs that went well */
    int64_t told_ms;      /* not stored: when scripts were last told that one was given up */
};
/* Into a zeroed or finished one. */
void routine_row_copy(struct routine_row *copy, const struct routine_row *row);
void routine_row_finish(struct routine_row *row);

/* How a run ended. */
struct routine_end {
    int64_t started_ms;
    int64_t ended_ms;
    const char *error; /* NULL: it went well */
    bool is_timeout;   /* the error is that the source did not answer in time */
    bool has_delay;
    int64_t delay_ms; /* anzol.after, from the end */
    int64_t items;
    const char *place; /* of the message of a stream; NULL: it was no message that failed */
    struct source_load load;
    double random; /* uniform in [0, 1) */
};

/* Brings the row into agreement with the spec: a new one, one whose rule changed, one whose clock
 * was set back. True: it changed, and is to be stored. */
bool routine_plan(const struct routine_spec *spec, struct routine_row *row, int64_t now_ms);
/* The row's time came, or may have. */
enum routine_turn {
    ROUTINE_EARLY,   /* not due yet (row->due_ms) */
    ROUTINE_RUN,     /* runs for row->tick_ms */
    ROUTINE_SKIPPED, /* what was missed is let go: the row went on, and is to be stored */
};
enum routine_turn routine_take(const struct routine_spec *spec, struct routine_row *row,
                               int64_t now_ms);
/* It runs now. The time of a cron or an every is now then, if its own is still to come or would be
 * let go; an every counts from there, a poll keeps its place. */
void routine_hasten(const struct routine_spec *spec, struct routine_row *row, int64_t now_ms);
/* A message of its stream is there: whatever ailed the stream is over. */
void routine_heard(struct routine_row *row);
/* The run ended: where the row stands now. True: it goes on as planned; false: the run failed, and
 * will not be tried again. */
bool routine_go_on(const struct routine_spec *spec, struct routine_row *row,
                   const struct routine_end *end);
/* It is not run any more: its time stays, and it goes on when it may. */
void routine_park(struct routine_row *row, const char *error);

/* What scripts are told of. */
enum routine_news {
    ROUTINE_NO_NEWS,
    ROUTINE_GAVE_UP, /* a time of a cron or an every, or a message, is not tried again; told at most
                        once in ROUTINE_TOLD_MS */
    ROUTINE_FAILING, /* a poll or a stream failed LIMIT_ROUTINE_FAILURES times in a row, and goes on
                      */
    ROUTINE_STOPPED, /* parked */
};
#define ROUTINE_TOLD_MS 60000
const char *routine_news_name(enum routine_news news);
/* Behind routine_go_on, with what that returned. */
enum routine_news routine_take_news(const struct routine_spec *spec, struct routine_row *row,
                                    const struct routine_end *end, bool goes_on);

#endif
