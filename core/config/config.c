/* SPDX-License-Identifier: MIT */
/* The four places a setting comes from, the weakest first, so that the stronger replaces it. */
#include "config/config_int.h"

#include "base/memory.h"
#include "base/text.h"

#include <stdio.h>
#include <stdlib.h>

#define ORIGIN_BYTES 128
#define DIR_DEFAULT "."
#define DIR_VARIABLE "ANZOL_PROJECT"
#define STORE_FILE "anzol.db"
#define HELP_HINT "`anzol serve --help` lists them all"

static bool is_flag(const char *argument)
{
    return argument[0] == '-' && argument[1] != '\0';
}

static bool is_help(const char *argument)
{
    return strcmp(argument, "--help") == 0 || strcmp(argument, "-h") == 0;
}

/* "--watch" and "--no-watch" stand alone; every other flag without "=" takes the next argument. */
static bool takes_next(const char *flag)
{
    const struct option *option = option_find_flag(flag);
    return option && option->type != OPTION_BOOL && !strchr(flag, '=');
}

/* The positional argument, or NULL. */
static const char *positional(int argc, char *const *argv)
{
    for (int i = 0; i < argc; i++) {
        if (strcmp(argv[i], "--") == 0)
            return i + 1 < argc ? argv[i + 1] : NULL;
        if (!is_flag(argv[i]))
            return argv[i];
        i += takes_next(argv[i]);
    }
    return NULL;
}

const char *config_dir(const struct config_input *input)
{
    const char *dir = positional(input->argc, input->argv);
    if (!dir && input->environment)
        dir = input->environment(DIR_VARIABLE, input->ctx);
    return dir && *dir ? dir : DIR_DEFAULT;
}

static enum status set_defaults(struct config *config, struct err *err)
{
    const struct origin origin = {.name = "default", .separator = ','};
    enum status status = OK;
    for (size_t i = 0; status == OK && i < config_option_count; i++)
        if (config_options[i].fallback)
            status =
                value_set(config, &config_options[i], config_options[i].fallback, &origin, err);
    return status;
}

static const char *nearest_key(const char *name)
{
    const char *names[64];
    check(config_option_count <= array_count(names));
    for (size_t i = 0; i < config_option_count; i++)
        names[i] = config_options[i].name;
    return text_nearest(slice_str(name), names, config_option_count);
}

static enum status set_from_file(const struct config_input *input, struct config *config,
                                 struct err *err)
{
    for (size_t i = 0; i < input->setting_count; i++) {
        const struct config_setting *setting = &input->settings[i];
        const struct option *option = option_find(setting->name);
        char where[ORIGIN_BYTES];
        if (setting->line > 0)
            (void)snprintf(where, sizeof where, "anzol.lua:%d: %s", setting->line, setting->name);
        else
            (void)snprintf(where, sizeof where, "anzol.lua: %s", setting->name);
        if (!option) {
            const char *nearest = nearest_key(setting->name);
            return err_set(err, E_INVALID, "%s: unknown setting%s%s%s; " HELP_HINT, where,
                           nearest ? "; did you mean \"" : "", nearest ? nearest : "",
                           nearest ? "\"?" : "");
        }
        const struct origin origin = {.name = where, .dir = config->dir, .separator = '\n'};
        /* An empty list has no text to show. */
        if (option->count_offset > 0 && !*setting->value)
            continue;
        const enum status status = value_set(config, option, setting->value, &origin, err);
        if (status != OK)
            return status;
    }
    return OK;
}

static enum status set_from_environment(const struct config_input *input, struct config *config,
                                        struct err *err)
{
    enum status status = OK;
    for (size_t i = 0; status == OK && i < config_option_count; i++) {
        char name[CONFIG_NAME_BYTES];
        config_environment_name(config_options[i].name, name);
        const char *value = input->environment ? input->environment(name, input->ctx) : NULL;
        const struct origin origin = {.name = name, .separator = ','};
        if (value && *value) /* set but empty: as if not set */
            status = value_set(config, &config_options[i], value, &origin, err);
    }
    return status;
}

static enum status refuse_flag(const char *flag, struct err *err)
{
    char names[64][CONFIG_NAME_BYTES];
    const char *candidates[array_count(names)];
    check(config_option_count <= array_count(names));
    for (size_t i = 0; i < config_option_count; i++) {
        config_flag_name(config_options[i].name, names[i]);
        candidates[i] = names[i];
    }
    const struct slice name = slice_of(flag, strcspn(flag, "="));
    const char *nearest = text_nearest(name, candidates, config_option_count);
    return err_set(err, E_INVALID, "%.*s: unknown option%s%s%s; " HELP_HINT, (int)name.len,
                   name.data, nearest ? "; did you mean " : "", nearest ? nearest : "",
                   nearest ? "?" : "");
}

/* "--no-watch" is "--watch=false". NULL: no such switch. */
static const struct option *find_negated(const char *flag)
{
    char name[CONFIG_NAME_BYTES];
    if (strncmp(flag, "--no-", 5) != 0 || strlen(flag) >= sizeof name)
        return NULL;
    (void)snprintf(name, sizeof name, "--%s", flag + 5);
    const struct option *option = option_find_flag(name);
    return option && option->type == OPTION_BOOL && !strchr(flag, '=') ? option : NULL;
}

