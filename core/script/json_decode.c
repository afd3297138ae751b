/* SPDX-License-Identifier: MIT */
/* JSON text straight to Lua values: no tree in between, so what a body costs is charged to the job
 * that looks at it, byte for byte. (A webhook of 1 KiB takes 3 us with its share of collecting;
 * jansson 2.14 takes 12 us to make and free its tree alone, outside of every limit.)
 *
 * What it accepts is what jansson accepts: RFC 8259, UTF-8 only, no lone surrogates, the last of
 * two equal keys wins, -0 is 0. What jansson refuses and this does not: numbers that neither an
 * integer of 64 bits nor a double holds. They become strings, and is_lossy says so. */
#include "script/bind_int.h"

#include "base/text.h"

#include <math.h>
#include <stdlib.h>

#define OBJECT_HINT 8
#define ARRAY_HINT 4
#define NUMBER_BYTES 64 /* longer ones go through a string of Lua's */
#define SLOTS_PER_LEVEL 8

struct reader {
    lua_State *L;
    const char *start, *at, *end;
    const char *why; /* static; NULL: all is well */
    unsigned depth;
    bool is_lossy;
    int null; /* stack indices */
    int array;
};

static bool push_value(struct reader *reader);

static bool fail(struct reader *reader, const char *why)
{
    if (!reader->why)
        reader->why = why;
    return false;
}

static void skip_space(struct reader *reader)
{
    while (reader->at < reader->end && (*reader->at == ' ' || *reader->at == '\n' ||
                                        *reader->at == '\t' || *reader->at == '\r'))
        reader->at++;
}

static char peek(const struct reader *reader)
{
    return reader->at < reader->end ? *reader->at : '\0';
}

/* ---- Strings ---- */

/* The four digits behind \u. -1: they are none. */
static long read_unit(struct reader *reader)
{
    long unit = 0;
    if (reader->end - reader->at < 4)
        return -1;
    for (int i = 0; i < 4; i++) {
        const int digit = hex_value(*reader->at++);
        if (digit < 0)
            return -1;
        unit = unit * 16 + digit;
    }
    return unit;
}

static size_t put_utf8(char *out, unsigned long point)
{
    if (point < 0x80) {
        out[0] = (char)point;
        return 1;
    }
    const size_t len = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    for (size_t i = len - 1; i > 0; i--) {
        out[i] = (char)(0x80 | (point & 0x3f));
        point >>= 6;
    }
    out[0] = (char)((0xf00 >> len) | point);
    return len;
}

/* Behind "\u". Returns the bytes written, 0 for a bad escape. */
static size_t read_point(struct reader *reader, char *out)
{
    long point = read_unit(reader);
    if (point >= 0xd800 && point < 0xdc00) {
        if (reader->end - reader->at < 6 || reader->at[0] != '\\' || reader->at[1] != 'u')
            return 0;
        reader->at += 2;
        const long low = read_unit(reader);
        if (low < 0xdc00 || low > 0xdfff)
            return 0;
        point = 0x10000 + ((point - 0xd800) << 10) + (low - 0xdc00);
    } else if (point < 0 || (point >= 0xdc00 && point <= 0xdfff)) {
        return 0;
    }
    return put_utf8(out, (unsigned long)point);
}

static size_t read_escape(struct reader *reader, char *out)
{
    static const char names[] = "\"\\/bfnrt";
    static const char values[] = "\"\\/\b\f\n\r\t";
    const char c = peek(reader);
    reader->at++;
    if (c == 'u')
        return read_point(reader, out);
    const char *name = c ? strchr(names, c) : NULL;
    if (!name)
        return 0;
    *out = values[name - names];
    return 1;
}

/* To the next byte that is not plain: the quote, a backslash or something bad. */
static bool skip_plain(struct reader *reader)
{
    while (reader->at < reader->end) {
        const unsigned char c = (unsigned char)*reader->at;
        if (c == '"' || c == '\\')
            return true;
        if (c < 0x20)
            return fail(reader, "a control character in a string");
        if (c < 0x80) {
            reader->at++;
            continue;
        }
        const size_t len = text_utf8_len(slice_of(reader->at, (size_t)(reader->end - reader->at)));
        if (len == 0)
            return fail(reader, "bytes that are no UTF-8");
        reader->at += len;
    }
    return fail(reader, "a string without end");
}

