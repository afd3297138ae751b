/* SPDX-License-Identifier: MIT */
/* Lua values straight to JSON text in the script's body buffer. What JSON can't hold raises with
 * the path to it: "order.items[3].price: NaN is no JSON number". */
#include "script/bind_int.h"

#include <float.h>
#include <math.h>
#include <stdlib.h>

#define REAL_BYTES 40
#define PATH_BYTES 256
#define SLOTS_PER_LEVEL 8

struct writer {
    lua_State *L;
    struct buf *out;
    const struct json_style *style;
    unsigned depth;
    const char *why;       /* static, or alive on L's stack; NULL: all is well */
    char path[PATH_BYTES]; /* filled from its end while the failure goes up */
    size_t path_start;
    int null; /* stack indices */
    int array;
    int object;
};

static bool put_value(struct writer *writer, int index);

static bool fail(struct writer *writer, const char *why)
{
    writer->why = why;
    return false;
}

static bool put(struct writer *writer, const char *data, size_t len)
{
    return buf_add(writer->out, data, len) == OK ||
           fail(writer, "the text would be longer than 16 MiB");
}

static bool put_byte(struct writer *writer, char byte)
{
    return buf_add_byte(writer->out, byte) == OK ||
           fail(writer, "the text would be longer than 16 MiB");
}

/* The container that the failing value lies in puts its part of the path before what is there. */
static void prefix_path(struct writer *writer, const char *text, size_t len)
{
    if (len > writer->path_start)
        len = writer->path_start;
    writer->path_start -= len;
    memcpy(writer->path + writer->path_start, text, len);
}

static void prefix_index(struct writer *writer, lua_Integer index)
{
    char text[32];
    const int len = snprintf(text, sizeof text, "[%lld]", (long long)index);
    prefix_path(writer, text, (size_t)len);
}

static void prefix_key(struct writer *writer, int index)
{
    size_t len;
    const char *key = lua_tolstring(writer->L, index, &len);
    prefix_path(writer, key, len < 64 ? len : 64);
    prefix_path(writer, ".", 1);
}

/* ---- Scalars ---- */

/* The shortest text that reads back as the same double; 1.0 stays a real. */
static bool put_real(struct writer *writer, double number)
{
    char text[REAL_BYTES];
    if (!isfinite(number))
        return fail(writer, isnan(number) ? "NaN is no JSON number" : "infinity is no JSON number");
    /* 15 digits are always kept; a subnormal has fewer. */
    for (int digits = fabs(number) < DBL_MIN ? 1 : DBL_DIG; digits <= DBL_DECIMAL_DIG; digits++) {
        (void)snprintf(text, sizeof text, "%.*g", digits, number);
        const double back = strtod(text, NULL);
        if (!(back < number) && !(back > number))
            break;
    }
    if (!strpbrk(text, ".e")) {
        const size_t len = strlen(text);
        memcpy(text + len, ".0", sizeof ".0");
    }
    return put(writer, text, strlen(text));
}

static bool put_integer(struct writer *writer, lua_Integer number)
{
    char text[REAL_BYTES];
    char *end = text + sizeof text;
    char *start = end;
    lua_Unsigned rest = number < 0 ? 0 - (lua_Unsigned)number : (lua_Unsigned)number;
    do {
        *--start = (char)('0' + rest % 10);
        rest /= 10;
    } while (rest > 0);
    if (number < 0)
        *--start = '-';
    return put(writer, start, (size_t)(end - start));
}

static bool put_string(struct writer *writer, int index)
{
    struct slice text;
    text.data = lua_tolstring(writer->L, index, &text.len);
    size_t plain = 0;
    while (plain < text.len && (unsigned char)text.data[plain] >= 0x20 &&
           (unsigned char)text.data[plain] < 0x80 && text.data[plain] != '"' &&
           text.data[plain] != '\\')
        plain++;
    if (plain == text.len)
        return put_byte(writer, '"') && put(writer, text.data, text.len) && put_byte(writer, '"');
    return buf_add_json_string(writer->out, text) == OK ||
           fail(writer, "the text would be longer than 16 MiB");
}

