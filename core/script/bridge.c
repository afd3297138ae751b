/* SPDX-License-Identifier: MIT */
/* Values that cross between a script's state and another one: as JSON's kinds of values, copied
 * into the script, where all encoding and decoding is done. Both states are the caller's thread's.
 *
 * Of the other state only what cannot raise (but for want of memory, which ends the program that
 * owns it anyhow) is called while the script's is entered. */
#include "script/bind_int.h"

/* The keys of the other state's registry: its null, and the metatables of its arrays and objects.
 */
static const char null_mark, array_mark, object_mark;

/* ---- Into the script ---- */

static bool has_mark(lua_State *L, int index, const char *mark)
{
    if (!lua_getmetatable(L, index))
        return false;
    lua_rawgetp(L, LUA_REGISTRYINDEX, mark);
    const bool has = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return has;
}

static bool is_null(lua_State *L, int index)
{
    lua_rawgetp(L, LUA_REGISTRYINDEX, &null_mark);
    const bool is = lua_rawequal(L, -1, index);
    lua_pop(L, 1);
    return is;
}

static void copy_in(lua_State *L, lua_State *from, int index, int depth);

static void copy_table_in(lua_State *L, lua_State *from, int index, int depth)
{
    lua_newtable(L);
    if (has_mark(from, index, &array_mark))
        script_push_ref(L, script_of(L), REF_ARRAY);
    else if (has_mark(from, index, &object_mark))
        script_push_ref(L, script_of(L), REF_OBJECT);
    else
        lua_pushnil(L);
    lua_setmetatable(L, -2);
    for (lua_pushnil(from); lua_next(from, index); lua_pop(from, 1)) {
        copy_in(L, from, lua_gettop(from) - 1, depth);
        copy_in(L, from, lua_gettop(from), depth);
        lua_rawset(L, -3);
    }
}

/* Pushes a copy of the value at an absolute index. */
static void copy_in(lua_State *L, lua_State *from, int index, int depth)
{
    luaL_checkstack(L, 8, NULL);
    if (depth > LIMIT_JSON_DEPTH || !lua_checkstack(from, 8))
        (void)luaL_error(L, "a table is more than %d deep; does it hold itself?", LIMIT_JSON_DEPTH);
    struct slice text;
    switch (lua_type(from, index)) {
    case LUA_TNIL:
        lua_pushnil(L);
        return;
    case LUA_TBOOLEAN:
        lua_pushboolean(L, lua_toboolean(from, index));
        return;
    case LUA_TNUMBER:
        if (lua_isinteger(from, index))
            lua_pushinteger(L, lua_tointeger(from, index));
        else
            lua_pushnumber(L, lua_tonumber(from, index));
        return;
    case LUA_TSTRING:
        text.data = lua_tolstring(from, index, &text.len);
        lua_pushlstring(L, text.data, text.len);
        return;
    case LUA_TTABLE:
        copy_table_in(L, from, index, depth + 1);
        return;
    default:
        if (!is_null(from, index))
            (void)luaL_error(L, "a %s cannot be JSON", lua_typename(from, lua_type(from, index)));
        script_push_ref(L, script_of(L), REF_NULL);
    }
}

struct crossing {
    lua_State *other;
    int index;
    struct slice text;
};

static int l_encode(lua_State *L)
{
    const struct crossing *crossing = lua_touserdata(L, 1);
    struct buf *body = &script_of(L)->body;
    copy_in(L, crossing->other, crossing->index, 0);
    buf_clear(body);
    json_check_encode(L, lua_gettop(L), NULL);
    return 0;
}

static enum status cross(struct script *script, lua_CFunction l_entry, struct crossing *crossing,
                         struct err *err)
{
    const int top = lua_gettop(crossing->other);
    struct context context;
    context_init(&context, PHASE_LOAD, 0);
    const enum status status = script_call(script, &context, l_entry, crossing, 1);
    if (status == OK)
        return OK;
    lua_settop(crossing->other, top);
    const size_t len = script->text.len ? strcspn(script->text.data, "\n") : 0;
    return err_set(err, status, "%.*s", (int)len, len ? script->text.data : "");
}

enum status bridge_encode(struct script *script, lua_State *from, int index, struct buf *out,
                          struct err *err)
{
    struct crossing crossing = {.other = from, .index = lua_absindex(from, index)};
    enum status status = cross(script, l_encode, &crossing, err);
    if (status != OK)
        return status;
    lua_pop(script->L, 1);
    status = buf_add_slice(out, buf_slice(&script->body));
    return status == OK ? OK : err_set(err, status, "the JSON is too large");
}

