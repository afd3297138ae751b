/* SPDX-License-Identifier: MIT */
/* anzol/core.so: the core as a Lua module, for specs. lua/anzol/testing.lua drives it: the outer
 * state (busted's) keeps the time and the order of things, this loads a real generation into an
 * inner state and does each single step with the functions the server does it with.
 *
 * One thread: the outer state's. Clocks, chance and log are the project's during each call. */
#ifndef TESTING_TESTING_H
#define TESTING_TESTING_H

struct lua_State;
int luaopen_anzol_core(struct lua_State *L);

#endif
