/* SPDX-License-Identifier: MIT */
/* What the files of anzol_test.base share. */
#ifndef TEST_BASE_INT_H
#define TEST_BASE_INT_H

#include <lua.h>

int l_zone(lua_State *L);

#endif
