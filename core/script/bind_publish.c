/* SPDX-License-Identifier: MIT */
/* event:publish(options?): what was published over the API goes to the endpoints of its
 * application, as it was or as the handler says, in the commit of the run. */
#include "script/bind_int.h"

#include "model/fan_out.h"
#include "script/fields.h"

#define WHAT "event:publish"

static const char *const option_names[] = {"channels", "endpoints", "payload", "type", NULL};

/* The function that chooses, at its place on the stack. */
struct choice {
    lua_State *L;
    int function;
    bool has_failed; /* why is on the stack */
};

static void push_names(lua_State *L, char *const *names, size_t count)
{
    lua_createtable(L, (int)count, 0);
    for (size_t i = 0; i < count; i++) {
        lua_pushstring(L, names[i]);
        lua_rawseti(L, -2, (lua_Integer)i + 1);
    }
}

/* What the function sees of an endpoint. */
static int l_choose(lua_State *L)
{
    const struct endpoint_spec *endpoint = lua_touserdata(L, 2);
    const struct membership *membership = endpoint->membership;
    lua_settop(L, 1);
    lua_createtable(L, 0, 6);
    set_text(L, "id", endpoint->name);
    if (membership->uid)
        set_text(L, "uid", membership->uid);
    set_text(L, "url", endpoint->url);
    push_names(L, membership->types, membership->type_count);
    lua_setfield(L, -2, "types");
    push_names(L, membership->channels, membership->channel_count);
    lua_setfield(L, -2, "channels");
    bool is_lossy = false;
    (void)json_push(L, slice_str(membership->metadata ? membership->metadata : "{}"), &is_lossy);
    lua_setfield(L, -2, "metadata");
    lua_call(L, 1, 1);
    return 1;
}

static bool accepts(const struct endpoint_spec *endpoint, void *ctx)
{
    struct choice *choice = ctx;
    lua_State *L = choice->L;
    if (choice->has_failed)
        return false;
    lua_pushcfunction(L, l_choose);
    lua_pushvalue(L, choice->function);
    lua_pushlightuserdata(L, (void *)(uintptr_t)endpoint);
    choice->has_failed = lua_pcall(L, 2, 1, 0) != LUA_OK;
    if (choice->has_failed)
        return false;
    const bool is_chosen = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return is_chosen;
}

/* ---- Arguments ---- */

/* A JSON array of them, in script->text; "" if there are none. */
static struct slice check_channels(lua_State *L, const struct options *options)
{
    struct buf *text = &script_of(L)->text;
    buf_clear(text);
    if (lua_getfield(L, options->index, "channels") != LUA_TTABLE)
        (void)luaL_error(L, "option 'channels' of " WHAT " must be a list of names, got %s",
                         luaL_typename(L, -1));
    const size_t count = lua_rawlen(L, -1);
    if (count > LIMIT_CHANNELS_PER_MESSAGE)
        (void)luaL_error(L, "option 'channels' of " WHAT " takes at most %d names",
                         LIMIT_CHANNELS_PER_MESSAGE);
    enum status status = count > 0 ? buf_add_byte(text, '[') : OK;
    for (size_t i = 1; i <= count; i++) {
        struct slice name = slice_str("");
        if (lua_rawgeti(L, -1, (lua_Integer)i) == LUA_TSTRING)
            name.data = lua_tolstring(L, -1, &name.len);
        if (!event_type_is_valid(name) || name.len > LIMIT_CHANNEL_BYTES)
            (void)luaL_error(L,
                             "a channel of " WHAT " is 1 to %d letters, digits, '-', '_' and '.'",
                             LIMIT_CHANNEL_BYTES);
        if (status == OK)
            status = buf_printf(text, "%s\"%s\"", i > 1 ? "," : "", name.data);
        lua_pop(L, 1);
    }
    if (status == OK && count > 0)
        status = buf_add_byte(text, ']');
    if (status != OK)
        (void)luaL_error(L, "out of memory");
    lua_pop(L, 1);
    return buf_slice(text);
}

