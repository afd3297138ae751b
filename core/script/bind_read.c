/* SPDX-License-Identifier: MIT */
/* Waiting for a read of the store. The read lives in memory of its own until both the store and the
 * script are done with it, so a job may be ended while it is under way. */
#include "script/bind_int.h"

#include <stdlib.h>

#define BUSY_RETRY_MS 10

static void release(struct pending_read *pending)
{
    store_read_finish(&pending->of.read);
    for (size_t i = 0; i < PENDING_TEXTS; i++)
        free(pending->texts[i]);
    free(pending);
}

static int l_collect(lua_State *L)
{
    struct pending_read **place = lua_touserdata(L, 1);
    struct pending_read *pending = *place;
    *place = NULL;
    if (!pending)
        return 0;
    if (pending->is_under_way)
        pending->is_orphan = true;
    else
        release(pending);
    return 0;
}

static const luaL_Reg meta[] = {{"__gc", l_collect}, {NULL, NULL}};
static const struct object_kind pending_kind = {"anzol.read", meta, NULL};

void open_read(lua_State *L)
{
    object_open(L, &pending_kind);
}

static void on_done(struct store_read *read)
{
    struct pending_read *pending = read->ctx;
    pending->is_under_way = false;
    if (pending->is_orphan)
        release(pending);
    else if (pending->strand)
        strand_wake(pending->strand, pending->ticket, 0);
}

struct pending_read *pending_push(lua_State *L, enum store_read_kind kind)
{
    struct pending_read **place = object_push(L, &pending_kind, sizeof *place, 0);
    *place = calloc(1, sizeof **place);
    if (!*place)
        (void)luaL_error(L, "out of memory");
    (*place)->of.read = (struct store_read){.kind = kind, .on_done = on_done, .ctx = *place};
    return *place;
}

const char *pending_text(lua_State *L, struct pending_read *pending, const char *text)
{
    check(pending->text_count < PENDING_TEXTS);
    char *copy = text_copy(L, text);
    pending->texts[pending->text_count++] = copy;
    return copy;
}

/* ---- Under way ---- */

static struct pending_read *pending_of(const struct strand *strand)
{
    return (struct pending_read *)(uintptr_t)strand->waiting[0];
}

static void cancel(struct strand *strand)
{
    struct pending_read *pending = pending_of(strand);
    const struct script_hooks *hooks = &strand->job->script->hooks;
    pending->strand = NULL;
    if (!pending->is_under_way)
        hooks->stop_timer(hooks->ctx, &strand->timer);
}

static void on_time(struct timer *timer);

/* Readers that are busy are asked again. */
static enum status ask(struct strand *strand, struct pending_read *pending)
{
    const struct script_hooks *hooks = &strand->job->script->hooks;
    const enum status status = hooks->read(hooks->ctx, &pending->of.read);
    pending->is_under_way = status == OK;
    if (status != E_BUSY)
        return status;
    strand->timer.on_time = on_time;
    hooks->start_timer(hooks->ctx, &strand->timer, BUSY_RETRY_MS);
    return OK;
}

static void on_time(struct timer *timer)
{
    struct strand *strand = container_of(timer, struct strand, timer);
    struct pending_read *pending = pending_of(strand);
    pending->of.read.status = ask(strand, pending);
    if (pending->of.read.status != OK)
        strand_wake(strand, pending->ticket, 0);
}

int pending_wait(lua_State *L, struct strand *strand, struct pending_read *pending,
                 lua_KFunction finish)
{
    if (!script_of(L)->hooks.read)
        return luaL_error(L, "there is no store here to read");
    const enum status status = ask(strand, pending);
    if (status != OK)
        return luaL_error(L, "the store could not be read: %s", status_name(status));
    pending->strand = strand;
    strand->waiting[0] = (uint64_t)(uintptr_t)pending;
    pending->ticket = strand_wait(strand, cancel);
    return lua_yieldk(L, 0, lua_gettop(L), finish);
}

struct pending_read *pending_check(lua_State *L, int index)
{
    struct pending_read *pending = *(struct pending_read **)lua_touserdata(L, index);
    const struct store_read *read = &pending->of.read;
    pending->strand = NULL;
    if (read->status != OK && read->status != E_NOTFOUND)
        (void)luaL_error(L, "the store could not be read: %s",
                         read->err.text[0] ? read->err.text : status_name(read->status));
    return pending;
}

void pending_close(lua_State *L, int index)
{
    struct pending_read **place = lua_touserdata(L, index);
    struct pending_read *pending = *place;
    *place = NULL;
    release(pending);
}
