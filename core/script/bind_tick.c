/* SPDX-License-Identifier: MIT */
/* Tick and poll: what the function of a cron, an every and a poll gets. A view of the run, over
 * when it is. */
#include "script/bind_int.h"

#include "base/clock.h"

struct event_view *tick_test(lua_State *L)
{
    static const struct object_kind *const kinds[] = {&tick_kind, &poll_kind, &message_kind};
    struct event_view *view = NULL;
    for (size_t i = 0; i < array_count(kinds) && !view; i++)
        view = object_test(L, 1, kinds[i]);
    if (view && !view->event)
        (void)luaL_error(L, "this %s's run is over: keep its values, not the %s", view->noun,
                         view->noun);
    return view;
}

/* ---- Fields ---- */

static int push_name(lua_State *L, const struct event_view *view)
{
    lua_pushstring(L, view->job->tick.routine->name);
    return 1;
}

static int push_log(lua_State *L, const struct event_view *view)
{
    (void)view;
    script_push_ref(L, script_of(L), REF_LOG);
    return 1;
}

static int push_run_number(lua_State *L, const struct event_view *view)
{
    lua_pushinteger(L, view->run_number);
    return 1;
}

static int push_scheduled(lua_State *L, const struct event_view *view)
{
    lua_pushinteger(L, view->job->tick.scheduled_ms);
    return 1;
}

static int push_previous(lua_State *L, const struct event_view *view)
{
    if (view->job->tick.previous_ms == 0)
        return 0;
    lua_pushinteger(L, view->job->tick.previous_ms);
    return 1;
}

static void push_slice(lua_State *L, struct slice text)
{
    lua_pushlstring(L, text.len > 0 ? text.data : "", text.len);
}

static int push_data(lua_State *L, const struct event_view *view)
{
    push_slice(L, view->job->tick.message->data);
    return 1;
}

static int push_id(lua_State *L, const struct event_view *view)
{
    const struct slice id = view->job->tick.message->id;
    if (id.len == 0)
        return 0;
    push_slice(L, id);
    return 1;
}

static int push_json(lua_State *L, const struct event_view *view)
{
    if (!json_push(L, view->job->tick.message->data, NULL))
        return luaL_error(L, "message.json: the data is not JSON: %s (message.data has the text)",
                          lua_tostring(L, -1));
    return 1;
}

static int push_type(lua_State *L, const struct event_view *view)
{
    push_slice(L, view->job->tick.message->type);
    return 1;
}

/* poll:get is Lua (lua/anzol/poll.lua), loaded when it is first asked for. */
static int push_get(lua_State *L, const struct event_view *view)
{
    (void)view;
    lua_getglobal(L, "require");
    lua_pushliteral(L, "anzol.poll");
    lua_call(L, 1, 1);
    return 1;
}

struct tick_field {
    const char *name;
    int (*push)(lua_State *L, const struct event_view *view);
    const struct object_kind *of; /* NULL: of all */
};
static const struct tick_field fields[] = {
    {"data", push_data, &message_kind},
    {"get", push_get, &poll_kind},
    {"id", push_id, &message_kind},
    {"json", push_json, &message_kind},
    {"log", push_log, NULL},
    {"name", push_name, NULL},
    {"previous_ms", push_previous, &tick_kind},
    {"run_number", push_run_number, NULL},
    {"scheduled_ms", push_scheduled, &tick_kind},
    {"type", push_type, &message_kind},
};

/* Upvalue: the names, methods and fields (by their number). */
static int l_index(lua_State *L)
{
    const struct event_view *view = tick_test(L);
    if (!view)
        return luaL_typeerror(L, 1, "tick, poll or message");
    lua_pushvalue(L, 2);
    const int type = lua_rawget(L, lua_upvalueindex(1));
    if (type == LUA_TNIL)
        return l_name_missed(L, lua_upvalueindex(1), view->noun);
    if (type != LUA_TNUMBER)
        return 1; /* a method */
    return fields[lua_tointeger(L, -1)].push(L, view);
}

static int l_newindex(lua_State *L)
{
    const struct event_view *view = tick_test(L);
    return luaL_error(L, "a %s is read-only: '%s' cannot be set", view ? view->noun : "tick",
                      luaL_tolstring(L, 2, NULL));
}

static const luaL_Reg meta[] = {{"__newindex", l_newindex}, {NULL, NULL}};
const struct object_kind tick_kind = {"tick", meta, NULL};
const struct object_kind poll_kind = {"poll", meta, NULL};
const struct object_kind message_kind = {"streamMessage", meta, NULL};

struct event_view *tick_push(lua_State *L, struct job *job)
{
    static const struct object_kind *const kinds[ROUTINE_KIND_COUNT] = {
        [ROUTINE_CRON] = &tick_kind,
        [ROUTINE_EVERY] = &tick_kind,
        [ROUTINE_POLL] = &poll_kind,
        [ROUTINE_SSE] = &message_kind,
    };
    const struct object_kind *kind = kinds[job->tick.routine->kind];
    struct event_view *view = object_push(L, kind, sizeof *view, 0);
    view->noun = kind == &message_kind ? "message" : kind->name;
    view->job = job;
    view->event = job->run.own.event;
    view->run_number = job->run.run_number;
    view->first_ordinal = job->run.own.first_ordinal;
    view->ordinal_count = job->run.own.ordinal_count;
    view->head = content_head(view->event->content);
    job->view = view;
    return view;
}

static const luaL_Reg tick_methods[] = {
    {"emit", l_event_emit}, {"send", l_event_send}, {NULL, NULL}};
static const luaL_Reg emit_methods[] = {{"emit", l_event_emit}, {NULL, NULL}};

static void open_kind(lua_State *L, const struct object_kind *kind, const luaL_Reg *methods)
{
    object_open(L, kind);
    lua_rawgetp(L, LUA_REGISTRYINDEX, kind);
    lua_newtable(L);
    luaL_setfuncs(L, methods, 0);
    for (size_t i = 0; i < array_count(fields); i++) {
        if (fields[i].of && fields[i].of != kind)
            continue;
        lua_pushinteger(L, (lua_Integer)i);
        lua_setfield(L, -2, fields[i].name);
    }
    lua_pushcclosure(L, l_index, 1);
    lua_setfield(L, -2, "__index");
    lua_pop(L, 1);
}

/* note(poll, response?) -> whether it is a long one; the response is one of its source. */
static int l_note(lua_State *L)
{
    const struct event_view *view = event_check_run(L, "get");
    struct source_answer answer;
    if (strcmp(view->noun, "poll") != 0)
        return luaL_typeerror(L, 1, "poll");
    if (response_read(L, 2, &answer)) {
        answer.now_ms = clock_now_ms();
        source_load_add(&view->job->load, &answer);
    }
    lua_pushboolean(L, view->job->tick.routine->is_long);
    return 1;
}

static int l_open_note(lua_State *L)
{
    lua_pushcfunction(L, l_note);
    return 1;
}

void open_tick(lua_State *L)
{
    luaL_requiref(L, "anzol.poll_note", l_open_note, 0);
    lua_pop(L, 1);
    open_kind(L, &tick_kind, tick_methods);
    open_kind(L, &poll_kind, emit_methods);
    open_kind(L, &message_kind, emit_methods);
}
