/* SPDX-License-Identifier: MIT */
/* JSON as it lies in memory: told valid without being read into anything. Pure, any thread. */
#ifndef BASE_JSON_H
#define BASE_JSON_H

#include "base/base.h"

/* One value of RFC 8259 in UTF-8, white space around it, at most LIMIT_JSON_DEPTH deep. */
bool json_is_valid(struct slice text);

#endif
