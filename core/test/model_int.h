/* SPDX-License-Identifier: MIT */
/* What the files of anzol_test.model share. */
#ifndef TEST_MODEL_INT_H
#define TEST_MODEL_INT_H

#include <lauxlib.h>
#include <lua.h>

/* Adds `routine` to the module's table on top. */
void open_routines(lua_State *L);

#endif
