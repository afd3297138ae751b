/* SPDX-License-Identifier: MIT */
/* Structured fields (RFC 9651) as far as signatures need them, in their canonical spelling only: so
 * what was read is what would be written, and a value has one text. Pure, no allocation. */
#ifndef SIGNATURE_STRUCTURED_INT_H
#define SIGNATURE_STRUCTURED_INT_H

#include "base/base.h"

enum structured_type {
    STRUCTURED_BOOLEAN, /* only true, which has no text of its own */
    STRUCTURED_BYTES,
    STRUCTURED_INTEGER,
    STRUCTURED_LIST, /* an inner list */
    STRUCTURED_STRING,
    STRUCTURED_TOKEN,
};

struct structured_item {
    enum structured_type type;
    struct slice raw;  /* the whole value, with its parameters */
    struct slice text; /* string: between the quotes, escapes as they are; bytes: the base64 */
    int64_t integer;
    struct slice parameters; /* ";name=value…" */
};

/* Reading goes on at text; each call takes its part away. False at the end, or, with *is_bad set,
 * at what is malformed. */
bool structured_next_member(struct slice *text, struct slice *key, struct structured_item *item,
                            bool *is_bad);
bool structured_next_parameter(struct slice *text, struct slice *key, struct structured_item *item,
                               bool *is_bad);
/* Of an inner list's raw text without its parameters: "(…)". */
bool structured_next_element(struct slice *text, struct structured_item *item, bool *is_bad);

/* The member of that key, which may be there once. */
bool structured_find(struct slice text, struct slice key, struct structured_item *item);

#endif
