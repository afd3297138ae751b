/* SPDX-License-Identifier: MIT */
/* send_store.c: the store in memory that the rig sends from. */
#ifndef TEST_SEND_STORE_INT_H
#define TEST_SEND_STORE_INT_H

#include "send_rig_int.h"

struct fake_attempt {
    struct attempt attempt; /* head, body and detail are copies */
    enum delivery_state state;
};

struct fake_row {
    uint64_t id;
    uint64_t endpoint;
    struct message *message; /* owned reference */
    enum delivery_state state;
    uint32_t attempts;
    int64_t created_ms;
    int64_t due_ms;   /* 0: held by its owner; from STORE_HELD_MS on: waits for its key */
    char *order_key;  /* NULL: none */
    bool is_blocking; /* dead, its key waits for it */
    int priority;
    char *reason;
    struct fake_attempt *made;
    size_t made_count;
};

/* Probabilities of 0 to 1. */
struct fake_faults {
    double settle_io;   /* a settlement fails: nothing is written */
    double settle_lies; /* written, but it says E_IO */
    double read_io;     /* a read fails */
    double read_busy;   /* the readers are full */
    double credit_busy; /* no credit */
    bool shuffle;       /* commits, snapshots and completions come in random turns */
};

struct fake_endpoint {
    char name[64];
    enum endpoint_state state;
    char reason[128];
};

struct store {
    uv_timer_t timer;
    struct queue submitted; /* struct fake_step: not applied yet */
    struct queue applied;   /* applied, not completed */
    struct queue asked;     /* reads without a snapshot yet */
    struct queue answered;  /* with one */
    struct fake_row **rows;
    size_t row_count;
    size_t row_capacity;
    size_t first_open; /* all rows before are over */
    struct fake_faults faults;
    uint64_t random;
    uint64_t last_id;
    long credits_out;
    long credits_most;
    unsigned settle_repeats; /* settlements of what was settled before */
    struct fake_endpoint endpoints[64];
    size_t endpoint_count;
    uint64_t last_turn; /* of endpoints */
};

/* A delivery on its way into the store, as a worker commits it. */
struct fake_commit {
    const struct endpoint_spec *spec;
    struct message *message; /* a reference is taken over */
    int64_t delay_ms;
    char *order_key; /* taken over; NULL: none */
    int priority;
};

void get_faults(lua_State *L, int index, struct fake_faults *faults);
void fake_open(struct store *store, uv_loop_t *loop, uint64_t seed);
void fake_close(struct store *store);
/* gate, commit, then sender_take or sender_hint by on_done. */
typedef void (*fake_committed_cb)(struct delivery *delivery, bool is_held, void *ctx);
void fake_commit(struct store *store, const struct fake_commit *commit, fake_committed_cb on_done,
                 void *ctx);
/* Nothing under way. */
bool fake_is_quiet(const struct store *store);
/* The process dies: what is under way is forgotten, the rows stay. */
void fake_crash(struct store *store);
double fake_random(struct store *store);

#endif
