/* SPDX-License-Identifier: MIT */
/* What the files of console/ share. */
#ifndef CONSOLE_CONSOLE_INT_H
#define CONSOLE_CONSOLE_INT_H

#include "base/id.h"
#include "base/timer.h"
#include "script/script.h"
#include "send/send.h"
#include "shared/shared.h"
#include "store/store.h"

#include <lauxlib.h>

/* What anzol.kv holds, in the order of namespaces and keys. Zeroed: nothing. */
struct value {
    char *ns, *key, *text; /* owned; text is JSON */
    uint64_t version;
    int64_t expires_ms; /* 0: never */
};
struct values {
    struct value *rows;
    size_t count;
    uint64_t version; /* of the last change */
};

struct console {
    struct generation *generation;
    struct script *script;
    uv_loop_t loop;
    struct timers timers;
    struct exchanges *exchanges;
    struct id_source ids;
    struct shared *shared;
    struct values values;
    struct letter *reads; /* asked for, answered when reads_due is */
    struct timer reads_due;
    struct letter *steps; /* committed when steps_due is */
    struct timer steps_due;
};

/* The console at index 1; raises if it was closed. */
struct console *console_check(lua_State *L);

/* console:receive, receive.c */
int l_console_receive(lua_State *L);

/* What a script asks of its worker, here of the command's loop. */
struct script_hooks console_hooks(struct console *console);

/* Those that are asked for, and steps. */
void console_answer_reads(struct console *console);

/* What a run committed. */
void values_apply(struct values *values, const struct outbox *outbox);
/* Answers a read of the store; its on_done is the caller's to call. */
void values_read(const struct values *values, struct store_read *read);
void values_finish(struct values *values);

/* The content of the table at index: { method?, path?, query?, remote_ip?, headers, body }. NULL:
 * it is over a limit, or no memory. */
struct content *content_read(lua_State *L, int index);
/* The event of the table at index: { type, source, body, headers, query }. Raises for what is
 * wrong. NULL: no memory. */
struct event *event_read(lua_State *L, int index);
/* Pushes the list of what the run would have committed. */
void effects_push(lua_State *L, const struct outbox *outbox);

#endif
