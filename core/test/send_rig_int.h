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
