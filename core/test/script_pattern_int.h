/* SPDX-License-Identifier: MIT */
/* Our patterns beside those of stock Lua: the same calls in two states, told as text. */
#ifndef TEST_SCRIPT_PATTERN_INT_H
#define TEST_SCRIPT_PATTERN_INT_H

#include "base/base.h"

#include <lua.h>

struct script;

struct pattern_pair {
    struct slice text;
    struct slice pattern;
    struct slice replacement;
    lua_Integer init;
};

struct pattern_judge {
    struct script *script;
    lua_State *ours;
    lua_State *stock;
};

void pattern_judge_open(struct pattern_judge *judge);
void pattern_judge_close(struct pattern_judge *judge);
/* False: they differ; both texts are on top of the states. Otherwise nothing is. */
bool pattern_judge_agrees(const struct pattern_judge *judge, const struct pattern_pair *pair);

#endif
