/* SPDX-License-Identifier: MIT */
/* A state of Lua for a target, whose memory returns to its base. */
#ifndef FUZZ_SCRIPT_STATE_H
#define FUZZ_SCRIPT_STATE_H

#include "script/script_int.h"

#include <lauxlib.h>

#define LOOK_EVERY 256    /* inputs; collecting everything costs more than most of them */
#define SLACK_BYTES 16384 /* the table of short strings and the stack shrink by and by */

struct fuzz_state {
    struct script *script;
    size_t base_bytes;
    unsigned count; /* of inputs */
};

static inline size_t fuzz_state_bytes(const struct fuzz_state *state)
{
    lua_settop(state->script->L, 0);
    (void)lua_gc(state->script->L, LUA_GCCOLLECT);
    (void)lua_gc(state->script->L, LUA_GCCOLLECT);
    return state->script->bytes;
}

/* Calls l_judge(data), which must not raise. l_open(): prepares a new state; may be NULL. */
static inline void fuzz_state_judge(struct fuzz_state *state, lua_CFunction l_open,
                                    lua_CFunction l_judge, struct slice data)
{
    if (!state->script) {
        state->script = script_create(NULL, 0, STATE_CLI);
        check(state->script);
        if (l_open) {
            lua_pushcfunction(state->script->L, l_open);
            check(lua_pcall(state->script->L, 0, 0, 0) == LUA_OK);
        }
        state->base_bytes = fuzz_state_bytes(state);
    }
    lua_State *L = state->script->L;
    lua_settop(L, 0);
    lua_pushcfunction(L, l_judge);
    lua_pushlstring(L, data.data, data.len);
    check(lua_pcall(L, 1, 0, 0) == LUA_OK);
    if (++state->count % LOOK_EVERY == 0)
        check(fuzz_state_bytes(state) <= state->base_bytes + SLACK_BYTES);
}

#endif
