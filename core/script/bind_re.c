/* SPDX-License-Identifier: MIT */
/* anzol.re: regular expressions of PCRE2, for what Lua's patterns don't say. Interpreted, with
 * limits of steps, depth and memory: text from outside that would take too long is an Error
 * ("regex_limit"), a pattern that is none is misuse and raises. What is compiled takes the state's
 * memory; matches have a workspace with a limit of its own. */
#include "script/bind_int.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>
#include <stdlib.h>

#define MATCH_LIMIT 500000 /* steps: some 10 ms */
#define DEPTH_LIMIT 100000
#define HEAP_LIMIT_KIB 4096
#define PATTERN_BYTES_MAX 65536
#define CACHED_MAX 128       /* patterns given as text; then the cache begins anew */
#define LIMIT_WORK (1 << 20) /* what a match up to its limit is charged as */
#define GROUPS_MAX 99
#define MESSAGE_BYTES 160
#define GC_STEP_KIB 16

struct re {
    pcre2_general_context *memory;
    pcre2_code *code;
    pcre2_match_data *match; /* the state's, of the last match */
    pcre2_match_context *limits;
    uint32_t capture_count;
};

/* ---- Memory: Lua's allocator wants to know what it gave ---- */

union block {
    size_t size;
    max_align_t aligned;
};

static void *re_malloc(size_t size, void *ctx)
{
    void *allocator_ctx;
    const lua_Alloc allocator = lua_getallocf(ctx, &allocator_ctx);
    union block *block = allocator(allocator_ctx, NULL, 0, sizeof *block + size);
    if (!block)
        return NULL;
    block->size = sizeof *block + size;
    return block + 1;
}

static void re_free(void *memory, void *ctx)
{
    if (!memory)
        return;
    void *allocator_ctx;
    const lua_Alloc allocator = lua_getallocf(ctx, &allocator_ctx);
    union block *block = (union block *)memory - 1;
    (void)allocator(allocator_ctx, block, block->size, 0);
}

static int l_gc(lua_State *L)
{
    struct re *re = lua_touserdata(L, 1);
    pcre2_match_context_free(re->limits);
    pcre2_code_free(re->code);
    pcre2_general_context_free(re->memory);
    *re = (struct re){0};
    return 0;
}

/* ---- Compiling ---- */

static uint32_t check_flags(lua_State *L, int index)
{
    uint32_t flags = PCRE2_NEVER_BACKSLASH_C;
    for (const char *at = luaL_optstring(L, index, ""); *at; at++)
        switch (*at) {
        case 'i':
            flags |= PCRE2_CASELESS;
            break;
        case 'm':
            flags |= PCRE2_MULTILINE;
            break;
        case 's':
            flags |= PCRE2_DOTALL;
            break;
        case 'x':
            flags |= PCRE2_EXTENDED;
            break;
        case 'u':
            flags |= PCRE2_UTF | PCRE2_UCP | PCRE2_MATCH_INVALID_UTF;
            break;
        default:
            (void)luaL_error(L,
                             "anzol.re: unknown flag '%c'; there are i (no case), m (^ and $ at "
                             "lines), s (dot takes newlines), x (spaces and comments), u (UTF-8)",
                             *at);
        }
    return flags;
}

static int compile_into(lua_State *L, struct re *re, struct slice pattern, uint32_t flags,
                        PCRE2_SIZE *place)
{
    int error = PCRE2_ERROR_NOMEMORY;
    lua_State *main = script_of(L)->L; /* outlives every coroutine */
    re->memory = pcre2_general_context_create(re_malloc, re_free, main);
    re->limits = re->memory ? pcre2_match_context_create(re->memory) : NULL;
    pcre2_compile_context *context = re->limits ? pcre2_compile_context_create(re->memory) : NULL;
    if (!context)
        return error;
    (void)pcre2_set_match_limit(re->limits, MATCH_LIMIT);
    (void)pcre2_set_depth_limit(re->limits, DEPTH_LIMIT);
    (void)pcre2_set_heap_limit(re->limits, HEAP_LIMIT_KIB);
    re->code = pcre2_compile((PCRE2_SPTR)pattern.data, pattern.len, flags, &error, place, context);
    pcre2_compile_context_free(context);
    if (!re->code)
        return error;
    (void)pcre2_pattern_info(re->code, PCRE2_INFO_CAPTURECOUNT, &re->capture_count);
    return 0;
}

