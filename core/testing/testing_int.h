/* SPDX-License-Identifier: MIT */
/* What the files of testing/ share. l_ functions are methods of a project or of what it made; what
 * each takes and gives stands above it. Things that end later (a job may wait) fill a result table
 * of the caller's and put it into the list that project:finished() gives. */
#ifndef TESTING_TESTING_INT_H
#define TESTING_TESTING_INT_H

#include "base/id.h"
#include "base/queue.h"
#include "model/delivery.h"
#include "model/directory.h"
#include "script/fields.h"
#include "script/script.h"
#include "send/send.h"
#include "shared/shared.h"
#include "store/store.h"

#include <lauxlib.h>
#include <lua.h>

/* A value of anzol.kv; deleted ones stay, with value NULL. */
struct kept_value {
    char *ns, *key, *value; /* owned */
    uint64_t version;
    int64_t expires_ms; /* 0: never */
};

/* What a step of a run returned. */
struct kept_step {
    uint64_t event;
    char *subscription, *name, *result; /* owned */
};

struct project {
    struct generation *generation;
    struct script *script; /* NULL: not loaded, or closed */
    char *dir;             /* owned */
    uv_loop_t loop;
    struct shared *shared;
    struct directory *directory; /* of endpoints that the spec registered */
    struct timer_heap timers;    /* of the script, by now_ms */
    struct queue exchanges;      /* that wait for their answer */
    lua_Integer last_exchange;
    struct id_source ids;
    uint64_t last_row;                   /* the last delivery's id */
    uint64_t random;                     /* the state of chance */
    int64_t now_ms;                      /* both clocks */
    struct pace *paces;                  /* of each endpoint of the scripts; owned */
    struct registered_pace **registered; /* of those of applications; owned */
    size_t registered_count;
    lua_State *L;            /* of the call under way */
    struct buf variable;     /* the one asked for last */
    struct buf text;         /* scratch of one call */
    size_t unfinished;       /* results to come */
    struct kept_value *kept; /* owned */
    size_t kept_count;
    uint64_t kept_version;    /* the last one given */
    struct routine_row *rows; /* of the registry's routines; owned. NULL: not planned yet */
    struct kept_step *steps;  /* owned */
    size_t step_count;
};

/* What a project keeps in the outer state, in its user value. */
enum project_slot { SLOT_FINISHED = 1, SLOT_LOGS, SLOT_VARIABLES, SLOT_EXCHANGES, SLOT_ROWS };

/* project.c */
void project_open(lua_State *L);
int l_project_load(lua_State *L);
/* The project at index 1, open; its time, chance and log are in force. */
struct project *project_check(lua_State *L);
/* The same for what a project made: raises if it was closed. */
void project_enter(lua_State *L, struct project *project);
/* Pushes the object of a project; nil while it is being collected. */
void project_push(lua_State *L, const struct project *project);
/* Takes the table on top to be a result that is to come: a reference for project_push_result. */
int project_expect_result(lua_State *L, struct project *project);
/* Pushes it for the last time and puts it into the list of what is finished. */
void project_push_result(lua_State *L, struct project *project, int reference);

/* Sets in the table on top what endpoints() tells of one. */
void endpoint_push_fields(lua_State *L, const struct endpoint_spec *endpoint);
/* Pushes the value of a slot; nil while the project is being collected. */
void project_push_slot(lua_State *L, const struct project *project, enum project_slot slot);
/* Appends what is on top to a slot's list. */
void project_append(lua_State *L, const struct project *project, enum project_slot slot);

/* The folder of the project whose call is under way; "": none. */
const char *project_dir_in_force(void);

/* coverage.c: lines are counted if the environment asks for it. Once. */
void coverage_open(lua_State *L);

/* exchange.c: hooks of the script, and what ends them */
enum status exchange_start(void *ctx, const struct exchange_request *request, exchange_cb on_done,
                           void *done_ctx, struct exchange **exchange, struct err *err);
void exchange_cancel(void *ctx, struct exchange *exchange);
int l_project_answer_exchange(lua_State *L);

/* store.c: keys and values, steps */
enum status kept_read(void *ctx, struct store_read *read);
enum status kept_submit(void *ctx, struct store_op *op);
enum kept_outcome { KEPT_OK, KEPT_CONFLICT, KEPT_NO_NUMBER };
enum kept_outcome kept_commit(struct project *project, struct outbox *outbox);
void kept_finish(struct project *project);
int l_project_kv_get(lua_State *L);
int l_project_kv_keys(lua_State *L);
int l_project_kv_set(lua_State *L);

/* list.c: answers a read of STORE_LIST_EVENTS or STORE_LIST_DELIVERIES */
MUST_USE enum status list_answer(struct project *project, struct store_read *read);

/* intake.c */
int l_project_receive(lua_State *L);
int l_project_sign(lua_State *L);

/* event.c */
void event_handle_open(lua_State *L);
/* Takes the reference. */
void event_handle_push(lua_State *L, struct event *event);
struct event *event_handle_check(lua_State *L, int index);
int l_project_match(lua_State *L);
int l_project_retype(lua_State *L);
int l_project_unverified(lua_State *L);
int l_project_publish(lua_State *L);
/* Takes the reference, pushes the event's handle; NULL: nothing. Returns how many it pushed. */
int project_push_meta(lua_State *L, struct project *project, struct event *event, uint32_t depth);

/* registered.c */
int l_project_register(lua_State *L);
int l_project_fan_out(lua_State *L);
int l_project_is_signed(lua_State *L);
/* Its pace; made when it is asked for. */
struct pace *registered_pace_of(struct project *project, uint64_t endpoint);
/* A reference to the endpoint of this name as it is now; NULL: an application has none so. */
struct registry *registered_find(const struct project *project, const char *name);
void registered_finish(struct project *project);

/* run.c */
int l_project_run(lua_State *L);
int l_project_init(lua_State *L);
int l_project_rerun_delay(lua_State *L);

/* What commits with a run, given away, as fields of the table on top: deliveries, emits, changes.
 */
void set_outbox(lua_State *L, struct project *project, struct outbox *outbox);

/* routine.c */
void routines_forget(struct project *project);
int l_project_routines(lua_State *L);
int l_project_run_routine(lua_State *L);

/* delivery.c */
void delivery_handle_open(lua_State *L);
/* Takes the delivery, and the reference to what the endpoint is of (NULL: the scripts). */
void delivery_handle_push(lua_State *L, struct project *project,
                          const struct endpoint_spec *endpoint, struct registry *registered,
                          struct delivery *delivery);
/* The delivery of a handle, and its endpoint. Borrows. */
const struct delivery *delivery_handle_check(lua_State *L, int index,
                                             const struct endpoint_spec **endpoint);
/* "timeout" -> ATTEMPT_TIMEOUT, "" -> ATTEMPT_OK; raises for others. */
enum attempt_error attempt_error_check(lua_State *L, struct slice name);
int l_project_pace_wait(lua_State *L);
int l_project_forgive(lua_State *L);

/* fields.c: between tables and C */
/* A packed head as { {name, value}, … }, without pseudo fields. */
void set_head(lua_State *L, const char *name, struct slice head);
/* Field `name` of the table at index; borrowed from it. Absent: "". */
struct slice field_text(lua_State *L, int index, const char *name);
lua_Integer field_integer(lua_State *L, int index, const char *name, lua_Integer fallback);
/* Field headers, { {name, value}, … }, appended to a head; false: over its limit. */
bool field_head(lua_State *L, int index, struct buf *head);

#endif
