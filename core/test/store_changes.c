/* SPDX-License-Identifier: MIT */
/* Operations from Lua: what is done by hand, and tasks. */
#include "store_lua.h"

void set_changes(lua_State *L, const struct store_change *op)
{
    lua_newtable(L);
    for (size_t i = 0; i < op->change_count; i++) {
        const struct change *change = &op->changes[i];
        lua_newtable(L);
        set_text(L, "status", status_name(change->status));
        set_text(L, "state",
                 change->kind == ID_EVENT
                     ? run_state_name((enum run_state)change->state)
                     : delivery_state_name((enum delivery_state)change->state));
        set_integer(L, "endpoint", (lua_Integer)change->endpoint);
        set_bool(L, "was_held", change->was_held);
        set_bool(L, "has_released", change->has_released);
        lua_seti(L, -2, (lua_Integer)i + 1);
    }
    lua_setfield(L, -2, "changes");
}

/* The names in the list `subscriptions` of the table on top. */
static void field_subscriptions(lua_State *L, struct arena *arena, struct change *change)
{
    const int index = lua_gettop(L);
    lua_getfield(L, index, "subscriptions");
    const size_t count = lua_istable(L, -1) ? (size_t)luaL_len(L, -1) : 0;
    const char **names = arena_take(arena, (count + 1) * sizeof *names);
    for (size_t i = 0; i < count; i++) {
        lua_geti(L, -1, (lua_Integer)i + 1);
        const char *name = luaL_checkstring(L, -1);
        char *copy = arena_take(arena, strlen(name) + 1);
        memcpy(copy, name, strlen(name) + 1);
        names[i] = copy;
        lua_pop(L, 1);
    }
    lua_pop(L, 1);
    change->subscriptions = names;
    change->subscription_count = count;
}

const char *const change_verb_names[] = {"retry", "drop", "cancel", "replay", "expunge", NULL};

/* change{ now_ms, reason, task, cursor, next_cursor, is_last, { verb = "retry", delivery = id } |
 * { verb, message = id } | { verb, event = id, subscription, subscriptions }, … }; each with
 * new_ids */
int l_change(lua_State *L)
{
    struct lua_op *it = op_create(L, STORE_CHANGE);
    struct store_change *op = &it->u.change;
    op->now_ms = field_integer(L, 2, "now_ms", 1);
    op->reason = arena_field(L, &it->arena, 2, "reason");
    op->task = (uint64_t)field_integer(L, 2, "task", 0);
    op->cursor = (uint64_t)field_integer(L, 2, "cursor", 0);
    op->next_cursor = (uint64_t)field_integer(L, 2, "next_cursor", 0);
    op->is_last = field_boolean(L, 2, "is_last");
    op->change_count = (size_t)luaL_len(L, 2);
    op->changes = arena_take(&it->arena, (op->change_count + 1) * sizeof *op->changes);
    for (size_t i = 0; i < op->change_count; i++) {
        lua_geti(L, 2, (lua_Integer)i + 1);
        const int index = lua_gettop(L);
        const lua_Integer event = field_integer(L, index, "event", 0);
        const lua_Integer message = field_integer(L, index, "message", 0);
        struct change *change = &op->changes[i];
        *change = (struct change){
            .verb = (enum change_verb)field_option(L, index, "verb", change_verb_names),
            .kind = event     ? ID_EVENT
                    : message ? ID_MESSAGE
                              : ID_DELIVERY,
            .id = (uint64_t)(event     ? event
                             : message ? message
                                       : field_integer(L, index, "delivery", 0)),
            .subscription = arena_field(L, &it->arena, index, "subscription"),
            .has_new_ids = field_boolean(L, index, "new_ids"),
        };
        field_subscriptions(L, &it->arena, change);
        lua_pop(L, 1);
    }
    return op_submit(L, it);
}

/* task{ verb, ids, endpoint, now_ms } -> id | task{ end_of = id } */
int l_task(lua_State *L)
{
    struct lua_op *it = op_create(L, STORE_TASK);
    const lua_Integer end_of = field_integer(L, 2, "end_of", 0);
    it->task = (struct task){
        .id = (uint64_t)end_of,
        .verb =
            end_of ? CHANGE_RETRY : (enum change_verb)field_option(L, 2, "verb", change_verb_names),
        .kind = ID_DELIVERY,
        .ids = arena_field(L, &it->arena, 2, "ids"),
        .endpoint = arena_field(L, &it->arena, 2, "endpoint"),
        .wanted = -1,
        .rate_per_s = 2.5,
        .since_ms = 10,
        .until_ms = 20,
    };
    it->u.task = (struct store_task){.op = it->u.op,
                                     .task = &it->task,
                                     .is_end = end_of != 0,
                                     .now_ms = field_integer(L, 2, "now_ms", 1)};
    return op_submit(L, it);
}

void set_listed_tasks(lua_State *L, const struct store_list_tasks *list)
{
    lua_newtable(L);
    for (size_t i = 0; i < list->row_count; i++) {
        const struct task *task = &list->rows[i];
        lua_newtable(L);
        set_integer(L, "id", (lua_Integer)task->id);
        set_text(L, "verb", change_verb_name(task->verb));
        set_text(L, "state", task_state_name(task->state));
        set_text(L, "ids", task->ids);
        set_text(L, "source", task->source);
        set_text(L, "type", task->type);
        set_text(L, "endpoint", task->endpoint);
        set_integer(L, "cursor", (lua_Integer)task->cursor);
        set_integer(L, "done", (lua_Integer)task->done);
        set_integer(L, "skipped", (lua_Integer)task->skipped);
        set_integer(L, "ended_ms", task->ended_ms);
        lua_seti(L, -2, (lua_Integer)i + 1);
    }
    set_page(L, list->last, list->is_end);
}
