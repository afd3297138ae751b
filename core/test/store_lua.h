/* SPDX-License-Identifier: MIT */
/* The parts of the test module of the store: it drives a real store on a real loop from Lua. Lua's
 * thread is the loop's. */
#ifndef TEST_STORE_LUA_H
#define TEST_STORE_LUA_H

#include "script/fields.h"
#include "signature/signature.h"
#include "store/store_fault_int.h"
#include "store/store_int.h"

#include <lauxlib.h>
#include <lua.h>

#ifndef STORE_METATABLE
#define STORE_METATABLE "anzol_test.store"
#endif

struct lua_store {
    lua_State *L;
    uv_loop_t loop;
    struct store *store; /* NULL: closed */
    struct store_client *client;
    struct seal_ring *ring; /* owned */
    struct engine *fault;   /* the decorator, borrowed; NULL: none */
    unsigned pending;
    unsigned read_count; /* that are done */
    atomic_uint fatal_count;
};

/* Memory of one operation or read, freed together. */
struct arena {
    struct arena_block *first;
};
void *arena_take(struct arena *arena, size_t size);
/* The text field of the table at index, copied; NULL: absent. */
char *arena_field(lua_State *L, struct arena *arena, int index, const char *name);
void arena_free(struct arena *arena);

struct lua_store *check_store(lua_State *L);
lua_Integer field_integer(lua_State *L, int index, const char *name, lua_Integer absent);
bool field_boolean(lua_State *L, int index, const char *name);
/* The index of the text field in names. Raises. */
int field_option(lua_State *L, int index, const char *name, const char *const *names);

extern const char *const delivery_state_names[];
extern const char *const run_state_texts[];
extern const char *const attempt_error_texts[];
extern const char *const endpoint_state_names[];
extern const char *const lease_verb_names[];
extern const char *const change_verb_names[];

/* One operation under way. */
struct lua_op {
    union {
        struct store_op op;
        struct store_ingest ingest;
        struct store_handled handled;
        struct store_run run;
        struct store_step step;
        struct store_settle settle;
        struct store_spill spill;
        struct store_clear clear;
        struct store_lease lease;
        struct store_endpoint endpoint;
        struct store_change change;
        struct store_task task;
        struct store_resource resource;
        struct store_reseal reseal;
        struct store_erase erase;
        struct store_scrub scrub;
        struct store_routine routine;
        struct store_token token;
    } u;
    struct routine_row row;
    struct task task;
    struct resource resource;
    struct store_telling telling;
    struct published published;
    struct api_token token;
    struct store_registered registered;
    struct lua_store *store;
    int result; /* reference to the table */
    struct arena arena;
    struct event *event;
    struct outbox outbox;
    struct attempt attempt;
};

struct lua_op *op_create(lua_State *L, enum store_op_kind kind);
/* -> the table, or nil and "busy". */
int op_submit(lua_State *L, struct lua_op *it);

/* One read under way. */
struct lua_read {
    union {
        struct store_read read;
        struct store_claim_events claim_events;
        struct store_claim_batch claim_batch;
        struct store_claim_deliveries claim_deliveries;
        struct store_claim_open claim_open;
        struct store_backlog backlog;
        struct store_list_events list_events;
        struct store_list_deliveries list_deliveries;
        struct store_list_endpoints list_endpoints;
        struct store_get_event get_event;
        struct store_get_delivery get_delivery;
        struct store_get_kv get_kv;
        struct store_list_kv list_kv;
        struct store_list_steps list_steps;
        struct store_list_resources list_resources;
        struct store_list_published list_published;
        struct store_list_destinations list_destinations;
        struct store_list_sent list_sent;
        struct store_count_sent count_sent;
        struct store_list_tried list_tried;
        struct store_count_secrets count_secrets;
        struct store_list_routines list_routines;
        struct store_list_tasks list_tasks;
        struct store_list_tokens list_tokens;
        struct store_list_attempts list_attempts;
    } u;
    struct lua_store *store;
    int result;
    struct arena arena;
};

struct lua_read *read_create(lua_State *L, enum store_read_kind kind);
/* -> the table, or nil and "busy". */
int read_start(lua_State *L, struct lua_read *it);

/* The event that the table at index describes: a reference. */
struct event *field_event(lua_State *L, struct lua_store *store, int index);
/* messages, emits, writes and reads of the table at 2, the messages of this event. */
void field_outbox(lua_State *L, struct lua_op *it, uint64_t event);

/* store_routines.c */
void set_routines(lua_State *L, const struct store_list_routines *list);
int l_routine(lua_State *L);
int l_list_routines(lua_State *L);

/* store_tokens.c */
void set_token(lua_State *L, struct lua_op *it);
void set_tokens(lua_State *L, const struct store_list_tokens *list);
int l_token(lua_State *L);
int l_list_tokens(lua_State *L);

/* store_resources.c */
void set_resource(lua_State *L, const struct store_resource *op);
void set_resources(lua_State *L, const struct store_list_resources *list);
int l_clear(lua_State *L);
void set_endpoint(lua_State *L, const struct store_endpoint *endpoint);
int l_resource(lua_State *L);
int l_list_resources(lua_State *L);

/* store_kv.c */
void set_kv_read(lua_State *L, const struct lua_read *it);
int l_get_kv(lua_State *L);
int l_list_kv(lua_State *L);

/* store_published.c */
void field_published(lua_State *L, struct lua_op *it);
void set_published_read(lua_State *L, const struct lua_read *it);
int l_list_published(lua_State *L);
int l_list_destinations(lua_State *L);
int l_list_sent(lua_State *L);
int l_count_sent(lua_State *L);
int l_list_tried(lua_State *L);

/* store_erase.c */
void set_erase(lua_State *L, struct store_erase *op);
int l_erase(lua_State *L);
int l_scrub(lua_State *L);

/* store_secrets.c */
void set_reseal(lua_State *L, const struct store_reseal *op);
void set_secret_counts(lua_State *L, const struct store_count_secrets *list);
int l_reseal(lua_State *L);
int l_count_secrets(lua_State *L);
int l_add_keys(lua_State *L);

/* store_changes.c */
void set_changes(lua_State *L, const struct store_change *op);
int l_change(lua_State *L);
int l_task(lua_State *L);
void set_listed_tasks(lua_State *L, const struct store_list_tasks *list);
/* last and is_end of a page. */
void set_page(lua_State *L, uint64_t last, bool is_end);

/* store_leases.c */
int l_lease(lua_State *L);
/* The options of a claim that are about leases. */
void field_leased(lua_State *L, struct arena *arena, struct store_claim_deliveries *claim);

/* store_ops.c, store_reads.c: methods of a store. */
extern const luaL_Reg store_op_methods[];
extern const luaL_Reg store_read_methods[];
/* store_vfs.c: the file system that loses power. */
extern const luaL_Reg store_vfs_functions[];
/* store_bench.c */
extern const luaL_Reg store_bench_functions[];
/* store_dedupe.c */
extern const luaL_Reg store_dedupe_functions[];

#endif