/* Pushes a new object. */
static struct re *push_compiled(lua_State *L, struct slice pattern, uint32_t flags)
{
    PCRE2_SIZE place = 0;
    if (pattern.len > PATTERN_BYTES_MAX)
        (void)luaL_error(L, "anzol.re: the pattern is longer than %d bytes", PATTERN_BYTES_MAX);
    budget_check_work(L, pattern.len * 16);
    (void)lua_gc(L, LUA_GCSTEP, GC_STEP_KIB); /* it does not know of what PCRE2 takes */
    struct re *re = object_push(L, &re_kind, sizeof *re, 0);
    int error = compile_into(L, re, pattern, flags, &place);
    if (error == PCRE2_ERROR_NOMEMORY || error == PCRE2_ERROR_HEAP_FAILED) {
        (void)lua_gc(L, LUA_GCCOLLECT, 0);
        lua_pop(L, 1);
        re = object_push(L, &re_kind, sizeof *re, 0);
        error = compile_into(L, re, pattern, flags, &place);
    }
    if (error != 0) {
        PCRE2_UCHAR message[MESSAGE_BYTES];
        (void)pcre2_get_error_message(error, message, sizeof message);
        (void)luaL_error(L, "anzol.re: %s, at %d of the pattern '%s'", (const char *)message,
                         (int)place + 1, pattern.data);
    }
    if (re->capture_count > GROUPS_MAX)
        (void)luaL_error(L, "anzol.re: more than %d groups", GROUPS_MAX);
    return re;
}

static int l_compile(lua_State *L)
{
    struct slice pattern;
    pattern.data = luaL_checklstring(L, 1, &pattern.len);
    (void)push_compiled(L, pattern, check_flags(L, 2));
    return 1;
}

/* The Re at index, or that of the text there, which is compiled once. */
static struct re *check_re(lua_State *L, int index)
{
    struct re *re = object_test(L, index, &re_kind);
    if (re)
        return re;
    struct slice pattern;
    luaL_argexpected(L, lua_type(L, index) == LUA_TSTRING, index, "pattern or Re");
    pattern.data = lua_tolstring(L, index, &pattern.len);
    struct script *script = script_of(L);
    script_push_ref(L, script, REF_PATTERNS);
    lua_pushvalue(L, index);
    if (lua_rawget(L, -2) == LUA_TNIL) {
        lua_pop(L, 1);
        if (++script->pattern_count > CACHED_MAX) {
            lua_newtable(L);
            lua_replace(L, -2);
            lua_pushvalue(L, -1);
            lua_rawseti(L, LUA_REGISTRYINDEX, script->refs[REF_PATTERNS]);
            script->pattern_count = 1;
        }
        (void)push_compiled(L, pattern, PCRE2_NEVER_BACKSLASH_C);
        lua_pushvalue(L, index);
        lua_pushvalue(L, -2);
        lua_rawset(L, -4);
    }
    re = lua_touserdata(L, -1);
    lua_replace(L, index); /* so that it stays */
    lua_pop(L, 1);
    return re;
}

/* ---- Matching ---- */

enum outcome { MATCHED, UNMATCHED, OVER_LIMIT };

/* One for all patterns of the state: it keeps the frames of the deepest match. */
static pcre2_match_data *check_workspace(lua_State *L)
{
    struct script *script = script_of(L);
    if (!script->workspace)
        script->workspace = pcre2_match_data_create(GROUPS_MAX + 1, NULL);
    if (!script->workspace)
        (void)luaL_error(L, "not enough memory");
    return script->workspace;
}