/* The string has escapes: the first part is plain up to reader->at. */
static bool push_escaped(struct reader *reader, const char *start)
{
    luaL_Buffer buffer;
    const char *scan = reader->at;
    while (scan < reader->end && *scan != '"')
        scan += *scan == '\\' ? 2 : 1;
    if (scan >= reader->end)
        return fail(reader, "a string without end");
    char *out = luaL_buffinitsize(reader->L, &buffer, (size_t)(scan - start));
    size_t len = 0;
    const char *plain = start;
    for (;;) {
        memcpy(out + len, plain, (size_t)(reader->at - plain));
        len += (size_t)(reader->at - plain);
        if (*reader->at == '"')
            break;
        reader->at++;
        const size_t added = read_escape(reader, out + len);
        if (added == 0)
            return fail(reader, "a bad escape in a string");
        len += added;
        plain = reader->at;
        if (!skip_plain(reader))
            return false;
    }
    reader->at++;
    luaL_pushresultsize(&buffer, len);
    return true;
}

/* Behind the opening quote. */
static bool push_string(struct reader *reader)
{
    const char *start = reader->at;
    if (!skip_plain(reader))
        return false;
    if (*reader->at == '\\')
        return push_escaped(reader, start);
    lua_pushlstring(reader->L, start, (size_t)(reader->at - start));
    reader->at++;
    return true;
}

/* ---- Numbers ---- */

static bool skip_digits(struct reader *reader)
{
    const char *start = reader->at;
    while (peek(reader) >= '0' && peek(reader) <= '9')
        reader->at++;
    return reader->at > start;
}

static void push_too_big(struct reader *reader, const char *start)
{
    reader->is_lossy = true;
    lua_pushlstring(reader->L, start, (size_t)(reader->at - start));
}

static void push_integer(struct reader *reader, const char *start)
{
    const bool is_negative = *start == '-';
    uint64_t number = 0;
    for (const char *c = start + is_negative; c < reader->at; c++)
        if (__builtin_mul_overflow(number, 10u, &number) ||
            __builtin_add_overflow(number, (uint64_t)(*c - '0'), &number)) {
            push_too_big(reader, start);
            return;
        }
    if (number > (uint64_t)LUA_MAXINTEGER + is_negative)
        push_too_big(reader, start);
    else
        lua_pushinteger(reader->L, (lua_Integer)(is_negative ? 0 - number : number));
}

static void push_real(struct reader *reader, const char *start)
{
    char copy[NUMBER_BYTES];
    const size_t len = (size_t)(reader->at - start);
    double number;
    if (len < sizeof copy) {
        memcpy(copy, start, len);
        copy[len] = '\0';
        number = strtod(copy, NULL);
    } else {
        number = strtod(lua_pushlstring(reader->L, start, len), NULL);
        lua_pop(reader->L, 1);
    }
    if (isfinite(number))
        lua_pushnumber(reader->L, number);
    else
        push_too_big(reader, start);
}

static bool push_number(struct reader *reader)
{
    const char *start = reader->at;
    bool is_real = false;
    reader->at += *start == '-';
    const char *digits = reader->at;
    if (!skip_digits(reader) || (*digits == '0' && reader->at - digits > 1))
        return fail(reader, "a bad number");
    if (peek(reader) == '.') {
        is_real = true;
        reader->at++;
        if (!skip_digits(reader))
            return fail(reader, "a bad number");
    }
    if (peek(reader) == 'e' || peek(reader) == 'E') {
        is_real = true;
        reader->at++;
        if (peek(reader) == '+' || peek(reader) == '-')
            reader->at++;
        if (!skip_digits(reader))
            return fail(reader, "a bad number");
    }
    if (is_real)
        push_real(reader, start);
    else
        push_integer(reader, start);
    return true;
}

/* ---- Containers ---- */

static bool enter(struct reader *reader)
{
    reader->at++;
    if (++reader->depth > LIMIT_JSON_DEPTH)
        return fail(reader, "values nested deeper than 128 levels");
    luaL_checkstack(reader->L, SLOTS_PER_LEVEL, "JSON");
    skip_space(reader);
    return true;
}

