/* SPDX-License-Identifier: MIT */
/* anzol.cache(ns): values that all scripts of the process share at once, until it ends or they are
 * pushed out. Locks, counters, what was looked up. */
#include "script/bind_int.h"

#include "shared/shared.h"

struct cache {
    size_t ns_len;
    char ns[LIMIT_NAME_BYTES];
};

/* What bytes of a value mean: the first of them. */
#define TAG_TEXT 't'
#define TAG_JSON 'j'

struct shared *shared_check(lua_State *L, const char *function)
{
    const struct script *script = script_of(L);
    struct shared *shared = script->hooks.shared;
    if (!shared)
        (void)luaL_error(L, "%s works once the scripts serve, not in '%s'", function,
                         script->context ? phases[script->context->phase].name : "load");
    return shared;
}

static struct slice check_ns(lua_State *L, const struct cache **cache)
{
    *cache = object_check(L, 1, &cache_kind);
    return slice_of((*cache)->ns, (*cache)->ns_len);
}

static struct slice check_key(lua_State *L, const char *function)
{
    struct slice key;
    key.data = luaL_checklstring(L, 2, &key.len);
    if (key.len > LIMIT_KEY_BYTES)
        (void)luaL_error(L, "the key of %s is longer than %d bytes", function, LIMIT_KEY_BYTES);
    return key;
}

/* Option ttl of the table at index; 0: none. */
static int64_t check_ttl(lua_State *L, int index, const char *function)
{
    static const char *const names[] = {"ttl", NULL};
    if (lua_isnoneornil(L, index))
        return 0;
    const struct options options = {.index = index, .what = function};
    options_check_names(L, &options, names, NULL);
    const int64_t ttl_ms = option_check_duration(L, &options, "ttl", 0);
    lua_getfield(L, index, "ttl");
    if (ttl_ms == 0 && !lua_isnil(L, -1))
        (void)option_error(L, &options, "ttl", "a duration of at least 1ms");
    lua_pop(L, 1);
    return ttl_ms;
}

static struct cache_number number_at(lua_State *L, int index)
{
    if (lua_isinteger(L, index))
        return (struct cache_number){.whole = lua_tointeger(L, index)};
    return (struct cache_number){.is_real = true, .real = lua_tonumber(L, index)};
}

static void push_number(lua_State *L, const struct cache_number *number)
{
    if (number->is_real)
        lua_pushnumber(L, number->real);
    else
        lua_pushinteger(L, number->whole);
}

/* The bytes are in the script's body buffer. */
static struct cache_value check_value(lua_State *L, int index, const char *function)
{
    if (lua_type(L, index) == LUA_TNUMBER)
        return (struct cache_value){.is_number = true, .number = number_at(L, index)};
    if (lua_isnoneornil(L, index))
        (void)luaL_error(L, "%s got no value; to remove one, use delete", function);
    struct buf *body = &script_of(L)->body;
    buf_clear(body);
    if (lua_type(L, index) != LUA_TSTRING) {
        (void)!buf_add_byte(body, TAG_JSON);
        json_check_encode(L, index, NULL);
    } else {
        struct slice text;
        text.data = lua_tolstring(L, index, &text.len);
        if (buf_add_byte(body, TAG_TEXT) != OK || buf_add_slice(body, text) != OK)
            (void)luaL_error(L, "out of memory");
    }
    if (body->len > LIMIT_CACHE_VALUE_BYTES)
        (void)luaL_error(L, "the value of %s takes more than %d KiB", function,
                         LIMIT_CACHE_VALUE_BYTES >> 10);
    budget_check_work(L, body->len);
    return (struct cache_value){.bytes = buf_slice(body)};
}

static void check_stored(lua_State *L, enum status status, const char *function)
{
    if (status == E_NOMEM)
        (void)luaL_error(L, "out of memory");
    if (status == E_LIMIT)
        (void)luaL_error(L, "the value of %s is too large", function);
}

/* ---- Methods ---- */