void re_close(struct script *script)
{
    pcre2_match_data_free(script->workspace);
    script->workspace = NULL;
}

static enum outcome match(lua_State *L, struct re *re, struct slice text, size_t from,
                          uint32_t options)
{
    budget_check_work(L, text.len - from);
    re->match = check_workspace(L);
    const int count = pcre2_match(re->code, (PCRE2_SPTR)text.data, text.len, from,
                                  options | PCRE2_NO_JIT, re->match, re->limits);
    if (count == PCRE2_ERROR_NOMEMORY)
        (void)luaL_error(L, "not enough memory");
    if (count > 0)
        return MATCHED;
    if (count == PCRE2_ERROR_NOMATCH)
        return UNMATCHED;
    budget_check_work(L, LIMIT_WORK);
    return OVER_LIMIT;
}

static int push_limit(lua_State *L)
{
    return error_push(L, "regex_limit",
                      "the pattern took too many steps on this text; make it more definite", false);
}

static void push_group(lua_State *L, const struct re *re, struct slice text, uint32_t group)
{
    const PCRE2_SIZE *place = pcre2_get_ovector_pointer(re->match);
    const PCRE2_SIZE begin = place[2 * group];
    const PCRE2_SIZE end = place[2 * group + 1];
    if (begin == PCRE2_UNSET || end < begin)
        lua_pushnil(L);
    else
        (void)lua_pushlstring(L, text.data + begin, end - begin);
}

/* Without groups the whole match is the first. */
static int push_groups(lua_State *L, const struct re *re, struct slice text, bool or_whole)
{
    luaL_checkstack(L, (int)re->capture_count + 1, "too many groups");
    if (re->capture_count == 0 && or_whole) {
        push_group(L, re, text, 0);
        return 1;
    }
    for (uint32_t i = 1; i <= re->capture_count; i++)
        push_group(L, re, text, i);
    return (int)re->capture_count;
}

struct call {
    struct slice text;
    struct re *re;
};

/* (re, text) as a method, (text, pattern) as a function: the text goes to 1, the Re to 2. */
static struct call check_call(lua_State *L)
{
    struct call call;
    if (object_test(L, 1, &re_kind)) {
        lua_pushvalue(L, 1);
        lua_remove(L, 1);
        lua_insert(L, 2);
    }
    call.text.data = luaL_checklstring(L, 1, &call.text.len);
    call.re = check_re(L, 2);
    return call;
}

static size_t check_init(lua_State *L, int index, size_t len)
{
    const lua_Integer init = luaL_optinteger(L, index, 1);
    if (init > 0)
        return (lua_Unsigned)init > len ? len : (size_t)init - 1;
    return init == 0 || init < -(lua_Integer)len ? 0 : len - (size_t)-init;
}

static int l_find(lua_State *L)
{
    const struct call call = check_call(L);
    const size_t from = check_init(L, 3, call.text.len);
    const enum outcome outcome = match(L, call.re, call.text, from, 0);
    if (outcome == OVER_LIMIT)
        return push_limit(L);
    if (outcome == UNMATCHED) {
        lua_pushnil(L);
        return 1;
    }
    const PCRE2_SIZE *place = pcre2_get_ovector_pointer(call.re->match);
    lua_pushinteger(L, (lua_Integer)place[0] + 1);
    lua_pushinteger(L, (lua_Integer)place[1]);
    return 2 + push_groups(L, call.re, call.text, false);
}

static int l_match(lua_State *L)
{
    const struct call call = check_call(L);
    const enum outcome outcome = match(L, call.re, call.text, check_init(L, 3, call.text.len), 0);
    if (outcome == OVER_LIMIT)
        return push_limit(L);
    if (outcome == MATCHED)
        return push_groups(L, call.re, call.text, true);
    lua_pushnil(L);
    return 1;
}

