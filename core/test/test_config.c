/* SPDX-License-Identifier: MIT */
/* anzol_test.config: the settings and the parsers of base/text.h, for spec/core/config_spec.lua. */
#include "base/text.h"
#include "config/config.h"
#include "script/fields.h"

#include <lauxlib.h>
#include <lua.h>
#include <stdlib.h>

#define ARGS_MAX 64

int luaopen_anzol_test_config(lua_State *L);

/* The environment is a table at index 2. */
static const char *get_environment(const char *name, void *ctx)
{
    lua_State *L = ctx;
    lua_getfield(L, 2, name);
    const char *value = lua_tostring(L, -1); /* stays alive: the table holds it */
    lua_pop(L, 1);
    return value;
}

static int read_args(lua_State *L, char *argv[ARGS_MAX])
{
    const int argc = (int)luaL_len(L, 1);
    luaL_argcheck(L, argc <= ARGS_MAX, 1, "too many arguments");
    for (int i = 0; i < argc; i++) {
        lua_geti(L, 1, i + 1);
        argv[i] = (char *)(uintptr_t)luaL_checkstring(L, -1);
        lua_pop(L, 1);
    }
    return argc;
}

static size_t read_settings(lua_State *L, struct config_setting rows[ARGS_MAX])
{
    const size_t count = (size_t)luaL_len(L, 3);
    luaL_argcheck(L, count <= ARGS_MAX, 3, "too many settings");
    for (size_t i = 0; i < count; i++) {
        lua_geti(L, 3, (lua_Integer)i + 1);
        lua_getfield(L, -1, "name");
        lua_getfield(L, -2, "value");
        lua_getfield(L, -3, "line");
        rows[i] = (struct config_setting){lua_tostring(L, -3), lua_tostring(L, -2),
                                          (int)lua_tointeger(L, -1)};
        lua_pop(L, 4);
    }
    return count;
}

static void set_list(lua_State *L, const char *name, char *const *items, size_t count)
{
    lua_newtable(L);
    for (size_t i = 0; i < count; i++) {
        lua_pushstring(L, items[i]);
        lua_seti(L, -2, (lua_Integer)i + 1);
    }
    lua_setfield(L, -2, name);
}

static void push_config(lua_State *L, const struct config *config)
{
    lua_newtable(L);
    set_text(L, "dir", config->dir);
    set_text(L, "listen", config->listen);
    set_text(L, "admin_listen", config->admin_listen);
    set_text(L, "admin_token", config->admin_token);
    set_list(L, "admin_hosts", config->admin_hosts, config->admin_host_count);
    set_text(L, "admin_url", config->admin_url);
    set_list(L, "frame_origins", config->frame_origins, config->frame_origin_count);
    set_bool(L, "dev", config->dev);
    set_integer(L, "drain_ms", config->drain_ms);
    set_integer(L, "intake_bytes", (lua_Integer)config->intake_bytes);
    set_integer(L, "log_format", config->log_format);
    set_integer(L, "log_level", config->log_level);
    set_integer(L, "retention_ms", config->retention_ms);
    set_list(L, "guard_allow", config->guard_allow, config->guard_allow_count);
    set_list(L, "scripts", config->scripts, config->script_count);
    set_text(L, "secrets_key", config->secrets_key);
    set_text(L, "secrets_key_file", config->secrets_key_file);
    set_text(L, "state_dir", config->state_dir);
    set_text(L, "store_path", config->store_path);
    set_text(L, "timezone", config->timezone);
    set_bool(L, "watch", config->watch);
    set_integer(L, "workers", config->workers);
    set_bool(L, "is_help", config->is_help);
}

/* parse(args, environment, settings) -> config | nil, text */
static int l_parse(lua_State *L)
{
    char *argv[ARGS_MAX];
    struct config_setting rows[ARGS_MAX];
    for (int i = 1; i <= 3; i++)
        luaL_checktype(L, i, LUA_TTABLE);
    const struct config_input input = {
        .argc = read_args(L, argv),
        .argv = argv,
        .environment = get_environment,
        .ctx = L,
        .settings = rows,
        .setting_count = read_settings(L, rows),
    };
    struct config config = {0};
    struct err err = {0};
    const enum status status = config_parse(&input, &config, &err);
    if (status == OK)
        push_config(L, &config);
    else
        lua_pushnil(L);
    config_finish(&config);
    lua_pushstring(L, status == OK ? "" : err.text);
    return 2;
}

/* help() -> text */
static int l_help(lua_State *L)
{
    struct buf text;
    buf_init(&text, 1 << 20);
    if (config_help(&text) != OK)
        return luaL_error(L, "no help");
    lua_pushlstring(L, text.data, text.len);
    buf_finish(&text);
    return 1;
}

/* options() -> list of {name, flag, environment, help} */
static int l_options(lua_State *L)
{
    lua_newtable(L);
    struct config_option option;
    for (size_t i = 0; config_option_at(i, &option); i++) {
        char flag[CONFIG_NAME_BYTES], variable[CONFIG_NAME_BYTES];
        config_flag_name(option.name, flag);
        config_environment_name(option.name, variable);
        lua_newtable(L);
        set_text(L, "name", option.name);
        set_text(L, "flag", flag);
        set_text(L, "environment", variable);
        set_text(L, "help", option.help);
        lua_seti(L, -2, (lua_Integer)i + 1);
    }
    return 1;
}

static struct slice check_slice(lua_State *L, int index)
{
    size_t len;
    const char *text = luaL_checklstring(L, index, &len);
    return slice_of(text, len);
}

/* duration(text) -> ms | nil */
static int l_duration(lua_State *L)
{
    int64_t ms;
    if (!text_parse_duration_ms(check_slice(L, 1), &ms))
        return 0;
    lua_pushinteger(L, ms);
    return 1;
}

/* size(text) -> bytes | nil */
static int l_size(lua_State *L)
{
    size_t bytes;
    if (!text_parse_size(check_slice(L, 1), &bytes))
        return 0;
    lua_pushinteger(L, (lua_Integer)bytes);
    return 1;
}

/* nearest(name, candidates) -> candidate | nil */
static int l_nearest(lua_State *L)
{
    const struct slice name = check_slice(L, 1);
    const char *candidates[ARGS_MAX];
    const size_t count = (size_t)luaL_len(L, 2);
    luaL_argcheck(L, count <= ARGS_MAX, 2, "too many candidates");
    for (size_t i = 0; i < count; i++) {
        lua_geti(L, 2, (lua_Integer)i + 1);
        candidates[i] = luaL_checkstring(L, -1);
        lua_pop(L, 1);
    }
    lua_pushstring(L, text_nearest(name, candidates, count));
    return 1;
}

/* is_utf8(text) -> boolean */
static int l_is_utf8(lua_State *L)
{
    lua_pushboolean(L, text_is_utf8(check_slice(L, 1)));
    return 1;
}

static const luaL_Reg functions[] = {
    {"duration", l_duration}, {"help", l_help},   {"is_utf8", l_is_utf8}, {"nearest", l_nearest},
    {"options", l_options},   {"parse", l_parse}, {"size", l_size},       {NULL, NULL},
};

int luaopen_anzol_test_config(lua_State *L)
{
    luaL_newlib(L, functions);
    return 1;
}
