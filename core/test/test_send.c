/* SPDX-License-Identifier: MIT */
/* anzol_test.send: the address guard, one plain exchange, and a rig of sender, store and servers.
 */
#include "send_rig_int.h"

#include "base/clock.h"
#include "base/limits.h"
#include "send/transfer_int.h"

#include <arpa/inet.h>
#include <dlfcn.h>
#include <netinet/in.h>
#include <signal.h>

int luaopen_anzol_test_send(lua_State *L);

static const char *const verdicts[] = {
    [GUARD_ALLOWED] = "allowed", [GUARD_PRIVATE] = "private", [GUARD_NEVER] = "never"};

static size_t read_blocks(lua_State *L, const char *name, struct cidr *blocks)
{
    size_t count = 0;
    if (!lua_istable(L, 3) || lua_getfield(L, 3, name) == LUA_TNIL)
        return 0;
    for (; lua_rawgeti(L, -1, (lua_Integer)count + 1) == LUA_TSTRING && count < LIMIT_GUARD_BLOCKS;
         lua_pop(L, 1))
        check(cidr_parse(slice_str(lua_tostring(L, -1)), &blocks[count++]));
    return count;
}

/* judge(address, scope, { allow =, deny = }) -> verdict, reason. An address that is none: a socket
 * of another family. */
static int l_judge(lua_State *L)
{
    const char *text = luaL_checkstring(L, 1);
    struct sockaddr_in in = {.sin_family = AF_INET};
    struct sockaddr_in6 in6 = {.sin6_family = AF_INET6,
                               .sin6_scope_id = (uint32_t)luaL_optinteger(L, 2, 0)};
    const struct sockaddr other = {.sa_family = AF_UNIX};
    const struct sockaddr *address = &other;
    if (inet_pton(AF_INET, text, &in.sin_addr) == 1)
        address = (const struct sockaddr *)&in;
    else if (inet_pton(AF_INET6, text, &in6.sin6_addr) == 1)
        address = (const struct sockaddr *)&in6;
    struct guard_rules rules = {0};
    const char *reason = "";
    rules.allow_count = read_blocks(L, "allow", rules.allow);
    rules.deny_count = read_blocks(L, "deny", rules.deny);
    lua_pushstring(L, verdicts[guard_judge(&rules, address, &reason)]);
    lua_pushstring(L, reason);
    return 2;
}

/* check_url(url) -> true | false, text */
static int l_check_url(lua_State *L)
{
    struct err err = {0};
    lua_pushboolean(L, guard_check_url(luaL_checkstring(L, 1), &err) == OK);
    lua_pushstring(L, err.text);
    return 2;
}

/* advance(ms): the clocks stand still at now and move by ms. real(): they go again. */
static int l_advance(lua_State *L)
{
    clock_fake(clock_now_ms(), clock_mono_ms());
    clock_advance(luaL_checkinteger(L, 1));
    return 0;
}

static int l_real(lua_State *L)
{
    (void)L;
    clock_real();
    return 0;
}

/* told_url(url, is_secret) -> as it may be told */
static int l_told_url(lua_State *L)
{
    struct buf told;
    buf_init(&told, LIMIT_REQUEST_LINE_BYTES);
    const enum status status =
        told_url_add(slice_str(luaL_checkstring(L, 1)), lua_toboolean(L, 2), &told);
    lua_pushlstring(L, buf_slice(&told).data, told.len);
    buf_finish(&told);
    return status == OK ? 1 : luaL_error(L, "%s", status_name(status));
}

static const luaL_Reg functions[] = {
    {"advance", l_advance},   {"check_url", l_check_url},
    {"has_slot", l_has_slot}, {"judge", l_judge},
    {"pace", l_pace},         {"real", l_real},
    {"told_url", l_told_url}, {NULL, NULL},
};

/* A look-up that nobody waits for may outlive the Lua state, which would unload its code. */
static void stay_loaded(void)
{
    Dl_info info;
    check(dladdr(functions, &info) != 0);
    check(dlopen(info.dli_fname, RTLD_NOW | RTLD_NODELETE) != NULL);
}

int luaopen_anzol_test_send(lua_State *L)
{
    stay_loaded();
    /* As the program does: a peer that hangs up is an error of its write. */
    check(signal(SIGPIPE, SIG_IGN) != SIG_ERR);
    luaL_newlib(L, functions);
    luaL_setfuncs(L, send_rig_functions, 0);
    luaL_setfuncs(L, send_resolver_functions, 0);
    lua_pushinteger(L, LIMIT_URL_BYTES);
    lua_setfield(L, -2, "url_bytes_max");
    lua_pushinteger(L, LIMIT_ATTEMPTS_PER_WORKER);
    lua_setfield(L, -2, "attempts_max");
    lua_pushinteger(L, LIMIT_SILENT_ATTEMPTS_PER_WORKER);
    lua_setfield(L, -2, "silent_attempts_max");
    lua_pushinteger(L, LIMIT_SILENT_DELIVERIES_PER_WORKER);
    lua_setfield(L, -2, "silent_deliveries_max");
    return 1;
}
