/* SPDX-License-Identifier: MIT */
/* anzol.retry(id), anzol.drop(id, reason?), anzol.replay(id): what an operator does by hand to one,
 * done by a handler; it commits with the run. */
#include "script/bind_int.h"

#include <stdlib.h>

#define DROPPED "dropped by a handler"
#define REPLAY "anzol.replay"

/* The id at 1. */
static void read_id(lua_State *L, const char *function, struct change *what)
{
    const char *text = luaL_checkstring(L, 1);
    what->kind = ID_DELIVERY;
    if (id_parse(ID_DELIVERY, text, &what->id))
        return;
    what->kind = ID_EVENT;
    if (id_parse(ID_EVENT, text, &what->id))
        return;
    (void)luaL_error(L, "%s: '%s' is no id of a delivery (dlv_...) or an event (evt_...)", function,
                     text);
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
    free(change->names);
    return luaL_error(L, "out of memory");
}

static int l_retry(lua_State *L)
{
    struct outbox_change change = {.what.verb = CHANGE_RETRY};
    read_id(L, "anzol.retry", &change.what);
    return add(L, "anzol.retry", &change);
}

static int l_drop(lua_State *L)
{
    struct outbox_change change = {.what.verb = CHANGE_DROP};
    read_id(L, "anzol.drop", &change.what);
    return add(L, "anzol.drop", &change);
}

/* ---- An event's handlers once more: those that match it, so it is looked at ---- */

/* The names in one piece of memory; NULL: there is none. */
static const char **copy_names(const struct subscription_spec *const *matches, size_t count)
{
    size_t bytes = count * sizeof(char *);
    for (size_t i = 0; i < count; i++)
        bytes += strlen(matches[i]->name) + 1;
    const char **names = malloc(bytes);
    char *text = names ? (char *)(names + count) : NULL;
    for (size_t i = 0; names && i < count; i++) {
        const size_t len = strlen(matches[i]->name) + 1;
        names[i] = memcpy(text, matches[i]->name, len);
        text += len;
    }
    return names;
}

/* What runs; of an event without a type its source is asked again. */
static size_t match(lua_State *L, const struct event *event,
                    const struct subscription_spec *matches[LIMIT_SUBSCRIPTIONS_PER_EVENT])
{
    static char name[] = EVENT_UNTYPED_RUN;
    static const struct subscription_spec type_run = {.name = name};
    if (slice_is(event->type, EVENT_UNTYPED)) {
        matches[0] = &type_run;
        return 1;
    }
    const size_t count = registry_match(script_registry(script_of(L)), event->source, event->type,
                                        matches, LIMIT_SUBSCRIPTIONS_PER_EVENT);
    return count < LIMIT_SUBSCRIPTIONS_PER_EVENT ? count : LIMIT_SUBSCRIPTIONS_PER_EVENT;
}

/* event NULL: it was not found, and the store will not find it either. */
static int replay_event(lua_State *L, uint64_t id, const struct event *event)
{
    const struct subscription_spec *matches[LIMIT_SUBSCRIPTIONS_PER_EVENT];
    struct outbox_change change = {.what = {.verb = CHANGE_REPLAY, .kind = ID_EVENT, .id = id}};
    const size_t count = event ? match(L, event, matches) : 0;
    (void)outbox_check(L, REPLAY);
    change.names = count > 0 ? copy_names(matches, count) : NULL;
    if (count > 0 && !change.names)
        return luaL_error(L, "out of memory");
    change.what.subscriptions = change.names;
    change.what.subscription_count = count;
    return add(L, REPLAY, &change);
}

static int finish_replay(lua_State *L, int status, lua_KContext index)
{
    (void)status;
    uint64_t id;
    const struct pending_read *page = pending_check(L, (int)index);
    check(id_parse(ID_EVENT, lua_tostring(L, 1), &id));
    (void)replay_event(L, id, page->of.events.row_count > 0 ? page->of.events.rows[0].event : NULL);
    pending_close(L, (int)index);
    return 0;
}

static int look_at_event(lua_State *L, uint64_t id)
{
    if (script_of(L)->context->running == id)
        return luaL_error(L, "anzol.replay: an event cannot begin itself again; "
                             "anzol.retry_later(duration) runs its handler once more");
    struct strand *strand = strand_check_may_wait(L, REPLAY);
    lua_settop(L, 1);
    struct pending_read *page = pending_push(L, STORE_LIST_EVENTS);
    page->of.events.query =
        (struct store_list_query){.limit = 1, .before = id + 1, .after = id - 1, .state = -1};
    return pending_wait(L, strand, page, finish_replay);
}

static int l_replay(lua_State *L)
{
    struct outbox_change change = {.what.verb = CHANGE_REPLAY};
    if (lua_type(L, 1) == LUA_TTABLE)
        return task_begin_replay(L);
    read_id(L, REPLAY, &change.what);
    if (change.what.kind == ID_DELIVERY)
        return add(L, REPLAY, &change);
    (void)outbox_check(L, REPLAY);
    return look_at_event(L, change.what.id);
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
