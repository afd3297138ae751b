/* SPDX-License-Identifier: MIT */
/* JSON as it lies in memory: told valid, and looked into, without being read into anything, so that
 * a number keeps every digit. Pure, any thread. */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include "base/buf.h"

/* One value of RFC 8259 in UTF-8, white space around it, at most LIMIT_JSON_DEPTH deep. */
bool json_is_valid(struct slice text);

/* ---- Of text that is valid. Slices borrow from it. ---- */

enum json_kind { JSON_OBJECT, JSON_ARRAY, JSON_STRING, JSON_NUMBER, JSON_BOOL, JSON_NULL };
enum json_kind json_kind_of(struct slice value);
/* The next member of an object, the name with its quotes; *offset is 0 at first. False: there is
 * none. */
bool json_next_member(struct slice object, size_t *offset, struct slice *name, struct slice *value);
/* The next item of an array; as above. */
bool json_next_item(struct slice array, size_t *offset, struct slice *value);
/* The last member of that name. False: there is none. */
bool json_find(struct slice object, const char *name, struct slice *value);
/* Adds what a string says; half a surrogate pair becomes U+FFFD. */
MUST_USE enum status json_add_text(struct slice string, struct buf *out);
/* Adds the value without white space between its tokens. */
MUST_USE enum status json_add_compact(struct slice value, struct buf *out);

#endif
