/* SPDX-License-Identifier: MIT */
/* The rows of the settings and what they are called in each place. */
#include "config/config_int.h"

#include "base/id.h"
#include "base/limits.h"

#define WORKERS_MAX ID_SHARD_COUNT /* more would own no shard */
#define RETENTION_MS_MIN (60 * 1000)
#define DAY_MS (24 * 60 * 60 * INT64_C(1000))
#define APPLICATION_ENDPOINTS_MAX 100000
#define INTAKE_BYTES_MIN (1024 * 1024)

#define at(member) .offset = offsetof(struct config, member)
#define list_at(member, count) at(member), .count_offset = offsetof(struct config, count)

/* In the order of their names. */
const struct option config_options[] = {
    {.name = "admin_hosts",
     .type = OPTION_LIST,
     list_at(admin_hosts, admin_host_count),
     .help = "further names that the Host header of admin requests may have, without port"},
    {.name = "admin_listen",
     .type = OPTION_ADDRESS,
     at(admin_listen),
     .fallback = "127.0.0.1:8081",
     .help = "where the REST API and /healthz answer"},
    {.name = "admin_token",
     .type = OPTION_SECRET,
     at(admin_token),
     .help = "the bearer token of the admin listener; without one it answers only /healthz "
             "(anzol.sock needs none)"},
    {.name = "admin_url",
     .type = OPTION_URL,
     at(admin_url),
     .note = "http:// and the Host of each request",
     .help = "where browsers reach the admin listener, such as https://hooks.example behind a "
             "proxy: links to the portal begin with it, and its name is one of admin_hosts"},
    {.name = "c_modules",
     .type = OPTION_LIST,
     list_at(c_modules, c_module_count),
     .help = "C modules that scripts may require, such as lpeg"},
    {.name = "dev",
     .type = OPTION_BOOL,
     at(dev),
     .fallback = "false",
     .help = "development: a new store each time unless it or its folder is named, no token needed "
             "on a "
             "loopback admin_listen"},
    {.name = "drain",
     .type = OPTION_DURATION,
     at(drain_ms),
     .fallback = "30s",
     .min = 0,
     .max = DAY_MS,
     .help = "how long a stop waits for what runs"},
    {.name = "guard.allow",
     .type = OPTION_BLOCKS,
     list_at(guard_allow, guard_allow_count),
     .max = LIMIT_GUARD_BLOCKS,
     .note = "none",
     .help = "addresses that all may call, though they are not public"},
    {.name = "guard.deny",
     .type = OPTION_BLOCKS,
     list_at(guard_deny, guard_deny_count),
     .max = LIMIT_GUARD_BLOCKS,
     .note = "none",
     .help = "addresses that none may call; stronger than guard.allow and allow_private"},
    {.name = "limits.application_endpoints",
     .type = OPTION_INTEGER,
     at(application_endpoints),
     .fallback = "1000",
     .min = 1,
     .max = APPLICATION_ENDPOINTS_MAX,
     .help = "the most endpoints that one application registers; one more: 400"},
    {.name = "limits.intake_bytes",
     .type = OPTION_SIZE,
     at(intake_bytes),
     .fallback = "256MiB",
     .min = INTAKE_BYTES_MIN,
     .max = INT64_C(1) << 40,
     .help = "the most that all request bodies being read may hold; past it: 503"},
    {.name = "listen",
     .type = OPTION_ADDRESS,
     at(listen),
     .fallback = "127.0.0.1:8080",
     .help = "where the sources receive"},
    {.name = "log.format",
     .type = OPTION_LOG_FORMAT,
     at(log_format),
     .fallback = "text",
     .help = "one line of text or one JSON object a log line, on standard error"},
    {.name = "log.level",
     .type = OPTION_LOG_LEVEL,
     at(log_level),
     .fallback = "info",
     .help = "the least important lines that are written"},
    {.name = "operational_application",
     .type = OPTION_UID,
     at(operational_application),
     .note = "none",
     .help = "the uid of the application that operational webhooks go to; it is made if it is not "
             "there"},
    {.name = "portal.frame_origins",
     .type = OPTION_ORIGINS,
     list_at(frame_origins, frame_origin_count),
     .note = "none",
     .help = "pages that may show the portal in a frame, such as https://shop.example"},
    {.name = "public_url",
     .type = OPTION_HTTPS_URL,
     at(public_url),
     .note = "none",
     .help = "https://… by which others know `listen`; receivers that are asked for their consent "
             "get a callback below it"},
    {.name = "retention",
     .type = OPTION_DURATION,
     at(retention_ms),
     .fallback = "30d",
     .min = RETENTION_MS_MIN,
     .max = 36500 * DAY_MS,
     .help = "how long finished events are kept, unless their source says otherwise"},
    {.name = "scripts",
     .type = OPTION_LIST,
     list_at(scripts, script_count),
     .fallback = "scripts/*.lua",
     .help = "globs of the scripts, below the project's folder"},
    {.name = "secrets_key",
     .type = OPTION_SECRET,
     at(secrets_key),
     .help = "the key that seals secrets in the store: 32 bytes as hex or base64; older ones that "
             "still open some behind it, apart by commas"},
    {.name = "secrets_key.file",
     .type = OPTION_FILE,
     at(secrets_key_file),
     .note = "anzol-secrets-key in $CREDENTIALS_DIRECTORY of systemd",
     .help = "a file with that key, older ones in lines behind it; `anzol secrets rotate` reads it "
             "anew"},
    {.name = "state_dir",
     .type = OPTION_PATH,
     at(state_dir),
     .note = "$STATE_DIRECTORY of systemd, else the project's folder",
     .help = "where anzol.db, anzol.sock and anzol.lock lie"},
    {.name = "store",
     .type = OPTION_STORE,
     at(store_path),
     .note = "sqlite:STATE_DIR/anzol.db, with dev one in a temporary folder unless STATE_DIR is "
             "named by flag or environment",
     .help = "where events, messages and deliveries are kept"},
    {.name = "supervise",
     .type = OPTION_BOOL,
     at(supervise),
     .fallback = "false",
     .help = "a parent process starts the server again when it crashed"},
    {.name = "timezone",
     .type = OPTION_TIMEZONE,
     at(timezone),
     .fallback = "UTC",
     .help = "the zone of os.date and os.time in scripts, such as Europe/Lisbon"},
    {.name = "trust",
     .type = OPTION_TRUST,
     at(is_trusted),
     .fallback = "sandbox",
     .help = "sandbox: scripts have no files, processes and C; full: everything of Lua"},
    {.name = "trusted_proxies",
     .type = OPTION_BLOCKS,
     list_at(trusted_proxies, trusted_proxy_count),
     .note = "none",
     .help = "proxies before us: of their X-Forwarded-For the last other address is the client"},
    {.name = "watch",
     .type = OPTION_BOOL,
     at(watch),
     .fallback = "false",
     .help = "reload when a script changes"},
    {.name = "workers",
     .type = OPTION_INTEGER,
     at(workers),
     .fallback = "0",
     .min = 0,
     .max = WORKERS_MAX,
     .help = "worker threads; 0 takes one per core"},
};
const size_t config_option_count = array_count(config_options);

