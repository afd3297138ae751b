/* SPDX-License-Identifier: MIT */
/* Stock functions that could outlast the count hook or step around it, each behind a check of its
 * arguments. The stock function then runs in the same frame: a guard costs no call. */
#include "script/script_int.h"

#include "script/bind_int.h"

#define COUNT_MAX (1 << 20)   /* elements that one C call may walk without a hook */
#define SORT_PLAIN 10000      /* elements that are sorted without a look at the clocks */
#define COMPARE_WORK 64       /* a comparison in a longer sort, as bytes */
#define ARGUMENTS_CHARGED 250 /* as many as a Lua call can spell out */

/* The stock function that a guard was put in front of. */
static int l_stock(lua_State *L)
{
    return lua_tocfunction(L, lua_upvalueindex(1))(L);
}

static void check_count(lua_State *L, lua_Integer count, const char *function)
{
    if (count > COUNT_MAX)
        (void)luaL_error(L, "%s of more than %d elements at once", function, COUNT_MAX);
    if (count > 0)
        budget_check_work(L, (size_t)count * sizeof(void *));
}

/* b - a + 1 without overflow. */
static lua_Integer span(lua_Integer first, lua_Integer last)
{
    if (last < first)
        return 0;
    const lua_Unsigned count = (lua_Unsigned)last - (lua_Unsigned)first;
    return count >= LUA_MAXINTEGER ? LUA_MAXINTEGER : (lua_Integer)count + 1;
}

/* ---- string ---- */

/* Work along all its texts. */
static int l_charged(lua_State *L)
{
    size_t work = 0;
    const int count = lua_gettop(L) < ARGUMENTS_CHARGED ? lua_gettop(L) : ARGUMENTS_CHARGED;
    for (int i = 1; i <= count; i++)
        if (lua_type(L, i) == LUA_TSTRING)
            work += lua_rawlen(L, i);
    budget_check_work(L, work);
    return l_stock(L);
}

static int l_rep(lua_State *L)
{
    size_t len;
    size_t separator_len = 0;
    (void)luaL_checklstring(L, 1, &len);
    const lua_Integer count = luaL_checkinteger(L, 2);
    (void)luaL_optlstring(L, 3, "", &separator_len);
    if (count <= 0 || len + separator_len == 0) {
        lua_pushliteral(L, "");
        return 1;
    }
    if ((lua_Unsigned)count > LIMIT_STATE_BYTES / (len + separator_len))
        return luaL_error(L, "resulting string too large");
    budget_check_work(L, (size_t)count * (len + separator_len));
    return l_stock(L);
}

/* ---- table ---- */

/* Without a metatable the length is real memory: bounded by the allocator. */
static lua_Integer check_length(lua_State *L, int index, const char *function)
{
    luaL_checkany(L, index);
    if (lua_type(L, index) == LUA_TTABLE && !luaL_getmetafield(L, index, "__len"))
        return (lua_Integer)lua_rawlen(L, index);
    const lua_Integer count = luaL_len(L, index);
    check_count(L, count, function);
    return count;
}

static int l_insert(lua_State *L)
{
    if (lua_gettop(L) != 2)
        check_count(L, check_length(L, 1, "table.insert"), "table.insert");
    else
        (void)check_length(L, 1, "table.insert");
    return l_stock(L);
}

static int l_remove(lua_State *L)
{
    const lua_Integer count = check_length(L, 1, "table.remove");
    if (lua_gettop(L) > 1)
        check_count(L, count, "table.remove");
    return l_stock(L);
}

static int l_concat(lua_State *L)
{
    const lua_Integer length = check_length(L, 1, "table.concat");
    const lua_Integer first = luaL_optinteger(L, 3, 1);
    check_count(L, span(first, luaL_optinteger(L, 4, length)), "table.concat");
    return l_stock(L);
}

/* Upvalue: the comparator, nil for <. Counted, for one that is C meets no hook. */
static int l_compare(lua_State *L)
{
    budget_check_work(L, COMPARE_WORK);
    lua_settop(L, 2);
    if (lua_isnil(L, lua_upvalueindex(1))) {
        lua_pushboolean(L, lua_compare(L, 1, 2, LUA_OPLT));
        return 1;
    }
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, 2, 1);
    return 1;
}