/* ---- Out of the script ---- */

static void set_mark(lua_State *to, const char *mark)
{
    lua_rawgetp(to, LUA_REGISTRYINDEX, mark);
    lua_setmetatable(to, -2);
}

static void copy_out(lua_State *L, int index, lua_State *to);

static bool has_ref(lua_State *L, int index, enum script_ref ref)
{
    if (!lua_getmetatable(L, index))
        return false;
    script_push_ref(L, script_of(L), ref);
    const bool has = lua_rawequal(L, -1, -2);
    lua_pop(L, 2);
    return has;
}

static void copy_table_out(lua_State *L, int index, lua_State *to)
{
    lua_newtable(to);
    if (has_ref(L, index, REF_ARRAY))
        set_mark(to, &array_mark);
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
        copy_out(L, lua_gettop(L) - 1, to);
        copy_out(L, lua_gettop(L), to);
        lua_rawset(to, -3);
    }
}

/* What JSON decodes to is no deeper than LIMIT_JSON_DEPTH. */
static void copy_out(lua_State *L, int index, lua_State *to)
{
    luaL_checkstack(L, 8, NULL);
    if (!lua_checkstack(to, 8))
        (void)luaL_error(L, "out of memory");
    struct slice text;
    switch (lua_type(L, index)) {
    case LUA_TBOOLEAN:
        lua_pushboolean(to, lua_toboolean(L, index));
        return;
    case LUA_TNUMBER:
        if (lua_isinteger(L, index))
            lua_pushinteger(to, lua_tointeger(L, index));
        else
            lua_pushnumber(to, lua_tonumber(L, index));
        return;
    case LUA_TSTRING:
        text.data = lua_tolstring(L, index, &text.len);
        lua_pushlstring(to, text.data, text.len);
        return;
    case LUA_TTABLE:
        copy_table_out(L, index, to);
        return;
    default:
        lua_rawgetp(to, LUA_REGISTRYINDEX, &null_mark);
    }
}

static int l_decode(lua_State *L)
{
    const struct crossing *crossing = lua_touserdata(L, 1);
    if (!json_push(L, crossing->text, NULL))
        return luaL_error(L, "no JSON: %s", lua_tostring(L, -1));
    copy_out(L, lua_gettop(L), crossing->other);
    return 0;
}

enum status bridge_decode(struct script *script, struct slice text, lua_State *to, struct err *err)
{
    struct crossing crossing = {.other = to, .text = text};
    const enum status status = cross(script, l_decode, &crossing, err);
    if (status == OK)
        lua_pop(script->L, 1);
    return status;
}

/* ---- The marks of the other state ---- */

static int l_null_tostring(lua_State *L)
{
    lua_pushliteral(L, "null");
    return 1;
}

static int mark_table(lua_State *L, const char *mark)
{
    if (lua_isnoneornil(L, 1)) {
        lua_settop(L, 0);
        lua_newtable(L);
    }
    luaL_checktype(L, 1, LUA_TTABLE);
    lua_settop(L, 1);
    set_mark(L, mark);
    return 1;
}

static int l_array(lua_State *L)
{
    return mark_table(L, &array_mark);
}

static int l_object(lua_State *L)
{
    return mark_table(L, &object_mark);
}

static void open_mark(lua_State *L, const char *mark, const char *name)
{
    lua_newtable(L);
    lua_pushstring(L, name);
    lua_setfield(L, -2, "__name");
    lua_rawsetp(L, LUA_REGISTRYINDEX, mark);
}

int bridge_push_marks(lua_State *to)
{
    static const luaL_Reg functions[] = {{"array", l_array}, {"object", l_object}, {NULL, NULL}};
    open_mark(to, &array_mark, "JSON array");
    open_mark(to, &object_mark, "JSON object");
    luaL_newlib(to, functions);
    (void)lua_newuserdatauv(to, 0, 0);
    lua_newtable(to);
    lua_pushliteral(to, "JSON null");
    lua_setfield(to, -2, "__name");
    lua_pushcfunction(to, l_null_tostring);
    lua_setfield(to, -2, "__tostring");
    lua_setmetatable(to, -2);
    lua_pushvalue(to, -1);
    lua_rawsetp(to, LUA_REGISTRYINDEX, &null_mark);
    lua_setfield(to, -2, "null");
    return 1;
}