/* ---- Containers ---- */

static bool put_newline(struct writer *writer)
{
    if (writer->style->indent <= 0)
        return true;
    static const char spaces[] = "                                ";
    size_t count = (size_t)writer->style->indent * writer->depth;
    if (!put_byte(writer, '\n'))
        return false;
    for (; count > sizeof spaces - 1; count -= sizeof spaces - 1)
        if (!put(writer, spaces, sizeof spaces - 1))
            return false;
    return put(writer, spaces, count);
}

static bool enter(struct writer *writer, char open)
{
    if (++writer->depth > LIMIT_JSON_DEPTH)
        return fail(writer, "nested deeper than 128 levels (or a table that holds itself)");
    if (!lua_checkstack(writer->L, SLOTS_PER_LEVEL))
        return fail(writer, "out of stack");
    return put_byte(writer, open);
}

static bool leave(struct writer *writer, char close, bool is_empty)
{
    writer->depth--;
    return (is_empty || put_newline(writer)) && put_byte(writer, close);
}

static bool put_array(struct writer *writer, int index, lua_Integer count)
{
    lua_State *L = writer->L;
    if (!enter(writer, '['))
        return false;
    for (lua_Integer i = 1; i <= count; i++) {
        if ((i > 1 && !put_byte(writer, ',')) || !put_newline(writer))
            return false;
        lua_rawgeti(L, index, i);
        if (!put_value(writer, lua_gettop(L))) {
            prefix_index(writer, i);
            return false;
        }
        lua_pop(L, 1);
    }
    return leave(writer, ']', count == 0);
}

static bool fail_key(struct writer *writer, int key)
{
    lua_State *L = writer->L;
    const bool is_plain = lua_isnumber(L, key) || lua_isboolean(L, key);
    const char *found = is_plain ? luaL_tolstring(L, key, NULL) : luaL_typename(L, key);
    return fail(writer, lua_pushfstring(L, "a key of an object is a string, found %s", found));
}

static bool put_member(struct writer *writer, int key, int value, bool is_first)
{
    if ((!is_first && !put_byte(writer, ',')) || !put_newline(writer))
        return false;
    if (lua_type(writer->L, key) != LUA_TSTRING)
        return fail_key(writer, key);
    if (!put_string(writer, key) || !put_byte(writer, ':') ||
        (writer->style->indent > 0 && !put_byte(writer, ' ')))
        return false;
    if (put_value(writer, value))
        return true;
    prefix_key(writer, key);
    return false;
}

static int compare_slices(const void *a, const void *b)
{
    const struct slice *x = a;
    const struct slice *y = b;
    const int order = memcmp(x->data, y->data, x->len < y->len ? x->len : y->len);
    return order != 0 ? order : x->len < y->len ? -1 : x->len > y->len;
}

/* The keys, sorted, in a userdata on top; the strings live in the table. NULL: one is no string. */
static struct slice *push_sorted_keys(struct writer *writer, int index, size_t *count)
{
    lua_State *L = writer->L;
    *count = 0;
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1))
        ++*count;
    struct slice *keys = lua_newuserdatauv(L, (*count + 1) * sizeof *keys, 0);
    size_t i = 0;
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
        if (lua_type(L, -2) != LUA_TSTRING) {
            (void)fail_key(writer, lua_absindex(L, -2));
            return NULL;
        }
        if (i < *count) {
            keys[i].data = lua_tolstring(L, -2, &keys[i].len);
            i++;
        }
    }
    *count = i;
    qsort(keys, i, sizeof *keys, compare_slices);
    return keys;
}

