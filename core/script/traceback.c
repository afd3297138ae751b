/* SPDX-License-Identifier: MIT */
/* Tracebacks that cost the same however deep a recursion was. Lua finds a level by walking to it
 * from the top, and luaL_traceback asks for the last one some thirty times: of 160,000 levels, as
 * many as fit into a job's memory, that was half of the 38 ms that ending the job took. */
#include "script/script_int.h"

#define LEVELS_DEEP 1000
#define LEVELS_TOLD 10 /* of a deep stack, as many as luaL_traceback tells before it skips some */

static void push_level(lua_State *L, lua_State *from, lua_Debug *debug)
{
    lua_getinfo(from, "Sln", debug);
    lua_pushfstring(L, "\n\t%s:", debug->short_src);
    if (debug->currentline > 0)
        lua_pushfstring(L, "%d:", debug->currentline);
    else
        lua_pushliteral(L, "");
    if (debug->namewhat[0] != '\0')
        lua_pushfstring(L, " in %s '%s'", debug->namewhat, debug->name);
    else if (debug->what[0] == 'C')
        lua_pushliteral(L, " in ?");
    else
        lua_pushfstring(L, " in function <%s:%d>", debug->short_src, debug->linedefined);
    lua_concat(L, 3);
}

bool traceback_is_deep(lua_State *L)
{
    lua_Debug debug;
    return lua_getstack(L, LEVELS_DEEP, &debug) != 0;
}

void l_push_traceback(lua_State *L, lua_State *from, const char *message, int level)
{
    lua_Debug any;
    if (!lua_getstack(from, level, &any)) { /* an error that was returned: all has ended */
        lua_pushstring(L, message ? message : "");
        return;
    }
    if (!traceback_is_deep(from)) {
        luaL_traceback(L, from, message, level);
        return;
    }
    luaL_checkstack(L, LEVELS_TOLD + 8, NULL);
    lua_pushfstring(L, "%s%sstack traceback:", message ? message : "", message ? "\n" : "");
    lua_Debug debug = {0};
    int count = 0;
    for (; count < LEVELS_TOLD && lua_getstack(from, level + count, &debug); count++)
        push_level(L, from, &debug);
    lua_pushfstring(L, "\n\t...\t(more than %d levels)", LEVELS_DEEP);
    lua_concat(L, count + 2);
}
