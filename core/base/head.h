/* SPDX-License-Identifier: MIT */
/* A head: a packed list of named fields in wire order, as it is kept in memory and in the store.
 * Pure bytes, any thread. For each field: u16 name bytes, u32 value bytes (little endian), name,
 * value. */
#ifndef BASE_HEAD_H
#define BASE_HEAD_H

#include "base/buf.h"

struct field {
    struct slice name;
    struct slice value;
};

/* Appends a field to a head under construction. */
MUST_USE enum status head_add(struct buf *head, struct slice name, struct slice value);
/* Reads the field at *offset and moves it. False at the end or on a malformed head. */
bool head_next(struct slice head, size_t *offset, struct field *field);
/* The first field of that name (ASCII case ignored). */
bool head_find(struct slice head, const char *name, struct slice *value);
/* Whether a field has that name. */
bool head_has(struct slice head, struct slice name);
/* How many fields have that name. */
unsigned head_count(struct slice head, const char *name);

/* Stands for a value that may be secret. */
#define HEAD_MASKED "[hidden]"
/* Whether what has that name is likely a secret, such as Authorization, X-Api-Key, X-Session-Id or
 * access_token: a header, a parameter, a member. A signature is none. The one rule by which values
 * are masked where nobody said which are secret. */
bool head_is_secret(struct slice name);

#endif