/* { [0] = whole, first, …, name = … } */
static int l_groups(lua_State *L)
{
    const struct call call = check_call(L);
    const enum outcome outcome = match(L, call.re, call.text, check_init(L, 3, call.text.len), 0);
    if (outcome == OVER_LIMIT)
        return push_limit(L);
    if (outcome == UNMATCHED) {
        lua_pushnil(L);
        return 1;
    }
    lua_createtable(L, (int)call.re->capture_count, 1);
    for (uint32_t i = 0; i <= call.re->capture_count; i++) {
        push_group(L, call.re, call.text, i);
        lua_rawseti(L, -2, (lua_Integer)i);
    }
    uint32_t count = 0;
    uint32_t size = 0;
    PCRE2_SPTR names = NULL;
    (void)pcre2_pattern_info(call.re->code, PCRE2_INFO_NAMECOUNT, &count);
    (void)pcre2_pattern_info(call.re->code, PCRE2_INFO_NAMEENTRYSIZE, &size);
    (void)pcre2_pattern_info(call.re->code, PCRE2_INFO_NAMETABLE, &names);
    for (uint32_t i = 0; i < count; i++, names += size) {
        push_group(L, call.re, call.text, (uint32_t)(names[0] << 8 | names[1]));
        lua_setfield(L, -2, (const char *)names + 2);
    }
    return 1;
}

/* The match at or behind *from that is not empty where the last one ended. */
static enum outcome match_next(lua_State *L, const struct call *call, size_t *from, bool *is_empty)
{
    if (*from > call->text.len)
        return UNMATCHED;
    const uint32_t options = *is_empty ? PCRE2_NOTEMPTY_ATSTART : 0;
    const enum outcome outcome = match(L, call->re, call->text, *from, options);
    if (outcome != MATCHED)
        return outcome;
    const PCRE2_SIZE *place = pcre2_get_ovector_pointer(call->re->match);
    *from = place[1];
    *is_empty = true; /* an empty match here would be the end of this one */
    return MATCHED;
}

/* Upvalues: text, Re, position. */
static int l_next(lua_State *L)
{
    struct call call;
    call.text.data = lua_tolstring(L, lua_upvalueindex(1), &call.text.len);
    call.re = lua_touserdata(L, lua_upvalueindex(2));
    const lua_Integer at = lua_tointeger(L, lua_upvalueindex(3));
    size_t from = at < 0 ? 0 : (size_t)at;
    bool is_empty = at >= 0;
    const enum outcome outcome = match_next(L, &call, &from, &is_empty);
    if (outcome == OVER_LIMIT)
        return luaL_error(L, "anzol.re.gmatch: the pattern took too many steps on this text");
    if (outcome == UNMATCHED)
        return 0;
    lua_pushinteger(L, (lua_Integer)from);
    lua_replace(L, lua_upvalueindex(3));
    return push_groups(L, call.re, call.text, true);
}

static int l_gmatch(lua_State *L)
{
    (void)check_call(L);
    lua_settop(L, 2);
    lua_pushinteger(L, -1);
    lua_pushcclosure(L, l_next, 3);
    return 1;
}

/* A replacement's text: %0 to %9 and %%. */
static void add_text(lua_State *L, luaL_Buffer *out, const struct call *call, struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        const char sign = text.data[i];
        if (sign != '%') {
            luaL_addchar(out, sign);
            continue;
        }
        const char digit = ++i < text.len ? text.data[i] : '\0';
        if (digit == '%') {
            luaL_addchar(out, '%');
        } else if (digit >= '0' && digit <= '9' &&
                   (uint32_t)(digit - '0') <= call->re->capture_count) {
            push_group(L, call->re, call->text, (uint32_t)(digit - '0'));
            if (lua_isnil(L, -1))
                lua_pop(L, 1);
            else
                luaL_addvalue(out);
        } else {
            (void)luaL_error(L,
                             "anzol.re.gsub: '%%%c' in the replacement is no group of the "
                             "pattern; %%%% is a percent sign",
                             digit);
        }
    }
}

