/* SPDX-License-Identifier: MIT */
/* Fuzzes JSON to Lua and back beside jansson. Properties: both take the same texts, and read the
 * same values from them, integers exactly; what is written reads back as the same value, here and
 * there, sorted or not; writing it again gives the same text; memory returns to its base. */
#include "script_state.h"

#include "script/bind_int.h"

#include <jansson.h>
#include <math.h>

#define TEXT_BYTES_MAX 4096
#define JANSSON_FLAGS (JSON_DECODE_ANY | JSON_ALLOW_NUL)
#define INDENT 3

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static bool is_equal(lua_State *L, int index, const json_t *wanted);

/* ---- jansson's side ---- */

static bool is_of_number(char c)
{
    return (c >= '0' && c <= '9') || strchr("+-.eE", c);
}

/* Where the number that ends there begins: at its sign, if that is none of an exponent. */
static size_t number_start(const char *text, size_t end)
{
    size_t start = end;
    while (start > 0 && is_of_number(text[start - 1])) {
        start--;
        if (text[start] == '-' && (start == 0 || !strchr("eE", text[start - 1])))
            break;
    }
    return start;
}

/* What stands there must be a string, not a number. */
static bool is_before_colon(struct slice text, size_t end)
{
    while (end < text.len && strchr(" \t\r\n", text.data[end]))
        end++;
    return end < text.len && text.data[end] == ':';
}

/* Puts the number that ends before the place in quotes: that is how Lua gets it. */
static void quote_number(struct buf *text, size_t end)
{
    const size_t start = number_start(text->data, end);
    check(start < end && end <= text->len);
    check(buf_add_str(text, "\"\"") == OK);
    memmove(text->data + end + 2, text->data + end, text->len - 2 - end);
    memmove(text->data + start + 1, text->data + start, end - start);
    text->data[start] = '"';
    text->data[end + 1] = '"';
}

/* NULL: not taken, and *error says why. */
static json_t *read_with_jansson(struct slice text, bool *is_lossy, json_error_t *error)
{
    struct buf copy;
    buf_init(&copy, (size_t)4 * TEXT_BYTES_MAX);
    check(buf_add_slice(&copy, text) == OK);
    *is_lossy = false;
    json_t *value = json_loadb(text.len > 0 ? copy.data : "", copy.len, JANSSON_FLAGS, error);
    while (!value && json_error_code(error) == json_error_numeric_overflow &&
           !is_before_colon(buf_slice(&copy), (size_t)error->position)) {
        *is_lossy = true;
        quote_number(&copy, (size_t)error->position);
        value = json_loadb(copy.data, copy.len, JANSSON_FLAGS, error);
    }
    buf_finish(&copy);
    return value;
}

static unsigned depth_of(const json_t *value)
{
    unsigned deepest = 0;
    if (json_is_array(value)) {
        for (size_t i = 0; i < json_array_size(value); i++) {
            const unsigned depth = depth_of(json_array_get(value, i));
            deepest = depth > deepest ? depth : deepest;
        }
        return deepest + 1;
    }
    if (!json_is_object(value))
        return 0;
    const char *key;
    json_t *member;
    json_object_foreach((json_t *)value, key, member)
    {
        const unsigned depth = depth_of(member);
        deepest = depth > deepest ? depth : deepest;
    }
    return deepest + 1;
}

/* ---- The same value on both sides ---- */

static bool is_array_equal(lua_State *L, int index, const json_t *wanted)
{
    if (lua_type(L, index) != LUA_TTABLE || !lua_getmetatable(L, index))
        return false;
    script_push_ref(L, script_of(L), REF_ARRAY);
    bool is_same = lua_rawequal(L, -1, -2) && lua_rawlen(L, index) == json_array_size(wanted);
    lua_pop(L, 2);
    for (size_t i = 0; is_same && i < json_array_size(wanted); i++) {
        lua_rawgeti(L, index, (lua_Integer)i + 1);
        is_same = is_equal(L, lua_gettop(L), json_array_get(wanted, i));
        lua_pop(L, 1);
    }
    return is_same;
}

static bool is_object_equal(lua_State *L, int index, const json_t *wanted)
{
    if (lua_type(L, index) != LUA_TTABLE || lua_getmetatable(L, index))
        return false;
    size_t count = 0;
    for (lua_pushnil(L); lua_next(L, index); lua_pop(L, 1)) {
        const json_t *member = json_object_get(wanted, lua_tostring(L, -2));
        if (!member || !is_equal(L, lua_gettop(L), member))
            return false;
        count++;
    }
    return count == json_object_size(wanted);
}

