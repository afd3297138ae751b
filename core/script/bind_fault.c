/* SPDX-License-Identifier: MIT */
/* anzol.fault, in builds for specs and there only where ANZOL_FAULTS is set: what no script can do,
 * so that what would come after it can be seen. */
#include "script/bind_int.h"

#ifdef ANZOL_CRASH_POINTS
#include "base/clock.h"

#include <signal.h>
#include <stdlib.h>

/* Ends the process as a bug in C would. */
static int l_crash(lua_State *L)
{
    (void)L;
    (void)raise(SIGKILL);
    return 0;
}

/* Stays in C for this many milliseconds. */
static int l_stick(lua_State *L)
{
    const int64_t end_ms = clock_mono_ms() + luaL_checkinteger(L, 1);
    while (clock_mono_ms() < end_ms)
        continue;
    return 0;
}

void open_fault(lua_State *L)
{
    static const luaL_Reg functions[] = {{"crash", l_crash}, {"stick", l_stick}, {NULL, NULL}};
    if (!getenv("ANZOL_FAULTS"))
        return;
    luaL_newlib(L, functions);
    lua_setfield(L, -2, "fault");
}
#else
void open_fault(lua_State *L)
{
    (void)L;
}
#endif
