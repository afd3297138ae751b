/* SPDX-License-Identifier: MIT */
/* The settings of `anzol serve`, from the command line, the environment and anzol.lua. */
#include "server.h"

#include "server_int.h"

#include <lauxlib.h>
#include <stdlib.h>

static const char *read_environment(const char *name, void *ctx)
{
    (void)ctx;
    return getenv(name);
}

static const char *read_nothing(const char *name, void *ctx)
{
    (void)name;
    (void)ctx;
    return NULL;
}

static enum status read_config(struct config *config, struct config_input *input, struct err *err)
{
    struct settings settings = {0};
    enum status status = settings_load(config_dir(input), &settings, err);
    struct config_setting *rows = must_alloc((settings.count + 1) * sizeof *rows);
    for (size_t i = 0; i < settings.count; i++)
        rows[i] = (struct config_setting){settings.rows[i].name, settings.rows[i].value,
                                          settings.rows[i].line};
    input->settings = rows;
    input->setting_count = settings.count;
    if (status == OK)
        status = config_parse(input, config, err);
    free(rows);
    settings_finish(&settings);
    return status;
}

enum status server_read_config(struct config *config, int argc, char **argv, struct err *err)
{
    struct config_input input = {.argc = argc, .argv = argv, .environment = read_environment};
    return read_config(config, &input, err);
}

int l_check_settings(lua_State *L)
{
    char *dir = (char *)(uintptr_t)luaL_checkstring(L, 1);
    struct config_input input = {.argc = 1, .argv = &dir, .environment = read_nothing};
    struct config config = {0};
    struct err err;
    const enum status status = read_config(&config, &input, &err);
    config_finish(&config);
    lua_pushstring(L, status == OK ? NULL : err.text);
    return 1;
}

static int port_of(const char *address)
{
    const char *colon = strrchr(address, ':');
    return colon ? (int)strtol(colon + 1, NULL, 10) : 0;
}

void server_read_guard(const struct config *config, const char *listen, const char *admin,
                       struct guard_rules *guard)
{
    for (size_t i = 0; i < config->guard_allow_count; i++)
        check(cidr_parse(slice_str(config->guard_allow[i]), &guard->allow[guard->allow_count++]));
    for (size_t i = 0; i < config->guard_deny_count; i++)
        check(cidr_parse(slice_str(config->guard_deny[i]), &guard->deny[guard->deny_count++]));
    guard->listeners[0] = port_of(listen);
    guard->listeners[1] = port_of(admin);
}
