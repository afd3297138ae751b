/* SPDX-License-Identifier: MIT */
/* string.find, match, gmatch and gsub by the patterns of pattern.c. What the manual of Lua says of
 * them holds; a callback of gsub can't wait, as ever. */
#include "script/bind_int.h"

#include "script/pattern_int.h"

#include <stddef.h>
#include <string.h>

#define SHORT_BYTES 256

/* The offset of an initial position, which may be negative; past the end: len + 1. */
static size_t initial_offset(lua_Integer position, size_t len)
{
    if (position > 0)
        return (lua_Unsigned)position > len ? len + ((lua_Unsigned)position > len + 1 ? 1 : 0)
                                            : (size_t)position - 1;
    if (position == 0 || position < -(lua_Integer)len)
        return 0;
    return len - (size_t)-position;
}

static struct slice check_text(lua_State *L, int index)
{
    struct slice text;
    text.data = luaL_checklstring(L, index, &text.len);
    return text;
}

/* ---- Captures ---- */

/* Without captures the whole match is the first. */
static void push_capture(const struct matcher *matcher, int index, const char *at, const char *end)
{
    const struct pattern *pattern = matcher->pattern;
    lua_State *L = matcher->L;
    if (index >= pattern->capture_count) {
        if (index != 0)
            (void)luaL_error(L, "invalid capture index %%%d", index + 1);
        (void)lua_pushlstring(L, at, (size_t)(end - at));
        return;
    }
    const struct capture *capture = &pattern->captures[index];
    if (capture->len == CAPTURE_OPEN)
        (void)luaL_error(L, "unfinished capture");
    if (capture->len == CAPTURE_PLACE)
        lua_pushinteger(L, capture->at - matcher->begin + 1);
    else
        (void)lua_pushlstring(L, capture->at, (size_t)capture->len);
}

/* at NULL: nothing in place of captures if there are none. */
static int push_captures(const struct matcher *matcher, const char *at, const char *end)
{
    int count = matcher->pattern->capture_count;
    if (count == 0 && at)
        count = 1;
    luaL_checkstack(matcher->L, count, "too many captures");
    for (int i = 0; i < count; i++)
        push_capture(matcher, i, at, end);
    return count;
}

/* ---- find, match ---- */

static bool is_plain(struct slice pattern)
{
    for (size_t i = 0; i < pattern.len; i++)
        switch (pattern.data[i]) {
        case '^':
        case '$':
        case '*':
        case '+':
        case '-':
        case '?':
        case '.':
        case '(':
        case '[':
        case '%':
            return false;
        default:
            break;
        }
    return true;
}

/* Linear in the end; where either is short the plain way is faster. */
static const char *find_bytes(struct slice text, struct slice wanted)
{
    if (wanted.len == 0 || wanted.len > text.len || text.len > SHORT_BYTES)
        return memmem(text.data, text.len, wanted.data, wanted.len);
    const char *last = text.data + (text.len - wanted.len);
    for (const char *at = text.data; at <= last; at++) {
        at = memchr(at, (unsigned char)wanted.data[0], (size_t)(last - at) + 1);
        if (!at || memcmp(at, wanted.data, wanted.len) == 0)
            return at;
    }
    return NULL;
}

static int find_plain(lua_State *L, struct slice text, struct slice wanted, size_t offset)
{
    budget_check_work(L, text.len - offset);
    const char *found = find_bytes(slice_of(text.data + offset, text.len - offset), wanted);
    if (!found) {
        lua_pushnil(L);
        return 1;
    }
    lua_pushinteger(L, found - text.data + 1);
    lua_pushinteger(L, found - text.data + (lua_Integer)wanted.len);
    return 2;
}

/* Whether ^ holds the pattern to where it begins; it is taken off. */
static bool take_anchor(struct slice *pattern)
{
    if (pattern->len == 0 || pattern->data[0] != '^')
        return false;
    *pattern = slice_of(pattern->data + 1, pattern->len - 1);
    return true;
}