static int l_sort(lua_State *L)
{
    const lua_Integer count = check_length(L, 1, "table.sort");
    check_count(L, count, "table.sort");
    if (!lua_isnoneornil(L, 2))
        luaL_checktype(L, 2, LUA_TFUNCTION);
    lua_settop(L, 2);
    if (count > SORT_PLAIN) {
        lua_pushcclosure(L, l_compare, 1);
    }
    return l_stock(L);
}

static int l_move(lua_State *L)
{
    check_count(L, span(luaL_checkinteger(L, 2), luaL_checkinteger(L, 3)), "table.move");
    return l_stock(L);
}

static int l_unpack(lua_State *L)
{
    const lua_Integer first = luaL_optinteger(L, 2, 1);
    const lua_Integer last =
        lua_isnoneornil(L, 3) ? check_length(L, 1, "table.unpack") : luaL_checkinteger(L, 3);
    check_count(L, span(first, last), "table.unpack");
    return l_stock(L);
}

/* ---- Base ---- */

/* Collecting is the server's business. */
static int l_collectgarbage(lua_State *L)
{
    const char *option = luaL_optstring(L, 1, "collect");
    if (strcmp(option, "count") != 0)
        return luaL_error(L, "collectgarbage(\"%s\") is not available in scripts: only \"count\"",
                          option);
    const int kibibytes = lua_gc(L, LUA_GCCOUNT);
    lua_pushnumber(L, (lua_Number)kibibytes + (lua_Number)lua_gc(L, LUA_GCCOUNTB) / 1024);
    return 1;
}

/* Upvalues: the reader, the bytes that may still come. Lua's parser meets no hook. */
static int l_read(lua_State *L)
{
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_call(L, 0, 1);
    if (lua_type(L, -1) != LUA_TSTRING)
        return 1;
    const lua_Integer left = lua_tointeger(L, lua_upvalueindex(2)) - (lua_Integer)lua_rawlen(L, -1);
    if (left < 0)
        return luaL_error(L, "load of more than %d bytes", LIMIT_LOAD_BYTES);
    lua_pushinteger(L, left);
    lua_replace(L, lua_upvalueindex(2));
    return 1;
}

/* Text only: bytecode can crash Lua. */
static int l_load(lua_State *L)
{
    const int count = lua_gettop(L);
    const char *mode = luaL_optstring(L, 3, "t");
    if (!strchr(mode, 't'))
        return luaL_error(L, "load takes text only: mode 't'");
    if (count < 3)
        lua_settop(L, 3);
    lua_pushliteral(L, "t");
    lua_replace(L, 3);
    /* What is loaded is no file of the system. */
    if (lua_type(L, 2) == LUA_TSTRING && lua_tostring(L, 2)[0] == '@') {
        lua_pushfstring(L, "=%s", lua_tostring(L, 2) + 1);
        lua_replace(L, 2);
    }
    if (lua_type(L, 1) == LUA_TSTRING) {
        if (lua_rawlen(L, 1) > LIMIT_LOAD_BYTES)
            return luaL_error(L, "load of more than %d bytes", LIMIT_LOAD_BYTES);
        budget_check_work(L, lua_rawlen(L, 1));
    } else {
        luaL_checktype(L, 1, LUA_TFUNCTION);
        lua_pushvalue(L, 1);
        lua_pushinteger(L, LIMIT_LOAD_BYTES);
        lua_pushcclosure(L, l_read, 2);
        lua_replace(L, 1);
    }
    return l_stock(L);
}

/* No finalizers (the hook is off in them) and no ephemerons (a chain of them holds the collector
 * for seconds). */