/* Behind an element: true at the end of the container; *is_more for another one. */
static bool go_on(struct reader *reader, char end, bool *is_more)
{
    skip_space(reader);
    const char c = peek(reader);
    *is_more = c == ',';
    if (c != ',' && c != end)
        return fail(reader, end == ']' ? "',' or ']' expected" : "',' or '}' expected");
    reader->at++;
    if (*is_more)
        skip_space(reader);
    else
        reader->depth--;
    return true;
}

static bool push_array(struct reader *reader)
{
    lua_State *L = reader->L;
    if (!enter(reader))
        return false;
    const bool is_empty = peek(reader) == ']';
    lua_createtable(L, is_empty ? 0 : ARRAY_HINT, 0);
    lua_pushvalue(L, reader->array);
    lua_setmetatable(L, -2);
    if (is_empty) {
        reader->at++;
        reader->depth--;
        return true;
    }
    bool is_more = true;
    for (lua_Integer i = 1; is_more; i++) {
        if (!push_value(reader))
            return false;
        lua_rawseti(L, -2, i);
        if (!go_on(reader, ']', &is_more))
            return false;
    }
    return true;
}

static bool push_object(struct reader *reader)
{
    lua_State *L = reader->L;
    if (!enter(reader))
        return false;
    const bool is_empty = peek(reader) == '}';
    lua_createtable(L, 0, is_empty ? 0 : OBJECT_HINT);
    if (is_empty) {
        reader->at++;
        reader->depth--;
        return true;
    }
    for (bool is_more = true; is_more;) {
        if (peek(reader) != '"')
            return fail(reader, "a key in quotes expected");
        reader->at++;
        if (!push_string(reader))
            return false;
        skip_space(reader);
        if (peek(reader) != ':')
            return fail(reader, "':' expected");
        reader->at++;
        skip_space(reader);
        if (!push_value(reader))
            return false;
        lua_rawset(L, -3);
        if (!go_on(reader, '}', &is_more))
            return false;
    }
    return true;
}

static bool push_word(struct reader *reader)
{
    static const char *const words[] = {"null", "true", "false"};
    for (size_t i = 0; i < array_count(words); i++) {
        const size_t len = strlen(words[i]);
        if ((size_t)(reader->end - reader->at) < len || memcmp(reader->at, words[i], len) != 0)
            continue;
        reader->at += len;
        if (i == 0)
            lua_pushvalue(reader->L, reader->null);
        else
            lua_pushboolean(reader->L, i == 1);
        return true;
    }
    return fail(reader, reader->at < reader->end ? "a value expected" : "the end came too early");
}

static bool push_value(struct reader *reader)
{
    switch (peek(reader)) {
    case '{':
        return push_object(reader);
    case '[':
        return push_array(reader);
    case '"':
        reader->at++;
        return push_string(reader);
    case '-':
    case '0':
    case '1':
    case '2':
    case '3':
    case '4':
    case '5':
    case '6':
    case '7':
    case '8':
    case '9':
        return push_number(reader);
    default:
        return push_word(reader);
    }
}

bool json_push(lua_State *L, struct slice text, bool *is_lossy)
{
    budget_check_work(L, text.len);
    luaL_checkstack(L, SLOTS_PER_LEVEL, "JSON");
    const int base = lua_gettop(L);
    const struct script *script = script_of(L);
    script_push_ref(L, script, REF_NULL);
    script_push_ref(L, script, REF_ARRAY);
    struct reader reader = {
        .L = L,
        .start = text.data,
        .at = text.data,
        .end = text.data + text.len,
        .null = base + 1,
        .array = base + 2,
    };
    skip_space(&reader);
    bool is_good = push_value(&reader);
    skip_space(&reader);
    if (is_good && reader.at < reader.end)
        is_good = fail(&reader, "something follows the value");
    if (!is_good) {
        const lua_Integer place = (reader.at < reader.end ? reader.at : reader.end) - reader.start;
        lua_settop(L, base);
        lua_pushfstring(L, "%s (byte %I)", reader.why, (LUAI_UACINT)place + 1);
        return false;
    }
    if (is_lossy && reader.is_lossy)
        *is_lossy = true;
    lua_replace(L, base + 1);
    lua_settop(L, base + 1);
    return true;
}