/* Not inlined: a plain search is spared its stack. */
__attribute__((noinline)) static int find_pattern(lua_State *L, struct slice text,
                                                  struct slice wanted, size_t offset, bool is_find)
{
    struct pattern pattern;
    struct matcher matcher = {L, &pattern, text.data, text.data + text.len, 0};
    const bool is_anchored = take_anchor(&wanted);
    lua_settop(L, 3);
    pattern_check_compile(L, &pattern, wanted, 3);
    const char *at = text.data + offset;
    const char *end =
        is_anchored ? pattern_check_match(&matcher, at) : pattern_check_search(&matcher, &at);
    pattern_check_charge(&matcher);
    if (!end) {
        lua_pushnil(L);
        return 1;
    }
    if (!is_find)
        return push_captures(&matcher, at, end);
    lua_pushinteger(L, at - text.data + 1);
    lua_pushinteger(L, end - text.data);
    return push_captures(&matcher, NULL, NULL) + 2;
}

static int find(lua_State *L, bool is_find)
{
    const struct slice text = check_text(L, 1);
    const struct slice wanted = check_text(L, 2);
    const size_t offset = initial_offset(luaL_optinteger(L, 3, 1), text.len);
    const bool may_be_plain = is_find && (lua_toboolean(L, 4) || is_plain(wanted));
    if (offset > text.len) {
        lua_pushnil(L);
        return 1;
    }
    return may_be_plain ? find_plain(L, text, wanted, offset)
                        : find_pattern(L, text, wanted, offset, is_find);
}

static int l_find(lua_State *L)
{
    return find(L, true);
}

static int l_match(lua_State *L)
{
    return find(L, false);
}

/* ---- gmatch ---- */

struct iteration {
    struct matcher matcher;
    const char *at;
    const char *last;       /* end of the last match */
    struct pattern pattern; /* last: with the items in use */
};

/* The first match from *at on that does not end where the last one did. */
static const char *next_match(struct matcher *matcher, const char **at, const char *last)
{
    const char *end = pattern_check_search(matcher, at);
    while (end && end == last) {
        (*at)++;
        end = pattern_check_search(matcher, at);
    }
    return end;
}

static int l_next_match(lua_State *L)
{
    struct iteration *it = lua_touserdata(L, lua_upvalueindex(3));
    it->matcher.L = L;
    const char *end = next_match(&it->matcher, &it->at, it->last);
    pattern_check_charge(&it->matcher);
    if (!end)
        return 0;
    const char *begin = it->at;
    it->at = it->last = end;
    return push_captures(&it->matcher, begin, end);
}

static int l_gmatch(lua_State *L)
{
    const struct slice text = check_text(L, 1);
    const struct slice wanted = check_text(L, 2);
    const size_t offset = initial_offset(luaL_optinteger(L, 3, 1), text.len);
    struct pattern pattern;
    lua_settop(L, 4); /* 3: the iteration, 4: the items, if they need memory */
    pattern_check_compile(L, &pattern, wanted, 4);
    const bool is_near = pattern.items == pattern.near;
    const size_t size =
        offsetof(struct pattern, near) + (is_near ? pattern.count * sizeof *pattern.near : 0);
    struct iteration *it = lua_newuserdatauv(L, offsetof(struct iteration, pattern) + size, 0);
    lua_replace(L, 3);
    memcpy(&it->pattern, &pattern, size);
    if (is_near)
        it->pattern.items = it->pattern.near;
    it->matcher = (struct matcher){L, &it->pattern, text.data, text.data + text.len, 0};
    it->at = text.data + offset;
    it->last = NULL;
    lua_pushcclosure(L, l_next_match, 4);
    return 1;
}

/* ---- gsub ---- */

struct substitution {
    struct matcher matcher;
    luaL_Buffer out;
    bool has_out;
    const char *copied; /* the subject up to here is in out */
    int type;           /* of the replacement, argument 3 */
    struct slice text;  /* of a replacement that is one */
};

/* Copies what is in the subject up to `at`. */
static void copy_up_to(struct substitution *it, const char *at)
{
    if (!it->has_out)
        luaL_buffinit(it->matcher.L, &it->out);
    it->has_out = true;
    luaL_addlstring(&it->out, it->copied, (size_t)(at - it->copied));
    it->copied = at;
}