static struct slice check_type(lua_State *L, const struct options *options, struct slice absent)
{
    const char *text = option_check_text(L, options, "type", NULL);
    const struct slice type = text ? slice_str(text) : absent;
    if (!event_type_is_valid(type) || type.len > LIMIT_UID_BYTES)
        (void)luaL_error(L, "bad type '%s' for " WHAT ": at most %d of A-Z a-z 0-9 _ . -", text,
                         LIMIT_UID_BYTES);
    return type;
}

/* Content of its own, owned; NULL: the event's. */
static struct content *check_payload(lua_State *L, const struct options *options)
{
    struct script *script = script_of(L);
    const int type = lua_getfield(L, options->index, "payload");
    if (type == LUA_TNIL) {
        lua_pop(L, 1);
        return NULL;
    }
    if (type != LUA_TTABLE)
        (void)luaL_error(L, "option 'payload' of " WHAT " must be a table, got %s",
                         luaL_typename(L, -1));
    buf_clear(&script->body);
    json_check_encode(L, -1, NULL);
    buf_clear(&script->head);
    if (script->body.len > LIMIT_PAYLOAD_BYTES)
        (void)luaL_error(L, "the payload of " WHAT " is over %d bytes of JSON",
                         LIMIT_PAYLOAD_BYTES);
    struct content *content =
        head_add(&script->head, slice_str("content-type"), slice_str("application/json")) == OK
            ? message_content(&(struct message_text){.head = buf_slice(&script->head),
                                                     .body = buf_slice(&script->body)})
            : NULL;
    if (!content)
        (void)luaL_error(L, "out of memory");
    lua_pop(L, 1);
    return content;
}

/* ---- event:publish ---- */

static int fail(lua_State *L, const struct choice *choice, enum status status)
{
    if (choice->has_failed)
        return lua_error(L);
    return luaL_error(L, status == E_NOMEM ? "out of memory"
                                           : "the endpoints of applications are not known here");
}

int l_event_publish(lua_State *L)
{
    struct event_view *view = event_check_run(L, "publish");
    struct script *script = script_of(L);
    struct job *job = view->job;
    struct choice choice = {.L = L};
    lua_settop(L, 2);
    step_check_outside(L, WHAT);
    if (!event_is_published(view->event))
        return luaL_error(L, "event:publish is of events that were published over the API "
                             "(anzol.on \"api.**\"); event:send sends this one");
    struct fan_out what = fan_out_of(view->event);
    if (!lua_isnil(L, 2)) {
        const struct options options = {.index = 2, .what = WHAT};
        options_check_names(L, &options, option_names, NULL);
        what.type = check_type(L, &options, what.type);
        if (lua_getfield(L, 2, "channels") != LUA_TNIL)
            what.channels = check_channels(L, &options);
        const int type = lua_getfield(L, 2, "endpoints");
        if (type != LUA_TNIL && type != LUA_TFUNCTION)
            return luaL_error(L, "option 'endpoints' of " WHAT " must be a function, got %s",
                              luaL_typename(L, -1));
        choice.function = lua_gettop(L);
        if (type == LUA_TFUNCTION)
            what.accepts = accepts;
        what.ctx = &choice;
    }
    struct outbox *outbox = job_outbox(L, job);
    if (view->is_published)
        return luaL_error(L, WHAT " was called before in this run: once is enough");
    if (!lua_isnil(L, 2))
        what.content = check_payload(L, &(struct options){.index = 2, .what = WHAT});
    size_t count = 0;
    const size_t message_count = outbox->message_count;
    const size_t delivery_count = outbox->delivery_count;
    const enum status status = script->hooks.directory
                                   ? fan_out(&what, script->hooks.directory, outbox, &count)
                                   : E_NOTFOUND;
    content_unref(what.content);
    if (choice.has_failed)
        outbox_cut(outbox, message_count, delivery_count);
    if (status != OK || choice.has_failed)
        return fail(L, &choice, status);
    view->is_published = true;
    job->published_count += count;
    lua_pushinteger(L, (lua_Integer)count);
    return 1;
}