static int l_setmetatable(lua_State *L)
{
    const int type = lua_type(L, 2);
    luaL_checktype(L, 1, LUA_TTABLE);
    luaL_argexpected(L, type == LUA_TNIL || type == LUA_TTABLE, 2, "nil or table");
    if (type == LUA_TTABLE) {
        lua_pushliteral(L, "__gc");
        if (lua_rawget(L, 2) != LUA_TNIL)
            return luaL_error(L, "setmetatable: __gc is not available in scripts; use a variable "
                                 "with <close>");
        lua_pushliteral(L, "__mode");
        if (lua_rawget(L, 2) == LUA_TSTRING && strchr(lua_tostring(L, -1), 'k') &&
            !strchr(lua_tostring(L, -1), 'v'))
            return luaL_error(L, "setmetatable: __mode \"k\" is not available in scripts; "
                                 "use \"kv\" or \"v\"");
        lua_settop(L, 2);
    }
    return l_stock(L);
}

/* The handler of xpcall runs without hooks when the error came from one: while a job is being
 * stopped the script's handler is passed over. */
static int l_message_handler(lua_State *L)
{
    const struct context *context = script_of(L)->context;
    if (context && context->kill != KILL_NONE)
        return 1;
    lua_pushvalue(L, lua_upvalueindex(1));
    lua_insert(L, 1);
    lua_call(L, lua_gettop(L) - 1, LUA_MULTRET);
    return lua_gettop(L);
}

static int l_xpcall(lua_State *L)
{
    luaL_checkany(L, 1);
    luaL_checktype(L, 2, LUA_TFUNCTION);
    lua_pushvalue(L, 2);
    lua_pushcclosure(L, l_message_handler, 1);
    lua_replace(L, 2);
    return l_stock(L);
}

/* Our own C functions lie on the stack too; they take no arguments of a script's. */
static int l_getinfo(lua_State *L)
{
    const int count = l_stock(L);
    if (lua_type(L, -1) != LUA_TTABLE)
        return count;
    lua_getfield(L, -1, "func");
    const bool is_c = lua_iscfunction(L, -1);
    lua_pop(L, 1);
    if (is_c) {
        lua_pushnil(L);
        lua_setfield(L, -2, "func");
    }
    return count;
}

/* A level of a deep stack is far to walk, and the stock function walks there often. */
static int l_traceback(lua_State *L)
{
    const int first = lua_isthread(L, 1) ? 2 : 1; /* the message */
    lua_State *from = first == 2 ? lua_tothread(L, 1) : L;
    const bool is_text = lua_isnoneornil(L, first) || lua_isstring(L, first);
    if (!is_text || !traceback_is_deep(from))
        return l_stock(L);
    const int level = (int)luaL_optinteger(L, first + 1, from == L ? 1 : 0);
    l_push_traceback(L, from, lua_tostring(L, first), level);
    return 1;
}

/* ---- Putting them in place ---- */

struct guard {
    const char *table;
    const char *name;
    lua_CFunction l_guard;
};

static const struct guard guards[] = {
    {"_G", "collectgarbage", l_collectgarbage},
    {"_G", "load", l_load},
    {"_G", "setmetatable", l_setmetatable},
    {"_G", "tonumber", l_charged},
    {"_G", "xpcall", l_xpcall},
    {"debug", "getinfo", l_getinfo},
    {"debug", "traceback", l_traceback},
    {"string", "format", l_charged},
    {"string", "lower", l_charged},
    {"string", "pack", l_charged},
    {"string", "rep", l_rep},
    {"string", "reverse", l_charged},
    {"string", "unpack", l_charged},
    {"string", "upper", l_charged},
    {"table", "concat", l_concat},
    {"table", "insert", l_insert},
    {"table", "move", l_move},
    {"table", "remove", l_remove},
    {"table", "sort", l_sort},
    {"table", "unpack", l_unpack},
    {"utf8", "codepoint", l_charged},
    {"utf8", "len", l_charged},
    {"utf8", "offset", l_charged},
};

void l_open_guards(lua_State *L)
{
    for (size_t i = 0; i < array_count(guards); i++) {
        lua_getglobal(L, guards[i].table);
        lua_getfield(L, -1, guards[i].name);
        lua_pushcclosure(L, guards[i].l_guard, 1);
        lua_setfield(L, -2, guards[i].name);
        lua_pop(L, 1);
    }
    l_open_coroutines(L);
    l_open_patterns(L);
    l_open_os(L);
}