#undef at
#undef list_at

static const char *const value_names[OPTION_TYPE_COUNT] = {
    [OPTION_BLOCKS] = "A/N,B,…",
    [OPTION_ADDRESS] = "HOST:PORT",
    [OPTION_BOOL] = "",
    [OPTION_INTEGER] = "N",
    [OPTION_DURATION] = "DURATION",
    [OPTION_FILE] = "FILE",
    [OPTION_LIST] = "A,B,…",
    [OPTION_LOG_FORMAT] = "text|json",
    [OPTION_LOG_LEVEL] = "LEVEL",
    [OPTION_ORIGINS] = "ORIGIN,…",
    [OPTION_PATH] = "DIR",
    [OPTION_SECRET] = "TOKEN",
    [OPTION_TRUST] = "sandbox|full",
    [OPTION_UID] = "UID",
    [OPTION_URL] = "URL",
    [OPTION_HTTPS_URL] = "URL",
    [OPTION_SIZE] = "SIZE",
    [OPTION_STORE] = "sqlite:FILE",
    [OPTION_TIMEZONE] = "ZONE",
};

const char *option_value_name(enum option_type type)
{
    return value_names[type];
}

const struct option *option_find(const char *name)
{
    for (size_t i = 0; i < config_option_count; i++)
        if (strcmp(config_options[i].name, name) == 0)
            return &config_options[i];
    return NULL;
}

