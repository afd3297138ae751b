/* SPDX-License-Identifier: MIT */
/* anzol.retry(id), anzol.drop(id, reason?), anzol.replay(id): what an operator does by hand, done
 * by a handler; it commits with the run. */
#include "script/bind_int.h"

#include <stdlib.h>

#define DROPPED "dropped by a handler"

/* The id at 1: of a delivery, or of an event if those are taken. */
static void read_id(lua_State *L, const char *function, bool takes_events, struct change *what)
{
    const char *text = luaL_checkstring(L, 1);
    what->kind = ID_DELIVERY;
    if (id_parse(ID_DELIVERY, text, &what->id))
        return;
    what->kind = ID_EVENT;
    if (takes_events && id_parse(ID_EVENT, text, &what->id))
        return;
    (void)luaL_error(L, "%s: '%s' is no id of a delivery (dlv_...)%s", function, text,
                     takes_events ? " or an event (evt_...)" : "");
}

static int add(lua_State *L, const char *function, struct outbox_change *change)
{
    struct outbox *outbox = outbox_check(L, function);
    if (outbox->change_count >= LIMIT_CHANGES_PER_RUN)
        return luaL_error(L, "a run may retry, drop and replay at most %d times",
                          LIMIT_CHANGES_PER_RUN);
    if (change->what.verb == CHANGE_DROP) {
        const char *reason = luaL_optstring(L, 2, DROPPED);
        luaL_argcheck(L, strlen(reason) <= LIMIT_REASON_BYTES, 2, "the reason is too long");
        change->reason = strdup(reason);
        if (!change->reason)
            return luaL_error(L, "out of memory");
    }
    if (outbox_add_change(outbox, change) == OK)
        return 0;
    free(change->reason);
    return luaL_error(L, "out of memory");
}

static int l_retry(lua_State *L)
{
    struct outbox_change change = {.what.verb = CHANGE_RETRY};
    read_id(L, "anzol.retry", true, &change.what);
    return add(L, "anzol.retry", &change);
}

static int l_drop(lua_State *L)
{
    struct outbox_change change = {.what.verb = CHANGE_DROP};
    read_id(L, "anzol.drop", true, &change.what);
    return add(L, "anzol.drop", &change);
}

static int l_replay(lua_State *L)
{
    struct outbox_change change = {.what.verb = CHANGE_REPLAY};
    read_id(L, "anzol.replay", false, &change.what);
    return add(L, "anzol.replay", &change);
}

void open_change(lua_State *L)
{
    lua_pushcfunction(L, l_retry);
    lua_setfield(L, -2, "retry");
    lua_pushcfunction(L, l_drop);
    lua_setfield(L, -2, "drop");
    lua_pushcfunction(L, l_replay);
    lua_setfield(L, -2, "replay");
}