/* What is at [begin, end) becomes the value of a table or function, kept at index 4. */
static void add_value(lua_State *L, luaL_Buffer *out, const struct call *call, struct slice whole)
{
    if (lua_type(L, 3) == LUA_TFUNCTION) {
        lua_pushvalue(L, 3);
        lua_call(L, push_groups(L, call->re, call->text, true), 1);
    } else {
        push_group(L, call->re, call->text, call->re->capture_count > 0 ? 1 : 0);
        (void)lua_gettable(L, 3);
    }
    if (!lua_toboolean(L, -1)) {
        lua_pop(L, 1);
        luaL_addlstring(out, whole.data, whole.len);
        return;
    }
    if (!lua_isstring(L, -1))
        (void)luaL_error(L, "anzol.re.gsub: invalid replacement value (a %s)",
                         luaL_typename(L, -1));
    luaL_addvalue(out);
}

static int l_gsub(lua_State *L)
{
    const struct call call = check_call(L);
    const int type = lua_type(L, 3);
    luaL_argexpected(L, type == LUA_TSTRING || type == LUA_TTABLE || type == LUA_TFUNCTION, 3,
                     "string, table or function");
    const lua_Integer most = luaL_optinteger(L, 4, LUA_MAXINTEGER);
    struct slice replacement = {"", 0};
    if (type == LUA_TSTRING)
        replacement.data = lua_tolstring(L, 3, &replacement.len);
    lua_settop(L, 3);
    luaL_Buffer out;
    luaL_buffinit(L, &out);
    lua_Integer count = 0;
    size_t copied = 0;
    size_t from = 0;
    bool is_empty = false;
    enum outcome outcome = UNMATCHED;
    while (count < most && (outcome = match_next(L, &call, &from, &is_empty)) == MATCHED) {
        const size_t begin = pcre2_get_ovector_pointer(call.re->match)[0];
        const size_t end = from;
        luaL_addlstring(&out, call.text.data + copied, begin - copied);
        if (type == LUA_TSTRING)
            add_text(L, &out, &call, replacement);
        else
            add_value(L, &out, &call, slice_of(call.text.data + begin, end - begin));
        copied = end;
        count++;
    }
    luaL_addlstring(&out, call.text.data + copied, call.text.len - copied);
    luaL_pushresult(&out);
    if (outcome == OVER_LIMIT && count < most)
        return push_limit(L);
    lua_pushinteger(L, count);
    return 2;
}

static int l_split(lua_State *L)
{
    const struct call call = check_call(L);
    size_t copied = 0;
    size_t from = 0;
    bool is_empty = true; /* no empty piece before the first byte */
    lua_Integer count = 0;
    enum outcome outcome;
    lua_settop(L, 2);
    lua_newtable(L);
    while ((outcome = match_next(L, &call, &from, &is_empty)) == MATCHED) {
        const size_t begin = pcre2_get_ovector_pointer(call.re->match)[0];
        if (from == begin && begin == call.text.len)
            break;
        (void)lua_pushlstring(L, call.text.data + copied, begin - copied);
        lua_rawseti(L, 3, ++count);
        copied = from;
    }
    if (outcome == OVER_LIMIT)
        return push_limit(L);
    (void)lua_pushlstring(L, call.text.data + copied, call.text.len - copied);
    lua_rawseti(L, 3, ++count);
    return 1;
}

/* ---- Putting them in place ---- */

static const luaL_Reg meta[] = {{"__gc", l_gc}, {NULL, NULL}};
static const luaL_Reg methods[] = {
    {"find", l_find},   {"gmatch", l_gmatch}, {"groups", l_groups}, {"gsub", l_gsub},
    {"match", l_match}, {"split", l_split},   {NULL, NULL},
};

const struct object_kind re_kind = {.name = "anzol.re", .meta = meta, .methods = methods};

void open_re(lua_State *L)
{
    object_open(L, &re_kind);
    luaL_newlib(L, methods);
    lua_pushcfunction(L, l_compile);
    lua_setfield(L, -2, "compile");
    lua_setfield(L, -2, "re");
}