static bool put_sorted(struct writer *writer, int index)
{
    lua_State *L = writer->L;
    size_t count;
    const struct slice *keys = push_sorted_keys(writer, index, &count);
    if (!keys)
        return false;
    for (size_t i = 0; i < count; i++) {
        lua_pushlstring(L, keys[i].data, keys[i].len);
        lua_pushvalue(L, -1);
        lua_rawget(L, index);
        const int top = lua_gettop(L);
        if (!put_member(writer, top - 1, top, i == 0))
            return false;
        lua_pop(L, 2);
    }
    lua_pop(L, 1);
    return leave(writer, '}', count == 0);
}

static bool put_object(struct writer *writer, int index)
{
    lua_State *L = writer->L;
    if (!enter(writer, '{'))
        return false;
    if (writer->style->is_sorted)
        return put_sorted(writer, index);
    bool is_first = true;
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
        const int top = lua_gettop(L);
        if (!put_member(writer, top - 1, top, is_first))
            return false;
        is_first = false;
    }
    return leave(writer, '}', is_first);
}

/* True if the keys are exactly 1 … count. */
static bool is_sequence(lua_State *L, int index, lua_Integer count)
{
    lua_Integer found = 0;
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
        if (!lua_isinteger(L, -2) || lua_tointeger(L, -2) < 1 || lua_tointeger(L, -2) > count) {
            lua_pop(L, 2);
            return false;
        }
        found++;
    }
    return found == count;
}

static bool put_table(struct writer *writer, int index)
{
    lua_State *L = writer->L;
    const lua_Integer count = (lua_Integer)lua_rawlen(L, index);
    bool is_array = false;
    bool is_object = false;
    if (lua_getmetatable(L, index)) {
        is_array = lua_rawequal(L, -1, writer->array);
        is_object = lua_rawequal(L, -1, writer->object);
        lua_pop(L, 1);
    }
    if (is_object || (!is_array && count == 0))
        return put_object(writer, index);
    if (!is_sequence(L, index, count))
        return fail(writer, is_array ? "an array with holes or with keys that are no positions"
                                     : "a table with both positions and other keys, or with holes");
    return put_array(writer, index, count);
}

static bool put_value(struct writer *writer, int index)
{
    lua_State *L = writer->L;
    switch (lua_type(L, index)) {
    case LUA_TSTRING:
        return put_string(writer, index);
    case LUA_TNUMBER:
        return lua_isinteger(L, index) ? put_integer(writer, lua_tointeger(L, index))
                                       : put_real(writer, lua_tonumber(L, index));
    case LUA_TBOOLEAN:
        return lua_toboolean(L, index) ? put(writer, "true", 4) : put(writer, "false", 5);
    case LUA_TTABLE:
        return put_table(writer, index);
    case LUA_TUSERDATA:
        if (lua_rawequal(L, index, writer->null))
            return put(writer, "null", 4);
        break;
    default:
        break;
    }
    return fail(writer, lua_pushfstring(L, "a %s is no JSON value", luaL_typename(L, index)));
}

void json_check_encode(lua_State *L, int index, const struct json_style *style)
{
    static const struct json_style plain = {0};
    struct script *script = script_of(L);
    index = lua_absindex(L, index);
    const int top = lua_gettop(L);
    luaL_checkstack(L, SLOTS_PER_LEVEL, "JSON");
    script_push_ref(L, script, REF_NULL);
    script_push_ref(L, script, REF_ARRAY);
    script_push_ref(L, script, REF_OBJECT);
    struct writer writer = {
        .L = L,
        .out = &script->body,
        .style = style ? style : &plain,
        .path_start = PATH_BYTES,
        .null = top + 1,
        .array = top + 2,
        .object = top + 3,
    };
    const size_t before = script->body.len;
    if (!put_value(&writer, index)) {
        const bool has_path = writer.path_start < PATH_BYTES;
        const char *path = writer.path + writer.path_start;
        if (has_path && *path == '.')
            path++;
        lua_pushlstring(L, path, (size_t)(writer.path + PATH_BYTES - path));
        (void)luaL_error(L, "JSON: %s%s%s", lua_tostring(L, -1), has_path ? ": " : "", writer.why);
    }
    budget_check_work(L, script->body.len - before);
    lua_settop(L, top);
}
