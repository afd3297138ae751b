/* SPDX-License-Identifier: MIT */
/* What the files of console/ share. */
#ifndef CONSOLE_CONSOLE_INT_H
#define CONSOLE_CONSOLE_INT_H

#include "base/id.h"
#include "base/timer.h"
#include "script/script.h"
#include "send/send.h"
#include "shared/shared.h"

#include <lauxlib.h>

struct console {
    struct generation *generation;
    struct script *script;
    uv_loop_t loop;
    struct timers timers;
    struct exchanges *exchanges;
    struct id_source ids;
    struct shared *shared;
};

/* What a script asks of its worker, here of the command's loop. */
struct script_hooks console_hooks(struct console *console);

/* The event of the table at index: { type, source, body, headers, query }. Raises for what is
 * wrong. NULL: no memory. */
struct event *event_read(lua_State *L, int index);
/* Pushes the list of what the run would have committed. */
void effects_push(lua_State *L, const struct outbox *outbox);

#endif