/* The flag at argv[*index], with its value; moves *index over a value of its own. */
static enum status set_flag(const struct config_input *input, int *index, struct config *config,
                            struct err *err)
{
    const char *flag = input->argv[*index];
    const struct option *negated = find_negated(flag);
    const struct option *option = negated ? negated : option_find_flag(flag);
    if (!option)
        return refuse_flag(flag, err);
    char name[CONFIG_NAME_BYTES];
    config_flag_name(option->name, name);
    const struct origin origin = {.name = name, .separator = ','};
    const char *equals = strchr(flag, '=');
    if (equals)
        return value_set(config, option, equals + 1, &origin, err);
    if (option->type == OPTION_BOOL)
        return value_set(config, option, negated ? "false" : "true", &origin, err);
    if (*index + 1 >= input->argc)
        return err_set(err, E_INVALID, "%s: a value is missing: %s %s", name, name,
                       option_value_name(option->type));
    return value_set(config, option, input->argv[++*index], &origin, err);
}

static enum status set_from_flags(const struct config_input *input, struct config *config,
                                  struct err *err)
{
    int positional_count = 0;
    bool only_positional = false;
    for (int i = 0; i < input->argc; i++) {
        const char *argument = input->argv[i];
        if (!only_positional && strcmp(argument, "--") == 0) {
            only_positional = true;
        } else if (only_positional || !is_flag(argument)) {
            if (++positional_count > 1)
                return err_set(err, E_INVALID,
                               "usage: anzol serve [DIR] [OPTION]...: one folder is enough, "
                               "\"%s\" is another",
                               argument);
        } else {
            const enum status status = set_flag(input, &i, config, err);
            if (status != OK)
                return status;
        }
    }
    return OK;
}

static bool is_any_port(const char *address)
{
    const char *colon = strrchr(address, ':');
    return colon && strcmp(colon, ":0") == 0;
}

/* What depends on other settings. */
static enum status set_reckoned(const struct config_input *input, bool is_dir_named,
                                struct config *config, struct err *err)
{
    const char *given =
        input->environment ? input->environment("STATE_DIRECTORY", input->ctx) : NULL;
    if (!config->state_dir)
        config->state_dir =
            given && *given ? strndup(given, strcspn(given, ":")) : strdup(config->dir);
    const bool is_kept = !config->dev || is_dir_named;
    if (config->state_dir && !config->store_path && is_kept)
        config->store_path = value_join_path(config->state_dir, STORE_FILE);
    if (!config->state_dir || (!config->store_path && is_kept))
        return err_set(err, E_NOMEM, "settings: no memory");
    if (config->dev && !value_is_loopback(config->admin_listen))
        return err_set(err, E_INVALID,
                       "--dev opens the admin listener without a token, so admin_listen (%s) must "
                       "be a loopback address such as 127.0.0.1:8081; or leave --dev out and set "
                       "ANZOL_ADMIN_TOKEN",
                       config->admin_listen);
    if (config->secrets_key && config->secrets_key_file)
        return err_set(
            err, E_INVALID,
            "secrets_key and secrets_key.file are both set; leave one out, so that it is "
            "clear which key seals");
    if (strcmp(config->listen, config->admin_listen) == 0 && !is_any_port(config->listen))
        return err_set(err, E_INVALID,
                       "listen and admin_listen are both %s: webhooks and the admin API need an "
                       "address each",
                       config->listen);
    return OK;
}

/* What is said for this start, beside the project's file. A folder that is named here is meant for
 * what dev writes too; that of the file may be the one with what must not be lost. */
static enum status set_for_start(const struct config_input *input, struct config *config,
                                 struct err *err)
{
    char *dir_of_file = config->state_dir;
    config->state_dir = NULL;
    enum status status = set_from_environment(input, config, err);
    if (status == OK)
        status = set_from_flags(input, config, err);
    const bool is_dir_named = config->state_dir != NULL;
    if (is_dir_named)
        free(dir_of_file);
    else
        config->state_dir = dir_of_file;
    return status == OK ? set_reckoned(input, is_dir_named, config, err) : status;
}

enum status config_parse(const struct config_input *input, struct config *config, struct err *err)
{
    for (int i = 0; i < input->argc && strcmp(input->argv[i], "--") != 0; i++)
        if (is_help(input->argv[i])) {
            config->is_help = true;
            return OK;
        }
    config->dir = strdup(config_dir(input));
    if (!config->dir)
        return err_set(err, E_NOMEM, "settings: no memory");
    enum status status = set_defaults(config, err);
    if (status == OK)
        status = set_from_file(input, config, err);
    return status == OK ? set_for_start(input, config, err) : status;
}

void config_finish(struct config *config)
{
    if (!config)
        return;
    for (size_t i = 0; i < config->admin_host_count; i++)
        free(config->admin_hosts[i]);
    for (size_t i = 0; i < config->c_module_count; i++)
        free(config->c_modules[i]);
    free(config->c_modules);
    for (size_t i = 0; i < config->script_count; i++)
        free(config->scripts[i]);
    for (size_t i = 0; i < config->trusted_proxy_count; i++)
        free(config->trusted_proxies[i]);
    free(config->trusted_proxies);
    for (size_t i = 0; i < config->guard_allow_count; i++)
        free(config->guard_allow[i]);
    free(config->guard_allow);
    for (size_t i = 0; i < config->guard_deny_count; i++)
        free(config->guard_deny[i]);
    free(config->guard_deny);
    free(config->admin_hosts);
    for (size_t i = 0; i < config->frame_origin_count; i++)
        free(config->frame_origins[i]);
    free(config->frame_origins);
    free(config->admin_url);
    free(config->scripts);
    free(config->dir);
    free(config->listen);
    free(config->admin_listen);
    memory_free_secret_text(config->admin_token);
    memory_free_secret_text(config->secrets_key);
    free(config->secrets_key_file);
    free(config->state_dir);
    free(config->store_path);
    free(config->timezone);
    free(config->operational_application);
    free(config->public_url);
    *config = (struct config){0};
}
