/* SPDX-License-Identifier: MIT */
/* Lua's patterns with an end: string.find and its like match by these.
 *
 * A pattern is compiled into a row of items. It has no alternatives, so whatever way a match takes,
 * it passes all items before the one that it is at, in order: which captures are open where is
 * known when it is compiled, each repeated item has one point to come back to, and that lies in the
 * item. A match so needs no stack. Each step is work that is charged to the entry that runs, which
 * ends it at its limit. */
#ifndef SCRIPT_PATTERN_INT_H
#define SCRIPT_PATTERN_INT_H

#include "base/text.h"

#include <lua.h>

#define PATTERN_CAPTURES_MAX 32
#define PATTERN_ITEMS_NEAR 24 /* items that need no memory of Lua's */

enum pattern_kind {
    PATTERN_TEXT,     /* these bytes */
    PATTERN_BYTE,     /* one byte, perhaps repeated */
    PATTERN_ANY,      /* . */
    PATTERN_SET,      /* a class or set */
    PATTERN_OPEN,     /* ( */
    PATTERN_CLOSE,    /* ) */
    PATTERN_PLACE,    /* () */
    PATTERN_BACK,     /* %1 */
    PATTERN_BALANCE,  /* %bxy */
    PATTERN_FRONTIER, /* %f[set] */
    PATTERN_AT_END,   /* $ */
    PATTERN_DONE,
    PATTERN_FAULT /* malformed from here on: an error if a match gets here */
};

enum pattern_repeat { REPEAT_ONCE, REPEAT_MOST, REPEAT_LEAST };

/* One line of a cache, and no more. */
struct pattern_item {
    uint8_t kind;
    uint8_t repeat;
    bool is_least_one; /* + */
    bool is_most_one;  /* ? */
    uint8_t byte;      /* BYTE; opening of BALANCE */
    uint8_t closes;    /* BALANCE */
    uint8_t capture;   /* OPEN CLOSE PLACE BACK; the number that FAULT tells */
    int16_t follows;   /* the byte that has to come next; -1: any may */
    int back;          /* the repeated item before this one; -1: none */
    union {
        uint64_t set[4]; /* SET FRONTIER: a bit for each byte */
        struct {
            const char *text; /* TEXT; the message of FAULT */
            size_t len;
        };
    };
    const char *low;  /* while it matches: it may end anywhere from here … */
    const char *high; /* … up to here */
};

struct capture {
    const char *at;
    ptrdiff_t len; /* or one of: */
};
#define CAPTURE_OPEN (-1)
#define CAPTURE_PLACE (-2)

struct pattern {
    struct pattern_item *items;
    size_t count;
    size_t room;
    int capture_count;
    struct capture captures[PATTERN_CAPTURES_MAX];
    struct pattern_item near[PATTERN_ITEMS_NEAR]; /* last: a copy needs those in use only */
};

struct matcher {
    lua_State *L;
    struct pattern *pattern;
    const char *begin; /* the subject */
    const char *end;
    size_t work; /* not charged yet */
};

/* Compiles text, which has to outlive the pattern; items that need memory are a userdata that is
 * put at index `holder` of the stack. Raises only without memory. */
void pattern_check_compile(lua_State *L, struct pattern *pattern, struct slice text, int holder);

/* The end of a match that begins at `at`; NULL: none. Raises for a malformed pattern and over the
 * limit of the entry that runs. */
const char *pattern_check_match(struct matcher *matcher, const char *at);
/* The same for the first match from *at on, which is set to its begin. */
const char *pattern_check_search(struct matcher *matcher, const char **at);
/* Charges the rest of the work. */
void pattern_check_charge(struct matcher *matcher);

#endif
