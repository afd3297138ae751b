/* SPDX-License-Identifier: MIT */
/* Seeded pairs of subjects and patterns for the judge, and the speed of both. */
#include "script_project_int.h"

#include "script_pattern_int.h"

#define TEXT_MAX 24
#define PIECES_MAX 6
#define PATTERN_MAX 64

/* SplitMix64. */
static uint64_t draw(uint64_t *seed)
{
    uint64_t z = (*seed += UINT64_C(0x9E3779B97F4A7C15));
    z = (z ^ (z >> 30)) * UINT64_C(0xBF58476D1CE4E5B9);
    z = (z ^ (z >> 27)) * UINT64_C(0x94D049BB133111EB);
    return z ^ (z >> 31);
}

static size_t below(uint64_t *seed, size_t count)
{
    return (size_t)(draw(seed) % count);
}

static const char *const pieces[] = {
    "a",     "b",     ".",      "%a",     "%A",     "%d",   "%s", "%w", "%p",     "[ab]",   "[^a]",
    "[%w_]", "[a-c]", "[]]",    "[^]b]",  "[a-]",   "[%]]", "(",  ")",  "()",     "%1",     "%2",
    "%b()",  "%bab",  "%f[%w]", "%f[^a]", "%f[%z]", "$",    "^",  "-",  "*",      "%",      "[",
    "%.",    "%%",    "aab",    "b-",     "[%a-z]", "]",    "%f", "%b", "[a-%a]", "%g",     "%0",
    "[%",    "ab",    "(a*)",   "(.-)",   "(b?)",   "%u",   "%x", "%c", "%S",     "[]-%%]",
};
static const char *const repeats[] = {"", "", "", "*", "+", "-", "?"};
static const char *const replacements[] = {"x", "<%0>", "%1", "%2%1", "%%", "%", "%q", "", "%0%0"};
static const char subject_bytes[] = "aaabbbcc1 .()_]A-%\0\n\xe4";

static void add(struct slice *out, char *room, const char *text)
{
    const size_t len = strlen(text);
    memcpy(room + out->len, text, len);
    out->data = room;
    out->len += len;
}

/* patterns(count, seed) -> nil | text, pattern, what ours said, what stock said */
int l_patterns(lua_State *L)
{
    struct pattern_judge judge;
    const lua_Integer count = luaL_checkinteger(L, 1);
    uint64_t seed = (uint64_t)luaL_checkinteger(L, 2);
    pattern_judge_open(&judge);
    int results = 0;
    for (lua_Integer i = 0; i < count && results == 0; i++) {
        char text[TEXT_MAX];
        char pattern[PATTERN_MAX];
        struct pattern_pair pair = {.text = slice_of(text, below(&seed, TEXT_MAX)),
                                    .pattern = slice_of(pattern, 0)};
        for (size_t k = 0; k < pair.text.len; k++)
            text[k] = subject_bytes[below(&seed, sizeof subject_bytes - 1)];
        if (below(&seed, 6) == 0)
            add(&pair.pattern, pattern, "^");
        for (size_t k = below(&seed, PIECES_MAX + 1); k > 0; k--) {
            add(&pair.pattern, pattern, pieces[below(&seed, array_count(pieces))]);
            add(&pair.pattern, pattern, repeats[below(&seed, array_count(repeats))]);
        }
        const char *replacement = replacements[below(&seed, array_count(replacements))];
        pair.replacement = slice_of(replacement, strlen(replacement));
        pair.init = below(&seed, 3) > 0 ? 1 : (lua_Integer)below(&seed, 60) - 30;
        if (pattern_judge_agrees(&judge, &pair))
            continue;
        (void)lua_pushlstring(L, text, pair.text.len);
        (void)lua_pushlstring(L, pattern, pair.pattern.len);
        lua_pushstring(L, lua_tostring(judge.ours, -1));
        lua_pushstring(L, lua_tostring(judge.stock, -1));
        results = 4;
    }
    pattern_judge_close(&judge);
    return results;
}

/* pattern_time(chunk, is_stock) -> seconds of CPU: runs the chunk in a state */
int l_pattern_time(lua_State *L)
{
    struct pattern_judge judge;
    pattern_judge_open(&judge);
    lua_State *state = lua_toboolean(L, 2) ? judge.stock : judge.ours;
    const bool is_ok = luaL_loadstring(state, luaL_checkstring(L, 1)) == LUA_OK &&
                       lua_pcall(state, 0, 1, 0) == LUA_OK;
    if (is_ok)
        lua_pushnumber(L, lua_tonumber(state, -1));
    else
        lua_pushstring(L, lua_tostring(state, -1));
    pattern_judge_close(&judge);
    return is_ok ? 1 : lua_error(L);
}
