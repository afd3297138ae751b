/* SPDX-License-Identifier: MIT */
/* Fields of Lua tables, read and written. */
#include "send_rig_int.h"

#include <stdlib.h>
#include <string.h>

lua_Integer get_integer(lua_State *L, int index, const char *name, lua_Integer absent)
{
    lua_getfield(L, index, name);
    const lua_Integer value = luaL_optinteger(L, -1, absent);
    lua_pop(L, 1);
    return value;
}

double get_number(lua_State *L, int index, const char *name, double absent)
{
    lua_getfield(L, index, name);
    const double value = luaL_optnumber(L, -1, absent);
    lua_pop(L, 1);
    return value;
}

bool get_boolean(lua_State *L, int index, const char *name)
{
    lua_getfield(L, index, name);
    const bool value = lua_toboolean(L, -1);
    lua_pop(L, 1);
    return value;
}

char *get_copy(lua_State *L, int index, const char *name, const char *absent)
{
    lua_getfield(L, index, name);
    const char *text = luaL_optstring(L, -1, absent);
    char *copy = text ? strdup(text) : NULL;
    lua_pop(L, 1);
    return copy;
}

/* The field's list of {name, value}, packed. */
void get_head(lua_State *L, int index, const char *name, struct buf *head)
{
    lua_getfield(L, index, name);
    for (lua_Integer i = 1; lua_istable(L, -1) && i <= luaL_len(L, -1); i++) {
        struct slice parts[2];
        lua_geti(L, -1, i);
        for (int part = 0; part < 2; part++) {
            lua_geti(L, -1 - part, part + 1);
            parts[part].data = luaL_checklstring(L, -1, &parts[part].len);
        }
        check(head_add(head, parts[0], parts[1]) == OK);
        lua_pop(L, 3);
    }
    lua_pop(L, 1);
}

void set_head(lua_State *L, const char *name, struct slice head)
{
    struct field field;
    lua_newtable(L);
    for (size_t offset = 0; head_next(head, &offset, &field);) {
        lua_pushlstring(L, field.name.data, field.name.len);
        lua_pushlstring(L, field.value.data, field.value.len);
        lua_settable(L, -3);
    }
    lua_setfield(L, -2, name);
}

void push_attempt(lua_State *L, const struct attempt *attempt)
{
    lua_newtable(L);
    set_integer(L, "number", attempt->number);
    set_integer(L, "status", attempt->status);
    set_text(L, "error", attempt_error_name(attempt->error));
    set_text(L, "detail", attempt->detail);
    set_integer(L, "started_ms", attempt->started_ms);
    set_integer(L, "duration_ms", attempt->duration_ms);
    set_integer(L, "retry_after_ms", attempt->retry_after_ms);
    set_integer(L, "dns_us", attempt->dns_us);
    set_integer(L, "connect_us", attempt->connect_us);
    set_integer(L, "first_byte_us", attempt->first_byte_us);
    set_bool(L, "is_cut", attempt->is_cut);
    set_head(L, "head", attempt->head);
    set_slice(L, "body", attempt->body);
}

struct trace get_trace(lua_State *L, int index)
{
    struct trace trace = {0};
    char *header = get_copy(L, index, "trace", NULL);
    check(!header || trace_parse(slice_str(header), &trace));
    free(header);
    return trace;
}