static void add_text(struct substitution *it, const char *at, const char *end)
{
    const char *from = it->text.data;
    const char *last = from + it->text.len;
    copy_up_to(it, at);
    for (const char *sign; (sign = memchr(from, '%', (size_t)(last - from))); from = sign + 2) {
        luaL_addlstring(&it->out, from, (size_t)(sign - from));
        const char digit = sign + 1 < last ? sign[1] : '\0';
        if (digit == '%') {
            luaL_addchar(&it->out, '%');
        } else if (digit == '0') {
            luaL_addlstring(&it->out, at, (size_t)(end - at));
        } else if (digit >= '1' && digit <= '9') {
            push_capture(&it->matcher, digit - '1', at, end);
            luaL_addvalue(&it->out);
        } else {
            (void)luaL_error(it->matcher.L, "invalid use of '%%' in replacement string");
        }
    }
    luaL_addlstring(&it->out, from, (size_t)(last - from));
    it->copied = end;
}

/* The replacement is what a table holds or a function returns. */
static void add_value(struct substitution *it, const char *at, const char *end)
{
    lua_State *L = it->matcher.L;
    if (it->type == LUA_TFUNCTION) {
        lua_pushvalue(L, 3);
        lua_call(L, push_captures(&it->matcher, at, end), 1);
    } else {
        push_capture(&it->matcher, 0, at, end);
        (void)lua_gettable(L, 3);
    }
    if (!lua_toboolean(L, -1)) {
        lua_pop(L, 1);
        return;
    }
    if (!lua_isstring(L, -1))
        (void)luaL_error(L, "invalid replacement value (a %s)", luaL_typename(L, -1));
    /* The value lies where the buffer may have to: it is put below it. */
    lua_replace(L, 4);
    size_t len;
    const char *text = lua_tolstring(L, 4, &len);
    copy_up_to(it, at);
    luaL_addlstring(&it->out, text, len);
    it->copied = end;
}

static lua_Integer substitute(struct substitution *it, lua_Integer count_max, bool is_anchored)
{
    struct matcher *matcher = &it->matcher;
    const char *at = matcher->begin;
    const char *last = NULL;
    lua_Integer count = 0;
    while (count < count_max) {
        const char *end =
            is_anchored ? pattern_check_match(matcher, at) : next_match(matcher, &at, last);
        if (!end)
            break;
        count++;
        if (it->type == LUA_TSTRING)
            add_text(it, at, end);
        else
            add_value(it, at, end);
        at = last = end;
        if (is_anchored)
            break;
    }
    pattern_check_charge(matcher);
    return count;
}

static int l_gsub(lua_State *L)
{
    struct pattern pattern;
    struct substitution it;
    const struct slice text = check_text(L, 1);
    struct slice wanted = check_text(L, 2);
    const lua_Integer count_max = luaL_optinteger(L, 4, (lua_Integer)text.len + 1);
    it.type = lua_type(L, 3);
    luaL_argexpected(L,
                     it.type == LUA_TNUMBER || it.type == LUA_TSTRING || it.type == LUA_TTABLE ||
                         it.type == LUA_TFUNCTION,
                     3, "string/function/table");
    if (it.type == LUA_TNUMBER || it.type == LUA_TSTRING) {
        it.text = check_text(L, 3);
        it.type = LUA_TSTRING;
    }
    const bool is_anchored = take_anchor(&wanted);
    it.matcher = (struct matcher){L, &pattern, text.data, text.data + text.len, 0};
    it.has_out = false;
    it.copied = text.data;
    lua_settop(L, 5); /* 4: a value, 5: the items */
    pattern_check_compile(L, &pattern, wanted, 5);
    const lua_Integer count = substitute(&it, count_max, is_anchored);
    if (it.has_out) {
        copy_up_to(&it, it.matcher.end);
        luaL_pushresult(&it.out);
    } else {
        lua_pushvalue(L, 1);
    }
    lua_pushinteger(L, count);
    return 2;
}

void l_open_patterns(lua_State *L)
{
    static const luaL_Reg functions[] = {
        {"find", l_find}, {"gmatch", l_gmatch}, {"gsub", l_gsub}, {"match", l_match}, {NULL, NULL}};
    lua_getglobal(L, "string");
    luaL_setfuncs(L, functions, 0);
    lua_pop(L, 1);
}