static bool is_real_equal(double number, double wanted)
{
    return !(number < wanted) && !(number > wanted) && signbit(number) == signbit(wanted);
}

static bool is_equal(lua_State *L, int index, const json_t *wanted)
{
    luaL_checkstack(L, 8, "JSON");
    switch (json_typeof(wanted)) {
    case JSON_OBJECT:
        return is_object_equal(L, index, wanted);
    case JSON_ARRAY:
        return is_array_equal(L, index, wanted);
    case JSON_STRING: {
        struct slice text;
        const struct slice there = {json_string_value(wanted), json_string_length(wanted)};
        if (lua_type(L, index) != LUA_TSTRING)
            return false;
        text.data = lua_tolstring(L, index, &text.len);
        return slice_equal(text, there);
    }
    case JSON_INTEGER:
        return lua_isinteger(L, index) && lua_tointeger(L, index) == json_integer_value(wanted);
    case JSON_REAL:
        return lua_type(L, index) == LUA_TNUMBER && !lua_isinteger(L, index) &&
               is_real_equal(lua_tonumber(L, index), json_real_value(wanted));
    case JSON_TRUE:
    case JSON_FALSE:
        return lua_isboolean(L, index) && lua_toboolean(L, index) == json_is_true(wanted);
    case JSON_NULL:
        script_push_ref(L, script_of(L), REF_NULL);
        const bool is_null = lua_rawequal(L, index, -1);
        lua_pop(L, 1);
        return is_null;
    }
    return false;
}

/* ---- Writing ---- */

/* The text of the value at index, pushed. */
static struct slice push_text(lua_State *L, int index, struct json_style style)
{
    struct buf *body = &script_of(L)->body;
    struct slice text;
    buf_clear(body);
    json_check_encode(L, index, &style);
    lua_pushlstring(L, body->data, body->len);
    text.data = lua_tolstring(L, -1, &text.len);
    return text;
}

static void check_written(lua_State *L, int index, const json_t *wanted)
{
    static const struct json_style styles[] = {
        {.is_sorted = true}, {.is_sorted = true, .indent = INDENT}, {0}, {.indent = INDENT}};
    const struct slice once = push_text(L, index, styles[0]);
    for (size_t i = 0; i < array_count(styles); i++) {
        const struct slice text = push_text(L, index, styles[i]);
        bool is_lossy = false;
        check(json_push(L, text, &is_lossy) && !is_lossy);
        check(slice_equal(push_text(L, lua_gettop(L), styles[0]), once));
        if (!wanted)
            continue;
        json_error_t error;
        json_t *back = json_loadb(text.data, text.len, JANSSON_FLAGS, &error);
        check(back && json_equal(back, wanted));
        json_decref(back);
    }
}

static int l_judge(lua_State *L)
{
    struct slice text;
    text.data = lua_tolstring(L, 1, &text.len);
    bool is_lossy_there;
    bool is_lossy = false;
    json_error_t error;
    if (memchr(text.data, '\0', text.len)) { /* jansson overlooks some */
        check(!json_push(L, text, &is_lossy));
        return 0;
    }
    json_t *wanted = read_with_jansson(text, &is_lossy_there, &error);
    if (!json_push(L, text, &is_lossy)) {
        const bool is_deep = strstr(lua_tostring(L, -1), "deeper than 128 levels") != NULL;
        check(!wanted || (is_deep && depth_of(wanted) > LIMIT_JSON_DEPTH));
    } else if (wanted) {
        check(depth_of(wanted) <= LIMIT_JSON_DEPTH && is_lossy == is_lossy_there);
        check(is_equal(L, lua_gettop(L), wanted));
        check_written(L, lua_gettop(L), wanted);
    } else { /* the one thing it refuses that is JSON: a zero byte in a key */
        check(json_error_code(&error) == json_error_null_byte_in_key);
        check_written(L, lua_gettop(L), NULL);
    }
    json_decref(wanted);
    return 0;
}

static int l_open(lua_State *L)
{
    lua_newtable(L);
    open_json(L);
    return 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static struct fuzz_state state;
    if (size <= TEXT_BYTES_MAX)
        fuzz_state_judge(&state, l_open, l_judge, slice_of((const char *)data, size));
    return 0;
}
