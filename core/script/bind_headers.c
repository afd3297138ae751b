/* SPDX-License-Identifier: MIT */
/* Headers: h["X-Name"] in any case (values joined by ", "), h:all(name), pairs(h) in wire order. A
 * view of the packed head of the object it came from; nothing is copied until a value is read. */
#include "script/bind_int.h"

struct headers {
    const struct slice *head; /* of the owner; an empty one once that is over */
};

static bool is_pseudo(struct slice name)
{
    return name.len > 0 && name.data[0] == ':';
}

static struct slice head_check(lua_State *L)
{
    const struct headers *headers = object_check(L, 1, &headers_kind);
    return *headers->head;
}

static int l_all(lua_State *L)
{
    const struct slice head = head_check(L);
    const char *name = luaL_checkstring(L, 2);
    lua_newtable(L);
    struct field field;
    lua_Integer count = 0;
    for (size_t offset = 0; head_next(head, &offset, &field);)
        if (!is_pseudo(field.name) && slice_equal_nocase(field.name, slice_str(name))) {
            lua_pushlstring(L, field.value.data, field.value.len);
            lua_rawseti(L, -2, ++count);
        }
    return 1;
}

static int l_index(lua_State *L)
{
    const struct slice head = head_check(L);
    if (lua_type(L, 2) != LUA_TSTRING)
        return 0;
    struct slice name;
    name.data = lua_tolstring(L, 2, &name.len);
    if (slice_is(name, "all")) {
        lua_pushcfunction(L, l_all);
        return 1;
    }
    struct field field;
    unsigned count = 0;
    for (size_t offset = 0; !is_pseudo(name) && head_next(head, &offset, &field);) {
        if (field.name.len != name.len || !slice_equal_nocase(field.name, name))
            continue;
        if (count++ > 0)
            lua_pushliteral(L, ", ");
        lua_pushlstring(L, field.value.data, field.value.len);
        if (count > 1)
            lua_concat(L, 3);
    }
    return count > 0;
}

static int l_newindex(lua_State *L)
{
    return luaL_error(L, "headers are read-only");
}

/* The control variable is the offset; the value that follows is the name. */
static int l_next(lua_State *L)
{
    const struct slice head = head_check(L);
    size_t offset = (size_t)lua_tointeger(L, lua_upvalueindex(1));
    struct field field;
    while (head_next(head, &offset, &field))
        if (!is_pseudo(field.name)) {
            lua_pushinteger(L, (lua_Integer)offset);
            lua_replace(L, lua_upvalueindex(1));
            lua_pushlstring(L, field.name.data, field.name.len);
            lua_pushlstring(L, field.value.data, field.value.len);
            return 2;
        }
    return 0;
}

static int l_pairs(lua_State *L)
{
    (void)head_check(L);
    lua_pushinteger(L, 0);
    lua_pushcclosure(L, l_next, 1);
    lua_pushvalue(L, 1);
    return 2;
}

void headers_push(lua_State *L, int owner, const struct slice *head)
{
    owner = lua_absindex(L, owner);
    struct headers *headers = object_push(L, &headers_kind, sizeof *headers, 1);
    headers->head = head;
    lua_pushvalue(L, owner);
    lua_setiuservalue(L, -2, 1);
}

static const luaL_Reg meta[] = {
    {"__index", l_index},
    {"__newindex", l_newindex},
    {"__pairs", l_pairs},
    {NULL, NULL},
};

const struct object_kind headers_kind = {"headers", meta, NULL};