static int l_get(lua_State *L)
{
    const struct cache *cache;
    const struct slice ns = check_ns(L, &cache);
    struct shared *shared = shared_check(L, "cache:get");
    struct cache_value value;
    const enum status status =
        cache_get(shared, ns, check_key(L, "cache:get"), &value, &script_of(L)->body);
    if (status == E_NOTFOUND)
        return 0;
    check_stored(L, status, "cache:get");
    if (value.is_number) {
        push_number(L, &value.number);
        return 1;
    }
    budget_check_work(L, value.bytes.len);
    const struct slice bytes = slice_of(value.bytes.data + 1, value.bytes.len - 1);
    if (value.bytes.data[0] == TAG_JSON)
        check(json_push(L, bytes, NULL));
    else
        lua_pushlstring(L, bytes.data, bytes.len);
    return 1;
}

static int l_set(lua_State *L)
{
    const struct cache *cache;
    const struct slice ns = check_ns(L, &cache);
    struct shared *shared = shared_check(L, "cache:set");
    const struct slice key = check_key(L, "cache:set");
    const int64_t ttl_ms = check_ttl(L, 4, "cache:set");
    const struct cache_value value = check_value(L, 3, "cache:set");
    check_stored(L, cache_set(shared, ns, key, &value, ttl_ms, false), "cache:set");
    return 0;
}

static int l_add(lua_State *L)
{
    const struct cache *cache;
    const struct slice ns = check_ns(L, &cache);
    struct shared *shared = shared_check(L, "cache:add");
    const struct slice key = check_key(L, "cache:add");
    const int64_t ttl_ms = check_ttl(L, 4, "cache:add");
    const struct cache_value value = check_value(L, 3, "cache:add");
    const enum status status = cache_set(shared, ns, key, &value, ttl_ms, true);
    check_stored(L, status, "cache:add");
    lua_pushboolean(L, status == OK);
    return 1;
}

static int l_incr(lua_State *L)
{
    const struct cache *cache;
    const struct slice ns = check_ns(L, &cache);
    struct shared *shared = shared_check(L, "cache:incr");
    const struct slice key = check_key(L, "cache:incr");
    const bool has_count = !lua_isnoneornil(L, 3);
    if (has_count)
        luaL_checktype(L, 3, LUA_TNUMBER);
    const struct cache_number delta =
        has_count ? number_at(L, 3) : (struct cache_number){.whole = 1};
    const int64_t ttl_ms = check_ttl(L, 4, "cache:incr");
    struct cache_number sum;
    const enum status status = cache_incr(shared, ns, key, &delta, ttl_ms, &sum);
    if (status == E_INVALID)
        return luaL_error(L, "cache:incr: what is there under '%s' is no number", key.data);
    if (status == E_LIMIT)
        return luaL_error(L, "cache:incr: the sum under '%s' is out of range", key.data);
    check_stored(L, status, "cache:incr");
    push_number(L, &sum);
    return 1;
}

static int l_delete(lua_State *L)
{
    const struct cache *cache;
    const struct slice ns = check_ns(L, &cache);
    struct shared *shared = shared_check(L, "cache:delete");
    lua_pushboolean(L, cache_delete(shared, ns, check_key(L, "cache:delete")));
    return 1;
}

static int l_cache(lua_State *L)
{
    struct slice ns;
    ns.data = luaL_checklstring(L, 1, &ns.len);
    if (ns.len == 0 || ns.len > LIMIT_NAME_BYTES || memchr(ns.data, '\0', ns.len))
        return luaL_error(L, "the namespace of anzol.cache has 1 to %d bytes and no zero byte",
                          LIMIT_NAME_BYTES);
    struct cache *cache = object_push(L, &cache_kind, sizeof *cache, 0);
    memcpy(cache->ns, ns.data, ns.len);
    cache->ns_len = ns.len;
    return 1;
}

static const luaL_Reg methods[] = {
    {"add", l_add},   {"delete", l_delete}, {"get", l_get},
    {"incr", l_incr}, {"set", l_set},       {NULL, NULL},
};

const struct object_kind cache_kind = {"cache", NULL, methods};

void open_cache(lua_State *L)
{
    object_open(L, &cache_kind);
    lua_pushcfunction(L, l_cache);
    lua_setfield(L, -2, "cache");
}
