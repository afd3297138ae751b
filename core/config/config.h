/* SPDX-License-Identifier: MIT */
/* The settings of `anzol serve`: one row an option gives the flag (--admin-listen), the environment
 * variable (ANZOL_ADMIN_LISTEN), the key of anzol.lua (admin_listen; limits.intake_bytes is nested)
 * and the help. A flag wins over the environment, that over anzol.lua, that over the default.
 * Pure but for the environment's getter; at start, one thread. */
#ifndef CONFIG_CONFIG_H
#define CONFIG_CONFIG_H

#include "base/buf.h"
#include "base/err.h"
#include "base/log.h"

struct config {
    char *dir;          /* the project's folder; all text here is owned */
    char *listen;       /* HOST:PORT */
    char *admin_listen; /* HOST:PORT */
    char *admin_token;  /* NULL: none */
    char **admin_hosts; /* more names that Host may have, without port */
    size_t admin_host_count;
    char *admin_url;  /* where browsers reach admin_listen, "https://host/path"; NULL: not said */
    char **c_modules; /* that scripts may require; NULL behind the last */
    size_t c_module_count;
    unsigned application_endpoints; /* that one registers */
    bool dev;
    int64_t drain_ms;
    char **guard_allow; /* addresses and blocks */
    size_t guard_allow_count;
    char **guard_deny;
    size_t guard_deny_count;
    size_t intake_bytes;
    enum log_format log_format;
    enum log_level log_level;
    char **frame_origins; /* that may show the portal in a frame, "https://host" */
    size_t frame_origin_count;
    int64_t retention_ms;
    char **scripts; /* globs below dir; NULL behind the last */
    size_t script_count;
    char *secrets_key;      /* that seals, and older ones; NULL: none */
    char *secrets_key_file; /* that holds them instead; NULL: none */
    char *state_dir;
    char *store_path;              /* the file of "sqlite:FILE"; NULL: with dev, none was named */
    char *operational_application; /* its uid; NULL: none */
    char *public_url; /* by which others know `listen`, without a / at its end; NULL: not said */
    char *timezone;   /* of os.date and os.time in scripts */
    char **trusted_proxies; /* addresses and blocks whose X-Forwarded-For counts */
    size_t trusted_proxy_count;
    bool supervise;
    bool is_trusted; /* trust = "full" */
    bool watch;
    unsigned workers; /* 0: one per core */
    bool is_help;     /* --help: config_help, nothing else is meant */
};

/* One value of anzol.lua, as text; lists joined by "\n". */
struct config_setting {
    const char *name; /* "admin_listen", "limits.intake_bytes" */
    const char *value;
    int line;
};

struct config_input {
    int argc; /* what follows `anzol serve` */
    char *const *argv;
    const char *(*environment)(const char *name, void *ctx); /* NULL: not set */
    void *ctx;
    const struct config_setting *settings;
    size_t setting_count;
};

/* The project's folder alone (positional DIR, else ANZOL_PROJECT, else "."), needed to find
 * anzol.lua before the rest can be read. Borrows from input. Never fails: what is wrong is told by
 * config_parse. */
const char *config_dir(const struct config_input *input);

/* Fills config (zeroed by the caller). Every error names the flag, the variable or anzol.lua:line,
 * what is wrong and what is allowed. On an error config is to be finished just as well. */
MUST_USE enum status config_parse(const struct config_input *input, struct config *config,
                                  struct err *err);
void config_finish(struct config *config);

/* The text of `anzol serve --help`. */
MUST_USE enum status config_help(struct buf *out);

/* The rows, for docs and specs. False behind the last one. */
struct config_option {
    const char *name;     /* "limits.intake_bytes" */
    const char *value;    /* "SIZE", "" for a switch */
    const char *fallback; /* the default as written, "" for none */
    const char *help;
};
bool config_option_at(size_t index, struct config_option *option);
/* "--limits-intake-bytes" and "ANZOL_LIMITS_INTAKE_BYTES" of a name. */
#define CONFIG_NAME_BYTES 64
void config_flag_name(const char *name, char text[CONFIG_NAME_BYTES]);
void config_environment_name(const char *name, char text[CONFIG_NAME_BYTES]);

#endif
