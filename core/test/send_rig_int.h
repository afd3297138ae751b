/* SPDX-License-Identifier: MIT */
/* The rig of the specs of sending, all on one loop that the spec turns by hand: a sender, a store
 * in memory that fails on request, and scripted TCP servers. */
#ifndef TEST_SEND_RIG_INT_H
#define TEST_SEND_RIG_INT_H

#include "base/queue.h"
#include "script/fields.h"
#include "send/send.h"

#include <lauxlib.h>
#include <lua.h>

/* send_rig.c: rig{…} and its methods. */
extern const luaL_Reg send_rig_functions[];
/* send_resolver.c: names and lookups. */
extern const luaL_Reg send_resolver_functions[];

/* ---- send_fields.c: fields of the table at index; absent for nil --------------------------------
 */

lua_Integer get_integer(lua_State *L, int index, const char *name, lua_Integer absent);
double get_number(lua_State *L, int index, const char *name, double absent);
bool get_boolean(lua_State *L, int index, const char *name);
char *get_copy(lua_State *L, int index, const char *name, const char *absent);
/* Field trace: a traceparent. */
struct trace get_trace(lua_State *L, int index);
void get_head(lua_State *L, int index, const char *name, struct buf *head);
void set_head(lua_State *L, const char *name, struct slice head);
void push_attempt(lua_State *L, const struct attempt *attempt);

/* ---- send_store.c: the store in memory ---------------------------------------------------------
 */

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

/* ---- send_endpoint.c ---------------------------------------------------------------------------
 */

/* The table at index: name, id, url and what endpoint_spec has. All but the gate. */
void read_endpoint(lua_State *L, int index, struct endpoint_spec *spec);

/* ---- send_pace.c ---- */

int l_has_slot(lua_State *L);
int l_pace(lua_State *L);

/* ---- send_exchange.c ---------------------------------------------------------------------------
 */

/* Upon (rig, request): see there. */
int exchange_start(lua_State *L, struct exchanges *exchanges);

/* ---- send_server.c: servers that answer as a Lua function says ---------------------------------
 */

struct fake_server;

/* Pushes the port. The function at index: (request) -> answer, see send_server.c. */
struct fake_server *fake_server_open(lua_State *L, uv_loop_t *loop, int index);
int fake_server_port(const struct fake_server *server);
void fake_server_close(struct fake_server *server);

#endif
