/* SPDX-License-Identifier: MIT */
/* The parts of the module anzol_test.http. */
#ifndef TEST_HTTP_INT_H
#define TEST_HTTP_INT_H

#include "http/http.h"

#include <lauxlib.h>
#include <lua.h>

/* A metatable that is its own __index. */
void test_class(lua_State *L, const char *name, const luaL_Reg *functions);

/* Each adds its functions to the module's table on the top of the stack. */
void test_add_requests(lua_State *L);
void test_add_clients(lua_State *L);
void test_add_checks(lua_State *L);

/* The userdata of a request, the same for the same request until it is forgotten. */
void test_push_request(lua_State *L, struct http_request *request);
void test_forget_request(lua_State *L, struct http_request *request);

#endif