const struct option *option_find_flag(const char *flag)
{
    const struct slice wanted = slice_of(flag, strcspn(flag, "="));
    for (size_t i = 0; i < config_option_count; i++) {
        char name[CONFIG_NAME_BYTES];
        config_flag_name(config_options[i].name, name);
        if (slice_is(wanted, name))
            return &config_options[i];
    }
    return NULL;
}

/* prefix and name, each byte of name through change. */
static void spell(const char *prefix, const char *name, char (*change)(char),
                  char text[CONFIG_NAME_BYTES])
{
    size_t len = strlen(prefix);
    check(len + strlen(name) < CONFIG_NAME_BYTES);
    memcpy(text, prefix, len);
    for (; *name; name++)
        text[len++] = change(*name);
    text[len] = '\0';
}

static char to_flag(char c)
{
    return c == '.' || c == '_' ? '-' : c;
}

static char to_environment(char c)
{
    if (c == '.')
        return '_';
    return c >= 'a' && c <= 'z' ? (char)(c - 'a' + 'A') : c;
}

void config_flag_name(const char *name, char text[CONFIG_NAME_BYTES])
{
    spell("--", name, to_flag, text);
}

void config_environment_name(const char *name, char text[CONFIG_NAME_BYTES])
{
    spell("ANZOL_", name, to_environment, text);
}

bool config_option_at(size_t index, struct config_option *option)
{
    if (index >= config_option_count)
        return false;
    const struct option *row = &config_options[index];
    *option = (struct config_option){
        .name = row->name,
        .value = option_value_name(row->type),
        .fallback = row->fallback ? row->fallback
                    : row->note   ? row->note
                                  : "",
        .help = row->help,
    };
    return true;
}

static const char help_head[] =
    "Usage: anzol serve [DIR] [OPTION]...\n"
    "\n"
    "Serves the project in DIR (default: ANZOL_PROJECT, else the current folder): loads its\n"
    "scripts, receives webhooks, keeps them, runs the scripts and sends. SIGHUP or `anzol reload`\n"
    "loads the scripts anew; SIGTERM stops after what runs has ended.\n"
    "\n"
    "Every option is a flag, a key of DIR/anzol.lua and an environment variable. A flag wins\n"
    "over the environment, that over anzol.lua, that over the default. Secrets of scripts come\n"
    "from ANZOL_SECRET_NAME, or the file that ANZOL_SECRET_NAME_FILE names.\n"
    "\n"
    "Options:\n";

static enum status add_row_help(struct buf *out, const struct option *row)
{
    char flag[CONFIG_NAME_BYTES], variable[CONFIG_NAME_BYTES];
    config_flag_name(row->name, flag);
    config_environment_name(row->name, variable);
    const char *value = option_value_name(row->type);
    const char *fallback = row->fallback ? row->fallback : row->note ? row->note : "none";
    enum status status =
        buf_printf(out, "  %s%s%s\n      %s\n", flag, *value ? " " : "", value, row->help);
    if (status == OK)
        status = buf_printf(out, "      default: %s · anzol.lua: %s · environment: %s\n", fallback,
                            row->name, variable);
    return status;
}

enum status config_help(struct buf *out)
{
    enum status status = buf_add_str(out, help_head);
    for (size_t i = 0; status == OK && i < config_option_count; i++)
        status = add_row_help(out, &config_options[i]);
    if (status == OK)
        status = buf_add_str(out, "  -h, --help\n      this text\n\n"
                                  "Durations: "
                                  "5s 10m 2h 7d, or seconds. Sizes: 64KiB 1MiB, or "
                                  "bytes. --no-watch turns a switch off.\n");
    return status;
}
