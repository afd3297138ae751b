/* SPDX-License-Identifier: MIT */
/* Inside config/: the rows and how a text becomes a value. */
#ifndef CONFIG_CONFIG_INT_H
#define CONFIG_CONFIG_INT_H

#include "config/config.h"

enum option_type {
    OPTION_ADDRESS,
    OPTION_BLOCKS, /* a list of CIDR blocks */
    OPTION_BOOL,
    OPTION_INTEGER,
    OPTION_DURATION,
    OPTION_FILE,
    OPTION_LIST,
    OPTION_LOG_FORMAT,
    OPTION_LOG_LEVEL,
    OPTION_ORIGINS, /* a list of them */
    OPTION_PATH,
    OPTION_SECRET,
    OPTION_SIZE,
    OPTION_STORE,
    OPTION_TIMEZONE,
    OPTION_TRUST,
    OPTION_UID,
    OPTION_URL, /* of http or https; kept without a slash at its end */
    OPTION_HTTPS_URL,
    OPTION_TYPE_COUNT
};

struct option {
    const char *name;
    enum option_type type;
    size_t offset;        /* in struct config; of a list: its pointer */
    size_t count_offset;  /* of a list: its count */
    const char *fallback; /* NULL: none, or reckoned from other settings (`note` says how) */
    const char *note;
    const char *help;
    int64_t min, max; /* count, duration (ms) and size (bytes); max of a list of blocks: 0: any */
};

extern const struct option config_options[];
extern const size_t config_option_count;

/* What a value of that type looks like in the help; "" for a switch. */
const char *option_value_name(enum option_type type);
/* NULL: no such option. */
const struct option *option_find(const char *name);
/* The option of a flag, with or without its "=value": "--listen=…". NULL: none. */
const struct option *option_find_flag(const char *flag);

/* Where a text came from. */
struct origin {
    const char *name; /* for errors: "--workers", "ANZOL_WORKERS", "anzol.lua:3: workers" */
    const char *dir;  /* relative paths start here; NULL: the current folder */
    char separator;   /* of a list */
};

/* Replaces the option's value in config. */
MUST_USE enum status value_set(struct config *config, const struct option *option, const char *text,
                               const struct origin *origin, struct err *err);
/* True if the host part of a valid address is a loopback name or number. */
bool value_is_loopback(const char *address);
/* Owned: dir/path, or path alone where it is absolute or dir is NULL. NULL: no memory. */
char *value_join_path(const char *dir, const char *path);

#endif
