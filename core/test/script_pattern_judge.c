/* SPDX-License-Identifier: MIT */
#include "script_pattern_int.h"

#include "script/script_int.h"

#include <lauxlib.h>
#include <lualib.h>

/* (text, pattern, replacement, init) -> what each function says of them. */
static const char chunk[] =
    "local find, match, gmatch, gsub = string.find, string.match, string.gmatch, string.gsub\n"
    "local pack, pcall, tostring, concat = table.pack, pcall, tostring, table.concat\n"
    "return function(s, p, r, init)\n"
    "  local out = {}\n"
    "  local function tell(...)\n"
    "    local t = pack(pcall(...))\n"
    "    for i = 1, t.n do out[#out + 1] = tostring(t[i]) end\n"
    "    out[#out + 1] = ';'\n"
    "  end\n"
    "  tell(find, s, p, init)\n"
    "  tell(match, s, p, init)\n"
    "  tell(function()\n"
    "    for a, b in gmatch(s, p, init) do\n"
    "      out[#out + 1] = tostring(a) .. ',' .. tostring(b)\n"
    "    end\n"
    "  end)\n"
    "  tell(gsub, s, p, r)\n"
    "  tell(gsub, s, p, { a = 'x', [1] = 2, [''] = false }, init)\n"
    "  tell(gsub, s, p, function(a, b) return a ~= 'a' and (b or a) end)\n"
    "  return concat(out, '|')\n"
    "end";

static void open_function(lua_State *L)
{
    lua_settop(L, 0);
    check(luaL_loadbufferx(L, chunk, sizeof chunk - 1, "=judge", "t") == LUA_OK);
    check(lua_pcall(L, 0, 1, 0) == LUA_OK);
}

void pattern_judge_open(struct pattern_judge *judge)
{
    judge->script = script_create(NULL, 0, STATE_SETTINGS);
    judge->stock = luaL_newstate();
    check(judge->script && judge->stock);
    judge->ours = judge->script->L;
    luaL_openlibs(judge->stock);
    open_function(judge->ours);
    open_function(judge->stock);
}

void pattern_judge_close(struct pattern_judge *judge)
{
    script_free(judge->script);
    lua_close(judge->stock);
}

static struct slice tell(lua_State *L, const struct pattern_pair *pair)
{
    lua_pushvalue(L, 1);
    (void)lua_pushlstring(L, pair->text.data, pair->text.len);
    (void)lua_pushlstring(L, pair->pattern.data, pair->pattern.len);
    (void)lua_pushlstring(L, pair->replacement.data, pair->replacement.len);
    lua_pushinteger(L, pair->init);
    check(lua_pcall(L, 4, 1, 0) == LUA_OK);
    struct slice said;
    said.data = lua_tolstring(L, -1, &said.len);
    return said;
}

bool pattern_judge_agrees(const struct pattern_judge *judge, const struct pattern_pair *pair)
{
    const struct slice ours = tell(judge->ours, pair);
    const struct slice stock = tell(judge->stock, pair);
    /* The stock one gives up where its C stack would end; ours has no such end. */
    if (!slice_equal(ours, stock) && !strstr(stock.data, "pattern too complex"))
        return false;
    lua_settop(judge->ours, 1);
    lua_settop(judge->stock, 1);
    return true;
}
