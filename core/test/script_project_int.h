/* SPDX-License-Identifier: MIT */
/* A loaded project in the hands of a spec. */
#ifndef TEST_SCRIPT_PROJECT_INT_H
#define TEST_SCRIPT_PROJECT_INT_H

#include "base/id.h"
#include "base/queue.h"
#include "script/fields.h"
#include "script/script.h"
#include "shared/shared.h"

#include <lauxlib.h>
#include <lua.h>

struct waiting_run;

struct project {
    struct generation *generation;
    struct script *script; /* of worker 0; NULL until attached */
    uv_loop_t loop;
    struct shared *shared;
    struct timers timers;
    struct queue exchanges; /* asked for and not answered */
    lua_Integer last_exchange;
    uint64_t next_id;
    size_t open_count; /* runs and admissions whose callback is to come */
};

void project_open(lua_State *L);
/* script_exchange.c */
void exchange_add_hooks(struct script_hooks *hooks);
int l_project_exchanges(lua_State *L);
int l_project_answer(lua_State *L);
/* script_hooks.c */
int l_project_init(lua_State *L);
/* load { dir, workers?, allow_missing_secrets?, scripts? } -> project | nil, findings, text */
int l_project_load(lua_State *L);
struct project *project_check(lua_State *L);
int l_project_admit(lua_State *L);
int l_project_run(lua_State *L);
int l_project_start(lua_State *L);
int l_project_tick(lua_State *L);
int l_project_transform(lua_State *L);
int l_project_retry(lua_State *L);
int l_project_success(lua_State *L);
int l_project_bench(lua_State *L);
int l_project_bytes(lua_State *L);
int l_project_objects(lua_State *L);
int l_project_order(lua_State *L);
int l_project_sign(lua_State *L);
int l_phases(lua_State *L);
int l_patterns(lua_State *L);
int l_pattern_time(lua_State *L);
/* { type, source, body, headers, … } at index as an event; the caller's. */
struct event *read_event(lua_State *L, int index);
/* { type, body, headers, … } at index as a message; the caller's reference. */
struct message *read_message(lua_State *L, int index);

/* { {name, value}, … } at index -> packed, in buf. */
void read_head(lua_State *L, int index, struct buf *head);
/* A packed head as { {name, value}, … }. */
void push_head(lua_State *L, struct slice head);

#endif
