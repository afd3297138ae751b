/* SPDX-License-Identifier: MIT */
/* What the files of anzol_test.base share. */
#ifndef TEST_BASE_INT_H
#define TEST_BASE_INT_H

#include <lua.h>

/* base_json.c */
int l_is_json(lua_State *L);
int l_json_items(lua_State *L);
int l_json_look(lua_State *L);
/* base_zone.c */
int l_zone(lua_State *L);

#endif
